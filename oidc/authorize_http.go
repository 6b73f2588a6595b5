package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// serveAuthorize is the authorization endpoint (RFC 6749 §3.1). A GET goes on at once. A POST may come from another site
// without our cookies, so it only leaves the request behind and sends the browser to fetch it by itself.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	form, bad := readBrowserForm(w, r)
	for attempt := 0; ; attempt++ {
		q, refusal := p.begin(r.Context(), form, bad)
		if p.wantsDirect(form, q, refusal) {
			p.serveDirect(w, r, form, q, refusal)
			return
		}
		switch {
		case q == nil, refusal != nil && refusal.status() >= http.StatusInternalServerError: // ours, and not the client's to hear about
			p.showError(w, r, refusal)
			return
		case refusal != nil:
			p.answerRefusal(w, r, q, refusal)
			return
		}
		if refusal := p.admit(r, q.Org); refusal != nil {
			p.showError(w, r, refusal)
			return
		}
		err := p.hold(w, r, q)
		if attempt < maxAttempts && store.ConflictOn(err, requestKind) != nil { // a pushed request was loaded twice at once
			continue
		}
		switch {
		case err != nil:
			p.showError(w, r, unavailable(err))
		case r.Method == http.MethodPost:
			web.SeeOther(w, p.resumePath(q))
		default:
			p.advance(w, r, q)
		}
		return
	}
}

// admit bounds what one address may leave behind here: requests that are kept until somebody answers them.
func (p *Provider) admit(r *http.Request, org string) *Error {
	what := directory.ThrottleRequest
	if web.Embedded(r) {
		what = directory.ThrottleEmbedded
	}
	wait, err := p.config.Directory.Throttle.Admit(r.Context(), org, what, p.site.Address(r).String())
	switch {
	case err != nil:
		return unavailable(err)
	case wait > 0:
		return &Error{
			Code: "slow_down", Description: "too many requests come from this address, try again in a while",
			Status: http.StatusTooManyRequests, RetryAfter: wait,
		}
	}
	return nil
}

// serveResume is where the flow, and a browser that posted, come back to.
func (p *Provider) serveResume(w http.ResponseWriter, r *http.Request) {
	q, err := p.requests.Get(r.Context(), parseLocator(r.URL.Query().Get("id")))
	if errors.Is(err, store.ErrNotFound) {
		p.showError(w, r, &Error{Code: "request_expired", Description: "this sign-in has expired, go back to the application and start again", Status: 400})
		return
	}
	held := false
	if err == nil {
		held, err = p.holds(w, r, &q.Browser, func(b *store.Batch) { p.requests.Replace(b, q) })
	}
	switch {
	case err != nil:
		p.showError(w, r, unavailable(err))
	case !held:
		p.showError(w, r, &Error{Code: "request_foreign", Description: "this sign-in was begun in another browser", Status: 403})
	case q.Answer != nil:
		p.showError(w, r, asError(p.finished(r.Context(), q)))
	default:
		p.advance(w, r, q)
	}
}

