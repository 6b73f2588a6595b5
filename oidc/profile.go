package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
)

// Profile is a set of rules that somebody has written down for a purpose, and that a provider or a client keeps to. A profile
// turns on the features that it needs and fills in what clients leave open; what contradicts it is refused, by New for the
// configuration and by Clients for a client.
type Profile string

// The profiles. The zero Profile is RFC 9700 and what OAuth 2.1 keeps of OAuth 2.0.
const (
	OAuth21 Profile = ""
	// FAPI1Advanced is Financial-grade API Security Profile 1.0, Part 2: Advanced.
	FAPI1Advanced Profile = "fapi1_advanced"
	// FAPI2Security is the FAPI 2.0 Security Profile.
	FAPI2Security Profile = "fapi2_security"
	// FAPI2MessageSigning is FAPI 2.0 Message Signing: FAPI2Security with signed requests, responses and introspection.
	FAPI2MessageSigning Profile = "fapi2_message_signing"
	// FAPICIBA is the FAPI CIBA Profile 1.0 on top of FAPI1Advanced.
	FAPICIBA Profile = "fapi_ciba"
	// MCP is what the Model Context Protocol asks of an authorization server: client id metadata documents, resource indicators
	// (RFC 8707), iss in responses (RFC 9207), public clients with PKCE.
	MCP Profile = "mcp"
)

// demand is one rule of a profile. Each function returns what contradicts it, "" for nothing; a nil function has nothing to judge.
type demand struct {
	clause, text string
	config       func(*Config) string
	client       func(*Client) string
	request      func(*authorizationRequest) string
}

// demands lists the rules of a profile.
func (p Profile) demands() ([]demand, error) {
	switch p {
	case OAuth21:
		return oauth21, nil
	case FAPI1Advanced:
		return fapi1Advanced, nil
	case FAPI2Security:
		return fapi2Security, nil
	case FAPI2MessageSigning:
		return slices.Concat(fapi2Security, fapi2MessageSigning), nil
	case FAPICIBA:
		return slices.Concat(fapi1Advanced, fapiCIBA), nil
	case MCP:
		return slices.Concat(oauth21, mcp), nil
	}
	return nil, fmt.Errorf("%q is not a profile", p)
}

// fill turns on the features that the profile cannot do without, as it wants them. What the host has set stays as it is, and is judged.
func (p Profile) fill(f *Features) {
	switch p {
	case FAPI1Advanced, FAPICIBA:
		on(&f.JAR, JAR{Required: true, ByReference: true, MaxLifetime: time.Hour})
		on(&f.JARM, JARM{})
		on(&f.PAR, PAR{})
		on(&f.MutualTLS, MutualTLS{})
		on(&f.ClientAssertions, ClientAssertions{})
	case FAPI2Security, FAPI2MessageSigning:
		on(&f.PAR, PAR{Required: true})
		on(&f.ClientAssertions, ClientAssertions{IssuerAudience: true})
		if f.MutualTLS == nil {
			on(&f.DPoP, DPoP{})
		}
	case MCP:
		on(&f.MetadataDocuments, MetadataDocuments{})
		on(&f.ResourceIndicators, ResourceIndicators{})
	}
	if p == FAPI2MessageSigning {
		on(&f.JAR, JAR{Required: true, MaxLifetime: time.Hour})
		on(&f.JARM, JARM{})
	}
}

// algorithms are those that the profile lets clients sign with; nil is all.
func (p Profile) algorithms() []jose.Algorithm {
	switch p {
	case FAPI1Advanced, FAPICIBA: // FAPI 1.0 Advanced §8.6
		return []jose.Algorithm{jose.PS256, jose.ES256}
	case FAPI2Security, FAPI2MessageSigning: // FAPI 2.0 Security Profile §5.4.1
		return []jose.Algorithm{jose.PS256, jose.ES256, jose.Ed25519, jose.EdDSA}
	}
	return nil
}

// narrow keeps those of the algorithms that the profile lets clients sign with.
func (p Profile) narrow(all []jose.Algorithm) []jose.Algorithm {
	permitted := p.algorithms()
	if permitted == nil {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(a jose.Algorithm) bool { return !slices.Contains(permitted, a) })
}

// on turns a feature on unless it is.
func on[F any](feature **F, as F) {
	if *feature == nil {
		*feature = &as
	}
}

