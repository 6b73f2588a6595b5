package rp

import (
	"context"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
)

// claims are those of a JWT that are judged (RFC 7519 §4.1, OpenID Connect Core §2).
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	jose.Times
	ID       string           `json:"jti"`
	Azp      string           `json:"azp"`
	Nonce    *string          `json:"nonce"`
	AuthTime jose.NumericDate `json:"auth_time"`
	ACR      string           `json:"acr"`
	AMR      []string         `json:"amr"`
	AtHash   string           `json:"at_hash"`
	SID      string           `json:"sid"`

	alg     jose.Algorithm // that has signed
	token   string         // signed, and decrypted where it was encrypted
	payload []byte
	all     map[string]any
}

// audience is one string, or several (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = make(audience, 1)
		return strictjson.Unmarshal(data, &(*a)[0])
	}
	return strictjson.Unmarshal(data, (*[]string)(a))
}

// maxSubject bounds what becomes part of records (OpenID Connect Core §2 has 255 ASCII characters).
const maxSubject = 255

// expectation is what one ID token must hold besides.
type expectation struct {
	clients      []string // for one of whom it is, and to one of whom it was issued
	nonce        string
	began        time.Time
	maxAge       *time.Duration
	acr          []string
	essentialACR bool
	accessToken  string
	alone        bool // no access token came with it
}

// read takes the claims out of a payload.
func read(payload []byte) (claims, error) {
	c := claims{payload: payload}
	if err := strictjson.Unmarshal(payload, &c); err != nil {
		return c, invalid("claims: %v", err)
	}
	if err := strictjson.Unmarshal(payload, &c.all); err != nil {
		return c, invalid("claims: %v", err)
	}
	return c, nil
}

// verifyIDToken judges an ID token whole (OpenID Connect Core §3.1.3.7).
func (p *Provider) verifyIDToken(ctx context.Context, m *Metadata, raw string, want expectation) (*Identity, error) {
	c, err := p.openIDToken(ctx, m, raw)
	if err != nil {
		return nil, err
	}
	if err := p.judge(c, want); err != nil {
		return nil, err
	}
	return &Identity{
		IDToken: c.token, Issuer: c.Issuer, Subject: c.Subject, AuthTime: c.AuthTime.Time, ACR: c.ACR, AMR: c.AMR, SessionID: c.SID, Claims: c.all,
	}, nil
}

// openIDToken is open for an ID token, which is encrypted where that was agreed on (§3.1.3.7, 1).
func (p *Provider) openIDToken(ctx context.Context, m *Metadata, raw string) (claims, error) {
	if len(p.config.DecryptionKeys) > 0 && !jose.IsEncrypted(raw) {
		return claims{}, invalid("the ID token is not encrypted, as was agreed on")
	}
	return p.open(ctx, m, raw, jose.Verifier{})
}

// maxToken is how long a signed token of the provider may be.
const maxToken = 64 << 10

// open verifies the signature and the issuer of a token of the provider, which may be encrypted.
func (p *Provider) open(ctx context.Context, m *Metadata, raw string, v jose.Verifier) (claims, error) {
	for _, a := range p.config.Algorithms { // §3.1.3.7, 7
		v.Algorithms = append(v.Algorithms, jose.Algorithm(a))
	}
	v.MaxSize = maxToken
	raw, err := p.decrypted(raw)
	if err != nil {
		return claims{}, err
	}
	bound, alg := "", jose.Algorithm("")
	payload, err := verify(raw, v, func(h jose.Header) (key jose.PublicKey, err error) {
		alg = h.Alg
		if h.Alg == jose.HS256 { // §3.1.3.7, 8: alone in Algorithms
			return jose.PublicKey{Algorithm: jose.HS256, Key: []byte(p.config.ClientSecret)}, nil
		}
		key, bound, err = p.keys.find(ctx, m.JWKSURI, h) // §3.1.3.7, 6
		return key, err
	})
	if err != nil {
		return claims{}, err
	}
	c, err := read(payload)
	if err != nil {
		return c, err
	}
	c.alg, c.token = alg, raw
	tenant := ""
	if p.config.Tenants != nil {
		tenant, _ = c.all[p.config.Tenants.Claim].(string)
	}
	switch {
	case !p.issuerOf(c.Issuer, tenant): // §3.1.3.7, 2
		return c, invalid("the token is of another issuer")
	case bound != "" && bound != c.Issuer:
		return c, invalid("the token is signed with the key of another issuer")
	}
	return c, nil
}

// judge holds an ID token to the login that it must be of.
func (p *Provider) judge(c claims, want expectation) error {
	if err := p.judgeClaims(c, want.clients); err != nil {
		return err
	}
	switch {
	case want.nonce == "" || c.Nonce == nil || !secret.Equal(*c.Nonce, want.nonce): // §3.1.3.7, 11
		return invalid("the ID token is not of this login: nonce differs")
	case want.essentialACR && !slices.Contains(want.acr, c.ACR): // §3.1.3.7, 12
		return invalid("the person was not authenticated as was demanded")
	}
	if err := p.judgeAge(c, want); err != nil || want.alone {
		return err
	}
	return p.judgeHash(c, want.accessToken)
}

// judgeClaims holds an ID token for the clients to what every one must be, whatever login it is of.
func (p *Provider) judgeClaims(c claims, clients []string) error {
	now, skew := p.config.Now(), p.config.Skew
	ours := func(client string) bool { return slices.Contains(clients, client) }
	switch {
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return invalid("the ID token has no subject, or one that is too long")
	case !slices.ContainsFunc(c.Audience, ours): // §3.1.3.7, 3
		return invalid("the ID token is for somebody else")
	case slices.ContainsFunc(c.Audience, func(a string) bool { return !ours(a) && !slices.Contains(p.config.Audiences, a) }):
		return invalid("the ID token is for others too, who are not trusted")
	case len(c.Audience) > 1 && c.Azp == "", c.Azp != "" && !ours(c.Azp): // §3.1.3.7, 4 and 5
		return invalid("the ID token was issued to another party")
	case c.Exp.IsZero() || !now.Before(c.Exp.Add(skew)): // §3.1.3.7, 9
		return invalid("the ID token has expired, or never does")
	case c.Iat.IsZero() || c.Iat.After(now.Add(skew)), c.Nbf.After(now.Add(skew)): // §3.1.3.7, 10
		return invalid("the ID token is not good yet")
	case c.AuthTime.After(now.Add(skew)):
		return invalid("the person was authenticated in the future")
	}
	return nil
}

// judgeAge holds max_age (§3.1.3.7, 13), counted from when the login began: what the person did since is fresh enough.
func (p *Provider) judgeAge(c claims, want expectation) error {
	switch {
	case want.maxAge == nil:
	case c.AuthTime.IsZero(): // §2: required when max_age was asked for
		return invalid("the ID token does not tell when the person was authenticated")
	case c.AuthTime.Before(want.began.Add(-max(0, *want.maxAge) - p.config.Skew)):
		return invalid("the person was authenticated too long ago")
	}
	return nil
}

// judgeHash binds the access token to the ID token, where it does (§3.1.3.8).
func (p *Provider) judgeHash(c claims, accessToken string) error {
	if _, there := c.all["at_hash"]; !there {
		return nil
	}
	hash, err := jose.HalfHash(c.alg, accessToken)
	if err != nil || !secret.Equal(hash, c.AtHash) {
		return invalid("the access token is not the one of the ID token: at_hash differs")
	}
	return nil
}
