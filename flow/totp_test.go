package flow_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestSecondFactor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "totp" || p.View.Person != "ann" || b.cookie("session") != "" {
			t.Fatalf("got %v, session cookie %q", p, b.cookie("session"))
		}
		if p = b.submit(p, "otp", "000000"); p.Status != 422 || p.message() != "totp.wrong" {
			t.Fatalf("got %v", p)
		}
		result := b.submit(p, "otp", w.code(seed)).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("assurance: %+v", a)
		}
	})
}

func TestPolicies(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("plain")
		seed := w.totp(w.user("enrolled"))
		aal2, either := []string{directory.ACR2}, []string{directory.ACR2, directory.ACR1}
		for _, c := range []struct {
			person string
			policy directory.SecondFactorPolicy
			acr    []string
			want   string // the step after the password; "" is none
		}{
			{"plain", directory.SecondFactorIfEnrolled, nil, ""},
			{"plain", directory.SecondFactorRequired, nil, "totp-enroll"},
			{"plain", directory.SecondFactorNever, nil, ""},
			{"plain", directory.SecondFactorNever, aal2, "totp-enroll"},
			{"plain", directory.SecondFactorIfEnrolled, aal2, "totp-enroll"},
			{"plain", directory.SecondFactorIfEnrolled, either, ""},
			{"enrolled", directory.SecondFactorIfEnrolled, nil, "totp"},
			{"enrolled", directory.SecondFactorRequired, nil, "totp"},
			{"enrolled", directory.SecondFactorNever, nil, ""},
			{"enrolled", directory.SecondFactorNever, either, "totp"},
			{"enrolled", directory.SecondFactorIfEnrolled, []string{"urn:unknown"}, "totp"},
		} {
			b := w.browser()
			p := b.get(w.request(directory.Interaction{Application: w.app(c.policy).Ref(), ACR: c.acr}))
			if p = b.login(p, c.person, goodPassword); p.step() != c.want {
				t.Errorf("%+v: got %v", c, p)
				continue
			}
			if c.want == "totp" {
				w.advance(time.Minute)
				b.submit(p, "otp", w.code(seed)).answer(t)
			}
		}
	})
}

func TestEnrolment(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, app, b := w.user("ann"), w.app(directory.SecondFactorRequired), w.browser()
		in := directory.Interaction{Application: app.Ref()}
		p := b.login(b.get(w.request(in)), "ann", goodPassword)
		if p.step() != "totp-enroll" || !strings.HasPrefix(p.View.Prompt.QR, "otpauth://totp/id.example.com:ann") {
			t.Fatalf("got %v, %q", p, p.View.Prompt.QR)
		}
		if again := b.get(p.View.Submit); again.View.Prompt.QR != p.View.Prompt.QR {
			t.Error("a refreshed page shows another seed")
		}
		if p = b.submit(p, "otp", "000000"); p.message() != "totp-enroll.wrong" {
			t.Fatalf("got %v", p)
		}
		if _, _, err := w.Credentials.TOTP(t.Context(), ann.Ref()); err == nil {
			t.Fatal("enrolled without a right code")
		}
		seed := decode(t, p.View.Prompt.QRText)
		result := b.submit(p, "otp", w.code(seed)).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("assurance: %+v", a)
		}
		b.get(w.request(in)).answer(t) // the evidence counts in the session as well
		// The code of the enrolment is spent.
		other := w.browser()
		p = other.login(other.get(w.request(in)), "ann", goodPassword)
		if p = other.submit(p, "otp", w.code(seed)); p.message() != "totp.used" {
			t.Fatalf("got %v", p)
		}
		w.advance(30 * time.Second)
		other.submit(p, "otp", w.code(seed)).answer(t)
		credential, _, err := w.Credentials.TOTP(t.Context(), ann.Ref())
		w.must(err)
		w.must(w.Credentials.Delete(t.Context(), credential))
		if p := other.get(w.request(in)); p.step() != "totp-enroll" {
			t.Errorf("evidence by a credential that was removed still counts: %v", p)
		}
	})
}

