package rp

import "net/url"

// Microsoft signs people in with Microsoft Entra ID (https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc). The
// tenant is an id, or "organizations", "consumers" or "common" for the people of many, each with an issuer of their own: name those
// you trust in Tenants.Allowed. An address counts as verified only where the token says that the owner of its domain stands for it
// (xms_edov): whoever runs a tenant can write any address into it.
func Microsoft(tenant, clientID, clientSecret, redirectURL string) Config {
	c := Config{
		Issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", ClientID: clientID, ClientSecret: clientSecret,
		RedirectURL: redirectURL, SecretInBody: true, Algorithms: []string{"RS256"}, NoUserInfo: true, Normalize: normalizeMicrosoft,
	}
	switch tenant {
	case "organizations", "consumers", "common":
		c.Tenants = &Tenants{Template: "https://login.microsoftonline.com/" + tenantPlace + "/v2.0"}
	}
	return c
}

func normalizeMicrosoft(claims map[string]any, _ url.Values) {
	owned := claims["xms_edov"]
	claims["email_verified"] = owned == true || owned == "1" || owned == "true" || owned == float64(1)
}
