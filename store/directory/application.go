package directory

import "github.com/signet-idp/signet/store"

// Application is something people sign in to, whatever its protocol: the parent of every grant made to it. Each protocol
// keeps its own record beside it (oidc.Client) that refers to it.
type Application struct {
	store.Meta
	// Name is shown to people. Required, at most 120 characters.
	Name string `json:"name"`
	// Description says in a sentence or two what it is for, in at most 1024 characters.
	Description string `json:"description,omitempty"`
	// URL is where a person finds the application.
	URL  string `json:"url,omitempty"`
	Logo string `json:"logo,omitempty"`
	// Discoverable lists the application to everybody of its organization who looks for one; it needs a URL.
	Discoverable bool `json:"discoverable,omitempty"`
	// PolicyURL is what the application does with what it learns of people, TermsURL on what terms it serves them: https URLs, or
	// paths on this origin.
	PolicyURL string `json:"policyUrl,omitempty"`
	TermsURL  string `json:"termsUrl,omitempty"`
	Status    Status `json:"status"`
	// Epoch moves when everything that was issued to the application is revoked.
	Epoch int64 `json:"epoch"`
	// SkipConsent is for applications of the operator's own.
	SkipConsent bool `json:"skipConsent,omitempty"`
	// SecondFactor says whether sign-in to this application asks for a second factor.
	SecondFactor SecondFactorPolicy `json:"secondFactor,omitempty"`
	// RoleAudience says which roles people have in this application; see Roles.SetAudience.
	RoleAudience RoleAudience `json:"roleAudience,omitempty"`
	// TrustedApp is the mobile application that may use the passkeys of the provider's domain; nil is none.
	TrustedApp *TrustedApp `json:"trustedApp,omitempty"`
}

// RoleAudience is whose roles an application counts.
type RoleAudience string

// The audiences. The zero value counts the organization's roles and the application's own.
const (
	AllRoles          RoleAudience = ""
	OrganizationRoles RoleAudience = "organization"
	ApplicationRoles  RoleAudience = "application"
)

// counts reports whether a role is one that people have in the application.
func (a *Application) counts(r *Role) bool {
	if r.Application.IsZero() {
		return a.RoleAudience != ApplicationRoles
	}
	return r.Application == a.Ref() && a.RoleAudience != OrganizationRoles
}

// ApplicationLinks is what the pages of a sign-in show of an application besides its name. Each may be "".
type ApplicationLinks struct {
	// Site is the host that a client of strangers belongs to, or sends people to: what it cannot choose as it does its name.
	Site string `json:"site,omitempty"`
	// URL, Logo, Policy and Terms are as in Application.
	URL    string `json:"url,omitempty"`
	Logo   string `json:"logo,omitempty"`
	Policy string `json:"policy,omitempty"`
	Terms  string `json:"terms,omitempty"`
}

// Links returns what is shown of the application.
func (a *Application) Links() ApplicationLinks {
	return ApplicationLinks{URL: a.URL, Logo: a.Logo, Policy: a.PolicyURL, Terms: a.TermsURL}
}

// SecondFactorPolicy is when a second factor is asked for.
type SecondFactorPolicy string

// The policies. The zero value asks those who have enrolled one.
const (
	SecondFactorIfEnrolled SecondFactorPolicy = ""
	SecondFactorRequired   SecondFactorPolicy = "required"
	SecondFactorNever      SecondFactorPolicy = "never"
)
