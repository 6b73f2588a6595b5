package flow_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// A page elsewhere that sends the browser of somebody who is signed in to a step-up has no code sent to them: they are offered one. Whoever
// clicks there, or asks for it here, gets it.
func TestAttackCodeUnbidden(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, option := range []string{"email-code", "sms-code"} {
			o := &outbox{}
			w := open(t, post(o, flow.LoginSteps{Second: []string{}}))
			w.reachable("ann")
			b := w.browser()
			stepUp := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}
			comes := func(user string) page {
				return b.follow(b.do(http.MethodGet, w.request(stepUp), nil, func(r *http.Request) {
					r.Header.Set("Sec-Fetch-Site", "cross-site")
					if user != "" {
						r.Header.Set("Sec-Fetch-User", user)
					}
				}))
			}
			b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword).answer(t)
			w.engine = w.rebuild(func(c *flow.Config) {
				c.Plans = map[string]flow.Plan{"login": flow.LoginSteps{Second: []string{option}}.Plan()}
			})
			w.serve()
			before, _ := o.all()
			sent := func() int { now, _ := o.all(); return len(now) - len(before) }

			_ = comes("")
			p := comes("")
			if p.step() != option || p.View.Prompt.Intro.ID != "code.offer" || sent() != 0 {
				t.Fatalf("%s: got %v, %d sent", option, p, sent())
			}
			if comes("?1"); sent() != 1 {
				t.Errorf("%s: after a click: %d sent", option, sent())
			}
			w.advance(2 * time.Minute)
			if p = b.submit(p, "action", "resend"); sent() != 2 {
				t.Fatalf("%s: asked for: %v, %d sent", option, p, sent())
			}
			b.submit(p, "otp", o.last()).answer(t)
		}
	})
}

// So it is with a phone: it asks nobody to agree to what a page elsewhere has begun.
func TestAttackPushUnbidden(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, o, device := enrolled(t, open, false)
		plan := func(steps flow.LoginSteps) {
			w.engine = w.rebuild(func(c *flow.Config) { c.Plans = map[string]flow.Plan{"login": steps.Plan()} })
			w.serve()
		}
		plan(flow.LoginSteps{Second: []string{}})
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword).answer(t)
		plan(flow.LoginSteps{Second: []string{"push"}})
		sent := func() int { all, _ := o.all(); return len(all) }
		before := sent()

		p := b.follow(b.do(http.MethodGet, w.request(directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}), nil, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}))
		if p.step() != "push" || p.View.Prompt.Intro.ID != "push.none" || len(p.View.Prompt.Messages) != 0 || sent() != before {
			t.Fatalf("got %v, %d sent", p, sent()-before)
		}
		if p = b.submit(p); sent() != before+1 || p.message() != "" {
			t.Fatalf("asked for: %v, %d sent", p, sent()-before)
		}
		all, _ := o.all()
		device.answer(all[len(all)-1], "APPROVED", p.View.Prompt.Intro.Params["number"])
		b.submit(p).answer(t)
	})
}

// Whoever recovers by text message or mail and then brings a code that went the same way has shown one factor.
func TestAttackRecoveryAndCodeOneWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, second, amr, want string }{
		{directory.SMSSignIn, "sms-code", "sms", directory.ACR1},
		{directory.EmailSignIn, "email-code", "otp", directory.ACR1},
		{"password", "sms-code", "sms", directory.ACR2},
	} {
		first := directory.Evidence{Method: c.first, AMR: []string{c.amr}, Subject: "ann", Time: time.Now()}
		if c.first == "password" {
			first.AMR = []string{"pwd"}
		}
		second := directory.Evidence{Method: c.second, AMR: []string{c.amr}, Subject: "ann", Time: first.Time}
		if a := directory.Assess([]directory.Evidence{first, second}); a.ACR != c.want {
			t.Errorf("%s and %s: %s", c.first, c.second, a.ACR)
		}
	}
}
