package oidc

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// begin validates an authorization request as far as it can be validated without knowing who is at the browser. Two kinds
// of error come out of it: with a nil request the error is for the person, because nobody has proven where else to send
// it; with a request it goes to the proven redirect URI.
func (p *Provider) begin(ctx context.Context, form web.Form, bad error) (*authorizationRequest, *Error) {
	clientID := form.Value("client_id")
	if bad != nil { // a form that cannot be read does not prove a redirect URI
		return nil, formError(bad)
	}
	if clientID == "" {
		return nil, invalidRequest("client_id is missing")
	}
	c, err := p.Clients.find(ctx, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Error{Code: "invalid_client", Description: "the client is not known", Status: 400}
	}
	if err != nil {
		return nil, asError(err)
	}
	if reference := form.Value("request_uri"); p.config.Features.PAR != nil && strings.HasPrefix(reference, pushedPrefix) {
		q, refusal := p.pushed(ctx, c, reference)
		if refusal != nil {
			return nil, refusal
		}
		return q, p.checkApplication(ctx, c, q)
	}
	q, refusal := p.parseRequest(ctx, c, form)
	if q != nil && refusal == nil && p.mustPush(c) {
		refusal = invalidRequest("the client must push its requests (RFC 9126)")
	}
	return q, refusal
}

// parseRequest reads a request in the client's name, signed or not. Its errors are those of begin.
func (p *Provider) parseRequest(ctx context.Context, c *Client, sent web.Form) (*authorizationRequest, *Error) {
	whole := sent.Encode()
	if len(whole) > maxRequest {
		return nil, &Error{Code: "invalid_request", Description: "the request is longer than 16384 bytes", Status: 413}
	}
	form, wrong := p.unwrap(ctx, c, sent)
	if wrong != nil { // what stands beside an object that is no good may still say where its client is to be told
		form = sent
	}
	redirectURI := form.Value("redirect_uri")
	switch {
	case redirectURI == "":
		return nil, cmp.Or(wrong, invalidRequest("redirect_uri is missing"))
	case !p.mayReturnTo(c, redirectURI):
		return nil, cmp.Or(wrong, invalidRequest("redirect_uri is not registered for the client"))
	}
	q := &authorizationRequest{
		Meta:     store.Meta{Org: c.Org, ID: store.NewID(), Expires: p.db.Now().Add(requestLifetime)},
		ClientID: c.ClientID, RedirectURI: redirectURI, State: form.Value("state"),
		Restart: p.db.Keys().Seal([]byte(whole), restartPlace...),
	}
	// From here on the client can be told.
	if wrong != nil {
		_ = p.parseResponse(q, form, c) // how, as far as it can be known
		return q, wrong
	}
	if refusal := p.parseResponse(q, form, c); refusal != nil {
		return q, refusal
	}
	if refusal := p.parsePrompt(q, form); refusal != nil {
		return q, refusal
	}
	if p.inFAPI1(c) && !form.Has("scope") && !form.Has("authorization_details") { // FAPI 1.0 Advanced §5.2.2-10
		return q, invalidRequest("scope is missing")
	}
	grantable := func(scopes []string) ([]string, *Error) { return p.grantable(ctx, c, beneficiary{}, scopes) }
	if refusal := q.parse(form, c, grantable); refusal != nil {
		return q, refusal
	}
	if q.HintSubject != "" { // by the name that the client knows the person by (OpenID Connect Core §5.5.1)
		subject, err := p.subjectNamed(ctx, c, q.HintSubject)
		if err != nil {
			return q, unavailable(err)
		}
		q.HintSubject = subject
	}
	if refusal := p.parseImpersonation(form, q); refusal != nil {
		return q, refusal
	}
	if refusal := p.parseRequestedActor(ctx, c, form, q); refusal != nil {
		return q, refusal
	}
	if refusal := p.parseIDTokenHint(ctx, form, q); refusal != nil {
		return q, refusal
	}
	if refusal := p.parseJKT(form, q); refusal != nil {
		return q, refusal
	}
	if refusal := p.parseUserAssertion(form, q); refusal != nil {
		return q, refusal
	}
	var refusal *Error
	if q.Resources, refusal = p.askedResources(ctx, c, form); refusal != nil {
		return q, refusal
	}
	if q.Details, refusal = p.askedDetails(ctx, c, form); refusal != nil {
		return q, refusal
	}
	if len(q.Scopes)+len(q.Details) == 0 {
		return q, errNoScope()
	}
	if refusal := p.keepsToProfiles(q, c); refusal != nil {
		return q, refusal
	}
	return q, p.checkApplication(ctx, c, q)
}

