package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// world is a flow over stores in memory whose logins go by scripts.
type world struct {
	*testing.T
	*directory.Directory
	db       *store.DB
	faults   *storetest.Faulty
	engine   *script.Engine
	policies *script.Policies
	secrets  *script.Secrets
	flow     *flow.Engine
	mux      *http.ServeMux
	log      strings.Builder
	links    *links
	from     *flow.Upstream // who comes from the provider, in the place of whom the test names

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

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func newWorld(t *testing.T, p storetest.Placement) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC), faults: storetest.Faults(p.Driver), requests: map[string]directory.Interaction{}, links: &links{all: map[string]store.Ref{}}}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	w.must(err)
	w.db, err = store.Open(store.Config{Driver: w.faults, Ephemeral: w.faults.Ephemeral(p.Ephemeral), Keys: ring, Now: w.Now})
	w.must(err)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	w.must(err)
	w.Directory, err = directory.New(directory.Config{DB: w.db, Hasher: hasher})
	w.must(err)
	w.secrets = script.NewSecrets(w.db)
	functions, err := script.DirectoryFunctions(script.DirectoryConfig{
		DB: w.db, Directory: w.Directory, Secrets: w.secrets, Links: w.links,
		Mail: func(b *store.Batch, m script.Mail) error {
			b.Event(store.Event{Type: "mailed", Data: json.RawMessage(`{"to":"` + m.To + `"}`)})
			return nil
		},
	})
	w.must(err)
	w.engine, err = script.New(script.Config{
		Functions: functions, Log: slog.New(slog.NewTextHandler(&w.log, nil)), Soft: 500 * time.Millisecond,
	})
	w.must(err)
	w.policies, err = script.NewPolicies(script.PoliciesConfig{
		DB: w.db, Directory: w.Directory, Engine: w.engine, Libraries: script.NewLibraries(w.db, w.engine),
	})
	w.must(err)
	exchanger, err := script.NewExchanger(script.ExchangerConfig{
		PerSecond: 10,
		DB:        w.db, Domains: []string{"127.0.0.1"}, InsecureNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	w.must(err)
	executors := script.Executors(exchanger)
	executors["up"] = upstream{w}
	executors["shrug"] = flow.Act(func(context.Context, *flow.State) (flow.Verdict, error) {
		return flow.Verdict{Outcome: flow.Proceed, Facts: map[string]string{"shrugged": "true"}}, nil
	})
	aside, err := flow.Compile(flow.Step{Name: "shrug", Options: []string{"shrug"}, When: func(_ context.Context, s *flow.State) (bool, error) {
		return s.Facts["shrugged"] == "", nil
	}})
	w.must(err)
	w.flow, err = flow.New(flow.Config{
		DB: w.db, Directory: w.Directory, Issuer: "https://id.example.com", Transport: jsonTransport{}, Source: w.policies,
		Plans: map[string]flow.Plan{"recover": aside}, Executors: executors, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	w.must(err)
	w.mux = http.NewServeMux()
	for _, route := range w.flow.Routes() {
		w.mux.Handle(route.Path, route.Handler)
	}
	w.mux.HandleFunc("/t/authorize", w.authorize)
	return w
}

// everywhere runs a test with what is ephemeral beside the rest, and in a store of its own.
func everywhere(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) { test(newWorld(t, p)) })
}

func (w *world) user(name string) *directory.User {
	w.Helper()
	u := &directory.User{Username: name, Email: name + "@example.com"}
	w.must(w.CreateUser(w.Context(), u, "correct horse "+name))
	return u
}

// policy sets a script for everybody, with a password as step 1 and another as step 2.
func (w *world) policy(source string) {
	w.Helper()
	w.must(w.policies.Set(w.Context(), "", "", script.Policy{Source: source, Steps: [][]script.Way{
		{{Option: script.Option{Authenticator: "BasicAuthenticator"}}},
		{{Option: script.Option{Authenticator: "totp"}}},
	}}))
}

func (w *world) authorize(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	in := w.requests[r.URL.Query().Get("id")]
	w.mu.Unlock()
	result, err := w.flow.Interact(rw, r, in)
	switch {
	case err != nil:
		rw.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(rw).Encode(page{Error: err.Error()})
	case result != nil:
		_ = json.NewEncoder(rw).Encode(page{Result: result})
	}
}

type page struct {
	Status  int
	Error   string
	View    *flow.View
	Failure *flow.Failure
	Result  *directory.Result
}

type jsonTransport struct{}

func (jsonTransport) Show(w http.ResponseWriter, _ *http.Request, v flow.View) {
	_ = json.NewEncoder(w).Encode(page{View: &v})
}

func (jsonTransport) Fail(w http.ResponseWriter, _ *http.Request, f flow.Failure) {
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(page{Failure: &f})
}

func (jsonTransport) SignedOut(http.ResponseWriter, *http.Request, flow.View) {}

type browser struct {
	*world
	cookies map[string]string
}

func (w *world) browser() *browser { return &browser{world: w, cookies: map[string]string{}} }

// do sends a request and follows redirects.
func (b *browser) do(method, target string, form url.Values) page {
	b.Helper()
	for range 10 {
		r := httptest.NewRequest(method, "https://id.example.com"+target, strings.NewReader(form.Encode()))
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		rec := httptest.NewRecorder()
		b.mux.ServeHTTP(rec, r)
		for _, c := range rec.Result().Cookies() {
			b.cookies[c.Name] = c.Value
		}
		if to := rec.Header().Get("Location"); to != "" {
			method, target, form = http.MethodGet, to, nil
			continue
		}
		p := page{}
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
			b.Fatalf("%s %s: %d %q", method, target, rec.Code, rec.Body)
		}
		p.Status = rec.Code
		return p
	}
	b.Fatal("redirects without end")
	return page{}
}

