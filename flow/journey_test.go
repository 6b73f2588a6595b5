package flow_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// journey is a way through the pages. It prepares a world and a browser in it, and returns the request to begin with and how
// the person answers each page.
type journey func(w *world, b *browser) (directory.Interaction, func(page) page)

// journeys are what a person does besides signing in with password, code and consent, which TestEveryCallMayFail walks.
var journeys = map[string]journey{
	"single sign-on": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		b.signIn("ann")
		return directory.Interaction{}, nil
	},
	"step-up": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		ann := w.user("ann")
		b.signIn("ann")
		seed := w.totp(ann)
		return directory.Interaction{ACR: []string{directory.ACR2}}, func(p page) page { return b.submit(p, "otp", w.nextCode(seed)) }
	},
	"enrolment": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		in := directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()}
		var seed []byte
		return in, func(p page) page {
			switch p.step() {
			case "password":
				return b.login(p, "ann", goodPassword)
			case "totp-enroll": // else a crash between the stores came after the enrolment
				seed = decode(w.T, p.View.Prompt.QRText)
			}
			return b.submit(p, "otp", w.nextCode(seed))
		}
	},
	"enrolment of a token": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		w.enrolTokens()
		in := directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()}
		var seed []byte
		counter := int64(-1)
		return in, func(p page) page {
			switch p.step() {
			case "password":
				return b.login(p, "ann", goodPassword)
			case "hotp-enroll": // else a crash between the stores came after the enrolment
				seed, counter = decode(w.T, p.View.Prompt.QRText), -1
			}
			counter++
			return b.submit(p, "otp", w.tokenCode(seed, counter))
		}
	},
	"consent": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		login := b.signIn("ann")
		in := directory.Interaction{
			Purpose: directory.ApproveConsent, Subject: login.Subject, Session: login.Session,
			Consent: []directory.ConsentItem{{ID: "email"}},
		}
		return in, func(p page) page { return b.submit(p, "action", "consent_allow", "consent", "email") }
	},
	"expired password": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		w.expire()
		return directory.Interaction{}, func(p page) page {
			if p.step() == "password" {
				return b.login(p, "ann", goodPassword)
			}
			return b.submit(p, "new_password", newPassword)
		}
	},
	"the last seat": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		w.must(directory.Set(w.Context(), w.Settings, w.Settings.SessionLimit, "", "", directory.SessionLimitPolicy{Max: 1}))
		return directory.Interaction{}, func(p page) page { return b.login(p, "ann", goodPassword) }
	},
	"too many sessions": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		w.browser().signIn("ann")
		w.limitSessions(1)
		return directory.Interaction{}, func(p page) page {
			if p.step() == "password" {
				return b.login(p, "ann", goodPassword)
			}
			var all []string
			for _, name := range p.choices() { // none, when its own session is what has filled the place
				all = append(all, name, "true")
			}
			return b.submit(p, all...)
		}
	},
	"choice of an account": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		b.signIn("ann")
		return directory.Interaction{SelectAccount: true}, func(p page) page { return b.submit(p, "action", "current_account") }
	},
	"logout": func(w *world, b *browser) (directory.Interaction, func(page) page) {
		w.user("ann")
		b.signIn("ann")
		in := directory.Interaction{Purpose: directory.SignOut}
		return in, func(p page) page { return b.submit(p, "action", "logout_confirm") }
	},
}

// nextCode waits for a code that was not used yet.
func (w *world) nextCode(seed []byte) string {
	w.Helper()
	w.advance(30 * time.Second)
	return w.code(seed)
}

// Whichever call of the store fails on whichever page: the answer is 503, and afterwards the person gets to the end.
func TestEveryCallMayFailOnEveryPage(t *testing.T) {
	t.Parallel()
	for name, journey := range journeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, met := 1, true; met; n++ {
				met = false
				storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
					if journey.fail(newWorld(t, p), n) {
						met = true
					}
				})
			}
		})
	}
}

// fail walks the journey with its nth call of the store failing, and reports whether there was such a call.
func (j journey) fail(w *world, n int) bool {
	w.Helper()
	b := w.browser()
	in, act := j(w, b)
	path := w.request(in)
	w.faults.Forget()
	w.faults.FailCall(n, nil)
	failures := 0
	p := b.get(path)
	for range 20 {
		switch {
		case p.unavailable():
			failures++
			w.advance(lease)
			p = b.get(path)
		case p.View != nil:
			p = act(p)
		}
	}
	p.answer(w.T)
	calls := w.faults.Calls()
	if len(calls) < n {
		return false
	}
	// When the session was last used is the one thing that may be lost.
	if failures != 1 && !writes(calls[n-1], "directory.activity") {
		w.Fatalf("call %d (%s %v): %d failures", n, calls[n-1].Method, calls[n-1].Kind, failures)
	}
	return true
}
