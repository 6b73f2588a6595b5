package oidc

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/web"
)

// MutualTLS lets clients authenticate with a certificate, and binds tokens to it (RFC 8705): an access token that was stolen is of
// no use without the key of the certificate. Clients ask for bound tokens by Client.CertificateBoundTokens, whichever way they
// authenticate; the refresh tokens of public clients are bound too.
//
// The server must ask for certificates, and let the handshake succeed with any: tls.Config.ClientAuth is tls.RequestClientCert.
// Who issued a certificate is judged here.
type MutualTLS struct {
	// Roots issue the certificates of clients that authenticate by tls_client_auth, through Intermediates and those that come
	// with a certificate. Nil is nobody: then there is only self_signed_tls_client_auth.
	Roots, Intermediates *x509.CertPool
	// Check judges a chain further, from the client's certificate to the root: whether one was revoked, say. An error refuses the
	// client; an *Error is sent as it is. Nil accepts.
	Check func(ctx context.Context, chain []*x509.Certificate) error
	// Proxies end TLS in front of the provider, and send the client's certificate in Header: nobody else is believed, and the
	// certificate of the connection is not looked at when it is a proxy's. They must remove Header from what they receive. Whether a
	// request comes from one is judged by http.Request.RemoteAddr, which must be the connection's.
	Proxies []netip.Prefix
	// Header is what the Proxies write; "" is Client-Cert (RFC 9440), beside which Client-Cert-Chain is read. X-Forwarded-Client-Cert is read as
	// Envoy writes it. Any other, such as x-wso2-mtls-cert, holds PEM, percent-encoded, or DER in base64.
	Header string
	// Aliases is the issuer as clients with a certificate reach it, where that is another host: https, without a slash at the end. It
	// stands in the metadata (mtls_endpoint_aliases, RFC 8705 §5), so that browsers are not asked for certificates. "" is none.
	Aliases string
}

// The methods by which a client authenticates with a certificate (RFC 8705 §2).
const (
	TLSClientAuth           AuthMethod = "tls_client_auth"
	SelfSignedTLSClientAuth AuthMethod = "self_signed_tls_client_auth"
)

// mutualTLS is MutualTLS in use.
type mutualTLS struct {
	MutualTLS
	source clientcert.Source
}

func (f MutualTLS) part(p *Provider) (part, error) {
	var problems []error
	if f.Header != "" && len(f.Proxies) == 0 {
		problems = append(problems, errors.New("oidc: Config.Features.MutualTLS.Header needs Proxies: a header from anybody is a forgery"))
	}
	if f.Intermediates != nil && f.Roots == nil {
		problems = append(problems, errors.New("oidc: Config.Features.MutualTLS.Intermediates needs Roots"))
	}
	if f.Aliases != "" {
		if _, err := web.NewSite(f.Aliases, nil); err != nil {
			problems = append(problems, fmt.Errorf("oidc: Config.Features.MutualTLS.Aliases: %w", err))
		}
	}
	m := &mutualTLS{f, clientcert.Source{Proxies: f.Proxies, Header: f.Header}}
	methods := []AuthMethod{SelfSignedTLSClientAuth}
	if f.Roots != nil {
		methods = []AuthMethod{TLSClientAuth, SelfSignedTLSClientAuth}
	}
	p.mutualTLS = m
	return part{
		features: []string{"mutual TLS"}, methods: methods, check: checkCertificateSettings,
		describe: func(doc *metadata) { doc.CertificateBoundTokens = true },
	}, errors.Join(problems...)
}

// subject is by what the certificate of a client with tls_client_auth is known.
func (c *Client) certificateSubject() clientcert.Subject {
	return clientcert.Subject{
		DN: c.TLSClientAuthSubjectDN, DNS: c.TLSClientAuthSANDNS, URI: c.TLSClientAuthSANURI, IP: c.TLSClientAuthSANIP,
		Email: c.TLSClientAuthSANEmail,
	}
}

func (c *Client) byCertificate() bool {
	return c.AuthMethod == TLSClientAuth || c.AuthMethod == SelfSignedTLSClientAuth
}

// checkCertificateSettings holds RFC 8705 §2.1.2 and §2.2.2.
func checkCertificateSettings(c *Client, bad report) {
	subject := c.certificateSubject()
	switch {
	case c.AuthMethod == TLSClientAuth:
		if err := subject.Check(); err != nil {
			bad("tls_client_auth_subject_dn", "or another name of the certificate: %v", err)
		}
	case subject != clientcert.Subject{}:
		bad("tls_client_auth_subject_dn", "and its kin are for clients that authenticate by tls_client_auth")
	}
	if c.AuthMethod == SelfSignedTLSClientAuth && !c.hasKeys() {
		bad("jwks", "or jwks_uri is required for self_signed_tls_client_auth")
	}
}

