package resource

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Holder is a Verifier whose issuer binds tokens to browsers by a cookie (binding_type "cookie", as WSO2 Identity Server has it). A
// *oidc.Provider is one. A Guard asks it where the Resource lives on the host of the first of Issuers: browsers send the cookie nowhere else.
type Holder interface {
	// HeldBy reports whether a request comes from the browser that the token is bound to, whose claims the Verifier has returned. A token that
	// is bound to no browser is held by any.
	HeldBy(r *http.Request, claims json.RawMessage) bool
}

// holderOf returns who judges the cookies of requests to the resource; nil is nobody.
func holderOf(c Config, resource *url.URL) Holder {
	holder, ok := c.Verifier.(Holder)
	if !ok || len(c.Issuers) == 0 {
		return nil
	}
	issuer, err := url.Parse(c.Issuers[0])
	if err != nil || issuer.Scheme != resource.Scheme || !strings.EqualFold(issuer.Hostname(), resource.Hostname()) {
		return nil
	}
	return holder
}
