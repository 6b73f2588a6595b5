package rp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
)

// Metadata is what of a provider's metadata is used here (OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3).
type Metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"`
	ScopesSupported       []string `json:"scopes_supported"`
	// RequirePAR says that requests are pushed (RFC 9126 §5), and RequireSignedRequest that they are signed (RFC 9101 §10.5).
	RequirePAR           bool `json:"require_pushed_authorization_requests"`
	RequireSignedRequest bool `json:"require_signed_request_object"`
	// ResponseIss says that each authorization response names the issuer.
	ResponseIss bool `json:"authorization_response_iss_parameter_supported"`
	// MTLSEndpoints are those for clients that show a certificate, where they are others (RFC 8705 §5).
	MTLSEndpoints MTLSEndpoints `json:"mtls_endpoint_aliases"`
}

// MTLSEndpoints are where a provider asks for certificates; "" is the ordinary endpoint.
type MTLSEndpoints struct {
	Token    string `json:"token_endpoint"`
	UserInfo string `json:"userinfo_endpoint"`
	PAR      string `json:"pushed_authorization_request_endpoint"`
}

const wellKnown = "/.well-known/openid-configuration"

// Metadata returns what is known of the provider, which is fetched at most once an hour. Errors are ErrUnavailable.
func (p *Provider) Metadata(ctx context.Context) (*Metadata, error) {
	if e := p.config.Endpoints; e != nil {
		return &Metadata{
			Issuer: p.config.Issuer, AuthorizationEndpoint: e.Authorization, TokenEndpoint: e.Token,
			UserinfoEndpoint: e.UserInfo, JWKSURI: e.JWKS, EndSessionEndpoint: e.EndSession, PAREndpoint: e.PAR,
		}, nil
	}
	return p.metadata.value(ctx, p.config.Now(), func(*Metadata) bool { return true }, p.discover)
}

func (p *Provider) discover(ctx context.Context) (*Metadata, error) {
	// OpenID Connect Discovery §4: a slash at the end is removed first.
	body, err := fetch(ctx, p.client, strings.TrimSuffix(p.config.Issuer, "/")+wellKnown, "application/json")
	if err != nil {
		return nil, err
	}
	m := new(Metadata)
	if err := strictjson.Unmarshal(body, m); err != nil {
		return nil, wrong("metadata", err)
	}
	if err := p.believe(m); err != nil {
		return nil, wrong("metadata", err)
	}
	return m, nil
}

// believe refuses metadata of another issuer (OpenID Connect Discovery §4.3), and endpoints in clear text.
func (p *Provider) believe(m *Metadata) error {
	want := p.config.Issuer
	if t := p.config.Tenants; t != nil && m.Issuer == t.Template {
		want = t.Template
	}
	if m.Issuer != want {
		return fmt.Errorf("they are those of another issuer, %q", shortened(m.Issuer))
	}
	if err := errors.Join(checkURL(m.AuthorizationEndpoint), checkURL(m.TokenEndpoint), checkURL(m.JWKSURI)); err != nil {
		return err
	}
	aliases := m.MTLSEndpoints
	for _, optional := range []string{m.UserinfoEndpoint, m.EndSessionEndpoint, m.PAREndpoint, aliases.Token, aliases.UserInfo, aliases.PAR} {
		if optional != "" {
			if err := checkURL(optional); err != nil {
				return err
			}
		}
	}
	return nil
}

// endpoint is where to send a request: the alias for clients with certificates, for those that have one (RFC 8705 §5).
func (p *Provider) endpoint(ordinary, alias string) string {
	if p.config.Certificate == nil || alias == "" {
		return ordinary
	}
	return alias
}

const tenantPlace = "{tenantid}"

// issuerOf reports whether a token's issuer is the provider's own, or that of an allowed tenant.
func (p *Provider) issuerOf(issuer, tenant string) bool {
	t := p.config.Tenants
	if t == nil {
		return issuer == p.config.Issuer
	}
	if !isTenant(tenant) || issuer != strings.ReplaceAll(t.Template, tenantPlace, tenant) {
		return false
	}
	if t.Allowed == nil {
		return true
	}
	for _, allowed := range t.Allowed {
		if allowed == tenant {
			return true
		}
	}
	return false
}

// isTenant keeps a claim from writing more than an id into the template.
func isTenant(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}
