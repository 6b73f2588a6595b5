package flow_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// passkeyRP is the RPID of the issuer.
const passkeyRP = "id.example.com"

// withPasskeys runs a test in both placements, with passkeys by the settings.
func withPasskeys(t *testing.T, settings flow.Passkeys, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		test(t, newWorld(t, p, func(c *flow.Config, _ *directory.Config) { c.Passkeys = &settings }))
	})
}

// device is somebody's authenticator.
func device() *authenticator.Authenticator { return authenticator.New("https://id.example.com") }

// passkey gives a person a passkey beforehand.
func (w *world) passkey(u *directory.User, a *authenticator.Authenticator) {
	w.Helper()
	rp, err := mfa.NewRelyingParty(mfa.Passkeys{RPID: passkeyRP, Origins: []string{a.Origin}})
	w.must(err)
	name, err := w.Credentials.PasskeyUser(w.Context(), u.Ref(), passkeyRP)
	w.must(err)
	begun, err := rp.BeginRegistration(mfa.Registration{UserHandle: name.Handle, Username: u.Username}, w.Now())
	w.must(err)
	answer, err := a.Create(begun.Options)
	w.must(err)
	key, err := rp.FinishRegistration(begun.Session, answer, w.Now())
	w.must(err)
	b := w.db.Batch()
	w.must(w.Credentials.AddPasskey(w.Context(), b, name, w.Credentials.NewPasskey(u.Ref(), "", directory.Passkey{
		ID: key.ID, RPID: key.RPID, UserHandle: key.UserHandle, PublicKey: key.PublicKey, Algorithm: key.Algorithm, Counter: key.Counter,
		BackupEligible: key.BackupEligible, AAGUID: key.AAGUID, SecondFactor: true,
	})))
	w.must(b.Apply(w.Context()))
}

// get signs what the page asks of authenticators.
func (p page) get(t *testing.T, a *authenticator.Authenticator) string {
	t.Helper()
	if p.View == nil || p.View.Prompt.WebAuthn == nil || p.View.Prompt.WebAuthn.Ceremony != flow.WebAuthnGet {
		t.Fatalf("the page asks for no passkey: %v", p)
	}
	answer, err := a.Get(p.View.Prompt.WebAuthn.Options)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// create makes the passkey that the page asks for.
func (p page) create(t *testing.T, a *authenticator.Authenticator) string {
	t.Helper()
	if p.View == nil || p.View.Prompt.WebAuthn == nil || p.View.Prompt.WebAuthn.Ceremony != flow.WebAuthnCreate {
		t.Fatalf("the page asks for no new passkey: %v", p)
	}
	answer, err := a.Create(p.View.Prompt.WebAuthn.Options)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// show answers a page with a passkey.
func (b *browser) show(p page, a *authenticator.Authenticator) page {
	b.Helper()
	return b.submit(p, "action", p.View.Prompt.WebAuthn.Action, "credential", p.get(b.T, a))
}

// assess is what a result is worth.
func assess(r *directory.Result) directory.Assurance { return directory.Assess(r.Evidence) }

// TestPasskeyBeginsASignIn makes a passkey where a second factor is demanded and signs in with it alone, from the field for the name and
// from a page of its own.
func TestPasskeyBeginsASignIn(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, phone := w.user("ann"), device()
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}})), "ann", goodPassword)
		p = b.submit(p, "action", "method_passkey-enroll")
		if p.step() != "passkey-enroll" {
			t.Fatalf("got %v", p)
		}
		got := b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)).answer(t)
		if assess(got).ACR != directory.ACR2 || !slices.Contains(assess(got).AMR, "mfa") {
			t.Errorf("after enrolment: %+v", got)
		}

		b = w.browser()
		p = b.get(w.request(directory.Interaction{}))
		part := p.View.Prompt.WebAuthn
		if p.step() != "password" || part == nil || !part.Conditional || part.Button != "method_passkey" || !strings.Contains(p.View.Prompt.Fields[0].Autocomplete, "webauthn") {
			t.Fatalf("got %v with %+v", p, part)
		}
		got = b.show(p, phone).answer(t)
		if got.Subject != ann.Ref() || assess(got).ACR != directory.ACR2 || !slices.Equal(assess(got).AMR, []string{"hwk", "user", "mfa"}) || !assess(got).AuthTime.Equal(w.Now()) {
			t.Errorf("got %+v", got)
		}
		key, err := w.Credentials.Passkeys(t.Context(), ann.Ref(), passkeyRP)
		if err != nil || len(key) != 1 || key[0].Passkey.Counter != 2 || !key[0].Passkey.LastUsed.Equal(w.Now()) {
			t.Errorf("kept %+v, %v", key, err)
		}

		b = w.browser()
		p = b.submit(b.get(w.request(directory.Interaction{})), "action", "method_passkey")
		if p.step() != "passkey" || p.View.Prompt.WebAuthn.Conditional {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "action", "passkey"); p.message() != "passkey.script" {
			t.Errorf("without the script: %v", p)
		}
		b.show(p, phone).answer(t)
		p = b.get(w.request(directory.Interaction{Reauthenticate: true}))
		if p = b.show(p, phone); p.Result == nil || p.Result.Session.IsZero() {
			t.Errorf("once more: %v", p)
		}
	})
}

