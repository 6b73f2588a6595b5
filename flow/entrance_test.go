package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/store/directory"
)

// withoutPasswords has people register without one, where sign-ins begin with the options.
func withoutPasswords(t *testing.T, open opener, first ...string) (*world, *outbox) {
	t.Helper()
	w, box := selfService(t, open)
	plans := w.config.Plans
	w.engine = w.rebuild(func(c *flow.Config) {
		c.Plans = map[string]flow.Plan{"login": flow.Login(first...)}
		for name, plan := range plans {
			c.Plans[name] = plan
		}
		c.Passkeys = &flow.Passkeys{}
	})
	w.serve()
	w.lite(true)
	return w, box
}

func (w *world) lite(on bool) {
	w.Helper()
	policy, err := directory.Resolve(w.Context(), w.Settings, w.Settings.Registration, "", "")
	w.must(err)
	policy.Lite = on
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Registration, "", "", policy))
	w.advance(2 * time.Second)
}

// toEntrance brings a browser to the page on which somebody chooses how to come in.
func (b *browser) toEntrance(box *outbox, address string) page {
	b.Helper()
	return b.submit(b.toRegistration(address), "otp", box.last())
}

// ways are the actions of a page.
func ways(p page) string {
	var names []string
	for _, a := range p.View.Prompt.Actions {
		names = append(names, a.Name)
	}
	return strings.Join(names, " ")
}

// What somebody may choose who registers is what sign-ins begin with: nothing else would let them in again.
func TestRegistrationEntrances(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, test := range []struct {
			first []string
			lite  bool
			step  string
			want  string
		}{
			{[]string{"password", "passkey", "email-code"}, false, "register-password", "continue back"},
			{[]string{"password"}, true, "register-password", "continue back"},
			{[]string{"password", "passkey"}, true, "register-password", "continue method_register-passkey back"},
			{[]string{"password", "magic-link"}, true, "register-password", "continue method_register-codes back"},
			{[]string{"passkey", "email-code"}, true, "register-passkey", "passkey_create method_register-codes back"},
			{[]string{"email-code"}, true, "register-codes", "continue back"},
		} {
			w, box := withoutPasswords(t, open, test.first...)
			w.lite(test.lite)
			if p := w.browser().toEntrance(box, "ann@example.com"); p.step() != test.step || ways(p) != test.want {
				t.Errorf("%v, lite %v: got %v with %s", test.first, test.lite, p, ways(p))
			}
		}
	})
}

func TestRegistrationByCodes(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := withoutPasswords(t, open, "password", "email-code")
		w.withAttributes()
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{CreateAccount: true})),
			"email", "ann@example.com", "attributes.department", "sales", "attributes.terms", "true")
		p = b.submit(p, "otp", box.last())
		p = b.submit(p, "action", "method_register-codes")
		result := b.submit(p, "action", "continue").answer(t)
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		if err != nil || w.SubjectRef(user) != result.Subject || user.Attributes["department"] != "sales" {
			t.Fatalf("%v %+v", err, user)
		}
		if list, err := w.Credentials.List(t.Context(), result.Subject); err != nil || len(list) != 0 {
			t.Errorf("%v, and credentials %v", err, list)
		}
		w.advance(2 * time.Minute)
		other := w.browser()
		p = other.get(w.request(directory.Interaction{}))
		p = other.submit(other.submit(p, "action", "method_email-code"), "username", "ann@example.com")
		if other.submit(p, "otp", box.last()).answer(t).Subject != result.Subject {
			t.Error("somebody else came in by the code")
		}
	})
}