// fillClient sets what a client of the profile leaves open and the profile leaves no choice about.
func (p Profile) fillClient(c *Client) {
	switch p {
	case FAPI1Advanced, FAPICIBA:
		c.RequireSignedRequest = c.RequireSignedRequest || len(c.GrantTypes) == 0 || c.allows(AuthorizationCode)
		for _, algorithm := range []*string{&c.IDTokenAlg, &c.AccessTokenAlg, &c.AuthorizationSignedResponseAlg} {
			*algorithm = cmp.Or(*algorithm, string(jose.PS256))
		}
		c.AuthMethod = cmp.Or(c.AuthMethod, PrivateKeyJWT)
		c.CertificateBoundTokens = true
	case FAPI2Security, FAPI2MessageSigning:
		for _, algorithm := range []*string{&c.IDTokenAlg, &c.AccessTokenAlg} {
			*algorithm = cmp.Or(*algorithm, string(jose.PS256))
		}
		c.AuthMethod = cmp.Or(c.AuthMethod, PrivateKeyJWT)
		c.RequirePAR, c.KeepRefreshToken = true, true
		c.DPoPBoundTokens = c.DPoPBoundTokens || !c.CertificateBoundTokens
		if p == FAPI2MessageSigning {
			c.RequireSignedRequest = true
			c.AuthorizationSignedResponseAlg = cmp.Or(c.AuthorizationSignedResponseAlg, string(jose.PS256))
		}
	}
}

