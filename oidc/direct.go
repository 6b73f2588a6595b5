package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"

	"github.com/signet-idp/signet/internal/aba"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Direct lets apps of one's own sign people in without a browser (app-native authentication, in the wire form of WSO2 Identity Server):
// an authorization request with response_mode=direct is answered with what to ask the person, the answers go to /oauth2/authn, and at
// the end there is a code as always, with PKCE and everything that binds tokens. It is for apps that may see people's passwords: for
// clients with Client.DirectAuthentication whose Application asks for no consent. The flow engine must speak with programs
// (flow.Config.Native).
//
// Only the first call proves which app it is: by client authentication, there or where the request was pushed, or, for a public
// client, by an attestation in the header x-client-attestation. What follows is bound to it by the flowId, a secret.
type Direct struct {
	// Attest judges the attestation of a public client, as one of Android's Play Integrity or of Apple's App Attest: a client of
	// theirs. What proves nothing is an error that wraps ErrAttestation; any other is a failure, answered with 503. Nil takes no
	// public clients.
	Attest func(ctx context.Context, a Attestation) error
	// InsecurePublicClients takes public clients without attestation: whoever knows a client_id can then act as the app, and ask
	// people for their passwords in its name.
	InsecurePublicClients bool
}

// Attestation is what a public client says to prove that it is the app.
type Attestation struct {
	// ClientID is the client, and AndroidPackage and AppleAppID what it is registered with.
	ClientID       string
	AndroidPackage string
	AppleAppID     string
	// Token is the header x-client-attestation.
	Token secret.Text
}

// ErrAttestation says that an attestation does not prove the app.
var ErrAttestation = errors.New("oidc: the attestation does not prove the app")

const (
	// modeDirect is the response mode of requests that are answered without a browser.
	modeDirect = "direct"
	pathAuthn  = "/oauth2/authn"
	// codeTooMany is the code of a sign-in that has ended by too many wrong answers.
	codeTooMany = "too_many_attempts"
)

func (f Direct) part(p *Provider) (part, error) {
	return part{
		features:      []string{"direct authentication"},
		responseModes: []string{modeDirect},
		routes:        p.directRoutes(),
		check:         f.check,
	}, nil
}

// check judges a client's settings.
func (f Direct) check(c *Client, bad report) {
	switch {
	case !c.DirectAuthentication:
		if c.AndroidPackage != "" || c.AppleAppID != "" {
			bad("direct_authentication", "is off, but there is an app to be attested")
		}
	case !c.allows(AuthorizationCode):
		bad("direct_authentication", "needs the grant authorization_code")
	case c.Public() && f.Attest == nil && !f.InsecurePublicClients:
		bad("direct_authentication", "is for public clients only with Direct.Attest")
	}
}

// direct reports whether the request is answered without a browser.
func (q *authorizationRequest) direct() bool { return q.ResponseMode == modeDirect }

// noBrowser is the binding of a request that no browser may go on with: it is no digest.
const noBrowser binding = "-"

// directRef is where the request lies whose flow a program names. The store holds the digest of the name alone.
func directRef(flow string) store.Ref {
	ref := parseLocator(flow)
	if ref.ID == "" {
		return store.Ref{}
	}
	sum := sha256.Sum256([]byte("oidc.direct\x00" + ref.ID))
	ref.ID = hex.EncodeToString(sum[:])
	return ref
}

// wantsDirect reports whether a request asks to be answered without a browser, as far as it can be read. What stands beside a request that
// was pushed, or beside an object, says nothing (RFC 9101 §6.3): whoever has seen a browser's request_uri cannot make it a program's, which
// would not have to prove that it is the app.
func (p *Provider) wantsDirect(form web.Form, q *authorizationRequest, refusal *Error) bool {
	return p.config.Features.Direct != nil && (q != nil && q.direct() || refusal != nil && form.Value("response_mode") == modeDirect)
}

// judgeDirect says why a client may not begin here, as far as that does not depend on who sends the request.
func (p *Provider) judgeDirect(ctx context.Context, clientID string) (*Client, error) {
	c, err := p.Clients.find(ctx, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &directError{code: aba.UnknownClient}
	}
	if err != nil {
		return nil, unavailable(err)
	}
	if !c.DirectAuthentication {
		return nil, &directError{code: aba.Off}
	}
	app, err := p.livingApplication(ctx, c)
	switch {
	case errors.Is(err, errBroken):
		return nil, &directError{code: aba.Off, description: "the application is disabled"}
	case err != nil:
		return nil, unavailable(err)
	case !app.SkipConsent && !p.hasAgents(c): // agents need nobody's consent, and people are refused then (whoAnswers)
		return nil, &directError{code: aba.Off, description: "the application asks for consent, which no program can give"}
	}
	return c, nil
}

