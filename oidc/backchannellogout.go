package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/store"
)

// BackChannelLogout tells clients from server to server that a session has ended, whoever has ended it and how: the person, an
// administrator, an upstream provider, a new password, or that they were disabled or deleted (OpenID Connect Back-Channel Logout 1.0). A
// session that merely went idle has not ended. Each client that took part in the session is told once, by a logout token whose jti stays
// the same however often it must be sent.
//
// Consumers of the store keep what is to be told (Features.Consumers), and Provider.Maintain tells it.
type BackChannelLogout struct {
	// TokenLifetime is how long a logout token is good; zero is two minutes, and more than ten an error. One that is sent again is made
	// anew.
	TokenLifetime time.Duration
}

const (
	// logoutConsumer finds out whom the end of a session concerns, and logoutTeller tells one client.
	logoutConsumer = "oidc.logout"
	logoutTeller   = "oidc.logout.client"
	// logoutDue is the event that a client is to be told.
	logoutDue = "oidc.logout.due"

	sessionEnded = "session.ended"
)

// logoutEvent makes a JWT a logout token (Back-Channel Logout §2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutConsumers are those of the outbox.
func logoutConsumers() []store.Consumer {
	return []store.Consumer{
		{Name: logoutConsumer, Types: []string{sessionEnded, "subject.revoked", "subject.disabled"}},
		{Name: logoutTeller, Types: []string{logoutDue}},
	}
}

func (f BackChannelLogout) part(p *Provider) (part, error) {
	var problems []error
	if f.TokenLifetime < 0 || f.TokenLifetime > 10*time.Minute {
		problems = append(problems, errors.New("oidc: Features.BackChannelLogout.TokenLifetime must be at most 10m0s"))
	}
	for _, c := range logoutConsumers() {
		if !p.db.Consumes(c.Name) {
			problems = append(problems, fmt.Errorf("oidc: Features.BackChannelLogout: store.Config.Consumers lacks %q: see Features.Consumers", c.Name))
		}
	}
	if f.TokenLifetime == 0 {
		f.TokenLifetime = 2 * time.Minute
	}
	p.logoutTokenLifetime = f.TokenLifetime
	return part{
		features: []string{"back-channel logout"},
		check:    p.checkBackChannel,
		describe: func(m *metadata) { m.BackChannelLogout, m.BackChannelLogoutSession = true, true },
		maintain: p.deliverLogouts,
	}, errors.Join(problems...)
}

// checkBackChannel: Back-Channel Logout §2.2.
func (p *Provider) checkBackChannel(c *Client, bad report) {
	if c.BackChannelLogoutURI == "" {
		if c.BackChannelLogoutSession {
			bad("backchannel_logout_session_required", "needs backchannel_logout_uri")
		}
		return
	}
	if err := p.fetch.Check(c.BackChannelLogoutURI); err != nil {
		bad("backchannel_logout_uri", "%v", err)
	}
	if u, err := url.Parse(c.BackChannelLogoutURI); err != nil || u.Fragment != "" || u.RawFragment != "" {
		bad("backchannel_logout_uri", "must not have a fragment")
	}
}

const (
	// logoutLease is how long a node has for what it has claimed, and logoutBatch how much that is.
	logoutLease = time.Minute
	logoutBatch = 64
	// logoutsAtOnce are how many clients are told at once.
	logoutsAtOnce = 16
	// logoutRounds bounds one call of deliverLogouts.
	logoutRounds = 20
)

// deliverLogouts tells every client whose turn it is, many at once, and each one after the other: a client that is slow or away
// delays what it is to hear itself, and nothing else. What fails is tried again after waits that grow, for about two days. Any number
// of nodes may call it at once. It returns when nothing is due, or the context is done.
func (p *Provider) deliverLogouts(ctx context.Context) error {
	if err := p.rounds(ctx, logoutConsumer, p.spreadAll); err != nil {
		return err
	}
	return p.rounds(ctx, logoutTeller, p.tellAll)
}