// A right code that was used is no guess: it never leads to a lock.
func TestReplayIsNoGuess(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		first, second := w.browser(), w.browser()
		first.submit(first.login(first.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed)).answer(t)
		p := second.login(second.get(w.request(directory.Interaction{})), "ann", goodPassword)
		for range 7 {
			if p = second.submit(p, "otp", w.code(seed)); p.message() != "totp.used" {
				t.Fatalf("got %v", p)
			}
		}
		w.advance(30 * time.Second)
		second.submit(p, "otp", w.code(seed)).answer(t)
	})
}

// Failures are counted for the account: a new flow brings no new guesses. They are not those of the password.
func TestCodeGuessesAreCountedAcrossFlows(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		for range 5 {
			b := w.browser()
			p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
			if p = b.submit(p, "otp", "000000"); p.message() != "totp.wrong" {
				t.Fatalf("got %v", p)
			}
		}
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p = b.submit(p, "otp", w.code(seed)); p.message() != "totp.wrong" {
			t.Fatalf("a sixth guess was judged: %v", p)
		}
		w.advance(5 * time.Minute)
		b.submit(p, "otp", w.code(seed)).answer(t)
	})
}

// Of 64 who present one code at the same time, one is let in.
func TestOneCodeOneWinner(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Lock, "", "",
			directory.LockPolicy{Failures: 100, Time: time.Minute, Ratio: 1, Max: time.Minute}))
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Throttle, "", "",
			directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottlePassword, directory.ThrottleFlow}}))
		w.advance(2 * time.Second)
		seed := w.totp(w.user("ann"))
		const people = 64
		browsers, pages := make([]*browser, people), make([]page, people)
		for i := range people {
			browsers[i] = w.browser()
			pages[i] = browsers[i].login(browsers[i].get(w.request(directory.Interaction{})), "ann", goodPassword)
		}
		code := w.code(seed)
		var wg sync.WaitGroup
		for i := range people {
			wg.Go(func() { pages[i] = browsers[i].submit(pages[i], "otp", code) })
		}
		wg.Wait()
		winners := 0
		for _, p := range pages {
			switch {
			case p.Result != nil && p.Result.Refusal == "":
				winners++
			case p.message() != "totp.used":
				t.Errorf("a loser got %v", p)
			}
		}
		if winners != 1 {
			t.Errorf("%d were let in", winners)
		}
	})
}

// The seed of an enrolment under way cannot be read from the store.
func TestSeedIsSealed(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		w.faults.Forget()
		p := b.login(b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}})), "ann", goodPassword)
		seed := p.View.Prompt.QRText
		for _, c := range w.faults.Calls() {
			for _, op := range c.Ops {
				if body := string(op.Record.Body); strings.Contains(body, seed) || strings.Contains(body, string(decode(t, seed))) {
					t.Errorf("%s holds the seed", op.Record.Kind)
				}
			}
		}
	})
}

// Two tabs enrol at once: the second is asked for a code of what the first has enrolled.
func TestTwoEnrolments(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		in := directory.Interaction{ACR: []string{directory.ACR2}}
		one, two := w.browser(), w.browser()
		first := one.login(one.get(w.request(in)), "ann", goodPassword)
		second := two.login(two.get(w.request(in)), "ann", goodPassword)
		seed := decode(t, first.View.Prompt.QRText)
		one.submit(first, "otp", w.code(seed)).answer(t)
		if second = two.submit(second, "otp", w.code(decode(t, second.View.Prompt.QRText))); second.step() != "totp" {
			t.Fatalf("got %v", second)
		}
		w.advance(30 * time.Second)
		two.submit(second, "otp", w.code(seed)).answer(t)
	})
}

func TestCredentialIsNamedInEvidence(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) { c.TOTP.Issuer = "Example" })
		ann := w.user("ann")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}})), "ann", goodPassword)
		result := b.submit(p, "otp", w.code(decode(t, p.View.Prompt.QRText))).answer(t)
		credential, _, err := w.Credentials.TOTP(t.Context(), ann.Ref())
		w.must(err)
		got := result.Evidence[len(result.Evidence)-1]
		if got.Method != "totp" || (store.Ref{ID: got.Credential}) != credential.Ref() || got.CredentialEpoch != credential.Epoch {
			t.Errorf("evidence %+v, credential %v at epoch %d", got, credential.Ref(), credential.Epoch)
		}
	})
}