func TestRegistrationByPasskey(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := withoutPasswords(t, open, "password", "passkey")
		phone := device()
		b := w.browser()
		p := b.toEntrance(box, "ann@example.com")
		p = b.submit(p, "action", "method_register-passkey")
		if p = b.submit(p, "action", "passkey_create"); p.message() != "passkey.script" {
			t.Fatalf("without an answer: got %v", p)
		}
		result := b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)).answer(t)
		if got := assess(result); got.ACR == "" || !slices.ContainsFunc(result.Evidence, func(e directory.Evidence) bool { return e.Method == directory.ByPasskey }) {
			t.Errorf("proves %+v by %+v", got, result.Evidence)
		}
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		if err != nil || w.SubjectRef(user) != result.Subject || !user.EmailVerified {
			t.Fatalf("%v %+v", err, user)
		}
		other := w.browser()
		p = other.submit(other.get(w.request(directory.Interaction{})), "action", "method_passkey")
		if other.show(p, phone).answer(t).Subject != result.Subject {
			t.Error("somebody else came in by the passkey")
		}
	})
}

// A passkey that proves nothing makes no account, and what is not offered is not to be had by whoever posts it.
func TestAttackRegistrationEntrance(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := withoutPasswords(t, open, "password", "passkey", "email-code")
		nobody := func(what string) {
			t.Helper()
			if u, err := w.FindUser(t.Context(), "", "ann@example.com"); err == nil {
				t.Fatalf("%s has made %+v", what, u)
			}
		}
		b := w.browser()
		start := b.toEntrance(box, "ann@example.com")
		phone := device()
		p := b.submit(start, "action", "method_register-passkey")
		first := p.create(t, phone)
		phone.Lie = func(s *authenticator.Statement) { s.Origin = "https://id.example.org" }
		p = b.submit(p, "action", "passkey_create", "credential", p.create(t, phone))
		nobody("a passkey of another site")
		phone.Lie = func(s *authenticator.Statement) { s.Flags &^= authenticator.UserVerified }
		p = b.submit(p, "action", "passkey_create", "credential", p.create(t, phone))
		nobody("a passkey that has not checked its user")
		phone.Lie = nil
		p = b.submit(p, "action", "passkey_create", "credential", first)
		nobody("an answer to a challenge of before")
		if p.step() != "register-passkey" {
			t.Fatalf("got %v", p)
		}
		// Whose choice is taken back while its page lies open makes nothing by it.
		w.lite(false)
		if p = b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)); p.View != nil {
			t.Errorf("got %v", p)
		}
		nobody("an entrance that was closed")

		late := w.browser()
		p = late.submit(late.get(w.request(directory.Interaction{CreateAccount: true})), "email", "bob@example.com")
		p = late.submit(p, "otp", box.last())
		for _, action := range []string{"method_register-codes", "method_register-passkey"} {
			if bad := late.submit(p, "action", action); bad.Failure == nil || bad.Failure.Code != "invalid_request" {
				t.Errorf("%s: got %v", action, bad)
			}
		}
	})
}

// An answer whose account stands, while the flow did not get on, is taken up by the flow that has made it.
func TestRegistrationEntranceCallsMayFail(t *testing.T) {
	for name, first := range map[string]string{"codes": "email-code", "passkey": "passkey"} {
		t.Run(name, func(t *testing.T) {
			openers(t, func(t *testing.T, open opener) {
				w, box := withoutPasswords(t, open, "password", first)
				n := 0
				var phone *authenticator.Authenticator
				everyCallMayFail(t, w, func(b *browser, p page) page {
					switch p.step() {
					case "password":
						return b.submit(p, "action", "register")
					case "register":
						n++
						phone = device()
						return b.submit(p, "email", fmt.Sprintf("ann%d@example.com", n))
					case "register-code":
						if p.message() == "code.wrong" {
							w.advance(2 * time.Minute)
							return b.submit(p, "action", "resend")
						}
						return b.submit(p, "otp", box.last())
					case "register-password":
						return b.submit(p, "action", "method_register-"+name)
					case "register-codes":
						return b.submit(p, "action", "continue")
					case "register-passkey":
						return b.submit(p, "action", "passkey_create", "credential", p.create(t, phone))
					}
					return p
				})
			})
		})
	}
}