// rounds claims and carries out until nothing is left.
func (p *Provider) rounds(ctx context.Context, consumer string, work func(context.Context, []*store.Claimed) error) error {
	for range logoutRounds {
		claimed, err := p.db.Claim(ctx, consumer, logoutLease, logoutBatch)
		if len(claimed) > 0 {
			err = errors.Join(err, work(ctx, claimed))
		}
		if err != nil || len(claimed) < logoutBatch {
			return err
		}
	}
	return nil
}

func (p *Provider) spreadAll(ctx context.Context, claimed []*store.Claimed) error {
	var problems []error
	for _, c := range claimed {
		err := p.spread(ctx, c)
		if _, conflict := errors.AsType[*store.Conflict](err); conflict { // another node was faster, or it is tried again when the lease ends
			err = nil
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// spread turns the end of a session into one debt to each client that took part, in the step that settles the first.
func (p *Provider) spread(ctx context.Context, c *store.Claimed) error {
	if c.Event.Type != sessionEnded {
		if err := p.endRevoked(ctx, store.Ref{Org: c.Event.Org, ID: c.Event.Subject}, c.Event.Type); err != nil {
			return err
		}
		return p.db.Done(ctx, c)
	}
	var ended struct {
		Session string `json:"session"`
	}
	if err := json.Unmarshal(c.Event.Data, &ended); err != nil {
		return p.db.Fail(ctx, c, "the event has no session", p.db.Now().Add(time.Hour))
	}
	clients, err := p.tookPart(ctx, ended.Session)
	if err != nil {
		return err
	}
	b := p.db.Batch()
	for _, client := range clients {
		if client.RevokeWhenSessionEnded {
			if err := p.revokeBegunIn(ctx, client, ended.Session); err != nil {
				return err
			}
		}
		if client.BackChannelLogoutURI != "" {
			b.Event(store.Event{
				Meta: store.Meta{Org: c.Event.Org}, Type: logoutDue, Subject: c.Event.Subject,
				Data: eventData(logoutDebt{client.ClientID, ended.Session}),
			})
		}
	}
	p.db.Finish(b, c)
	return b.Apply(ctx)
}

// logoutDebt is the data of the event that a client is to be told.
type logoutDebt struct {
	ClientID string `json:"client_id"`
	Session  string `json:"session"`
}

// endRevoked ends the sessions of a subject that their epoch, or status, has made worthless: for a client that is all the same.
func (p *Provider) endRevoked(ctx context.Context, ref store.Ref, reason string) error {
	d := p.config.Directory
	subject, err := d.Subjects.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.Sessions.EndRevoked(ctx, subject, reason)
}

// tookPart returns the clients of the applications that took part in a session.
func (p *Provider) tookPart(ctx context.Context, session string) ([]*Client, error) {
	participants, err := p.config.Directory.Participants.Of(ctx, store.Ref{ID: session})
	if err != nil {
		return nil, err
	}
	var clients []*Client
	for _, participant := range participants {
		if participant.Protocol != protocolName {
			continue
		}
		app := participant.Application
		query := store.Query{Org: app.Org, Filter: store.Equals("application", store.Text(app.ID))}
		for client, err := range p.Clients.stored.All(ctx, query) {
			if err != nil {
				return nil, err
			}
			clients = append(clients, client)
		}
	}
	return clients, nil
}

// revokeBegunIn revokes what a client was granted in a session and outlives it.
func (p *Provider) revokeBegunIn(ctx context.Context, c *Client, session string) error {
	query := store.Query{Org: c.Org, Filter: store.Equals("sid", store.Text(session))}
	for g, err := range p.grants.All(ctx, query) {
		if err != nil {
			return err
		}
		if g.ClientID != c.ClientID {
			continue
		}
		if err := p.revokeGrant(ctx, g.Ref(), "session ended"); err != nil {
			return err
		}
	}
	return nil
}

// tellAll tells the clients, each what it is to hear one after the other, and no more of them at once than a bound.
func (p *Provider) tellAll(ctx context.Context, claimed []*store.Claimed) error {
	byClient := map[string][]*store.Claimed{}
	for _, c := range claimed {
		var debt logoutDebt
		_ = json.Unmarshal(c.Event.Data, &debt) // tell finds out by itself
		byClient[debt.ClientID] = append(byClient[debt.ClientID], c)
	}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  []error
		slots = make(chan struct{}, logoutsAtOnce)
	)
	for _, id := range sortedKeys(byClient) {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if err := p.tellOne(ctx, byClient[id]); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// tellOne tells a client what it is to hear. When it cannot be told the first, the rest of this round is not tried.
func (p *Provider) tellOne(ctx context.Context, claimed []*store.Claimed) error {
	var problems []error
	away := ""
	for _, c := range claimed {
		reason := away
		if reason == "" {
			var err error
			if reason, err = p.tell(ctx, c); err != nil {
				problems = append(problems, err)
				continue
			}
		}
		if reason == "" {
			problems = append(problems, p.db.Done(ctx, c))
			continue
		}
		away = reason
		problems = append(problems, p.db.Fail(ctx, c, reason, p.db.Now().Add(logoutWait(c.Attempts()))))
	}
	return errors.Join(slices.DeleteFunc(problems, func(err error) bool {
		_, conflict := errors.AsType[*store.Conflict](err) // another node has it by now
		return conflict
	})...)
}

// logoutWait is how long to wait after so many attempts: 10 seconds, then four times as long each time, up to six hours.
func logoutWait(attempts int) time.Duration {
	wait := 10 * time.Second
	for range attempts - 1 {
		wait = min(4*wait, 6*time.Hour)
	}
	return wait
}

// tell posts one logout token (Back-Channel Logout §2.5). It returns why the client could not be told, in words that may be stored; an
// error is ours.
func (p *Provider) tell(ctx context.Context, c *store.Claimed) (reason string, err error) {
	var debt logoutDebt
	if err := json.Unmarshal(c.Event.Data, &debt); err != nil {
		return "the event does not name a client", nil
	}
	client, err := p.Clients.find(ctx, debt.ClientID)
	if errors.Is(err, store.ErrNotFound) || err == nil && client.BackChannelLogoutURI == "" {
		return "", nil // gone meanwhile, or content
	}
	if err != nil {
		return "", err
	}
	token, err := p.logoutToken(ctx, client, c.Event.ID, c.Event.Subject, debt.Session)
	if err != nil {
		return "", err
	}
	answer, err := p.fetch.Post(ctx, fetch.Message{
		URL: client.BackChannelLogoutURI, ContentType: "application/x-www-form-urlencoded",
		Body: []byte(url.Values{"logout_token": {token}}.Encode()),
	})
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return "the URL may not be called", nil
	case err != nil:
		return "no answer", nil
	case answer.Status != 200 && answer.Status != 204: // §2.8 says 200; some frameworks answer without content
		return fmt.Sprintf("status %d", answer.Status), nil
	}
	return "", nil
}

// logoutClaims are those of a logout token (Back-Channel Logout §2.4).
type logoutClaims struct {
	Issuer   string                    `json:"iss"`
	Subject  string                    `json:"sub,omitempty"`
	Audience string                    `json:"aud"`
	Issued   int64                     `json:"iat"`
	Expires  int64                     `json:"exp"`
	JTI      string                    `json:"jti"`
	SID      string                    `json:"sid"`
	Events   map[string]map[string]any `json:"events"`
}

// logoutToken makes the token for a client, signed as its ID tokens are.
func (p *Provider) logoutToken(ctx context.Context, client *Client, id, subject, session string) (string, error) {
	key, err := p.signerFor(ctx, client, client.IDTokenAlg)
	if err != nil {
		return "", err
	}
	now := p.db.Now()
	claims := logoutClaims{
		Issuer: p.site.Issuer(), Audience: client.ClientID, Issued: now.Unix(), Expires: now.Add(p.logoutTokenLifetime).Unix(),
		JTI: id, Events: map[string]map[string]any{logoutEvent: {}},
	}
	if claims.Subject, err = p.subjectFor(ctx, client, subject); err != nil {
		return "", err
	}
	if claims.SID, err = p.sessionFor(ctx, client, session); err != nil {
		return "", err
	}
	return signClaims(key, "logout+jwt", claims, nil)
}