// directRequest is the first call of an app.
type directRequest struct {
	clientRequest
	attestation []string
}

// provesApp makes sure that the first call comes from the app.
func (p *Provider) provesApp(ctx context.Context, c *Client, sent directRequest, q *authorizationRequest) error {
	f := p.config.Features.Direct
	if !c.Public() {
		if q != nil && q.Pushed != nil { // it has authenticated where it has pushed
			return nil
		}
		other, _, err := p.authenticate(ctx, sent.clientRequest)
		if err == nil && other.ClientID != c.ClientID {
			err = errClient
		}
		return err
	}
	if len(sent.attestation) == 0 && f.InsecurePublicClients {
		return nil
	}
	refusal := &directError{code: aba.BadRequest, status: 401, challenge: "Attestation", description: "the client did not prove that it is the app"}
	if len(sent.attestation) != 1 || f.Attest == nil {
		return refusal
	}
	err := f.Attest(ctx, Attestation{
		ClientID: c.ClientID, AndroidPackage: c.AndroidPackage, AppleAppID: c.AppleAppID, Token: secret.Text(sent.attestation[0]),
	})
	if errors.Is(err, ErrAttestation) {
		return refusal
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// keepDirect writes a request that is to be answered without a browser, under a name that only its program knows. One that was pushed
// moves there: it can be loaded once.
func (p *Provider) keepDirect(ctx context.Context, q *authorizationRequest) (flow string, err error) {
	if q.Version != 0 {
		b := p.db.Batch()
		p.requests.Delete(b, q)
		if err := b.Apply(ctx); store.ConflictOn(err, requestKind) != nil {
			return "", errPushed
		} else if err != nil {
			return "", err
		}
	}
	flow = grantLocator(store.Ref{Org: q.Org, ID: store.NewID()})
	ref := directRef(flow)
	q.Meta = store.Meta{Org: ref.Org, ID: ref.ID, Expires: p.db.Now().Add(requestLifetime)}
	q.Browser, q.Pushed, q.Restart = noBrowser, nil, ""
	b := p.db.Batch()
	p.requests.Insert(b, q)
	return flow, b.Apply(ctx)
}

// findDirect returns the request whose flow a program names.
func (p *Provider) findDirect(ctx context.Context, flow string) (*authorizationRequest, error) {
	q, err := p.requests.Get(ctx, directRef(flow))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !q.direct():
		return nil, &directError{code: aba.BadFlow}
	case err != nil:
		return nil, unavailable(err)
	case q.Answer != nil:
		return nil, &directError{code: aba.BadFlow, description: "the sign-in is over"}
	}
	_, err = p.judgeDirect(ctx, q.ClientID)
	return q, err
}

// authData is what a program has at the end.
type authData struct {
	Code         string `json:"code"`
	State        string `json:"state,omitempty"`
	SessionState string `json:"session_state,omitempty"`
}

// directAnswer ends a sign-in.
type directAnswer struct {
	FlowStatus string   `json:"flowStatus"`
	AuthData   authData `json:"authData"`
}

func (q *authorizationRequest) directAnswer(values url.Values) directAnswer {
	return directAnswer{"SUCCESS_COMPLETED", authData{values.Get("code"), q.State, values.Get("session_state")}}
}

// directError is an error in the words of app-native authentication.
type directError struct {
	code        aba.Code
	status      int
	challenge   string
	description string
}

// Error implements error.
func (e *directError) Error() string { return "oidc: " + string(e.code) + ": " + e.description }

// directErrorOf says any error in those words.
func directErrorOf(err error) aba.Error {
	if e, ok := errors.AsType[*directError](err); ok {
		return aba.Error{Code: e.code, Status: e.status, Description: e.description}
	}
	e := asError(err)
	said := aba.Error{Code: aba.BadRequest, Description: e.Description, RetryAfter: e.RetryAfter}
	switch {
	case e.status() >= 500:
		said.Code, said.Status = aba.Unavailable, e.status()
	case e.Code == "slow_down":
		said.Code, said.Status = aba.TooManyAttempts, e.status()
	case e.Code == codeTooMany:
		said.Code = aba.TooManyAttempts
	case e.Code == "request_finished":
		said.Code = aba.BadFlow
	case e.outcome:
		said.Code = aba.Failed
	default:
		said.Status = e.status()
	}
	return said
}

// interactDirect adds to an Interaction what makes it one of a program.
func (p *Provider) interactDirect(q *authorizationRequest, in *directory.Interaction) {
	if q.native != nil {
		in.Native, in.Resume = q.native, p.site.URL(pathAuthn)
		in.Cancelable, in.RedirectOrigins, in.Restart = false, nil, ""
	}
}
