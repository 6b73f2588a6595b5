package oidc_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// The world of every test: an issuer, two people, and one client of each sort.
const (
	issuer   = "https://id.example"
	callback = "https://app.example/cb"
	bye      = "https://app.example/bye"
	api      = "https://api.example"

	pathAuthorize  = "/oauth2/authorize"
	pathResume     = "/oauth2/authorize/resume"
	pathToken      = "/oauth2/token"
	pathUserInfo   = "/oauth2/userinfo"
	pathJWKS       = "/oauth2/jwks"
	pathIntrospect = "/oauth2/introspect"
	pathRevoke     = "/oauth2/revoke"
	pathLogout     = "/oidc/logout"

	web    = "web"    // confidential, client_secret_basic
	mail   = "mail"   // confidential, client_secret_post
	spa    = "spa"    // public
	vault  = "vault"  // confidential, opaque access tokens, ES256 ID tokens
	server = "server" // the resource server of api
	robot  = "robot"  // a machine that acts for itself at api
	safe   = "safe"   // a machine with opaque tokens

	ann = "ann"
	bob = "bob"
)

// verifier is the PKCE verifier of every request, and challenge its digest.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// clientSecret is the secret of a client of the harness; "" for a public one.
func clientSecret(clientID string) string {
	if clientID == spa {
		return ""
	}
	return clientID + "-secret-Zx81mQpVnT4rLk7wYb2s"
}

// harnessClients are the clients that every harness has.
func harnessClients() []*oidc.Client {
	person := func(c oidc.Client) *oidc.Client {
		c.RedirectURIs = append([]string{callback, "https://app.example/cb?tenant=7"}, c.RedirectURIs...)
		c.PostLogoutRedirectURIs = []string{bye}
		return &c
	}
	machine := func(c oidc.Client) *oidc.Client {
		c.GrantTypes = []oidc.GrantType{oidc.ClientCredentials}
		return &c
	}
	return []*oidc.Client{
		person(oidc.Client{ClientID: web, Claims: []string{"team", "salary"}}),
		person(oidc.Client{ClientID: mail, AuthMethod: oidc.ClientSecretPost, IDTokenAlg: "PS256"}),
		person(oidc.Client{ClientID: spa, AuthMethod: oidc.NoAuth, RedirectURIs: []string{
			"http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/cb",
		}}),
		person(oidc.Client{ClientID: vault, AccessTokenFormat: oidc.Opaque, IDTokenAlg: "ES256"}),
		machine(oidc.Client{ClientID: server, Resources: []string{api}}),
		machine(oidc.Client{ClientID: robot, Scopes: []string{"read", "write"}, Audience: []string{api}}),
		machine(oidc.Client{ClientID: safe, Scopes: []string{"read"}, Audience: []string{api}, AccessTokenFormat: oidc.Opaque}),
	}
}

// harness is a Provider over stores in memory, with people and clients, a clock and failures that the test commands, and a
// person at the browser whose answers the test scripts. When the test ends it looks through the log and everything that
// was written to the store for the secrets that were handed out.
type harness struct {
	*oidc.Provider
	tb      testing.TB
	issuer  string
	db      *store.DB
	people  *directory.Directory
	faults  *storetest.Faulty
	clock   *clock
	logs    *logBuffer
	persona *persona

	mu       sync.Mutex
	observed []directory.Observation
	secrets  map[string]string // by what they are
}

