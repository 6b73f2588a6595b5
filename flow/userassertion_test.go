package flow_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// asserted registers somebody for an application by a program, and returns what it has got at the end.
func (w *world) asserted(box *outbox, address string, app *directory.Application) string {
	w.Helper()
	c := w.caller()
	c.begin("REGISTRATION", app)
	c.send("continue", claimEmail, address)
	c.send("login", "otp", box.letter().Params[notify.Code])
	return c.send("continue", "password", newPassword).Data.UserAssertion
}

// begin begins a flow for an application.
func (c *caller) begin(flowType string, app *directory.Application) told {
	c.Helper()
	text, err := json.Marshal(map[string]string{"flowType": flowType, "applicationId": app.ID})
	c.must(err)
	t := c.post(string(text))
	c.flow = t.FlowID
	return t
}

// trade is a request for an application that brings a user assertion.
func (w *world) trade(assertion string, app *directory.Application, edit ...func(*directory.Interaction)) string {
	in := directory.Interaction{Application: app.Ref(), UserAssertion: secret.Text(assertion)}
	for _, e := range edit {
		e(&in)
	}
	return w.request(in)
}

func passive(in *directory.Interaction) { in.Passive = true }

func TestUserAssertion(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		app := w.app("")
		assertion := w.asserted(box, "ann@example.com", app)
		if assertion == "" {
			t.Fatal("no assertion")
		}
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		w.must(err)
		b := w.browser()
		at := w.trade(assertion, app)
		result := b.get(at).answer(t)
		if result.Subject.ID != user.ID || !result.Detached || len(result.Evidence) != 1 || result.Evidence[0].Method != directory.EmailSignIn {
			t.Errorf("got %+v", result)
		}
		if n := w.sessions(user); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if again := b.get(at).answer(t); again.Session != result.Session {
			t.Errorf("the same request: %+v", again)
		}
		if p := b.get(w.request(directory.Interaction{Application: app.Ref()})); p.View == nil {
			t.Errorf("the browser is signed in: %+v", p)
		}
	})
}

// The payload is what the product's is: a JWT of this issuer, for it.
func TestUserAssertionClaims(t *testing.T) {
	t.Parallel()
	w, box := selfService(t, together)
	parts := strings.Split(w.asserted(box, "ann@example.com", w.app("")), ".")
	if len(parts) != 3 {
		t.Fatalf("got %q", parts)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	w.must(err)
	var claims map[string]any
	w.must(json.Unmarshal(text, &claims))
	now := float64(w.Now().Unix())
	if claims["iss"] != issuer || claims["aud"] != issuer || claims["iat"] != now || claims["exp"] != now+2 || claims["sub"] == "" {
		t.Errorf("got %s", text)
	}
}

// Whoever was to be signed in by a recovery is, and has no more by it than a proof that they read their mail: a second factor is asked for.
func TestUserAssertionOfRecovery(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		app, ann := w.app(""), w.verified("ann")
		seed := w.totp(ann)
		c := w.caller()
		c.begin("PASSWORD_RECOVERY", app)
		c.send("continue", claimUsername, "ann")
		c.send("login", "otp", box.letter().Params[notify.Code])
		assertion := c.send("continue", "password", newPassword).Data.UserAssertion
		b := w.browser()
		at := w.trade(assertion, app)
		p := b.get(at)
		if p.View == nil || p.View.Prompt.Step != "totp" {
			t.Fatalf("got %+v", p)
		}
		p = b.submit(p, "otp", w.code(seed))
		if result := p.answer(t); result.Subject.ID != ann.ID || !directory.Assess(result.Evidence).Satisfies(directory.ACR2) || !result.Detached {
			t.Errorf("got %+v", result)
		}
		if p := b.get(w.request(directory.Interaction{})); p.View == nil || p.View.Prompt.Step != "password" {
			t.Errorf("the browser is signed in: %+v", p)
		}
	})
}