func TestPasskeyAsSecondFactor(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, phone := w.user("ann"), device()
		w.passkey(ann, phone)
		seed := w.totp(ann)
		phone.Verifies = false // a key that merely wants to be touched
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "passkey" || !strings.Contains(string(p.View.Prompt.WebAuthn.Options), `"userVerification":"preferred"`) {
			t.Fatalf("got %v", p)
		}
		got := b.show(p, phone).answer(t)
		if assess(got).ACR != directory.ACR2 || !slices.Contains(assess(got).AMR, "pwd") || !slices.Contains(assess(got).AMR, "hwk") {
			t.Errorf("got %+v", got)
		}
		b = w.browser()
		p = b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		b.submit(b.submit(p, "action", "method_totp"), "otp", w.code(seed)).answer(t)
		p = b.get(w.request(directory.Interaction{Reauthenticate: true}))
		if !strings.Contains(string(p.View.Prompt.WebAuthn.Options), `"userVerification":"required"`) {
			t.Errorf("asked to be alone by %s", p.View.Prompt.WebAuthn.Options)
		}
		// Alone it is not enough.
		b = w.browser()
		if p = b.show(b.get(w.request(directory.Interaction{})), phone); p.message() != "passkey.unverified" || p.step() != "password" {
			t.Errorf("alone: %v", p)
		}
	})
}

// TestAttackPasskeyOfAnotherPerson answers for the second factor of one person with the passkey of another.
func TestAttackPasskeyOfAnotherPerson(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, eve := w.user("ann"), w.user("eve")
		anns, eves := device(), device()
		w.passkey(ann, anns)
		w.passkey(eve, eves)
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if _, err := eves.Get(p.View.Prompt.WebAuthn.Options); err == nil {
			t.Fatal("the page allows eve's passkey")
		}
		// Her authenticator signs the challenge all the same.
		open := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		forged := strings.Replace(string(open.View.Prompt.WebAuthn.Options), challengeIn(t, open), challengeIn(t, p), 1)
		answer, err := eves.Get([]byte(forged))
		w.must(err)
		if p = b.submit(p, "action", "passkey", "credential", string(answer)); p.step() != "passkey" || p.message() != "passkey.refused" {
			t.Errorf("got %v", p)
		}
		b.show(p, anns).answer(t)
	})
}

// challengeIn is the challenge on a page.
func challengeIn(t *testing.T, p page) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(p.View.Prompt.WebAuthn.Options), `"challenge":"`)
	challenge, _, _ := strings.Cut(rest, `"`)
	if !ok || len(challenge) != 43 {
		t.Fatal("no challenge")
	}
	return challenge
}

// TestAttackPasskeyReplay shows that an answer is good for one flow and once, and that a refused one leaves a new challenge.
func TestAttackPasskeyReplay(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, phone := w.user("ann"), device()
		w.passkey(ann, phone)
		b := w.browser()
		first := b.get(w.request(directory.Interaction{}))
		answer := first.get(t, phone)
		other := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		if p := b.submit(other, "action", "passkey", "credential", answer); p.message() != "passkey.refused" {
			t.Errorf("in another flow: %v", p)
		} else if challengeIn(t, p) == challengeIn(t, other) {
			t.Error("the challenge of a refused answer is good for another")
		}
		b.submit(first, "action", "passkey", "credential", answer).answer(t)
		eve := w.browser()
		for what, p := range map[string]page{
			"the same page":     eve.submit(first, "action", "passkey", "credential", answer),
			"a page of her own": eve.submit(eve.get(w.request(directory.Interaction{})), "action", "passkey", "credential", answer),
		} {
			if p.Result != nil || eve.cookie("session") != "" {
				t.Errorf("%s: %v", what, p)
			}
		}

		phone.Lie = func(s *authenticator.Statement) { s.Origin = "https://id.example.org" }
		if p := b.show(b.get(w.request(directory.Interaction{Reauthenticate: true})), phone); p.message() != "passkey.refused" {
			t.Errorf("at another origin: %v", p)
		}
		phone.Lie = nil
		stale := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		refused := b.submit(stale, "action", "passkey", "credential", "{}")
		if p := b.submit(refused, "action", "passkey", "credential", stale.get(t, phone)); p.message() != "passkey.refused" {
			t.Errorf("the challenge before: %v", p)
		}
	})
}

