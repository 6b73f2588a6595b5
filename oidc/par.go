package oidc

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// PAR lets clients push their authorization requests and send the browser on with a reference (RFC 9126). The request is judged when it is
// pushed, belongs to the client that has authenticated for it, and is answered once; until then the browser may load it again.
// The zero value is on.
type PAR struct {
	// Lifetime is how long a pushed request can be loaded; zero is 60 seconds. From 5 seconds to ten minutes.
	Lifetime time.Duration
	// Required refuses requests that were not pushed (RFC 9126 §5), as Client.RequirePAR does for one client.
	Required bool
}

const pathPAR = "/oauth2/par"

// pushedPrefix stands before the reference (RFC 9126 §2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

func (f PAR) part(p *Provider) (part, error) {
	if f.Lifetime != 0 && (f.Lifetime < 5*time.Second || f.Lifetime > 10*time.Minute) {
		return part{}, errors.New("oidc: Config.Features.PAR.Lifetime must be from 5 seconds to 10 minutes (RFC 9126 §2.2)")
	}
	return part{
		features: []string{"PAR"},
		routes:   p.parRoutes(),
		describe: func(m *metadata) { m.PAREndpoint, m.RequirePAR = p.site.URL(pathPAR), f.Required },
	}, nil
}

func (f PAR) lifetime() time.Duration {
	if f.Lifetime == 0 {
		return time.Minute
	}
	return f.Lifetime
}

// pushing is how a pushed request is found: by its own reference, which lies in the store hashed, and for a while. What gates its one
// answer is the request's own record: it is answered by a write over the version that was read.
type pushing struct {
	Hash    string    `json:"hash"`
	Expires time.Time `json:"expires"`
	// Interaction is what the flow knows the request by, once a second browser has loaded it: the first one's steps are its own.
	Interaction string `json:"interaction,omitempty"`
}

// pushedResponse is the answer of RFC 9126 §2.2.
type pushedResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// push judges and keeps the request of a client that has authenticated.
func (p *Provider) push(ctx context.Context, sent clientRequest, c *Client) (*pushedResponse, error) {
	if sent.form.Has("request_uri") { // RFC 9126 §2.1
		return nil, invalidRequest("request_uri cannot be pushed")
	}
	if id := sent.form.Value("client_id"); id != "" && id != c.ClientID {
		return nil, invalidRequest("client_id is not the client that has authenticated")
	}
	q, refusal := p.parseRequest(ctx, c, sent.form)
	if refusal != nil {
		return nil, refusal
	}
	if q.Challenge == "" && responds(q.ResponseType, responseCode) && p.inFAPI1(c) { // FAPI 1.0 Advanced §5.2.2-18
		return nil, invalidRequest("code_challenge is required of requests that are pushed (RFC 7636)")
	}
	jkt, err := p.useProof(ctx, sent.proof)
	if err != nil {
		return nil, err
	}
	if refusal := q.bindTo(jkt); refusal != nil {
		return nil, refusal
	}
	lifetime, reference := p.config.Features.PAR.lifetime(), secret.New()
	q.Expires = p.db.Now().Add(lifetime)
	q.Pushed = &pushing{Hash: reference.Hash(), Expires: q.Expires}
	q.Restart = "" // there is nothing that a browser could send anew
	b := p.db.Batch()
	p.requests.Insert(b, q)
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	return &pushedResponse{locate(pushedPrefix, q.Ref()) + "." + reference.Reveal(), int64(lifetime / time.Second)}, nil
}

var errPushed = &Error{Code: "invalid_request_uri", Description: "request_uri is wrong, expired, used, or another client's", Status: 400}

// pushed finds the request that a browser brings the reference of. Nothing beside the reference and client_id is looked at (RFC 9126 §4).
func (p *Provider) pushed(ctx context.Context, c *Client, reference string) (*authorizationRequest, *Error) {
	ref, presented, ok := cutLocated(pushedPrefix, reference)
	if !ok {
		return nil, errPushed
	}
	q, err := p.requests.Get(ctx, ref)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errPushed
	case err != nil:
		return nil, unavailable(err)
	case q.Pushed == nil || !secret.Matches(q.Pushed.Hash, presented) || q.ClientID != c.ClientID:
		return nil, errPushed
	case q.Answer != nil || !p.db.Now().Before(q.Pushed.Expires) || !p.mayReturnTo(c, q.RedirectURI):
		return nil, errPushed
	}
	q.Expires = p.db.Now().Add(requestLifetime)
	return q, nil
}

// mustPush says whether the client's requests must have been pushed.
func (p *Provider) mustPush(c *Client) bool {
	return c.RequirePAR || p.config.Features.PAR != nil && p.config.Features.PAR.Required
}

// interactionID is what the flow knows the request by.
func (q *authorizationRequest) interactionID() string {
	if q.Pushed != nil && q.Pushed.Interaction != "" {
		return q.Pushed.Interaction
	}
	return q.ID
}
