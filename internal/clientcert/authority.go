package clientcert

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// Authority is who issues certificates that count.
type Authority struct {
	// Roots issue them, through Intermediates and those that come with a certificate. Nil is nobody.
	Roots, Intermediates *x509.CertPool
}

// Chain returns a chain from what was presented to a root, as RFC 5280 §6 has it at a time: for the authentication of clients, and under one
// of the policies (§4.2.1.4) all along, unless there are none.
func (a Authority) Chain(presented *Presented, now time.Time, policies ...x509.OID) ([]*x509.Certificate, error) {
	if a.Roots == nil { // which crypto/x509 takes for the roots of the system
		return nil, errors.New("there are no Roots")
	}
	intermediates := a.Intermediates
	if len(presented.Intermediates) > 0 {
		if intermediates = x509.NewCertPool(); a.Intermediates != nil {
			intermediates = a.Intermediates.Clone()
		}
		for _, issuer := range presented.Intermediates {
			intermediates.AddCert(issuer)
		}
	}
	chains, err := presented.Leaf.Verify(x509.VerifyOptions{
		Roots: a.Roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CertificatePolicies: policies,
	})
	if err != nil {
		return nil, err
	}
	if len(policies) > 0 && !slices.ContainsFunc(presented.Leaf.Policies, func(p x509.OID) bool {
		return slices.ContainsFunc(policies, p.Equal)
	}) {
		return nil, errors.New("the certificate is of no accepted policy")
	}
	return chains[0], nil
}
