package rp

import "context"

// X signs people in with X by OAuth 2.0 (https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code). An app that
// may see addresses adds the scope "users.email"; what X tells is confirmed.
func X(clientID, clientSecret, redirectURL string) Config {
	const me = "https://api.x.com/2/users/me"
	return Config{
		Issuer: "https://x.com", ClientID: clientID, ClientSecret: clientSecret, RedirectURL: redirectURL,
		Scopes: []string{"users.read", "tweet.read"},
		Endpoints: &Endpoints{
			Authorization: "https://x.com/i/oauth2/authorize",
			Token:         "https://api.x.com/2/oauth2/token",
			UserInfo:      me,
		},
		Profile: func(ctx context.Context, api *API) (map[string]any, error) { return xProfile(ctx, api, me) },
	}
}

func xProfile(ctx context.Context, api *API, me string) (map[string]any, error) {
	var answer struct {
		Data struct {
			ID       string `json:"id"`
			Name     string `json:"name"`
			Username string `json:"username"`
			Picture  string `json:"profile_image_url"`
			Email    string `json:"confirmed_email"`
		} `json:"data"`
	}
	if err := api.JSON(ctx, me+"?user.fields=profile_image_url,confirmed_email", &answer); err != nil {
		return nil, err
	}
	d := answer.Data
	claims := described(d.ID, map[string]string{
		"name": d.Name, "preferred_username": d.Username, "picture": d.Picture, "email": d.Email,
	})
	if d.Email != "" {
		claims["email_verified"] = true
	}
	return claims, nil
}
