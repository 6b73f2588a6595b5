package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// decoupled is an authorization for which a client waits while the person gives it elsewhere: of the device grant (RFC 8628) and of
// CIBA. Losing the record loses a request under way; nothing can be used twice because of it, since the gate is the durable
// Insert of the Grant that it names.
type decoupled struct {
	store.Meta
	// Grant is the Grant that redeeming will create.
	Grant    store.Ref `json:"grant"`
	ClientID string    `json:"client_id"`
	// SecretHash proves the value that the client polls with.
	SecretHash string   `json:"secret_hash"`
	Scopes     []string `json:"scopes"`
	ACR        []string `json:"acr_values,omitempty"`
	// Resources are the APIs that the tokens may be for (RFC 8707).
	Resources []string `json:"resources,omitempty"`
	// Details are authorization details (RFC 9396); once the request is answered, those that were granted.
	Details []json.RawMessage `json:"authorization_details,omitempty"`
	// Subject must be who decides; zero is anybody.
	Subject store.Ref `json:"subject,omitzero"`
	// Deadline is when it expires. The record stays for a while longer, so that the client can be told.
	Deadline time.Time `json:"deadline"`
	// Interval is the least time between two polls, Next the earliest time of the next.
	Interval time.Duration `json:"interval"`
	Next     time.Time     `json:"next,omitzero"`
	// Item is what the person is asked besides scopes and claims: that this is theirs.
	Item directory.ConsentItem `json:"item"`
	// Answer or Refused is set once the person has decided.
	Answer  *codeAnswer `json:"answer,omitempty"`
	Refused bool        `json:"refused,omitempty"`
	// Delivery is how the client hears of it, Notify what it takes to tell it, and Bound and Method what tokens that are pushed are
	// issued for (CIBA Core §5).
	Delivery string       `json:"delivery,omitempty"`
	Notify   store.Sealed `json:"notify,omitempty"`
	Bound    confirmation `json:"bound,omitzero"`
	Method   AuthMethod   `json:"method,omitempty"`
}

var (
	deviceKind = store.Kind{Name: "oidc.device", Ephemeral: true}
	cibaKind   = store.Kind{Name: "oidc.ciba", Ephemeral: true}
)

// decided says that a request is decided, durably: of two decisions one is made known, and that one once, also when the request itself
// was not written in the same moment. It has the id of the Grant.
type decided struct {
	store.Meta
	Refused bool `json:"refused,omitempty"`
}

var (
	decidedKind = store.Kind{Name: "oidc.decided"}
	decidedType = store.Type[decided]{Kind: decidedKind}
)

// pending reports whether the person may still decide.
func (q *decoupled) pending(now time.Time) bool {
	return q.Answer == nil && !q.Refused && now.Before(q.Deadline)
}

// request is the same request as one at the authorization endpoint would be: consent and grant come of it in one way.
func (q *decoupled) request() *authorizationRequest {
	return &authorizationRequest{
		Meta: store.Meta{Org: q.Grant.Org, ID: q.Grant.ID}, ClientID: q.ClientID, Scopes: q.Scopes, ACR: q.ACR, HintSubject: q.Subject.ID,
		Resources: q.Resources, Details: q.Details, Answer: q.Answer,
	}
}

var errFinished = &Error{Code: "request_finished", Description: "this request is finished, go back to where it came from", Status: 400}

// decoupling is what device grant and CIBA have in common.
type decoupling struct {
	*Provider
	grant     GrantType
	requests  *store.Collection[decoupled]
	decisions *store.Collection[decided]
	// resume is the path to which the person comes back from the flow.
	resume string
	// wrong is the answer to a value that is none of ours, not that client's, or used.
	wrong *Error
}

func (p *Provider) decouple(grant GrantType, kind store.Kind, resume string, wrong *Error) *decoupling {
	return &decoupling{
		Provider: p, grant: grant, resume: resume, wrong: wrong,
		requests: store.NewCollection(p.db, store.Type[decoupled]{Kind: kind}), decisions: store.NewCollection(p.db, decidedType),
	}
}

// tenure is how long a record of that lifetime is kept: as long again, for clients that ask too late.
func tenure(lifetime time.Duration) time.Duration { return 2 * lifetime }

// awaited is the value that a client polls with, taken apart.
type awaited struct {
	request, grant store.Ref
	secret         string
}

// exchange answers a poll (RFC 8628 §3.4, CIBA Core §10.1).
func (d *decoupling) exchange(ctx context.Context, r tokenRequest, v awaited) (*tokenResponse, error) {
	q, err := d.requests.Get(ctx, v.request)
	if errors.Is(err, store.ErrNotFound) {
		return nil, d.late(ctx, r.client, v)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case q.ClientID != r.client.ClientID || q.Grant != v.grant || !secret.Matches(q.SecretHash, v.secret):
		return nil, d.wrong
	case !d.db.Now().Before(q.Deadline): // before anything is consumed
		return nil, &Error{Code: "expired_token", Description: "the request has expired, make a new one", Status: 400}
	case q.Refused:
		return nil, &Error{Code: "access_denied", Description: "the person refused", Status: 400}
	case q.Answer == nil:
		return nil, d.wait(ctx, q)
	}
	for attempt := 0; ; attempt++ {
		response, err := d.redeem(ctx, q, r)
		if attempt < maxAttempts && (d.parentMoved(err) || store.ConflictOn(err, consentKind) != nil) {
			continue
		}
		return response, err
	}
}

