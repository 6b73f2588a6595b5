package rp

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/secret"
)

// Request is what a login asks of the provider (OpenID Connect Core §3.1.2.1). The zero Request asks for nothing in particular.
type Request struct {
	// State is the value that comes back with the answer. "" makes one. Whoever sets it makes it as hard to guess.
	State string
	// RedirectURL takes the place of Config.RedirectURL; "" leaves that.
	RedirectURL string
	// Prompt is what the provider must ask: "login", "consent", "select_account", "none". Nil is up to the provider.
	Prompt []string
	// MaxAge is the greatest age of the proof, which the ID token must then tell; nil is any, zero a fresh one.
	MaxAge *time.Duration
	// ACR are the context classes that will do, in order of preference; nil is any. When EssentialACR is set, the ID token must name
	// one of them.
	ACR          []string
	EssentialACR bool
	// LoginHint is who is about to sign in; "" is not known. IDTokenHint is an ID token of theirs.
	LoginHint   string
	IDTokenHint string
	// Locales are the languages for the provider's pages, best first.
	Locales []string
	// Parameters are added to the request. Nil adds none.
	Parameters url.Values
}

// Pending is a login whose answer has not come yet. Keep it where only the browser's own requests reach it, once: in its session, or
// as Start does in a cookie. It holds secrets, and prints none.
type Pending struct {
	Issuer       string         `json:"issuer"`
	State        string         `json:"state"`
	Nonce        string         `json:"nonce,omitempty"`
	Verifier     string         `json:"verifier,omitempty"`
	RedirectURL  string         `json:"redirectURL"`
	Began        time.Time      `json:"began"`
	MaxAge       *time.Duration `json:"maxAge,omitempty"`
	ACR          []string       `json:"acr,omitempty"`
	EssentialACR bool           `json:"essentialACR,omitempty"`
}

// String implements fmt.Stringer.
func (p Pending) String() string { return "rp.Pending{" + p.Issuer + "}" }

// GoString implements fmt.GoStringer.
func (p Pending) GoString() string { return p.String() }

// LogValue implements slog.LogValuer.
func (p Pending) LogValue() slog.Value { return slog.StringValue(p.String()) }

// patience is how long somebody may take at the provider.
const patience = time.Hour

// Begin makes the URL to send the browser to, and what Finish needs of the request. Errors are ErrUnavailable, also where the provider
// demands what is not configured, and *ResponseError where it refuses a pushed request.
func (p *Provider) Begin(ctx context.Context, r Request) (string, Pending, error) {
	m, err := p.Metadata(ctx)
	if err != nil {
		return "", Pending{}, err
	}
	pending := Pending{
		Issuer: p.config.Issuer, State: r.State, RedirectURL: r.RedirectURL, Began: p.config.Now(),
		MaxAge: r.MaxAge, ACR: slices.Clone(r.ACR), EssentialACR: r.EssentialACR,
	}
	if pending.State == "" {
		pending.State = secret.New().Reveal()
	}
	if pending.RedirectURL == "" {
		pending.RedirectURL = p.config.RedirectURL
	}
	if pending.RedirectURL == "" {
		return "", Pending{}, errors.New("rp: neither Request.RedirectURL nor Config.RedirectURL is set")
	}
	to, err := p.authorizationURL(ctx, m, r, &pending)
	if err != nil {
		return "", Pending{}, err
	}
	return to, pending, nil
}

// Finish judges the parameters that the browser came back with and returns who has signed in. Errors: *ResponseError is the
// provider's answer; ErrInvalid and ErrUnavailable; else the machinery's.
func (p *Provider) Finish(ctx context.Context, pending Pending, response url.Values) (*Identity, error) {
	m, err := p.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if p.config.SignedResponse {
		if response, err = p.openResponse(ctx, m, response); err != nil {
			return nil, err
		}
	}
	if err := p.accept(m, pending, response); err != nil {
		return nil, err
	}
	token, err := p.exchange(ctx, m, pending, response.Get("code"))
	if err != nil {
		return nil, err
	}
	id, err := p.identify(ctx, m, pending, token)
	if err != nil {
		return nil, err
	}
	if p.config.Normalize != nil {
		p.config.Normalize(id.Claims, response)
	}
	id.fill()
	return id, nil
}

// accept judges the response before anything is sent anywhere.
func (p *Provider) accept(m *Metadata, pending Pending, response url.Values) error {
	for _, name := range []string{"state", "code", "iss", "error", "error_description"} {
		if len(response[name]) > 1 { // RFC 6749 §3.1
			return invalid("the response repeats %q", name)
		}
	}
	now := p.config.Now()
	switch {
	case pending.Issuer != p.config.Issuer: // RFC 9700 §4.4
		return invalid("the login was begun at another provider")
	case pending.State == "" || !secret.Equal(pending.State, response.Get("state")): // RFC 6749 §10.12
		return invalid("the response is not to this login: state differs")
	case now.Sub(pending.Began) > patience:
		return invalid("the login was begun too long ago")
	}
	if err := p.acceptIssuer(m, response); err != nil {
		return err
	}
	switch {
	case response.Has("error"):
		return &ResponseError{Code: response.Get("error"), Description: response.Get("error_description")}
	case response.Get("code") == "":
		return invalid("the response has no code")
	}
	return nil
}

// acceptIssuer compares the issuer of the response, also where it was not announced (RFC 9207 §2.4).
func (p *Provider) acceptIssuer(m *Metadata, response url.Values) error {
	iss := response.Get("iss")
	switch {
	case !response.Has("iss") && m.ResponseIss:
		return invalid("the response does not name its issuer")
	case response.Has("iss") && iss != p.config.Issuer && iss != m.Issuer && !p.tenantResponse(iss):
		return invalid("the response is of another issuer")
	}
	return nil
}

// tenantResponse reports whether an issuer has the form of a tenant's; which tenant is the ID token's to say.
func (p *Provider) tenantResponse(iss string) bool {
	if p.config.Tenants == nil {
		return false
	}
	before, after, _ := strings.Cut(p.config.Tenants.Template, tenantPlace)
	rest, ok := strings.CutPrefix(iss, before)
	tenant, okToo := strings.CutSuffix(rest, after)
	return ok && okToo && p.issuerOf(iss, tenant)
}

// identify finds out who the tokens are about.
func (p *Provider) identify(ctx context.Context, m *Metadata, pending Pending, token *oauth2.Token) (*Identity, error) {
	if !p.config.openID() {
		return p.profile(ctx, token)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, invalid("the answer has no ID token")
	}
	id, err := p.verifyIDToken(ctx, m, raw, expectation{
		clients: []string{p.config.ClientID}, nonce: pending.Nonce, began: pending.Began, maxAge: pending.MaxAge, acr: pending.ACR, essentialACR: pending.EssentialACR,
		accessToken: token.AccessToken,
	})
	if err != nil {
		return nil, err
	}
	id.Token = token
	if m.UserinfoEndpoint == "" || p.config.NoUserInfo {
		return id, nil
	}
	return id, p.addUserInfo(ctx, m, id)
}
