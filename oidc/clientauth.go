package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// clientRequest is a request at an endpoint for clients, as it came: all that can prove who sends it, and what they hold.
type clientRequest struct {
	form web.Form
	// authorization is the Authorization header.
	authorization string
	// proof is the DPoP proof: good, but not used yet; nil is none.
	proof *dpop.Proof
	// certificate is what the client has proven to hold the key of; nil is none.
	certificate *clientcert.Presented
	// path is the endpoint's.
	path string
}

// prove returns what the sender of a request has proven to hold, and uses it up. It refuses a client that is registered to prove
// more.
func (p *Provider) prove(ctx context.Context, sent clientRequest, c *Client) (confirmation, error) {
	if c.DPoPBoundTokens && sent.proof == nil { // RFC 9449 §5.2; what is not there is missing, and not a wrong proof
		return confirmation{}, invalidRequest("the client is registered for DPoP and sent no proof")
	}
	if c.CertificateBoundTokens && sent.certificate == nil { // RFC 8705 §3.4
		return confirmation{}, invalidRequest("the client is registered for mutual TLS and sent no certificate")
	}
	jkt, err := p.useProof(ctx, sent.proof)
	return confirmation{JKT: jkt, X5T: thumbprint(sent.certificate)}, err
}

// credentials are what a client sent to prove who it is.
type credentials struct {
	clientID, secret string
	method           AuthMethod
}

// readCredentials finds the one way in which a client authenticates (RFC 6749 §2.3: not more than one).
func readCredentials(authorization string, form web.Form) (credentials, *Error) {
	bodyID, bodySecret := form.Value("client_id"), form.Value("client_secret")
	switch {
	case authorization != "":
		c, refusal := readBasic(authorization)
		if refusal != nil {
			return c, refusal
		}
		if bodySecret != "" {
			return c, invalidRequest("the client authenticates in more than one way")
		}
		if bodyID != "" && bodyID != c.clientID {
			return c, invalidRequest("client_id is not that of the Authorization header")
		}
		return c, nil
	case bodyID == "":
		return credentials{}, invalidClient("the client does not say who it is")
	case bodySecret != "":
		return credentials{bodyID, bodySecret, ClientSecretPost}, nil
	}
	return credentials{bodyID, "", NoAuth}, nil
}

// readBasic decodes HTTP Basic credentials, whose halves are form-encoded first (RFC 6749 §2.3.1).
func readBasic(authorization string) (credentials, *Error) {
	scheme, encoded, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return credentials{}, invalidClient("the Authorization header is not Basic")
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return credentials{}, invalidClient("the Authorization header is not base64")
	}
	rawID, rawSecret, ok := strings.Cut(string(decoded), ":")
	id, errID := url.QueryUnescape(rawID)
	value, errSecret := url.QueryUnescape(rawSecret)
	if !ok || errID != nil || errSecret != nil {
		return credentials{}, invalidClient("the Authorization header is not form-encoded id:secret (RFC 6749 section 2.3.1)")
	}
	return credentials{id, value, ClientSecretBasic}, nil
}

// authenticate proves who the client is. An unknown client and a wrong secret give the same answer for the same work.
func (p *Provider) authenticate(ctx context.Context, request clientRequest) (*Client, AuthMethod, error) {
	if request.form.Has("client_assertion") || request.form.Has("client_assertion_type") {
		return p.authenticateByAssertion(ctx, request)
	}
	sent, refusal := readCredentials(request.authorization, request.form)
	if refusal != nil {
		return nil, "", refusal
	}
	c, err := p.Clients.find(ctx, sent.clientID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, "", asError(err)
	}
	known := err == nil
	hash := nobodysHash
	if known && c.SecretHash != "" {
		hash = c.SecretHash
	}
	matches := secret.Matches(hash, sent.secret)
	switch {
	case !known:
		return nil, "", errClient
	case c.byCertificate() && sent.method == NoAuth: // RFC 8705 §2: client_id alone, and the certificate beside it
		return c, c.AuthMethod, p.authenticateByCertificate(ctx, request, c)
	case c.AuthMethod != sent.method:
		return nil, "", errClient.because(errors.New("the client used " + string(sent.method) + ", but is registered for " + string(c.AuthMethod)))
	case c.Public() || matches:
		return c, sent.method, nil
	}
	return nil, "", errClient
}

// nobodysHash is a digest of which nobody knows the secret.
const nobodysHash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

var errClient = invalidClient("the client is unknown, or did not authenticate as it is registered to")
