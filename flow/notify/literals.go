package notify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// literals knows the values of one message.
type literals struct {
	messages *Messages
	message  *sealedMessage
	locale   string
	samples  map[string]string // stand in for what has no value; nil but for a preview

	user        *directory.User
	application string
	branding    directory.Branding
	unknown     []string
}

// alike are literals that are other names of a value of Message.Params.
var alike = map[string]string{
	"OTPCode": Code, "confirmation-code": Code, "otp-password": Code, "magicToken": Code, "token": Code,
}

// spare are literals that may be without a value.
var spare = []string{
	Code, Link, "temporary-password", "lock-duration", "login-time", "callback", "new-email-address", "verification-pending-email", "device", "ip-address",
	"credential", "time", "inviter", "number", "reminder-days", "impersonator", "client-notification-message",
}

// samples are the values of a preview.
var samples = map[string]string{
	Code: "493027", Link: "https://id.example.com/continue?token=sample", "user-name": "ann", "lock-duration": "15", "login-time": "2026-01-31 09:30 UTC",
	"new-email-address": "ann@example.org", "verification-pending-email": "ann@example.org", "temporary-password": "sample-password", "device": "Firefox, Linux",
	"ip-address": "192.0.2.7", "credential": "Passkey", "application-name": "Web shop", "user.claim.givenname": "Ann", "user.claim.lastname": "Example",
	"inviter": "Bob Example", "number": "42", "reminder-days": "30", "impersonator": "Support", "time": "2026-01-31 09:30 UTC",
}

// locales are the languages to look for: those of the message, else of the person.
func (l *literals) locales(ctx context.Context) ([]string, error) {
	tags := l.message.Locales
	if len(tags) == 0 {
		if err := l.loadUser(ctx); err != nil {
			return nil, err
		}
		if l.user != nil && l.user.Locale != "" {
			tags = []string{l.user.Locale}
		}
	}
	return candidates(tags, l.messages.config.Senders.DefaultLocale), nil
}

