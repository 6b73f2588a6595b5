package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/web"
)

// Config is how the pages are made. Only Issuer is required.
type Config struct {
	// Issuer is the issuer's URL. Its path is where Assets lie below, and its host is the name of what nobody has named.
	Issuer string
	// DefaultLocale is the language of those whose languages are not there, as "de"; "" is "en".
	DefaultLocale string
	// Locales holds catalogues to lay over the built-in ones, message by message: files such as "fr.json" or "pt-BR.json"
	// at its root, each an object of texts by message id. nil adds none.
	Locales fs.FS
	// Templates holds html/template files to lay over the built-in ones, block by block: "layout.html", "parts.html",
	// "icons.html", "prompt.html", "failure.html", "signed-out.html" at its root, or "<step>.html" for one step's prompts alone.
	// nil changes none.
	Templates fs.FS
	// CSS is added at the end of the style sheet. "" adds nothing.
	CSS string
	// ImageOrigins are the origins from which pages may load the logos of applications, as "https://cdn.example.com";
	// "https:" is any. Other logos are not shown: whoever registers an application would see who signs in. Empty
	// allows logos on the own host and data: URLs.
	ImageOrigins []string
	// Logger gets what went wrong with a page. nil discards it.
	Logger *slog.Logger
}

// Pages is a [flow.Transport] that writes HTML, and the [http.Handler] of the files which that HTML refers to. It is safe
// for concurrent use.
type Pages struct {
	site         *web.Site
	host         string
	catalogs     catalogs
	templates    templates
	assets       assets
	buttons      map[string]template.HTML // of the switch of language, by the page's tag
	imageOrigins []string
	origins      *http.CrossOriginProtection
	log          *slog.Logger
}

var _ flow.Transport = (*Pages)(nil)

// New reads all templates and catalogues. Its error reports every problem of the Config at once.
func New(c Config) (*Pages, error) {
	p := &Pages{imageOrigins: slices.Clone(c.ImageOrigins), origins: http.NewCrossOriginProtection(), log: c.Logger}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var errSite, errCatalogs, errTemplates error
	p.site, errSite = web.NewSite(c.Issuer, nil)
	p.catalogs, errCatalogs = newCatalogs(c.Locales, c.DefaultLocale)
	p.templates, errTemplates = newTemplates(c.Templates)
	if err := errors.Join(errSite, errCatalogs, errTemplates); err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	if issuer, err := url.Parse(c.Issuer); err == nil {
		p.host = issuer.Host
	}
	// A proxy may show us another Host than the one in the browser's address bar.
	if err := p.origins.AddTrustedOrigin(p.site.Origin()); err != nil {
		return nil, fmt.Errorf("pages: Config.Issuer: %w", err)
	}
	p.assets = newAssets(p.site.Path(Assets), c.CSS)
	if err := errors.Join(p.drawButtons(), p.rehearse()); err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return p, nil
}

// Show implements [flow.Transport].
func (p *Pages) Show(w http.ResponseWriter, r *http.Request, v flow.View) {
	page := p.prompt(r, v)
	status := http.StatusOK
	if page.Wrong {
		status = http.StatusUnprocessableEntity
	}
	lead(w, page)
	p.write(w, r, status, page, v.RedirectOrigins)
}

// lead has the browser follow the link of a page at once, without a script, and held to no form-action.
func lead(w http.ResponseWriter, page *Page) {
	if page.Link != "" {
		w.Header().Set("Refresh", "0;url="+page.Link)
	}
}

// SignedOut implements [flow.Transport].
func (p *Pages) SignedOut(w http.ResponseWriter, r *http.Request, v flow.View) {
	page := p.signedOut(r, v)
	lead(w, page)
	p.write(w, r, http.StatusOK, page, v.RedirectOrigins)
}

// Fail implements [flow.Transport].
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, f flow.Failure) {
	if f.Status != http.StatusOK && (f.Status < 400 || f.Status > 599) {
		f.Status = http.StatusInternalServerError
	}
	web.RetryAfter(w.Header(), f.RetryAfter)
	p.write(w, r, f.Status, p.failure(r, f), nil)
}

// write renders first and answers afterwards, so that a template that fails cannot leave half a page.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, page *Page, formAction []string) {
	var body bytes.Buffer
	if err := p.templates.render(&body, page); err != nil {
		p.log.ErrorContext(r.Context(), "page not rendered", "step", page.Step, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	policy := web.Policy{FormAction: formAction, StyleNonce: page.Nonce, Images: page.images}
	if page.Script != "" {
		policy.Script = p.site.Origin() + page.Script
	}
	policy.Asks, policy.Widget = page.Poll != nil, page.widget
	policy.Set(h)
	h.Set("Content-Language", page.Lang)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a browser that went away is nobody's error
}

// Text words a message as the pages would for this request: in the language that was chosen on a page, in the first of the locales (BCP 47) that there is a catalogue for, else in
// one of the languages that the request accepts. The text is plain.
func (p *Pages) Text(r *http.Request, locales []string, m flow.Message) string {
	return p.catalogs.choose(p.asked(r, locales), r.Header.Get("Accept-Language")).message(m, nil).String()
}
