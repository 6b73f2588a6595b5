package oidc

import (
	"encoding/json"
	"net/http"

	"github.com/signet-idp/signet/internal/strictjson"
)

// HeldBy reports whether a request comes from the browser that an access token is bound to (BindCookie), whose claims VerifyAccessToken has
// returned. One that is bound to no browser is held by any. Package resource asks it with a Provider as its Verifier.
func (p *Provider) HeldBy(r *http.Request, claims json.RawMessage) bool {
	var c struct {
		ClientID string `json:"client_id"`
		Type     string `json:"binding_type"`
		Ref      string `json:"binding_ref"`
	}
	if err := strictjson.Unmarshal(claims, &c); err != nil {
		return false
	}
	return tie{c.Type, c.Ref}.heldBy(&Client{ClientID: c.ClientID}, p.boundBrowser(r))
}
