package flow_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// Somebody who makes an account where somebody else has made one before, in the same tab, gets one of their own: not that of before, nor the word
// that there is one.
func TestAttackSecondRegistrationInOneFlow(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := withoutPasswords(t, open, "email-code", "passkey")
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Registration, "", "")
		w.must(err)
		policy.SignIn = false
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Registration, "", "", policy))
		w.advance(2 * time.Second)
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for _, address := range []string{"ann@example.com", "bob@example.com"} {
			p = b.submit(p, "action", "register")
			p = b.submit(p, "email", address)
			p = b.submit(p, "otp", box.last())
			p = b.submit(p, "action", "method_register-codes")
			p = b.submit(p, "action", "continue")
			if p.message() != "register-password.done" {
				t.Fatalf("%s: got %v", address, p)
			}
			user, err := w.FindUser(t.Context(), "", address)
			if err != nil || user.Username != address {
				t.Fatalf("%s: %+v, %v", address, user, err)
			}
		}
	})
}
