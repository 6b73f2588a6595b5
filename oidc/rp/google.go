package rp

// Google signs people in with Google (https://developers.google.com/identity/openid-connect/openid-connect). The secret may not be
// empty. To admit the people of one Workspace alone, compare the claim "hd"; the parameter of that name is but a hint.
func Google(clientID, clientSecret, redirectURL string) Config {
	return Config{
		Issuer: "https://accounts.google.com", ClientID: clientID, ClientSecret: clientSecret, SecretInBody: true,
		RedirectURL: redirectURL, Algorithms: []string{"RS256"}, NoUserInfo: true,
	}
}
