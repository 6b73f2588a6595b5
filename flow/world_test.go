package flow_test

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/flow/native"
	"github.com/signet-idp/signet/flow/recovery"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	issuer       = "https://id.example.com/t"
	goodPassword = "correct horse battery"
)

// world is an Engine over stores in memory, a protocol that uses it, and a clock and failures that the test commands.
type world struct {
	*testing.T
	*directory.Directory
	config flow.Config
	engine *flow.Engine
	db     *store.DB
	faults *storetest.Faulty
	log    strings.Builder
	mux    *http.ServeMux

	mu       sync.Mutex
	now      time.Time
	requests map[string]directory.Interaction
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newWorld builds the world in a placement, with edit applied to the configurations before.
func newWorld(t *testing.T, p storetest.Placement, edit ...func(*flow.Config, *directory.Config)) *world {
	t.Helper()
	w := &world{
		T: t, now: time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC), faults: storetest.Faults(p.Driver),
		requests: map[string]directory.Interaction{},
	}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	w.must(err)
	w.db, err = store.Open(store.Config{Driver: w.faults, Ephemeral: w.faults.Ephemeral(p.Ephemeral), Keys: ring, Now: w.Now})
	w.must(err)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	w.must(err)
	people := directory.Config{DB: w.db, Hasher: hasher, Throttle: directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleFlow}}}
	config := flow.Config{
		DB: w.db, Issuer: issuer, Transport: jsonTransport{}, Native: native.New(native.Config{}),
		Execution: execute.New(execute.Config{}), Recovery: recovery.New(recovery.Config{}),
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: w}, nil)),
	}
	for _, e := range edit {
		e(&config, &people)
	}
	w.Directory, err = directory.New(people)
	w.must(err)
	config.Directory = w.Directory
	w.config = config
	w.engine = w.rebuild(func(*flow.Config) {})
	w.serve()
	return w
}

// serve has browsers meet the engine as it is now.
func (w *world) serve() {
	mux := http.NewServeMux()
	for _, route := range w.engine.Routes() {
		mux.Handle(route.Path, route.Handler)
	}
	mux.HandleFunc("/t/authorize", w.authorize)
	w.mux = mux
}

// events counts the events of a type.
func (w *world) events(typ string) (n int) {
	w.Helper()
	listing, err := w.db.Events(w.Context(), store.Query{Limit: 1000})
	w.must(err)
	for _, event := range listing.Items {
		if event.Type == typ {
			n++
		}
	}
	return n
}

// rebuild is another Engine over the same stores.
func (w *world) rebuild(edit func(*flow.Config)) *flow.Engine {
	w.Helper()
	config := w.config
	edit(&config)
	engine, err := flow.New(config)
	w.must(err)
	return engine
}

// together is a world with everything in one Driver.
func together(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
	t.Helper()
	return newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, edit...)
}

// apart is a world with a store of its own for what is ephemeral.
func apart(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
	t.Helper()
	return newWorld(t, storetest.Placement{Name: "apart", Driver: memory.New(), Ephemeral: memory.New()}, edit...)
}

// opener makes a world in one of the placements.
type opener func(*testing.T, ...func(*flow.Config, *directory.Config)) *world

// openers runs a test that needs several worlds in both placements.
func openers(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	t.Parallel()
	t.Run("together", func(t *testing.T) { test(t, together) })
	t.Run("apart", func(t *testing.T) { test(t, apart) })
}

// everywhere runs a test in both placements.
func everywhere(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) { test(t, newWorld(t, p)) })
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

type lockedWriter struct{ w *world }

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// user adds a person.
func (w *world) user(name string) *directory.User {
	w.Helper()
	u := &directory.User{Username: name, Email: name + "@example.com"}
	w.must(w.CreateUser(w.Context(), u, goodPassword))
	return u
}

// app adds an application.
func (w *world) app(policy directory.SecondFactorPolicy) *directory.Application {
	w.Helper()
	a := &directory.Application{Name: "App", SecondFactor: policy}
	w.must(w.Applications.Create(w.Context(), a))
	return a
}

// totp enrols a person beforehand and returns the seed.
func (w *world) totp(u *directory.User) []byte {
	w.Helper()
	secret, err := mfa.TOTP{Issuer: "x"}.Enroll("x")
	w.must(err)
	b := w.db.Batch()
	w.must(w.Credentials.EnrollTOTP(w.Context(), b, u.Ref(), "", secret.Bytes(), 0))
	w.must(b.Apply(w.Context()))
	return secret.Bytes()
}

// code is what the authenticator app shows now.
func (w *world) code(seed []byte) string {
	w.Helper()
	code, err := mfa.TOTP{}.Code(seed, w.Now())
	w.must(err)
	return code
}

// request stores an Interaction of the protocol's and returns the path that begins it, which is also its Resume.
func (w *world) request(in directory.Interaction) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	in.ID = "request-" + strconv.Itoa(len(w.requests))
	if in.Purpose == "" {
		in.Purpose = directory.SignIn
	}
	in.Resume = "/t/authorize?id=" + in.ID
	w.requests[in.ID] = in
	return in.Resume
}

// authorize is the protocol: it interacts and writes the Result.
func (w *world) authorize(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	in := w.requests[r.URL.Query().Get("id")]
	w.mu.Unlock()
	result, err := w.engine.Interact(rw, r, in)
	switch {
	case err != nil:
		rw.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(rw).Encode(page{Error: err.Error()})
	case result != nil:
		_ = json.NewEncoder(rw).Encode(page{Result: result})
	}
}

