package federated_test

import (
	"crypto"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// world is an engine with a connection to a provider, and a protocol that says who has signed in.
type world struct {
	*testing.T
	*directory.Directory
	*httptest.Server
	db          *store.DB
	faults      *storetest.Faulty
	up          *upstream
	connections *federated.Connections
	engine      *flow.Engine
	config      flow.Config

	mu  sync.Mutex
	mux *http.ServeMux
	now time.Time
	in  directory.Interaction // what the protocol asks
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

const goodPassword = "correct horse battery"

func newWorld(t *testing.T, p storetest.Placement, plan flow.Plan, edit ...func(*federated.Connection)) *world {
	t.Helper()
	w := &world{T: t, now: time.Now().Truncate(time.Second), faults: storetest.Faults(p.Driver)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		mux := w.mux
		w.mu.Unlock()
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Server.Close)
	w.up = newUpstream(t, w.Now)
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	w.must(err)
	w.db, err = store.Open(store.Config{Driver: w.faults, Ephemeral: w.faults.Ephemeral(p.Ephemeral), Keys: ring, Now: w.Now})
	w.must(err)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	w.must(err)
	w.Directory, err = directory.New(directory.Config{DB: w.db, Hasher: hasher, Throttle: directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleFlow}}})
	w.must(err)
	connection := federated.Connection{
		Name: "up", Title: "Upstream Inc.", Create: true,
		Provider: rp.Config{Issuer: w.up.URL, ClientID: "client", ClientSecret: "secret"},
	}
	for _, e := range edit {
		e(&connection)
	}
	w.connections, err = federated.New(federated.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Connections: []federated.Connection{connection}})
	w.must(err)
	look, err := pages.New(pages.Config{Issuer: w.URL})
	w.must(err)
	w.config = flow.Config{
		DB: w.db, Directory: w.Directory, Issuer: w.URL, Transport: look, Plans: map[string]flow.Plan{"login": plan}, Executors: w.connections.Executors(),
	}
	w.rebuild(func(*flow.Config) {})
	return w
}

// rebuild makes the engine anew.
func (w *world) rebuild(edit func(*flow.Config)) {
	w.Helper()
	edit(&w.config)
	var err error
	w.engine, err = flow.New(w.config)
	w.must(err)
	mux := http.NewServeMux()
	for _, route := range w.engine.Routes() {
		mux.Handle(route.Path, route.Handler)
	}
	mux.Handle("POST "+federated.LogoutPath+"{connection}", w.connections)
	mux.HandleFunc("/private", w.private)
	mux.HandleFunc("/bye", w.bye)
	mux.HandleFunc("GET "+federated.PostLogoutPath+"{connection}", w.signedOut)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mux = mux
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// everywhere runs a test in both placements.
func everywhere(t *testing.T, test func(w *world), edit ...func(*federated.Connection)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		test(newWorld(t, p, flow.Login("password", "up"), edit...))
	})
}

// private is the protocol.
func (w *world) private(rw http.ResponseWriter, r *http.Request) {
	in := w.in
	in.ID, in.Resume, in.Purpose = r.FormValue("request"), r.URL.RequestURI(), directory.SignIn
	result, err := w.engine.Interact(rw, r, in)
	switch {
	case err != nil:
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
	case result != nil:
		_ = json.NewEncoder(rw).Encode(result)
	}
}

// browser is somebody's.
type browser struct {
	*world
	*http.Client
}

func (w *world) browser() *browser {
	w.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	// Not the transport that all tests share: there httptest.Server.Close of one cuts the connections of another.
	return &browser{w, &http.Client{Jar: jar, Transport: w.Client().Transport}}
}

// page is where a browser is.
type page struct {
	status int
	at     *url.URL
	body   string
	header http.Header
}

func (b *browser) answer(r *http.Response, err error) page {
	b.Helper()
	b.must(err)
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	b.must(err)
	return page{r.StatusCode, r.Request.URL, string(body), r.Header}
}

func (b *browser) open(to string) page {
	b.Helper()
	return b.answer(b.Get(to))
}

// begin opens the protocol, with a request of its own.
func (b *browser) begin() page {
	b.Helper()
	return b.open(b.URL + "/private?request=" + store.NewID())
}

var hidden = regexp.MustCompile(`<input type="hidden" name="(flow|seq|restart)" value="([^"]*)">`)

var target = regexp.MustCompile(`<form method="post" action="([^"]*)">`)