// finished is the error for a request that was answered before, as to the browser's button that goes back. It says where the person
// finds the application: as that says itself, else where its redirect URI is.
func (p *Provider) finished(ctx context.Context, q *authorizationRequest) error {
	e := &Error{Code: "request_finished", Description: "this sign-in is finished, go back to the application", Status: 400}
	e.application = redirectSite(q.RedirectURI)
	c, err := p.Clients.find(ctx, q.ClientID)
	if err == nil {
		var app *directory.Application
		if app, err = p.config.Directory.Applications.Get(ctx, c.Application); err == nil && app.URL != "" {
			e.application = app.URL
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return e
}

// advance takes the request as far as it goes without the person, and answers the client when there is an answer.
func (p *Provider) advance(w http.ResponseWriter, r *http.Request, q *authorizationRequest) {
	values, err := p.decide(w, r, q)
	switch refusal := (*Error)(nil); {
	case errors.As(err, &refusal) && refusal.Status == 0: // for the client
		p.answerRefusal(w, r, q, refusal)
	case err != nil:
		p.showError(w, r, asError(err))
	case values != nil:
		p.answer(w, r, q, values)
	}
}

// decide asks the flow who is there and what they allow. It returns nil when the flow has taken over the response.
func (p *Provider) decide(w http.ResponseWriter, r *http.Request, q *authorizationRequest) (url.Values, error) {
	ctx := r.Context()
	c, err := p.Clients.find(ctx, q.ClientID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !p.mayReturnTo(c, q.RedirectURI) {
		return nil, &Error{Code: "invalid_client", Description: "the client was changed meanwhile, go back to the application", Status: 400}
	}
	if err != nil {
		return nil, err
	}
	app, err := p.applicationOf(ctx, c, q)
	if errors.Is(err, errBroken) {
		return nil, &Error{Code: "unauthorized_client", Description: "the application is disabled"}
	}
	if err != nil {
		return nil, err
	}
	in := q.interaction(app, p.resumePath(q))
	in.Restart = string(q.Restart)
	c.introduce(&in)
	p.interactDirect(q, &in)
	if in.UserAssertion, err = p.userAssertion(q); err != nil {
		return nil, err
	}
	result, err := p.whoAnswers(ctx, c, app, q)
	if err == nil && result == nil {
		result, err = p.config.Interact(w, r, in)
	}
	if err != nil || result == nil {
		return nil, err
	}
	if err := q.judge(result); err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ {
		values, err := p.conclude(w, r, q, asker{c, app}, in, result)
		if attempt < maxAttempts && (store.ConflictOn(err, consentKind) != nil || p.parentMoved(err)) { // in another tab meanwhile
			continue
		}
		if store.ConflictOn(err, requestKind) != nil {
			return nil, p.finished(ctx, q)
		}
		return values, err
	}
}

// conclude asks the person for the consent that is due, and makes the answer.
func (p *Provider) conclude(w http.ResponseWriter, r *http.Request, q *authorizationRequest, by asker, in directory.Interaction, result *directory.Result) (url.Values, error) {
	ctx := r.Context()
	q, err := p.forPerson(ctx, q, by, result.Subject)
	if err != nil {
		return nil, err
	}
	consent, due, err := p.dueConsent(ctx, q, by.app, result.Subject)
	if err != nil {
		return nil, err
	}
	if len(due) > 0 && q.direct() {
		return nil, refused(directory.ConsentRequired)
	}
	if len(due) > 0 {
		in.Purpose, in.Subject, in.Session, in.Consent = directory.ApproveConsent, result.Subject, result.Session, due
		answer, err := p.config.Interact(w, r, in)
		if err != nil || answer == nil {
			return nil, err
		}
		if answer.Refusal != "" {
			return nil, refused(answer.Refusal)
		}
		if answer.Subject != result.Subject { // another tab has switched the person: consent is theirs alone to give
			return nil, refused(directory.LoginRequired)
		}
		consent.decide(due, answer.Approved, p.db.Now())
	}
	if !consent.mayActFor(q) {
		return nil, refused(directory.Denied)
	}
	if by.app, err = p.keepApplication(ctx, by.client, by.app); err != nil {
		return nil, err
	}
	values, err := p.complete(ctx, q, by, result, consent, len(due) > 0)
	if err == nil {
		p.tellState(w, q, result, values)
	}
	return values, err
}

func (p *Provider) resumePath(q *authorizationRequest) string {
	return p.site.Path(pathResume) + "?id=" + url.QueryEscape(grantLocator(q.Ref()))
}

// restartPlace is what a restart blob is sealed for.
var restartPlace = []string{"oidc.restart"}

// Restart returns the URL at which a sign-in begins again from Interaction.Restart of an expired page: the same request,
// validated from scratch. A blob that is not ours gives an error.
func (p *Provider) Restart(sealed string) (string, error) {
	parameters, err := p.db.Keys().Open(store.Sealed(sealed), restartPlace...)
	if err != nil {
		return "", err
	}
	return p.site.Path(pathAuthorize) + "?" + string(parameters), nil
}

// answerRefusal sends an error to the proven redirect URI (RFC 6749 §4.1.2.1).
func (p *Provider) answerRefusal(w http.ResponseWriter, r *http.Request, q *authorizationRequest, refusal *Error) {
	p.observeRefusal(r, q.ClientID, "", refusal)
	p.log(r, refusal, "")
	p.answer(w, r, q, errorValues(refusal))
}

// answer sends the authorization response to the proven redirect URI.
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, q *authorizationRequest, values url.Values) {
	values, err := p.secure(r.Context(), q, p.response(q, values))
	if err != nil {
		p.showError(w, r, asError(err))
		return
	}
	switch q.transport() {
	case modeFormPost:
		writeFormPost(w, q.RedirectURI, values)
	case modeWebMessage:
		writeWebMessage(w, q, values)
	case modeFragment:
		web.SeeOther(w, withFragment(q.RedirectURI, values))
	default:
		web.SeeOther(w, withQuery(q.RedirectURI, values))
	}
}
