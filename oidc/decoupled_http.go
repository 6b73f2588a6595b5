package oidc

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// visit is one attempt of a browser to decide about a decoupled request. It lies sealed in the URL: what is merely looked at, by a
// scanner of mails, say, leaves nothing behind and keeps nobody else from deciding.
type visit struct {
	ID      string    `json:"id"`
	Request store.Ref `json:"request"`
	Browser binding   `json:"browser"`
	Expires time.Time `json:"expires"`
}

func (d *decoupling) newVisit(q *decoupled, browser binding) visit {
	return visit{ID: store.NewID(), Request: q.Ref(), Browser: browser, Expires: q.Deadline}
}

// visitPlace is what a visit is sealed for.
func (d *decoupling) visitPlace() []string { return []string{"oidc.visit", string(d.grant)} }

func (d *decoupling) visitPath(v visit) string {
	text, err := json.Marshal(v)
	if err != nil { // its members are plain
		return d.site.Path(d.resume)
	}
	return d.site.Path(d.resume) + "?id=" + url.QueryEscape(string(d.db.Keys().Seal(text, d.visitPlace()...)))
}

var errVisitExpired = &Error{Code: "request_expired", Description: "this request has expired, begin again where it came from", Status: 400}

// openVisit reads a visit for the browser that it belongs to.
func (d *decoupling) openVisit(r *http.Request) (visit, error) {
	var v visit
	text, err := d.db.Keys().Open(store.Sealed(r.URL.Query().Get("id")), d.visitPlace()...)
	if errors.Is(err, store.ErrSealed) {
		return v, errVisitExpired
	}
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	switch {
	case err != nil:
		return v, err
	case !d.db.Now().Before(v.Expires):
		return v, errVisitExpired
	case !secret.Matches(string(v.Browser), d.site.Cookie(r, cookieRequest)):
		return v, &Error{Code: "request_foreign", Description: "this request was opened in another browser", Status: 403}
	}
	return v, nil
}

// serveVisit is where the flow comes back to, and where a visit begins.
func (d *decoupling) serveVisit(what DoneWhat) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := d.openVisit(r)
		var q *decoupled
		if err == nil {
			q, err = d.decide(w, r, v)
		}
		switch {
		case err != nil:
			d.showError(w, r, asError(err))
		case q != nil:
			d.config.Pages.Done(w, r, DonePage{What: what, Refused: q.Refused})
		}
	}
}

// decide lets the right person decide about the request. It returns nil when the flow has taken over the response.
func (d *decoupling) decide(w http.ResponseWriter, r *http.Request, v visit) (*decoupled, error) {
	for attempt := 0; ; attempt++ {
		q, err := d.decideOnce(w, r, v)
		// A poll, or another tab of the person's, has moved what was read.
		if attempt < maxAttempts && d.movedMeanwhile(err) {
			continue
		}
		return q, err
	}
}

func (d *decoupling) decideOnce(w http.ResponseWriter, r *http.Request, v visit) (*decoupled, error) {
	ctx := r.Context()
	q, err := d.requests.Get(ctx, v.Request)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errVisitExpired
	case err != nil:
		return nil, err
	case !q.pending(d.db.Now()): // decided before, here or elsewhere
		return nil, errFinished
	}
	app, err := d.applicationOf(ctx, q)
	if err != nil {
		return nil, err
	}
	in := d.interaction(q, app, v)
	result, err := d.config.Interact(w, r, in)
	if err != nil || result == nil {
		return nil, err
	}
	if result.Refusal == directory.Denied {
		return q, d.refuseRequest(ctx, q)
	}
	if err := q.request().judge(result); err != nil {
		return nil, shown(err)
	}
	return d.ask(w, r, q, app, in, result)
}

// shown is an error that a person sees, not a client.
func shown(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status == 0 {
		page := *e
		page.Status = http.StatusForbidden
		return &page
	}
	return err
}

// ask asks for the consent that is due, and always whether the request is the person's own (RFC 8628 §3.3.1).
func (d *decoupling) ask(w http.ResponseWriter, r *http.Request, q *decoupled, app *directory.Application, in directory.Interaction, result *directory.Result) (*decoupled, error) {
	ctx := r.Context()
	request, err := d.requestFor(ctx, q, app, result.Subject)
	if err != nil {
		return nil, err
	}
	consent, due, err := d.dueConsent(ctx, request, app, result.Subject)
	if err != nil {
		return nil, err
	}
	in.Purpose, in.Subject, in.Session = directory.ApproveConsent, result.Subject, result.Session
	in.Consent = append([]directory.ConsentItem{q.Item}, due...)
	answer, err := d.config.Interact(w, r, in)
	switch {
	case err != nil || answer == nil:
		return nil, err
	case answer.Refusal == directory.Denied, answer.Refusal == "" && !slices.Contains(answer.Approved, q.Item.ID):
		return q, d.refuseRequest(ctx, q)
	case answer.Refusal != "":
		return nil, shown(refused(answer.Refusal))
	case answer.Subject != result.Subject: // another tab has switched the person: consent is theirs alone to give
		return nil, shown(refused(directory.LoginRequired))
	}
	consent.decide(due, answer.Approved, d.db.Now())
	return q, d.approve(ctx, q, app, result, consent, len(due) > 0)
}

// interaction is what the request asks of the flow engine.
func (d *decoupling) interaction(q *decoupled, app *directory.Application, v visit) directory.Interaction {
	return directory.Interaction{
		ID: v.ID, Resume: d.visitPath(v), Purpose: directory.SignIn, Application: app.Ref(), ApplicationName: app.Name,
		Organization: q.Grant.Org, ACR: q.ACR, HintSubject: q.Subject.ID, Cancelable: true,
	}
}

// DonePage is what the page shows that ends what was begun on another device.
type DonePage struct {
	// What was begun there.
	What DoneWhat
	// Refused says that the person did not allow it.
	Refused bool
}

// DoneWhat is what was begun on another device.
type DoneWhat string

// What may be begun on another device.
const (
	// DoneDevice is a device that wanted to be connected (RFC 8628).
	DoneDevice DoneWhat = "device"
	// DoneCIBA is a client that asked for the person (CIBA Core).
	DoneCIBA DoneWhat = "ciba"
)
