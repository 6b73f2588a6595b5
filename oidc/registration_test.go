package oidc_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const pathRegister = "/oauth2/register"

// registering turns dynamic registration on.
func registering(f oidc.Registration) func(*oidc.Config) {
	return func(c *oidc.Config) { c.Features.Registration = &f }
}

// openly lets anybody register.
var openly = registering(oidc.Registration{Open: true})

// manage sends a document, or nothing, to a registration endpoint.
func (h *harness) manage(method, path, token, document string) *answer {
	h.tb.Helper()
	path = strings.TrimPrefix(path, h.issuer)
	r := httptest.NewRequest(method, h.issuer+path, strings.NewReader(document))
	if document != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return h.send(r)
}

// initialAccess issues an initial access token.
func (h *harness) initialAccess(access oidc.InitialAccess) string {
	h.tb.Helper()
	token, err := h.InitialAccess.Issue(h.tb.Context(), &access)
	h.must(err)
	h.noteSecret("initial access token", token)
	return token
}

// registered is the answer to a registration.
type registered struct {
	*answer
	ClientID  string   `json:"client_id"`
	Secret    string   `json:"client_secret"`
	Expires   *int64   `json:"client_secret_expires_at"`
	Issued    int64    `json:"client_id_issued_at"`
	Token     string   `json:"registration_access_token"`
	URI       string   `json:"registration_client_uri"`
	Redirects []string `json:"redirect_uris"`
	Grants    []string `json:"grant_types"`
	Method    string   `json:"token_endpoint_auth_method"`
	Scope     string   `json:"scope"`
	Name      string   `json:"client_name"`
}

func (h *harness) registered(a *answer) registered {
	h.tb.Helper()
	r := registered{answer: a}
	if err := json.Unmarshal([]byte(a.Body), &r); err != nil || a.Status != http.StatusOK && a.Status != http.StatusCreated {
		h.tb.Fatalf("no registration: %s", a)
	}
	return r
}

const goodDocument = `{"client_name":"Shop","client_name#de":"Laden","redirect_uris":["https://app.example/cb"],"scope":"openid email"}`

// RFC 7591 §3.2.1: the answer has the id, the secret that never ends, and what was registered with its defaults (§2). The client is one
// like any other.
func TestRegister(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.manage(http.MethodPost, pathRegister, "", goodDocument)
		got := h.registered(a)
		if a.Status != http.StatusCreated || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("answered with %d %v", a.Status, a.Header)
		}
		if got.Secret == "" || got.Expires == nil || *got.Expires != 0 || got.Issued != h.clock.Now().Unix() || got.Token == "" || got.URI != issuer+pathRegister+"/"+got.ClientID {
			t.Errorf("the answer is %s", a.Body)
		}
		if !slices.Equal(got.Grants, []string{"authorization_code"}) || got.Method != "client_secret_basic" || got.Scope != "openid email" || !strings.Contains(a.Body, `"client_name#de":"Laden"`) {
			t.Errorf("the defaults are %s", a.Body)
		}
		r := h.request(http.MethodPost, pathToken, values("grant_type", "authorization_code", "code", h.code(got.ClientID, "scope", "openid"), "redirect_uri", callback, "code_verifier", verifier))
		r.SetBasicAuth(got.ClientID, got.Secret)
		if a := h.send(r); !gotTokens(a) {
			t.Errorf("its code is answered with %s", a)
		}
		app, err := h.people.Applications.Get(t.Context(), h.client(got.ClientID).Application)
		if err != nil || app.Name != "Shop" || app.SkipConsent {
			t.Errorf("its application is %+v, %v", app, err)
		}
	}, openly)
}