// The rules.
var (
	// RFC 9700, draft-ietf-oauth-v2-1. What the provider always does (exact redirect URIs, one-time codes, …) is in docs/conformance.md;
	// these are the things that a configuration can get wrong.
	oauth21 = []demand{
		{
			clause: "RFC 9700 §2.1.2", text: "no access token leaves the authorization endpoint",
			config: func(c *Config) string { return unless(c.Features.Legacy == nil, "Features.Legacy is set") },
			client: func(c *Client) string {
				return unless(!slices.ContainsFunc(c.ResponseTypes, handsOutToken), "response_types has one that is answered with a token")
			},
		},
		exactRedirects("RFC 9700 §4.1.3"),
		{
			clause: "RFC 9700 §2.1.1", text: "every client uses PKCE",
			client: func(c *Client) string { return unless(!c.InsecureOptionalPKCE, "insecure_optional_pkce is set") },
		},
		{
			clause: "RFC 9700 §2.4", text: "nobody gives a password to a client",
			client: func(c *Client) string { return unless(!c.allows(PasswordGrant), "grant_types has password") },
		},
		{
			clause: "RFC 9700 §2.2.2", text: "refresh tokens of public clients rotate",
			client: func(c *Client) string {
				return unless(!c.Public() || !c.KeepRefreshToken || c.DPoPBoundTokens, "keep_refresh_token is set for a public client whose tokens are not bound")
			},
		},
	}

	fapi1Advanced = []demand{
		{
			clause: "FAPI 1.0 Advanced §5.2.2-1", text: "requests are signed objects, by value, by reference or pushed",
			config: func(c *Config) string {
				return unless(signedForAnHour(c.Features.JAR), "Features.JAR is off, or without Required, or without a MaxLifetime of at most an hour")
			},
			client: func(c *Client) string {
				return unless(c.RequireSignedRequest || !c.allows(AuthorizationCode), "require_signed_request_object is not set")
			},
		},
		{
			clause: "FAPI 1.0 Advanced §5.2.2-2", text: "the response type is code id_token, or code in a signed response",
			config: func(c *Config) string {
				return unless(c.Features.JARM != nil || c.Features.Legacy != nil, "neither Features.JARM nor Features.Legacy is on")
			},
			client: func(c *Client) string {
				return unless(!slices.ContainsFunc(c.ResponseTypes, func(t string) bool { return t != responseCode && t != responseCodeIDToken }), "response_types has more than code and code id_token")
			},
			request: func(q *authorizationRequest) string {
				signed := q.ResponseType != responseCode || strings.Contains(q.ResponseMode, "jwt")
				return unless(signed, "response_type code needs a response_mode that is signed")
			},
		},
		{
			clause: "FAPI 1.0 Baseline §5.2.2.2, §5.2.2.3", text: "requests with openid have a nonce, and the others a state",
			request: func(q *authorizationRequest) string {
				if q.openID() {
					return unless(q.Nonce != "", "nonce is missing")
				}
				return unless(q.State != "", "state is missing")
			},
		},
		{
			clause: "FAPI 1.0 Advanced §5.2.2-5", text: "access tokens are bound to certificates",
			config: func(c *Config) string { return unless(c.Features.MutualTLS != nil, "Features.MutualTLS is off") },
			client: func(c *Client) string {
				return unless(c.CertificateBoundTokens, "tls_client_certificate_bound_access_tokens is not set")
			},
		},
		confidential("FAPI 1.0 Advanced §5.2.2-14"),
		strongAlgorithms("FAPI 1.0 Advanced §8.6", FAPI1Advanced),
		exactRedirects("FAPI 1.0 Baseline §5.2.2-10"),
		httpsRedirects("FAPI 1.0 Baseline §5.2.2-20"),
		noPassword("FAPI 1.0 Baseline §5.2.2"),
	}

	fapi2Security = []demand{
		noPassword("FAPI 2.0 Security Profile §5.3.2.1-2"),
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.1-8", text: "client assertions are for the issuer alone",
			config: func(c *Config) string {
				return unless(c.Features.ClientAssertions == nil || c.Features.ClientAssertions.IssuerAudience && !c.Features.ClientAssertions.InsecureReuse,
					"Features.ClientAssertions is without IssuerAudience, or with InsecureReuse")
			},
		},
		confidential("FAPI 2.0 Security Profile §5.3.2.1-3, -5"),
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.1-4", text: "access tokens are bound to a key or a certificate",
			config: func(c *Config) string {
				return unless(c.Features.DPoP != nil || c.Features.MutualTLS != nil, "neither Features.DPoP nor Features.MutualTLS is on")
			},
			client: func(c *Client) string {
				return unless(c.DPoPBoundTokens || c.CertificateBoundTokens, "neither dpop_bound_access_tokens nor tls_client_certificate_bound_access_tokens is set")
			},
		},
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.1-9", text: "refresh tokens do not rotate",
			client: func(c *Client) string {
				return unless(c.KeepRefreshToken || !c.allows(RefreshToken), "keep_refresh_token is not set")
			},
		},
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.2-1", text: "the response type is code",
			client: func(c *Client) string {
				return unless(!slices.ContainsFunc(c.ResponseTypes, func(t string) bool { return t != "code" }), "response_types has more than code")
			},
		},
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.2-2, -3", text: "requests are pushed",
			config: func(c *Config) string {
				return unless(c.Features.PAR != nil && c.Features.PAR.Required, "Features.PAR is off, or without Required")
			},
			client: func(c *Client) string {
				return unless(c.RequirePAR || !c.allows(AuthorizationCode), "require_pushed_authorization_requests is not set")
			},
		},
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.2-5", text: "PKCE with S256",
			client: func(c *Client) string { return unless(!c.InsecureOptionalPKCE, "insecure_optional_pkce is set") },
		},
		{
			clause: "FAPI 2.0 Security Profile §5.3.2.2-11", text: "codes live for at most 60 seconds",
			config: func(c *Config) string {
				return unless(c.CodeLifetime <= time.Minute, "CodeLifetime is longer than a minute")
			},
		},
		exactRedirects("RFC 9700 §4.1.3"),
		httpsRedirects("FAPI 2.0 Security Profile §5.3.2.2-8"),
		strongAlgorithms("FAPI 2.0 Security Profile §5.4.1", FAPI2Security),
	}

	fapi2MessageSigning = []demand{
		{
			clause: "FAPI 2.0 Message Signing §5.3.1", text: "pushed requests are signed",
			config: func(c *Config) string {
				return unless(signedForAnHour(c.Features.JAR), "Features.JAR is off, or without Required, or without a MaxLifetime of at most an hour")
			},
			client: func(c *Client) string {
				return unless(c.RequireSignedRequest || !c.allows(AuthorizationCode), "require_signed_request_object is not set")
			},
		},
		{
			clause: "FAPI 2.0 Message Signing §5.4.1", text: "responses are signed",
			config: func(c *Config) string { return unless(c.Features.JARM != nil, "Features.JARM is off") },
		},
	}

	// What is judged with each request is in cibarequest.go and cibaGrant.demandContext.
	fapiCIBA = []demand{
		{
			clause: "FAPI-CIBA §5.2.2-1", text: "clients of the backchannel authenticate",
			client: func(c *Client) string {
				return unless(!c.Public() || !c.allows(BackchannelAuthentication), "token_endpoint_auth_method is none")
			},
		},
		{
			clause: "FAPI-CIBA §5.2.2-2", text: "a person can tell requests apart by binding_message or authorization details",
			config: func(c *Config) string {
				bound := c.Profile == FAPICIBA || c.Features.CIBA != nil && c.Features.CIBA.RequireBindingMessage
				return unless(bound, "Features.CIBA is without RequireBindingMessage")
			},
		},
		{
			clause: "FAPI-CIBA §5.2.2-3", text: "tokens are fetched, not pushed",
			config: func(c *Config) string {
				return unless(c.Features.CIBA != nil && !c.Features.CIBA.Push, "Features.CIBA is off, or with Push")
			},
			client: func(c *Client) string {
				return unless(c.TokenDeliveryMode != deliverPush, "backchannel_token_delivery_mode is push")
			},
		},
		{
			clause: "FAPI-CIBA §5.2.2-6", text: "authentication requests are signed",
			client: func(c *Client) string {
				signed := c.BackChannelRequestSigningAlg != "" || !c.allows(BackchannelAuthentication)
				return unless(signed, "backchannel_authentication_request_signing_alg is not set")
			},
		},
	}

	mcp = []demand{
		{
			clause: "MCP 2025-11-25 Authorization, Client ID Metadata Documents", text: "clients are known by their metadata documents, or register themselves",
			config: func(c *Config) string {
				return unless(c.Features.MetadataDocuments != nil || c.Features.Registration != nil, "neither Features.MetadataDocuments nor Features.Registration is on")
			},
		},
		{
			clause: "RFC 8707 §2", text: "tokens are for the server that was asked for",
			config: func(c *Config) string {
				return unless(c.Features.ResourceIndicators != nil, "Features.ResourceIndicators is off")
			},
		},
	}
)

