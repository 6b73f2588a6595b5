package pages

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/web"
)

// Language is the path, below the issuer's, that takes the language that somebody chooses on a page, and sends them back to it. [Pages]
// serves its posts.
const Language = "/flow/language"

const (
	languageCookie = "language"
	languageLife   = 365 * 24 * time.Hour
	// maxBack bounds the address of the page on which a language is chosen; a longer one has no switch.
	maxBack = 2048
)

// Languages is the switch of language on a page.
type Languages struct {
	// Submit takes the choice, and has where the page is in its query: whoever reads the page by a program, and takes all hidden fields for
	// those of the page's own form, finds none here.
	Submit  string
	Current Choice
	// Buttons is the block "language-buttons", rendered: a button for each language.
	Buttons template.HTML
}

// Choice is a language: its tag, its direction, and what it calls itself ("locale.name" in its catalogue; else the tag). Current marks the one
// that the page is in.
type Choice struct {
	Lang, Dir, Name string
	Current         bool
}

// asked are the languages that a request wants, best first: the one that the person has chosen on a page, then those of the application.
func (p *Pages) asked(r *http.Request, locales []string) []string {
	chosen := p.site.Cookie(r, languageCookie)
	if _, ok := p.catalogs.byLocale[strings.ToLower(chosen)]; !ok {
		return locales
	}
	return append([]string{chosen}, locales...)
}

// languages is the switch for the page that answers a request; nil where there is nothing to choose, or no way back.
func (p *Pages) languages(r *http.Request, current catalog) *Languages {
	if r.URL == nil || len(p.catalogs.byLocale) < 2 {
		return nil
	}
	back := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		back += "?" + r.URL.RawQuery
	}
	if !isOwnPath(back) {
		return nil
	}
	return &Languages{
		Submit:  p.site.Path(Language) + "?" + url.Values{"back": {back}}.Encode(),
		Current: current.choice(), Buttons: p.buttons[current.tag],
	}
}

// isOwnPath reports whether a browser that is sent to a reference stays on this host, however it reads it (RFC 3986 §4.2; browsers take a
// backslash for a slash, and leave out tabs and ends of lines).
func isOwnPath(reference string) bool {
	if len(reference) > maxBack || !strings.HasPrefix(reference, "/") || strings.HasPrefix(reference, "//") {
		return false
	}
	strange := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }
	if strings.ContainsFunc(reference, strange) {
		return false
	}
	u, err := url.Parse(reference)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == ""
}

// chooseLanguage keeps the choice in a cookie, and goes back to the page. Nothing of the request is written anywhere but the tag of a
// catalogue and a path of this host.
func (p *Pages) chooseLanguage(w http.ResponseWriter, r *http.Request) {
	web.NoStore(w.Header())
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	if err := p.origins.Check(r); err != nil {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	form, err := web.ReadBody(w, r)
	query, problem := web.ReadQuery(r)
	chosen, ok := p.catalogs.byLocale[strings.ToLower(form.Value("language"))]
	back := query.Value("back")
	if err != nil || problem != nil || !ok || !isOwnPath(back) {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	p.site.SetCookie(w, languageCookie, chosen.tag, languageLife)
	web.SeeOther(w, back)
}

func (c catalog) choice() Choice {
	return Choice{Lang: c.tag, Dir: c.direction(), Name: c.text("locale.name").String()}
}

func (c catalog) direction() string {
	if c.text("locale.direction").String() == "rtl" {
		return "rtl"
	}
	return "ltr"
}

// drawButtons renders the buttons of the switch for each language that a page can be in: they are the same on every page, and were the
// dearest part of it.
func (p *Pages) drawButtons() error {
	p.buttons = make(map[string]template.HTML, len(p.catalogs.byLocale))
	for _, current := range p.catalogs.byLocale {
		var buttons strings.Builder
		if err := p.templates.kinds[promptPage].ExecuteTemplate(&buttons, "language-buttons", p.catalogs.choices(current)); err != nil {
			return fmt.Errorf("Templates: %w", err)
		}
		p.buttons[current.tag] = template.HTML(buttons.String())
	}
	return nil
}

// choices are all languages, in the order of their tags.
func (c catalogs) choices(current catalog) (all []Choice) {
	for _, one := range c.byLocale {
		choice := one.choice()
		choice.Current = one.tag == current.tag
		all = append(all, choice)
	}
	slices.SortFunc(all, func(a, b Choice) int { return cmp.Compare(a.Lang, b.Lang) })
	return all
}
