package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// ClientAssertions lets clients authenticate with a JWT that they sign for the occasion (RFC 7521 §4.2, RFC 7523 §2.2, OpenID Connect
// Core §9): private_key_jwt with a key of theirs (Client.JWKS or Client.JWKSURI). Each assertion counts once.
//
// An assertion is by and about the client (iss and sub), says when it expires (exp) and has a name of its own (jti). Its audience
// is this provider and nobody else. Clocks may differ by 30 seconds.
type ClientAssertions struct {
	// Algorithms are those that private_key_jwt may be signed with, out of RS256, PS256, ES256, Ed25519, EdDSA and their longer kin; nil is
	// all that Config.Profile permits. Client.AuthSigningAlg narrows it to one.
	Algorithms []string
	// SharedSecrets admits client_secret_jwt too, which is signed with the client secret (HS256, and the longer kin where the secret is
	// long enough). The secrets of these clients are then not only hashed but kept, sealed under the key ring.
	SharedSecrets bool
	// IssuerAudience accepts no other audience than the issuer, as a string and not as a list (RFC 7523bis §4, FAPI 2.0 Security
	// Profile §5.3.2.1). Without it the URL of the token endpoint, and that of the endpoint in use, are audiences too, because many
	// clients know no other.
	IssuerAudience bool
	// MaxLifetime is how far in the future an assertion may expire, at most a day; zero is one hour. So long it is remembered.
	MaxLifetime time.Duration
	// InsecureReuse lets an assertion be used again until it expires: whoever reads one can be the client for so long.
	InsecureReuse bool
}

// The methods by which a client authenticates with an assertion (OpenID Connect Core §9).
const (
	PrivateKeyJWT   AuthMethod = "private_key_jwt"
	ClientSecretJWT AuthMethod = "client_secret_jwt"
)

// clientAssertionType is the one client_assertion_type (RFC 7523 §2.2).
const clientAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	// clientAssertionSkew is how far clocks may differ: more than 10 and less than 60 seconds (FAPI 2.0 Security Profile §5.3.2.1).
	clientAssertionSkew = 30 * time.Second
	// replayMargin is how much longer a mark stands than what it marks, for nodes whose clocks differ.
	replayMargin = time.Minute

	maxAssertionLifetime = 24 * time.Hour
)

// clientAssertionTyps are the values of "typ" that an assertion may have (RFC 7523bis §4 has the last).
func clientAssertionTyps() []string { return []string{"", "JWT", "client-authentication+jwt"} }

// assertionRules is ClientAssertions with its defaults.
type assertionRules struct {
	ClientAssertions
	private, symmetric []jose.Algorithm
}

func (f ClientAssertions) part(p *Provider) (part, error) {
	var problems []error
	rules := &assertionRules{ClientAssertions: f, private: p.config.Profile.narrow(jose.Supported())}
	if f.Algorithms != nil {
		rules.private = nil
		for _, name := range f.Algorithms {
			rules.private = append(rules.private, jose.Algorithm(name))
			if !slices.Contains(jose.Supported(), jose.Algorithm(name)) {
				problems = append(problems, fmt.Errorf("oidc: Config.Features.ClientAssertions.Algorithms: %q is not a known algorithm of a key pair", name))
			}
		}
		if len(f.Algorithms) == 0 {
			problems = append(problems, errors.New("oidc: Config.Features.ClientAssertions.Algorithms is empty: nil is all"))
		}
	}
	switch {
	case f.MaxLifetime == 0:
		rules.MaxLifetime = time.Hour
	case f.MaxLifetime < time.Minute || f.MaxLifetime > maxAssertionLifetime:
		problems = append(problems, fmt.Errorf("oidc: Config.Features.ClientAssertions.MaxLifetime must be between a minute and %s", maxAssertionLifetime))
	}
	methods := []AuthMethod{PrivateKeyJWT}
	if f.SharedSecrets {
		rules.symmetric = jose.Symmetric()
		methods = append(methods, ClientSecretJWT)
	}
	p.assertions = rules
	return part{
		features: []string{"client assertions"}, methods: methods, check: rules.check,
		describe: func(m *metadata) {
			names := rules.names()
			m.TokenAuthAlgs, m.IntrospectionAuthAlgs, m.RevocationAuthAlgs = names, names, names
		},
	}, errors.Join(problems...)
}