func handsOutToken(responseType string) bool {
	return slices.Contains(strings.Fields(responseType), "token")
}

// signedForAnHour reports whether every request is signed, for this provider, and for at most an hour.
func signedForAnHour(f *JAR) bool {
	return f != nil && f.Required && f.MaxLifetime > 0 && f.MaxLifetime <= time.Hour && !f.InsecureUnsigned
}

// unless returns the problem unless all is well.
func unless(well bool, problem string) string {
	if well {
		return ""
	}
	return problem
}

func confidential(clause string) demand {
	return demand{clause: clause, text: "clients authenticate by a key or a certificate", client: func(c *Client) string {
		return unless(c.AuthMethod.strong(), "token_endpoint_auth_method is neither private_key_jwt nor mutual TLS")
	}}
}

// strong reports whether a client that authenticates so shows nobody what it proves itself with.
func (m AuthMethod) strong() bool {
	return slices.Contains([]AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth}, m)
}

// methods are those of the served ones that clients of the profile may be registered for.
func (p Profile) methods(served ...AuthMethod) []AuthMethod {
	if p.algorithms() == nil { // none of FAPI's
		return served
	}
	return slices.DeleteFunc(served, func(m AuthMethod) bool { return !m.strong() })
}

func noPassword(clause string) demand {
	return demand{clause: clause, text: "nobody gives a password to a client", client: func(c *Client) string {
		return unless(!c.allows(PasswordGrant), "grant_types has password")
	}}
}

func exactRedirects(clause string) demand {
	return demand{clause: clause, text: "redirect URIs are compared byte by byte", client: func(c *Client) string {
		return unless(len(c.InsecureRedirectPatterns) == 0, "insecure_redirect_patterns is set")
	}}
}

func httpsRedirects(clause string) demand {
	return demand{clause: clause, text: "redirect URIs are https", client: func(c *Client) string {
		plain := func(uri string) bool { return !strings.HasPrefix(uri, "https://") }
		return unless(!slices.ContainsFunc(c.RedirectURIs, plain), "redirect_uris has one that is not https")
	}}
}

func strongAlgorithms(clause string, profile Profile) demand {
	return demand{clause: clause, text: "signatures are made with strong algorithms", client: func(c *Client) string {
		for _, algorithm := range []string{
			c.IDTokenAlg, c.AccessTokenAlg, c.AuthSigningAlg, c.RequestObjectSigningAlg, c.AuthorizationSignedResponseAlg,
			c.UserInfoSignedResponseAlg, c.IntrospectionSignedResponseAlg, c.BackChannelRequestSigningAlg,
		} {
			if algorithm != "" && !slices.Contains(profile.algorithms(), jose.Algorithm(algorithm)) {
				return algorithm + " is not one of the profile's algorithms"
			}
		}
		return ""
	}}
}

