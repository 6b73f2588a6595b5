package flow_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// TestTrustedDevice spares a second factor where it was shown before, and nowhere else.
func TestTrustedDevice(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, post(&outbox{}, flow.LoginSteps{TrustDevices: true}))
		ann := w.user("ann")
		seed := w.totp(ann)
		w.totp(w.user("bob"))
		b := w.browser()
		login := func(name, pass string, in directory.Interaction) page {
			b.forget("session")
			w.advance(time.Minute)
			return b.login(b.get(w.request(in)), name, pass)
		}
		p := login("ann", goodPassword, directory.Interaction{})
		b.submit(p, "otp", w.code(seed)).answer(t) // without asking for it
		if p = login("ann", goodPassword, directory.Interaction{}); p.step() != "totp" {
			t.Fatalf("not asked to trust: %v", p)
		}
		b.submit(p, "otp", w.code(seed), "trust", "true").answer(t)
		result := login("ann", goodPassword, directory.Interaction{}).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR1 {
			t.Errorf("a factor that was spared counts: %+v", a)
		}
		if p = login("ann", goodPassword, directory.Interaction{ACR: []string{directory.ACR2}}); p.step() != "totp" {
			t.Errorf("where it is demanded: %v", p)
		}
		if p = login("bob", goodPassword, directory.Interaction{}); p.step() != "totp" {
			t.Errorf("somebody else: %v", p)
		}
		other := w.browser()
		if p = other.login(other.get(w.request(directory.Interaction{})), "ann", goodPassword); p.step() != "totp" {
			t.Errorf("another browser: %v", p)
		}
	})
}

// TestAttackTrustOutlivesChange holds that trust ends with a new password, another factor, another number, and after thirty days.
func TestAttackTrustOutlivesChange(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		const another = "another battery staple"
		for name, change := range map[string]func(w *world, u *directory.User){
			"password": func(w *world, u *directory.User) { w.must(w.SetPassword(w.Context(), u, another)) },
			"factor":   func(w *world, u *directory.User) { w.totp(u) },
			"number": func(w *world, u *directory.User) {
				u.Phone, u.PhoneVerified = "+4930123456", true
				w.must(w.ReplaceUser(w.Context(), u))
			},
			"time": func(w *world, _ *directory.User) { w.advance(directory.TrustLife) },
		} {
			w := open(t, post(&outbox{}, flow.LoginSteps{TrustDevices: true}))
			ann := w.user("ann")
			seed := w.totp(ann)
			b := w.browser()
			p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
			b.submit(p, "otp", w.code(seed), "trust", "true").answer(t)
			change(w, ann)
			b.forget("session")
			pass := goodPassword
			if name == "password" {
				pass = another
			}
			if p = b.login(b.get(w.request(directory.Interaction{})), "ann", pass); p.step() != "totp" {
				t.Errorf("%s: %v", name, p)
			}
		}
	})
}