func (r *assertionRules) names() []string {
	var names []string
	for _, a := range slices.Concat(r.private, r.symmetric) {
		names = append(names, string(a))
	}
	return names
}

// algorithms are those that a client may sign with.
func (r *assertionRules) algorithms(c *Client) []jose.Algorithm {
	all := r.private
	if c.AuthMethod == ClientSecretJWT {
		all = r.symmetric
	}
	pinned := jose.Algorithm(c.AuthSigningAlg)
	switch {
	case pinned == "":
		return all
	case slices.Contains(all, pinned):
		return []jose.Algorithm{pinned}
	}
	return []jose.Algorithm{} // not nil, which would be all
}

func (r *assertionRules) check(c *Client, bad report) {
	byAssertion := c.AuthMethod == PrivateKeyJWT || c.AuthMethod == ClientSecretJWT
	switch {
	case c.AuthSigningAlg != "" && !byAssertion:
		bad("token_endpoint_auth_signing_alg", "is for clients that authenticate by an assertion")
	case c.AuthSigningAlg != "" && len(r.algorithms(c)) == 0:
		bad("token_endpoint_auth_signing_alg", "%q is not supported for %s", c.AuthSigningAlg, c.AuthMethod)
	}
	if c.AuthMethod == PrivateKeyJWT && !c.hasKeys() {
		bad("jwks", "or jwks_uri is required for private_key_jwt")
	}
	if c.AuthMethod == ClientSecretJWT && c.SealedSecret == "" {
		bad("client_secret", "is kept only as a hash: the client needs a new one (Clients.RotateSecret)")
	}
}

// clientAssertion is what an assertion says (RFC 7523 §3).
type clientAssertion struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	jose.Times
	JTI string `json:"jti"`
}

// authenticateByAssertion proves who a client is by the assertion that it has sent (RFC 7521 §4.2). Nothing is written before all
// else is found good.
func (p *Provider) authenticateByAssertion(ctx context.Context, request clientRequest) (*Client, AuthMethod, error) {
	text := request.form.Value("client_assertion")
	switch {
	case p.assertions == nil:
		return nil, "", invalidClient("client assertions are not supported")
	case request.authorization != "" || request.form.Has("client_secret"): // RFC 6749 §2.3
		return nil, "", invalidRequest("the client authenticates in more than one way")
	case request.form.Value("client_assertion_type") != clientAssertionType || text == "":
		return nil, "", invalidRequest("client_assertion and client_assertion_type must stand together, the latter for JWT")
	}
	unverified, said, err := readClientAssertion(text)
	if err != nil {
		return nil, "", errClient.because(err)
	}
	if id := request.form.Value("client_id"); id != "" && id != said.Subject { // RFC 7521 §4.2
		return nil, "", invalidRequest("client_id is not the subject of the assertion")
	}
	c, err := p.Clients.find(ctx, said.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", errClient
	}
	if err != nil {
		return nil, "", asError(err)
	}
	if err := p.verifyClientAssertion(ctx, unverified, c); err != nil {
		return nil, "", err
	}
	if err := p.assertions.judge(said, c, p.assertionAudiences(p.site.Origin()+request.path), p.db.Now()); err != nil {
		return nil, "", errClient.because(err)
	}
	if err := p.spendClientAssertion(ctx, said, c); err != nil {
		return nil, "", err
	}
	return c, c.AuthMethod, nil
}

// readClientAssertion reads what an assertion says, before it is verified: whose it claims to be tells whose key to look for. What
// was read is what is verified, since a token has one reading.
func readClientAssertion(text string) (jose.Unverified, *clientAssertion, error) {
	unverified, err := jose.Parse(text)
	if err != nil {
		return unverified, nil, err
	}
	var said clientAssertion
	if err := strictjson.Unmarshal(unverified.Payload(), &said); err != nil {
		return unverified, nil, err
	}
	return unverified, &said, nil
}