// TestPasskeyOneWinner posts one answer 64 times at once.
func TestPasskeyOneWinner(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, phone := w.user("ann"), device()
		w.passkey(ann, phone)
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		form := fill(p.View, "action", "passkey", "credential", p.get(t, phone))
		var wg sync.WaitGroup
		for range 64 {
			twin := b.clone()
			wg.Go(func() {
				if got := twin.do(http.MethodPost, p.View.Submit, form); got.Status != http.StatusSeeOther && got.Status != http.StatusOK {
					t.Errorf("got %v", got)
				}
			})
		}
		wg.Wait()
		key, err := w.Credentials.Passkeys(t.Context(), ann.Ref(), passkeyRP)
		if n := w.sessions(ann); err != nil || n != 1 || key[0].Passkey.Counter != 2 {
			t.Errorf("%d sessions, %v", n, err)
		}
	})
}

// TestPasskeyThatMayNot refuses a passkey that was removed, of somebody who may not sign in, and signals only one that is unknown.
func TestPasskeyThatMayNot(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, bob := w.user("ann"), w.user("bob")
		anns, bobs, stranger := device(), device(), device()
		w.passkey(ann, anns)
		w.passkey(bob, bobs)
		w.must(w.Subjects.Disable(t.Context(), bob.Ref()))
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		if p = b.show(p, bobs); p.message() != "passkey.refused" || p.View.Prompt.WebAuthn.Unknown != nil {
			t.Errorf("disabled: %v", p)
		}
		eve := w.user("eve")
		w.passkey(eve, stranger)
		list, err := w.Credentials.Passkeys(t.Context(), eve.Ref(), passkeyRP)
		w.must(err)
		w.must(w.Credentials.Delete(t.Context(), list[0]))
		if p = b.show(p, stranger); p.message() != "passkey.unknown" || !strings.Contains(string(p.View.Prompt.WebAuthn.Unknown), `"credentialId"`) {
			t.Errorf("removed: %v", p)
		}
		if again := b.get(p.View.Submit); again.View.Prompt.WebAuthn == nil {
			t.Errorf("got %v", again)
		}
		b.show(p, anns).answer(t)
	})
}

// TestPasskeyStoreFails shows that a store that fails is neither an unknown passkey nor a success, and that nothing is used up.
func TestPasskeyStoreFails(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		ann, phone := w.user("ann"), device()
		w.passkey(ann, phone)
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		form := fill(p.View, "action", "passkey", "credential", p.get(t, phone))
		for n := 1; ; n++ {
			w.faults.FailCall(n, nil)
			got := b.do(http.MethodPost, p.View.Submit, form)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if got.Status != http.StatusSeeOther || n < 4 {
					t.Errorf("%d calls could fail, then %v", n-1, got)
				}
				break
			}
			if got.Status != http.StatusServiceUnavailable || n > 60 {
				t.Fatalf("call %d: %v", n, got)
			}
		}
		b.get(p.View.Submit).answer(t)
	})
}