// checkApplication refuses a request for an application that is disabled, and keeps the record for decide, which follows at once.
func (p *Provider) checkApplication(ctx context.Context, c *Client, q *authorizationRequest) *Error {
	app, err := p.livingApplication(ctx, c)
	if errors.Is(err, errBroken) {
		return &Error{Code: "unauthorized_client", Description: "the application is disabled"}
	}
	if err != nil {
		return unavailable(err)
	}
	if c.described == nil {
		q.application = app
	}
	return nil
}

// applicationOf is livingApplication, without a second read for a request that was judged in this call.
func (p *Provider) applicationOf(ctx context.Context, c *Client, q *authorizationRequest) (*directory.Application, error) {
	if q.application != nil && q.application.Ref() == c.Application && c.described == nil {
		return q.application, nil
	}
	return p.livingApplication(ctx, c)
}

// parseIDTokenHint reads id_token_hint: an ID token of ours, which may have expired (OpenID Connect Core §3.1.2.1).
func (p *Provider) parseIDTokenHint(ctx context.Context, form web.Form, q *authorizationRequest) *Error {
	if !form.Has("id_token_hint") {
		return nil
	}
	hint, err := p.openHint(ctx, form.Value("id_token_hint"))
	if isTokenFault(err) || errors.Is(err, errBroken) {
		return invalidRequest("id_token_hint is not an ID token of this issuer").because(err)
	}
	if err != nil {
		return unavailable(err)
	}
	subject, err := p.hintedSubject(ctx, hint)
	if err != nil {
		return unavailable(err)
	}
	if q.HintSubject != "" && q.HintSubject != subject {
		return invalidRequest("id_token_hint and claims ask for different subjects")
	}
	q.HintSubject = subject
	return nil
}

// approve decides what of the request the person has granted, once the flow has answered. A nil list of items to ask means
// that consent is settled.
func (p *Provider) dueConsent(ctx context.Context, q *authorizationRequest, app *directory.Application, subject store.Ref) (*Consent, []directory.ConsentItem, error) {
	named, err := p.vocabulary(ctx, q.Org)
	if err != nil {
		return nil, nil, err
	}
	items, err := p.consentItems(ctx, q, named)
	if err != nil {
		return nil, nil, err
	}
	consent, err := p.consentOf(ctx, subject, q.ClientID, q.RequestedActor)
	if err != nil {
		return nil, nil, err
	}
	details, err := p.detailItems(ctx, q, app, consent)
	if err != nil {
		return nil, nil, err
	}
	items = append(items, details...)
	var due []directory.ConsentItem
	if app.SkipConsent || q.alone {
		consent.decide(items, itemIDs(items), p.db.Now())
	} else {
		due = consent.due(items, q.prompts(promptConsent))
	}
	due, err = p.dueActor(ctx, q, consent, due)
	return consent, due, err
}

func itemIDs(items []directory.ConsentItem) []string {
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	return ids
}

// asker is who asks, as the step that answers has read it.
type asker struct {
	client *Client
	app    *directory.Application
}

// complete turns the request into a code and what else its response type names, in one step with the consent that was given
// on the way.
func (p *Provider) complete(ctx context.Context, q *authorizationRequest, by asker, result *directory.Result, consent *Consent, save bool) (url.Values, error) {
	named, err := p.vocabulary(ctx, q.Org)
	if err != nil {
		return nil, err
	}
	scopes, claims := consent.apply(q, named)
	if err := p.decideDetails(ctx, q, by.app, consent); err != nil {
		return nil, err
	}
	if len(scopes)+len(q.Details) == 0 {
		return nil, refused(directory.Denied)
	}
	if q.secured() {
		if _, err := p.responseKeys(ctx, by.client); err != nil {
			return nil, err
		}
	}
	q.Answer = &codeAnswer{
		Expires: p.db.Now().Add(p.config.CodeLifetime),
		Subject: result.Subject, SubjectEpoch: result.SubjectEpoch,
		Session: result.Session, SessionEpoch: result.SessionEpoch,
		Application: by.app.Ref(), ApplicationEpoch: by.app.Epoch,
		ConsentEpoch: consent.Epoch, ActorEpoch: q.actorEpoch, Evidence: result.Evidence, ACR: result.ACR, Scopes: scopes, Claims: claims,
		SignInClaims: result.Claims,
	}
	values := url.Values{}
	if responds(q.ResponseType, responseCode) {
		var code string
		code, q.Answer.CodeHash = newCode(q)
		values.Set("code", code)
	}
	q.Restart = "" // it was answered: there is no fresh start
	q.Expires = q.Answer.Expires
	b := p.db.Batch()
	p.requests.Replace(b, q)
	if save {
		p.saveConsent(b, consent)
	}
	if !inFront(q.ResponseType) {
		return values, b.Apply(ctx)
	}
	if !save { // what a code rests on is judged when it is redeemed; these are handed out now
		if err := p.checkConsent(ctx, b, q); err != nil {
			return nil, err
		}
	}
	return values, p.sendInFront(ctx, q, by.client, b, values)
}

