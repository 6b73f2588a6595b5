package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Impersonation lets a person who may begin to act as another: an authorization request of the response type subject_token, or
// "id_token subject_token", names whom by requested_subject, and its answer brings a token about them that names the one who asked in
// may_act. The client exchanges it (TokenExchange must be on) with that one's ID token for tokens about the other, in which act says
// who acts (RFC 8693 §4.1, §4.4). They end with the session of who acts. A client must be registered for the response type, and for the
// grant types TokenExchangeGrant and Implicit.
type Impersonation struct {
	// Scope must be among those that are asked for and granted; "" is internal_user_impersonate.
	Scope string
	// Permit decides who may act as whom: an *Error is sent as it is, any other error is a failure. Required.
	Permit func(ctx context.Context, r ImpersonationRequest) error
	// Lifetime is how long a subject token may be exchanged; zero is 180 seconds, and more than ten minutes an error.
	Lifetime time.Duration
}

// ImpersonationRequest is a person who wants to act as another.
type ImpersonationRequest struct {
	Client               Client
	Impersonator, Target directory.Subject
	Scopes               []string
}

const (
	responseSubjectToken        = "subject_token"
	responseIDTokenSubjectToken = "id_token subject_token"

	typSubjectToken = "subject-token+jwt"
)

// part gives the authorization endpoint the response types.
func (f Impersonation) part(p *Provider) (part, error) {
	var problems []error
	bad := func(problem string) {
		problems = append(problems, errors.New("oidc: Config.Features.Impersonation"+problem))
	}
	if f.Permit == nil {
		bad(".Permit is required")
	}
	if f.Lifetime != 0 && (f.Lifetime < time.Second || f.Lifetime > 10*time.Minute) {
		bad(".Lifetime must be one second to ten minutes")
	}
	if p.config.Features.TokenExchange == nil {
		bad(" needs Config.Features.TokenExchange")
	}
	return part{
		responseTypes: []string{responseSubjectToken, responseIDTokenSubjectToken},
		grants:        map[GrantType]exchange{Implicit: refuseImplicit},
		check: func(c *Client, bad report) {
			for _, registered := range c.ResponseTypes {
				if responds(registered, responseSubjectToken) && !c.allows(TokenExchangeGrant) {
					bad("response_types", "%q needs the grant type %s", registered, TokenExchangeGrant)
				}
			}
		},
	}, errors.Join(problems...)
}

func (f Impersonation) scope() string {
	if f.Scope == "" {
		return "internal_user_impersonate"
	}
	return f.Scope
}

// parseImpersonation reads whom the person wants to act as.
func (p *Provider) parseImpersonation(form web.Form, q *authorizationRequest) *Error {
	if !responds(q.ResponseType, responseSubjectToken) {
		return nil
	}
	q.RequestedSubject = form.Value("requested_subject")
	switch {
	case q.RequestedSubject == "":
		return invalidRequest("requested_subject is missing")
	case !slices.Contains(q.Scopes, p.config.Features.Impersonation.scope()):
		return invalidScope("the scope of impersonation is missing")
	}
	return nil
}

// subjectTokenClaims is the payload of a subject token.
type subjectTokenClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience string          `json:"aud"`
	Party    string          `json:"azp"`
	ClientID string          `json:"client_id"`
	Scope    string          `json:"scope,omitempty"`
	MayAct   json.RawMessage `json:"may_act"`
	JTI      string          `json:"jti"`
	Issued   int64           `json:"iat"`
	Expires  int64           `json:"exp"`
	Grant    string          `json:"gid"`
}

// impersonation is a subject token in the making.
type impersonation struct {
	claims subjectTokenClaims
	key    signingKey
}

