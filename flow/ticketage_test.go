package flow_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// Whoever has shown a code or a link, and takes their time over the password that follows, has shown it then and not when the flow ends.
func TestAttackOldTicketIsNoFreshProof(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for name, toPassword := range map[string]func(w *world, box *outbox, b *browser) page{
			"a recovery by code": func(w *world, box *outbox, b *browser) page {
				w.verified("ann")
				return b.submit(b.toRecovery("ann"), "otp", box.last())
			},
			"a recovery by link": func(w *world, box *outbox, b *browser) page {
				w.verified("ann")
				w.browser().toRecovery("ann")
				return b.get(box.link(w.T))
			},
			"a registration": func(_ *world, box *outbox, b *browser) page {
				return b.submit(b.toRegistration("ann@example.com"), "otp", box.letter().Params[notify.Code])
			},
			"an invitation by link": func(w *world, _ *outbox, b *browser) page { return b.get(w.invited("ann")) },
			"an invitation by code": func(w *world, _ *outbox, b *browser) page {
				w.byCodes(true)
				code := w.invitedByCode("ann", directory.CodeByEmail)
				return b.submit(b.get("/t/invite"), "username", "ann", "otp", code)
			},
		} {
			t.Run(name, func(t *testing.T) {
				w, box := selfService(t, open)
				b := w.browser()
				p := toPassword(w, box, b)
				shown := w.Now()
				w.advance(5 * time.Minute)
				b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword))
				session, err := w.Sessions.Get(t.Context(), b.session())
				w.must(err)
				if a := directory.Assess(session.Evidence); !a.AuthTime.Equal(shown) {
					t.Errorf("auth_time %v, shown at %v", a.AuthTime, shown)
				}
			})
		}
	})
}

// A request with a greatest age is not answered by a code that is older than that: the person signs in with the password that they have chosen.
func TestAttackOldTicketPastMaxAge(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for name, in := range map[string]directory.Interaction{"register": {CreateAccount: true}, "recover": {Plan: "recover"}} {
			t.Run(name, func(t *testing.T) {
				w, box := selfService(t, open)
				in.MaxAge = age(time.Minute)
				b := w.browser()
				p := b.get(w.request(in))
				if in.CreateAccount {
					p = b.submit(p, "email", "ann@example.com", "given_name", "Ann", "family_name", "Lee")
				} else {
					w.verified("ann")
					p = b.submit(p, "username", "ann")
				}
				p = b.submit(p, "otp", box.letter().Params[notify.Code])
				w.advance(2 * time.Minute)
				if p = b.submit(p, "new_password", newPassword); p.step() != "password" {
					t.Fatalf("got %v", p)
				}
				result := b.login(p, "ann@example.com", newPassword).answer(t)
				if a := directory.Assess(result.Evidence); !a.AuthTime.Equal(w.Now()) {
					t.Errorf("auth_time %v", a.AuthTime)
				}
			})
		}
	})
}
