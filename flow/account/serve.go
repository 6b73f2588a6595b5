package account

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// page is one of the pages.
type page struct {
	path, step string
	// sensitive pages are for people who have proven just now who they are.
	sensitive bool
	// fill makes the sections.
	fill func(*visit) ([]pages.AccountSection, error)
	// actions are what its forms ask for, by name.
	actions map[string]func(*visit) (outcome, error)
}

// outcome is what an action came to. An action that has answered itself has no outcome.
type outcome struct {
	// done says that it was done: the page comes anew, with the message. Otherwise it stays, with what was typed and what is wrong.
	done    bool
	message flow.Message
	// answered says that the response was written, or the browser sent on.
	answered bool
}

func did(message string) outcome {
	return outcome{done: true, message: flow.Message{ID: message, Level: flow.Success}}
}

func refused(message string) outcome {
	return outcome{message: flow.Message{ID: message, Level: flow.Error}}
}

var answered = outcome{answered: true}

// pages are the pages, in the order of their links.
func (p *Portal) pages() []*page {
	list := []*page{
		{path: profilePath, step: "account", fill: p.profile, actions: map[string]func(*visit) (outcome, error){"save": p.saveProfile}},
		{path: contactPath, step: "account-contact", sensitive: true, fill: p.contact, actions: p.contactActions()},
		{path: securityPath, step: "account-security", sensitive: true, fill: p.security, actions: p.securityActions()},
		{path: sessionsPath, step: "account-sessions", fill: p.sessions, actions: p.sessionActions()},
		{path: applicationsPath, step: "account-applications", fill: p.applications, actions: map[string]func(*visit) (outcome, error){
			"revoke": p.revoke,
		}},
		{path: dataPath, step: "account-data", sensitive: true, fill: p.data, actions: p.dataActions()},
	}
	if p.Applications == nil {
		list = slices.DeleteFunc(list, func(p *page) bool { return p.path == applicationsPath })
	}
	return list
}

// visit is one request of somebody to their account.
type visit struct {
	*http.Request
	w       http.ResponseWriter
	page    *page
	form    web.Form
	session *directory.Session
	subject *directory.Subject
	user    *directory.User
	// typed and problems are what stands in the fields of a form that was refused, and what is wrong with it.
	typed    map[string]string
	problems map[string]flow.Message
	messages []flow.Message
	// codes are shown once.
	codes []string
}

// handler serves a page.
func (p *Portal) handler(page *page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Request: r, w: w, page: page}
		var err error
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			err = p.open(v)
		case http.MethodPost:
			err = p.submit(v)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			err = errMethod
		}
		if err != nil {
			p.fail(v, err)
		}
	})
}

// open shows a page to whom it is for, and sends others to prove that it is.
func (p *Portal) open(v *visit) error {
	if proof := v.URL.Query().Get(proofField); proof != "" {
		return p.comeBack(v, proof)
	}
	who, err := p.identify(v)
	switch {
	case err != nil:
		return err
	case who == nobody, who == stale && v.page.sensitive:
		return p.prove(v)
	}
	p.Directory.Sessions.Touch(v.Context(), v.session)
	if notice := p.site.Cookie(v.Request, noticeCookie); slices.Contains(notices, notice) {
		v.messages = append(v.messages, flow.Message{ID: notice, Level: flow.Success})
		p.site.ClearCookie(v.w, noticeCookie)
	}
	return p.show(v)
}

// submit does what a form asks for.
func (p *Portal) submit(v *visit) error {
	if err := p.origins.Check(v.Request); err != nil {
		return errCrossOrigin
	}
	var err error
	if v.form, err = web.ReadBody(v.w, v.Request); err != nil {
		return err
	}
	who, err := p.identify(v)
	switch {
	case err != nil:
		return err
	case who == nobody, who == stale && v.page.sensitive:
		web.SeeOther(v.w, p.site.Path(v.page.path)) // which asks for the proof, and comes back to the form
		return nil
	}
	act := v.page.actions[v.form.Value("action")]
	if act == nil {
		return errMalformed
	}
	out, err := act(v)
	switch {
	case errors.Is(err, directory.ErrChainBroken), errors.Is(err, directory.ErrEnded): // by another browser, meanwhile
		web.SeeOther(v.w, p.site.Path(v.page.path)) // which asks them to sign in
		return nil
	case err != nil:
		return err
	case out.answered:
		return nil
	case out.done:
		p.site.SetCookie(v.w, noticeCookie, out.message.ID, time.Minute)
		web.SeeOther(v.w, p.site.Path(v.page.path))
		return nil
	}
	if out.message.ID != "" {
		v.messages = append(v.messages, out.message)
	}
	return p.show(v)
}

