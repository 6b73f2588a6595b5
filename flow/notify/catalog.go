package notify

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

//go:embed texts/*.txt
var textFiles embed.FS

// lastLocale is the language of those whose languages are not there. Every template has a text in it.
const lastLocale = "en"

// catalog holds the texts of the program: ours, and those of the host over them.
type catalog struct {
	layout string
	texts  map[string]map[entry]Source // by locale in lower case
}

// entry is a template on a channel. Names are compared without regard to case.
type entry struct {
	template Template
	channel  Channel
}

func entryOf(t Template, c Channel) entry { return entry{Template(strings.ToLower(string(t))), c} }

// likewise are templates that say what another says, unless they have a text of their own.
var likewise = map[Template]Template{
	"resendemailotp": EmailOTP, "magiclinksignup": MagicLink, "resendaccountconfirmation": AccountConfirmation,
	"emailconfirm": AccountConfirmation, "emailconfirmwithotp": AccountConfirmation,
	"liteuseremailconfirmation": AccountConfirmation, "resendliteuseremailconfirmation": AccountConfirmation,
	"selfsignupsuccess": AccountActivationSuccess, "resendverifyemailonupdate": VerifyEmailOnUpdate, "emailotpverificationonupdate": VerifyEmailOnUpdate,
	"resendpasswordreset": PasswordReset, "passwordresetotp": PasswordReset, "resendpasswordresetotp": PasswordReset,
	"initiaterecovery": PasswordReset, "magiclinkpasswordrecovery": PasswordReset,
	"resendadminforcedpasswordreset": AdminForcedPasswordReset, "adminforcedpasswordresetwithotp": AdminForcedPasswordReset,
	"resendadminforcedpasswordresetwithotp": AdminForcedPasswordReset,
	"resendaskpassword":                     AskPassword, "askpasswordemailotp": AskPassword, "askpasswordresendemailotp": AskPassword,
	"orchestratedaskpassword": AskPassword, "orchestratedaskpasswordresend": AskPassword,
	"askpasswordsmsotp": AskPassword, "askpasswordresendsmsotp": AskPassword, "askpasswordsetsuccess": PasswordResetSuccess,
	"emailotpverification": VerifyEmailOnUpdate, "smsotpverification": VerifyMobileOnUpdate,
}

// find returns the text of a template in exactly this locale.
func (c *catalog) find(locale string, e entry) (Source, bool) {
	texts := c.texts[locale]
	if s, ok := texts[e]; ok {
		return s, true
	}
	if other, ok := likewise[e.template]; ok {
		s, ok := texts[entryOf(other, e.channel)]
		return s, ok
	}
	return Source{}, false
}

// has reports whether the template can be said on the channel.
func (c *catalog) has(e entry) bool {
	_, ok := c.find(lastLocale, e)
	return ok
}

// newCatalog lays the files of the host over ours, and checks every text.
func newCatalog(host fs.FS) (*catalog, error) {
	c := &catalog{layout: standardLayout, texts: map[string]map[entry]Source{}}
	own, _ := fs.Sub(textFiles, "texts") // the compiler put it there
	err := c.read(own)
	if host != nil {
		err = errors.Join(err, c.read(host))
	}
	return c, errors.Join(err, c.check())
}

// read takes in "layout.html", "<locale>.txt" and "<locale>/<template>.html".
func (c *catalog) read(files fs.FS) error {
	var problems []error
	layout, err := fs.ReadFile(files, "layout.html")
	switch {
	case err == nil:
		c.layout = string(layout)
		if strings.Count(c.layout, contentPlace) != 1 {
			problems = append(problems, fmt.Errorf("notify: layout.html must have %s once", contentPlace))
		}
	case !errors.Is(err, fs.ErrNotExist):
		problems = append(problems, fmt.Errorf("notify: %w", err))
	}
	names, err := fs.Glob(files, "*.txt")
	problems = append(problems, err)
	for _, name := range names {
		problems = append(problems, c.readTexts(files, name))
	}
	names, err = fs.Glob(files, "*/*.html")
	problems = append(problems, err)
	for _, name := range names {
		problems = append(problems, c.readHTML(files, name))
	}
	return errors.Join(problems...)
}

