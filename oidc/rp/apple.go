package rp

import (
	"crypto"
	"encoding/json"
	"net/url"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// AppleKey is what Apple authenticates a client by: a key of P-256 that was made in the developer's account.
type AppleKey struct {
	// TeamID is the developer's, and KeyID the key's. Required.
	TeamID string
	KeyID  string
	// Signer holds the key, perhaps elsewhere. Required.
	Signer crypto.Signer
}

const appleIssuer = "https://appleid.apple.com"

// Apple signs people in with Apple (https://developer.apple.com/documentation/signinwithapplerestapi). The client id is that of the
// service. The secret is a JWT that is made for each exchange. Apple answers with a form, tells a person's name at the first sign-in
// alone, and not in the ID token: it is the browser's word.
func Apple(clientID string, key AppleKey, redirectURL string) Config {
	return Config{
		Issuer: appleIssuer, ClientID: clientID, SecretInBody: true, RedirectURL: redirectURL,
		Scopes: []string{"openid", "name", "email"}, FormPost: true, NoUserInfo: true, Normalize: normalizeApple,
		MakeSecret: func(now time.Time) (string, error) { return key.secret(clientID, now) },
	}
}

// secret is the client secret from now on: Apple allows six months, and it needs a minute.
func (k AppleKey) secret(clientID string, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": k.TeamID, "sub": clientID, "aud": appleIssuer, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	return jose.Sign(claims, jose.Header{Alg: jose.ES256, Kid: k.KeyID}, k.Signer)
}

// normalizeApple turns Apple's strings into booleans, and takes the name over from the form. The address in the form is not believed.
func normalizeApple(claims map[string]any, response url.Values) {
	for _, name := range []string{"email_verified", "is_private_email"} {
		if claims[name] == "true" {
			claims[name] = true
		}
	}
	const limit = 4 << 10
	var form struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	user := response.Get("user")
	if user == "" || len(user) > limit || strictjson.Unmarshal([]byte(user), &form) != nil {
		return
	}
	for name, text := range map[string]string{"given_name": form.Name.First, "family_name": form.Name.Last} {
		if _, told := claims[name]; !told && text != "" {
			claims[name] = text
		}
	}
}
