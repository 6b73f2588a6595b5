package service_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const goodPassword = "correct horse battery"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// world is an engine with three steps at one service: "who" identifies, "face" verifies, "ext" has people of its own.
type world struct {
	*testing.T
	*directory.Directory
	*httptest.Server
	db       *store.DB
	faults   *storetest.Faulty
	remote   *remote
	services *service.Services
	links    *federated.Connections
	engine   *flow.Engine
	in       directory.Interaction // what the protocol asks
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func newWorld(t *testing.T, p storetest.Placement, edit ...func(*service.Endpoint)) *world {
	t.Helper()
	w := &world{T: t, faults: storetest.Faults(p.Driver), remote: newRemote(t)}
	mux := http.NewServeMux()
	w.Server = httptest.NewServer(mux)
	t.Cleanup(w.Close)
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	w.must(err)
	w.db, err = store.Open(store.Config{Driver: w.faults, Ephemeral: w.faults.Ephemeral(p.Ephemeral), Keys: ring})
	w.must(err)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	w.must(err)
	w.Directory, err = directory.New(directory.Config{DB: w.db, Hasher: hasher, Throttle: directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleFlow}}})
	w.must(err)
	end := service.Endpoint{URL: w.remote.URL + "/ask", InsecureNetworks: loopback}
	for _, e := range edit {
		e(&end)
	}
	w.services, err = service.New(service.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Services: []service.Service{
		{Name: "who", Title: "Who Inc.", Kind: service.Identifies, Endpoint: end},
		{Name: "face", Title: "Face Ltd.", Kind: service.Verifies, AMR: []string{"face"}, Endpoint: end},
	}})
	w.must(err)
	w.links, err = federated.New(federated.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Connections: []federated.Connection{
		{Name: "ext", Title: "Ext plc", Service: &end, Create: true},
	}})
	w.must(err)
	executors := w.services.Executors()
	for name, executor := range w.links.Executors() {
		executors[name] = executor
	}
	look, err := pages.New(pages.Config{Issuer: w.URL})
	w.must(err)
	w.engine, err = flow.New(flow.Config{
		DB: w.db, Directory: w.Directory, Issuer: w.URL, Transport: look, Executors: executors,
		Plans: map[string]flow.Plan{"login": flow.LoginSteps{First: []string{"password", "who", "ext"}, Second: []string{"face"}}.Plan()},
	})
	w.must(err)
	for _, route := range w.engine.Routes() {
		mux.Handle(route.Path, route.Handler)
	}
	mux.HandleFunc("/private", w.private)
	return w
}

// alone is a world for what no store has a say in.
func alone(t *testing.T, edit ...func(*service.Endpoint)) *world {
	t.Helper()
	return newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, edit...)
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

func (w *world) user(name string) *directory.User {
	w.Helper()
	u := &directory.User{Username: name}
	w.must(w.CreateUser(w.Context(), u, goodPassword))
	return u
}

// browser is somebody's, which goes where pages lead.
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
	next   string // where it leads at once
}

func (b *browser) answer(r *http.Response, err error) page {
	b.Helper()
	b.must(err)
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	b.must(err)
	next, _ := strings.CutPrefix(r.Header.Get("Refresh"), "0;url=")
	return page{r.StatusCode, r.Request.URL, string(body), next}
}

func (b *browser) open(to string) page {
	b.Helper()
	return b.answer(b.Get(to))
}

// follow goes on as long as pages lead on.
func (b *browser) follow(p page) page {
	b.Helper()
	for range 40 {
		if p.next == "" {
			return p
		}
		p = b.open(p.next)
	}
	b.Fatalf("no end: %s", p.at)
	return p
}

// begin opens the protocol, with a request of its own.
func (b *browser) begin() page {
	b.Helper()
	return b.open(b.URL + "/private?request=" + store.NewID())
}

var (
	hidden = regexp.MustCompile(`<input type="hidden" name="(flow|seq|restart)" value="([^"]*)">`)
	target = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
)

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

// typed answers the page for a password.
func (b *browser) typed(p page, name string) page {
	b.Helper()
	return b.press(p, "login", "username", name, "password", goodPassword)
}

// result is what the protocol was told; nil when it was told nothing.
func (p page) result() *directory.Result {
	r := new(directory.Result)
	if p.at.Path != "/private" || json.Unmarshal([]byte(p.body), r) != nil {
		return nil
	}
	return r
}

// isIn wants somebody signed in.
func (b *browser) isIn(p page) *directory.Result {
	b.Helper()
	r := p.result()
	if r == nil || r.Refusal != "" {
		b.Fatalf("not signed in: %d at %s\n%s", p.status, p.at, p.body)
	}
	return r
}

// isOut wants a page with a text, and nobody signed in.
func (b *browser) isOut(p page, text string) {
	b.Helper()
	if p.result() != nil || !strings.Contains(p.body, text) {
		b.Errorf("want %q, got %d at %s\n%s", text, p.status, p.at, p.body)
	}
}

// remote is the service: it says what the test tells it to.
type remote struct {
	*testing.T
	*httptest.Server

	mu     sync.Mutex
	asked  []map[string]any
	header http.Header
	answer func(w http.ResponseWriter, question map[string]any)
	// visit is what the service does with somebody who was sent to it; by default it sends them back.
	visit func(w http.ResponseWriter, r *http.Request)
}

func newRemote(t *testing.T) *remote {
	s := &remote{T: t}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// says has the service answer, with a status and a text; "%" stands for its own URL.
func (s *remote) says(status int, text string) {
	s.does(func(w http.ResponseWriter, _ map[string]any) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "%", s.URL))
	})
}

func (s *remote) does(answer func(http.ResponseWriter, map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.asked = answer, nil
}

// questions are those since the service was told what to say.
func (s *remote) questions() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *remote) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ask" {
		s.visit(w, r)
		return
	}
	question := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil || r.Method != http.MethodPost {
		s.Errorf("asked by %s: %v", r.Method, err)
	}
	s.mu.Lock()
	s.asked, s.header = append(s.asked, question), r.Header
	answer := s.answer
	s.mu.Unlock()
	answer(w, question)
}

// sendsBack has the service look at people first, and send them back.
func (s *remote) sendsBack(to string, then string) {
	rounds := 0
	s.does(func(w http.ResponseWriter, question map[string]any) {
		text := then
		if rounds++; rounds == 1 {
			flowID, _ := question["flowId"].(string)
			text = `{"actionStatus":"INCOMPLETE","operations":[{"op":"redirect","url":"` + s.URL + "/look?flowId=" + url.QueryEscape(flowID) + `"}]}`
		}
		_, _ = io.WriteString(w, text)
	})
	s.visit = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to+"?flowId="+url.QueryEscape(r.URL.Query().Get("flowId"))+"&session=7", http.StatusSeeOther)
	}
}

// slow is a service that does not answer while a test runs.
func (s *remote) slow() {
	until := make(chan struct{})
	s.Cleanup(func() { close(until) })
	s.does(func(http.ResponseWriter, map[string]any) { <-until })
}

// short is how long a test waits for such a service.
const short = 50 * time.Millisecond