// newHarness opens a Provider in a placement, with edit applied to its configuration before.
func newHarness(tb testing.TB, p storetest.Placement, edit ...func(*oidc.Config)) *harness {
	tb.Helper()
	h := &harness{
		tb: tb, issuer: issuer, clock: &clock{now: time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)}, logs: &logBuffer{},
		faults: storetest.Faults(p.Driver), secrets: map[string]string{},
	}
	h.persona = &persona{h: h, results: map[string]*directory.Result{}}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	h.must(err)
	h.db, err = store.Open(store.Config{Driver: h.faults, Ephemeral: h.faults.Ephemeral(p.Ephemeral), Keys: ring, Now: h.clock.Now, Consumers: oidc.Features{CIBA: &oidc.CIBA{Ping: true}, BackChannelLogout: &oidc.BackChannelLogout{}}.Consumers()})
	h.must(err)
	h.people, err = directory.New(directory.Config{
		DB: h.db, Hasher: cheapHasher(), Throttle: directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleRequest}},
	})
	h.must(err)
	config := oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
		Observer: h.observe, Logger: slog.New(slog.NewJSONHandler(h.logs, nil)),
	}
	for _, e := range edit {
		e(&config)
	}
	h.issuer = config.Issuer
	h.Provider, err = oidc.New(config)
	h.must(err)
	for _, name := range []string{ann, bob} {
		h.must(h.people.CreateUser(tb.Context(), &directory.User{
			Username: name, Name: strings.ToUpper(name[:1]) + name[1:] + " Example", Email: name + "@example.com", EmailVerified: true,
			Phone: "+15550100", Address: &directory.Address{Country: "US"}, Attributes: map[string]any{"team": "blue"},
		}, ""))
	}
	for _, c := range harnessClients() {
		h.register(c)
	}
	tb.Cleanup(h.searchForSecrets)
	return h
}

// together is a harness with everything in one Driver.
func together(tb testing.TB, edit ...func(*oidc.Config)) *harness {
	tb.Helper()
	return newHarness(tb, storetest.Placement{Name: "together", Driver: memory.New()}, edit...)
}

// placements runs test over both placements, in parallel.
func placements(t *testing.T, test func(t *testing.T, h *harness), edit ...func(*oidc.Config)) {
	t.Helper()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		test(t, newHarness(t, p, edit...))
	})
}

func (h *harness) must(err error) {
	h.tb.Helper()
	if err != nil {
		h.tb.Fatal(err)
	}
}

// register creates a client with the harness's secret for it.
func (h *harness) register(c *oidc.Client) *oidc.Client {
	h.tb.Helper()
	switch c.AuthMethod {
	case oidc.NoAuth, oidc.PrivateKeyJWT, oidc.TLSClientAuth, oidc.SelfSignedTLSClientAuth:
		_, err := h.Clients.Create(h.tb.Context(), "App "+c.ClientID, c)
		h.must(err)
		return c
	}
	h.must(h.Clients.Import(h.tb.Context(), "App "+c.ClientID, c, clientSecret(c.ClientID)))
	h.noteSecret("client secret of "+c.ClientID, clientSecret(c.ClientID))
	return c
}

// client reads a registered client, to change and Replace it.
func (h *harness) client(clientID string) *oidc.Client {
	h.tb.Helper()
	c, err := h.Clients.Find(h.tb.Context(), clientID)
	h.must(err)
	return c
}

// subject reads the Subject of a person.
func (h *harness) subject(name string) *directory.Subject {
	h.tb.Helper()
	s, err := h.findSubject(h.tb.Context(), name)
	h.must(err)
	return s
}

func (h *harness) findSubject(ctx context.Context, name string) (*directory.Subject, error) {
	u, err := h.people.FindUser(ctx, "", name)
	if err != nil {
		return nil, err
	}
	return h.people.SubjectOf(ctx, u)
}

// skipConsent makes the client one of the operator's own, which asks for no consent.
func (h *harness) skipConsent(clientID string) {
	h.tb.Helper()
	app, err := h.people.Applications.Get(h.tb.Context(), h.client(clientID).Application)
	h.must(err)
	app.SkipConsent = true
	h.must(h.people.Applications.Replace(h.tb.Context(), app))
}

func (h *harness) observe(_ context.Context, o directory.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.observed = append(h.observed, o)
}

// observations lists the types of what the Observer was told.
func (h *harness) observations() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var types []string
	for _, o := range h.observed {
		types = append(types, o.Type)
	}
	return types
}