// begin asks the protocol to sign somebody in.
func (b *browser) begin(in directory.Interaction) page {
	b.Helper()
	in.ID, in.Purpose = store.NewID(), directory.SignIn
	in.Resume = "/t/authorize?id=" + in.ID
	b.mu.Lock()
	b.requests[in.ID] = in
	b.mu.Unlock()
	return b.do(http.MethodGet, in.Resume, nil)
}

// post answers a page.
func (b *browser) post(p page, fields ...string) page {
	b.Helper()
	if p.View == nil {
		b.Fatalf("no page to answer: %+v", p)
	}
	form := url.Values{"flow": {p.View.Flow}, "seq": {strconv.FormatInt(p.View.Sequence, 10)}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, p.View.Submit, form)
}

func (b *browser) password(p page, name string) page {
	b.Helper()
	return b.post(p, "username", name, "password", "correct horse "+name)
}

// shows fails the test unless the page asks for this step.
func (p page) shows(t testing.TB, step string) page {
	t.Helper()
	if p.View == nil || p.View.Prompt.Step != step {
		t.Fatalf("no page %q: %+v %+v %+v %s", step, p.View, p.Result, p.Failure, p.Error)
	}
	return p
}

// signs fails the test unless somebody was signed in.
func (p page) signs(t testing.TB) page {
	t.Helper()
	if p.Result == nil || p.Result.Refusal != "" {
		t.Fatalf("nobody was signed in: %+v %+v %+v %s", p.View, p.Result, p.Failure, p.Error)
	}
	return p
}

// refuses fails the test unless the flow ended without success.
func (p page) refuses(t testing.TB, code string) {
	t.Helper()
	if p.Result == nil || p.Result.Refusal != directory.Denied || p.Result.Failure.Code != code {
		t.Fatalf("not refused with %q: %+v %+v %+v %s", code, p.View, p.Result, p.Failure, p.Error)
	}
}

func TestPlanByGroup(t *testing.T) {
	everywhere(t, func(w *world) {
		w.policy(strings.Replace(script.Templates()["group-access"], "'employee', 'manager'", "'employee'", 1))
		ann := w.user("ann")
		w.user("eve")
		group := &directory.Group{Name: "Employee"}
		w.must(w.Groups.Create(w.Context(), group))
		w.must(w.Groups.AddMember(w.Context(), group.Ref(), w.SubjectRef(ann)))
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(w.T, "password")
		p = b.post(p, "username", "ann", "password", "wrong").shows(w.T, "password") // is simply asked again
		b.password(p, "ann").signs(w.T)
		b.begin(directory.Interaction{}).signs(w.T) // the session does for step 1
		e := w.browser()
		e.password(e.begin(directory.Interaction{}).shows(w.T, "password"), "eve").refuses(w.T, "access_denied")
		if strings.Contains(w.log.String(), "Refused: eve") || !strings.Contains(w.log.String(), "e*e is in no group") {
			w.Errorf("log: %s", w.log.String())
		}
	})
}