// noticeCookie holds the message for the page that comes after a form was done, and notices are those that may stand there.
const noticeCookie = "account-notice"

var notices = []string{
	"account.saved", "account.confirm", "account.password.changed", "account.removed", "account.unlinked",
	"account.session.ended", "account.sessions.ended", "account.application.revoked",
}

// show writes the page.
func (p *Portal) show(v *visit) error {
	sections, err := v.page.fill(v)
	if err != nil {
		return err
	}
	branding, err := p.branding(v)
	if err != nil {
		return err
	}
	for _, s := range sections {
		for i, f := range s.Fields {
			if typed, ok := v.typed[f.Name]; ok && f.Type != flow.PasswordField {
				s.Fields[i].Value = typed
			}
			s.Fields[i].Problem = v.problems[f.Name]
		}
	}
	localize(sections, v.user.Location())
	web.NoStore(v.w.Header())
	view := pages.AccountView{
		Step: v.page.step, Title: flow.Message{ID: v.page.step + ".title"}, Intro: flow.Message{ID: v.page.step + ".intro"},
		Person: v.user.Username, Submit: p.site.Path(v.page.path), Messages: v.messages, Sections: sections, Branding: branding,
	}
	for _, page := range p.pages() {
		view.Links = append(view.Links, pages.AccountLink{
			ID: page.step + "-link", URL: p.site.Path(page.path), Label: page.step + ".link", Current: page.path == v.page.path,
		})
	}
	p.Look.Account(v.w, v.Request, view)
	return nil
}

// localize has the times of a page be those of a place.
func localize(sections []pages.AccountSection, place *time.Location) {
	for _, s := range sections {
		for _, i := range s.Items {
			for _, m := range append(i.Details, i.Title) {
				for name, t := range m.Times {
					m.Times[name] = t.In(place)
				}
			}
		}
	}
}

func (p *Portal) branding(v *visit) (directory.Branding, error) {
	org := ""
	if v.session != nil {
		org = v.session.Subject.Org
	}
	return directory.Resolve(v.Context(), p.Directory.Settings, p.Directory.Settings.Branding, org, "")
}

var (
	errCrossOrigin = &flow.Failure{Status: http.StatusForbidden, Code: "cross_origin", Message: flow.Message{ID: "flow.cross_origin", Level: flow.Error}}
	errMalformed   = &flow.Failure{Status: http.StatusBadRequest, Code: "invalid_request", Message: flow.Message{ID: "flow.malformed", Level: flow.Error}}
	errMethod      = &flow.Failure{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: flow.Message{ID: "flow.malformed", Level: flow.Error}}
	errNobody      = &flow.Failure{Status: http.StatusForbidden, Code: "no_account", Message: flow.Message{ID: "account.none", Level: flow.Error}}
	errUnproven    = &flow.Failure{Status: http.StatusForbidden, Code: "unproven", Message: flow.Message{ID: "account.unproven", Level: flow.Error}}
)

// fail writes the failure page for err. Its cause is in the log under the id that is on the page.
func (p *Portal) fail(v *visit, err error) {
	web.NoStore(v.w.Header())
	f := flow.FailureOf(err)
	f.Correlation, f.StartOver = web.NewCorrelationID(), p.site.Path(Home)
	p.log.Log(v.Context(), f.Level(), "account page failed", "correlation", f.Correlation, "code", f.Code, "path", v.URL.Path, "error", err)
	if branding, err := p.branding(v); err == nil { // a page without branding beats none
		f.Branding = branding
	}
	p.Look.Fail(v.w, v.Request, f)
}

// apply does a step that reads, writes and applies a batch, anew as long as somebody else was faster. It is done for nobody whose session
// has ended meanwhile.
func (p *Portal) apply(v *visit, step func(b *store.Batch) error) (err error) {
	for range maxTries {
		b := p.DB.Batch()
		if err = p.Directory.Hold(v.Context(), b, v.subject, v.session); err != nil {
			return err
		}
		if err = step(b); err != nil {
			return err
		}
		err = b.Apply(v.Context())
		if conflict, ok := errors.AsType[*store.Conflict](err); !ok || conflict.Key.Name != "" {
			return err
		}
	}
	return err
}

const maxTries = 4
