// Package clientcert finds the certificate with which a client has proven itself by mutual TLS (RFC 8705), and tells whose it
// is. The certificate comes from the TLS connection or, behind proxies that end TLS, from a header that those proxies write: a
// header from anybody else is not looked at.
package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ErrMalformed: a proxy has sent a header that holds no certificate, or more than one.
var ErrMalformed = errors.New("clientcert: malformed header")

// DefaultHeader is that of RFC 9440 §2.2, beside which Client-Cert-Chain may stand.
const DefaultHeader = "Client-Cert"

const (
	chainHeader = "Client-Cert-Chain" // RFC 9440 §2.3
	envoyHeader = "X-Forwarded-Client-Cert"

	maxHeader = 32 << 10
	maxChain  = 10
)

// Source says where certificates come from. The zero Source takes those of the TLS connection alone.
type Source struct {
	// Proxies end TLS for us and write Header. From them the certificate comes by header alone: that of the connection is their
	// own. They must remove the header from what they receive.
	Proxies []netip.Prefix
	// Header is the header that the Proxies write; "" is DefaultHeader, a structured field (RFC 9440). X-Forwarded-Client-Cert is read
	// as Envoy writes it. Any other holds one certificate: as PEM, percent-encoded or with its lines folded, as nginx
	// ($ssl_client_escaped_cert), WSO2 (x-wso2-mtls-cert) and load balancers write it, or as DER in base64.
	Header string
}

// Presented is what a client has presented. It has proven to hold the key of the Leaf; nobody has judged who issued it.
type Presented struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate
}

// Find returns what the sender of a request has presented; nil is nothing. The error is ErrMalformed.
func (s Source) Find(r *http.Request) (*Presented, error) {
	if s.fromProxy(r.RemoteAddr) {
		return s.forwarded(r.Header)
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	return &Presented{r.TLS.PeerCertificates[0], slices.Clone(r.TLS.PeerCertificates[1:])}, nil
}

// fromProxy reports whether the other end of the connection is a proxy; what forwarding headers say is not evidence here.
func (s Source) fromProxy(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (s Source) forwarded(h http.Header) (*Presented, error) {
	name := s.Header
	if name == "" {
		name = DefaultHeader
	}
	values := h.Values(name)
	switch {
	case len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "":
		return nil, nil // also how nginx says that there is none
	case len(values) > 1 || len(values[0]) > maxHeader:
		return nil, ErrMalformed
	case strings.EqualFold(name, DefaultHeader):
		return structured(values[0], h.Values(chainHeader))
	case strings.EqualFold(name, envoyHeader):
		return envoy(values[0])
	}
	return encoded(values[0])
}

// Thumbprint is "x5t#S256" of a certificate: the SHA-256 digest of its DER form in base64url (RFC 8705 §3.1).
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// leaf is Presented with nothing but a leaf.
func leaf(der []byte) (*Presented, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, ErrMalformed
	}
	return &Presented{Leaf: c}, nil
}
