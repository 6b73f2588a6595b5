package oidc_test

import (
	"context"
	"crypto"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

func withDPoP(c *oidc.Config) { c.Features.DPoP = &oidc.DPoP{} }

func withNonces(c *oidc.Config) { c.Features.DPoP = &oidc.DPoP{RequireNonce: true} }

// prover is a client with a key.
type prover struct {
	h   *harness
	key crypto.Signer
	// issuer is where its requests go.
	issuer string
	// nonce is the one that the provider gave last.
	nonce string
}

func (h *harness) newProver() *prover {
	h.tb.Helper()
	key, err := jose.GenerateKey(jose.ES256)
	h.must(err)
	return &prover{h: h, key: key, issuer: h.issuer}
}

// jkt is the thumbprint of the key.
func (p *prover) jkt() string {
	p.h.tb.Helper()
	jkt, err := jose.Thumbprint(p.key.Public())
	p.h.must(err)
	return jkt
}

// proof is a fresh proof for a request to a path.
func (p *prover) proof(method, path, token string) string {
	text, err := dpop.Sign(p.key, jose.ES256, dpop.Request{Method: method, URL: p.issuer + path, Token: token}, p.nonce, p.h.clock.Now())
	if err != nil {
		panic(err)
	}
	return text
}

// post sends a form as the client with these proofs, and remembers the nonce of the answer.
func (p *prover) post(path, clientID string, form url.Values, proofs ...string) *answer {
	if clientID == spa {
		form.Set("client_id", spa)
	}
	r := p.h.request(http.MethodPost, path, form)
	if clientID != spa {
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret(clientID)))
	}
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	a := p.h.send(r)
	if nonce := a.Header.Get("DPoP-Nonce"); nonce != "" {
		p.nonce = nonce
	}
	return a
}

// token sends a token request with a fresh proof.
func (p *prover) token(clientID string, pairs ...string) *answer {
	return p.post(pathToken, clientID, values(pairs...), p.proof(http.MethodPost, pathToken, ""))
}

func (p *prover) redeem(clientID, code string) *answer {
	return p.token(clientID, "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier)
}

// userInfo presents a token in a scheme, with these proofs.
func (p *prover) userInfo(scheme, token string, proofs ...string) *answer {
	r := p.h.request(http.MethodGet, pathUserInfo, nil)
	r.Header.Set("Authorization", scheme+" "+token)
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	a := p.h.send(r)
	if nonce := a.Header.Get("DPoP-Nonce"); nonce != "" {
		p.nonce = nonce
	}
	return a
}

// TestDPoP goes through RFC 9449 §5 to §7: bound tokens, their use, their refresh, and what others see of them.
func TestDPoP(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p := h.newProver()
		for _, clientID := range []string{web, spa, vault} {
			got := h.issued(p.redeem(clientID, h.code(clientID)))
			if got.TokenType != "DPoP" {
				t.Errorf("%s: token_type %q (§5)", clientID, got.TokenType)
			}
			if clientID != vault {
				if cnf, _ := claims(t, got.AccessToken)["cnf"].(map[string]any); cnf["jkt"] != p.jkt() {
					t.Errorf("%s: cnf = %v (§6.1)", clientID, cnf)
				}
			}
			if a := h.introspect(web, got.AccessToken); clientID == web && (a.member("token_type") != "DPoP" || !strings.Contains(a.Body, p.jkt())) {
				t.Errorf("introspection: %s (§6.2)", a)
			}
			if a := p.userInfo("DPoP", got.AccessToken, p.proof(http.MethodGet, pathUserInfo, got.AccessToken)); a.Status != http.StatusOK {
				t.Errorf("%s: userinfo: %s", clientID, a)
			}
			again := h.issued(p.token(clientID, "grant_type", "refresh_token", "refresh_token", got.RefreshToken))
			if again.TokenType != "DPoP" {
				t.Errorf("%s: refreshed token_type %q", clientID, again.TokenType)
			}
		}
		if got := h.issued(p.token(robot, "grant_type", "client_credentials")); got.TokenType != "DPoP" {
			t.Errorf("client credentials: token_type %q", got.TokenType)
		}
		if got := h.tokens(web); got.TokenType != "Bearer" {
			t.Errorf("without a proof: token_type %q", got.TokenType)
		}
	}, withDPoP)
}