// TestPlanStepUp: what the script asks for is asked, and enrolled on the spot by who has none.
func TestPlanStepUp(t *testing.T) {
	everywhere(t, func(w *world) {
		w.policy(script.Templates()["ip-mfa"])
		w.user("ann")
		b := w.browser()
		b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").shows(w.T, "totp-enroll")
	})
}

func TestPlanDevice(t *testing.T) {
	everywhere(t, func(w *world) {
		w.policy(strings.Replace(script.Templates()["device-mfa"], "stepUpAuthentication = true", "stepUpAuthentication = false", 1))
		w.user("ann")
		mails := func() (n int) {
			listing, err := w.db.Events(w.Context(), store.Query{Limit: 1000})
			w.must(err)
			for _, e := range listing.Items {
				if e.Type == "mailed" {
					n++
				}
			}
			return n
		}
		b := w.browser()
		for range 2 { // the second time the browser is known
			b.password(b.begin(directory.Interaction{Reauthenticate: true}).shows(w.T, "password"), "ann").signs(w.T)
			if mails() != 1 {
				w.Fatalf("%d mails", mails())
			}
		}
		if b.cookies["deviceAuth"] == "" {
			w.Error("no cookie")
		}
		b.cookies["deviceAuth"] = strings.Replace(b.cookies["deviceAuth"], ".", "x.", 1)
		b.password(b.begin(directory.Interaction{Reauthenticate: true}).shows(w.T, "password"), "ann").signs(w.T)
		if mails() != 2 {
			w.Error("a cookie that was changed is believed")
		}
	})
}

// TestPlanFailures: with an onFail the script decides what a wrong password leads to.
func TestPlanFailures(t *testing.T) {
	everywhere(t, func(w *world) {
		w.policy(`
var n = 0;
var onLoginRequest = function (context) {
    executeStep(1, { onFail: function (context) {
        n += 1;
        if (n < 3) { onLoginRequest(context); } else { fail({ errorCode: 'too_often', errorMessage: context.lastLoginFailedUser.username }); }
    } });
};`)
		w.user("ann")
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(w.T, "password")
		for range 2 {
			p = b.post(p, "username", "ann", "password", "wrong").shows(w.T, "password")
		}
		b.post(p, "username", "ann", "password", "wrong").refuses(w.T, "too_often")
		p = b.begin(directory.Interaction{}).shows(w.T, "password")
		p = b.post(p, "username", "ann", "password", "wrong").shows(w.T, "password")
		b.password(p, "ann").signs(w.T)
	})
}

