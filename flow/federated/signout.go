package federated

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// PostLogoutPath is where, below the issuer's path and before the name of the connection, a provider sends people back whom it has signed
// out: our post_logout_redirect_uri there.
const PostLogoutPath = "/federated/signedout/"

// signOutCookie binds logouts at providers to the browser that has left.
const signOutCookie = "upstream-logout"

// signOutLife is how long somebody may take at the provider.
const signOutLife = time.Hour

// signOut is a logout at a provider whose person has not come back. Its loss lets them end on the page that says that they are signed out.
type signOut struct {
	store.Meta                  // whose id is the hash of the state
	Connection string           `json:"connection"`
	Browser    string           `json:"browser"` // the hash of the cookie
	Next       string           `json:"next,omitempty"`
	Pending    rp.PendingLogout `json:"pending"`
}

var signOutType = store.Type[signOut]{Kind: store.Kind{Name: "federated.signout", Ephemeral: true}}

// PostLogoutRedirectURL is what to register with the provider of a connection as post_logout_redirect_uri; "" when there is none of that name.
func (c *Connections) PostLogoutRedirectURL(name string) string {
	if c.all[name] == nil {
		return ""
	}
	return c.site.URL(PostLogoutPath + name)
}

// SignOut returns where to send the browser of somebody whose session has ended here, so that they are signed out as well at the provider on
// whose word it rests (OpenID Connect RP-Initiated Logout 1.0 §2), where that connection says so (RPInitiatedLogout): "" is nowhere, also when
// the provider has no logout or cannot be asked. Next is where FinishSignOut has the browser go from there; it is believed, and "" is the
// page that says that they are signed out.
//
// The provider is told our client_id and, if it has named one, its own session (logout_hint). An id_token_hint it does not get: ID tokens
// are not kept. It may ask the person, and not send them back.
//
// Send the browser there from a page, by a link or Refresh: a redirect that answers a form is held to the form-action of the page before, all the
// way along. An error is the store's.
func (c *Connections) SignOut(w http.ResponseWriter, r *http.Request, session store.Ref, next string) (string, error) {
	s, err := c.dir.Sessions.Get(r.Context(), session)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	made, proof := c.behind(s)
	if made == nil {
		return "", nil
	}
	to, pending, err := made.provider.BeginLogout(r.Context(), rp.LogoutRequest{
		Hint: proof.IssuerSession, RedirectURL: c.PostLogoutRedirectURL(made.Name),
	})
	if err != nil { // here they are signed out, and nobody can promise more
		c.log.WarnContext(r.Context(), "nobody is signed out upstream", "connection", made.Name, "error", err)
		return "", nil
	}
	b := c.db.Batch()
	c.signOuts.Insert(b, &signOut{
		Meta:       store.Meta{ID: pending.StateHash, Expires: c.db.Now().Add(signOutLife)},
		Connection: made.Name, Browser: secret.Hash(c.browser(w, r)), Next: next, Pending: pending,
	})
	return to, b.Apply(r.Context())
}

// behind is the connection by which somebody is to be signed out, and what its provider has said; nil for none. Of several to one provider the first
// by name will do: it has one session there.
func (c *Connections) behind(s *directory.Session) (*connection, directory.Evidence) {
	for _, e := range s.Evidence {
		for _, name := range c.Names() {
			if made := c.all[name]; e.Issuer != "" && made.RPInitiatedLogout && made.provider.Issues(e.Issuer) {
				return made, e
			}
		}
	}
	return nil, directory.Evidence{}
}

// browser is the secret of the browser's cookie, which it gets if it has none.
func (c *Connections) browser(w http.ResponseWriter, r *http.Request) string {
	value := c.site.Cookie(r, signOutCookie)
	if value == "" {
		value = secret.New().Reveal()
	}
	c.site.SetCookie(w, signOutCookie, value, signOutLife)
	return value
}

// FinishSignOut takes back a browser, at PostLogoutPath and the name of a connection, in the path's value "connection", and returns where it goes on
// to, once: the next of SignOut. "" is nowhere, also for whatever does not answer a logout that this browser has begun: that proves nothing,
// not even that somebody was signed out. An error is the store's.
func (c *Connections) FinishSignOut(r *http.Request) (next string, err error) {
	response, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || response.Get("state") == "" {
		return "", nil
	}
	s, err := c.signOuts.Get(r.Context(), store.Ref{ID: secret.Hash(response.Get("state"))})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := c.answers(r, s, response); err != nil {
		c.log.InfoContext(r.Context(), "somebody came back from a logout upstream that is not theirs", "connection", r.PathValue("connection"), "error", err)
		return "", nil
	}
	return c.usedUp(r.Context(), s)
}

// answers judges who comes back.
func (c *Connections) answers(r *http.Request, s *signOut, response url.Values) error {
	made := c.all[s.Connection]
	switch {
	case made == nil || made.provider == nil || s.Connection != r.PathValue("connection"):
		return ErrUnknown
	case !secret.Matches(s.Browser, c.site.Cookie(r, signOutCookie)):
		return errors.New("another browser has begun it")
	}
	return made.provider.FinishLogout(s.Pending, response)
}

// usedUp is where a logout leads, for the one who is first to ask.
func (c *Connections) usedUp(ctx context.Context, s *signOut) (string, error) {
	b := c.db.Batch()
	c.signOuts.Delete(b, s)
	err := b.Apply(ctx)
	if store.ConflictOn(err, signOutType.Kind) != nil {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return s.Next, nil
}