// judge returns what in the configuration contradicts the profile.
func (p Profile) judge(c *Config) error {
	demands, err := p.demands()
	if err != nil {
		return fmt.Errorf("oidc: Config.Profile %w", err)
	}
	var problems []error
	for _, d := range demands {
		if d.config == nil {
			continue
		}
		if problem := d.config(c); problem != "" && p != OAuth21 {
			problems = append(problems, fmt.Errorf("oidc: Config.Profile %s: %s, but %s (%s)", p, problem, d.text, d.clause))
		}
	}
	return errors.Join(problems...)
}

// checkProfiles judges a client by the provider's profile and by its own.
func (p *Provider) checkProfiles(c *Client, bad report) {
	for _, profile := range p.profilesOf(c) {
		demands, err := profile.demands()
		if err != nil {
			bad("profile", "%v", err)
			continue
		}
		if profile == OAuth21 { // what is weaker has a name that says so, and was chosen by it
			continue
		}
		for _, d := range demands {
			if d.client == nil {
				continue
			}
			if problem := d.client(c); problem != "" {
				bad("profile", "is %s, but %s: %s (%s)", profile, problem, d.text, d.clause)
			}
		}
	}
}

// profilesOf are those that a client keeps to: the provider's, and its own.
func (p *Provider) profilesOf(c *Client) []Profile {
	return slices.Compact([]Profile{p.config.Profile, c.Profile})
}

// inFAPI1 reports whether a client keeps to FAPI 1.0 Advanced.
func (p *Provider) inFAPI1(c *Client) bool {
	return slices.ContainsFunc(p.profilesOf(c), func(profile Profile) bool { return profile == FAPI1Advanced || profile == FAPICIBA })
}

// permitted keeps those of the algorithms that a client may sign with by its profiles.
func (p *Provider) permitted(c *Client, all []jose.Algorithm) []jose.Algorithm {
	for _, profile := range p.profilesOf(c) {
		all = profile.narrow(all)
	}
	return all
}

// keepsToProfiles judges a request by the profiles of its client.
func (p *Provider) keepsToProfiles(q *authorizationRequest, c *Client) *Error {
	for _, profile := range p.profilesOf(c) {
		demands, err := profile.demands()
		if err != nil {
			return unavailable(err)
		}
		for _, d := range demands {
			if d.request == nil {
				continue
			}
			if problem := d.request(q); problem != "" {
				return invalidRequest(problem)
			}
		}
	}
	return nil
}

// Report grades a running provider against a profile.
type Report struct {
	Profile  Profile
	Findings []Finding
}

// Finding is one rule of a profile, and whether it is kept.
type Finding struct {
	// Clause is where the rule stands, Rule what it demands.
	Clause, Rule string
	// ClientID is the client that breaks it; "" is the configuration.
	ClientID string
	// Problem is what contradicts the rule; "" is nothing.
	Problem string
}

// Met reports whether every rule is kept.
func (r *Report) Met() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Problem != "" })
}

// Report grades the running configuration and every registered client against a profile, with reasons: what would have to change before
// Config.Profile could name it. Rules that are kept are in it too, once.
func (p *Provider) Report(ctx context.Context, profile Profile) (*Report, error) {
	demands, err := profile.demands()
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	r := &Report{Profile: profile}
	broken := map[string]bool{}
	note := func(d demand, clientID, problem string) {
		if problem != "" {
			broken[d.clause] = true
			r.Findings = append(r.Findings, Finding{d.clause, d.text, clientID, problem})
		}
	}
	for _, d := range demands {
		if d.config != nil {
			note(d, "", d.config(&p.config))
		}
	}
	for c, err := range p.Clients.stored.All(ctx, store.Query{Within: store.Subtree}) {
		if err != nil {
			return nil, err
		}
		for _, d := range demands {
			if d.client != nil {
				note(d, c.ClientID, d.client(c))
			}
		}
	}
	for _, d := range demands {
		if !broken[d.clause] {
			r.Findings = append(r.Findings, Finding{Clause: d.clause, Rule: d.text})
		}
	}
	return r, nil
}