func (c *catalog) readTexts(files fs.FS, name string) error {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	texts, err := parseTexts(string(content))
	if err != nil {
		return fmt.Errorf("notify: %s: %w", name, err)
	}
	maps.Copy(c.locale(strings.TrimSuffix(name, ".txt")), texts)
	return nil
}

// readHTML replaces the HTML of an e-mail whose text is in a catalogue.
func (c *catalog) readHTML(files fs.FS, name string) error {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	texts := c.locale(path.Dir(name))
	e := entryOf(Template(strings.TrimSuffix(path.Base(name), ".html")), Email)
	s, ok := c.find(strings.ToLower(path.Dir(name)), e)
	if !ok {
		return fmt.Errorf("notify: %s: there is no text beside it: no template of that name in %s.txt", name, path.Dir(name))
	}
	s.HTML = string(content)
	texts[e] = s
	return nil
}

func (c *catalog) locale(tag string) map[entry]Source {
	tag = strings.ToLower(tag)
	if c.texts[tag] == nil {
		c.texts[tag] = map[entry]Source{}
	}
	return c.texts[tag]
}

// check compiles every text once, as it will be when it is sent.
func (c *catalog) check() error {
	var problems []error
	for _, locale := range slices.Sorted(maps.Keys(c.texts)) {
		for e, s := range c.texts[locale] {
			if s.HTML == "" && e.channel == Email {
				s.HTML = markup(s.Text, c.layout)
			}
			if err := s.Validate(); err != nil {
				problems = append(problems, fmt.Errorf("%s: %s by %s: %w", locale, e.template, e.channel, err))
			}
			if e.channel != SMS && s.Subject == "" {
				problems = append(problems, fmt.Errorf("notify: %s: %s by %s has no subject", locale, e.template, e.channel))
			}
			if !c.has(e) {
				problems = append(problems, fmt.Errorf("notify: %s: %s by %s is no template: none in English has that name", locale, e.template, e.channel))
			}
		}
	}
	return errors.Join(problems...)
}

// parseTexts reads a file of texts: each begins with a line such as "-- EmailOTP.email --", then "Subject: …" unless it is for SMS, and
// the text. What stands before the first is a comment.
func parseTexts(file string) (map[entry]Source, error) {
	all := map[entry]Source{}
	var (
		problems []error
		at       entry
		body     strings.Builder
	)
	finish := func() {
		if at != (entry{}) {
			all[at] = parseText(body.String())
		}
		body.Reset()
	}
	for line := range strings.Lines(file) {
		line = strings.TrimRight(line, "\r\n")
		heading, marked := strings.CutPrefix(line, "-- ")
		heading, closed := strings.CutSuffix(heading, " --")
		if !marked || !closed {
			body.WriteString(line + "\n")
			continue
		}
		finish()
		name, channel, _ := strings.Cut(heading, ".")
		at = entryOf(Template(name), Channel(channel))
		if !slices.Contains([]Channel{Email, SMS, Push}, at.channel) {
			problems = append(problems, fmt.Errorf("%q ends with no channel: .email, .sms or .push", heading))
		}
		if _, twice := all[at]; twice {
			problems = append(problems, fmt.Errorf("%q stands twice", heading))
		}
	}
	finish()
	return all, errors.Join(problems...)
}

func parseText(text string) Source {
	text = strings.TrimSpace(text)
	first, rest, _ := strings.Cut(text, "\n")
	if subject, ok := strings.CutPrefix(first, "Subject: "); ok {
		return Source{Subject: strings.TrimSpace(subject), Text: strings.TrimSpace(rest)}
	}
	return Source{Text: text}
}

// wider lists a language tag and its wider ranges, in lower case: zh-hant-tw, zh-hant, zh (RFC 4647 §3.4).
func wider(tag string) []string {
	tag = strings.ToLower(tag)
	all := []string{tag}
	for {
		cut := strings.LastIndexByte(tag, '-')
		if cut < 0 {
			return all
		}
		tag = tag[:cut]
		if cut >= 2 && tag[cut-2] == '-' { // a single letter goes with what follows it
			tag = tag[:cut-2]
		}
		all = append(all, tag)
	}
}
