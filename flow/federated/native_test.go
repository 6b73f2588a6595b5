package federated_test

import (
	"encoding/base64"
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
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/native"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// app signs people in without a browser of ours.
type app struct {
	*world
	in   directory.Interaction
	flow secret.Text
}

// heard is what an app is told.
type heard struct {
	status     int
	text       string
	result     *directory.Result
	FlowStatus string `json:"flowStatus"`
	Code       string `json:"code"`
	NextStep   struct {
		StepType       string `json:"stepType"`
		AcceptErrors   bool   `json:"acceptErrorParams"`
		Authenticators []struct {
			ID       string `json:"authenticatorId"`
			Metadata struct {
				PromptType string            `json:"promptType"`
				Additional map[string]string `json:"additionalData"`
			} `json:"metadata"`
			RequiredParams []string `json:"requiredParams"`
		} `json:"authenticators"`
		Messages []struct {
			Context []struct {
				Key   string `json:"key"`
				Value string `json:"value"`
			} `json:"context"`
		} `json:"messages"`
	} `json:"nextStep"`
}

// reason is the code of an error, or the id of the message of what has failed.
func (h heard) reason() string {
	for _, m := range h.NextStep.Messages {
		for _, c := range m.Context {
			if c.Key == "reason" {
				return c.Value
			}
		}
	}
	return h.Code
}

// isIn reports whether somebody is signed in.
func (h heard) isIn() bool { return h.result != nil && h.result.Refusal == "" }

// additional is what is told of the only authenticator.
func (h heard) additional(name string) string {
	if len(h.NextStep.Authenticators) != 1 {
		return ""
	}
	return h.NextStep.Authenticators[0].Metadata.Additional[name]
}

// apps has people sign in by the options.
func apps(t *testing.T, p storetest.Placement, edit func(*federated.Connection), options ...string) *app {
	t.Helper()
	w := newWorld(t, p, flow.Login(options...), edit)
	w.rebuild(func(c *flow.Config) { c.Native = native.New(native.Config{}) })
	return (&app{world: w}).twin()
}

// twin is the same app with a flow of its own, not yet begun.
func (a *app) twin() *app {
	return &app{
		world: a.world, flow: secret.New(),
		in: directory.Interaction{ID: store.NewID(), Purpose: directory.SignIn, Resume: a.URL + "/oauth2/authn"},
	}
}

func (a *app) say(answer []byte) (h heard) {
	a.Helper()
	in := a.in
	in.Native = &directory.Native{Flow: a.flow, Answer: answer}
	rec := httptest.NewRecorder()
	result, err := a.engine.Interact(rec, httptest.NewRequest(http.MethodPost, in.Resume, nil), in)
	if err != nil { // which the protocol answers
		return heard{status: http.StatusServiceUnavailable, text: err.Error()}
	}
	if h = (heard{status: rec.Code, text: rec.Body.String(), result: result}); result == nil {
		a.must(json.Unmarshal(rec.Body.Bytes(), &h))
	}
	if len(rec.Result().Cookies()) > 0 {
		a.Errorf("cookies for a program: %v", rec.Result().Cookies())
	}
	return h
}

// brings answers by the connection; without values it chooses it.
func (a *app) brings(values url.Values) heard {
	a.Helper()
	params := map[string]string{}
	for name := range values {
		params[name] = values.Get(name)
	}
	selected := map[string]any{"authenticatorId": base64.RawURLEncoding.EncodeToString([]byte("custom-up:LOCAL"))}
	if len(params) > 0 {
		selected["params"] = params
	}
	body, err := json.Marshal(selected)
	a.must(err)
	return a.say(body)
}

// start begins a flow, and wants to be sent to the provider.
func (a *app) start() heard {
	a.Helper()
	h := a.say(nil)
	a.wantsAway(h)
	return h
}

func (a *app) wantsAway(h heard) {
	a.Helper()
	to, err := url.Parse(h.additional("redirectUrl"))
	if err != nil || !strings.HasPrefix(to.String(), a.up.URL+"/authorize?") || to.Query().Get("state") != h.additional("state") || len(h.additional("state")) < 43 ||
		!h.NextStep.AcceptErrors || h.NextStep.Authenticators[0].Metadata.PromptType != "REDIRECTION_PROMPT" ||
		strings.Join(h.NextStep.Authenticators[0].RequiredParams, " ") != "code state" || strings.Contains(h.text, a.flow.Reveal()+".") {
		a.Fatalf("not sent away: %d %s", h.status, h.text)
	}
}

// visits is what somebody comes back with to the app who opens the URL.
func (a *app) visits(h heard) url.Values {
	a.Helper()
	return (&program{world: a.world}).visits(h.additional("redirectUrl"))
}

func (a *app) sessions(of store.Ref) int {
	a.Helper()
	subject, err := a.Subjects.Get(a.Context(), of)
	a.must(err)
	list, err := a.Sessions.ListBySubject(a.Context(), subject)
	a.must(err)
	return len(list)
}

func (a *app) people() int { return (&program{world: a.world}).people() }

func byRedirect(c *federated.Connection) { c.ProgramURL = programURL }

// eachApp runs a test of an app in both placements.
func eachApp(t *testing.T, edit func(*federated.Connection), test func(a *app)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) { test(apps(t, p, edit, "up")) })
}

