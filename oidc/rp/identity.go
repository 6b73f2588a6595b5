package rp

import (
	"time"

	"golang.org/x/oauth2"
)

// Identity is who has signed in at a provider, as the provider says. Issuer and Subject together, and nothing else, say who it is:
// names and addresses change hands.
type Identity struct {
	// Issuer is that of the ID token, which for a Tenants provider is the tenant's.
	Issuer string
	// Subject is unique in the Issuer, and never given to anybody else.
	Subject string

	// Username, Name, GivenName, FamilyName, Picture and Locale are how the provider describes the person; "" is unknown.
	Username   string
	Name       string
	GivenName  string
	FamilyName string
	Picture    string
	Locale     string
	// Email is an address that the provider has for the person. It is theirs only when EmailVerified is set, and then as far as the
	// provider is to be believed.
	Email         string
	EmailVerified bool

	// AuthTime is when the person proved who they are; zero when the provider does not say.
	AuthTime time.Time
	// ACR and AMR are how; "" and nil when the provider does not say.
	ACR string
	AMR []string
	// SessionID is the provider's session (sid), by which a logout token may name it; "" is unknown.
	SessionID string

	// Claims are all claims, as encoding/json decodes them.
	Claims map[string]any
	// IDToken is the ID token, signed and no longer encrypted, for an IDTokenHint; "" where there is none.
	IDToken string
	// Token is good for the provider's APIs (Provider.API), and Refresh renews it.
	Token *oauth2.Token
}

// fill reads the fields that describe the person out of the claims.
func (id *Identity) fill() {
	text := func(name string) string { s, _ := id.Claims[name].(string); return s }
	id.Username, id.Name, id.Picture, id.Locale = text("preferred_username"), text("name"), text("picture"), text("locale")
	id.GivenName, id.FamilyName, id.Email = text("given_name"), text("family_name"), text("email")
	verified, _ := id.Claims["email_verified"].(bool) // any other form, as a string, says nothing
	id.EmailVerified = verified && id.Email != ""
}