// A flow that is for no application, or is set to sign nobody in, leaves nothing to be traded.
func TestUserAssertionIsNotForEverybody(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		app := w.app("")
		c := w.caller()
		c.start("REGISTRATION", "")
		c.send("continue", claimEmail, "ann@example.com")
		c.send("login", "otp", box.letter().Params[notify.Code])
		if a := c.send("continue", "password", newPassword); a.Text != `{"flowStatus":"COMPLETE","data":{}}` {
			t.Errorf("without an application: %s", a.Text)
		}
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Registration, "", "")
		w.must(err)
		policy.SignIn = false
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Registration, "", "", policy))
		w.advance(2 * time.Minute)
		if assertion := w.asserted(box, "bob@example.com", app); assertion != "" {
			t.Errorf("where nobody is signed in: %q", assertion)
		}
	})
}

// A user assertion is good once, at its application, for two seconds, about its person, as it is.
func TestAttackUserAssertion(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for name, scene := range map[string]func(w *world, assertion string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)){
			"replay": func(w *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				w.browser().get(w.trade(a, app)).answer(w.T)
				return a, app, passive
			},
			"late": func(w *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				w.advance(2 * time.Second)
				return a, app, passive
			},
			"another application": func(w *world, a string, _ *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				return a, w.app(""), passive
			},
			"another organization": func(_ *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				return a, app, func(in *directory.Interaction) { in.Passive, in.Organization = true, "elsewhere" }
			},
			"another person": func(w *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				bob := w.user("bob")
				return a, app, func(in *directory.Interaction) { in.Passive, in.HintSubject = true, bob.ID }
			},
			"claims changed": func(w *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				parts := strings.Split(a, ".")
				text, err := base64.RawURLEncoding.DecodeString(parts[1])
				w.must(err)
				changed := strings.Replace(string(text), `"exp":`, `"exp":9`, 1)
				return parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(changed)) + "." + parts[2], app, passive
			},
			"unsigned": func(_ *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				parts := strings.Split(a, ".")
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"user-assertion+jwt"}`)) + "." + parts[1] + ".", app, passive
			},
			"the bare id": func(w *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				text, err := base64.RawURLEncoding.DecodeString(strings.Split(a, ".")[1])
				w.must(err)
				var claims struct {
					ID string `json:"jti"`
				}
				w.must(json.Unmarshal(text, &claims))
				return claims.ID, app, passive
			},
			"revoked person": func(w *world, a string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				user, err := w.FindUser(w.Context(), "", "ann@example.com")
				w.must(err)
				user.Disabled = true
				w.must(w.ReplaceUser(w.Context(), user))
				return a, app, passive
			},
			"nonsense": func(_ *world, _ string, app *directory.Application) (string, *directory.Application, func(*directory.Interaction)) {
				return strings.Repeat("é.", 4000), app, passive
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w, box := selfService(t, open)
				w.T = t
				app := w.app("")
				assertion, app, edit := scene(w, w.asserted(box, "ann@example.com", app), app)
				if p := w.browser().get(w.trade(assertion, app, edit)); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
					t.Errorf("got %+v %+v", p, p.Result)
				}
			})
		}
	})
}

// What an assertion stands for is held to the max_age of the request that it comes with, like what a session stands for, and is no fresh proof
// for one that wants that.
func TestAttackUserAssertionOfOldProof(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		second, minute, now := time.Second, time.Minute, time.Duration(0)
		for name, scene := range map[string]struct {
			edit func(*directory.Interaction)
			good bool
		}{
			"any age":  {func(*directory.Interaction) {}, true},
			"a minute": {func(in *directory.Interaction) { in.MaxAge = &minute }, true},
			"a second": {func(in *directory.Interaction) { in.MaxAge = &second }, false},
			"now":      {func(in *directory.Interaction) { in.MaxAge = &now }, false},
			"anew":     {func(in *directory.Interaction) { in.Reauthenticate = true }, false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w, box := selfService(t, open)
				w.T = t
				app := w.app("")
				assertion := w.asserted(box, "ann@example.com", app)
				w.advance(1500 * time.Millisecond)
				p := w.browser().get(w.trade(assertion, app, passive, scene.edit))
				if p.Result == nil || scene.good != (p.Result.Refusal == "") {
					t.Errorf("got %+v %+v", p, p.Result)
				}
			})
		}
	})
}

// An assertion that is good for nothing does not fall back on the session that the browser has: the person is asked.
func TestAttackUserAssertionBesideASession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		app := w.app("")
		w.user("bob")
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "bob", goodPassword).answer(t)
		if p := b.get(w.trade("x", app)); p.View == nil || p.View.Prompt.Step != "password" {
			t.Errorf("got %+v", p)
		}
	})
}

// Somebody's own assertion in another's browser is no way to have that browser signed in to their account, nor out of its own.
func TestAttackUserAssertionLoginCSRF(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		app, bob := w.app(""), w.user("bob")
		b := w.browser()
		before := b.login(b.get(w.request(directory.Interaction{})), "bob", goodPassword).answer(t)
		if result := b.get(w.trade(w.asserted(box, "eve@example.com", app), app)).answer(t); result.Subject.ID == bob.ID {
			t.Errorf("got %+v", result)
		}
		if after := b.get(w.request(directory.Interaction{})).answer(t); after.Session != before.Session || after.Subject.ID != bob.ID {
			t.Errorf("afterwards %+v", after)
		}
	})
}

// Nodes that are sent one assertion at once begin one session.
func TestAttackUserAssertionAtTwoNodes(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		app := w.app("")
		assertion := w.asserted(box, "ann@example.com", app)
		second := w.rebuild(func(*flow.Config) {})
		var wg sync.WaitGroup
		var won, asked atomic.Int64
		var requests [8]string
		for i := range requests {
			requests[i] = w.trade(assertion, app, passive)
		}
		for i, at := range requests {
			wg.Go(func() {
				twin := &world{T: w.T, engine: w.engine, config: w.config, requests: w.requests}
				if i%2 == 0 {
					twin.engine = second
				}
				twin.serve()
				switch p := twin.browser().get(at); {
				case p.Result != nil && p.Result.Refusal == "":
					won.Add(1)
				case p.Result != nil && p.Result.Refusal == directory.LoginRequired:
					asked.Add(1)
				default:
					t.Errorf("got %+v", p)
				}
			})
		}
		wg.Wait()
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		w.must(err)
		if n := w.sessions(user); won.Load() != 1 || asked.Load() != 7 || n != 1 {
			t.Errorf("%d signed in, %d were not, %d sessions", won.Load(), asked.Load(), n)
		}
	})
}

// A store that fails is 503 and signs nobody in; afterwards the assertion is as good as it was, or was used up.
func TestUserAssertionFaults(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for call := 1; ; call++ {
			w, box := selfService(t, open)
			app := w.app("")
			assertion := w.asserted(box, "ann@example.com", app)
			b := w.browser()
			at := w.trade(assertion, app)
			w.faults.FailCall(call, nil)
			p := b.get(at)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if p.Result == nil || call < 3 {
					t.Errorf("%d calls could fail, then %+v", call-1, p)
				}
				return
			}
			if p.Status != http.StatusServiceUnavailable {
				t.Fatalf("call %d: %+v", call, p)
			}
			if p := b.get(at); p.Result == nil && p.View == nil {
				t.Errorf("call %d: afterwards %+v", call, p)
			}
		}
	})
}

// Neither the record nor the log holds an assertion that could be traded.
func TestAttackUserAssertionInADump(t *testing.T) {
	t.Parallel()
	w, box := selfService(t, together)
	assertion := w.asserted(box, "ann@example.com", w.app(""))
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[1])
	w.must(err)
	var claims struct {
		ID string `json:"jti"`
	}
	w.must(json.Unmarshal(text, &claims))
	if strings.Contains(w.logged(), claims.ID) || strings.Contains(w.logged(), assertion) {
		t.Error("the log has it")
	}
	records, err := w.faults.List(t.Context(), w.Now(), store.Query{Kind: store.Kind{Name: "flow.assertion"}, Limit: 10, Within: store.Subtree})
	w.must(err)
	if len(records.Records) != 1 {
		t.Fatalf("%d records", len(records.Records))
	}
	if r := records.Records[0]; strings.Contains(r.ID+string(r.Body), claims.ID) {
		t.Errorf("the record has it: %s", r.Body)
	}
}

// FuzzUserAssertion holds that nothing from outside is taken for a user assertion, nor is a failure of ours.
func FuzzUserAssertion(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(strings.Repeat(".", 3000))
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return
		}
		w := together(t)
		app := w.app("")
		if p := w.browser().get(w.trade(text, app, passive)); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("%q: %+v", text, p)
		}
	})
}