// verifyClientAssertion verifies the signature, by the method, the algorithm and the keys that the client is registered with. Keys in the
// header are never looked at.
func (p *Provider) verifyClientAssertion(ctx context.Context, unverified jose.Unverified, c *Client) error {
	if c.AuthMethod != PrivateKeyJWT && c.AuthMethod != ClientSecretJWT {
		return errClient.because(errors.New("the client used an assertion, but is registered for " + string(c.AuthMethod)))
	}
	v := jose.Verifier{Types: clientAssertionTyps(), Algorithms: p.permitted(c, p.assertions.algorithms(c))}
	_, _, err := v.VerifyParsed(unverified, func(h jose.Header) (jose.PublicKey, error) {
		if c.AuthMethod == PrivateKeyJWT {
			return p.clientSigningKey(ctx, c, h)
		}
		key, err := p.Clients.secret(c)
		return jose.PublicKey{Algorithm: h.Alg, Key: []byte(key.Reveal())}, err
	})
	switch {
	case err == nil:
		return nil
	case isClientKeyFault(err):
		return errClient.because(err)
	}
	return unavailable(err)
}

// assertionAudiences are the names that we go by at an endpoint, the issuer first (RFC 7523 §3, RFC 9126 §2).
func (p *Provider) assertionAudiences(endpoint string) []string {
	names := []string{p.site.Issuer()}
	if p.assertions.IssuerAudience {
		return names
	}
	return append(names, p.aliases(p.site.URL(pathToken), endpoint)...)
}

// judge returns why an assertion is not good; nil is good.
func (r *assertionRules) judge(said *clientAssertion, c *Client, audiences []string, now time.Time) error {
	switch {
	case said.Issuer != c.ClientID || said.Subject != c.ClientID: // RFC 7523 §3, rules 1 and 2
		return errors.New("iss and sub are not the client")
	case said.Exp.IsZero(): // rule 4
		return errors.New("exp is missing")
	case !now.Before(said.Exp.Add(clientAssertionSkew)):
		return errors.New("the assertion has expired")
	case said.Exp.After(now.Add(r.MaxLifetime + clientAssertionSkew)):
		return errors.New("the assertion expires too late")
	case said.Nbf.After(now.Add(clientAssertionSkew)): // rule 5
		return errors.New("the assertion does not hold yet")
	case said.Iat.After(now.Add(clientAssertionSkew)): // rule 6
		return errors.New("the assertion was made in the future")
	case said.JTI == "" && !r.InsecureReuse: // OpenID Connect Core §9
		return errors.New("jti is missing")
	}
	return r.judgeAudience(said.Audience, audiences)
}

// judgeAudience demands that an assertion is for us and for nobody else, who could otherwise use it here (CVE-2025-27370): every name
// is one of ours, byte by byte.
func (r *assertionRules) judgeAudience(said json.RawMessage, audiences []string) error {
	var one string
	if json.Unmarshal(said, &one) == nil {
		if one == "" || !slices.Contains(audiences, one) {
			return errors.New("aud is not this provider")
		}
		return nil
	}
	var all []string
	if r.IssuerAudience || json.Unmarshal(said, &all) != nil || len(all) == 0 {
		return errors.New("aud is not this provider, or not in the form that is demanded")
	}
	for _, name := range all {
		if name == "" || !slices.Contains(audiences, name) {
			return errors.New("aud names somebody else too")
		}
	}
	return nil
}

// spendClientAssertion uses an assertion up (OpenID Connect Core §9: jti). The mark stands as long as the assertion could be accepted.
func (p *Provider) spendClientAssertion(ctx context.Context, said *clientAssertion, c *Client) error {
	if p.assertions.InsecureReuse {
		return nil
	}
	issued := said.Exp.Add(-p.assertions.MaxLifetime) // before that, nobody accepted it
	if said.Iat.After(issued) {
		issued = said.Iat.Time
	}
	id := secret.Hash("client_assertion\x00" + c.ClientID + "\x00" + said.JTI)
	first, err := p.spend(ctx, id, issued, said.Exp.Add(clientAssertionSkew+replayMargin), clientAssertionSkew)
	if err != nil {
		return err
	}
	if !first {
		p.observe(ctx, directory.Observation{Type: "client_assertion.reused", ClientID: c.ClientID})
		return errClient.because(errors.New("the assertion was used before"))
	}
	return nil
}