// RFC 7591 §2: what is not on offer is left out, and what was asked for in vain is an error, never more than was asked for.
func TestRegisterNarrows(t *testing.T) {
	t.Parallel()
	h := together(t, registering(oidc.Registration{Open: true, Scopes: []string{"read"}}))
	got := h.registered(h.manage(http.MethodPost, pathRegister, "", `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none",
		"grant_types":["authorization_code","refresh_token","client_credentials","urn:custom"],"scope":"openid read write",
		"dpop_bound_access_tokens":true,"backchannel_logout_uri":"https://app.example/out"}`))
	if !slices.Equal(got.Grants, []string{"authorization_code", "refresh_token"}) || got.Scope != "openid read" || got.Secret != "" || strings.Contains(got.Body, "client_secret") {
		t.Errorf("registered as %s", got.Body)
	}
	if got.Name != "app.example" {
		t.Errorf("without a name it is called %q", got.Name)
	}
	for document, field := range map[string]string{
		`{"redirect_uris":["https://app.example/cb"],"scope":"write"}`:                          "scope",
		`{"grant_types":["client_credentials"]}`:                                                "grant_types",
		`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"ldap"}`:      "token_endpoint_auth_method",
		`{"redirect_uris":["https://app.example/cb"],"application_type":"toaster"}`:             "application_type",
		`{"redirect_uris":["https://app.example/cb"],"initiate_login_uri":"http://a.example/"}`: "initiate_login_uri",
	} {
		if a := h.manage(http.MethodPost, pathRegister, "", document); a.Status != http.StatusBadRequest || a.member("error") != "invalid_client_metadata" || !strings.Contains(a.member("error_description"), field) {
			t.Errorf("%s is answered with %s", document, a)
		}
	}
	for _, uri := range []string{"", "javascript:alert(1)", "http://app.example/cb", "https://app.example/cb#x", "https://a@app.example/cb", "/cb", "data:text/html,x", "https://app.example/../cb"} {
		if a := h.manage(http.MethodPost, pathRegister, "", `{"redirect_uris":["`+uri+`"]}`); a.Status != http.StatusBadRequest || a.member("error") != "invalid_redirect_uri" {
			t.Errorf("%q is answered with %s", uri, a)
		}
	}
	if a := h.manage(http.MethodPost, pathRegister, "", `{}`); a.member("error") != "invalid_redirect_uri" {
		t.Errorf("no redirect URI at all is answered with %s", a)
	}
}

// RFC 7591 §3: where registration is not open, somebody must have given leave, for so many clients and so long.
func TestInitialAccess(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		if a := h.manage(http.MethodPost, pathRegister, "", goodDocument); a.Status != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("without a token: %s", a)
		}
		token := h.initialAccess(oidc.InitialAccess{Name: "shop", Uses: 2})
		for range 2 {
			h.registered(h.manage(http.MethodPost, pathRegister, token, goodDocument))
		}
		late := h.initialAccess(oidc.InitialAccess{})
		h.clock.advance(25 * time.Hour)
		revoked := h.initialAccess(oidc.InitialAccess{Name: "gone"})
		page, err := h.InitialAccess.List(t.Context(), store.Query{})
		if err != nil || len(page.Items) != 1 || page.Items[0].Name != "gone" {
			t.Fatalf("the tokens are %v, %v", page.Items, err)
		}
		h.must(h.InitialAccess.Revoke(t.Context(), page.Items[0]))
		for what, bad := range map[string]string{"used up": token, "late": late, "revoked": revoked, "nonsense": "x", "without its prefix": strings.TrimPrefix(late, "sgia_")} {
			if a := h.manage(http.MethodPost, pathRegister, bad, goodDocument); a.Status != http.StatusUnauthorized || a.member("error") != "invalid_token" {
				t.Errorf("%s: %s", what, a)
			}
		}
	}, registering(oidc.Registration{}))
}

// An initial access token for one client makes one, whoever else tries at that moment; a registration that is refused costs nothing.
func TestAttackInitialAccessInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		token := h.initialAccess(oidc.InitialAccess{})
		if a := h.manage(http.MethodPost, pathRegister, token, `{"redirect_uris":["javascript:x"]}`); a.Status != http.StatusBadRequest {
			t.Fatalf("hostile metadata is answered with %s", a)
		}
		var winners atomic.Int32
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				switch a := h.manage(http.MethodPost, pathRegister, token, goodDocument); a.Status {
				case http.StatusCreated:
					winners.Add(1)
				case http.StatusUnauthorized, http.StatusTooManyRequests:
				default:
					t.Errorf("answered with %s", a)
				}
			})
		}
		group.Wait()
		if winners.Load() != 1 {
			t.Errorf("%d clients were registered", winners.Load())
		}
	}, registering(oidc.Registration{}))
}

