package flow_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// Whoever does not know the flowId has nothing: neither the id in the store, nor that of a message's link, nor a browser, nor another
// organization leads to the flow.
func TestAttackExecutionOfAnother(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.caller()
		c.start("PASSWORD_RECOVERY", "")
		c.send("continue", claimUsername, "ann")
		code := box.letter().Params[notify.Code]
		own := c.flow

		eve := w.caller()
		eve.start("PASSWORD_RECOVERY", "")
		eve.send("continue", claimUsername, "nobody")
		if a := eve.send("login", "otp", code); a.asks() != "otp" || a.message() != "code.wrong" {
			t.Errorf("a code in another flow: %s", a.Text)
		}
		c.org = "elsewhere"
		if a := c.send("login", "otp", code); a.Code != "FE-60001" {
			t.Errorf("another organization: %s", a.Text)
		}
		c.org = ""
		c.flow = strings.ToLower(own)
		if a := c.send("login", "otp", code); a.Code != "FE-60001" {
			t.Errorf("another id: %s", a.Text)
		}
		b := w.browser()
		for _, name := range []string{own, "x"} {
			if p := b.get("/t/login?flow=" + url.QueryEscape(name)); p.View != nil {
				t.Errorf("a browser: %v", p)
			}
		}
		c.flow = own
		if a := c.send("login", "otp", code); a.asks() != "password" {
			t.Errorf("afterwards: %s", a.Text)
		}
	})
}

// A program guesses no more often than a page: wrong codes count for the flow, and for the account.
func TestAttackExecutionGuessing(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.caller()
		c.start("PASSWORD_RECOVERY", "")
		c.send("continue", claimUsername, "ann")
		code := box.letter().Params[notify.Code]
		wrong := 0
		for ; wrong < 50; wrong++ {
			if a := c.send("login", "otp", other(code)); a.Status != http.StatusOK {
				if a.Code != "FE-60006" {
					t.Errorf("got %s", a.Text)
				}
				break
			}
		}
		if wrong > 10 {
			t.Errorf("%d wrong codes in one flow", wrong)
		}
		if a := c.send("login", "otp", code); a.Code != "FE-60001" {
			t.Errorf("the right code, afterwards: %s", a.Text)
		}
	})
}

// No answer tells who has an account: the same is said, and asked next, to who has one and to who has none.
func TestAttackExecutionEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		w.verified("ann")
		for _, scene := range []struct{ flowType, claim, known, unknown string }{
			{"PASSWORD_RECOVERY", claimUsername, "ann", "eve"},
			{"REGISTRATION", claimEmail, "ann@example.com", "eve@example.com"},
		} {
			var said [2][]string
			for i, name := range []string{scene.known, scene.unknown} {
				c := w.caller()
				c.start(scene.flowType, "")
				for _, a := range []told{
					c.send("continue", scene.claim, name), c.send("login", "otp", "AAAAAA"), c.send("resend"), c.send("login", "otp", "BBBBBB"),
				} {
					text := strings.ReplaceAll(a.Text, c.flow, "FLOW")
					said[i] = append(said[i], strings.ReplaceAll(text, name, "NAME"))
				}
			}
			for i := range said[0] {
				if said[0][i] != said[1][i] {
					t.Errorf("%s, answer %d: to somebody known\n%s\nto nobody\n%s", scene.flowType, i, said[0][i], said[1][i])
				}
			}
		}
	})
}

// An address may begin and send so much and no more.
func TestAttackExecutionFlood(t *testing.T) {
	t.Parallel()
	w, _ := selfService(t, func(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
		t.Helper()
		return together(t, append(edit, func(_ *flow.Config, d *directory.Config) { d.Throttle = directory.ThrottlePolicy{} })...)
	})
	first := w.caller()
	first.start("REGISTRATION", "")
	for name, flood := range map[string]func(c *caller) told{
		"beginning": func(c *caller) told { return c.start("REGISTRATION", "") },
		"sending":   func(c *caller) told { c.flow = first.flow; return c.send("none") },
	} {
		c, refused := w.caller(), 0
		c.address = "198.51.100." + map[string]string{"beginning": "1", "sending": "2"}[name]
		for range 100 {
			if a := flood(c); a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") != "" {
				refused++
			}
		}
		if refused < 20 {
			t.Errorf("%s: only %d of 100 were refused", name, refused)
		}
	}
}

