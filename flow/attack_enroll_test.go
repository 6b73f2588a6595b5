package flow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Nothing is added to an account by a page that was opened in a session which has ended since, whatever the flow would ask next.
func TestAttackEnrolmentAfterTheEndOfTheSession(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for name, next := range map[string]struct {
			in   directory.Interaction
			wait time.Duration
		}{
			"nothing":      {},
			"consent":      {in: directory.Interaction{Consent: []directory.ConsentItem{{ID: "email"}}}},
			"the password": {wait: 11 * time.Minute},
		} {
			w := open(t, func(c *flow.Config, _ *directory.Config) {
				c.Plans = map[string]flow.Plan{"add": compiled(t, flow.Step{
					Name: "add", Options: []string{"totp-enroll"},
					When: func(_ context.Context, s *flow.State) (bool, error) {
						return !s.Subject.IsZero() && s.Last.Step != "add", nil
					},
				})}
			})
			ann, b, age := w.user("ann"), w.browser(), 10*time.Minute
			session := b.signIn("ann").Session
			next.in.Plan, next.in.MaxAge = "add", &age
			p := b.get(w.request(next.in))
			if p.step() != "totp-enroll" {
				t.Fatalf("%s: got %v", name, p)
			}
			w.must(w.Sessions.End(t.Context(), session, "revoked"))
			w.advance(next.wait)
			p = b.submit(p, "otp", w.code(decode(t, p.View.Prompt.QRText)))
			if _, _, err := w.Credentials.TOTP(t.Context(), w.SubjectRef(ann)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: enrolled, %v: got %v", name, err, p)
			}
		}
	})
}

// Nor is a device invited from there, which registers itself.
func TestAttackPushInvitationAfterTheEndOfTheSession(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) {
			c.Plans = map[string]flow.Plan{"add": compiled(t, flow.Step{
				Name: "add", Options: []string{"push-enroll"},
				When: func(_ context.Context, s *flow.State) (bool, error) {
					return !s.Subject.IsZero() && s.Last.Step != "add", nil
				},
			})}
		})
		w.user("ann")
		b := w.browser()
		session := b.signIn("ann").Session
		p := b.get(w.request(directory.Interaction{Plan: "add"}))
		if p.step() != "push-enroll" {
			t.Fatalf("got %v", p)
		}
		w.must(w.Sessions.End(t.Context(), session, "revoked"))
		if p = b.submit(p, "action", "resend"); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("got %v", p)
		}
	})
}

// What a request has done first is not done again by whoever comes back to it once its answer has become too old.
func TestAttackEnrolmentByAnOldRequest(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) {
			c.Plans = map[string]flow.Plan{"add": compiled(t, flow.Step{
				Name: "add", Options: []string{"totp-enroll"},
				When: func(_ context.Context, s *flow.State) (bool, error) {
					return !s.Subject.IsZero() && s.Last.Step != "add", nil
				},
			})}
		})
		w.user("ann")
		b, age := w.browser(), 10*time.Minute
		b.signIn("ann")
		request := w.request(directory.Interaction{Plan: "add", MaxAge: &age})
		p := b.get(request)
		b.submit(p, "otp", w.code(decode(t, p.View.Prompt.QRText))).answer(t)
		w.advance(11 * time.Minute)
		app := w.app(directory.SecondFactorNever) // by which the password is fresh, and no more
		b.login(b.get(w.request(directory.Interaction{MaxAge: &age, Application: app.Ref()})), "ann", goodPassword).answer(t)
		if p = b.get(request); p.step() == "totp-enroll" {
			t.Errorf("got %v", p)
		}
	})
}