// TestAttackClonedPasskey has a copy sign after the original did: the person is asked for more, or the passkey taken out of use.
func TestAttackClonedPasskey(t *testing.T) {
	t.Run("borne", func(t *testing.T) {
		withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
			ann, phone := w.user("ann"), device()
			w.passkey(ann, phone)
			thief := phone.Clone()
			b := w.browser()
			b.show(b.get(w.request(directory.Interaction{})), phone).answer(t)
			eve := w.browser()
			p := eve.show(eve.get(w.request(directory.Interaction{})), thief)
			if p.step() != "password" || p.message() != "passkey.suspected" || eve.cookie("session") != "" {
				t.Fatalf("got %v", p)
			}
			if got := eve.login(p, "ann", goodPassword).answer(t); assess(got).ACR != directory.ACR2 {
				t.Errorf("got %+v", got)
			}
			if n := len(w.eventsOf("credential.suspected")); n != 1 {
				t.Errorf("%d events", n)
			}
		})
	})
	t.Run("strict", func(t *testing.T) {
		withPasskeys(t, flow.Passkeys{RelyingParty: mfa.Passkeys{StrictCounter: true}}, func(t *testing.T, w *world) {
			ann, phone := w.user("ann"), device()
			w.passkey(ann, phone)
			thief := phone.Clone()
			b := w.browser()
			b.show(b.get(w.request(directory.Interaction{})), phone).answer(t)
			for _, a := range []*authenticator.Authenticator{thief, phone} {
				eve := w.browser()
				if p := eve.show(eve.get(w.request(directory.Interaction{})), a); p.message() != "passkey.refused" {
					t.Errorf("got %v", p)
				}
			}
			if n := len(w.eventsOf("credential.suspended")); n != 1 {
				t.Errorf("%d events", n)
			}
			b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword).answer(t)
		})
	})
}

// eventsOf are the events of a type so far.
func (w *world) eventsOf(kind string) (found []*store.Event) {
	w.Helper()
	page, err := w.db.Events(w.Context(), store.Query{Within: store.Subtree, Limit: 1000})
	w.must(err)
	for _, e := range page.Items {
		if e.Type == kind {
			found = append(found, e)
		}
	}
	return found
}

func TestPasskeyOffer(t *testing.T) {
	withPasskeys(t, flow.Passkeys{Offer: true}, func(t *testing.T, w *world) {
		w.user("ann")
		phone := device()
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "passkey-offer" {
			t.Fatalf("got %v", p)
		}
		b.submit(p, "action", "skip").answer(t)
		b.get(w.request(directory.Interaction{})).answer(t) // nobody is asked who is signed in
		p = b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword)
		phone.Lie = func(s *authenticator.Statement) { s.Challenge = "AAAA" }
		if p = b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)); p.step() != "passkey-offer" || p.message() != "passkey.refused" {
			t.Fatalf("got %v", p)
		}
		phone.Lie = nil
		b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)).answer(t)
		b = w.browser()
		b.show(b.get(w.request(directory.Interaction{})), phone).answer(t)
	})
}

// TestAttackPasskeyByPassword offers no passkey to somebody who knows the password alone of a person who has more than that.
func TestAttackPasskeyByPassword(t *testing.T) {
	withPasskeys(t, flow.Passkeys{Offer: true, Upgrade: true}, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		app := w.app(directory.SecondFactorNever)
		b := w.browser()
		in := directory.Interaction{Application: app.Ref()}
		b.submit(b.get(w.request(in)), "username", "ann", "password", goodPassword, "action", "login", "capabilities", "conditionalCreate").answer(t)
		p := b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword)
		if p = b.submit(p, "otp", w.code(seed)); p.step() != "passkey-offer" {
			t.Errorf("with all that they have: %v", p)
		}
		w.advance(11 * time.Minute)
		if p = b.submit(p, "action", "skip"); p.Result == nil {
			t.Errorf("got %v", p)
		}
	})
}

