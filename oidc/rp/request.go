package rp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
)

// authorizationURL is where to send the browser: with the request, with the request in a signed object (RFC 9101), or with a reference to
// one that was pushed (RFC 9126). A provider that demands what the host has not configured is not available: nothing is sent in a weaker
// form than was asked for, by either side.
func (p *Provider) authorizationURL(ctx context.Context, m *Metadata, r Request, pending *Pending) (string, error) {
	parameters := p.parameters(r, pending)
	push := p.config.PAR || m.RequirePAR
	switch {
	case push && m.PAREndpoint == "":
		return "", unavailable("the provider has no endpoint for pushed requests")
	case m.RequireSignedRequest && p.config.RequestKey == nil:
		return "", unavailable("the provider demands signed requests: Config.RequestKey is not set")
	}
	if p.config.RequestKey != nil {
		object, err := p.requestObject(parameters)
		if err != nil {
			return "", err
		}
		signed := url.Values{"client_id": parameters["client_id"], "request": {object}}
		if !push { // OpenID Connect Core §6.1; what counts is in the object
			signed["response_type"], signed["scope"] = parameters["response_type"], parameters["scope"]
		}
		parameters = signed
	}
	if push {
		reference, err := p.push(ctx, m, parameters)
		if err != nil {
			return "", err
		}
		parameters = url.Values{"client_id": parameters["client_id"], "request_uri": {reference}} // RFC 9126 §4
	}
	separator := "?"
	if strings.Contains(m.AuthorizationEndpoint, "?") { // RFC 6749 §3.1
		separator = "&"
	}
	return m.AuthorizationEndpoint + separator + parameters.Encode(), nil
}

// parameters are those of an authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). The secrets among them go into pending.
func (p *Provider) parameters(r Request, pending *Pending) url.Values {
	v := url.Values{"response_type": {"code"}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("scope", strings.Join(p.config.Scopes, " "))
	for _, more := range []url.Values{p.config.Parameters, r.Parameters} {
		for name := range more {
			set(name, more.Get(name))
		}
	}
	set("client_id", p.config.ClientID)
	set("redirect_uri", pending.RedirectURL)
	set("state", pending.State)
	if p.config.openID() {
		pending.Nonce = secret.New().Reveal()
		set("nonce", pending.Nonce)
	}
	set("response_mode", p.responseMode())
	if r.MaxAge != nil {
		set("max_age", strconv.FormatInt(int64(max(0, *r.MaxAge)/time.Second), 10))
	}
	set("prompt", strings.Join(r.Prompt, " "))
	set("acr_values", strings.Join(r.ACR, " "))
	set("login_hint", r.LoginHint)
	set("id_token_hint", r.IDTokenHint)
	set("ui_locales", strings.Join(r.Locales, " "))
	if !p.config.InsecureNoPKCE { // RFC 7636 §4.3
		pending.Verifier = oauth2.GenerateVerifier()
		set("code_challenge", oauth2.S256ChallengeFromVerifier(pending.Verifier))
		set("code_challenge_method", "S256")
	}
	if p.prover != nil { // RFC 9449 §10: the code is bound too
		set("dpop_jkt", p.prover.jkt)
	}
	return v
}

// responseMode is how the provider is to answer; "" is the query of a code (OAuth 2.0 Multiple Response Types §2.1, JARM §2.3).
func (p *Provider) responseMode() string {
	switch {
	case p.config.FormPost && p.config.SignedResponse:
		return "form_post.jwt"
	case p.config.FormPost:
		return "form_post"
	case p.config.SignedResponse:
		return "jwt"
	}
	return ""
}

// objectLifetime is how long a request object is good: the browser takes it there at once.
const objectLifetime = 5 * time.Minute

// structured are the parameters whose values are JSON in an object as they are in a query (OpenID Connect Core §6.1, RFC 9396 §2).
func structured(name string) bool {
	return slices.Contains([]string{"claims", "authorization_details", "max_age", "registration"}, name)
}

// requestObject is the request as a JWT of this client for this provider, and of a type that nothing else has (RFC 9101 §4, §10.8).
func (p *Provider) requestObject(parameters url.Values) (string, error) {
	now := p.config.Now()
	claims := map[string]any{
		"iss": p.config.ClientID, "aud": p.config.Issuer, "jti": secret.UUID(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(objectLifetime).Unix(),
	}
	if audience := p.config.RequestKey.Audience; audience != "" {
		claims["aud"] = audience
	}
	for name := range parameters {
		value := parameters.Get(name)
		if claims[name] = value; structured(name) && json.Valid([]byte(value)) {
			claims[name] = json.RawMessage(value)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return p.config.RequestKey.sign(payload, "oauth-authz-req+jwt")
}

// maxReference bounds what a provider has us send the browser back with.
const maxReference = 2048

// push leaves the request with the provider, which knows from whom it is, and returns what it is called there (RFC 9126 §2).
func (p *Provider) push(ctx context.Context, m *Metadata, parameters url.Values) (string, error) {
	a, err := p.post(ctx, p.endpoint(m.PAREndpoint, m.MTLSEndpoints.PAR), parameters, false)
	if err != nil {
		return "", err
	}
	if refusal := a.refusal(); refusal != nil {
		return "", refusal
	}
	if a.status != http.StatusCreated {
		return "", unavailable("the endpoint for pushed requests answers with status %d", a.status)
	}
	var said struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int64  `json:"expires_in"`
	}
	if err := strictjson.Unmarshal(a.body, &said); err != nil {
		return "", wrong("pushed request", err)
	}
	switch {
	case said.RequestURI == "" || len(said.RequestURI) > maxReference || strings.ContainsFunc(said.RequestURI, notInNonce):
		return "", unavailable("the endpoint for pushed requests answers with no reference")
	case said.ExpiresIn <= 0: // RFC 9126 §2.2
		return "", unavailable("the endpoint for pushed requests answers with a reference that is not good")
	}
	return said.RequestURI, nil
}
