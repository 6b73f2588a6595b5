package resource

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/secret"
)

// Requirement is what a token must offer.
type Requirement struct {
	// Scopes must all be permitted.
	Scopes []string
	// ACR are the classes of authentication of which the person must have reached one, or one above it (Config.ACROrder); nil is any.
	ACR []string
	// MaxAge is how long ago the person may have signed in; zero does not matter. It is told to clients in whole seconds.
	MaxAge time.Duration
}

// Protect lets a handler be reached with a token that permits all of the scopes, and with none if there are none. The token is in the
// request's context; see FromContext.
func (g *Guard) Protect(scopes ...string) func(http.Handler) http.Handler {
	return g.With(Requirement{Scopes: scopes})
}

// With is Protect with all that may be demanded.
func (g *Guard) With(q Requirement) func(http.Handler) http.Handler {
	q.Scopes, q.ACR = slices.Clone(q.Scopes), slices.Clone(q.ACR)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := g.admit(w, r)
			if err == nil {
				err = g.meets(token, q)
			}
			if err != nil {
				g.refuse(w, r, q, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, token)))
		})
	}
}

// Require reports whether the token of a request that a Guard has let pass meets what a handler has come to demand. If not, the
// client was told what to ask for, and the handler has nothing more to say.
func (g *Guard) Require(w http.ResponseWriter, r *http.Request, q Requirement) bool {
	token := FromContext(r.Context())
	if token == nil {
		g.refuse(w, r, q, errNoToken)
		return false
	}
	if err := g.meets(token, q); err != nil {
		g.refuse(w, r, q, err)
		return false
	}
	return true
}

// meets judges a good token by what is demanded of it here. The error is a *refusal.
func (g *Guard) meets(t *Token, q Requirement) error {
	switch {
	case !t.Allows(q.Scopes...):
		return errScope.about(t)
	case len(q.ACR) > 0 && !g.reaches(t.ACR, q.ACR): // RFC 9470 §3
		return errAuthentication.about(t)
	case q.MaxAge > 0 && !g.config.Now().Before(t.AuthTime.Add(q.MaxAge)):
		return errAuthentication.about(t)
	}
	return nil
}

// The schemes in which tokens are presented.
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// admit finds the token of a request and judges it, with what its sender must prove. The error is a *refusal.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request) (*Token, error) {
	scheme, text, err := presented(r.Header)
	if err != nil {
		return nil, err
	}
	if scheme == schemeBearer && g.config.RequireDPoP {
		return nil, errNoToken
	}
	proof, err := g.proof(w, r, scheme, text)
	if err != nil {
		return nil, err
	}
	token, c, err := g.verify(r.Context(), text)
	if err != nil {
		return nil, err
	}
	if err := g.confirm(r, c.Confirmation, proof); err != nil {
		return nil, err
	}
	if g.holder != nil && !g.holder.HeldBy(r, token.claims) {
		return nil, invalidToken(errors.New("the token is bound to another browser"))
	}
	return token, g.use(r.Context(), proof)
}

// presented finds the one token of a request (RFC 6750 §2.1, RFC 9449 §7.1).
func presented(h http.Header) (scheme, token string, err error) {
	headers := h.Values("Authorization")
	if len(headers) == 0 {
		return "", "", errNoToken
	}
	if len(headers) > 1 {
		return "", "", invalidRequest("the Authorization header stands more than once")
	}
	scheme, token, _ = strings.Cut(headers[0], " ")
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		scheme = schemeDPoP
	default:
		return "", "", errNoToken
	}
	switch token = strings.Trim(token, " "); {
	case token == "":
		return "", "", errNoToken
	case len(token) > maxToken || strings.Trim(token, tokenCharacters) != "":
		return "", "", invalidRequest("the access token is not well-formed")
	}
	return scheme, token, nil
}

// tokenCharacters is the alphabet of b64token (RFC 6750 §2.1).
const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// proof judges the DPoP proof of a request but for replay; nil is none. A proof goes with its scheme and no other, and an empty
// header is no excuse for presenting a bound token as a bearer token.
func (g *Guard) proof(w http.ResponseWriter, r *http.Request, scheme, token string) (*dpop.Proof, error) {
	headers := r.Header.Values("DPoP")
	switch {
	case scheme == schemeBearer && len(headers) == 0:
		return nil, nil
	case scheme == schemeBearer:
		return nil, invalidRequest("a DPoP proof goes with the scheme DPoP")
	case len(headers) == 0:
		return nil, errProof.because(errors.New("there is none"))
	}
	now := g.config.Now()
	proof, err := g.proofs.Verify(headers, dpop.Request{Method: r.Method, URL: g.target(r), Token: token}, now)
	if err != nil {
		return nil, errProof.because(err)
	}
	if proof.Nonce == "" && !g.config.RequireNonce {
		return proof, nil
	}
	good, current := g.nonces.Known(proof.Nonce, now)
	if !current {
		w.Header().Set("DPoP-Nonce", g.nonces.Current(now)) // RFC 9449 §8.2, §9
	}
	if !good {
		return nil, errNonce
	}
	return proof, nil
}

// target is the URL of a request as its sender sees it: below the Resource's scheme and host, whatever Host says, and with the
// path that came, whatever a mux has taken off it.
func (g *Guard) target(r *http.Request) string {
	path := r.URL.EscapedPath()
	if asked, err := url.ParseRequestURI(r.RequestURI); err == nil {
		path = asked.EscapedPath()
	}
	return g.base.Scheme + "://" + g.base.Host + path
}

// confirm holds a sender to what the token is bound to: every member of cnf, and none that nobody here can judge.
func (g *Guard) confirm(r *http.Request, cnf map[string]json.RawMessage, proof *dpop.Proof) error {
	bound := false
	for name, member := range cnf {
		var want, have string
		if err := json.Unmarshal(member, &want); err != nil || want == "" {
			return invalidToken(errors.New("cnf has a member that is no text"))
		}
		switch name {
		case "jkt": // RFC 9449 §6
			if bound = true; proof != nil {
				have = proof.JKT
			}
		case "x5t#S256": // RFC 8705 §3
			certificate, err := g.certs.Find(r)
			if err != nil {
				return invalidToken(err)
			}
			if certificate != nil {
				have = clientcert.Thumbprint(certificate.Leaf)
			}
		default:
			return invalidToken(errors.New("the token is bound to what cannot be proven here"))
		}
		if !secret.Equal(want, have) {
			return invalidToken(errors.New("the sender does not hold what the token is bound to"))
		}
	}
	if proof != nil && !bound { // RFC 9449 §7.1
		return invalidToken(errors.New("the token is not bound to a DPoP key"))
	}
	return nil
}

// use spends a proof, last of all.
func (g *Guard) use(ctx context.Context, proof *dpop.Proof) error {
	if proof == nil {
		return nil
	}
	first, err := g.config.Replays.UseProof(ctx, proof.ID, proof.Issued, proof.Until)
	switch {
	case err != nil:
		return unavailable(err)
	case !first:
		return errProof.because(errors.New("it was used before"))
	}
	return nil
}