// RFC 7592 §2: a registration is read, replaced and deleted by its token; each change gives a new one, and the old one is dead.
func TestManageRegistration(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		first := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument))
		read := h.registered(h.manage(http.MethodGet, first.URI, first.Token, ""))
		if read.Token != first.Token || read.URI != first.URI || read.Secret != "" || read.ClientID != first.ClientID || read.Issued != first.Issued || read.Name != "Shop" {
			t.Errorf("read as %s", read.Body)
		}
		h.clock.advance(time.Second)
		changed := h.registered(h.manage(http.MethodPut, first.URI, first.Token,
			`{"client_id":"`+first.ClientID+`","client_secret":"`+first.Secret+`","client_name":"Market","redirect_uris":["https://app.example/new"],"token_endpoint_auth_method":"client_secret_basic"}`))
		if changed.Token == first.Token || changed.Name != "Market" || !slices.Equal(changed.Redirects, []string{"https://app.example/new"}) || changed.Scope != "" || changed.Issued != first.Issued || changed.Secret != "" {
			t.Errorf("changed to %s", changed.Body)
		}
		if strings.Contains(changed.Body, "Laden") {
			t.Error("what was not said again is still there")
		}
		if a := h.manage(http.MethodGet, first.URI, first.Token, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("the old token reads %s", a)
		}
		public := h.registered(h.manage(http.MethodPut, first.URI, changed.Token, `{"client_id":"`+first.ClientID+`","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`))
		again := h.registered(h.manage(http.MethodPut, first.URI, public.Token, `{"client_id":"`+first.ClientID+`","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post"}`))
		if public.Secret != "" || again.Secret == "" || again.Secret == first.Secret {
			t.Errorf("made public and confidential again: %s, %s", public.Body, again.Body)
		}
		code := h.code(first.ClientID, "scope", "openid")
		a := h.token("", "grant_type", "authorization_code", "client_id", first.ClientID, "client_secret", again.Secret, "code", code, "redirect_uri", callback, "code_verifier", verifier)
		token := h.issued(a).AccessToken
		if a := h.userInfo(token); a.Status != http.StatusOK {
			t.Fatalf("its token is answered with %s", a)
		}
		if a := h.manage(http.MethodDelete, first.URI, again.Token, ""); a.Status != http.StatusNoContent || a.Body != "" {
			t.Errorf("deleted with %s", a)
		}
		if a := h.userInfo(token); a.Status != http.StatusUnauthorized {
			t.Errorf("a token of a deleted client is answered with %s", a)
		}
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			if a := h.manage(method, first.URI, again.Token, `{"client_id":"`+first.ClientID+`"}`); a.Status != http.StatusUnauthorized {
				t.Errorf("%s of a deleted client is answered with %s", method, a)
			}
		}
	}, openly)
}

