package flow_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// unthrottle lets one address try as often as it likes.
func (w *world) unthrottle() {
	w.Helper()
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Throttle, "", "",
		directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottlePassword, directory.ThrottleFlow}}))
	w.advance(2 * time.Second)
}

// Somebody who knows the password enrols an authenticator app at the very moment at which the person does: the later of the two
// does not take the place of the first.
func TestAttackEnrolmentOverAnother(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		in := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}
		own, eve := w.browser(), w.browser()
		page := own.login(own.get(w.request(in)), "ann", goodPassword)
		hers := eve.login(eve.get(w.request(in)), "ann", goodPassword)
		seed := decode(t, page.View.Prompt.QRText)
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method == storetest.MethodList && c.Kind.Name == "directory.credential" { // eve's code was found right
				w.faults.Heal()
				own.submit(page, "otp", w.code(seed)).answer(t)
			}
			return nil
		})
		got := eve.submit(hers, "otp", w.code(decode(t, hers.View.Prompt.QRText)))
		if got.step() != "totp" || eve.cookie("session") != "" {
			t.Errorf("got %v", got)
		}
		_, kept, err := w.Credentials.TOTP(t.Context(), ann.Ref())
		w.must(err)
		if !bytes.Equal(kept, seed) {
			t.Error("the authenticator is not the first one")
		}
	})
}

// The code that completes an enrolment is spent by it: duplicates of the post sign nobody in, and neither do those who present it
// at other pages.
func TestAttackEnrolmentCodeInParallel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.unthrottle()
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Lock, "", "",
			directory.LockPolicy{Failures: 100, Time: time.Minute, Ratio: 1, Max: time.Minute}))
		w.advance(2 * time.Second)
		in := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}
		b := w.browser()
		page := b.login(b.get(w.request(in)), "ann", goodPassword)
		code := w.code(decode(t, page.View.Prompt.QRText))
		others, theirs := make([]*browser, 16), make([]string, 16)
		for i := range others {
			others[i] = w.browser()
			theirs[i] = others[i].login(others[i].get(w.request(in)), "ann", goodPassword).View.Submit
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		cookies := map[string]bool{}
		for i := range others {
			twin := b.clone()
			wg.Go(func() {
				twin.submit(page, "otp", code)
				mu.Lock()
				defer mu.Unlock()
				if cookie := twin.cookie("session"); cookie != "" {
					cookies[cookie] = true
				}
			})
			wg.Go(func() { // its own enrolment page, or the page for a code when that comes too late
				if p := others[i].submit(others[i].get(theirs[i]), "otp", code); p.Result != nil && p.Result.Refusal == "" {
					t.Errorf("let in with a code that another enrolment spends: %v", p)
				}
			})
		}
		wg.Wait()
		if len(cookies) != 1 {
			t.Errorf("%d session cookies for one enrolment", len(cookies))
		}
		for i, b := range others {
			p := b.get(theirs[i])
			if p.step() == "totp-enroll" { // by now there is an authenticator
				p = b.submit(p, "otp", code)
			}
			if p = b.submit(p, "otp", code); p.message() != "totp.used" {
				t.Fatalf("the code of the enrolment: %v", p)
			}
		}
	})
}

// However many guess codes at once, in as many flows and in a step-up as well, they share one budget.
func TestAttackCodesInParallel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.unthrottle()
		ann := w.user("ann")
		insider := w.browser()
		insider.signIn("ann")
		seed := w.totp(ann)
		const guesses = 30
		browsers, pages := make([]*browser, guesses), make([]page, guesses)
		for i := range guesses {
			browsers[i] = w.browser()
			pages[i] = browsers[i].login(browsers[i].get(w.request(directory.Interaction{})), "ann", goodPassword)
		}
		stepUp := insider.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}}))
		insider.forget("device") // a device that is known has a budget of its own
		var wg sync.WaitGroup
		for i := range guesses {
			wg.Go(func() {
				if p := browsers[i].submit(pages[i], "otp", strconv.Itoa(100000+i)); p.message() != "totp.wrong" {
					t.Errorf("got %v", p)
				}
			})
		}
		wg.Wait()
		locks, err := w.Locks.Of(t.Context(), ann.Ref())
		w.must(err)
		if len(locks) != 1 || locks[0].Streak != 1 || locks[0].Factor != "totp" {
			t.Errorf("locks: %+v", locks)
		}
		if p := insider.submit(stepUp, "otp", w.code(seed)); p.message() != "totp.wrong" {
			t.Errorf("a step-up has guesses of its own: %v", p)
		}
	})
}

