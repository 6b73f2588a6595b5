package rp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/strictjson"
)

// API is what a token is good for: the provider's, and others that take its tokens. It is safe for concurrent use.
type API struct {
	// Token is the access token.
	Token *oauth2.Token

	provider *Provider
}

// API makes requests with a token that a login has brought, as the provider has bound it: with a proof of Config.DPoP, and with
// Config.Certificate.
func (p *Provider) API(token *oauth2.Token) *API { return &API{Token: token, provider: p} }

// Do makes a request with the token in its header (RFC 6750 §2.1, RFC 9449 §7.1). Where the server asks for a nonce, it is made once more,
// if its body can be sent again. No redirect is followed, and the answer's body ends in an error beyond a mebibyte. Other errors are
// ErrUnavailable.
func (a *API) Do(r *http.Request) (*http.Response, error) {
	if err := checkURL(r.URL.String()); err != nil { // a token travels in no clear text
		return nil, fmt.Errorf("rp: %w", err)
	}
	answer, err := a.once(r)
	if err != nil || !nonceWanted(answer) || r.Body != nil && r.GetBody == nil {
		return answer, err
	}
	_ = answer.Body.Close()
	r = r.Clone(r.Context())
	if r.GetBody != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return a.once(r)
}

func (a *API) once(r *http.Request) (*http.Response, error) {
	p := a.provider
	r = r.Clone(r.Context())
	scheme := "Bearer "
	if p.prover != nil && strings.EqualFold(a.Token.TokenType, "dpop") {
		scheme = "DPoP "
		if err := p.prover.prove(r, a.Token.AccessToken); err != nil {
			return nil, err
		}
	}
	r.Header.Set("Authorization", scheme+a.Token.AccessToken)
	return p.do(r)
}

// nonceWanted reports whether a protected resource asks for its nonce (RFC 9449 §9).
func nonceWanted(answer *http.Response) bool {
	return answer.StatusCode == http.StatusUnauthorized && answer.Header.Get("DPoP-Nonce") != "" &&
		strings.Contains(strings.Join(answer.Header.Values("WWW-Authenticate"), ","), useNonce)
}

// read does a GET and returns the body and media type of an answer with status 200.
func (a *API) read(ctx context.Context, url, accept string) (body []byte, mediaType string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "signet")
	answer, err := a.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	return document(answer, url)
}

// JSON does a GET with the token and decodes the answer into what v points to. Errors are ErrUnavailable.
func (a *API) JSON(ctx context.Context, url string, v any) error {
	body, _, err := a.read(ctx, url, "application/json")
	if err != nil {
		return err
	}
	if err := strictjson.Unmarshal(body, v); err != nil {
		return wrong("profile", err)
	}
	return nil
}

// do makes a request, with the certificate where there is one, and learns what nonce its server wants.
func (p *Provider) do(r *http.Request) (*http.Response, error) {
	answer, err := p.certified.Do(r)
	if err != nil {
		return nil, unavailable("%v", err)
	}
	if p.prover != nil {
		p.prover.learn(r, answer.Header)
	}
	return answer, nil
}

// document reads the body and media type of an answer with status 200.
func document(answer *http.Response, url string) (body []byte, mediaType string, err error) {
	if body, err = io.ReadAll(answer.Body); err != nil {
		return nil, "", unavailable("%v", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, "", unavailable("%s answers with status %d", url, answer.StatusCode)
	}
	mediaType, _, _ = strings.Cut(answer.Header.Get("Content-Type"), ";")
	return body, strings.ToLower(strings.TrimSpace(mediaType)), nil
}

// profile finds out who somebody is at a provider that issues no ID token. The token came over TLS from the provider itself, in
// exchange for a code of this login.
func (p *Provider) profile(ctx context.Context, token *oauth2.Token) (*Identity, error) {
	all, err := p.config.Profile(ctx, p.API(token))
	if err != nil {
		return nil, err
	}
	sub, _ := all["sub"].(string)
	if sub == "" || len(sub) > maxSubject {
		return nil, invalid("the profile has no subject, or one that is too long")
	}
	return &Identity{Issuer: p.config.Issuer, Subject: sub, Claims: all, Token: token}, nil
}