// RFC 7592 §2.2: what an update must not say; and nobody manages another's registration, by whatever token.
func TestAttackRegistrationInOtherHands(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		mine := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument))
		theirs := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument))
		rest := `"redirect_uris":["https://evil.example/cb"]}`
		for what, document := range map[string]string{
			"no client_id":      `{` + rest,
			"another client_id": `{"client_id":"` + theirs.ClientID + `",` + rest,
			"a chosen secret":   `{"client_id":"` + mine.ClientID + `","client_secret":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",` + rest,
			"a chosen token":    `{"client_id":"` + mine.ClientID + `","registration_access_token":"x",` + rest,
			"a chosen URI":      `{"client_id":"` + mine.ClientID + `","registration_client_uri":"https://evil.example",` + rest,
			"a chosen end":      `{"client_id":"` + mine.ClientID + `","client_secret_expires_at":9,` + rest,
			"a chosen start":    `{"client_id":"` + mine.ClientID + `","client_id_issued_at":9,` + rest,
		} {
			if a := h.manage(http.MethodPut, mine.URI, mine.Token, document); a.Status != http.StatusBadRequest {
				t.Errorf("%s is answered with %s", what, a)
			}
		}
		for what, token := range map[string]string{"none": "", "another client's": theirs.Token, "the secret": mine.Secret, "cut": mine.Token[:len(mine.Token)-1], "without prefix": strings.TrimPrefix(mine.Token, "sgra_")} {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				if a := h.manage(method, mine.URI, token, `{"client_id":"`+mine.ClientID+`",`+rest); a.Status != http.StatusUnauthorized {
					t.Errorf("%s with the token %s is answered with %s", method, what, a)
				}
			}
		}
		if a := h.manage(http.MethodGet, pathRegister+"/"+web, mine.Token, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("a client of the operator's is managed: %s", a)
		}
		if got := h.client(mine.ClientID).RedirectURIs; !slices.Equal(got, []string{callback}) {
			t.Errorf("the redirect URIs are %v", got)
		}
		if h.must(h.people.Applications.Disable(t.Context(), h.client(mine.ClientID).Application)); h.manage(http.MethodGet, mine.URI, mine.Token, "").Status != http.StatusForbidden {
			t.Error("the registration of a disabled application is managed")
		}
	}, openly)
}

// Two changes at once: each that is answered with success was made with a token that was good, and no change is lost in another.
func TestAttackRegistrationChangedInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		mine := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument))
		var winners atomic.Int32
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				document := fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://app.example/%d"]}`, mine.ClientID, i)
				if a := h.manage(http.MethodPut, mine.URI, mine.Token, document); a.Status == http.StatusOK {
					winners.Add(1)
				} else if a.Status != http.StatusUnauthorized {
					t.Errorf("answered with %s", a)
				}
			})
		}
		group.Wait()
		if winners.Load() != 1 {
			t.Errorf("one token changed a registration %d times", winners.Load())
		}
	}, openly)
}

// statementIssuerURL is who vouches for software in tests.
const statementIssuerURL = "https://vendor.example"

