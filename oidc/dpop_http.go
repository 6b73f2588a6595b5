package oidc

import (
	"net/http"

	"github.com/signet-idp/signet/internal/dpop"
)

// readProofOf judges the DPoP headers of a request, and sets the nonce that its answer carries, whatever that will be.
func (p *Provider) readProofOf(w http.ResponseWriter, r *http.Request, token string) (*dpop.Proof, error) {
	proof, refusal := p.readProof(r.Header.Values("DPoP"), dpop.Request{Method: r.Method, URL: p.site.Origin() + r.URL.EscapedPath(), Token: token})
	if nonce := p.nextNonce(proof, refusal); nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
	if refusal != nil {
		return nil, refusal
	}
	return proof, nil
}
