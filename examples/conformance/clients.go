package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/signet-idp/signet/oidc"
)

// registration is one client in the file of -clients, an array of them:
//
//	[{
//	  "profile": "fapi2",
//	  "name": "Suite, first client",
//	  "client_secret": "…",
//	  "client": {"client_id": "one", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": […]}, "redirect_uris": […]}
//	}]
//
// The metadata has the names of RFC 7591; client_secret is for clients that have one, at least 22 characters. Nobody is asked to consent
// to them.
type registration struct {
	Profile string       `json:"profile"`
	Name    string       `json:"name"`
	Secret  string       `json:"client_secret"`
	Client  *oidc.Client `json:"client"`
}

// readClients reads the file of -clients; none without one.
func readClients(file string) ([]registration, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []registration
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields() // what is misspelt would be a test of something else
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, r := range all {
		switch {
		case r.Client == nil:
			return nil, fmt.Errorf("%s: client %d has no metadata", file, i+1)
		case !slices.ContainsFunc(profiles, func(p profile) bool { return p.name == r.Profile }):
			return nil, fmt.Errorf("%s: client %d has a profile that there is not: %q", file, i+1, r.Profile)
		}
	}
	return all, nil
}

// register registers the clients of a profile.
func (p *provider) register(ctx context.Context, all []registration) error {
	var problems []error
	for _, r := range all {
		if r.Profile != p.name {
			continue
		}
		var err error
		if r.Secret != "" {
			err = p.idp.Clients.Import(ctx, r.Name, r.Client, r.Secret)
		} else {
			_, err = p.idp.Clients.Create(ctx, r.Name, r.Client)
		}
		if err == nil {
			err = p.trust(ctx, r.Client)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("client %q: %w", r.Client.ClientID, err))
		}
	}
	return errors.Join(problems...)
}

// trust lets people in without a consent page: each test of the suite is about something else, and registers a client of its own.
func (p *provider) trust(ctx context.Context, c *oidc.Client) error {
	app, err := p.idp.Directory.Applications.Get(ctx, c.Application)
	if err != nil {
		return err
	}
	app.SkipConsent = true
	return p.idp.Directory.Applications.Replace(ctx, app)
}

// suite is the policy for clients that register themselves: those of the plans for OpenID Connect Core know neither PKCE nor, in the code
// flow, that a nonce is wise, and sign request objects only where they say so.
func suite(_ context.Context, draft *oidc.RegistrationDraft) error {
	draft.Application.SkipConsent = true
	c := draft.Client
	if c.RequestObjectSigningAlg == "" {
		c.RequestObjectSigningAlg = "none"
	}
	c.InsecureOptionalPKCE = !c.Public()
	c.InsecureOptionalNonce = c.InsecureOptionalPKCE
	return nil
}
