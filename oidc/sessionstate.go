package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// SessionManagement lets the pages of clients ask, by a frame of ours, whether it is still the same person who is signed in (OpenID
// Connect Session Management 1.0). It gives the browser a cookie that scripts of ours can read; it authenticates nobody, and tells one
// session from another. Browsers that keep third parties from their cookies answer "changed": clients then ask again with prompt=none.
type SessionManagement struct{}

// cookieState is the purpose of the cookie with the browser state (Session Management §3.2).
const cookieState = "state"

// browserState is what the cookie holds while a session lasts. Nothing about the session can be found out of it.
func browserState(session store.Ref) string { return secret.Hash("browser state\x00" + session.ID) }

// sessionState is the session_state of a response to a client: a salted hash of who asks, from where, and the browser state (Session
// Management §2). It is "" for a redirect URI that is no page's.
func sessionState(clientID, redirectURI, state string) string {
	origin := webOrigin(redirectURI)
	if origin == "" {
		return ""
	}
	salt := secret.Short().Reveal()
	sum := sha256.Sum256([]byte(clientID + " " + origin + " " + state + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}

// webOrigin is the origin of a URL as browsers write it (RFC 6454 §6.2); "" when it has none.
func webOrigin(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + host
}
