package flow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// byCodes has people invited by a code alone.
func (w *world) byCodes(on bool) {
	w.Helper()
	policy, err := directory.Resolve(w.Context(), w.Settings, w.Settings.Invitation, "", "")
	w.must(err)
	policy.EmailCode = on
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Invitation, "", "", policy))
	w.advance(2 * time.Second)
}

// invitedByCode has an administrator create somebody, and returns the code that they get.
func (w *world) invitedByCode(name string, way directory.TicketWay) string {
	w.Helper()
	b := w.db.Batch()
	u := &directory.User{Username: name, Email: name + "@example.com", Phone: "+15550100"}
	_, issued, err := w.Invite(w.Context(), b, u, way)
	w.must(err)
	w.must(b.Apply(w.Context()))
	return issued.Code.Reveal()
}

func TestInvitationByCode(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, way := range []directory.TicketWay{directory.CodeByEmail, directory.CodeBySMS} {
			w, _ := selfService(t, open)
			w.byCodes(true)
			code := w.invitedByCode("ann", way)
			b := w.browser()
			p := b.get("/t/invite")
			if p.step() != "invite-code" {
				t.Fatalf("got %v", p)
			}
			p = b.submit(p, "username", "ann", "otp", strings.ToLower(code))
			if p.step() != "invite" || p.View.Prompt.Fields[0].Value != "ann" {
				t.Fatalf("got %v", p)
			}
			if p = b.submit(p, "new_password", "short"); p.step() != "invite" {
				t.Fatalf("got %v", p)
			}
			if p = b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword)); p.Location != "/home" || b.cookie("session") == "" {
				t.Fatalf("got %v", p)
			}
			user, err := w.FindUser(t.Context(), "", "ann")
			if err != nil || user.EmailVerified != (way == directory.CodeByEmail) || user.PhoneVerified != (way == directory.CodeBySMS) {
				t.Errorf("%s: %v %+v", way, err, user)
			}
			again := w.browser()
			if p = again.submit(again.get("/t/invite"), "username", "ann", "otp", code); p.message() != "invite-code.wrong" {
				t.Errorf("the code once more: got %v", p)
			}
		}
	})
}

// A reset by an administrator is told by a code as well, and the code of one is none of the other.
func TestAdminResetByCode(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.AdminReset, "", "")
		w.must(err)
		policy.EmailCode = true
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.AdminReset, "", "", policy))
		w.advance(2 * time.Second)
		batch := w.db.Batch()
		issued, err := w.ForceReset(t.Context(), batch, w.verified("ann"), directory.CodeByEmail)
		w.must(err)
		w.must(batch.Apply(t.Context()))
		b := w.browser()
		p := b.submit(b.get("/t/invite"), "username", "ann", "otp", issued.Code.Reveal())
		if p = b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword)); p.Location != "/home" {
			t.Errorf("got %v", p)
		}
	})
}

// Whoever was invited, whoever was not, and nobody look the same to whoever guesses, and guesses are bounded.
func TestAttackInvitationCode(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(name string) (seen []string, w *world, code string) {
			w, _ = selfService(t, open)
			w.byCodes(true)
			w.verified("bob")
			code = w.invitedByCode("ann", directory.CodeByEmail)
			b := w.browser()
			p := b.get("/t/invite")
			w.faults.Forget()
			for range 7 {
				p = b.submit(p, "username", name, "otp", "AAAAAA")
				seen = append(seen, strings.ReplaceAll(shown(p, name)+"|"+strings.Join(calls(w), "\n"), name, "TYPED"))
				w.faults.Forget()
			}
			return seen, w, code
		}
		want, w, code := attempts("ann")
		for _, name := range []string{"bob", "nobody"} {
			got, _, _ := attempts(name)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%s, answer %d:\n%s\nbut for somebody invited\n%s", name, i, got[i], want[i])
				}
			}
		}
		b := w.browser()
		if p := b.submit(b.get("/t/invite"), "username", "ann", "otp", code); p.message() != "invite-code.wrong" {
			t.Errorf("the right code while guesses are locked: got %v", p)
		}
		w.advance(6 * time.Minute)
		b = w.browser()
		p := b.get("/t/invite")
		w.byCodes(false)
		closed := b.do("POST", p.View.Submit, fill(p.View, "username", "ann", "otp", code))
		if closed.Location != "/home" || b.cookie("session") != "" {
			t.Errorf("a way that was closed: got %v", closed)
		}
		w.byCodes(true)
		b = w.browser()
		if p = b.submit(b.get("/t/invite"), "username", "ann", "otp", code); p.step() != "invite" {
			t.Errorf("after the lock: got %v", p)
		}
	})
}

// guessInvitation guesses wrong at an invitation from an address.
func (w *world) guessInvitation(name, address string, times int) {
	w.Helper()
	b := w.browser()
	b.address = address
	p := b.get("/t/invite")
	for range times {
		if p = b.submit(p, "username", name, "otp", "AAAAAA"); p.message() != "invite-code.wrong" {
			w.Fatalf("%s: got %v", address, p)
		}
	}
}

// A stranger who knows a name and guesses for hours keeps nobody from the code that they were sent, unless where codes are too short to be guessed at
// from everywhere; and many strangers have no more guesses together than are bounded.
func TestAttackInvitationDenied(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for name, scene := range map[string]struct {
			form      directory.CodeForm
			addresses int
			denied    bool
		}{
			"one stranger":         {directory.CodeForm{Length: 6, Letters: true}, 1, false},
			"nineteen":             {directory.CodeForm{Length: 6, Letters: true}, 19, false},
			"twenty":               {directory.CodeForm{Length: 6, Letters: true}, 20, true},
			"six digits":           {directory.CodeForm{Length: 6}, 1, true},
			"eight digits":         {directory.CodeForm{Length: 8}, 1, false},
			"eight digits and two": {directory.CodeForm{Length: 8}, 2, true},
		} {
			t.Run(name, func(t *testing.T) {
				w, _ := selfService(t, open)
				policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Invitation, "", "")
				w.must(err)
				policy.EmailCode, policy.Code = true, scene.form
				w.must(directory.Set(t.Context(), w.Settings, w.Settings.Invitation, "", "", policy))
				w.advance(2 * time.Second)
				code := w.invitedByCode("ann", directory.CodeByEmail)
				for i := range scene.addresses {
					w.guessInvitation("ann", fmt.Sprintf("198.51.100.%d", i+1), 7)
				}
				again := w.browser()
				again.address = "198.51.100.1"
				if p := again.submit(again.get("/t/invite"), "username", "ann", "otp", code); p.message() != "invite-code.wrong" {
					t.Errorf("a stranger's eighth guess: got %v", p)
				}
				b := w.browser()
				p := b.submit(b.get("/t/invite"), "username", "ann", "otp", code)
				if denied := p.message() == "invite-code.wrong"; denied != scene.denied || !denied && p.step() != "invite" {
					t.Errorf("got %v", p)
				}
				w.advance(5 * time.Minute)
				b = w.browser()
				if p = b.submit(b.get("/t/invite"), "username", "ann", "otp", code); p.step() != "invite" {
					t.Errorf("after the lock: got %v", p)
				}
			})
		}
	})
}

func TestInvitationWithoutCodes(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		code := w.invitedByCode("ann", directory.CodeByEmail)
		b := w.browser()
		if p := b.get("/t/invite"); p.step() != "invite" || p.message() != "ticket.void-for-good" || code == "" {
			t.Errorf("got %v", p)
		}
	})
}
