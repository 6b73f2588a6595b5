package rp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// VerifierConfig says whose tokens a Verifier takes.
type VerifierConfig struct {
	// Issuer must be the "iss" of a token. Required.
	Issuer string
	// JWKSURI is where the issuer's keys are. "" reads it from the issuer's metadata.
	JWKSURI string
	// Audience must be among the "aud" of a token. Required.
	Audience string
	// Types are the accepted values of "typ", as in "at+jwt" (RFC 9068 §4). Nil is a token without one, or "JWT".
	Types []string
	// Algorithms may sign. Nil is RS256, PS256, ES256, ES384, Ed25519 and EdDSA.
	Algorithms []string
	// MaxAge is how long ago a token may have been issued, which it must then say; it need not say when it expires, as answers that are
	// tokens do not (RFC 9701 §5). Zero is for tokens that expire.
	MaxAge time.Duration
	// Skew is by how much the issuer's clock may differ from ours. Zero is one minute.
	Skew time.Duration
	// Client makes the requests, within the limits of Config.Client. Nil is one of ours.
	Client *http.Client
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// Verifier verifies the JWTs that an issuer makes for one audience. It is safe for concurrent use, and starts no goroutines.
type Verifier struct {
	provider *Provider
	audience string
	types    []string
	maxAge   time.Duration
}

// NewVerifier checks the configuration and returns a Verifier, or an error that names every problem. It does no I/O.
func NewVerifier(config VerifierConfig) (*Verifier, error) {
	c := Config{
		Issuer: config.Issuer, ClientID: config.Audience, Algorithms: config.Algorithms, Skew: config.Skew,
		Client: config.Client, Now: config.Now,
	}
	if slices.Contains(config.Algorithms, string(jose.HS256)) {
		return nil, errors.New("rp: VerifierConfig.Algorithms: there is no secret for HS256")
	}
	if config.JWKSURI != "" {
		c.Endpoints = &Endpoints{Authorization: config.Issuer, Token: config.Issuer, JWKS: config.JWKSURI}
	}
	if config.Audience == "" {
		return nil, errors.New("rp: VerifierConfig.Audience is required")
	}
	p, err := New(c)
	if err != nil {
		return nil, fmt.Errorf("rp: VerifierConfig: %w", err)
	}
	return &Verifier{provider: p, audience: config.Audience, types: slices.Clone(config.Types), maxAge: config.MaxAge}, nil
}

// Claims are those of a verified token.
type Claims struct {
	Issuer   string
	Subject  string
	Audience []string
	ID       string
	Issued   time.Time
	Expires  time.Time

	payload []byte
}

// Decode decodes all claims into what v points to, strictly: a claim that stands twice is an error.
func (c *Claims) Decode(v any) error { return strictjson.Unmarshal(c.payload, v) }

// Verify judges a token: signature, type, issuer, audience and times (RFC 7519 §7.2, RFC 8725 §3). Errors are ErrInvalid and
// ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	p := v.provider
	m, err := p.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	c, err := p.open(ctx, m, token, jose.Verifier{Types: v.types})
	if err != nil {
		return nil, err
	}
	now, skew := p.config.Now(), p.config.Skew
	switch {
	case !slices.Contains(c.Audience, v.audience): // RFC 7519 §4.1.3
		return nil, invalid("the token is for somebody else")
	case c.Exp.IsZero() && v.maxAge <= 0 || !c.Exp.IsZero() && !now.Before(c.Exp.Add(skew)):
		return nil, invalid("the token has expired, or never does")
	case v.maxAge > 0 && (c.Iat.IsZero() || !now.Before(c.Iat.Add(v.maxAge+skew))):
		return nil, invalid("the token is too old, or does not say how old it is")
	case c.Iat.After(now.Add(skew)), c.Nbf.After(now.Add(skew)):
		return nil, invalid("the token is not good yet")
	}
	return &Claims{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ID: c.ID, Issued: c.Iat.Time, Expires: c.Exp.Time, payload: c.payload,
	}, nil
}