// events lists the types of all events of protocols so far, sorted.
func (h *harness) events() []string {
	h.tb.Helper()
	page, err := h.db.Events(h.tb.Context(), store.Query{Within: store.Subtree, Limit: 1000})
	h.must(err)
	var types []string
	for _, e := range page.Items {
		if strings.HasPrefix(e.Type, "oidc.") && !strings.HasPrefix(e.Type, "oidc.client.") {
			types = append(types, e.Type)
		}
	}
	slices.Sort(types)
	return types
}

// noteSecret remembers a value that must appear in no log and in no record.
func (h *harness) noteSecret(what, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(value) >= 16 {
		h.secrets[value] = what
	}
}

func (h *harness) searchForSecrets() {
	h.mu.Lock()
	defer h.mu.Unlock()
	logs := h.logs.String()
	for value, what := range h.secrets {
		if strings.Contains(logs, value) {
			h.tb.Errorf("the log contains a secret: %s", what)
		}
	}
	for _, call := range h.faults.Calls() {
		for _, op := range call.Ops {
			for value, what := range h.secrets {
				if bytes.Contains(op.Record.Body, []byte(value)) || op.Record.ID == value {
					h.tb.Errorf("a record of %s contains a secret: %s", op.Record.Kind, what)
				}
			}
		}
	}
}

// clock is the time of the harness.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// advance moves the clock; a negative duration turns it back.
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// staticKeys has one key for each algorithm, made once for all tests.
type staticKeys struct{}

var generatedKeys = map[string]func() crypto.Signer{
	"RS256": sync.OnceValue(func() crypto.Signer { return generateKey(jose.RS256) }),
	"PS256": sync.OnceValue(func() crypto.Signer { return generateKey(jose.PS256) }),
	"ES256": sync.OnceValue(func() crypto.Signer { return generateKey(jose.ES256) }),
}

func generateKey(a jose.Algorithm) crypto.Signer {
	key, err := jose.GenerateKey(a)
	if err != nil {
		panic(err)
	}
	return key
}

// Signer implements oidc.Keys.
func (staticKeys) Signer(_ context.Context, algorithm string) (string, crypto.Signer, error) {
	key, ok := generatedKeys[algorithm]
	if !ok {
		return "", nil, fmt.Errorf("no %s key", algorithm)
	}
	return "key-" + algorithm, key(), nil
}

// Public implements oidc.Keys.
func (staticKeys) Public(_ context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	key, ok := generatedKeys[algorithm]
	if !ok {
		return nil, nil
	}
	return map[string]crypto.PublicKey{"key-" + algorithm: key().Public()}, nil
}

var cheapHasher = sync.OnceValue(func() *password.Hasher {
	h, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	if err != nil {
		panic(err)
	}
	return h
})

// script is what the person at the browser will do. Its zero value signs ann in by password and approves everything.
type script struct {
	// User signs in; "" is ann.
	User string
	// Evidence is what they prove; nil is a password. Subject and Time are filled in when they are zero.
	Evidence []directory.Evidence
	// ACR is the class that the flow selects; "" is none.
	ACR string
	// Claims are what the login says of the person; nil is nothing.
	Claims directory.SignInClaims
	// Session answers with a session that stands already, in place of a new one.
	Session *directory.Session
	// NoSession answers without a session.
	NoSession bool
	// Refusal is the answer to SignIn, RefuseConsent that to ApproveConsent, RefuseLogout that to SignOut.
	Refusal, RefuseConsent, RefuseLogout directory.Refusal
	// Allow are the consent items that they approve; nil is all that are asked.
	Allow []string
	// Page takes the response over with a page, once for each purpose of a request, and sends the browser to Resume.
	Page bool
	// Err is a failure of the flow itself.
	Err error
}

// persona is an Interact that acts by a script.
type persona struct {
	h *harness

	mu      sync.Mutex
	script  script
	asked   []directory.Interaction
	results map[string]*directory.Result // by request and purpose: the answer is given once
	shown   map[string]bool
	session *directory.Session // the last one
}

// acts sets the script.
func (p *persona) acts(s script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = s
}

