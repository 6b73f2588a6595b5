package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// SAMLBearer takes SAML 2.0 assertions as grants (RFC 7522 §2.1), each once. Clients must authenticate and be registered for
// SAMLBearerGrant; they get the scopes that they ask for and may have, and no refresh token.
type SAMLBearer struct {
	// Verifier judges them. Required.
	Verifier SAMLVerifier
}

// SAMLVerifier judges SAML assertions that are given as grants. Package saml will implement it. It is safe for concurrent use.
type SAMLVerifier interface {
	// VerifyBearer judges a whole assertion, as XML, by RFC 7522 §3: its signature, by an issuer that is trusted; an audience that
	// is one of audiences; a bearer confirmation whose Recipient is recipient; its times; and whom it is about. The error is
	// directory.ErrAssertion for one that is not taken; any other means that nobody could say (503).
	VerifyBearer(ctx context.Context, assertion []byte, audiences []string, recipient string) (*directory.BearerAssertion, error)
}

// SAMLBearerGrant is the grant type of RFC 7522 §2.1.
const SAMLBearerGrant GrantType = "urn:ietf:params:oauth:grant-type:saml2-bearer"

// exchangeSAML redeems a SAML assertion.
func (a *assertionGrants) exchangeSAML(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	encoded := r.form.Value("assertion")
	if encoded == "" {
		return nil, invalidRequest("assertion is missing")
	}
	xml, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(encoded, "=")) // RFC 7522 §2.1: padding should not be there
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return nil, errAssertion
	}
	return a.retry(func() (*tokenResponse, error) {
		found, err := a.judgeSAML(ctx, r, xml)
		if err != nil {
			return nil, assertionError(err)
		}
		return a.redeem(ctx, r, found)
	})
}

func (a *assertionGrants) judgeSAML(ctx context.Context, r tokenRequest, xml []byte) (*redemption, error) {
	recipient := a.p.site.URL(pathToken)
	said, err := a.saml.VerifyBearer(ctx, xml, []string{a.p.site.Issuer(), recipient}, recipient)
	switch {
	case errors.Is(err, directory.ErrAssertion):
		return nil, errAssertion.because(err)
	case err != nil:
		return nil, unavailable(err)
	case said == nil || said.Issuer == "" || said.ID == "" || said.Expires.IsZero(): // could be used again and again
		return nil, unavailable(fmt.Errorf("oidc: SAMLVerifier returned an assertion without issuer, id or end: %+v", said))
	case !a.p.db.Now().Before(said.Expires):
		return nil, errAssertion
	}
	scopes, refusal := a.p.scopesForTheAsking(ctx, r)
	if refusal != nil {
		return nil, refusal
	}
	targets, err := a.targetsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	subject, err := a.p.config.Directory.Subjects.Get(ctx, said.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errAssertion.because(err)
	}
	if err != nil {
		return nil, err
	}
	return &redemption{
		issuer: said.Issuer, id: said.ID, until: said.Expires, subject: subject, typ: SAMLBearerGrant, scopes: scopes, audience: targets,
	}, nil
}