// load reads what the names need from the store.
func (l *literals) load(ctx context.Context, names []string) (err error) {
	m := l.messages
	l.branding, err = directory.Resolve(ctx, m.config.Directory.Settings, m.config.Directory.Settings.Branding, l.message.Organization, l.message.Application.ID)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case name == "application-name" && l.application == "" && !l.message.Application.IsZero():
			app, err := m.config.Directory.Applications.Get(ctx, l.message.Application)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			l.application = app.Name
		case name == "user-name" || name == "userstore-domain" || strings.HasPrefix(name, "user.claim."):
			if err := l.loadUser(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadUser reads the person, if the message is for one who is there.
func (l *literals) loadUser(ctx context.Context) error {
	if l.user != nil || l.message.Subject.IsZero() {
		return nil
	}
	d := l.messages.config.Directory
	subject, err := d.Subjects.Get(ctx, l.message.Subject)
	if err == nil {
		l.user, err = d.UserOf(ctx, subject)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// value is what stands in the place of a literal; "" when it has no value, or no meaning, which is remembered for the log.
func (l *literals) value(name string) string {
	v, ok := l.find(name)
	if v == "" && l.samples != nil {
		if v = l.samples[name]; v == "" {
			v = l.samples[alike[name]]
		}
	}
	if !ok && v == "" {
		l.unknown = append(l.unknown, name)
	}
	return v
}

func (l *literals) find(name string) (string, bool) {
	if v, ok := l.message.Params[name]; ok {
		return tame(name, v), true
	}
	if other, ok := alike[name]; ok {
		return l.message.Params[other], true
	}
	if claim, ok := strings.CutPrefix(name, "user.claim."); ok {
		if strings.EqualFold(claim, "username") {
			return unlinked(l.claim(claim)), true
		}
		return unlinkedName(l.claim(claim)), true
	}
	if property, ok := strings.CutPrefix(name, "organization."); ok {
		return l.look(property)
	}
	m := l.messages
	switch name {
	case "user-name":
		if l.user == nil {
			return "", true
		}
		return unlinked(l.user.Username), true
	case "userstore-domain":
		if l.user == nil {
			return "", true
		}
		return l.user.Store, true
	case "organization-name":
		return l.organization(), true
	case "application-name":
		if l.application == "" && l.samples == nil {
			return l.organization(), true
		}
		return unlinkedName(l.application), true // whoever may register a client chooses its name
	case "tenant-domain":
		return l.message.Organization, true
	case "spId":
		return l.message.Application.ID, true
	case "issuer-host":
		return m.host, true
	case "expiry-hours":
		return l.hours(), true
	case "expiry-time":
		return strconv.Itoa(max(1, int(math.Round(l.message.Expires.Sub(l.message.Queued).Minutes())))), true
	case "current-year":
		return strconv.Itoa(m.db.Now().Year()), true
	case "account.recovery.endpoint-url", "authentication.endpoint-url", "carbon.product-url":
		return m.config.Issuer, true
	case "lang":
		return l.locale, true
	case "dir":
		return direction(l.locale), true
	}
	for _, known := range spare {
		if name == known {
			return "", true
		}
	}
	return "", false
}

// organization is the name of who sends the message.
func (l *literals) organization() string {
	if l.branding.Name != "" {
		return l.branding.Name
	}
	return l.messages.host
}

// look is a value of the Branding. Messages have the light look: what a program for mail makes of it in the dark is its own affair.
func (l *literals) look(property string) (string, bool) {
	token := func(name, standard string) string {
		if v := l.branding.Light[name]; v != "" {
			return v
		}
		return standard
	}
	switch property {
	case "logo.img":
		return l.logo(), true
	case "logo.altText":
		return l.organization(), true
	case "copyright.text":
		return fmt.Sprintf("© %d %s", l.messages.db.Now().Year(), l.organization()), true
	case "support.mail":
		return l.branding.SupportEmail, true
	case "color.primary":
		return token("accent", "#4338ca"), true
	case "button.font.color":
		return token("on-accent", "#ffffff"), true
	case "color.background":
		return token("surface", "#ffffff"), true
	case "theme.background.color":
		return token("canvas", "#f3f4f8"), true
	case "theme.border.color":
		return token("line", "#dfe2ea"), true
	case "font.color":
		return token("text", "#161a26"), true
	case "font":
		return token("font", "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"), true
	}
	return "", false
}

// logo is the URL of the logo if a program for mail can load it.
func (l *literals) logo() string {
	u, err := url.Parse(l.branding.Logo)
	if err != nil || l.branding.Logo == "" {
		return ""
	}
	base, err := url.Parse(l.messages.config.Issuer)
	if err != nil {
		return ""
	}
	if u = base.ResolveReference(u); u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.String()
}

// claim is an attribute of the person, by the names of both dialects.
func (l *literals) claim(name string) string {
	u := l.user
	if u == nil {
		return ""
	}
	switch strings.ToLower(name) {
	case "username", "preferred_username":
		return u.Username
	case "fullname", "name", "displayname":
		return u.Name
	case "givenname", "given_name":
		return u.GivenName
	case "lastname", "family_name":
		return u.FamilyName
	case "nickname":
		return u.Nickname
	case "emailaddress", "email":
		return u.Email
	case "mobile", "phone_number":
		return u.Phone
	case "locale":
		return u.Locale
	case "timezone", "zoneinfo":
		return u.Zoneinfo
	}
	switch v := u.Attributes[name].(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// tame keeps what the program puts in as it is, codes and links, and takes the sting out of what a person may have typed.
func tame(name, value string) string {
	if name == Link || name == Code || alike[name] != "" || strings.HasSuffix(name, "url") || name == "callback" || name == "temporary-password" {
		return value
	}
	return unlinkedName(value)
}

// unlinkedName is a text by which people call themselves and their things, with what could be the name of a host taken apart, of which programs make
// links as well. An address by itself stays, as do user names, for which this is not: both are typed as they stand.
func unlinkedName(value string) string {
	if !isMailbox(value) {
		value = bareDomain.ReplaceAllString(value, ". $1")
	}
	return unlinked(value)
}

// bareDomain is a dot that may be within the name of a host.
var bareDomain = regexp.MustCompile(`[.\x{3002}\x{ff0e}\x{ff61}](\pL)`)

// isMailbox reports whether a value is nothing but an address of mail.
func isMailbox(value string) bool {
	address, err := mail.ParseAddress(value)
	return err == nil && address.Address == value
}

// longestName bounds what a person has chosen, in runes.
const longestName = 100

// unlinked keeps what a person has chosen from becoming a link in the program that shows the message: a name such as
// "Win at https://evil.example" must not let anybody send advertisements, or worse, in the name of the provider.
func unlinked(s string) string {
	if runes := []rune(s); len(runes) > longestName {
		s = string(runes[:longestName]) + "…"
	}
	return strings.NewReplacer("/", " ", "\\", " ", "www.", "www ", "WWW.", "WWW ").Replace(s)
}

// rightToLeft are the languages that are written so.
var rightToLeft = []string{"ar", "he", "fa", "ur", "yi", "ps", "dv", "sd", "ug"}

func direction(locale string) string {
	language, _, _ := strings.Cut(locale, "-")
	for _, l := range rightToLeft {
		if l == language {
			return "rtl"
		}
	}
	return "ltr"
}

// hours is how long the message is good, in whole hours; "" when minutes say it better.
func (l *literals) hours() string {
	good := l.message.Expires.Sub(l.message.Queued).Round(time.Minute)
	if good < 2*time.Hour || good%time.Hour != 0 {
		return ""
	}
	return strconv.Itoa(int(good / time.Hour))
}