// press answers the page.
func (b *browser) press(p page, action string, fields ...string) page {
	b.Helper()
	form := url.Values{"action": {action}}
	for _, m := range hidden.FindAllStringSubmatch(p.body, -1) {
		form.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	submit := target.FindStringSubmatch(p.body)
	if submit == nil {
		b.Fatalf("no form: %d at %s\n%s", p.status, p.at, p.body)
	}
	r, err := http.NewRequest(http.MethodPost, b.URL+submit[1], strings.NewReader(form.Encode()))
	b.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.answer(b.Do(r))
}

// leave goes to the provider by the way that a page offers, and returns the URL.
func (b *browser) leave(p page) string {
	b.Helper()
	out := b.press(p, "method_up")
	to, ok := strings.CutPrefix(out.header.Get("Refresh"), "0;url=")
	if !ok {
		b.Fatalf("no way out: %d at %s\n%s", out.status, out.at, out.body)
	}
	return to
}

// signIn is a whole sign-in at the provider.
func (b *browser) signIn() page {
	b.Helper()
	return b.open(b.leave(b.begin()))
}

// result is what the protocol was told; nil when it was told nothing.
func (p page) result() *directory.Result {
	r := new(directory.Result)
	if p.at.Path != "/private" || json.Unmarshal([]byte(p.body), r) != nil {
		return nil
	}
	return r
}

// in wants somebody signed in, and returns who.
func (b *browser) isIn(p page) *directory.User {
	b.Helper()
	r := p.result()
	if r == nil || r.Refusal != "" {
		b.Fatalf("not signed in: %d at %s\n%s", p.status, p.at, p.body)
	}
	subject, err := b.Subjects.Get(b.Context(), r.Subject)
	b.must(err)
	u, err := b.UserOf(b.Context(), subject)
	b.must(err)
	return u
}

// isOut wants a page with a text, and nobody signed in.
func (b *browser) isOut(p page, text string) {
	b.Helper()
	if p.result() != nil || !strings.Contains(p.body, text) {
		b.Errorf("want %q, got %d at %s\n%s", text, p.status, p.at, p.body)
	}
}

func (w *world) user(name, email string, verified bool) *directory.User {
	w.Helper()
	u := &directory.User{Username: name, Email: email, EmailVerified: verified}
	w.must(w.CreateUser(w.Context(), u, goodPassword))
	return u
}

// upstream is a provider whose people are always signed in, and are who the test says.
type upstream struct {
	*testing.T
	*httptest.Server
	now func() time.Time
	key crypto.Signer

	mu     sync.Mutex
	claims map[string]any
	nonces map[string]string // by code
	used   map[string]bool
	asked  url.Values
	refuse string
	// more is further metadata, and left what the browser brought that was to be signed out.
	more   map[string]any
	left   url.Values
	client crypto.PublicKey // the key that it encrypts to, if any
}

func newUpstream(t *testing.T, now func() time.Time) *upstream {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{T: t, now: now, key: key, nonces: map[string]string{}, used: map[string]bool{}, claims: map[string]any{
		"sub": "upstream-1", "name": "Ann Upstream", "email": "ann@example.com", "email_verified": true, "sid": "session-1",
	}}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.Close)
	return u
}

// says changes what the provider says; nil removes a claim.
func (u *upstream) says(name string, value any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.claims[name] = value; value == nil {
		delete(u.claims, name)
	}
}

// encrypts has its responses and ID tokens encrypted to a key of the client's.
func (u *upstream) encrypts(to crypto.PublicKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.client = to
}

// sealed is a response or ID token as it goes out.
func (u *upstream) sealed(signed string) string {
	if u.client == nil {
		return signed
	}
	token, err := jose.Encrypt([]byte(signed), jose.EncryptionHeader{Alg: jose.ECDHES, Enc: jose.A256GCM, Kid: "c", Cty: "JWT"}, u.client)
	if err != nil {
		u.Error(err)
	}
	return token
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": u.URL, "authorization_endpoint": u.URL + "/authorize", "token_endpoint": u.URL + "/token", "jwks_uri": u.URL + "/jwks",
		}
		maps.Copy(m, u.more)
		answer(m)
	case "/logout":
		u.left = r.URL.Query()
		http.Redirect(w, r, u.left.Get("post_logout_redirect_uri")+"?"+url.Values{"state": u.left["state"]}.Encode(), http.StatusSeeOther)
	case "/jwks":
		set, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: jose.ES256, Key: u.key.Public()}})
		if err != nil {
			u.Error(err)
		}
		_, _ = w.Write(set)
	case "/authorize":
		u.asked = r.URL.Query()
		back := url.Values{"state": {u.asked.Get("state")}, "iss": {u.URL}}
		if u.refuse != "" {
			back.Set("error", u.refuse)
		} else {
			back.Set("code", store.NewID())
			u.nonces[back.Get("code")] = u.asked.Get("nonce")
		}
		if u.asked.Get("response_mode") == "jwt" { // JARM §2.3.4
			claims := map[string]any{"exp": u.now().Add(time.Minute).Unix()}
			for name := range back {
				claims[name] = back.Get(name)
			}
			back = url.Values{"response": {u.sealed(u.signed(claims, "JWT"))}}
		}
		http.Redirect(w, r, u.asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	case "/token":
		code := r.FormValue("code")
		nonce, known := u.nonces[code]
		if !known || u.used[code] {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			answer(map[string]string{"error": "invalid_grant"})
			return
		}
		u.used[code] = true
		claims := map[string]any{"nonce": nonce, "exp": u.now().Add(time.Minute).Unix()}
		maps.Copy(claims, u.claims)
		answer(map[string]any{"access_token": "t", "token_type": "Bearer", "id_token": u.sealed(u.signed(claims, "JWT"))})
	}
}

func (u *upstream) signed(claims map[string]any, typ string) string {
	all := map[string]any{"iss": u.URL, "aud": "client", "iat": u.now().Unix()}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		u.Error(err)
	}
	token, err := jose.Sign(payload, jose.Header{Alg: jose.ES256, Kid: "k", Typ: typ}, u.key)
	if err != nil {
		u.Error(err)
	}
	return token
}
