package signet_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/rp"
)

// A provider upstream takes one line of configuration; one that cannot be is named with its field.
func TestConnections(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *signet.Config) {
		c.Connections = []federated.Connection{{Name: "google", Title: "Google", Provider: rp.Google("id", "secret", ""), Create: true}}
	})
	if got := p.Connections.RedirectURL("google"); got != issuer+"/flow/callback/google" {
		t.Errorf("redirect URL %q", got)
	}
	if got := request(t, p, http.MethodGet, issuer+"/flow/callback/google?state=x"); got.StatusCode != http.StatusNotFound {
		body, _ := io.ReadAll(got.Body)
		t.Errorf("%d %s", got.StatusCode, body)
	}
	if got := request(t, p, http.MethodPost, issuer+"/federated/logout/google"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", got.StatusCode)
	}
	config := wiring(t, func(c *signet.Config) { c.Connections = []federated.Connection{{Name: "Big"}} })
	if _, err := signet.New(config); err == nil || !strings.Contains(err.Error(), "Connections[0]") {
		t.Errorf("got %v", err)
	}
}

// An issuer at which people sign in needs no other way to say who they are here: without one, and without connections, it is refused.
func TestConnectionsAreLinks(t *testing.T) {
	t.Parallel()
	trusting := func(c *signet.Config) {
		c.OIDC.TokenExchange = &oidc.TokenExchange{Issuers: []oidc.TrustedIssuer{{Issuer: "https://accounts.google.com", JWKSURI: "https://www.googleapis.com/oauth2/v3/certs"}}}
	}
	open(t, trusting, func(c *signet.Config) {
		c.Connections = []federated.Connection{{Name: "google", Title: "Google", Provider: rp.Google("id", "secret", "")}}
	})
	if _, err := signet.New(wiring(t, trusting)); err == nil || !strings.Contains(err.Error(), "Linked") {
		t.Errorf("got %v", err)
	}
}
