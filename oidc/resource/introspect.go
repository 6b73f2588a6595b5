package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
)

// Introspection asks an authorization server about tokens (RFC 7662). Every request asks anew: what was revoked is refused at once.
type Introspection struct {
	// Endpoint is the URL to ask: https, or http on a loopback host. Required.
	Endpoint string
	// ClientID and ClientSecret authenticate the API there, by HTTP Basic. Required.
	ClientID, ClientSecret string
	// EveryToken asks about JWTs too, instead of verifying them here.
	EveryToken bool
	// Signed asks for answers that are JWTs, signed by the first of Config.Issuers for ClientID within the last minute, and takes no others
	// (RFC 9701): whoever stands between cannot make an answer up. They can put one about another token in its place, as it does not say
	// which it is about: TLS is needed all the same. An answer that is not so is as none: 503.
	Signed bool
}

// mediaSigned is the media type of a signed answer, and without "application/" its typ (RFC 9701 §5).
const (
	mediaSigned = "application/token-introspection+jwt"
	typSigned   = "token-introspection+jwt"
)

func (i *Introspection) check() error {
	var problems []error
	u, err := url.Parse(i.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !web.IsLoopback(u.Hostname())) {
		problems = append(problems, errors.New("resource: Config.Introspection.Endpoint must be an https URL, or http on a loopback host"))
	}
	if i.ClientID == "" || i.ClientSecret == "" {
		problems = append(problems, errors.New("resource: Config.Introspection needs ClientID and ClientSecret (RFC 7662 §2.1)"))
	}
	return errors.Join(problems...)
}

// maxIntrospection is how long an answer may be.
const maxIntrospection = 256 << 10

// introspect returns the claims of a token that is active; nil are those of none.
func (g *Guard) introspect(ctx context.Context, token string) (json.RawMessage, error) {
	body, err := g.ask(ctx, token)
	if err != nil {
		return nil, unavailable(err)
	}
	var c claims
	if err := strictjson.Unmarshal(body, &c); err != nil {
		return nil, unavailable(fmt.Errorf("resource: the introspection endpoint's answer: %w", err))
	}
	// RFC 7662 §2.2. A refresh token is no access token, however active.
	accessToken := c.TokenType == "" || strings.EqualFold(c.TokenType, schemeBearer) || strings.EqualFold(c.TokenType, schemeDPoP)
	if !c.Active || !accessToken {
		return nil, nil
	}
	return body, nil
}

func (g *Guard) ask(ctx context.Context, token string) ([]byte, error) {
	i := g.config.Introspection
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if i.Signed {
		r.Header.Set("Accept", mediaSigned)
	}
	r.SetBasicAuth(url.QueryEscape(i.ClientID), url.QueryEscape(i.ClientSecret)) // RFC 6749 §2.3.1
	answer, err := g.config.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxIntrospection+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxIntrospection:
		return nil, errors.New("resource: the introspection endpoint's answer is too long")
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("resource: the introspection endpoint answers with status %d", answer.StatusCode)
	case i.Signed:
		return g.openAnswer(ctx, answer.Header.Get("Content-Type"), body)
	}
	return body, nil
}

// openAnswer verifies a signed answer (RFC 9701 §5).
func (g *Guard) openAnswer(ctx context.Context, contentType string, body []byte) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != mediaSigned {
		return nil, errors.New("resource: the introspection endpoint's answer is not signed")
	}
	verified, err := g.answers.Verify(ctx, string(body))
	if err != nil {
		return nil, fmt.Errorf("resource: the introspection endpoint's answer: %w", err)
	}
	var said struct {
		Introspection json.RawMessage `json:"token_introspection"`
	}
	if err := verified.Decode(&said); err != nil {
		return nil, fmt.Errorf("resource: the introspection endpoint's answer: %w", err)
	}
	return said.Introspection, nil
}
