package rp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/strictjson"
)

// answer is what an endpoint has answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// post sends a form to an endpoint of the provider, authenticated as the client. With proven it carries a proof of possession, and is sent
// once more where the provider wants its nonce in that (RFC 9449 §8). Errors are ErrUnavailable, and those of the host's keys.
func (p *Provider) post(ctx context.Context, endpoint string, form url.Values, proven bool) (*answer, error) {
	proven = proven && p.prover != nil
	a, err := p.postOnce(ctx, endpoint, form, proven)
	if err != nil || !proven || a.header.Get("DPoP-Nonce") == "" {
		return a, err
	}
	if refusal := a.refusal(); refusal == nil || refusal.Code != useNonce {
		return a, nil
	}
	return p.postOnce(ctx, endpoint, form, proven)
}

func (p *Provider) postOnce(ctx context.Context, endpoint string, form url.Values, proven bool) (*answer, error) {
	sent, header := cloneValues(form), http.Header{}
	if err := p.authenticate(header, sent); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(sent.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "signet")
	if proven {
		if err := p.prover.prove(r, ""); err != nil {
			return nil, err
		}
	}
	got, err := p.do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, unavailable("%v", err)
	}
	return &answer{status: got.StatusCode, header: got.Header, body: body}, nil
}

// refusal is the error that an endpoint has answered with (RFC 6749 §5.2), with whatever status: some say 200. Nil is none.
func (a *answer) refusal() *ResponseError {
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if a.status >= http.StatusInternalServerError || strictjson.Unmarshal(a.body, &said) != nil || said.Code == "" {
		return nil
	}
	return &ResponseError{Code: said.Code, Description: said.Description}
}

// seconds is a lifetime, which some providers write as a text.
type seconds int64

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(string(bytes.Trim(data, `"`)), 10, 32)
	*s = seconds(max(0, n))
	if string(data) == "null" {
		return nil
	}
	return err
}

// tokens asks the token endpoint for tokens (RFC 6749 §5.1).
func (p *Provider) tokens(ctx context.Context, m *Metadata, form url.Values) (*oauth2.Token, error) {
	a, err := p.post(ctx, p.endpoint(m.TokenEndpoint, m.MTLSEndpoints.Token), form, true)
	if err != nil {
		return nil, err
	}
	if refusal := a.refusal(); refusal != nil {
		return nil, refusal
	}
	if a.status != http.StatusOK {
		return nil, unavailable("the token endpoint answers with status %d", a.status)
	}
	var said struct {
		AccessToken  string  `json:"access_token"`
		Type         string  `json:"token_type"`
		ExpiresIn    seconds `json:"expires_in"`
		RefreshToken string  `json:"refresh_token"`
	}
	var all map[string]any
	if err := strictjson.Unmarshal(a.body, &said); err != nil {
		return nil, wrong("tokens", err)
	}
	if err := strictjson.Unmarshal(a.body, &all); err != nil {
		return nil, wrong("tokens", err)
	}
	if said.AccessToken == "" {
		return nil, unavailable("the token endpoint answers without an access token")
	}
	if err := p.acceptType(said.Type); err != nil {
		return nil, err
	}
	token := &oauth2.Token{AccessToken: said.AccessToken, TokenType: said.Type, RefreshToken: said.RefreshToken, ExpiresIn: int64(said.ExpiresIn)}
	if said.ExpiresIn > 0 {
		token.Expiry = p.config.Now().Add(time.Duration(said.ExpiresIn) * time.Second)
	}
	return token.WithExtra(all), nil
}

// acceptType refuses tokens that nobody here knows how to use (RFC 6749 §7.1), and one that the provider has not bound to our key, for
// whoever steals it (RFC 9449 §5).
func (p *Provider) acceptType(typ string) error {
	if p.prover != nil {
		if !strings.EqualFold(typ, "dpop") {
			return invalid("a token of type %q, which is not bound to the key of DPoP", shortened(typ))
		}
		return nil
	}
	if typ != "" && !strings.EqualFold(typ, "bearer") {
		return invalid("a token of type %q", shortened(typ))
	}
	return nil
}

// exchange redeems the code (RFC 6749 §4.1.3).
func (p *Provider) exchange(ctx context.Context, m *Metadata, pending Pending, code string) (*oauth2.Token, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {pending.RedirectURL}}
	if pending.Verifier != "" { // RFC 7636 §4.5
		form.Set("code_verifier", pending.Verifier)
	}
	return p.tokens(ctx, m, form)
}