// An app sends somebody to a provider, brings what they come back with, and they are signed in.
func TestAppRedirection(t *testing.T) {
	eachApp(t, byRedirect, func(a *app) {
		first := a.start()
		if asked, err := url.Parse(first.additional("redirectUrl")); err != nil || asked.Query().Get("redirect_uri") != programURL ||
			asked.Query().Get("code_challenge_method") != "S256" || asked.Query().Get("nonce") == "" {
			a.Errorf("asked for %s, %v", asked, err)
		}
		second := a.brings(nil) // as somebody who has closed the browser
		a.wantsAway(second)
		if second.additional("state") == first.additional("state") {
			a.Error("the state is good again")
		}
		h := a.brings(a.visits(second))
		if !h.isIn() || len(h.result.Evidence) != 1 || h.result.Evidence[0].Issuer != a.up.URL || a.people() != 1 || a.sessions(h.result.Subject) != 1 {
			a.Fatalf("got %d %s %+v", h.status, h.text, h.result)
		}
	})
}

// Who says no at the provider is asked again, and begins there anew.
func TestAppRedirectionDenied(t *testing.T) {
	eachApp(t, byRedirect, func(a *app) {
		a.up.refuse = "access_denied"
		h := a.brings(a.visits(a.start()))
		if h.FlowStatus != "FAIL_INCOMPLETE" || h.reason() != "federated.denied" || h.additional("redirectUrl") != "" || len(h.NextStep.Authenticators) != 1 {
			a.Fatalf("got %d %s", h.status, h.text)
		}
		a.up.refuse = ""
		h = a.brings(nil)
		a.wantsAway(h)
		if h = a.brings(a.visits(h)); !h.isIn() {
			a.Fatalf("got %d %s", h.status, h.text)
		}
	})
}

// Beside a password, the provider is a way that begins when it is chosen, and that can be left.
func TestAppRedirectionAmongOthers(t *testing.T) {
	t.Parallel()
	a := apps(t, storetest.Placement{Driver: memory.New()}, byRedirect, "password", "up")
	a.user("ann", "", false)
	if h := a.say(nil); h.NextStep.StepType != "MULTI_OPTIONS_PROMPT" || h.NextStep.AcceptErrors || h.NextStep.Authenticators[1].Metadata.PromptType != "" {
		t.Fatalf("got %s", h.text)
	}
	h := a.brings(nil)
	a.wantsAway(h)
	password := []byte(`{"authenticatorId":"QmFzaWNBdXRoZW50aWNhdG9yOkxPQ0FM","params":{"username":"ann","password":"wrong"}}`)
	if h = a.say(password); h.FlowStatus != "FAIL_INCOMPLETE" || h.NextStep.StepType != "MULTI_OPTIONS_PROMPT" {
		t.Fatalf("got %s", h.text)
	}
	if h = a.brings(nil); h.additional("redirectUrl") == "" {
		t.Fatalf("got %s", h.text)
	}
	if h = a.brings(a.visits(h)); !h.isIn() {
		t.Fatalf("got %s", h.text)
	}
}

// A connection of which apps know nothing is no step of theirs.
func TestAppWithoutURL(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{{"up"}, {"up-link"}} {
		edit := byRedirect
		if options[0] == "up" {
			edit = func(*federated.Connection) {}
		}
		if h := apps(t, storetest.Placement{Driver: memory.New()}, edit, options...).say(nil); h.status != http.StatusNotImplemented || h.Code != "ABA-60006" {
			t.Errorf("%v: %d %s", options, h.status, h.text)
		}
	}
}

