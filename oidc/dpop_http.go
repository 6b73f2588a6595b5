package oidc

import (
	"net/http"

	"github.com/signet-idp/signet/internal/dpop"
)

// headerProof is the header of a proof (RFC 9449 §4.1) as net/http spells it.
const headerProof = "Dpop"

// readProofOf judges the DPoP headers of a request, and sets the nonce that its answer carries, whatever that will be. Where
// clients with a certificate know the endpoint by another URL, htu may be either (RFC 9449 §4.3, RFC 8705 §5): both are us.
func (p *Provider) readProofOf(w http.ResponseWriter, r *http.Request, token string) (*dpop.Proof, error) {
	headers := r.Header[headerProof]
	if headers == nil {
		return nil, nil
	}
	urls := p.aliases(p.site.Origin() + r.URL.EscapedPath())
	sent := dpop.Request{Method: r.Method, URL: urls[0], Aliases: urls[1:], Token: token}
	proof, refusal := p.readProof(headers, sent)
	if nonce := p.nextNonce(proof, refusal); nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
	if refusal != nil {
		return nil, refusal
	}
	return proof, nil
}