// lastSession is the session that was begun or used last.
func (p *persona) lastSession() *directory.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session
}

// interactions are the calls of Interact so far.
func (p *persona) interactions() []directory.Interaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// lastInteraction is the last call of Interact.
func (p *persona) lastInteraction() directory.Interaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		p.h.tb.Fatal("nobody was asked")
	}
	return p.asked[len(p.asked)-1]
}

// Interact is an oidc.Config.Interact.
func (p *persona) Interact(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, in)
	if p.script.Err != nil {
		return nil, p.script.Err
	}
	key := in.ID + "|" + string(in.Purpose)
	if result, ok := p.results[key]; ok {
		return result, nil
	}
	if p.script.Page && !p.shown[key] {
		if p.shown == nil {
			p.shown = map[string]bool{}
		}
		p.shown[key] = true
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, in.Resume, http.StatusSeeOther)
		return nil, nil
	}
	result, err := p.answer(r.Context(), in)
	if err == nil {
		p.results[key] = result
	}
	return result, err
}

func (p *persona) answer(ctx context.Context, in directory.Interaction) (*directory.Result, error) {
	switch in.Purpose {
	case directory.ApproveConsent:
		approved := p.script.Allow
		if approved == nil {
			for _, item := range in.Consent {
				approved = append(approved, item.ID)
			}
		}
		return &directory.Result{Refusal: p.script.RefuseConsent, Subject: in.Subject, Session: in.Session, Approved: approved}, nil
	case directory.SignOut:
		result := &directory.Result{Refusal: p.script.RefuseLogout}
		if p.session != nil {
			result.Session, result.SessionEpoch = p.session.Ref(), p.session.Epoch
		}
		return result, nil
	case directory.SignIn:
	}
	if p.script.Refusal != "" {
		return &directory.Result{Refusal: p.script.Refusal}, nil
	}
	return p.signIn(ctx)
}

func (p *persona) signIn(ctx context.Context) (*directory.Result, error) {
	name := p.script.User
	if name == "" {
		name = ann
	}
	subject, err := p.h.findSubject(ctx, name)
	if err != nil {
		return nil, err
	}
	result := &directory.Result{
		Subject: subject.Ref(), SubjectVersion: subject.Version, SubjectEpoch: subject.Epoch, Evidence: p.proof(subject), ACR: p.script.ACR,
		Claims: p.script.Claims,
	}
	session := p.script.Session
	if session == nil && !p.script.NoSession {
		if session, err = p.h.begin(ctx, subject, result.Evidence); err != nil {
			return nil, err
		}
	}
	if session != nil {
		p.session = session
		result.Session, result.SessionVersion, result.SessionEpoch = session.Ref(), session.Version, session.Epoch
	}
	return result, nil
}

// begin makes a session. Its cookie goes nowhere: the script says who is at the browser.
func (h *harness) begin(ctx context.Context, subject *directory.Subject, evidence []directory.Evidence) (*directory.Session, error) {
	b := h.db.Batch()
	session, _, err := h.people.Sessions.Begin(ctx, b, directory.NewSession{Subject: subject, Evidence: evidence})
	if err != nil {
		return nil, err
	}
	return session, b.Apply(ctx)
}

func (p *persona) proof(subject *directory.Subject) []directory.Evidence {
	evidence := slices.Clone(p.script.Evidence)
	if evidence == nil {
		evidence = []directory.Evidence{{Method: "password", AMR: []string{"pwd"}}}
	}
	for i := range evidence {
		if evidence[i].Subject == "" {
			evidence[i].Subject = subject.ID
		}
		if evidence[i].Time.IsZero() {
			evidence[i].Time = p.h.clock.Now()
		}
	}
	return evidence
}

// answer is a response, read to its end.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

func (a *answer) String() string { return fmt.Sprintf("%d %v %s", a.Status, a.Header, a.Body) }

// location is the redirect target; nil when there is none.
func (a *answer) location() *url.URL {
	text := a.Header.Get("Location")
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil
	}
	return u
}

