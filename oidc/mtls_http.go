package oidc

import (
	"net/http"

	"github.com/signet-idp/signet/internal/clientcert"
)

// readCertificate returns the certificate that the sender of a request has proven to hold the key of; nil is none. Without the
// feature nobody looks.
func (p *Provider) readCertificate(r *http.Request) (*clientcert.Presented, error) {
	if p.mutualTLS == nil {
		return nil, nil
	}
	presented, err := p.mutualTLS.source.Find(r)
	if err != nil {
		return nil, invalidRequest("the client certificate cannot be read").because(err)
	}
	return presented, nil
}
