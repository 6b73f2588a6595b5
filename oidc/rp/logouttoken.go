package rp

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/jose"
)

// LogoutEvent is the member of "events" that makes a JWT a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutWindow is how old a logout token may be.
const logoutWindow = 300 * time.Second

// LogoutToken says that somebody has been signed out at the provider.
type LogoutToken struct {
	Issuer string
	// SessionID is the session that has ended. "" is every session of Subject.
	SessionID string
	// Subject is whose it was; "" when SessionID alone says.
	Subject string
	// ID is the token's, Issued when it was made.
	ID     string
	Issued time.Time
}

// ReceiveLogout judges the logout_token that a provider has posted to us (Back-Channel Logout §2.6) and has act end what it names. A
// token is good once: it is remembered when act has succeeded, so that a provider whose post met a failure can send it again. Errors
// are ErrInvalid, to be answered with 400, and ErrUnavailable and others, with 503.
func (p *Provider) ReceiveLogout(ctx context.Context, token string, act func(context.Context, LogoutToken) error) error {
	m, err := p.Metadata(ctx)
	if err != nil {
		return err
	}
	// §2.4 recommends the type. One that says something else keeps other tokens out, and those without are told by their claims.
	c, err := p.open(ctx, m, token, jose.Verifier{Types: []string{"logout+jwt", "JWT", ""}})
	if err != nil {
		return err
	}
	if err := p.judgeLogout(c); err != nil {
		return err
	}
	seen, err := p.config.Replays.Seen(ctx, c.Issuer, c.ID)
	if err != nil {
		return err
	}
	if seen { // §2.6, 7
		return invalid("the logout token was used before")
	}
	err = act(ctx, LogoutToken{Issuer: c.Issuer, SessionID: c.SID, Subject: c.Subject, ID: c.ID, Issued: c.Iat.Time})
	if err != nil {
		return err
	}
	return p.config.Replays.Remember(ctx, c.Issuer, c.ID, p.config.Now().Add(logoutWindow+2*p.config.Skew))
}

func (p *Provider) judgeLogout(c claims) error {
	now, skew := p.config.Now(), p.config.Skew
	events, _ := c.all["events"].(map[string]any)
	_, isLogout := events[LogoutEvent].(map[string]any)
	_, hasNonce := c.all["nonce"]
	switch {
	case !slices.Contains(c.Audience, p.config.ClientID): // §2.6, 3
		return invalid("the logout token is for somebody else")
	case c.Iat.IsZero() || c.Iat.After(now.Add(skew)) || now.Sub(c.Iat.Time) > logoutWindow+skew:
		return invalid("the logout token is of another time")
	case !c.Exp.IsZero() && !now.Before(c.Exp.Add(skew)):
		return invalid("the logout token has expired")
	case c.Subject == "" && c.SID == "": // §2.6, 4
		return invalid("the logout token names neither a subject nor a session")
	case !isLogout: // §2.6, 5
		return invalid("the token is no logout token")
	case hasNonce: // §2.6, 6
		return invalid("a logout token with a nonce")
	case c.ID == "" || len(c.ID) > maxSubject || len(c.SID) > maxSubject || len(c.Subject) > maxSubject:
		return invalid("the logout token has no id, or a name that is too long")
	}
	return nil
}

// Replays remembers which logout tokens were used. It is safe for concurrent use.
type Replays interface {
	// Seen reports whether a token was remembered and is not forgotten.
	Seen(ctx context.Context, issuer, jti string) (bool, error)
	// Remember keeps a token until a time.
	Remember(ctx context.Context, issuer, jti string, until time.Time) error
}

// memory is Replays in this process. When there are too many, further ones are refused: nothing that is still good is forgotten.
type memory struct {
	now  func() time.Time
	mu   sync.Mutex
	used map[[2]string]time.Time
}

const maxReplays = 100_000

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, used: map[[2]string]time.Time{}}
}

// Seen implements Replays.
func (m *memory) Seen(_ context.Context, issuer, jti string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now().Before(m.used[[2]string{issuer, jti}]), nil
}

// Remember implements Replays.
func (m *memory) Remember(_ context.Context, issuer, jti string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.used) >= maxReplays {
		now := m.now()
		maps.DeleteFunc(m.used, func(_ [2]string, until time.Time) bool { return !now.Before(until) })
	}
	if len(m.used) >= maxReplays {
		return unavailable("too many logout tokens")
	}
	m.used[[2]string{issuer, jti}] = until
	return nil
}
