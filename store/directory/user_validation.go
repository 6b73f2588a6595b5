package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what one user holds.
const (
	maxText       = 256
	maxURL        = 2048
	maxAttributes = 64 << 10 // bytes of JSON
)

// reservedClaims cannot be Attributes: the claims that the fields of User become (OpenID Connect Core §5.1) and those
// that a protocol speaks for itself (RFC 7519 §4.1, OpenID Connect Core §2, RFC 9068 §2.2).
var reservedClaims = []string{
	"sub", "preferred_username", "name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website",
	"gender", "birthdate", "zoneinfo", "locale", "email", "email_verified", "phone_number", "phone_number_verified", "address",
	"updated_at", "iss", "aud", "exp", "nbf", "iat", "jti", "nonce", "auth_time", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash",
	"sid", "cnf", "act", "may_act", "client_id", "scope", "events", "_claim_names", "_claim_sources",
}

var (
	birthdatePattern = regexp.MustCompile(`^[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$`)
	localePattern    = regexp.MustCompile(`^[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*$`)
	zonePattern      = regexp.MustCompile(`^[A-Za-z0-9_+/-]+$`)
	phonePattern     = regexp.MustCompile(`^\+?[0-9 ()./-]{3,40}(;ext=[0-9]{1,10})?$`)
	attributePattern = regexp.MustCompile(`^[A-Za-z0-9_.:/#-]+$`)
)

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (u *User) Validate() error {
	var v validation
	v.username(u.Username)
	for _, f := range []struct{ name, value string }{
		{"name", u.Name},
		{"givenName", u.GivenName},
		{"familyName", u.FamilyName},
		{"middleName", u.MiddleName},
		{"nickname", u.Nickname},
		{"gender", u.Gender},
	} {
		v.text(f.name, f.value, maxText)
	}
	v.link("profile", u.Profile)
	v.link("picture", u.Picture)
	v.link("website", u.Website)
	v.pattern("birthdate", u.Birthdate, birthdatePattern, "must be YYYY-MM-DD or YYYY")
	v.pattern("zoneinfo", u.Zoneinfo, zonePattern, "must be a time zone such as Europe/Paris")
	v.pattern("locale", u.Locale, localePattern, "must be a language tag such as en-US")
	v.pattern("phone", u.Phone, phonePattern, "must be a telephone number")
	v.email("email", u.Email)
	v.email("pendingEmail", u.PendingEmail)
	v.pattern("pendingPhone", u.PendingPhone, phonePattern, "must be a telephone number")
	v.contacts("emails", u.Emails, func(value string) { v.email("emails", value) })
	v.contacts("phones", u.Phones, func(value string) { v.pattern("phones", value, phonePattern, "must be telephone numbers") })
	v.address(u.Address)
	v.attributes(u.Attributes)
	return v.err()
}

// validation collects problems.
type validation struct{ problems []error }

func (v *validation) add(field, format string, args ...any) {
	v.problems = append(v.problems, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (v *validation) err() error { return errors.Join(v.problems...) }

func (v *validation) required(field, value string, limit int) {
	if strings.TrimSpace(value) == "" {
		v.add(field, "is required")
	}
	v.text(field, value, limit)
}

// text checks that a value is short, valid and without control characters.
func (v *validation) text(field, value string, limit int) {
	switch {
	case utf8.RuneCountInString(value) > limit:
		v.add(field, "must have at most %d characters", limit)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		v.add(field, "must not contain control characters")
	}
}

func (v *validation) username(value string) {
	v.required("username", value, maxText)
	if strings.TrimSpace(value) != value {
		v.add("username", "must not begin or end with a blank")
	}
}

func (v *validation) pattern(field, value string, want *regexp.Regexp, problem string) {
	if value != "" && (len(value) > maxText || !want.MatchString(value)) {
		v.add(field, "%s", problem)
	}
}

// email checks what can be said without sending a message.
func (v *validation) email(field, value string) {
	if value == "" {
		return
	}
	local, domain, _ := strings.Cut(value, "@")
	if local == "" || domain == "" || strings.Contains(domain, "@") || len(value) > 254 ||
		strings.ContainsAny(value, "<>,;:\\\"()[]") || strings.ContainsFunc(value, blank) || !utf8.ValidString(value) {
		v.add(field, "must be an e-mail address")
	}
}

// contacts checks further addresses.
func (v *validation) contacts(field string, list []Contact, each func(string)) {
	if len(list) > 16 {
		v.add(field, "must be at most 16")
		return
	}
	for i, c := range list {
		if c.Value == "" || slices.ContainsFunc(list[:i], func(other Contact) bool { return Fold(other.Value) == Fold(c.Value) }) {
			v.add(field, "must have each value once")
		}
		each(c.Value)
	}
}

func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// link checks an absolute http or https URL.
func (v *validation) link(field, value string) {
	if value != "" && !isWebURL(value, "https", "http") {
		v.add(field, "must be an http or https URL")
	}
}

// asset checks what a page may load or link to under our Content-Security-Policy: an https URL or a path on this origin.
func (v *validation) asset(field, value string) {
	if value != "" && !isWebURL(value, "https") && !isPath(value) {
		v.add(field, "must be an https URL or a path that begins with /")
	}
}

func isWebURL(value string, schemes ...string) bool {
	u, err := url.Parse(value)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Host != "" && u.User == nil && len(value) <= maxURL &&
		!strings.ContainsFunc(value, blank) && !strings.ContainsAny(value, "\\\"'<>")
}

// isPath accepts a path that stays on this origin in every browser: "//host" and "/\host" do not.
func isPath(value string) bool {
	return strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//") && len(value) <= maxURL &&
		!strings.ContainsFunc(value, blank) && !strings.ContainsAny(value, "\\\"'<>")
}

func (v *validation) address(a *Address) {
	if a == nil {
		return
	}
	if utf8.RuneCountInString(a.Formatted) > 4*maxText {
		v.add("address.formatted", "must have at most %d characters", 4*maxText) // may have several lines
	}
	v.text("address.streetAddress", strings.NewReplacer("\r", "", "\n", "").Replace(a.StreetAddress), maxText)
	v.text("address.locality", a.Locality, maxText)
	v.text("address.region", a.Region, maxText)
	v.text("address.postalCode", a.PostalCode, maxText)
	v.text("address.country", a.Country, maxText)
}

// maxAttributeName is how long the name of an attribute may be. It stands beside the pattern, not in it: a pattern that counts that far
// takes a quarter of a megabyte.
const maxAttributeName = 256

func isAttributeName(name string) bool {
	return len(name) <= maxAttributeName && attributePattern.MatchString(name)
}

func (v *validation) attributes(attributes map[string]any) {
	for name := range attributes {
		field := "attributes." + name
		switch {
		case !isAttributeName(name):
			v.add("attributes", "have a name that is no claim name")
		case slices.Contains(reservedClaims, name):
			v.add(field, "is a claim with a field or meaning of its own")
		}
	}
	encoded, err := json.Marshal(attributes)
	if err != nil || len(encoded) > maxAttributes {
		v.add("attributes", "must be at most %d bytes of JSON", maxAttributes)
	}
}
