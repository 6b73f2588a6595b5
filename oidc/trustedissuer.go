package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// TrustedIssuer is somebody else whose word is taken for who a person is, when a client brings a JWT of theirs to the token
// endpoint (RFC 7523 §3, RFC 8693 §2.1). Nobody signs in there. Of what the JWT says only the subject is taken over.
type TrustedIssuer struct {
	// Issuer is the iss of its tokens, compared byte by byte. Required.
	Issuer string
	// Alias is a further aud that means us, besides our issuer identifier and the URL of the token endpoint: the name by which the
	// issuer knows the provider.
	Alias string
	// JWKS is its key set (RFC 7517 §5); JWKSURI is where it publishes it, https. One of the two is required.
	JWKS    json.RawMessage
	JWKSURI string
	// Algorithms are what it may sign with: of those that Algorithms lists. Empty is all of them.
	Algorithms []string
	// Organization is where its people live here.
	Organization string

	// Accounts says what becomes of somebody who has no account here. The zero value refuses them.
	Accounts AccountPolicy
	// Linked returns the Subject that somebody's name at the issuer stands for here, or store.ErrNotFound; any other error is a
	// failure (503). Nil is Config.Links, or knows nobody.
	Linked func(ctx context.Context, issuer, name string) (store.Ref, error)
	// Match finds the account of somebody who is not linked by what their token says of them: in all ways named, which must not
	// lead to two people. Empty finds nobody. Whoever can choose their name at the issuer can then choose whom to be here.
	Match []AccountMatch
}

// Links knows who somebody is here whom another issuer knows, because that person has linked the two. A *federated.Connections is one.
type Links interface {
	// Linked returns the Subject, or store.ErrNotFound; any other error is a failure (503).
	Linked(ctx context.Context, issuer, name string) (store.Ref, error)
}

// AccountPolicy is what becomes of people of a TrustedIssuer.
type AccountPolicy string

// The policies.
const (
	// AccountRequired refuses those who have no account here.
	AccountRequired AccountPolicy = ""
	// AccountPreferred takes them as outsiders: a directory.Outsider, whose sub is made of issuer and name, of whom nothing else
	// is known, and whose scopes are no more than the client's.
	AccountPreferred AccountPolicy = "preferred"
	// AccountIgnored takes everybody as an outsider, also those who have an account here.
	AccountIgnored AccountPolicy = "ignored"
)

// AccountMatch is a way to find an account by what a token says.
type AccountMatch string

// The ways.
const (
	// MatchUsername takes preferred_username for the user name here.
	MatchUsername AccountMatch = "username"
	// MatchEmail takes email for the address here, when both sides say that it is verified.
	MatchEmail AccountMatch = "email"
)

// trustedIssuer is a TrustedIssuer at work.
type trustedIssuer struct {
	TrustedIssuer
	algorithms []jose.Algorithm
	// keys is the key set that was configured; nil where it is published.
	keys []jose.PublicKey
}

// trustedIssuers finds them by their names.
type trustedIssuers map[string]*trustedIssuer

// trust checks the issuers that a feature names; field says where.
func (p *Provider) trust(field string, configured []TrustedIssuer) (trustedIssuers, error) {
	known := trustedIssuers{}
	var problems []error
	for i, c := range configured {
		bad := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("oidc: Config.Features.%s[%d]: %w", field, i, fmt.Errorf(format, args...)))
		}
		if c.Linked == nil && p.config.Links != nil && c.Accounts != AccountIgnored {
			c.Linked = p.config.Links.Linked
		}
		made := &trustedIssuer{TrustedIssuer: c}
		switch {
		case c.Issuer == "":
			bad("Issuer is required")
		case c.Issuer == p.site.Issuer():
			bad("Issuer is the provider itself")
		case known[c.Issuer] != nil:
			bad("Issuer %q stands twice", c.Issuer)
		}
		made.readKeys(p, bad)
		made.readAlgorithms(bad)
		made.judgeAccounts(bad)
		known[c.Issuer] = made
	}
	return known, errors.Join(problems...)
}

func (i *trustedIssuer) readKeys(p *Provider, bad func(string, ...any)) {
	switch {
	case (len(i.JWKS) == 0) == (i.JWKSURI == ""):
		bad("one of JWKS and JWKSURI is required")
	case i.JWKSURI != "":
		if err := p.fetch.Check(i.JWKSURI); err != nil {
			bad("JWKSURI: %w", err)
		}
	default:
		keys, err := jose.ParseSet(i.JWKS)
		if err == nil && len(keys) == 0 {
			err = errors.New("no keys")
		}
		if err != nil {
			bad("JWKS: %w", err)
		}
		i.keys = keys
	}
}

func (i *trustedIssuer) readAlgorithms(bad func(string, ...any)) {
	if len(i.Algorithms) == 0 {
		i.algorithms = jose.Supported()
		return
	}
	for _, name := range i.Algorithms {
		if !slices.Contains(jose.Supported(), jose.Algorithm(name)) {
			bad("Algorithms: %q is not supported", name)
		}
		i.algorithms = append(i.algorithms, jose.Algorithm(name))
	}
}

