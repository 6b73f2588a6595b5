package rp

import "context"

// LinkedIn signs people in with LinkedIn (https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2).
// Its ID tokens carry no nonce, so they are left alone and its UserInfo endpoint is asked; and it refuses a code verifier from any
// but native apps, so none is sent. What holds a login together is the state.
func LinkedIn(clientID, clientSecret, redirectURL string) Config {
	const userInfo = "https://api.linkedin.com/v2/userinfo"
	return Config{
		Issuer: "https://www.linkedin.com/oauth", ClientID: clientID, ClientSecret: clientSecret, SecretInBody: true, RedirectURL: redirectURL,
		Scopes: []string{"openid", "profile", "email"}, InsecureNoPKCE: true,
		Endpoints: &Endpoints{
			Authorization: "https://www.linkedin.com/oauth/v2/authorization",
			Token:         "https://www.linkedin.com/oauth/v2/accessToken",
			UserInfo:      userInfo,
		},
		Profile: func(ctx context.Context, api *API) (map[string]any, error) {
			var claims map[string]any
			err := api.JSON(ctx, userInfo, &claims)
			return claims, err
		},
	}
}
