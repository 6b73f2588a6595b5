package flow

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// CurrentSession returns the session that the browser is signed in to, or directory.ErrNoSession. A protocol needs it for a
// logout alone; who is signing in, it learns from Interact.
func (e *Engine) CurrentSession(r *http.Request) (*directory.Session, error) {
	cookie := e.site.Cookie(r, sessionCookie)
	if cookie == "" {
		return nil, directory.ErrNoSession
	}
	return e.dir.Sessions.Open(r.Context(), cookie)
}

// HasSession reports whether the browser shows the cookie of a session, whatever became of that.
func (e *Engine) HasSession(r *http.Request) bool { return e.site.Cookie(r, sessionCookie) != "" }

// EndSession ends a session, with everything that hangs on it, and removes its cookie if this browser has it. Ending what
// has ended is no error.
func (e *Engine) EndSession(w http.ResponseWriter, r *http.Request, ref store.Ref, reason string) error {
	if err := e.dir.Sessions.End(r.Context(), ref, reason); err != nil {
		return err
	}
	if id, _, _ := strings.Cut(e.site.Cookie(r, sessionCookie), "."); id == ref.ID {
		e.site.ClearCookie(w, sessionCookie)
	}
	return nil
}

// KeepSession gives the browser the new cookie of the session that it is signed in to, as directory.Directory.ChangePassword returned
// it; "" changes nothing.
func (e *Engine) KeepSession(w http.ResponseWriter, r *http.Request, session *directory.Session, cookie secret.Text) error {
	if cookie == "" {
		return nil
	}
	lifetime, err := e.cookieLifetime(r.Context(), session)
	if err == nil {
		e.site.SetCookie(w, sessionCookie, cookie.Reveal(), lifetime)
	}
	return err
}

// cookieLifetime is how long the browser keeps the cookie of a session: zero is until it is closed.
func (e *Engine) cookieLifetime(ctx context.Context, session *directory.Session) (time.Duration, error) {
	if !session.Remembered {
		return 0, nil
	}
	policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.Session, session.Subject.Org, "")
	return policy.Remember, err
}

// leaving makes a logout that was confirmed one of the session that the browser has now: another tab may have begun a new one
// since the question was asked, and who said yes must not stay signed in.
func (e *Engine) leaving(r *visit, x *execution) error {
	session, err := e.signedIn(r)
	if session != nil {
		x.Session = session.Ref()
	}
	return err
}

// SignedOut writes the page that says that the person is signed out, for a logout that leads nowhere else. From it the browser goes on to
// in.Resume, if there is one: a URL of a provider upstream that signs them out as well.
func (e *Engine) SignedOut(w http.ResponseWriter, r *http.Request, in directory.Interaction) {
	branding, err := e.branding(r.Context(), in.Organization, in.Application)
	if err != nil {
		e.fail(e.visit(w, r), err, "")
		return
	}
	e.transport.SignedOut(w, r, View{
		Purpose: directory.SignOut, ApplicationName: in.ApplicationName, Locales: in.Locales, Branding: branding,
		RedirectOrigins: in.RedirectOrigins, Prompt: Prompt{Link: in.Resume},
	})
}

// signIn is what a completed login leaves in the browser.
type signIn struct {
	session   *directory.Session
	cookie    secret.Text
	lifetime  time.Duration
	device    secret.Text        // "" leaves the cookie as it is
	trust     secret.Text        // likewise
	displaced *directory.Session // somebody else's, whose cookie is overwritten
}