// impersonate adds to the batch what a subject token hangs on: a grant about the target, in the session of who wants to act. That one's own
// grant must stand in the batch too, for their ID token to be worth something in the exchange.
func (p *Provider) impersonate(ctx context.Context, q *authorizationRequest, c *Client, own *chain, b *store.Batch) (*impersonation, error) {
	f, g := p.config.Features.Impersonation, own.grant
	target, err := p.target(ctx, q, c, own)
	if err != nil {
		return nil, err
	}
	key, err := p.keys.signer(ctx, c.AccessTokenAlg)
	if err != nil {
		return nil, err
	}
	name, err := p.subjectFor(ctx, c, own.subject.ID)
	if err != nil {
		return nil, err
	}
	sub, err := p.subjectFor(ctx, c, target.ID)
	if err != nil {
		return nil, err
	}
	mayAct, err := json.Marshal(actClaim{Subject: name})
	if err != nil {
		return nil, err
	}
	life := f.Lifetime
	if life == 0 {
		life = 180 * time.Second
	}
	theirs := &Grant{
		Meta:     store.Meta{Org: g.Org, ID: store.NewID(), Expires: b.Now().Add(life + gateMargin)},
		ClientID: g.ClientID, Application: g.Application, ApplicationEpoch: g.ApplicationEpoch,
		Subject: target.Ref(), SubjectEpoch: target.Epoch, Session: g.Session, SessionEpoch: g.SessionEpoch, SID: g.SID,
		Status: directory.Active, Type: responseSubjectToken, Scopes: g.Scopes, NoIDToken: true, Created: b.Now(),
		Actor: &actor{Parents: []actorParent{{Subject: g.Subject, Epoch: g.SubjectEpoch}}},
	}
	p.grants.Insert(b, theirs)
	p.config.Directory.Subjects.Check(b, target)
	b.Event(store.Event{
		Meta: store.Meta{Org: target.Org}, Type: "oidc.impersonation.begun", Subject: target.ID,
		Data: eventData(map[string]string{"client_id": c.ClientID, "impersonator": own.subject.ID, "grant": theirs.ID}),
	})
	return &impersonation{key: key, claims: subjectTokenClaims{
		Issuer: p.site.Issuer(), Subject: sub, Audience: c.ClientID, Party: c.ClientID, ClientID: c.ClientID, Scope: strings.Join(g.Scopes, " "),
		MayAct: mayAct, JTI: secret.Short().Reveal(), Issued: b.Now().Unix(), Expires: b.Now().Add(life).Unix(), Grant: grantLocator(theirs.Ref()),
	}}, nil
}

// target finds whom the person wants to act as, and asks whether they may. Whoever may not learns nothing of who there is.
func (p *Provider) target(ctx context.Context, q *authorizationRequest, c *Client, own *chain) (*directory.Subject, error) {
	f, denied := p.config.Features.Impersonation, refused(directory.Denied)
	if !slices.Contains(own.grant.Scopes, f.scope()) || own.grant.Session.IsZero() {
		return nil, denied
	}
	id, err := p.subjectNamed(ctx, c, q.RequestedSubject)
	if err != nil {
		return nil, err
	}
	target, err := p.config.Directory.Subjects.Get(ctx, store.Ref{Org: own.subject.Org, ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	if target.Status != directory.Active || target.Ref() == own.subject.Ref() {
		return nil, denied
	}
	err = f.Permit(ctx, ImpersonationRequest{
		Client: *c.clone(), Impersonator: *own.subject, Target: *target, Scopes: slices.Clone(own.grant.Scopes),
	})
	if refusal, ok := errors.AsType[*Error](err); ok {
		told := *refusal
		told.Status = 0
		return nil, &told
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: Impersonation.Permit: %w", err)
	}
	return target, nil
}

// openSubjectToken takes a token that was issued for an impersonation from the client that it was issued to.
func (x *tokenExchange) openSubjectToken(ctx context.Context, r tokenRequest, token string) (*party, error) {
	payload, err := x.p.keys.verify(ctx, token, typSubjectToken)
	if err != nil {
		return nil, err
	}
	var said subjectTokenClaims
	if json.Unmarshal(payload, &said) != nil || said.Issuer != x.p.site.Issuer() || said.ClientID != r.client.ClientID {
		return nil, errParty
	}
	if !x.p.db.Now().Before(time.Unix(said.Expires, 0)) || len(said.MayAct) == 0 {
		return nil, errParty
	}
	c, err := x.p.readChain(ctx, parseLocator(said.Grant))
	if err != nil {
		return nil, err
	}
	if c.grant.ClientID != r.client.ClientID || c.grant.Type != responseSubjectToken {
		return nil, errParty
	}
	return &party{
		chain: c, subject: c.subject, clientID: said.ClientID, scopes: strings.Fields(said.Scope), bounded: true,
		audience: x.p.audienceOf(c.grant, r.client), mayAct: said.MayAct,
	}, nil
}