// judge decides whether the flow's answer will do. The flow has seen to all of it; that it did is not left to it alone where
// another person, or a weaker proof, would get in.
func (q *authorizationRequest) judge(r *directory.Result) error {
	if r.Refusal != "" {
		return refused(r.Refusal)
	}
	ofAnother := func(e directory.Evidence) bool { return e.Subject != r.Subject.ID }
	if r.Subject.ID == "" || len(r.Evidence) == 0 || slices.ContainsFunc(r.Evidence, ofAnother) {
		return errors.New("oidc: Interact returned an answer without a subject, or without evidence of that subject")
	}
	if q.HintSubject != "" && q.HintSubject != r.Subject.ID {
		return refused(directory.LoginRequired)
	}
	// OpenID Connect Core §5.5.1.1: what is not reached is a failed sign-in.
	if q.EssentialACR && q.acr(directory.Assess(r.Evidence), r.ACR) == "" {
		return refused(directory.Unmet)
	}
	return nil
}

// acr is what to report of an assurance: the class that the login has selected, if it may; else, where the class is essential, one of
// those that were asked for, "" when none is reached.
func (q *authorizationRequest) acr(reached directory.Assurance, selected string) string {
	if reached.MayReport(selected, q.ACR) {
		return selected
	}
	if !q.EssentialACR || slices.Contains(q.ACR, reached.ACR) {
		return reached.ACR
	}
	for _, asked := range q.ACR {
		if reached.Satisfies(asked) {
			return asked
		}
	}
	return ""
}

// refused is the error response for a refusal of the flow (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
func refused(r directory.Refusal) *Error {
	codes := map[directory.Refusal]Error{
		directory.Denied:                   {Code: "access_denied", Description: "the person refused"},
		directory.LoginRequired:            {Code: "login_required", Description: "the person must sign in"},
		directory.InteractionRequired:      {Code: "interaction_required", Description: "the person must be asked something"},
		directory.ConsentRequired:          {Code: "consent_required", Description: "the person must consent"},
		directory.AccountSelectionRequired: {Code: "account_selection_required", Description: "the person must choose an account"},
		directory.RegistrationUnavailable:  {Code: "invalid_request", Description: "accounts cannot be made here"},
		directory.TooManyAttempts:          {Code: codeTooMany, Description: "there were too many wrong answers"},
		directory.Unmet:                    {Code: "unmet_authentication_requirements", Description: "the required authentication cannot be reached"},
	}
	e, ok := codes[r]
	if !ok {
		e = Error{Code: "server_error", Description: "the sign-in ended without an answer"}
	}
	e.outcome = true
	return &e
}

// response adds what every authorization response carries: state, and iss against mix-up (RFC 9207).
func (p *Provider) response(q *authorizationRequest, values url.Values) url.Values {
	if q.State != "" {
		values.Set("state", q.State)
	}
	values.Set("iss", p.site.Issuer())
	return values
}

func errorValues(e *Error) url.Values {
	values := url.Values{"error": {redirectCode(e.Code)}}
	if e.Description != "" {
		values.Set("error_description", e.Description)
	}
	return values
}

// redirectCode keeps the codes of token errors out of authorization responses.
func redirectCode(code string) string {
	if slices.Contains([]string{"invalid_client", "invalid_grant"}, code) {
		return "invalid_request"
	}
	return code
}

// withQuery adds values to the query of a redirect URI, keeping the one it was registered with (RFC 6749 §3.1.2).
func withQuery(uri string, values url.Values) string {
	separator := "?"
	if u, err := url.Parse(uri); err == nil && u.RawQuery != "" {
		separator = "&"
	} else if err == nil && u.ForceQuery {
		separator = ""
	}
	return uri + separator + values.Encode()
}

// formError says what is wrong with a form.
func formError(err error) *Error {
	if e, ok := errors.AsType[*web.FormError](err); ok {
		refusal := invalidRequest(strings.Map(descriptive, e.Problem))
		refusal.Status = e.Status
		return refusal.because(err)
	}
	return invalidRequest("the request could not be read").because(err)
}

// descriptive leaves out what must not stand in an error_description (RFC 6749 §5.2).
func descriptive(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return -1
	}
	return r
}
