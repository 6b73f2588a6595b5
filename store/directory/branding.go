package directory

import (
	"maps"
	"regexp"
	"slices"
)

// Branding is the look of the pages for an application or an organization: a typed Setting, inherited whole. The zero value
// is Signet's own look. CSS values are checked when they are written, so that a page can use them as they are.
type Branding struct {
	// Name is the product's name, shown where no application is concerned.
	Name string `json:"name,omitempty"`
	// Logo and Favicon are https URLs, paths on the own host, or data URLs of images up to 64 KiB. Logo is shown at a height of 40 CSS pixels.
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

var (
	dataImage = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$`)
	tokenName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	// tokenValue is a colour, a length, a number, or keywords of CSS: no url(), no quotes, and no way out of the
	// declaration.
	tokenValue = regexp.MustCompile(`^(?:` +
		`#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})` +
		`|(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\([0-9a-z.,%/ +-]{1,60}\)` +
		`|-?[0-9]{1,4}(?:\.[0-9]{1,4})?(?:px|rem|em|%)?` +
		`|[a-z]+(?:-[a-z]+)*(?:, ?[a-z]+(?:-[a-z]+)*){0,7}` +
		`)$`)
)

// Bounds on a Branding.
const (
	maxImage      = 64 << 10
	maxTokens     = 100
	maxTokenValue = 80
)

// Validate reports every field that breaks its rule as an *InvalidError, joined. What it accepts is harmless in a style
// sheet and under a strict Content-Security-Policy.
func (b Branding) Validate() error {
	var v validation
	v.text("name", b.Name, 120)
	v.image("logo", b.Logo)
	v.image("favicon", b.Favicon)
	v.tokens("light", b.Light)
	v.tokens("dark", b.Dark)
	v.email("supportEmail", b.SupportEmail)
	v.asset("privacyUrl", b.PrivacyURL)
	v.asset("termsUrl", b.TermsURL)
	return v.err()
}

func (v *validation) image(field, value string) {
	if len(value) > maxImage || !dataImage.MatchString(value) {
		v.asset(field, value)
	}
}

func (v *validation) tokens(field string, tokens map[string]string) {
	if len(tokens) > maxTokens {
		v.add(field, "must have at most %d values", maxTokens)
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		if value := tokens[name]; !tokenName.MatchString(name) || len(value) > maxTokenValue || !tokenValue.MatchString(value) {
			v.add(field, "must map names to colours, lengths or keywords; %q does not", printable(name))
		}
	}
}
