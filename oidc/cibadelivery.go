package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// cibaConsumer is the consumer of the outbox that calls clients.
const cibaConsumer = "oidc.ciba"

// cibaDecided is the event that it consumes.
const cibaDecided = "oidc.ciba.decided"

// notify is what it takes to tell a client of a decision: what it polls with, and what it knows us by (CIBA Core §7.1). It lies sealed
// in the request.
type notify struct {
	AuthReqID string `json:"auth_req_id"`
	Token     string `json:"token"`
}

// message is what a client is told, sealed in the event that the outbox carries.
type message struct {
	Token string          `json:"token"`
	Body  json.RawMessage `json:"body"`
}

// pushed is the body of a push (CIBA Core §10.3.1): the tokens, or why there are none (§12).
type pushed struct {
	AuthReqID   string `json:"auth_req_id"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	*tokenResponse
}

const (
	notifyField  = "notify"
	messagePlace = "oidc.ciba.message"
)

// sealNotify keeps what it takes to tell the client.
func (g *cibaGrant) sealNotify(q *decoupled, authReqID, token string) error {
	if q.Delivery == deliverPoll {
		return nil
	}
	text, err := json.Marshal(notify{authReqID, token})
	if err != nil {
		return err
	}
	q.Notify = g.db.Seal(g.requests.Kind(), q.Ref(), notifyField, text)
	return nil
}

// message is what the client must be told of the decision; "" is nothing.
func (d *decoupling) message(q *decoupled, tokens *tokenResponse) (store.Sealed, error) {
	if q.Notify == "" {
		return "", nil
	}
	text, err := d.db.Unseal(d.requests.Kind(), q.Ref(), notifyField, q.Notify)
	if err != nil {
		return "", err
	}
	var n notify
	if err := json.Unmarshal(text, &n); err != nil {
		return "", err
	}
	body := pushed{AuthReqID: n.AuthReqID, tokenResponse: tokens}
	if q.Delivery == deliverPush && q.Refused {
		body.Error, body.Description = "access_denied", "the person refused"
	}
	encoded, err := json.Marshal(body)
	if err == nil {
		text, err = json.Marshal(message{n.Token, encoded})
	}
	if err != nil {
		return "", err
	}
	return d.db.Keys().Seal(text, messagePlace, q.Grant.Org, q.ClientID), nil
}

// push makes the Grant with its tokens in the step that records the decision, and leaves the tokens to the outbox, sealed (CIBA Core
// §10.3).
func (d *decoupling) push(ctx context.Context, q *decoupled, consent *Consent, save bool) error {
	client, err := d.Clients.find(ctx, q.ClientID)
	if err != nil {
		return err
	}
	g := d.grantOf(q)
	_, err = d.mint(ctx, minting{
		request: tokenRequest{client: client, method: q.Method, proven: q.Bound}, grant: g, outlives: q.Expires, refresh: true,
		consume: func(_ context.Context, b *store.Batch, t *issue) error {
			tokens, err := d.signPushed(q, t)
			if err != nil {
				return err
			}
			sealed, err := d.message(q, tokens)
			if err != nil {
				return err
			}
			d.requests.Replace(b, q)
			d.makeKnown(b, q, sealed)
			if save {
				d.saveConsent(b, consent)
			}
			return nil
		},
	})
	for _, kind := range []store.Kind{grantKind, familyKind, decidedKind} {
		if store.ConflictOn(err, kind) != nil {
			return errFinished // another decision was faster
		}
	}
	if err == nil {
		d.hurry()
	}
	return err
}

// signPushed signs the tokens before they are written, because what is written holds them. The ID token is bound to the request and
// to the refresh token (CIBA Core §10.3.1).
func (d *decoupling) signPushed(q *decoupled, t *issue) (*tokenResponse, error) {
	text, err := d.db.Unseal(d.requests.Kind(), q.Ref(), notifyField, q.Notify)
	if err != nil {
		return nil, err
	}
	var n notify
	if err := json.Unmarshal(text, &n); err != nil {
		return nil, err
	}
	if t.id != nil {
		t.id.AuthReqID = n.AuthReqID
		if t.refresh != "" {
			if t.id.RefreshTokenHash, err = jose.HalfHash(t.idKey.algorithm, t.refresh); err != nil {
				return nil, err
			}
		}
	}
	return t.sign()
}

const (
	// deliveryLease is how long a node has for the messages that it takes on, deliveryBatch how many those are.
	deliveryLease = time.Minute
	deliveryBatch = 20
	// deliveryPause is how long after a failure a client is called again, as often as it has been called so far.
	deliveryPause = 5 * time.Second
)

// deliver calls the clients whose people have decided, each by itself: a slow one delays nobody.
func (g *cibaGrant) deliver(ctx context.Context) error {
	for {
		claimed, err := g.db.Claim(ctx, cibaConsumer, deliveryLease, deliveryBatch)
		if err != nil || len(claimed) == 0 {
			return err
		}
		problems := make([]error, len(claimed))
		var calls sync.WaitGroup
		for i, c := range claimed {
			calls.Go(func() { problems[i] = g.call(ctx, c) })
		}
		calls.Wait()
		if err := errors.Join(problems...); err != nil {
			return err
		}
	}
}

// call carries out one delivery. What comes of it is the client's business; the error is ours.
func (g *cibaGrant) call(ctx context.Context, claimed *store.Claimed) error {
	var d decision
	if err := json.Unmarshal(claimed.Event.Data, &d); err != nil {
		return err
	}
	if d.Message == "" || !g.db.Now().Before(d.Deadline) { // nothing to tell, or nobody who waits for it any more
		return g.db.Done(ctx, claimed)
	}
	final, err := g.send(ctx, claimed.Event.Org, d)
	if err == nil {
		return g.db.Done(ctx, claimed)
	}
	g.config.Logger.LogAttrs(ctx, slog.LevelWarn, "oidc: a client was not notified", slog.String("client", d.ClientID), slog.String("cause", err.Error()))
	if final {
		return g.db.Done(ctx, claimed)
	}
	return g.db.Fail(ctx, claimed, "the client did not answer", g.db.Now().Add(time.Duration(claimed.Attempts())*deliveryPause))
}

// send posts a message (CIBA Core §10.2, §10.3). An answer of the client's own making is final, whatever it says; redirects are not
// followed.
func (g *cibaGrant) send(ctx context.Context, org string, d decision) (final bool, err error) {
	c, err := g.Clients.find(ctx, d.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return true, err
	}
	if err != nil {
		return false, err
	}
	text, err := g.db.Keys().Open(d.Message, messagePlace, org, d.ClientID)
	if err != nil {
		return errors.Is(err, store.ErrSealed), err
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return true, err
	}
	answer, err := g.fetch.Post(ctx, fetch.Message{
		URL: c.ClientNotificationEndpoint, ContentType: "application/json", Body: m.Body, Bearer: secret.Text(m.Token),
	})
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return true, err
	case err != nil:
		return false, err
	case answer.Status >= 500:
		return false, fmt.Errorf("oidc: the client answered %d", answer.Status)
	case answer.Status >= 300:
		return true, fmt.Errorf("oidc: the client answered %d", answer.Status)
	}
	return true, nil
}