// signIn adds to the batch that the person of a completed flow is signed in: in the session of theirs that the browser has,
// or that the flow builds on, under a new secret; else in a new one. It returns nil, and turns the flow into a refusal, when
// what the flow rests on has ended.
func (e *Engine) signIn(r *visit, b *store.Batch, x *execution) (*signIn, error) {
	ctx := r.Context()
	subject, err := e.dir.Subjects.Get(ctx, x.Subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err != nil || subject.Status != directory.Active || subject.Epoch != x.SubjectEpoch {
		x.refuse(directory.LoginRequired)
		return nil, nil
	}
	var current *directory.Session
	if x.keepsCookies(r) {
		if current, err = e.signedIn(r); err != nil {
			return nil, err
		}
	}
	in := &signIn{}
	if current != nil && current.Subject != x.Subject {
		in.displaced, current = current, nil
	}
	if in.session, err = e.ownSession(ctx, x, current); err != nil || x.Refusal != "" {
		return nil, err
	}
	if in.session == nil {
		in.session, in.cookie, err = e.dir.Sessions.Begin(ctx, b, directory.NewSession{
			ID: x.NewSession, Subject: subject, Evidence: x.Proof, Remember: x.Remember,
			UserAgent: r.UserAgent(), Address: e.site.Address(r.Request).String(), End: x.End,
		})
	} else {
		b.Check(e.dir.Subjects.Kind(), subject.Ref(), subject.Version)
		in.session.Remembered = in.session.Remembered || x.Remember
		in.cookie, err = e.dir.Sessions.StepUp(b, in.session, x.Proven...)
	}
	if _, full := errors.AsType[*directory.SessionLimitError](err); full { // there is no room for another one
		if !x.again { // unless it is its own, begun before a crash
			x.again = true
			return e.signIn(r, b, x)
		}
		x.refuse(directory.LoginRequired)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	x.Session = in.session.Ref()
	if x.Trust {
		if in.trust, err = e.dir.Devices.Trust(ctx, b, subject); err != nil {
			return nil, err
		}
	}
	return in, e.furnish(r, b, x, subject, in)
}

// ownSession returns the session that the flow's proofs belong into: the browser's, if it is of the same person, else the one
// that the flow builds on, else the one that it has begun already; nil when there is none.
func (e *Engine) ownSession(ctx context.Context, x *execution, current *directory.Session) (*directory.Session, error) {
	base, err := e.baseSession(ctx, x)
	switch {
	case err != nil || x.Refusal != "":
		return nil, err
	case current != nil:
		return current, nil
	case base != nil:
		return base, nil
	}
	return e.named(ctx, x)
}

// baseSession returns the session that the flow builds on, nil when there is none that would sign the person in by now. Evidence
// that was carried over from it counts no longer than that: without it, the flow turns into a refusal.
func (e *Engine) baseSession(ctx context.Context, x *execution) (*directory.Session, error) {
	if x.BaseSubject != x.Subject {
		return nil, nil
	}
	session, err := e.dir.Sessions.Get(ctx, x.Base)
	if err == nil {
		var ok bool
		if ok, err = e.dir.Sessions.SignsIn(ctx, session); ok && covers(session.Standing(), x.Carried) {
			return session, nil
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if len(x.Carried) > 0 {
		x.refuse(directory.LoginRequired)
	}
	return nil, nil
}

// rest refuses a flow under way that is about to write something, as another factor, and was built on a session that has ended since: what a
// person has added who is signed in would outlive that. A flow that is done has been asked already.
func (e *Engine) rest(ctx context.Context, b *store.Batch, x *execution) error {
	if x.Done || len(x.writes) == 0 || len(x.Carried) == 0 {
		return nil
	}
	session, err := e.baseSession(ctx, x)
	if session != nil {
		b.Check(e.dir.Sessions.Kind(), session.Ref(), session.Version)
	}
	return err
}

// covers reports whether a session still proves what was carried over from it.
func covers(standing, carried []directory.Evidence) bool {
	return !slices.ContainsFunc(carried, func(c directory.Evidence) bool {
		return !slices.ContainsFunc(standing, func(s directory.Evidence) bool { return s.Method == c.Method })
	})
}

// named returns the session that the flow has begun already, if an earlier post got so far and no further. One that was begun for
// somebody else, whose cookie nobody got, is left behind.
func (e *Engine) named(ctx context.Context, x *execution) (*directory.Session, error) {
	if !x.again {
		return nil, nil
	}
	session, err := e.dir.Sessions.Get(ctx, store.Ref{ID: x.NewSession})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err == nil && session.Subject != x.Subject {
		x.NewSession = store.NewID()
		return nil, nil
	}
	return session, err
}

// furnish adds what goes with a sign-in: how long the cookie lasts, and the device that is known from now on.
func (e *Engine) furnish(r *visit, b *store.Batch, x *execution, subject *directory.Subject, in *signIn) (err error) {
	if in.lifetime, err = e.cookieLifetime(r.Context(), in.session); err != nil {
		return err
	}
	if !x.keepsCookies(r) { // it would not be brought again
		return nil
	}
	known, err := e.knownDevice(r.Context(), r, subject)
	if err == nil && known == "" {
		in.device = e.dir.Devices.Remember(b, subject)
	}
	return err
}

// deviceLifetime is how long a browser keeps the device cookie: as long as directory.Devices knows the device.
const deviceLifetime = 180 * 24 * time.Hour

// admit sets the cookies of a sign-in that has been written. A session of somebody else in the same browser ends: nobody
// holds its cookie any more. A program gets none, nor whoever brings a user assertion: that session lives by what the protocol issues.
func (e *Engine) admit(r *visit, x *execution, in *signIn) {
	if !x.keepsCookies(r) {
		return
	}
	e.site.SetCookie(r.w, sessionCookie, in.cookie.Reveal(), in.lifetime)
	if in.device != "" {
		e.site.SetCookie(r.w, deviceCookie, in.device.Reveal(), deviceLifetime)
	}
	if in.trust != "" {
		e.site.SetCookie(r.w, trustCookie, in.trust.Reveal(), directory.TrustLife)
	}
	if in.displaced == nil {
		return
	}
	if err := e.dir.Sessions.End(r.Context(), in.displaced.Ref(), "displaced"); err != nil {
		e.log.WarnContext(r.Context(), "a displaced session was not ended", "session", in.displaced.ID, "error", err)
	}
}

// rehash replaces the hash that a sign-in has found outdated. Nobody waits outside because it fails.
func (e *Engine) rehash(ctx context.Context, x *execution, due *directory.Rehash) {
	if err := e.dir.Rehash(ctx, due); err != nil {
		e.log.WarnContext(ctx, "an outdated password hash was not replaced", "subject", x.Subject.ID, "error", err)
	}
}
