package resource

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// Token is an access token that was found good. It is the request's own; changing it changes nothing.
type Token struct {
	// Issuer made it, for Subject to use by the client ClientID; for a client acting for itself Subject is what the issuer calls it.
	Issuer, Subject, ClientID string
	// ID is its jti; "" when the issuer gives none.
	ID string
	// Audience are whom it is for; the Resource is among them.
	Audience []string
	// Scopes are what it permits.
	Scopes []string
	// Issued and Expires are its times; Issued may be zero.
	Issued, Expires time.Time
	// AuthTime, ACR and AMR tell how the person signed in; zero when the issuer does not say.
	AuthTime time.Time
	ACR      string
	AMR      []string

	claims json.RawMessage
}

// Allows reports whether the token permits every one of the scopes.
func (t *Token) Allows(scopes ...string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(t.Scopes, s) })
}

// Decode decodes all claims into what v points to, strictly: a claim that stands twice is an error.
func (t *Token) Decode(v any) error { return strictjson.Unmarshal(t.claims, v) }

// contextKey is the key of the Token in a context.
type contextKey struct{}

// FromContext returns the token of the request, nil where no Guard has let it pass.
func FromContext(ctx context.Context) *Token {
	t, _ := ctx.Value(contextKey{}).(*Token)
	return t
}

// claims are those of a token that mean something here, whichever way they came (RFC 9068 §2.2, RFC 7662 §2.2).
type claims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  audience         `json:"aud"`
	ID        string           `json:"jti"`
	ClientID  string           `json:"client_id"`
	Scope     scopes           `json:"scope"`
	AuthTime  jose.NumericDate `json:"auth_time"`
	ACR       string           `json:"acr"`
	AMR       []string         `json:"amr"`
	Active    bool             `json:"active"`     // of an answer of an introspection endpoint
	TokenType string           `json:"token_type"` // likewise
	// Confirmation is what the sender must prove (RFC 7800 §3.1).
	Confirmation map[string]json.RawMessage `json:"cnf"`
	jose.Times
}

// audience is a string or a list of them (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = audience{""}
		return json.Unmarshal(data, &(*a)[0])
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// scopes are a text with spaces between (RFC 8693 §4.2), or a list, as WSO2 Identity Server writes it on demand.
type scopes []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scopes) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '[' {
		var text string
		err := json.Unmarshal(data, &text)
		*s = strings.Fields(text)
		return err
	}
	if err := json.Unmarshal(data, (*[]string)(s)); err != nil {
		return err
	}
	if slices.ContainsFunc(*s, func(one string) bool { return one == "" || strings.ContainsFunc(one, unicode.IsSpace) }) {
		return errors.New("scope is a list of something else")
	}
	return nil
}

// read takes the claims of a token that somebody has vouched for and judges what no one else has: whose it is, for whom, and until
// when (RFC 9068 §4). The answer of an introspection endpoint need not say whose it is and when it ends (RFC 7662 §2.2).
func (g *Guard) read(payload json.RawMessage, introspected bool) (*Token, *claims, error) {
	var c claims
	if err := strictjson.Unmarshal(payload, &c); err != nil {
		return nil, nil, err
	}
	if introspected && c.Issuer == "" && len(g.config.Issuers) == 1 {
		c.Issuer = g.config.Issuers[0]
	}
	switch {
	case !slices.Contains(g.config.Issuers, c.Issuer):
		return nil, nil, errors.New("the token is of another issuer")
	case !slices.Contains(c.Audience, g.config.Resource):
		return nil, nil, errors.New("the token is for another resource")
	case c.Exp.IsZero() && !introspected || !c.Exp.IsZero() && !g.config.Now().Before(c.Exp.Add(skew)):
		return nil, nil, errors.New("the token has expired, or never does")
	case c.Nbf.After(g.config.Now().Add(skew)):
		return nil, nil, errors.New("the token is not good yet")
	}
	return &Token{
		Issuer: c.Issuer, Subject: c.Subject, ClientID: c.ClientID, ID: c.ID, Audience: c.Audience, Scopes: c.Scope,
		Issued: c.Iat.Time, Expires: c.Exp.Time, AuthTime: c.AuthTime.Time, ACR: c.ACR, AMR: c.AMR, claims: payload,
	}, &c, nil
}

// skew is by how much the issuer's clock may differ from ours.
const skew = time.Minute