// statement signs a software statement with a key of the issuer's.
func statement(tb testing.TB, key crypto.Signer, claims map[string]any) string {
	tb.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := jose.Sign(payload, jose.Header{Alg: jose.ES256, Kid: "v1"}, key)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// RFC 7591 §2.3: a statement of a trusted issuer wins over what stands beside it, and comes back as it came; any other is refused.
func TestSoftwareStatement(t *testing.T) {
	t.Parallel()
	key, stranger := generateKey(jose.ES256), generateKey(jose.ES256)
	set, err := jose.Set([]jose.PublicKey{{ID: "v1", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	h := together(t, registering(oidc.Registration{
		Open: true, RequireSoftwareStatement: true, StatementIssuers: []oidc.StatementIssuer{{Issuer: statementIssuerURL, JWKS: set}},
	}))
	now := h.clock.Now().Unix()
	good := statement(t, key, map[string]any{"iss": statementIssuerURL, "exp": now + 60, "software_id": "shop-1", "redirect_uris": []string{callback}, "client_name": "Shop"})
	got := h.registered(h.manage(http.MethodPost, pathRegister, "", `{"software_statement":"`+good+`","redirect_uris":["https://evil.example/cb"],"client_name":"Evil","software_version":"2"}`))
	if !slices.Equal(got.Redirects, []string{callback}) || got.Name != "Shop" || got.member("software_statement") != good || got.member("software_id") != "shop-1" || got.member("software_version") != "2" {
		t.Errorf("registered as %s", got.Body)
	}
	for what, tc := range map[string]struct{ document, code string }{
		"none":       {goodDocument, "invalid_software_statement"},
		"no text":    {`{"software_statement":{}}`, "invalid_software_statement"},
		"no JWT":     {`{"software_statement":"x"}`, "invalid_software_statement"},
		"forged":     {`{"software_statement":"` + statement(t, stranger, map[string]any{"iss": statementIssuerURL}) + `"}`, "invalid_software_statement"},
		"expired":    {`{"software_statement":"` + statement(t, key, map[string]any{"iss": statementIssuerURL, "exp": now}) + `"}`, "invalid_software_statement"},
		"not yet":    {`{"software_statement":"` + statement(t, key, map[string]any{"iss": statementIssuerURL, "nbf": now + 60}) + `"}`, "invalid_software_statement"},
		"unapproved": {`{"software_statement":"` + statement(t, stranger, map[string]any{"iss": "https://stranger.example"}) + `"}`, "unapproved_software_statement"},
		"by nobody":  {`{"software_statement":"` + statement(t, key, map[string]any{"software_id": "x"}) + `"}`, "unapproved_software_statement"},
		"cut":        {`{"software_statement":"` + good[:len(good)-2] + `"}`, "invalid_software_statement"},
		"hostile":    {`{"software_statement":"` + statement(t, key, map[string]any{"iss": statementIssuerURL, "redirect_uris": []string{"javascript:x"}}) + `"}`, "invalid_redirect_uri"},
	} {
		if a := h.manage(http.MethodPost, pathRegister, "", tc.document); a.Status != http.StatusBadRequest || a.member("error") != tc.code {
			t.Errorf("%s is answered with %s", what, a)
		}
	}
}

// A policy sees what would be written, may narrow it, and may refuse; one that fails is nobody's fault.
func TestRegistrationPolicy(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	h := together(t, registering(oidc.Registration{Policy: func(_ context.Context, d *oidc.RegistrationDraft) error {
		if d.InitialAccess != nil {
			seen.Store(d.InitialAccess.Name)
		}
		d.Client.Scopes = []string{"openid"}
		d.Application.Name += " (unchecked)"
		switch {
		case strings.Contains(d.Application.Name, "Bank"):
			return &oidc.Error{Code: "invalid_client_metadata", Description: "the name is taken", Status: 400}
		case strings.Contains(d.Application.Name, "Broken"):
			return errors.New("the policy server is away")
		}
		return nil
	}}))
	token := h.initialAccess(oidc.InitialAccess{Name: "partner", Uses: 1})
	for name, want := range map[string]int{"Bank": 400, "Broken": 503} {
		if a := h.manage(http.MethodPost, pathRegister, token, `{"client_name":"`+name+`","redirect_uris":["https://app.example/cb"]}`); a.Status != want {
			t.Errorf("%s is answered with %s", name, a)
		}
	}
	got := h.registered(h.manage(http.MethodPost, pathRegister, token, goodDocument))
	if got.Scope != "openid" || got.Name != "Shop (unchecked)" || seen.Load() != "partner" {
		t.Errorf("registered as %s for %v", got.Body, seen.Load())
	}
}

// One address cannot fill the store with clients.
func TestAttackRegistrationsWithoutEnd(t *testing.T) {
	t.Parallel()
	h := together(t, openly)
	people, err := directory.New(directory.Config{DB: h.db, Hasher: cheapHasher(), Throttle: directory.ThrottlePolicy{Flow: []directory.Limit{{Count: 3, Per: time.Minute}}}})
	h.must(err)
	p, err := oidc.New(oidc.Config{Issuer: issuer, DB: h.db, Directory: people, Keys: staticKeys{}, Interact: h.persona.Interact, Features: oidc.Features{Registration: &oidc.Registration{Open: true}}})
	h.must(err)
	h.Provider = p
	for i := range 5 {
		want := http.StatusCreated
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		if a := h.manage(http.MethodPost, pathRegister, "", goodDocument); a.Status != want {
			t.Errorf("registration %d is answered with %s", i+1, a)
		}
	}
}

// A configuration that contradicts itself, or lacks a safety part, is refused whole.
func TestRegistrationConfiguration(t *testing.T) {
	t.Parallel()
	h := together(t)
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
		Features: oidc.Features{Registration: &oidc.Registration{Scopes: []string{"a b"}, RequireSoftwareStatement: true}},
	})
	for _, field := range []string{"Registration.Scopes", "Registration.RequireSoftwareStatement"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("nothing is said of %s: %v", field, err)
		}
	}
}

// RFC 7592 §3: the URI of a registration is below the issuer, wherever that lives.
func TestRegistrationBelowAPath(t *testing.T) {
	t.Parallel()
	h := together(t, openly, func(c *oidc.Config) { c.Issuer = "https://id.example/tenant" })
	got := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument))
	if got.URI != "https://id.example/tenant/oauth2/register/"+got.ClientID {
		t.Errorf("the registration is at %s", got.URI)
	}
	if a := h.manage(http.MethodGet, got.URI, got.Token, ""); a.Status != http.StatusOK {
		t.Errorf("it is answered with %s", a)
	}
}

