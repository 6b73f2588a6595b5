package federated_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// programURL is where the program takes people back.
const programURL = "https://app.example.com/accounts/register"

// program speaks flow execution.
type program struct {
	*world
	transport *execute.Transport
	flow      string
}

// told is what a program is told.
type told struct {
	status     int
	text       string
	FlowID     string `json:"flowId"`
	FlowStatus string `json:"flowStatus"`
	Type       string `json:"type"`
	Code       string `json:"code"`
	Data       struct {
		RedirectURL    string   `json:"redirectURL"`
		RequiredParams []string `json:"requiredParams"`
		UserAssertion  string   `json:"userAssertion"`
		Messages       []struct {
			Key string `json:"i18nKey"`
		} `json:"messages"`
	} `json:"data"`
}

func (t told) message() string {
	if len(t.Data.Messages) == 0 {
		return ""
	}
	return t.Data.Messages[0].Key
}

// programs has a plan by which a program has people make an account upstream.
func programs(t *testing.T, p storetest.Placement, options ...string) *program {
	t.Helper()
	plan, err := flow.Compile(flow.Step{Name: "who", Options: options, When: func(_ context.Context, s *flow.State) (bool, error) {
		return s.Subject.IsZero(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	x := &program{transport: execute.New(execute.Config{})}
	x.world = newWorld(t, p, flow.Login("password", "up"), func(c *federated.Connection) { c.ProgramURL = programURL })
	x.rebuild(func(c *flow.Config) {
		c.Execution, c.Plans["register"] = x.transport, plan
	})
	return x
}

// twin is the same program with a flow of its own.
func (x *program) twin() *program { return &program{world: x.world, transport: x.transport} }

func (x *program) post(body map[string]any) (t told) {
	x.Helper()
	text, err := json.Marshal(body)
	x.must(err)
	r := httptest.NewRequest(http.MethodPost, x.URL+execute.Path, strings.NewReader(string(text)))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	x.transport.Handler("", x.engine.Interact).ServeHTTP(rec, r)
	t.status, t.text = rec.Code, rec.Body.String()
	x.must(json.Unmarshal(rec.Body.Bytes(), &t))
	if len(rec.Result().Cookies()) > 0 {
		x.Errorf("cookies for a program: %v", rec.Result().Cookies())
	}
	return t
}

// start begins a flow, and wants to be sent to the provider.
func (x *program) start() told {
	x.Helper()
	t := x.post(map[string]any{"flowType": "REGISTRATION"})
	x.flow = t.FlowID
	if t.Type != "REDIRECTION" || strings.Join(t.Data.RequiredParams, " ") != "code state" || !strings.HasPrefix(t.Data.RedirectURL, x.up.URL+"/authorize?") {
		x.Fatalf("got %d %s", t.status, t.text)
	}
	return t
}

// bring goes on with what somebody has come back with.
func (x *program) bring(came url.Values) told {
	x.Helper()
	inputs := map[string]string{}
	for name := range came {
		inputs[name] = came.Get(name)
	}
	return x.post(map[string]any{"flowId": x.flow, "inputs": inputs})
}

// visits is what somebody comes back with to the program who opens the URL.
func (x *program) visits(to string) url.Values {
	x.Helper()
	client := &http.Client{Transport: x.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Get(to)
	x.must(err)
	x.must(r.Body.Close())
	back, err := r.Location()
	x.must(err)
	if !strings.HasPrefix(back.String(), programURL+"?") {
		x.Fatalf("the provider sends people to %s", back)
	}
	return back.Query()
}

// people are how many accounts there are.
func (x *program) people() int {
	x.Helper()
	page, err := x.Users.List(x.Context(), store.Query{})
	x.must(err)
	return len(page.Items)
}

func eachPlacement(t *testing.T, test func(x *program)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) { test(programs(t, p, "up")) })
}

// A program sends somebody to a provider, brings what they come back with, and they have an account.
func TestProgramRedirection(t *testing.T) {
	eachPlacement(t, func(x *program) {
		app := &directory.Application{Name: "App"}
		x.must(x.Applications.Create(t.Context(), app))
		a := x.post(map[string]any{"flowType": "REGISTRATION", "applicationId": app.ID})
		x.flow = a.FlowID
		asked, err := url.Parse(a.Data.RedirectURL)
		x.must(err)
		if got := asked.Query().Get("redirect_uri"); got != programURL || asked.Query().Get("code_challenge") == "" {
			t.Errorf("asked for %s", asked)
		}
		if state := asked.Query().Get("state"); len(state) < 43 || strings.Contains(state, x.flow) {
			t.Errorf("the state is %q", state)
		}
		if a = x.bring(x.visits(a.Data.RedirectURL)); a.FlowStatus != "COMPLETE" || a.Data.UserAssertion == "" {
			t.Fatalf("got %d %s", a.status, a.text)
		}
		user, err := x.FindUser(t.Context(), "", "ann@example.com")
		x.must(err)
		links, err := x.connections.Links(t.Context(), user.Ref())
		if err != nil || len(links) != 1 || !user.EmailVerified {
			t.Errorf("%+v, links %v, %v", user, links, err)
		}
	})
}

// Somebody who says no at the provider is asked again, and so is the program whose answer was lost: the way out is a new one each time.
func TestProgramRedirectionAgain(t *testing.T) {
	eachPlacement(t, func(x *program) {
		first := x.start()
		second := x.post(map[string]any{"flowId": x.flow})
		if second.Type != "REDIRECTION" || second.Data.RedirectURL == first.Data.RedirectURL {
			t.Fatalf("got %s", second.text)
		}
		x.up.refuse = "access_denied"
		a := x.bring(x.visits(second.Data.RedirectURL))
		if a.Type != "VIEW" || a.message() != "federated.denied" || a.FlowStatus != "INCOMPLETE" {
			t.Fatalf("got %d %s", a.status, a.text)
		}
		x.up.refuse = ""
		if a = x.post(map[string]any{"flowId": x.flow, "actionId": "federated"}); a.Type != "REDIRECTION" {
			t.Fatalf("got %s", a.text)
		}
		if a = x.bring(x.visits(a.Data.RedirectURL)); a.FlowStatus != "COMPLETE" {
			t.Fatalf("got %s", a.text)
		}
	})
}

// Among several ways, the program chooses.
func TestProgramRedirectionAmongOthers(t *testing.T) {
	t.Parallel()
	x := programs(t, storetest.Placement{Driver: memory.New()}, "magic-link", "up")
	a := x.post(map[string]any{"flowType": "REGISTRATION"})
	x.flow = a.FlowID
	if a.Type != "VIEW" || !strings.Contains(a.text, `"method_up"`) {
		t.Fatalf("got %s", a.text)
	}
	if a = x.post(map[string]any{"flowId": x.flow, "actionId": "method_up"}); a.Type != "REDIRECTION" {
		t.Fatalf("got %s", a.text)
	}
	if a = x.bring(x.visits(a.Data.RedirectURL)); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.text)
	}
}

// A connection of which programs know nothing is no step of theirs.
func TestProgramWithoutURL(t *testing.T) {
	t.Parallel()
	x := programs(t, storetest.Placement{Driver: memory.New()}, "up-link")
	if a := x.post(map[string]any{"flowType": "REGISTRATION"}); a.status != http.StatusNotImplemented || a.Code != "FE-60006" {
		t.Errorf("got %d %s", a.status, a.text)
	}
}

// An answer is for the flow that has asked for it: a stranger's code, a stranger's state, both in another flow, a guess, or nothing
// of it make nobody an account, and the flow goes on.
func TestAttackAnswerInAnotherFlow(t *testing.T) {
	eachPlacement(t, func(x *program) {
		eve := x.twin()
		planted := eve.visits(eve.start().Data.RedirectURL) // an account of the attacker's, for somebody else's flow
		own := x.visits(x.start().Data.RedirectURL)
		for name, c := range map[string]struct {
			came    url.Values
			problem string
		}{
			"both are a stranger's":    {planted, "federated.failed"},
			"a stranger's code":        {url.Values{"code": planted["code"], "state": own["state"]}, "federated.failed"},
			"a stranger's state":       {url.Values{"code": own["code"], "state": planted["state"]}, "federated.failed"},
			"a guess":                  {url.Values{"code": {"x"}, "state": {"x"}}, "federated.failed"},
			"another issuer":           {url.Values{"code": own["code"], "state": own["state"], "iss": {"https://evil.example"}}, "federated.failed"},
			"no state":                 {url.Values{"code": own["code"]}, "FE-60008"},
			"no code":                  {url.Values{"state": own["state"]}, "FE-60008"},
			"something besides":        {url.Values{"code": own["code"], "state": own["state"], "role": {"admin"}}, "FE-60008"},
			"a refusal of no question": {url.Values{"error": {"access_denied"}, "state": planted["state"]}, "federated.failed"},
		} {
			victim := x.twin()
			to := victim.start().Data.RedirectURL
			came := url.Values{}
			for field, values := range c.came {
				came[field] = values
			}
			if came.Get("state") == own.Get("state") { // its own
				came.Set("state", victim.visits(to).Get("state"))
			}
			a := victim.bring(came)
			if got := a.Code + a.message(); got != c.problem || a.FlowStatus == "COMPLETE" {
				t.Errorf("%s: %d %s", name, a.status, a.text)
			}
			if a = victim.post(map[string]any{"flowId": victim.flow}); a.Type != "REDIRECTION" {
				t.Errorf("%s: afterwards %s", name, a.text)
			}
		}
		if n := x.people(); n != 0 {
			t.Errorf("%d accounts", n)
		}
	})
}

// An answer is good once, also of several programs at once, and none after the way out was asked for anew.
func TestAttackAnswerTwice(t *testing.T) {
	eachPlacement(t, func(x *program) {
		app := &directory.Application{Name: "App"}
		x.must(x.Applications.Create(t.Context(), app))
		first := x.post(map[string]any{"flowType": "REGISTRATION", "applicationId": app.ID})
		x.flow = first.FlowID
		old := x.visits(first.Data.RedirectURL)
		again := x.post(map[string]any{"flowId": x.flow})
		if a := x.bring(old); a.message() != "federated.failed" {
			t.Errorf("an answer to a question that was asked anew: %s", a.text)
		}
		if a := x.bring(x.visits(again.Data.RedirectURL)); a.Code != "FE-60008" { // nobody is away any more
			t.Errorf("an answer after a wrong one: %s", a.text)
		}
		came := x.visits(x.post(map[string]any{"flowId": x.flow}).Data.RedirectURL)
		var wg sync.WaitGroup
		var won atomic.Int64
		for range 6 {
			wg.Go(func() {
				if x.bring(came).Data.UserAssertion != "" { // whoever comes second may see that the flow is complete, and gets nothing
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || x.people() != 1 {
			t.Errorf("%d successes, %d accounts", won.Load(), x.people())
		}
		if a := x.bring(came); a.Code != "FE-60001" {
			t.Errorf("when the flow is over: %s", a.text)
		}
	})
}

// A browser that is sent where browsers come back with what belongs to a program gets nowhere, whatever cookie was planted in it.
func TestAttackProgramsAnswerInBrowser(t *testing.T) {
	eachPlacement(t, func(x *program) {
		came := x.visits(x.start().Data.RedirectURL)
		b := x.browser()
		home, err := url.Parse(b.URL)
		x.must(err)
		b.begin()
		planted := b.Jar.Cookies(home)
		for _, cookie := range planted { // that which binds browsers to flows
			cookie.Value = x.flow
		}
		b.Jar.SetCookies(home, planted)
		for _, state := range []string{came.Get("state"), storedID(x.flow) + "." + came.Get("state")} {
			query := url.Values{"code": came["code"], "state": {state}}
			if p := b.open(b.URL + flow.CallbackPath + "up?" + query.Encode()); p.result() != nil || p.status == http.StatusOK {
				t.Errorf("%d at %s", p.status, p.at)
			}
		}
		if a := x.bring(came); a.FlowStatus != "COMPLETE" {
			t.Errorf("afterwards: %s", a.text)
		}
	})
}

// storedID is the id of a program's flow in the store.
func storedID(flowID string) string {
	in := secret.Hash(flowID)
	return secret.Hash("flow\x00" + string(directory.ManageAccount) + "\x00" + in)
}

// A browser's answer is not one for a program's flow.
func TestAttackBrowsersAnswerInProgram(t *testing.T) {
	eachPlacement(t, func(x *program) {
		b := x.browser()
		b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.Path, flow.CallbackPath) {
				return http.ErrUseLastResponse
			}
			return nil
		}
		back, err := url.Parse(b.open(b.leave(b.begin())).header.Get("Location"))
		x.must(err)
		x.start()
		if a := x.bring(back.Query()); a.message() != "federated.failed" || x.people() != 0 {
			t.Errorf("got %s", a.text)
		}
	})
}

// A store that fails at any call while a program brings an answer is 503, and makes no second account afterwards.
func TestFailingStoreWhileProgramBrings(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		x := programs(t, storetest.Placement{Driver: memory.New()}, "up")
		came := x.visits(x.start().Data.RedirectURL)
		x.faults.FailCall(n, nil)
		a := x.bring(came)
		reached := !x.faults.Waits()
		x.faults.Heal()
		if !reached {
			break
		}
		if a.FlowStatus != "COMPLETE" && a.status != http.StatusServiceUnavailable {
			t.Errorf("call %d: %d %s", n, a.status, a.text)
		}
		x.advance(11 * time.Second) // a claim that a crash has left
		again := x.twin()
		if a = again.bring(again.visits(again.start().Data.RedirectURL)); a.FlowStatus != "COMPLETE" || x.people() != 1 {
			t.Errorf("call %d: afterwards %d accounts, %s", n, x.people(), a.text)
		}
	}
}

// Where people come back to a program is fixed by whoever runs it, and nobody listens in there.
func TestProgramURL(t *testing.T) {
	t.Parallel()
	x := newWorld(t, storetest.Placement{Driver: memory.New()}, flow.Login("password", "up"))
	for text, ok := range map[string]bool{
		"": true, programURL: true, "http://127.0.0.1:7/back": true, "http://app.example.com/": false, "/register": false, "app:/back": false,
		"https://u:p@app.example.com/": false, programURL + "#x": false, x.URL + flow.CallbackPath + "up": false, "https://" + strings.Repeat("a", 3000): false,
	} {
		_, err := federated.New(federated.Config{DB: x.db, Directory: x.Directory, Issuer: x.URL, Connections: []federated.Connection{{
			Name: "up", ProgramURL: text, Provider: rp.Config{Issuer: x.up.URL, ClientID: "client"},
		}}})
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := federated.New(federated.Config{DB: x.db, Directory: x.Directory, Issuer: x.URL, Connections: []federated.Connection{{
		Name: "face", ProgramURL: programURL, Service: &service.Endpoint{URL: "https://face.example.com/"},
	}}})
	if err == nil || !strings.Contains(err.Error(), "ProgramURL") {
		t.Errorf("a service: %v", err)
	}
}
