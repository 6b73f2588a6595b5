package federated

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
)

// LogoutPath is where, below the issuer's path and before the name of the connection, a provider posts its logout tokens: its
// backchannel_logout_uri for us.
const LogoutPath = "/federated/logout/"

// reason is why the sessions have ended, in their event.
const reason = "upstream.logout"

// ErrUnknown says that there is no connection of a name.
var ErrUnknown = errors.New("federated: no such connection")

// ReceiveLogout ends the sessions that a logout token names (OpenID Connect Back-Channel Logout 1.0 §2.7): that of the provider's
// session, or without one all that rest on the person's word there. Applications learn of it as of any logout. Errors: ErrUnknown,
// rp.ErrInvalid; anything else is a failure, after which the provider may send the token again.
func (c *Connections) ReceiveLogout(ctx context.Context, name, token string) error {
	made := c.all[name]
	if made == nil || made.provider == nil {
		return ErrUnknown
	}
	return made.provider.ReceiveLogout(ctx, token, c.end)
}

func (c *Connections) end(ctx context.Context, t rp.LogoutToken) error {
	if t.SessionID != "" {
		return c.dir.Sessions.EndUpstream(ctx, t.Issuer, t.SessionID, reason)
	}
	l, err := c.links.Get(ctx, linkRef(t.Issuer, t.Subject))
	if errors.Is(err, store.ErrNotFound) {
		return nil // nobody of ours
	}
	if err != nil {
		return err
	}
	return c.dir.Sessions.EndUpstreamOf(ctx, l.Subject, t.Issuer, reason)
}

// ServeHTTP takes the logout tokens of the connection in the path's value "connection" (Back-Channel Logout §2.5, §2.8).
func (c *Connections) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	web.NoStore(w.Header())
	form, err := web.ReadBody(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the request is no form with a logout_token")
		return
	}
	switch err := c.ReceiveLogout(r.Context(), r.PathValue("connection"), form.Value("logout_token")); {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, ErrUnknown):
		refuse(w, http.StatusNotFound, "invalid_request", "there is no such connection")
	case errors.Is(err, rp.ErrInvalid):
		c.log.InfoContext(r.Context(), "a logout token was refused", "connection", r.PathValue("connection"), "error", err)
		refuse(w, http.StatusBadRequest, "invalid_request", "the logout token does not hold")
	default:
		c.log.ErrorContext(r.Context(), "an upstream logout failed", "connection", r.PathValue("connection"), "error", err)
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "try again later")
	}
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	web.WriteValue(w, status, map[string]string{"error": code, "error_description": description})
}

// replay remembers that a logout token was used. Its loss lets one be used again, for minutes, which signs somebody out.
type replay struct{ store.Meta }

var replayKind = store.Kind{Name: "federated.replay", Ephemeral: true}

// replays keeps them in the store, for all nodes.
type replays struct {
	db  *store.DB
	all *store.Collection[replay]
}

var _ rp.Replays = replays{}

func newReplays(db *store.DB) replays {
	return replays{db: db, all: store.NewCollection(db, store.Type[replay]{Kind: replayKind})}
}

// Seen implements rp.Replays.
func (r replays) Seen(ctx context.Context, issuer, jti string) (bool, error) {
	_, err := r.all.Get(ctx, replayRef(issuer, jti))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Remember implements rp.Replays.
func (r replays) Remember(ctx context.Context, issuer, jti string, until time.Time) error {
	b := r.db.Batch()
	r.all.Insert(b, &replay{store.Meta{ID: replayRef(issuer, jti).ID, Expires: until}})
	if err := b.Apply(ctx); store.ConflictOn(err, replayKind) == nil {
		return err
	}
	return nil // by another delivery of the same
}

func replayRef(issuer, jti string) store.Ref {
	return store.Ref{ID: secret.Hash("logout\x00" + issuer + "\x00" + jti)}
}