// Between the password and the code there is no way around the code: not by the page before, by another page's number, by the
// actions and fields of other steps, by the path of another page, nor by going where the flow would lead.
func TestAttackSecondFactorSkipped(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.totp(w.user("ann"))
		w.user("bob")
		b := w.browser()
		path := w.request(directory.Interaction{Consent: []directory.ConsentItem{{ID: "email"}}, Cancelable: true})
		first := b.get(path)
		second := b.login(first, "ann", goodPassword)
		if second.step() != "totp" {
			t.Fatalf("got %v", second)
		}
		plain := func(v url.Values, pairs ...string) url.Values {
			for i := 0; i+1 < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
			return v
		}
		forms := map[string]url.Values{
			"the page before":        fill(first.View, "username", "ann", "password", goodPassword),
			"the page before as bob": fill(first.View, "username", "bob", "password", goodPassword),
			"allowing":               fill(second.View, "action", "consent_allow", "consent", "email"),
			"allowing in passing":    fill(second.View, "otp", "", "consent", "email"),
			"leaving":                fill(second.View, "action", "logout_confirm"),
			"another method":         fill(second.View, "action", "method_password"),
			"an unknown method":      fill(second.View, "action", "method_"),
			"a field more":           fill(second.View, "otp", "", "subject", "ann"),
			"no code":                fill(second.View),
			"a number ahead":         plain(fill(second.View), "seq", "3"),
			"a number far ahead":     plain(fill(second.View), "seq", "9223372036854775807"),
			"a number behind":        plain(fill(second.View), "seq", "0"),
			"a negative number":      plain(fill(second.View), "seq", "-1"),
			"the password again":     fill(second.View, "username", "ann", "password", goodPassword),
		}
		for _, at := range []string{"/t/login", "/t/flow/consent", "/t/flow/logout"} {
			for name, form := range forms {
				p := b.do(http.MethodPost, at, form)
				if p.Location != "" || b.cookie("session") != "" {
					t.Errorf("%s at %s: got %v", name, at, p)
				}
				p = b.get(second.View.Submit)
				form.Set("seq", strconv.FormatInt(p.View.Sequence, 10)) // for the next path, and what is done below
				second = p
			}
		}
		for _, at := range []string{path, "/t/flow/consent?flow=" + second.View.Flow, "/t/flow/logout?flow=" + second.View.Flow} {
			if p := b.get(at); p.step() != "totp" {
				t.Errorf("%s: got %v", at, p)
			}
		}
		if p := b.get(w.request(directory.Interaction{Passive: true})); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("half a login signs in: %v", p)
		}
	})
}

// The number of a page counts in its own flow alone.
func TestAttackPageOfAnotherFlow(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		one := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		two := b.get(w.request(directory.Interaction{}))
		mixed := *two.View
		mixed.Sequence = one.View.Sequence
		if p := b.submit(page{View: &mixed}, "otp", w.code(seed)); p.step() != "password" || p.message() != "" {
			t.Errorf("the code of one flow in another: %v", p)
		}
		mixed.Sequence = two.View.Sequence
		if p := b.do(http.MethodPost, one.View.Submit, fill(&mixed, "otp", w.code(seed))); p.Status != 400 {
			t.Errorf("at its first page: %v", p)
		}
		b.submit(one, "otp", w.code(seed)).answer(t)
	})
}

// An authenticator is removed, as when the phone was stolen, and a new one enrolled: what was proven with the old one does not
// count again.
func TestAttackEvidenceOfARemovedFactor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		in := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}
		enrol := func(b *browser) {
			p := b.login(b.get(w.request(in)), "ann", goodPassword)
			b.submit(p, "otp", w.code(decode(t, p.View.Prompt.QRText))).answer(t)
		}
		thief, own := w.browser(), w.browser()
		enrol(thief)
		thief.get(w.request(in)).answer(t)
		credential, _, err := w.Credentials.TOTP(t.Context(), w.mustFind("ann").Ref())
		w.must(err)
		w.must(w.Credentials.Delete(t.Context(), credential))
		enrol(own)
		if p := thief.get(w.request(in)); p.step() != "totp" {
			t.Errorf("got %v", p)
		}
	})
}

// The seed of an authenticator is on the one page that enrols it and nowhere else: not on the pages that follow, in an event, the
// log, or the store.
func TestAttackSeedIsShownOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		w.faults.Forget()
		page := b.login(b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}, Consent: []directory.ConsentItem{{ID: "email"}}})), "ann", goodPassword)
		text := page.View.Prompt.QRText
		after := b.submit(page, "otp", w.code(decode(t, text)))
		if after.step() != "consent" || after.View.Prompt.QR+after.View.Prompt.QRText != "" {
			t.Errorf("the page after: %v %+v", after, after.View.Prompt)
		}
		if p := b.get(page.View.Submit); p.View.Prompt.QRText != "" {
			t.Errorf("the page anew: %+v", p.View.Prompt)
		}
		b.submit(after, "action", "consent_allow").answer(t)
		for _, form := range []string{text, string(decode(t, text)), strings.ToLower(text)} {
			for _, c := range w.faults.Calls() {
				for _, op := range c.Ops {
					if strings.Contains(string(op.Record.Body), form) {
						t.Errorf("%s holds the seed", op.Record.Kind)
					}
				}
			}
			if strings.Contains(w.logged(), form) {
				t.Error("the log holds the seed")
			}
		}
	})
}