// A flow ends after as many answers as nobody needs.
func TestAttackExecutionWithoutEnd(t *testing.T) {
	t.Parallel()
	w, _ := selfService(t, func(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
		t.Helper()
		return together(t, append(edit, func(_ *flow.Config, d *directory.Config) {
			d.Throttle.Off = append(d.Throttle.Off, directory.ThrottleRequest)
		})...)
	})
	c := w.caller()
	c.start("REGISTRATION", "")
	for i := range 200 {
		if a := c.send("continue", claimEmail, "ann"); a.Status != http.StatusOK {
			if a.Code != "FE-60006" || i < 50 {
				t.Errorf("after %d: %s", i, a.Text)
			}
			return
		}
	}
	t.Error("200 answers were taken")
}

// Two nodes complete one registration at once: there is one account, and whoever is told otherwise is not told of success.
func TestAttackExecutionAtTwoNodes(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		c := w.caller()
		c.start("REGISTRATION", "")
		c.send("continue", claimEmail, "ann@example.com")
		c.send("login", "otp", box.letter().Params[notify.Code])
		second := w.rebuild(func(*flow.Config) {})
		var wg sync.WaitGroup
		var won atomic.Int64
		for i := range 6 {
			wg.Go(func() {
				twin := *c
				twin.world = &world{T: w.T, engine: w.engine, config: w.config}
				if i%2 == 0 {
					twin.engine = second
				}
				if a := twin.send("continue", "password", newPassword); a.FlowStatus == "COMPLETE" {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if n := w.events("user.created"); n != 1 || won.Load() == 0 {
			t.Errorf("%d accounts, %d successes", n, won.Load())
		}
	})
}

// A store that fails is 503, and the flow goes on afterwards.
func TestExecutionFaults(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for call := 1; ; call++ {
			w, box := selfService(t, open)
			w.verified("ann")
			c := w.caller()
			c.start("PASSWORD_RECOVERY", "")
			c.send("continue", claimUsername, "ann")
			w.faults.FailCall(call, nil)
			a := c.send("login", "otp", box.letter().Params[notify.Code])
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if a.asks() != "password" || call < 4 {
					t.Errorf("call %d: %s", call, a.Text)
				}
				return // no call is left that could fail
			}
			if a.Status != http.StatusServiceUnavailable || a.Code != "FE-65001" || a.Header.Get("Retry-After") == "" {
				t.Fatalf("call %d: %d %s", call, a.Status, a.Text)
			}
			w.advance(11 * time.Second) // a claim that a crash has left
			if a = c.send("login", "otp", box.letter().Params[notify.Code]); a.asks() != "password" {
				t.Errorf("call %d: afterwards %s", call, a.Text)
			}
		}
	})
}

// FuzzExecute holds that no body of a program is a failure of ours, nor ends a flow well.
func FuzzExecute(f *testing.F) {
	f.Add(`{"flowType":"REGISTRATION"}`)
	f.Add(`{"flowType":"ASK_PASSWORD","inputs":{"confirmationCode":"x"}}`)
	f.Add(`{"flowId":"$","actionId":"continue","inputs":{"http://wso2.org/claims/emailaddress":"ann@example.com"}}`)
	f.Add(`{"flowId":"$","actionId":"resend","inputs":{"otp":true}}`)
	f.Add(`{"flowId":"$","actionId":"method_x","inputs":null}`)
	f.Add(`{"flowId":"$","inputs":{"code":"x","state":"y","iss":"https://id.example.com"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w, _ := selfService(t, together)
		c := w.caller()
		c.start("REGISTRATION", "")
		if a := c.post(strings.ReplaceAll(body, "$", c.flow)); a.Status >= 500 || a.FlowStatus == "COMPLETE" {
			t.Errorf("%q: %d %s", body, a.Status, a.Text)
		}
		if n := w.events("user.created"); n != 0 {
			t.Errorf("%q: somebody has come to be", body)
		}
	})
}