// An answer is for the sign-in that has asked for it: what a stranger has got, or a guess, or nothing of it signs nobody in, and the
// sign-in goes on.
func TestAttackAnswerInAnotherSignIn(t *testing.T) {
	eachApp(t, byRedirect, func(a *app) {
		eve := a.twin()
		planted := eve.visits(eve.start())
		for name, c := range map[string]struct {
			came    func(own url.Values) url.Values
			problem string
		}{
			"both are a stranger's": {func(url.Values) url.Values { return planted }, "federated.failed"},
			"a stranger's code": {func(own url.Values) url.Values {
				return url.Values{"code": planted["code"], "state": own["state"], "iss": own["iss"]}
			}, "federated.failed"},
			"a stranger's state": {func(own url.Values) url.Values {
				return url.Values{"code": own["code"], "state": planted["state"]}
			}, "federated.failed"},
			"another issuer": {func(own url.Values) url.Values {
				return url.Values{"code": own["code"], "state": own["state"], "iss": {"https://evil.example"}}
			}, "federated.failed"},
			"a stranger's refusal": {func(url.Values) url.Values {
				return url.Values{"error": {"access_denied"}, "state": planted["state"]}
			}, "federated.failed"},
			"no state": {func(own url.Values) url.Values { return url.Values{"code": own["code"]} }, "ABA-60001"},
			"no code":  {func(own url.Values) url.Values { return url.Values{"state": own["state"]} }, "ABA-60001"},
			"something besides": {func(own url.Values) url.Values {
				return url.Values{"code": own["code"], "state": own["state"], "x": {"y"}}
			}, "ABA-60001"},
			"a password instead": {func(url.Values) url.Values { return url.Values{"username": {"ann"}, "password": {"x"}} }, "ABA-60001"},
		} {
			victim := a.twin()
			own := victim.visits(victim.start())
			if h := victim.brings(c.came(own)); h.isIn() || h.reason() != c.problem {
				a.Errorf("%s: %d %s", name, h.status, h.text)
			}
			victim.wantsAway(victim.brings(nil))
		}
		if n := a.people(); n != 0 {
			a.Errorf("%d accounts", n)
		}
	})
}

// An answer is good once, also of several apps at once, and none after the way out was asked for anew.
func TestAttackAnswerOfSignInTwice(t *testing.T) {
	eachApp(t, byRedirect, func(a *app) {
		old := a.visits(a.start())
		again := a.brings(nil)
		if h := a.brings(old); h.isIn() || h.reason() != "federated.failed" {
			a.Errorf("an answer to a question that was asked anew: %s", h.text)
		}
		if h := a.brings(a.visits(again)); h.isIn() || h.Code != "ABA-60001" { // nobody is away any more
			a.Errorf("an answer after a wrong one: %s", h.text)
		}
		came := a.visits(a.brings(nil))
		var wg sync.WaitGroup
		var won atomic.Int64
		var who atomic.Value
		for range 6 {
			wg.Go(func() {
				if h := a.brings(came); h.isIn() {
					won.Add(1)
					who.Store(h.result.Subject)
				}
			})
		}
		wg.Wait()
		if won.Load() == 0 || a.people() != 1 || a.sessions(who.Load().(store.Ref)) != 1 {
			a.Errorf("%d answers, %d accounts", won.Load(), a.people())
		}
		if h := a.twin().brings(came); h.Code != "ABA-60008" {
			a.Errorf("in no flow at all: %s", h.text)
		}
	})
}

// A store that fails at any call while an app brings an answer is a failure, and makes no second account afterwards.
func TestFailingStoreWhileAppBrings(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		a := apps(t, storetest.Placement{Driver: memory.New()}, byRedirect, "up")
		came := a.visits(a.start())
		a.faults.FailCall(n, nil)
		h := a.brings(came)
		reached := !a.faults.Waits()
		a.faults.Heal()
		if !reached {
			break
		}
		if !h.isIn() && h.status != http.StatusServiceUnavailable {
			t.Errorf("call %d: %d %s", n, h.status, h.text)
		}
		a.advance(11 * time.Second) // a claim that a crash has left
		again := a.twin()
		if h = again.brings(again.visits(again.start())); !h.isIn() || a.people() != 1 {
			t.Errorf("call %d: afterwards %d accounts, %s", n, a.people(), h.text)
		}
	}
}