const (
	// slowDown is how much longer a client that polls too early must wait from then on (RFC 8628 §3.5).
	slowDown = 5 * time.Second
	// longestInterval bounds what many polls at once add up to.
	longestInterval = time.Minute
	// pollJitter is how much too early a poll may arrive because the one before was slow on its way.
	pollJitter = 500 * time.Millisecond
)

// wait tells the client that nobody has decided yet, and how fast it may ask. A poll that meets another, or the person's decision, is
// told to come back: it costs the client one interval.
func (d *decoupling) wait(ctx context.Context, q *decoupled) error {
	answer := &Error{Code: "authorization_pending", Description: "the person has not decided yet", Status: 400}
	now := d.db.Now()
	if now.Add(pollJitter).Before(q.Next) {
		answer = &Error{Code: "slow_down", Description: "the client asks too often, it must wait 5 seconds longer from now on", Status: 400}
		q.Interval = min(q.Interval+slowDown, longestInterval)
	}
	q.Next = now.Add(q.Interval)
	b := d.db.Batch()
	d.requests.Replace(b, q)
	err := b.Apply(ctx)
	if store.ConflictOn(err, d.requests.Kind()) != nil {
		return &Error{Code: "slow_down", Description: "the client asks more than once at a time", Status: 400}
	}
	if err != nil {
		return err
	}
	return answer
}

// late is a value whose request is forgotten. If its Grant stands and is proven to be of it, it is a reuse.
func (d *decoupling) late(ctx context.Context, c *Client, v awaited) error {
	g, err := d.grants.Get(ctx, v.grant)
	if errors.Is(err, store.ErrNotFound) {
		return d.wrong
	}
	if err != nil {
		return err
	}
	if g.ClientID == c.ClientID && secret.Matches(g.CodeHash, v.secret) {
		return d.reused(ctx, v.grant, c)
	}
	return d.wrong
}

// reused takes down what came of the first use: of the two who hold the value, one is not its owner (RFC 9700 §4.2.4 for codes).
func (d *decoupling) reused(ctx context.Context, grant store.Ref, c *Client) error {
	if err := d.revokeGrant(ctx, grant, "code used twice"); err != nil {
		return err
	}
	d.observe(ctx, directory.Observation{Type: "code.reused", ClientID: c.ClientID, Grant: grant.ID})
	return d.wrong
}

// redeem makes the Grant. The Insert of its id is the gate: of any number of polls on any number of nodes one passes.
func (d *decoupling) redeem(ctx context.Context, q *decoupled, r tokenRequest) (*tokenResponse, error) {
	g := d.grantOf(q)
	if r.client.TokenBinding == BindDevice {
		g.Tie = newTie(r.client, BindDevice, q.ID)
	}
	response, err := d.mint(ctx, minting{
		request: r, grant: g, outlives: q.Expires, refresh: true,
		consume: func(ctx context.Context, b *store.Batch, _ *issue) error { return d.checkConsent(ctx, b, q.request()) },
	})
	if gateTaken(err) {
		return nil, d.reused(ctx, g.Ref(), r.client)
	}
	return response, err
}

// grantOf is the Grant that an answered request stands for. It does not live in the session in which the person decided: that
// one is of another browser than the client's, and signing out there is not about here.
func (d *decoupling) grantOf(q *decoupled) *Grant {
	g := q.request().grant()
	g.Type, g.Session, g.SessionEpoch, g.SID = d.grant, store.Ref{}, 0, ""
	return g
}

// approve records what the person has granted, in one step with the consent that was given on the way. A request of which nothing is
// left is refused.
func (d *decoupling) approve(ctx context.Context, q *decoupled, app *directory.Application, result *directory.Result, consent *Consent, save bool) error {
	view, err := d.requestFor(ctx, q, app, result.Subject)
	if err != nil {
		return err
	}
	named, err := d.vocabulary(ctx, view.Org)
	if err != nil {
		return err
	}
	scopes, claims := consent.apply(view, named)
	if err := d.decideDetails(ctx, view, app, consent); err != nil {
		return err
	}
	if q.Details = view.Details; len(scopes)+len(q.Details) == 0 {
		return d.refuseRequest(ctx, q)
	}
	q.Answer = &codeAnswer{
		CodeHash: q.SecretHash, Expires: q.Deadline, Subject: result.Subject, SubjectEpoch: result.SubjectEpoch,
		Application: app.Ref(), ApplicationEpoch: app.Epoch, ConsentEpoch: consent.Epoch, Evidence: result.Evidence, ACR: result.ACR,
		Scopes: scopes, Claims: claims, SignInClaims: result.Claims,
	}
	if q.Delivery == deliverPush {
		return d.push(ctx, q, consent, save)
	}
	return d.settle(ctx, q, consent, save)
}

