package builder_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	issuer      = "https://id.example.com"
	newPassword = "a much better horse"
)

// world is a Builder behind an Engine, with administrators and people who use both over HTTP.
type world struct {
	*testing.T
	*directory.Directory
	db        *store.DB
	faults    *storetest.Faulty
	builder   *builder.Builder
	engine    *flow.Engine
	transport *execute.Transport
	mux       *http.ServeMux
	scopes    string

	application string

	mu   sync.Mutex
	now  time.Time
	sent []notify.Message
	flow string
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

// Send implements notify.Outbox.
func (w *world) Send(b *store.Batch, m notify.Message) error {
	b.Then(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !m.Decoy {
			w.sent = append(w.sent, m)
		}
	})
	return nil
}

// Reaches implements notify.Outbox.
func (w *world) Reaches(notify.Channel) bool { return true }

// letter is the last message.
func (w *world) letter() notify.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sent) == 0 {
		return notify.Message{}
	}
	return w.sent[len(w.sent)-1]
}

// Protect implements builder.Guard: the token is the scopes.
func (w *world) Protect(scopes ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			for _, scope := range scopes {
				if !strings.Contains(" "+r.Header.Get("Authorization")+" ", " "+scope+" ") {
					rw.WriteHeader(http.StatusForbidden)
					return
				}
			}
			next.ServeHTTP(rw, r)
		})
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldBy(t)
}

// worldBy is a world whose host has people sign in with what is named; nothing is what a host without an opinion has.
func worldBy(t *testing.T, names ...directory.IdentifierName) *world {
	t.Helper()
	w := &world{
		T: t, now: time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC), faults: storetest.Faults(memory.New()),
		scopes: builder.ScopeView + " " + builder.ScopeUpdate,
	}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	w.must(err)
	w.db, err = store.Open(store.Config{Driver: w.faults, Keys: ring, Now: w.Now})
	w.must(err)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	w.must(err)
	w.Directory, err = directory.New(directory.Config{
		DB: w.db, Hasher: hasher, LoginBy: names,
		Accounts: directory.AccountPolicies{
			Registration: directory.RegistrationPolicy{Enabled: true},
			Recovery:     directory.RecoveryPolicy{EmailLink: true},
		},
	})
	w.must(err)
	w.builder, err = builder.New(builder.Config{DB: w.db, Directory: w.Directory, Connections: []builder.Connection{{Name: "up"}}, SMS: true})
	w.must(err)
	look, err := pages.New(pages.Config{Issuer: issuer})
	w.must(err)
	w.transport = execute.New(execute.Config{Text: look.Text})
	w.engine, err = flow.New(flow.Config{
		DB: w.db, Directory: w.Directory, Issuer: issuer, Transport: look, Execution: w.transport, Messages: w, Source: w.builder, Home: "/home",
		Passkeys: &flow.Passkeys{},
		Executors: map[string]flow.Executor{"up-register": flow.Act(func(context.Context, *flow.State) (flow.Verdict, error) {
			return flow.Verdict{Outcome: flow.Refuse}, nil
		})},
		Plans: map[string]flow.Plan{"login": flow.Login("password", "passkey"), "register": flow.Registration(), "recover": flow.Recovery(), "invite": flow.Invitation()},
	})
	w.must(err)
	w.mux = http.NewServeMux()
	w.mux.Handle("POST "+execute.Path, w.transport.Handler("", w.engine.Interact))
	for _, route := range w.engine.Routes() {
		w.mux.Handle(route.Path, route.Handler)
	}
	routes, err := w.builder.Routes(builder.Management{Guard: w, Check: w.engine.CheckPlan})
	w.must(err)
	for _, route := range routes {
		w.mux.Handle(route.Method+" "+route.Path, route.Handler)
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// call sends a request of an administrator.
func (w *world) call(method, path, body string) (status int, text string) {
	w.Helper()
	r := httptest.NewRequest(method, issuer+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", w.scopes)
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// draw puts a flow of testdata and enables it.
func (w *world) draw(name, flowType string) {
	w.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	w.must(err)
	if status, answer := w.call(http.MethodPut, builder.Path+"?flowType="+flowType, string(text)); status != http.StatusOK {
		w.Fatalf("%d %s", status, answer)
	}
	w.enable(flowType, true)
}

// enable turns a flow on or off.
func (w *world) enable(flowType string, on bool) {
	w.Helper()
	body, err := json.Marshal(map[string]any{"flowType": flowType, "isEnabled": on})
	w.must(err)
	if status, answer := w.call(http.MethodPatch, builder.Path+"/config?flowType="+flowType, string(body)); status != http.StatusOK {
		w.Fatalf("%d %s", status, answer)
	}
	w.advance(2 * time.Second)
}

// told is an answer of flow execution.
type told struct {
	Status     int
	Text       string
	FlowID     string `json:"flowId"`
	FlowStatus string `json:"flowStatus"`
	Code       string `json:"code"`
	Data       struct {
		RequiredParams []string `json:"requiredParams"`
		WebAuthn       string   `json:"webAuthnData"`
		Assertion      string   `json:"userAssertion"`
		Messages       []struct {
			Key string `json:"i18nKey"`
		} `json:"messages"`
	} `json:"data"`
}

func (t told) asks() string { return strings.Join(t.Data.RequiredParams, " ") }

func (t told) message() string {
	if len(t.Data.Messages) == 0 {
		return ""
	}
	return t.Data.Messages[0].Key
}

func (w *world) execute(body any) (t told) {
	w.Helper()
	text, err := json.Marshal(body)
	w.must(err)
	r := httptest.NewRequest(http.MethodPost, issuer+execute.Path, strings.NewReader(string(text)))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "127.0.0.1:1"
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	t.Status, t.Text = rec.Code, rec.Body.String()
	w.must(json.Unmarshal(rec.Body.Bytes(), &t))
	return t
}

// registers changes the policy of registrations.
func (w *world) registers(edit func(*directory.RegistrationPolicy)) {
	w.Helper()
	policy, err := directory.Resolve(w.Context(), w.Settings, w.Settings.Registration, "", "")
	w.must(err)
	edit(&policy)
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Registration, "", "", policy))
	w.advance(2 * time.Second)
}

// recovers changes the policy of recoveries.
func (w *world) recovers(edit func(*directory.RecoveryPolicy)) {
	w.Helper()
	policy, err := directory.Resolve(w.Context(), w.Settings, w.Settings.Recovery, "", "")
	w.must(err)
	edit(&policy)
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Recovery, "", "", policy))
	w.advance(2 * time.Second)
}

// app is an application, for which flows are begun from now on.
func (w *world) app() {
	w.Helper()
	app := &directory.Application{Name: "App"}
	w.must(w.Applications.Create(w.Context(), app))
	w.application = app.ID
}

// start begins a flow.
func (w *world) start(flowType string) told {
	w.Helper()
	body := map[string]any{"flowType": flowType}
	if w.application != "" {
		body["applicationId"] = w.application
	}
	t := w.execute(body)
	w.flow = t.FlowID
	return t
}

// send goes on with it: identifier, value, identifier, value.
func (w *world) send(action string, pairs ...string) told {
	w.Helper()
	inputs := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		inputs[pairs[i]] = pairs[i+1]
	}
	return w.execute(map[string]any{"flowId": w.flow, "actionId": action, "inputs": inputs})
}
