package rp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
)

// facebookVersion is that of the Graph API; Facebook keeps each for two years or more, and answers older ones with the next.
const facebookVersion = "v23.0"

// Facebook signs people in with Facebook (https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow). Subjects
// are those of this app. An address is there when the person has shared one, and counts as unverified: Facebook promises nothing.
func Facebook(appID, appSecret, redirectURL string) Config {
	const graph = "https://graph.facebook.com/" + facebookVersion
	return Config{
		Issuer: "https://www.facebook.com", ClientID: appID, ClientSecret: appSecret, SecretInBody: true, RedirectURL: redirectURL,
		Scopes: []string{"public_profile", "email"},
		Endpoints: &Endpoints{
			Authorization: "https://www.facebook.com/" + facebookVersion + "/dialog/oauth",
			Token:         graph + "/oauth/access_token",
			UserInfo:      graph + "/me",
		},
		Profile: func(ctx context.Context, api *API) (map[string]any, error) { return facebookProfile(ctx, api, graph) },
	}
}

func facebookProfile(ctx context.Context, api *API, base string) (map[string]any, error) {
	mac := hmac.New(sha256.New, []byte(api.provider.config.ClientSecret)) // the "appsecret_proof" that an app may demand of every call
	mac.Write([]byte(api.Token.AccessToken))
	query := url.Values{
		"fields": {"id,name,first_name,last_name,email,picture.type(large)"}, "appsecret_proof": {hex.EncodeToString(mac.Sum(nil))},
	}
	var me struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		First   string `json:"first_name"`
		Last    string `json:"last_name"`
		Email   string `json:"email"`
		Picture struct {
			Data struct {
				URL string `json:"url"`
			} `json:"data"`
		} `json:"picture"`
	}
	if err := api.JSON(ctx, base+"/me?"+query.Encode(), &me); err != nil {
		return nil, err
	}
	return described(me.ID, map[string]string{
		"name": me.Name, "given_name": me.First, "family_name": me.Last, "email": me.Email, "picture": me.Picture.Data.URL,
	}), nil
}
