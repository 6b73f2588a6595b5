package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const ticketGrant = "urn:example:grant:ticket"

// tickets is a grant of the host's own: "SUBJECT ID", each once.
func tickets(edit ...func(*oidc.CustomGrant)) func(*oidc.Config) {
	return func(c *oidc.Config) {
		g := oidc.CustomGrant{Name: ticketGrant, Validate: validateTicket}
		for _, e := range edit {
			e(&g)
		}
		c.Features.CustomGrants = []oidc.CustomGrant{g}
	}
}

func validateTicket(_ context.Context, r oidc.GrantRequest) (*oidc.Decision, error) {
	name, id, ok := strings.Cut(r.Parameters.Get("ticket"), " ")
	d := &oidc.Decision{Subject: store.Ref{ID: name}, Once: id, Until: time.Date(2031, 5, 6, 13, 0, 0, 0, time.UTC), Refresh: true}
	switch {
	case r.Parameters.Has("client_secret"):
		return nil, errors.New("the secret was shown")
	case !ok:
		return nil, &oidc.Error{Code: "invalid_grant", Description: "no ticket", Status: 400}
	case name == "down":
		return nil, errors.New("down")
	case id == "nobody":
		return &oidc.Decision{}, nil
	case id == "another":
		d.Evidence = []directory.Evidence{{Method: "ticket", AMR: []string{"hwk"}, Subject: "x", Time: time.Unix(1, 0)}}
	case id == "proven":
		d.Evidence = []directory.Evidence{{Method: "ticket", AMR: []string{"hwk"}, Subject: name, Time: time.Unix(1_900_000_000, 0)}}
	case id == "wide":
		d.Scopes = []string{"read", "admin"}
	}
	return d, nil
}

// TestCustomGrant: the host says who, and the tokens are as all others (RFC 6749 §4.5).
func TestCustomGrant(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: "kiosk", AuthMethod: oidc.ClientSecretBasic, GrantTypes: []oidc.GrantType{ticketGrant, oidc.RefreshToken},
			Scopes: []string{"openid", "read", "write"},
		})
		sub := h.subject(ann).ID
		take := func(ticket string, pairs ...string) *answer {
			form := values("grant_type", ticketGrant, "ticket", ticket)
			override(form, pairs)
			return h.post(pathToken, "kiosk", form)
		}
		got := h.issued(take(sub+" proven", "scope", "openid read"))
		c := claims(t, got.AccessToken)
		if c["sub"] != sub || c["scope"] != "openid read" || c["auth_time"] != 1_900_000_000.0 || c["acr"] != "aal1" || got.IDToken != "" {
			t.Errorf("claims: %v, %v", c, got)
		}
		if again := h.issued(h.refresh("kiosk", got.RefreshToken)); again.IDToken != "" {
			t.Error("the refresh brings the ID token that the grant type may not have")
		}
		if got := h.issued(take(sub + " wide")); got.Scope != "read" {
			t.Errorf("scope = %q", got.Scope)
		}
		for ticket, code := range map[string]string{
			"none": "invalid_grant", "down 1": "temporarily_unavailable", sub + " nobody": "temporarily_unavailable",
			sub + " another": "temporarily_unavailable", "stranger 1": "invalid_grant", sub + " proven": "invalid_grant",
		} {
			if a := take(ticket); a.errorCode() != code {
				t.Errorf("%q: %s", ticket, a)
			}
		}
		var wg sync.WaitGroup
		var won atomic.Int32
		for range 64 {
			wg.Go(func() {
				if gotTokens(take(sub + " once")) {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("used %d times", won.Load())
		}
		if a := h.token(web, "grant_type", ticketGrant, "ticket", sub+" 9"); a.errorCode() != "unauthorized_client" {
			t.Errorf("a client that is not registered for it: %s", a)
		}
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(ann).Ref()))
		if a := take(sub + " 10"); a.errorCode() != "invalid_grant" {
			t.Errorf("a disabled person: %s", a)
		}
		_, err := h.Clients.Create(t.Context(), "Public", &oidc.Client{AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{ticketGrant}})
		if !slices.Equal(fields(err), []string{"grant_types"}) {
			t.Errorf("a public client: %v", err)
		}
	}, tickets())
}

// TestCustomGrantFlags: what is off unless it is turned on.
func TestCustomGrantFlags(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: spa + "2", AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{ticketGrant}})
		a := h.post(pathToken, "", values("client_id", spa+"2", "grant_type", ticketGrant, "ticket", h.subject(ann).ID+" 1", "scope", "openid"))
		if got := h.issued(a); claims(t, got.IDToken)["sub"] != h.subject(ann).ID || got.RefreshToken != "" {
			t.Errorf("answer: %s", a)
		}
	}, tickets(func(g *oidc.CustomGrant) { g.IDTokenAllowed, g.PublicClientAllowed = true, true }))
	h := together(t)
	for name, g := range map[string]oidc.CustomGrant{
		"no URI":      {Name: "ticket", Validate: validateTicket},
		"not its own": {Name: exchangeGrant, Validate: validateTicket},
		"no judge":    {Name: ticketGrant},
	} {
		_, err := oidc.New(oidc.Config{
			Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
			Features: oidc.Features{CustomGrants: []oidc.CustomGrant{g}},
		})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if a := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)); strings.Contains(a.Body, ticketGrant) {
		t.Error("announced where it is not served")
	}
}

// customDoors are a custom grant, to be met by failures.
func customDoors() []door {
	return []door{{name: "custom grant", config: tickets(), done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
		h.register(&oidc.Client{ClientID: "kiosk", GrantTypes: []oidc.GrantType{ticketGrant}})
		sub := h.subject(ann).ID
		return attempt{send: func() *answer { return h.token("kiosk", "grant_type", ticketGrant, "ticket", sub+" 1") }}
	}}}
}