// authenticateByCertificate proves that the sender of a request is a client that is registered so.
func (p *Provider) authenticateByCertificate(ctx context.Context, request clientRequest, c *Client) error {
	presented := request.certificate
	var err error
	switch {
	case p.mutualTLS == nil || presented == nil:
		return errClient.because(errors.New("the client sent no certificate"))
	case c.AuthMethod == TLSClientAuth:
		err = p.mutualTLS.judge(ctx, presented, c, p.db.Now())
	default:
		err = p.matchSelfSigned(ctx, presented.Leaf, c)
	}
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal
	}
	if err != nil {
		return errClient.because(err)
	}
	return nil
}

// judge holds a certificate against who may have issued it, and whose it is (RFC 8705 §2.1).
func (m *mutualTLS) judge(ctx context.Context, presented *clientcert.Presented, c *Client, now time.Time) error {
	chain, err := clientcert.Authority{Roots: m.Roots, Intermediates: m.Intermediates}.Chain(presented, now)
	if err != nil {
		return err
	}
	if !c.certificateSubject().Names(presented.Leaf) {
		return errors.New("the certificate is somebody else's")
	}
	if m.Check == nil {
		return nil
	}
	return m.Check(ctx, chain)
}

// matchSelfSigned looks for a certificate among those of the client (RFC 8705 §2.2). A key without x5c stands for any certificate
// of it: its holder has proven to hold it.
func (p *Provider) matchSelfSigned(ctx context.Context, leaf *x509.Certificate, c *Client) error {
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return errors.New("the certificate has a key of an unknown kind")
	}
	_, err := findClientKey(ctx, p, c, func(set *clientKeySet) (jose.PublicKey, error) {
		for _, key := range set.signing {
			if key.Certificate != nil && key.Certificate.Equal(leaf) || key.Certificate == nil && public.Equal(key.Key) {
				return key, nil
			}
		}
		return jose.PublicKey{}, fmt.Errorf("%w: the certificate is not registered", jose.ErrKey)
	})
	if err != nil && !isClientKeyFault(err) {
		return unavailable(err)
	}
	return err
}

// thumbprint is what a certificate confirms; "" without one (RFC 8705 §3.1).
func thumbprint(presented *clientcert.Presented) string {
	if presented == nil {
		return ""
	}
	return clientcert.Thumbprint(presented.Leaf)
}

// aliases adds to URLs of ours those by which clients with a certificate know them.
func (p *Provider) aliases(urls ...string) []string {
	if p.mutualTLS == nil || p.mutualTLS.Aliases == "" {
		return urls
	}
	for _, own := range urls {
		if path, ok := strings.CutPrefix(own, p.site.Issuer()); ok {
			urls = append(urls, p.mutualTLS.Aliases+path)
		}
	}
	return urls
}

// mtlsEndpoints are the endpoints that clients authenticate or present tokens at (RFC 8705 §5).
type mtlsEndpoints struct {
	Token         string `json:"token_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	Registration  string `json:"registration_endpoint,omitempty"`
	PAR           string `json:"pushed_authorization_request_endpoint,omitempty"`
	Device        string `json:"device_authorization_endpoint,omitempty"`
	CIBA          string `json:"backchannel_authentication_endpoint,omitempty"`
}

// mtlsAliases are the endpoints of a complete document under the name that clients with a certificate use; nil is none.
func (p *Provider) mtlsAliases(m *metadata) any {
	if p.mutualTLS == nil || p.mutualTLS.Aliases == "" {
		return nil
	}
	alias := func(own string) string {
		if own == "" {
			return ""
		}
		return p.mutualTLS.Aliases + strings.TrimPrefix(own, p.site.Issuer())
	}
	return mtlsEndpoints{
		Token: alias(m.TokenEndpoint), Revocation: alias(m.RevocationEndpoint), Introspection: alias(m.IntrospectionEndpoint),
		UserInfo: alias(m.UserInfoEndpoint), Registration: alias(m.RegistrationEndpoint), PAR: alias(m.PAREndpoint),
		Device: alias(m.DeviceEndpoint), CIBA: alias(m.CIBAEndpoint),
	}
}