// page is everything that an answer can hold.
type page struct {
	Status    int
	Location  string
	Header    http.Header
	Error     string
	View      *flow.View
	Failure   *flow.Failure
	Result    *directory.Result
	SignedOut bool

	from string // the path of the request that it answers
}

type jsonTransport struct{}

func (jsonTransport) Show(w http.ResponseWriter, _ *http.Request, v flow.View) {
	status := http.StatusOK
	for _, m := range v.Prompt.Messages {
		if m.Level == flow.Error {
			status = http.StatusUnprocessableEntity
		}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(page{View: &v})
}

func (jsonTransport) Fail(w http.ResponseWriter, _ *http.Request, f flow.Failure) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(page{Failure: &f})
}

func (jsonTransport) SignedOut(w http.ResponseWriter, _ *http.Request, _ flow.View) {
	_ = json.NewEncoder(w).Encode(page{SignedOut: true})
}

// browser keeps cookies and speaks to the world.
type browser struct {
	*world
	cookies map[string]string
	address string
}

func (w *world) browser() *browser {
	return &browser{world: w, cookies: map[string]string{}, address: "192.0.2.1"}
}

// clone is the same browser with the cookies of now: what a second request carries that was sent at the same time.
func (b *browser) clone() *browser {
	return &browser{world: b.world, cookies: maps.Clone(b.cookies), address: b.address}
}

// do sends one request, without following redirects.
func (b *browser) do(method, target string, form url.Values, edit ...func(*http.Request)) page {
	b.Helper()
	r := httptest.NewRequest(method, "https://id.example.com"+target, strings.NewReader(form.Encode()))
	r.RemoteAddr = b.address + ":1234"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	b.mux.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	p := page{}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
			b.Fatalf("%s %s: %d %q", method, target, rec.Code, rec.Body)
		}
	}
	p.from = target
	p.Status, p.Location, p.Header = rec.Code, rec.Header().Get("Location"), rec.Header()
	return p
}

// get opens a path and follows redirects.
func (b *browser) get(target string) page {
	b.Helper()
	return b.follow(b.do(http.MethodGet, target, nil))
}

func (b *browser) follow(p page) page {
	b.Helper()
	for range 10 {
		if p.Location == "" {
			return p
		}
		if p.Status != http.StatusSeeOther {
			b.Fatalf("a redirect with status %d", p.Status)
		}
		p = b.do(http.MethodGet, p.Location, nil)
	}
	b.Fatalf("redirects without end, at %s", p.Location)
	return p
}

// fill is the form of a view with values for its fields: name, value, name, value.
func fill(v *flow.View, pairs ...string) url.Values {
	form := url.Values{"flow": {v.Flow}, "seq": {strconv.FormatInt(v.Sequence, 10)}}
	if v.Restart != "" {
		form.Set("restart", v.Restart)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// submit answers a page and follows redirects.
func (b *browser) submit(p page, pairs ...string) page {
	b.Helper()
	if p.View == nil {
		b.Fatalf("nothing to answer: %+v", p)
	}
	return b.follow(b.do(http.MethodPost, p.View.Submit, fill(p.View, pairs...)))
}

// login answers a password page.
func (b *browser) login(p page, name, pass string) page {
	b.Helper()
	return b.submit(p, "username", name, "password", pass, "action", "login")
}

// signIn signs a person in with a password at a request of its own.
func (b *browser) signIn(name string) *directory.Result {
	b.Helper()
	return b.login(b.get(b.request(directory.Interaction{})), name, goodPassword).answer(b.T)
}

// answer is the Result on the page, which must be one of success.
func (p page) answer(t *testing.T) *directory.Result {
	t.Helper()
	if p.Result == nil || p.Result.Refusal != "" {
		t.Fatalf("no success but %v", p)
	}
	return p.Result
}

// step is the step that the page shows; "" when it shows none.
func (p page) step() string {
	if p.View == nil {
		return ""
	}
	return p.View.Prompt.Step
}

// message is the id of the first message on the page.
func (p page) message() string {
	if p.View == nil || len(p.View.Prompt.Messages) == 0 {
		return ""
	}
	return p.View.Prompt.Messages[0].ID
}

func (p page) String() string {
	switch {
	case p.Failure != nil:
		return fmt.Sprintf("%d failure %s", p.Status, p.Failure.Code)
	case p.Result != nil:
		return fmt.Sprintf("%d result %+v", p.Status, *p.Result)
	case p.View != nil:
		return fmt.Sprintf("%d page %s %s", p.Status, p.step(), p.message())
	}
	return fmt.Sprintf("%d to %q error %q", p.Status, p.Location, p.Error)
}

// cookie is the value of a cookie by purpose.
func (b *browser) cookie(purpose string) string {
	for name, value := range b.cookies {
		if strings.HasSuffix(name, "-"+purpose) {
			return value
		}
	}
	return ""
}

func (b *browser) forget(purpose string) {
	maps.DeleteFunc(b.cookies, func(name, _ string) bool { return strings.HasSuffix(name, "-"+purpose) })
}

// decode reads a seed as the page spells it.
func decode(t *testing.T, text string) []byte {
	t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// endSession has the protocol end a session in answer to the browser.
func (b *browser) endSession(ref store.Ref) {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://id.example.com/t/logout", nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.must(b.engine.EndSession(rec, r, ref, "logout"))
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}
