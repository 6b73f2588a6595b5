package rp

import (
	"context"
	"strconv"
)

// GitHub signs people in with GitHub, which has no ID tokens (https://docs.github.com/apps/oauth-apps). The address is the primary
// one, if it is verified.
func GitHub(clientID, clientSecret, redirectURL string) Config {
	return Config{
		Issuer: "https://github.com/login/oauth", ClientID: clientID, ClientSecret: clientSecret, SecretInBody: true, RedirectURL: redirectURL,
		Scopes: []string{"read:user", "user:email"},
		Endpoints: &Endpoints{
			Authorization: "https://github.com/login/oauth/authorize",
			Token:         "https://github.com/login/oauth/access_token",
			UserInfo:      "https://api.github.com/user",
		},
		Profile: func(ctx context.Context, api *API) (map[string]any, error) {
			return gitHubProfile(ctx, api, "https://api.github.com")
		},
	}
}

func gitHubProfile(ctx context.Context, api *API, base string) (map[string]any, error) {
	var user struct {
		ID     int64  `json:"id"`
		Login  string `json:"login"`
		Name   string `json:"name"`
		Avatar string `json:"avatar_url"`
		Page   string `json:"html_url"`
	}
	if err := api.JSON(ctx, base+"/user", &user); err != nil {
		return nil, err
	}
	if user.ID <= 0 {
		return nil, invalid("the profile has no id")
	}
	var addresses []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := api.JSON(ctx, base+"/user/emails", &addresses); err != nil {
		return nil, err
	}
	claims := described(strconv.FormatInt(user.ID, 10), map[string]string{
		"preferred_username": user.Login, "name": user.Name, "picture": user.Avatar, "profile": user.Page,
	})
	for _, a := range addresses {
		if a.Primary && a.Verified {
			claims["email"], claims["email_verified"] = a.Email, true
		}
	}
	return claims, nil
}

// described are claims without the empty ones.
func described(sub string, texts map[string]string) map[string]any {
	claims := map[string]any{"sub": sub}
	for name, text := range texts {
		if text != "" {
			claims[name] = text
		}
	}
	return claims
}
