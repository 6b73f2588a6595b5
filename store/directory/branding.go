package directory

// Branding is the look of the pages for an application or an organization: a typed Setting, inherited whole. The zero value
// is Signet's own look. CSS values are checked when they are written, so that a page can use them as they are.
type Branding struct {
	// Name is the product's name, shown where no application is concerned.
	Name string `json:"name,omitempty"`
	// Logo and Favicon are https URLs or paths on the own host. Logo is shown at a height of 40 CSS pixels.
	Logo    string `json:"logo,omitempty"`
	Favicon string `json:"favicon,omitempty"`
	// Light and Dark override the design tokens of flow/pages in each scheme, by name without dashes in front:
	// "accent": "#0b5fff".
	Light map[string]string `json:"light,omitempty"`
	Dark  map[string]string `json:"dark,omitempty"`
	// SupportEmail, PrivacyURL and TermsURL stand at the foot of the pages.
	SupportEmail string `json:"supportEmail,omitempty"`
	PrivacyURL   string `json:"privacyUrl,omitempty"`
	TermsURL     string `json:"termsUrl,omitempty"`
}