// returned are the parameters of an authorization response by redirect, in query or fragment; empty when there is none.
func (a *answer) returned() url.Values {
	u := a.location()
	if u == nil {
		return url.Values{}
	}
	if u.Fragment != "" {
		values, err := url.ParseQuery(u.EscapedFragment())
		if err == nil {
			return values
		}
	}
	return u.Query()
}

// member returns a string member of a JSON answer; "" when it is absent.
func (a *answer) member(name string) string {
	var all map[string]any
	if json.Unmarshal([]byte(a.Body), &all) != nil {
		return ""
	}
	text, _ := all[name].(string)
	return text
}

// errorCode is the error of an answer, in whatever form: JSON, redirect, or a page.
func (a *answer) errorCode() string {
	if code := a.member("error"); code != "" {
		return code
	}
	if code := a.returned().Get("error"); code != "" {
		return code
	}
	if _, rest, ok := strings.Cut(a.Body, `<p id="error"><code>`); ok {
		code, _, _ := strings.Cut(rest, "<")
		return code
	}
	return ""
}

// active reports what an introspection answer says.
func (a *answer) active() bool { return strings.HasPrefix(a.Body, `{"active":true`) }

// send passes a request to the Provider without a network and reads the answer. It never fails a test, so that goroutines
// may use it.
func (h *harness) send(r *http.Request) *answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := &answer{Status: w.Code, Header: w.Result().Header, Body: w.Body.String()}
	h.noteAnswer(a)
	return a
}

// noteAnswer remembers the secrets of an answer.
func (h *harness) noteAnswer(a *answer) {
	for _, name := range []string{"access_token", "refresh_token", "id_token", "client_secret", "registration_access_token"} {
		h.noteSecret(name, a.member(name))
	}
	for _, name := range []string{"code", "access_token", "id_token", "response"} {
		h.noteSecret(name, a.returned().Get(name))
	}
	for _, line := range a.Header.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil {
			h.noteSecret("cookie "+c.Name, c.Value)
		}
	}
}

// request makes a request to a path of the issuer; a non-nil form is the body.
func (h *harness) request(method, path string, form url.Values) *http.Request {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	target := path
	if strings.HasPrefix(path, "/") {
		target = h.issuer + path
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// post sends a form as the client, authenticated as it is registered; with "" nobody authenticates.
func (h *harness) post(path, clientID string, form url.Values) *answer {
	form = maps.Clone(form)
	if form == nil {
		form = url.Values{}
	}
	switch clientID {
	case "":
	case spa:
		form.Set("client_id", spa)
	case mail:
		form.Set("client_id", mail)
		form.Set("client_secret", clientSecret(mail))
	}
	r := h.request(http.MethodPost, path, form)
	if clientID != "" && clientID != spa && clientID != mail {
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret(clientID)))
	}
	return h.send(r)
}