func TestPasskeyInPassing(t *testing.T) {
	withPasskeys(t, flow.Passkeys{Upgrade: true}, func(t *testing.T, w *world) {
		w.user("ann")
		phone := device()
		phone.Eligible, phone.BackedUp = true, true
		phone.Lie = func(s *authenticator.Statement) { s.Flags &^= authenticator.UserPresent | authenticator.UserVerified }
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword).answer(t) // a browser that cannot
		upgrade := func() page {
			p := b.get(w.request(directory.Interaction{Reauthenticate: true}))
			return b.submit(p, "username", "ann", "password", goodPassword, "action", "login", "capabilities", "conditionalCreate")
		}
		p := upgrade()
		if part := p.View.Prompt.WebAuthn; p.step() != "passkey-upgrade" || part == nil || !part.Conditional || part.Decline != "skip" {
			t.Fatalf("got %v", p)
		}
		b.submit(p, "action", "skip").answer(t)
		p = upgrade()
		got := b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)).answer(t)
		if assess(got).ACR != directory.ACR1 {
			t.Errorf("what nobody touched proves something: %+v", got)
		}
		upgrade().answer(t) // has one, and their password still does
		phone.Lie = nil
		b = w.browser()
		if got := b.show(b.get(w.request(directory.Interaction{})), phone).answer(t); !slices.Contains(assess(got).AMR, "swk") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPasskeysSettings(t *testing.T) {
	t.Parallel()
	w := together(t)
	for want, c := range map[string]flow.Config{
		"RPID":     {Issuer: "http://127.0.0.1:8080", Passkeys: &flow.Passkeys{}},
		"required": {Issuer: issuer, Passkeys: &flow.Passkeys{RelyingParty: mfa.Passkeys{UserVerification: mfa.VerificationPreferred}}},
	} {
		c.DB, c.Directory, c.Transport = w.db, w.Directory, jsonTransport{}
		if _, err := flow.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestAttackPasskeyPastACode offers no passkey to somebody who knows the password alone of a person who is sent codes, on whatever way
// they got past the code.
func TestAttackPasskeyPastACode(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, factor := range []string{"sms-code", "email-code"} {
			box, settings := &outbox{}, flow.Passkeys{Offer: true, Upgrade: true}
			w := open(t, func(c *flow.Config, _ *directory.Config) {
				c.Messages, c.Passkeys = box, &settings
				c.Plans = map[string]flow.Plan{"login": settings.Steps(flow.LoginSteps{Second: []string{factor}, TrustDevices: true}).Plan()}
			})
			w.reachable("ann")
			app := w.app(directory.SecondFactorNever)
			login := func(b *browser, in directory.Interaction) page {
				return b.submit(b.get(w.request(in)), "username", "ann", "password", goodPassword, "action", "login", "capabilities", "conditionalCreate")
			}
			login(w.browser(), directory.Interaction{Application: app.Ref()}).answer(t)

			b := w.browser()
			p := b.submit(login(b, directory.Interaction{}), "otp", box.last(), "trust", "true")
			if p.step() != "passkey-upgrade" {
				t.Fatalf("%s: with all that they have: %v", factor, p)
			}
			b.submit(p, "action", "skip").answer(t)
			b.forget("session")
			login(b, directory.Interaction{}).answer(t) // on a device that is trusted
		}
	})
}

// TestAttackPasskeyByAnOldSecondFactor offers no passkey to somebody who knows the password and has a browser in which the person showed
// more than that a while ago. A request for two factors of some age accepts none that is older, and leads there.
func TestAttackPasskeyByAnOldSecondFactor(t *testing.T) {
	withPasskeys(t, flow.Passkeys{Offer: true}, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.submit(b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed))
		b.submit(p, "action", "skip").answer(t)
		w.advance(11 * time.Minute)
		if p = b.login(b.get(w.request(directory.Interaction{MaxAge: age(10 * time.Minute)})), "ann", goodPassword); p.Result == nil {
			t.Errorf("with the password alone: %v", p)
		}
		p = b.get(w.request(directory.Interaction{MaxAge: age(10 * time.Minute), ACR: []string{directory.ACR2}}))
		if p = b.login(p, "ann", goodPassword); p.step() != "totp" {
			t.Fatalf("for two factors of some age: %v", p)
		}
		if p = b.submit(p, "otp", w.code(seed)); p.step() != "passkey-offer" {
			t.Errorf("with all that they have: %v", p)
		}
	})
}

// TestAttackEnrolmentByAStolenSession has whoever is to get a second factor prove anew who they are: a session that somebody has come by
// is no way to an authenticator of their own.
func TestAttackEnrolmentByAStolenSession(t *testing.T) {
	withPasskeys(t, flow.Passkeys{}, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		b.signIn("ann")
		w.advance(11 * time.Minute)
		in := directory.Interaction{ACR: []string{directory.ACR2}}
		p := b.get(w.request(in))
		if p.step() != "password" {
			t.Fatalf("with a session alone: got %v", p)
		}
		if p = b.login(p, "ann", goodPassword); p.step() != "totp-enroll" {
			t.Fatalf("with the password: got %v", p)
		}
		phone := device()
		p = b.submit(p, "action", "method_passkey-enroll")
		w.advance(11 * time.Minute)
		if p = b.submit(p, "action", "passkey_create", "credential", p.create(t, phone)); p.Result == nil {
			t.Errorf("got %v", p)
		}
	})
}