// TestDPoPCost: a proof costs one write beyond what a bearer token does.
func TestDPoPCost(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p := h.newProver()
		for range 3 { // what is remembered is known
			h.issued(h.token(robot, "grant_type", "client_credentials"))
		}
		cost := func(send func() *answer) int {
			h.faults.Forget()
			h.issued(send())
			return len(h.faults.Calls())
		}
		bearer := cost(func() *answer { return h.token(robot, "grant_type", "client_credentials") })
		bound := cost(func() *answer { return p.token(robot, "grant_type", "client_credentials") })
		if bound != bearer+1 {
			t.Errorf("a bearer token costs %d calls of the store, a bound one %d", bearer, bound)
		}
	}, withDPoP)
}

// TestDPoPNonce holds RFC 9449 §8 and §9: the client is told a nonce, and the next in time.
func TestDPoPNonce(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p := h.newProver()
		code := h.code(web)
		if a := p.redeem(web, code); a.Status != http.StatusBadRequest || a.errorCode() != "use_dpop_nonce" || p.nonce == "" {
			t.Fatalf("without a nonce: %s", a)
		}
		got := h.issued(p.redeem(web, code)) // the same code: nothing was consumed
		first := p.nonce
		h.clock.advance(dpop.DefaultPeriod)
		a := p.userInfo("DPoP", got.AccessToken, p.proof(http.MethodGet, pathUserInfo, got.AccessToken))
		if a.Status != http.StatusOK || p.nonce == first {
			t.Errorf("an old nonce is still good, and the answer has the next: %s", a)
		}
		p.nonce = first
		h.clock.advance(dpop.DefaultPeriod)
		a = p.userInfo("DPoP", got.AccessToken, p.proof(http.MethodGet, pathUserInfo, got.AccessToken))
		if a.Status != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`) || p.nonce == first {
			t.Errorf("a nonce that is too old: %s", a)
		}
		h.issued(p.token(robot, "grant_type", "client_credentials"))
	}, withNonces)
}

// TestDPoPSettings holds that what makes no sense is refused by New, all at once.
func TestDPoPSettings(t *testing.T) {
	t.Parallel()
	h := together(t)
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
		Features: oidc.Features{DPoP: &oidc.DPoP{Algorithms: []string{"none", "HS256"}, ProofLifetime: time.Hour}},
	})
	for _, want := range []string{"none", "HS256", "ProofLifetime"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// A client that is registered for bound tokens gets no others (RFC 9449 §5.2).
func TestDPoPRequiredByTheClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "bank", RedirectURIs: []string{callback}, DPoPBoundTokens: true})
		code := h.code("bank")
		if a := h.redeem("bank", code); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request" {
			t.Errorf("without a proof: %s", a)
		}
		h.issued(h.newProver().redeem("bank", code))
	}, withDPoP)
}

// TestAttackProofReplay: a proof counts once, at every endpoint and on every node (RFC 9449 §11.1).
func TestAttackProofReplay(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p := h.newProver()
		proof := p.proof(http.MethodPost, pathToken, "")
		form := func() url.Values { return values("grant_type", "client_credentials") }
		h.issued(p.post(pathToken, robot, form(), proof))
		if a := p.post(pathToken, robot, form(), proof); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_dpop_proof" {
			t.Errorf("a second time: %s", a)
		}
		var wins atomic.Int32
		var wg sync.WaitGroup
		proof = p.proof(http.MethodPost, pathToken, "")
		for range 64 {
			wg.Go(func() {
				r := h.request(http.MethodPost, pathToken, form())
				r.SetBasicAuth(robot, clientSecret(robot))
				r.Header.Set("DPoP", proof)
				if h.send(r).Status == http.StatusOK {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Errorf("%d of 64 requests with one proof were answered", wins.Load())
		}
	}, withDPoP)
}

// TestAttackBoundTokenAsBearer: without its key a bound token opens nothing (CVE-2024-49755).
func TestAttackBoundTokenAsBearer(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p, thief := h.newProver(), h.newProver()
		for _, clientID := range []string{web, vault} {
			token := h.issued(p.redeem(clientID, h.code(clientID))).AccessToken
			bearer := h.tokens(clientID).AccessToken
			own := func() string { return p.proof(http.MethodGet, pathUserInfo, token) }
			for name, a := range map[string]*answer{
				"as a bearer token":                  p.userInfo("Bearer", token),
				"as a bearer token with a proof":     p.userInfo("Bearer", token, own()),
				"as a bearer token, an empty header": p.userInfo("Bearer", token, ""),
				"without a proof":                    p.userInfo("DPoP", token),
				"with an empty header":               p.userInfo("DPoP", token, ""),
				"with an empty header and a proof":   p.userInfo("DPoP", token, "", own()),
				"with two proofs":                    p.userInfo("DPoP", token, own(), own()),
				"with a proof of another key":        p.userInfo("DPoP", token, thief.proof(http.MethodGet, pathUserInfo, token)),
				"with a proof for another token":     p.userInfo("DPoP", token, p.proof(http.MethodGet, pathUserInfo, bearer)),
				"with a proof for no token":          p.userInfo("DPoP", token, p.proof(http.MethodGet, pathUserInfo, "")),
				"with a proof for another method":    p.userInfo("DPoP", token, p.proof(http.MethodPost, pathUserInfo, token)),
				"with a proof for another endpoint":  p.userInfo("DPoP", token, p.proof(http.MethodGet, pathToken, token)),
				"a bearer token as a bound one":      p.userInfo("DPoP", bearer, p.proof(http.MethodGet, pathUserInfo, bearer)),
			} {
				if a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest || len(a.Header.Values("WWW-Authenticate")) == 0 {
					t.Errorf("%s: %s: %s", clientID, name, a)
				}
			}
			if a := p.userInfo("DPoP", token, own()); a.Status != http.StatusOK {
				t.Errorf("%s: with its proof: %s", clientID, a)
			}
			nothing := h.send(h.request(http.MethodGet, pathUserInfo, nil))
			if got := nothing.Header.Values("WWW-Authenticate"); len(got) != 2 || !strings.HasPrefix(got[1], "DPoP algs=") {
				t.Errorf("challenges without a token: %q (§7.1)", got)
			}
		}
	}, withDPoP)
}

// TestAttackProofFallsBackToBearer: a request with a proof that is no good is never answered with a bearer token.
func TestAttackProofFallsBackToBearer(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p := h.newProver()
		good := func() string { return p.proof(http.MethodPost, pathToken, "") }
		for name, proofs := range map[string][]string{
			"an empty header": {""}, "an empty header and a good one": {"", good()}, "a good one and an empty header": {good(), ""},
			"two good ones": {good(), good()}, "nonsense": {"nonsense"}, "for another endpoint": {p.proof(http.MethodPost, pathRevoke, "")},
		} {
			a := p.post(pathToken, robot, values("grant_type", "client_credentials"), proofs...)
			if a.Status != http.StatusBadRequest || a.errorCode() != "invalid_dpop_proof" {
				t.Errorf("%s: %s", name, a)
			}
		}
		old := p.proof(http.MethodPost, pathToken, "")
		h.clock.advance(dpop.DefaultAge)
		if a := p.post(pathToken, robot, values("grant_type", "client_credentials"), old); a.errorCode() != "invalid_dpop_proof" {
			t.Errorf("too old: %s", a)
		}
	}, withDPoP)
}

// TestAttackCodeBoundToAnotherKey holds RFC 9449 §10: a code whose request named a key is of no use with another.
func TestAttackCodeBoundToAnotherKey(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p, thief := h.newProver(), h.newProver()
		for _, clientID := range []string{web, spa} {
			code := h.code(clientID, "dpop_jkt", p.jkt())
			if a := h.redeem(clientID, code); !refusedWith("invalid_grant")(a) {
				t.Errorf("%s: without a proof: %s", clientID, a)
			}
			if a := thief.redeem(clientID, code); !refusedWith("invalid_grant")(a) {
				t.Errorf("%s: with another key: %s", clientID, a)
			}
			h.issued(p.redeem(clientID, code)) // was left as it was
		}
		a := h.newBrowser().authorize(authorization(web, "dpop_jkt", "short"))
		if a.errorCode() != "invalid_request" {
			t.Errorf("no thumbprint: %s", a)
		}
	}, withDPoP)
}

// TestAttackRefreshTokenOfAPublicClient holds RFC 9449 §5: the refresh token of a public client is bound to its key, and trying
// another one revokes nothing.
func TestAttackRefreshTokenOfAPublicClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p, thief := h.newProver(), h.newProver()
		token := h.issued(p.redeem(spa, h.code(spa))).RefreshToken
		if a := h.refresh(spa, token); !refusedWith("invalid_grant")(a) {
			t.Errorf("without a proof: %s", a)
		}
		if a := thief.token(spa, "grant_type", "refresh_token", "refresh_token", token); !refusedWith("invalid_grant")(a) {
			t.Errorf("with another key: %s", a)
		}
		h.issued(p.token(spa, "grant_type", "refresh_token", "refresh_token", token))
	}, withDPoP)
}

// TestAttackReplayAfterTheEphemeralStoreForgot: proofs that could have been used before a loss are refused.
func TestAttackReplayAfterTheEphemeralStoreForgot(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		t.Parallel()
		if place.Ephemeral == nil {
			t.Skip("one store forgets nothing")
		}
		lossy := &amnesiac{Ephemeral: place.Ephemeral}
		place.Ephemeral = lossy
		h := newHarness(t, place, withDPoP)
		p := h.newProver()
		proof := p.proof(http.MethodPost, pathToken, "")
		h.clock.advance(time.Second)
		lossy.since(h.clock.Now())
		if a := p.post(pathToken, robot, values("grant_type", "client_credentials"), proof); a.errorCode() != "invalid_dpop_proof" {
			t.Errorf("a proof of before: %s", a)
		}
		h.clock.advance(dpop.DefaultSkew + time.Second)
		h.issued(p.token(robot, "grant_type", "client_credentials"))
	})
}

// amnesiac is a store that says since when it remembers.
type amnesiac struct {
	store.Ephemeral
	mu    sync.Mutex
	began time.Time
}

func (f *amnesiac) since(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began = t
}

// Since implements store.Lossy.
func (f *amnesiac) Since(context.Context, time.Time, store.Kind, string, string) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.began, nil
}

func dpopDoors() []door {
	return []door{
		{name: "bound code", config: withDPoP, done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			p, code := h.newProver(), h.code(spa)
			return attempt{send: func() *answer { return p.redeem(spa, code) }}
		}},
		{name: "bound client credentials", config: withDPoP, done: gotTokens, open: func(h *harness) attempt {
			p := h.newProver()
			return attempt{send: func() *answer { return p.token(robot, "grant_type", "client_credentials") }}
		}},
		{name: "bound userinfo", config: withDPoP, done: gotOK, open: func(h *harness) attempt {
			p := h.newProver()
			token := h.issued(p.redeem(web, h.code(web))).AccessToken
			return attempt{send: func() *answer { return p.userInfo("DPoP", token, p.proof(http.MethodGet, pathUserInfo, token)) }}
		}},
	}
}

// Where clients with a certificate have an endpoint under another URL, proofs and assertions may be made for it: there, and nowhere
// else (RFC 8705 §5, RFC 9449 §4.3 item 9, RFC 7523 §3).
func TestProofsForAliases(t *testing.T) {
	t.Parallel()
	const alias = "https://mtls.id.example"
	on := func(aliases string) func(*oidc.Config) {
		return func(c *oidc.Config) {
			c.Features.DPoP, c.Features.MutualTLS = &oidc.DPoP{}, &oidc.MutualTLS{Aliases: aliases}
			c.Features.ClientAssertions = &oidc.ClientAssertions{}
		}
	}
	for aliases, known := range map[string]bool{alias: true, "": false, "https://other.example": false} {
		placements(t, func(t *testing.T, h *harness) {
			p := h.newProver()
			p.issuer = alias
			form := values("grant_type", "client_credentials")
			a := p.post(pathToken, robot, form, p.proof(http.MethodPost, pathToken, ""))
			if got := a.Status == http.StatusOK && a.member("token_type") == "DPoP"; got != known {
				t.Errorf("aliases %q: a proof for %s is answered with %s", aliases, alias, a)
			}
			if a := p.post(pathToken, robot, form, p.proof(http.MethodPost, pathUserInfo, "")); a.errorCode() != "invalid_dpop_proof" {
				t.Errorf("aliases %q: a proof for another endpoint: %s", aliases, a)
			}
			p.issuer = h.issuer
			if a := p.post(pathToken, robot, form, p.proof(http.MethodPost, pathToken, "")); a.Status != http.StatusOK {
				t.Errorf("aliases %q: a proof for the issuer: %s", aliases, a)
			}
			signer := h.newAsserter("signer")
			if a := signer.token(signer.assertion("aud", alias+pathToken)); (a.Status == http.StatusOK) != known {
				t.Errorf("aliases %q: an assertion for %s: %s", aliases, alias, a)
			}
		}, on(aliases))
	}
}