func (i *trustedIssuer) judgeAccounts(bad func(string, ...any)) {
	if !slices.Contains([]AccountPolicy{AccountRequired, AccountPreferred, AccountIgnored}, i.Accounts) {
		bad("Accounts: %q is not a policy", i.Accounts)
	}
	for _, way := range i.Match {
		if way != MatchUsername && way != MatchEmail {
			bad("Match: %q is not a way", way)
		}
	}
	finds := i.Linked != nil || len(i.Match) > 0
	switch {
	case i.Accounts == AccountRequired && !finds:
		bad("Accounts demands an account, and neither Linked nor Match finds one")
	case i.Accounts == AccountIgnored && finds:
		bad("Accounts ignores what Linked and Match find")
	}
}

// errForeign says that a token of another issuer is none that is taken; its cause is for the log.
var errForeign = errors.New("oidc: the token is not one of an issuer that is trusted here")

// open verifies a token of another issuer: its type, its signature, and what it must say. The error is errForeign, or a failure.
func (t trustedIssuers) open(ctx context.Context, p *Provider, token string, want demands, types ...string) (*assertion, *trustedIssuer, error) {
	unverified, err := jose.Parse(token)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	said, err := parseAssertion(unverified.Payload())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	issuer := t[said.Issuer]
	if issuer == nil {
		return nil, nil, fmt.Errorf("%w: another issuer", errForeign)
	}
	if err := issuer.verify(ctx, p, unverified, types); err != nil {
		return nil, nil, err
	}
	want.issuer = issuer.Issuer
	if want.audiences == nil {
		want.audiences = issuer.audiences(p)
	}
	if err := said.judge(want, p.db.Now()); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	return said, issuer, nil
}

// publishedIssuerKeys are the key sets at JWKSURI (RFC 7517 §5).
var publishedIssuerKeys = fetch.Kind[[]jose.PublicKey]{
	Name: "issuer jwks", Types: []string{"application/json", "application/jwk-set+json"}, Decode: jose.ParseSet,
}

func (i *trustedIssuer) verify(ctx context.Context, p *Provider, unverified jose.Unverified, types []string) error {
	v := jose.Verifier{Algorithms: i.algorithms, Types: types}
	_, _, err := v.VerifyParsed(unverified, func(h jose.Header) (jose.PublicKey, error) {
		find := func(keys []jose.PublicKey) (jose.PublicKey, error) { return jose.Find(keys, h) }
		if i.JWKSURI != "" {
			return findPublishedKey(ctx, p, publishedIssuerKeys, i.JWKSURI, find)
		}
		return find(i.keys)
	})
	switch {
	case isTokenFault(err):
		return fmt.Errorf("%w: %w", errForeign, err)
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// audiences are the names by which a token may call us.
func (i *TrustedIssuer) audiences(p *Provider) []string {
	names := []string{p.site.Issuer(), p.site.URL(pathToken)}
	if i.Alias != "" {
		names = append(names, i.Alias)
	}
	return names
}

// subjectOf returns who a token of the issuer is about: an account here where there is one and the policy looks for it. errForeign
// says that there is none, or more than one.
func (i *trustedIssuer) subjectOf(ctx context.Context, p *Provider, said *assertion) (*directory.Subject, error) {
	subject, err := i.accountOf(ctx, p, said)
	switch {
	case err != nil:
		return nil, err
	case subject != nil:
		return subject, nil
	case i.Accounts == AccountRequired:
		return nil, fmt.Errorf("%w: nobody here has the account", errForeign)
	}
	return p.config.Directory.Subjects.Outsider(ctx, i.Organization, i.Issuer, said.Subject)
}

// accountOf returns the account that is linked, or found; nil is none.
func (i *trustedIssuer) accountOf(ctx context.Context, p *Provider, said *assertion) (*directory.Subject, error) {
	if i.Accounts == AccountIgnored {
		return nil, nil
	}
	if i.Linked != nil {
		ref, err := i.Linked(ctx, i.Issuer, said.Subject)
		if err == nil {
			return absentAsNil(p.config.Directory.Subjects.Get(ctx, ref))
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	var found *directory.User
	for _, way := range i.Match {
		u, err := i.find(ctx, p, way, said)
		if err != nil {
			return nil, err
		}
		switch {
		case u == nil:
		case found != nil && found.ID != u.ID:
			return nil, fmt.Errorf("%w: what it says leads to two people", errForeign)
		default:
			found = u
		}
	}
	if found == nil {
		return nil, nil
	}
	return p.config.Directory.SubjectOf(ctx, found)
}

// find looks for the account in one way; nil is nobody. What is not verified on both sides finds nobody.
func (i *trustedIssuer) find(ctx context.Context, p *Provider, way AccountMatch, said *assertion) (*directory.User, error) {
	by := directory.Identifier{Name: directory.ByUsername, Value: said.Username}
	if way == MatchEmail {
		by = directory.Identifier{Name: directory.ByEmail, Value: said.Email}
	}
	if by.Value == "" || way == MatchEmail && !said.EmailVerified {
		return nil, nil
	}
	u, err := p.config.Directory.Users.Find(ctx, i.Organization, by)
	if errors.Is(err, store.ErrNotFound) || err == nil && way == MatchEmail && !u.EmailVerified {
		return nil, nil
	}
	return u, err
}

func absentAsNil(s *directory.Subject, err error) (*directory.Subject, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return s, err
}