func registrationDoors() []door {
	created := func(a *answer) bool { return a.Status == http.StatusCreated && a.member("client_id") != "" }
	register := func(h *harness) registered {
		return h.registered(h.manage(http.MethodPost, pathRegister, h.initialAccess(oidc.InitialAccess{}), goodDocument))
	}
	gone := func(a *answer) bool { return a.Status == http.StatusUnauthorized }
	return []door{
		// A use whose answer was lost is a use: the registration that nobody knows of is nobody's.
		{name: "register", done: created, lost: gone, open: func(h *harness) attempt {
			token := h.initialAccess(oidc.InitialAccess{})
			return attempt{send: func() *answer { return h.manage(http.MethodPost, pathRegister, token, goodDocument) }}
		}},
		{name: "read", done: gotOK, open: func(h *harness) attempt {
			mine := register(h)
			return attempt{send: func() *answer { return h.manage(http.MethodGet, mine.URI, mine.Token, "") }}
		}},
		{name: "update", done: gotOK, lost: gone, open: func(h *harness) attempt {
			mine := register(h)
			document := `{"client_id":"` + mine.ClientID + `","redirect_uris":["https://app.example/new"]}`
			return attempt{send: func() *answer { return h.manage(http.MethodPut, mine.URI, mine.Token, document) }}
		}},
		{name: "delete", done: func(a *answer) bool { return a.Status == http.StatusNoContent }, lost: gone, open: func(h *harness) attempt {
			mine := register(h)
			return attempt{send: func() *answer { return h.manage(http.MethodDelete, mine.URI, mine.Token, "") }}
		}},
	}
}

