package pages

import (
	"cmp"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// A Page is what a template sees: everything chosen, translated and checked. It is API for those who write templates.
type Page struct {
	// Lang is the language of the page, Dir its direction: "ltr" or "rtl".
	Lang, Dir string
	// Step is the Prompt's step, that of a page of an account, "failure", "signed-out" or "done".
	Step string
	// WindowTitle is the plain text of the title element. Title is the heading, Intro the sentence below it.
	WindowTitle  string
	Title, Intro Text
	// Logo is an image with the alternative text LogoName. Without a Logo there is a Monogram, which is a letter, or an
	// Emblem, which is an icon.
	Logo     template.URL
	LogoName string
	Monogram string
	Emblem   template.HTML
	// Person is who is signing in, where the page does not ask.
	Person string
	// Wrong says that something was refused, and Notices what.
	Wrong   bool
	Notices []Notice

	// Submit takes the form; Flow, Sequence and Restart are its hidden inputs.
	Submit, Flow string
	Sequence     int64
	Restart      string
	Fields       []Field
	Actions      []Action
	Consent      []Consent
	// Link is a URL elsewhere to which the person goes on; "" is none.
	Link string
	// WebAuthn is what the browser's authenticators are asked, nil where it is nothing, and Script the file that asks them.
	WebAuthn *WebAuthn
	Script   string
	// Captcha is the URL of the script that shows the puzzle of a field of type "captcha"; "" is none.
	Captcha string
	// Poll is what the page waits for, nil where it is nothing.
	Poll *flow.Poll
	// QR is an image, QRLink what it says when that can be opened on this device, and QRText the same for typing, in groups.
	QR, QRLink template.URL
	QRText     []string

	// Account is set on the pages of an account.
	Account *Account
	// Failure is set on the page of a failure.
	Failure *Failure
	// Application is where a page without anything to do leads to, if that is known.
	Application string

	// Site is the host that the application belongs to, where it has only called itself what it is called. About are links of the
	// application's own.
	Site  string
	About []Link

	// Languages is the switch of language, nil where there is none.
	Languages *Languages
	// SupportEmail, PrivacyURL and TermsURL are for the foot of the page; each may be "".
	SupportEmail, PrivacyURL, TermsURL string
	// Favicon and Stylesheet are what the head refers to, and Style the tokens of the Branding, admitted by Nonce.
	Favicon    template.URL
	Stylesheet string
	Style      template.CSS
	Nonce      string

	kind    string
	icons   map[string]template.HTML
	catalog catalog
	ambient map[string]string
	images  []string
	numbers map[string]int // of the buttons of items, by name, for their ids
	widget  []string
}

// WebAuthn is flow.WebAuthn in texts.
type WebAuthn struct {
	Ceremony, Options, Button, Action, Decline, Unknown, Accepted string
	Conditional                                                   bool
}

// Link leads to a page of the application's own.
type Link struct {
	ID, URL string
	Label   Text
}

// Notice is a message above the form. Role is its ARIA role.
type Notice struct {
	Level, Role string
	Icon        template.HTML
	Text        Text
}

// Field is an input. Type is the flow.FieldType; InputType, InputMode and Dir are attributes of HTML. Verbatim inputs take
// what is no prose.
type Field struct {
	Name, Type, InputType               string
	Label, Hint                         Text
	Value, Autocomplete, InputMode, Dir string
	Required, ReadOnly, Focus, Verbatim bool
	// Class and SiteKey are of a field of type "captcha": what the script of its service looks for.
	Class, SiteKey string
	// Capitals says that what is typed is shown in capital letters.
	Capitals bool
	// Options are those of a field of type "choice", the first of which is none.
	Options []Option
	Problem Text
	// DescribedBy lists the ids of the elements that say more.
	DescribedBy string
}

// Option is a value that can be chosen.
type Option struct {
	Value    string
	Label    Text
	Selected bool
}

// Action is a button. ID is that of its element, Kind is "primary", "secondary" or "quiet"; Main marks the one that submits the fields.
type Action struct {
	ID, Name, Kind string
	Label          Text
	Main           bool
}

// Consent is something that the person may allow; what is Mandatory cannot be left out.
type Consent struct {
	ID            string
	Icon          template.HTML
	Title, Detail Text
	Mandatory     bool
}

// Failure is what a failure page shows besides its message.
type Failure struct {
	Code, Correlation, Detail, StartOver string
}

// T returns a message of the catalogue; a template calls it with an id of the host's own.
func (p *Page) T(id string) Text { return p.catalog.text(id, p.ambient) }

// Icon returns an icon by its name in icons.html; nothing when there is none.
func (p *Page) Icon(name string) template.HTML { return p.icons[name] }

func (p *Page) message(m flow.Message) Text { return p.catalog.message(m, p.ambient) }

// begin makes what all pages have in common.
func (p *Pages) begin(r *http.Request, kind string, locales []string, b directory.Branding) *Page {
	c := p.catalogs.choose(p.asked(r, locales), strings.Join(r.Header.Values("Accept-Language"), ","))
	page := &Page{kind: kind, Step: kind, catalog: c, Lang: c.tag, Dir: c.direction(), icons: p.templates.icons, Favicon: template.URL(p.assets.icon), Stylesheet: p.assets.style}
	if kind != failurePage { // which has no address to come back to
		page.Languages = p.languages(r, c)
	}
	product := cmp.Or(b.Name, p.host)
	page.ambient = map[string]string{"product": product, "application": product}
	page.brand(b)
	return page
}

func (p *Pages) prompt(r *http.Request, v flow.View) *Page {
	page := p.begin(r, promptPage, v.Locales, v.Branding)
	page.Step = v.Prompt.Step
	page.Submit, page.Flow, page.Sequence, page.Restart = v.Submit, v.Flow, v.Sequence, v.Restart
	page.concern(v, p.imageOrigins)
	page.Title, page.Intro = page.message(v.Prompt.Title), page.message(v.Prompt.Intro)
	page.notices(v.Prompt.Messages)
	page.fields(v.Prompt.Fields)
	page.captcha(v.Prompt.Captcha)
	page.Actions = page.buttons(v.Prompt.Actions)
	page.consent(v.Prompt.Consent)
	page.Link = link(v.Prompt.Link)
	page.qr(v.Prompt)
	page.webAuthn(v.Prompt.WebAuthn, p.assets.script)
	if page.Poll = v.Prompt.Poll; page.Poll != nil {
		page.Script = p.assets.script
	}
	if !slices.ContainsFunc(v.Prompt.Fields, func(f flow.Field) bool { return f.Name == "username" }) {
		page.Person = printable(v.Person)
	}
	page.entitle()
	return page
}

func (p *Pages) signedOut(r *http.Request, v flow.View) *Page {
	page := p.begin(r, signedOutPage, v.Locales, v.Branding)
	page.concern(v, p.imageOrigins)
	page.Title = page.T("signed-out.title")
	page.Emblem, page.Monogram = page.Icon("check"), ""
	page.notices(v.Prompt.Messages)
	page.Link = link(v.Prompt.Link)
	page.entitle()
	return page
}

func (p *Pages) done(r *http.Request, v flow.View) *Page {
	page := p.begin(r, donePage, v.Locales, v.Branding)
	page.concern(v, p.imageOrigins)
	page.Title, page.Intro = page.message(v.Prompt.Title), page.message(v.Prompt.Intro)
	page.Emblem, page.Monogram = page.Icon("check"), ""
	page.entitle()
	return page
}

func (p *Pages) failure(r *http.Request, f flow.Failure) *Page {
	page := p.begin(r, failurePage, f.Locales, f.Branding)
	page.Application = link(f.Application)
	if f.Status == http.StatusOK { // no failure at all
		page.Title, page.Intro = page.message(f.Message), page.T("failure.none")
		page.Emblem, page.Monogram = page.Icon("info"), ""
		page.entitle()
		return page
	}
	page.Title = page.T("failure.title")
	page.Emblem, page.Monogram = page.Icon("alert"), ""
	spare := "failure.unknown"
	if f.Status < http.StatusInternalServerError {
		spare = "failure.request"
	}
	page.notices([]flow.Message{{ID: cmp.Or(f.Message.ID, spare), Params: f.Message.Params, Level: flow.Error}})
	page.Failure = &Failure{
		Code: printable(f.Code), Correlation: printable(f.Correlation), Detail: printable(f.Detail), StartOver: link(f.StartOver),
	}
	page.entitle()
	return page
}

// concern says whom the person signs in to.
func (p *Page) concern(v flow.View, imageOrigins []string) {
	if v.Person != "" {
		p.ambient["person"] = v.Person
	}
	name := printable(v.ApplicationName)
	if name == "" {
		return
	}
	p.ambient["application"] = name
	p.Monogram = monogram(name)
	p.about(v.ApplicationLinks)
	if p.Logo != "" {
		return // the product's own stands above it
	}
	if logo, origin := image(v.ApplicationLogo); logo != "" && admitted(origin, imageOrigins) {
		p.show(logo, origin, name)
	}
}

// about shows where the application belongs and what it says of itself: those who register applications must let people see it (OpenID
// Connect Registration §2).
func (p *Page) about(links directory.ApplicationLinks) {
	p.Site = printable(links.Site)
	for _, l := range []struct{ id, url, label string }{
		{"client_uri", links.URL, "application.home"},
		{"policy_uri", links.Policy, "application.policy"},
		{"tos_uri", links.Terms, "application.terms"},
	} {
		if target := link(l.url); target != "" {
			p.About = append(p.About, Link{l.id, target, p.T(l.label)})
		}
	}
}

// monogram is the letter that stands for a name without a picture.
func monogram(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}

func (p *Page) notices(messages []flow.Message) {
	for _, m := range messages {
		if m.ID == "" {
			continue
		}
		n := Notice{Level: string(m.Level), Role: "status", Icon: p.Icon("info"), Text: p.message(m)}
		switch m.Level {
		case flow.Error:
			p.Wrong, n.Role, n.Icon = true, "alert", p.Icon("alert")
		case flow.Warning:
			n.Icon = p.Icon("warning")
		case flow.Success:
			n.Icon = p.Icon("check")
		case flow.Info:
		default:
			n.Level = string(flow.Info)
		}
		p.Notices = append(p.Notices, n)
	}
}

func (p *Page) fields(fields []flow.Field) {
	for _, f := range fields {
		field := Field{
			Name: f.Name, Type: string(f.Type), InputType: "text", Value: f.Value,
			Label: p.catalog.text(f.Label, f.Params, p.ambient), Hint: p.message(f.Hint),
			Autocomplete: f.Autocomplete, Required: f.Required, ReadOnly: f.ReadOnly, Focus: f.Focus, Problem: p.message(f.Problem),
		}
		switch f.Type {
		case flow.PasswordField:
			field.InputType, field.Value, field.Verbatim = "password", "", true
		case flow.EmailField:
			field.Type, field.InputType, field.Dir, field.Verbatim = string(flow.TextField), "email", "ltr", true
		case flow.CodeField:
			field.InputMode, field.Dir, field.Verbatim = "numeric", "ltr", true
		case flow.LettersField:
			field.Dir, field.Verbatim, field.Capitals = "ltr", true, true
		case flow.NumberField:
			field.InputMode, field.Dir, field.Verbatim = "decimal", "ltr", true
		case flow.DateField:
			field.InputType, field.Dir = "date", ""
		case flow.ChoiceField:
			field.Options = p.options(f)
		case flow.CheckboxField, flow.HiddenField, flow.CaptchaField:
		default:
			field.Type, field.Dir = string(flow.TextField), "auto"
			field.Verbatim = strings.Contains(f.Autocomplete, "username") || strings.Contains(f.Autocomplete, "email")
			if f.Autocomplete == "tel" {
				field.InputType, field.Dir, field.Verbatim = "tel", "ltr", true
			}
		}
		field.DescribedBy = p.describe(field)
		p.Wrong = p.Wrong || field.Problem != nil
		p.Fields = append(p.Fields, field)
	}
}

// options are the values of a choice, with nothing in front.
func (p *Page) options(f flow.Field) []Option {
	options := []Option{{Label: p.T("attribute.none")}}
	for _, c := range f.Choices {
		options = append(options, Option{Value: c.Value, Label: p.catalog.text(c.Label, p.ambient), Selected: c.Value == f.Value})
	}
	return options
}

// captcha admits a puzzle on the page.
func (p *Page) captcha(w *flow.Widget) {
	if w == nil {
		return
	}
	p.Captcha, p.widget = w.Script, w.Sources
	for i, f := range p.Fields {
		if f.Type == string(flow.CaptchaField) {
			p.Fields[i].Class, p.Fields[i].SiteKey = w.Class, w.SiteKey
			p.Fields[i].Hint = p.T("captcha.script")
		}
	}
}

// describe connects an input with what is wrong about it; the one in which typing begins also with the messages, because a
// screen reader that starts there would pass them by.
func (p *Page) describe(f Field) string {
	var ids []string
	if f.Problem != nil {
		ids = append(ids, f.Name+"-problem")
	}
	if f.Focus && len(p.Notices) > 0 {
		ids = append(ids, "messages")
	}
	return strings.Join(ids, " ")
}

func (p *Page) buttons(actions []flow.Action) (buttons []Action) {
	for i, a := range actions {
		buttons = append(buttons, Action{
			ID: a.Name, Name: a.Name, Kind: cmp.Or(string(a.Kind), "primary"), Label: p.catalog.text(a.Label, a.Params, p.ambient), Main: i == 0,
		})
	}
	return buttons
}

// consentIcons are the icons of the scopes and claims of OpenID Connect Core §5, by the last part of their title's id.
var consentIcons = map[string]string{
	"openid": "person", "profile": "badge", "email": "mail", "phone": "phone", "address": "place",
	"offline_access": "clock", "groups": "group", "roles": "group",
	"name": "badge", "given_name": "badge", "family_name": "badge", "middle_name": "badge", "nickname": "badge",
	"preferred_username": "person", "picture": "person", "email_verified": "mail", "phone_number": "phone",
	"device": "device", "ciba": "bell",
	"phone_number_verified": "phone", "gender": "person", "birthdate": "clock", "zoneinfo": "clock", "updated_at": "clock",
}

func (p *Page) consent(items []directory.ConsentItem) {
	for _, item := range items {
		id, _, _ := strings.Cut(item.Title, "|")
		detail := item.Detail
		if detail == "" && p.catalog.has(id+".detail") {
			detail = id + ".detail"
		}
		_, name, _ := strings.Cut(id, ".")
		p.Consent = append(p.Consent, Consent{
			ID: item.ID, Icon: p.Icon(cmp.Or(consentIcons[name], "key")), Mandatory: item.Mandatory,
			Title: p.catalog.text(item.Title, item.Params, p.ambient), Detail: p.catalog.text(detail, item.Params, p.ambient),
		})
	}
}

// entitle makes the window's title; one that begins with "Error" tells at once that the page came back (WCAG 2.2 §2.4.2).
func (p *Page) entitle() {
	p.WindowTitle = p.Title.String()
	if p.Wrong && p.Failure == nil {
		p.WindowTitle = p.catalog.text("page.wrong", map[string]string{"title": p.WindowTitle}).String()
	}
	if product := p.ambient["product"]; !strings.Contains(p.WindowTitle, product) {
		p.WindowTitle += " · " + printable(product)
	}
}

func (p *Page) webAuthn(w *flow.WebAuthn, script string) {
	if w == nil {
		return
	}
	p.Script = script
	p.WebAuthn = &WebAuthn{
		Ceremony: string(w.Ceremony), Options: string(w.Options), Button: w.Button, Action: w.Action, Decline: w.Decline,
		Unknown: string(w.Unknown), Accepted: string(w.Accepted), Conditional: w.Conditional,
	}
}

// groups cuts a text in pieces of four characters, which a person can keep in mind while typing.
func groups(s string) (pieces []string) {
	for s != "" {
		end := 0
		for range 4 {
			_, size := utf8.DecodeRuneInString(s[end:])
			end += size
		}
		pieces, s = append(pieces, s[:end]), s[end:]
	}
	return pieces
}