// movedMeanwhile reports whether an error says that something which a decision rests on was changed while it was written.
func (d *decoupling) movedMeanwhile(err error) bool {
	for _, kind := range []store.Kind{d.requests.Kind(), decidedKind, consentKind} {
		if store.ConflictOn(err, kind) != nil {
			return true
		}
	}
	return d.parentMoved(err)
}

// applicationOf returns what the request is for, as long as it may be.
func (d *decoupling) applicationOf(ctx context.Context, q *decoupled) (*directory.Application, error) {
	c, err := d.Clients.find(ctx, q.ClientID)
	if err == nil && !c.allows(d.grant) {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Error{Code: "invalid_client", Description: "the client was changed meanwhile, begin again where it came from", Status: 400}
	}
	if err != nil {
		return nil, err
	}
	app, err := d.livingApplication(ctx, c)
	if errors.Is(err, errBroken) {
		return nil, &Error{Code: "unauthorized_client", Description: "the application is disabled", Status: 400}
	}
	return app, err
}

// refuseRequest records that the person does not want it.
func (d *decoupling) refuseRequest(ctx context.Context, q *decoupled) error {
	q.Refused = true
	return d.settle(ctx, q, nil, false)
}

// settle writes what was decided over the request as it was read. Where the request lives apart, a poll may meet the decision after it
// was made known: then only the request is left to write.
func (d *decoupling) settle(ctx context.Context, q *decoupled, consent *Consent, save bool) error {
	message, err := d.message(q, nil)
	if err != nil {
		return err
	}
	known, err := d.knownDecision(ctx, q)
	if err != nil {
		return err
	}
	b := d.db.Batch()
	d.requests.Replace(b, q)
	if !known {
		d.makeKnown(b, q, message)
	}
	if save {
		d.saveConsent(b, consent)
	}
	if err := b.Apply(ctx); err != nil {
		return err
	}
	if message != "" {
		d.hurry()
	}
	return nil
}

// knownDecision reports whether the decision was made known before. Another one of the same request is too late.
func (d *decoupling) knownDecision(ctx context.Context, q *decoupled) (bool, error) {
	before, err := d.decisions.Get(ctx, q.Grant)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case before.Refused != q.Refused:
		return false, errFinished
	}
	return true, nil
}

// makeKnown adds to the batch that the person has decided.
func (d *decoupling) makeKnown(b *store.Batch, q *decoupled, message store.Sealed) {
	d.decisions.Insert(b, &decided{Meta: store.Meta{Org: q.Grant.Org, ID: q.Grant.ID, Expires: q.Expires}, Refused: q.Refused})
	data := decision{ClientID: q.ClientID, Refused: q.Refused, Deadline: q.Deadline, Message: message}
	event := store.Event{Meta: store.Meta{Org: q.Grant.Org}, Type: d.requests.Kind().Name + ".decided", Data: eventData(data)}
	if q.Answer != nil {
		event.Subject = q.Answer.Subject.ID
	}
	b.Event(event)
}

// decision is the data of the events oidc.device.decided and oidc.ciba.decided.
type decision struct {
	ClientID string    `json:"client_id"`
	Refused  bool      `json:"refused,omitempty"`
	Deadline time.Time `json:"deadline"`
	// Message is what the client must be told, sealed.
	Message store.Sealed `json:"message,omitempty"`
}

// parseRights reads what the tokens are to be for beside scopes (RFC 8707, RFC 9396).
func (d *decoupling) parseRights(ctx context.Context, q *decoupled, c *Client, form web.Form) error {
	var refusal *Error
	if q.Resources, refusal = d.askedResources(ctx, c, form); refusal != nil {
		return refusal
	}
	if q.Details, refusal = d.askedDetails(ctx, c, form); refusal != nil {
		return refusal
	}
	return nil
}

// parseScopes reads what a client wants on behalf of a person (RFC 8628 §3.1, CIBA Core §7.1).
func (d *decoupling) parseScopes(ctx context.Context, form web.Form, c *Client) ([]string, *Error) {
	asked, refusal := scopesOf(form)
	if refusal != nil {
		return nil, refusal
	}
	scopes, refusal := d.grantable(ctx, c, beneficiary{}, asked)
	if refusal != nil {
		return nil, refusal
	}
	if len(scopes) == 0 {
		return nil, invalidScope("the client may not have any of the requested scopes")
	}
	return scopes, nil
}

// requestFor is the request with the scopes that the person may be granted of it, which may be none.
func (d *decoupling) requestFor(ctx context.Context, q *decoupled, app *directory.Application, subject store.Ref) (*authorizationRequest, error) {
	c, err := d.Clients.find(ctx, q.ClientID)
	if err != nil {
		return nil, err
	}
	request := q.request()
	scopes, refusal := d.grantable(ctx, c, beneficiary{app, subject, request.Resources}, request.Scopes)
	if refusal != nil {
		return nil, refusal
	}
	request.Scopes = scopes
	return request, nil
}