func TestPlanPromptsAndCalls(t *testing.T) {
	var mu sync.Mutex
	var got []string
	down := 1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down > 0 {
			down--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		got = append(got, r.Header.Get("Authorization")+" "+string(body[:n]))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"color":"red"}`))
	}))
	t.Cleanup(server.Close)
	everywhere(t, func(w *world) {
		mu.Lock()
		down, got = 1, nil
		mu.Unlock()
		w.must(w.secrets.Set(w.Context(), "", "key", "", "s3cr3t-value"))
		w.policy(strings.ReplaceAll(`
var onLoginRequest = function (context) {
    executeStep(1, { onSuccess: function (context) {
        prompt('genericForm', { username: context.currentKnownSubject.username, inputs: [{ id: 'color', label: 'Your color' }] }, {
            onSuccess: function (context) {
                Log.info('the key is ' + secrets.key);
                var color = context.request.params.color[0];
                httpPost('SERVER/check', { color: color }, {}, { type: 'bearer', properties: { token: secrets.key } }, {
                    onSuccess: function (context, data) { if (data.color !== color) { fail({ errorCode: 'wrong_color' }); } },
                    onFail: function (context, data) { fail({ errorCode: 'down' }); }
                });
                httpGet('https://elsewhere.example.com/', { onSuccess: function () { fail({ errorCode: 'called' }); }, onFail: function () {} });
            }
        });
    } });
};`, "SERVER", server.URL))
		w.user("ann")
		b := w.browser()
		for _, color := range []string{"red", "blue"} {
			p := b.password(b.begin(directory.Interaction{Reauthenticate: true}).shows(w.T, "password"), "ann").shows(w.T, "script-form")
			if f := p.View.Prompt.Fields; len(f) != 1 || f[0].Name != "color" || !strings.HasSuffix(f[0].Label, "|Your color") {
				w.Errorf("%+v", f)
			}
			p = b.post(p, "color", "").shows(w.T, "script-form")
			if p = b.post(p, "color", color); color == "red" {
				p.signs(w.T)
			} else {
				p.refuses(w.T, "wrong_color")
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.Join(got, ",") != `Bearer s3cr3t-value {"color":"red"},Bearer s3cr3t-value {"color":"blue"}` {
			w.Errorf("%q", got)
		}
		if strings.Contains(w.log.String(), "s3cr3t-value") || !strings.Contains(w.log.String(), "the key is ***") {
			w.Errorf("log: %s", w.log.String())
		}
	})
}

// TestPlanThatChanges: a login ends by the script with which it began.
func TestPlanThatChanges(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.policy(inLogin(`executeStep(1);`))
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(w.T, "password")
		w.policy(inLogin(`executeStep(1, { onSuccess: function () { fail({ errorCode: 'changed' }); } });`))
		w.advance(2 * store.Staleness)
		c := w.browser()
		c.password(c.begin(directory.Interaction{}).shows(w.T, "password"), "ann").refuses(w.T, "changed")
		b.password(p, "ann").signs(w.T)
		w.must(w.policies.Unset(w.Context(), "", ""))
		w.advance(2 * store.Staleness)
		d := w.browser()
		d.password(d.begin(directory.Interaction{}).shows(w.T, "password"), "ann").signs(w.T)
	})
}

// TestAttackPlanFailsClosed: whatever happens to a script, nobody is signed in by it, and a store that fails is not its end.
func TestAttackPlanFailsClosed(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		for name, source := range map[string]string{
			"throws":     inLogin(`executeStep(1, { onSuccess: function () { throw 'x'; } });`),
			"loops":      inLogin(`executeStep(1, { onSuccess: function () { var s = 'x'; while (true) { s += s; } } });`),
			"has no way": inLogin(`executeStep(1, { onSuccess: function () { executeStep(2, { authenticationOptions: [{ authenticator: 'x' }] }, {}); } });`),
		} {
			w.policy(source)
			w.advance(2 * store.Staleness)
			b := w.browser()
			p := b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann")
			if p.Result == nil || p.Result.Failure.Code != "server_error" {
				w.Errorf("%s: %+v %+v", name, p.View, p.Result)
			}
		}
		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) { isMemberOfAnyOfGroups(context.currentKnownSubject, ['x']); } });`))
		w.advance(2 * store.Staleness)
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(w.T, "password")
		w.faults.Hook(func(c storetest.Call) error {
			if strings.HasPrefix(c.Kind.Name, "directory.membership") {
				return errors.New("the store is down")
			}
			return nil
		})
		if failed := b.password(p, "ann"); failed.Status != http.StatusServiceUnavailable {
			w.Errorf("%+v", failed)
		}
		w.faults.Hook(nil)
		w.advance(time.Minute) // what was judged in vain holds the flow for a while
		b.password(p, "ann").signs(w.T)
	})
}

// A step that was left for another plan, which has proven nothing, is still to be done.
func TestAttackStepLeftForAnotherPlan(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.policy(`var onLoginRequest = function(context) {
			executeStep(1, { onSuccess: function(context) { Log.info("step 1 is done"); executeStep(2); } });
		};`)
		b := w.browser()
		b.post(b.begin(directory.Interaction{}), "action", "recover").shows(w, "password")
		if strings.Contains(w.log.String(), "step 1 is done") {
			w.Error("the script went on")
		}
	})
}