// values makes a form of name, value pairs.
func values(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// token sends a token request as the client.
func (h *harness) token(clientID string, pairs ...string) *answer {
	return h.post(pathToken, clientID, values(pairs...))
}

// redeem sends a code for tokens, with the harness's verifier and redirect URI; further pairs override, "" removes.
func (h *harness) redeem(clientID, code string, pairs ...string) *answer {
	form := values("grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier)
	override(form, pairs)
	return h.post(pathToken, clientID, form)
}

// refresh sends a refresh token for tokens.
func (h *harness) refresh(clientID, refreshToken string, pairs ...string) *answer {
	form := values("grant_type", "refresh_token", "refresh_token", refreshToken)
	override(form, pairs)
	return h.post(pathToken, clientID, form)
}

func (h *harness) introspect(clientID, token string) *answer {
	return h.post(pathIntrospect, clientID, values("token", token))
}

func (h *harness) revoke(clientID, token string) *answer {
	return h.post(pathRevoke, clientID, values("token", token))
}

func (h *harness) userInfo(accessToken string) *answer {
	r := h.request(http.MethodGet, pathUserInfo, nil)
	r.Header.Set("Authorization", "Bearer "+accessToken)
	return h.send(r)
}

func override(form url.Values, pairs []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
}

// authorization is a good authorization request of the client for openid, profile and offline_access; further pairs
// override, "" removes.
func authorization(clientID string, pairs ...string) url.Values {
	form := values(
		"client_id", clientID, "redirect_uri", callback, "response_type", "code", "scope", "openid profile offline_access",
		"state", "xyz", "nonce", "n-0S6", "code_challenge", challenge(), "code_challenge_method", "S256",
	)
	override(form, pairs)
	return form
}

// browser is a browser with a cookie jar that reaches the Provider without a network.
type browser struct {
	h   *harness
	jar *cookiejar.Jar
}

func (h *harness) newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	h.must(err)
	return &browser{h, jar}
}

// do sends one request with the browser's cookies and keeps those of the answer.
func (b *browser) do(method, path string, form url.Values, edit ...func(*http.Request)) *answer {
	r := b.h.request(method, path, form)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	for _, e := range edit {
		e(r)
	}
	a := b.h.send(r)
	b.jar.SetCookies(r.URL, (&http.Response{Header: a.Header}).Cookies())
	return a
}

func (b *browser) get(path string) *answer { return b.do(http.MethodGet, path, nil) }

// follow goes on by GET for as long as the answer leads to the Provider itself.
func (b *browser) follow(a *answer) *answer {
	for range 10 {
		u := a.location()
		if u == nil || u.Host != "" && !strings.HasPrefix(u.String(), b.h.issuer) || u.Opaque != "" || u.Scheme != "" && u.Host == "" {
			return a
		}
		a = b.get(u.String())
	}
	return a
}

// authorize sends an authorization request by GET and goes on until it leaves the Provider, or stays on a page.
func (b *browser) authorize(request url.Values) *answer {
	return b.follow(b.get(pathAuthorize + "?" + request.Encode()))
}

// code sends a good authorization request and returns the code that comes of it.
func (h *harness) code(clientID string, pairs ...string) string {
	h.tb.Helper()
	a := h.newBrowser().authorize(authorization(clientID, pairs...))
	code := a.returned().Get("code")
	if code == "" {
		h.tb.Fatalf("no code: %s", a)
	}
	return code
}

// issued are the tokens of a successful token response.
type issued struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
}

// issued demands that the answer be a successful token response.
func (h *harness) issued(a *answer) issued {
	h.tb.Helper()
	var t issued
	if a.Status != http.StatusOK || json.Unmarshal([]byte(a.Body), &t) != nil || t.AccessToken == "" {
		h.tb.Fatalf("no tokens: %s", a)
	}
	return t
}

// tokens goes through the whole code flow.
func (h *harness) tokens(clientID string, pairs ...string) issued {
	h.tb.Helper()
	return h.issued(h.redeem(clientID, h.code(clientID, pairs...)))
}

// machineToken is an access token by client_credentials.
func (h *harness) machineToken(clientID string) string {
	h.tb.Helper()
	return h.issued(h.token(clientID, "grant_type", "client_credentials")).AccessToken
}

// claims decodes the payload of a JWT without verifying it.
func claims(tb testing.TB, token string) map[string]any {
	tb.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		tb.Fatalf("not a JWT: %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		tb.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestHarness(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, mail, spa, vault} {
			got := h.tokens(clientID)
			if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK || a.member("sub") != h.subject(ann).ID {
				t.Errorf("%s: userinfo: %s", clientID, a)
			}
			again := h.issued(h.refresh(clientID, got.RefreshToken))
			if again.RefreshToken == got.RefreshToken {
				t.Errorf("%s: the refresh token did not rotate", clientID)
			}
		}
		if token := h.machineToken(robot); !h.introspect(server, token).active() {
			t.Error("the resource server does not see the machine's token")
		}
		if token := h.machineToken(safe); !h.introspect(server, token).active() {
			t.Error("the resource server does not see the machine's opaque token")
		}
	})
}