// What a software statement calls the client is not called otherwise in another language (RFC 7591 §2.3, §3.1.1).
func TestAttackStatementTranslated(t *testing.T) {
	t.Parallel()
	key := generateKey(jose.ES256)
	set, err := jose.Set([]jose.PublicKey{{ID: "v1", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	h := together(t, registering(oidc.Registration{Open: true, StatementIssuers: []oidc.StatementIssuer{{Issuer: statementIssuerURL, JWKS: set}}}))
	said := statement(t, key, map[string]any{"iss": statementIssuerURL, "client_name": "Shop", "client_name#fr": "Boutique"})
	got := h.registered(h.manage(http.MethodPost, pathRegister, "", `{"software_statement":"`+said+`","client_name#en":"Your Bank","client_name#fr":"Votre banque",
		"redirect_uris":["https://app.example/cb"]}`))
	if got.Name != "Shop" || got.member("client_name#en") != "" || got.member("client_name#fr") != "Boutique" {
		t.Errorf("registered as %s", got.Body)
	}
}

// A JWT of the issuer's that says that it is something else is no software statement (RFC 7591 §2.3, RFC 8725 §3.11).
func TestAttackStatementOfAnotherType(t *testing.T) {
	t.Parallel()
	key := generateKey(jose.ES256)
	set, err := jose.Set([]jose.PublicKey{{ID: "v1", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	h := together(t, registering(oidc.Registration{Open: true, StatementIssuers: []oidc.StatementIssuer{{Issuer: statementIssuerURL, JWKS: set}}}))
	said, err := json.Marshal(map[string]any{"iss": statementIssuerURL, "client_name": "Shop"})
	h.must(err)
	for typ, status := range map[string]int{"": 201, "JWT": 201, "at+jwt": 400, "logout+jwt": 400, "oauth-authz-req+jwt": 400} {
		text, err := jose.Sign(said, jose.Header{Alg: jose.ES256, Kid: "v1", Typ: typ}, key)
		h.must(err)
		a := h.manage(http.MethodPost, pathRegister, "", `{"software_statement":"`+text+`","redirect_uris":["https://app.example/cb"]}`)
		if a.Status != status || status == 400 && a.errorCode() != "invalid_software_statement" {
			t.Errorf("typ %q: %s", typ, a)
		}
	}
}

// A client that does not say what it is is a web application, and held to that (OpenID Connect Registration §2).
func TestRegisterApplicationType(t *testing.T) {
	t.Parallel()
	h := together(t, openly, legacy)
	if got := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument)); got.member("application_type") != "web" {
		t.Errorf("registered as %s", got.Body)
	}
	local := `{"redirect_uris":["http://127.0.0.1/cb"],"grant_types":["implicit"],"response_types":["id_token"]`
	if a := h.manage(http.MethodPost, pathRegister, "", local+`}`); a.errorCode() != "invalid_redirect_uri" {
		t.Errorf("a fragment for whatever listens on the machine: %s", a)
	}
	if a := h.manage(http.MethodPost, pathRegister, "", local+`,"application_type":"native"}`); a.Status != http.StatusCreated {
		t.Errorf("of a native application: %s", a)
	}
}

// The issuer of software statements may publish its keys, and have others later; while they cannot be had nobody is registered, and it is not the
// client's mistake (RFC 7591 §2.3).
func TestSoftwareStatementOfAPublishedKey(t *testing.T) {
	t.Parallel()
	setOf := func(id string, key crypto.Signer) string {
		set, err := jose.Set([]jose.PublicKey{{ID: id, Algorithm: jose.ES256, Key: key.Public()}})
		if err != nil {
			t.Fatal(err)
		}
		return string(set)
	}
	key, next := generateKey(jose.ES256), generateKey(jose.ES256)
	w := publish(t, setOf("v1", key))
	h := together(t, registering(oidc.Registration{
		Open: true, StatementIssuers: []oidc.StatementIssuer{{Issuer: statementIssuerURL, JWKSURI: "https://example.com/jwks"}},
	}), func(c *oidc.Config) { c.Outbound = w.outbound() })
	register := func(by crypto.Signer, kid string) *answer {
		said, err := json.Marshal(map[string]any{"iss": statementIssuerURL, "client_name": "Shop", "redirect_uris": []string{callback}})
		h.must(err)
		signed, err := jose.Sign(said, jose.Header{Alg: jose.ES256, Kid: kid}, by)
		h.must(err)
		return h.manage(http.MethodPost, pathRegister, "", `{"software_statement":"`+signed+`"}`)
	}
	w.change(http.StatusInternalServerError, "", nil)
	if a := register(key, "v1"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("without the keys: %s", a)
	}
	w.change(http.StatusOK, setOf("v1", key), nil)
	h.clock.advance(time.Hour)
	if got := h.registered(register(key, "v1")); got.Name != "Shop" {
		t.Errorf("registered as %s", got.Body)
	}
	if a := register(next, "v1"); a.errorCode() != "invalid_software_statement" {
		t.Errorf("forged: %s", a)
	}
	w.change(http.StatusOK, setOf("v2", next), nil)
	h.clock.advance(time.Minute)
	if got := h.registered(register(next, "v2")); got.Name != "Shop" {
		t.Errorf("by another key: %s", got.Body)
	}
	for name, issuer := range map[string]oidc.StatementIssuer{
		"no keys": {Issuer: "x"}, "two places": {Issuer: "x", JWKS: json.RawMessage(setOf("v1", key)), JWKSURI: "https://example.com/jwks"},
		"an inside place": {Issuer: "x", JWKSURI: "http://10.0.0.1/jwks"}, "nobody": {JWKSURI: "https://example.com/jwks"},
	} {
		_, err := oidc.New(wiring(t, registering(oidc.Registration{Open: true, StatementIssuers: []oidc.StatementIssuer{issuer}})))
		if err == nil || !strings.Contains(err.Error(), "StatementIssuers") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
