package flow

import (
	"context"
	"errors"
	"net/http"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// visit is one request to a flow, and the way its answer goes: a page for a browser, data for a program.
type visit struct {
	*http.Request
	w         http.ResponseWriter
	transport Transport
	// program is what a program has brought; nil for a browser.
	program *directory.Native
	// done is the flow of a program that has come to its end.
	done *execution
	// form is the answer that is being settled, and cookies are what a plan sets once that is written.
	form    web.Form
	cookies []*http.Cookie
	// begun is how often a flow that asks nothing was begun anew, as something that it rests on changed before it was written.
	begun int
}

// setCookies sets the cookies of plans, now that what they go with is written.
func (r *visit) setCookies() {
	for _, cookie := range r.cookies {
		http.SetCookie(r.w, cookie)
	}
	r.cookies = nil
}

func (e *Engine) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{Request: r, w: w, transport: e.transport}
}

// show writes a view.
func (r *visit) show(v View) {
	if r.program != nil {
		v.Flow = r.program.Flow.Reveal()
	}
	r.transport.Show(r.w, r.Request, v)
}

// goTo sends the browser on.
func (r *visit) goTo(to string) { redirect(r.w, to) }

// session returns the session that the browser is signed in to, or directory.ErrNoSession. A program has no cookies.
func (e *Engine) session(r *visit) (*directory.Session, error) {
	if r.program != nil {
		return nil, directory.ErrNoSession
	}
	return e.CurrentSession(r.Request)
}

// knownDevice is the device as directory.Devices knows it: "" is none.
func (e *Engine) knownDevice(ctx context.Context, r *visit, subject *directory.Subject) (string, error) {
	cookie := ""
	if r.program == nil {
		cookie = e.site.Cookie(r.Request, deviceCookie)
	}
	return e.dir.Devices.Known(ctx, cookie, subject)
}

// signedIn is session without the error that says that there is none.
func (e *Engine) signedIn(r *visit) (*directory.Session, error) {
	session, err := e.session(r)
	if errors.Is(err, directory.ErrNoSession) {
		return nil, nil
	}
	return session, err
}
