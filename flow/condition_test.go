package flow_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func age(d time.Duration) *time.Duration { return &d }

func TestReauthenticate(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		b.signIn("ann")
		w.advance(time.Minute)
		path := w.request(directory.Interaction{Reauthenticate: true})
		p := b.get(path)
		if p.step() != "password" {
			t.Fatalf("got %v", p)
		}
		if again := b.get(path); again.step() != "password" {
			t.Fatalf("coming back without an answer: %v", again)
		}
		result := b.login(p, "ann", goodPassword).answer(t)
		if got := directory.Assess(result.Evidence).AuthTime; !got.Equal(w.Now()) {
			t.Errorf("auth_time %v, want %v", got, w.Now())
		}
		if again := b.get(path).answer(t); again.Session != result.Session { // and so prompt=login ends
			t.Errorf("got %+v", again)
		}
	})
}

func TestMaxAge(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		b.signIn("ann")
		w.advance(10 * time.Minute)
		b.get(w.request(directory.Interaction{MaxAge: age(10 * time.Minute)})).answer(t)
		for _, limit := range []time.Duration{0, time.Minute, 10*time.Minute - time.Second} {
			if p := b.get(w.request(directory.Interaction{MaxAge: age(limit)})); p.step() != "password" {
				t.Errorf("max_age %v: got %v", limit, p)
			}
		}
		p := b.get(w.request(directory.Interaction{MaxAge: age(0)}))
		result := b.login(p, "ann", goodPassword).answer(t)
		if got := directory.Assess(result.Evidence).AuthTime; !got.Equal(w.Now()) {
			t.Errorf("auth_time %v, want %v", got, w.Now())
		}
	})
}

// A greatest age asks for what is too old and for nothing else, but a second factor never goes to somebody else.
func TestMaxAgeKeepsTheSecondFactorOfTheSamePerson(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		bob := w.user("bob")
		w.totp(bob)
		b := w.browser()
		b.submit(b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed)).answer(t)
		w.advance(5 * time.Minute)
		p := b.get(w.request(directory.Interaction{MaxAge: age(time.Minute)}))
		result := b.login(p, "ann", goodPassword).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 || !a.AuthTime.Equal(w.Now()) {
			t.Errorf("assurance %+v", a)
		}
		w.advance(5 * time.Minute)
		p = b.get(w.request(directory.Interaction{MaxAge: age(time.Minute)}))
		if p = b.login(p, "bob", goodPassword); p.step() != "totp" {
			t.Errorf("bob with the second factor of ann: %v", p)
		}
	})
}

// A page of the flow lies open until the password has become too old for the request: it is asked for again before the flow ends,
// and nothing else is.
func TestMaxAgeWithinTheFlow(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		in := directory.Interaction{MaxAge: age(time.Minute), Consent: []directory.ConsentItem{{ID: "email"}}}
		fresh := func(p page) {
			t.Helper()
			result := p.answer(t)
			if got := directory.Assess(result.Evidence).AuthTime; !got.Equal(w.Now()) {
				t.Errorf("auth_time %v, want %v", got, w.Now())
			}
			if n := w.sessions(ann); n != 1 {
				t.Errorf("%d sessions", n)
			}
		}
		b := w.browser()
		path := w.request(in)
		p := b.login(b.get(path), "ann", goodPassword)
		w.advance(25 * time.Minute)
		p = b.submit(p, "action", "consent_allow", "consent", "email")
		if p.step() != "password" || b.cookie("session") != "" || p.View.Prompt.Fields[0].Value != "ann" {
			t.Fatalf("after the consent: %v", p)
		}
		p = b.login(p, "ann", goodPassword)
		fresh(p)
		if got := p.Result.Approved; !slices.Equal(got, []string{"email"}) {
			t.Errorf("approved %v", got)
		}

		seed := w.totp(ann)
		w.advance(2 * time.Minute)
		p = b.login(b.get(w.request(in)), "ann", goodPassword)
		w.advance(2 * time.Minute)
		if p = b.submit(p, "otp", w.code(seed)); p.step() != "password" {
			t.Fatalf("after the code: %v", p)
		}
		p = b.login(p, "ann", goodPassword)
		w.advance(2 * time.Minute)
		if p = b.submit(p, "action", "consent_allow"); p.step() != "password" {
			t.Fatalf("after the consent: %v", p)
		}
		p = b.login(p, "ann", goodPassword)
		fresh(p)
		if a := directory.Assess(p.Result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("the code is forgotten: %+v", a)
		}
	})
}

// A flow is done, and the protocol comes back for its answer when that has become too old, as after a question of its own.
func TestMaxAgeOfAnAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		w.user("bob")
		b := w.browser()
		path := w.request(directory.Interaction{MaxAge: age(time.Minute)})
		first := b.login(b.get(path), "ann", goodPassword).answer(t)
		w.advance(time.Minute)
		b.get(path).answer(t)
		w.advance(time.Second)
		stale := b.get(path)
		if stale.step() != "password" {
			t.Fatalf("got %v", stale)
		}
		if again := b.get(path); again.step() != "password" || again.View.Sequence != stale.View.Sequence {
			t.Errorf("coming back without an answer: %v", again)
		}
		twin := b.clone()
		second := b.login(stale, "ann", goodPassword).answer(t)
		if got := directory.Assess(second.Evidence).AuthTime; !got.Equal(w.Now()) || second.Session != first.Session {
			t.Errorf("auth_time %v, want %v; session %v, want %v", got, w.Now(), second.Session, first.Session)
		}
		w.advance(2 * time.Minute)
		if p := twin.login(twin.get(path), "bob", goodPassword); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("somebody else in the second round: %v", p)
		}
		if n := w.sessions(ann); n != 1 {
			t.Errorf("%d sessions", n)
		}
		// A request for a fresh proof is asked for once, however long the rest takes.
		for name, in := range map[string]directory.Interaction{
			"prompt=login": {Reauthenticate: true}, "max_age=0": {MaxAge: age(0)},
		} {
			path := w.request(in)
			b.login(b.get(path), "ann", goodPassword).answer(t)
			w.advance(time.Minute)
			if got := b.get(path).answer(t); !directory.Assess(got.Evidence).AuthTime.Equal(w.Now().Add(-time.Minute)) {
				t.Errorf("%s: got %+v", name, got)
			}
		}
	})
}

func TestPassive(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, bob := w.user("ann"), w.user("bob")
		nobody, b := w.browser(), w.browser()
		b.signIn("ann")
		w.advance(2 * time.Minute)
		items := []directory.ConsentItem{{ID: "email"}}
		for name, c := range map[string]struct {
			browser *browser
			in      directory.Interaction
			want    directory.Refusal
		}{
			"nobody":           {nobody, directory.Interaction{}, directory.LoginRequired},
			"signed in":        {b, directory.Interaction{}, ""},
			"as hinted":        {b, directory.Interaction{HintSubject: ann.ID}, ""},
			"somebody else":    {b, directory.Interaction{HintSubject: bob.ID}, directory.LoginRequired},
			"too old":          {b, directory.Interaction{MaxAge: age(time.Minute)}, directory.LoginRequired},
			"fresh":            {b, directory.Interaction{Reauthenticate: true}, directory.LoginRequired},
			"choice":           {b, directory.Interaction{SelectAccount: true}, directory.AccountSelectionRequired},
			"second factor":    {b, directory.Interaction{ACR: []string{directory.ACR2}}, directory.InteractionRequired},
			"consent":          {b, directory.Interaction{Consent: items}, directory.ConsentRequired},
			"consent of known": {nobody, directory.Interaction{Purpose: directory.ApproveConsent, Subject: ann.Ref(), Consent: items}, directory.ConsentRequired},
			"unreachable":      {nobody, directory.Interaction{ACR: []string{"urn:none"}, EssentialACR: true}, directory.Unmet},
			"new account":      {nobody, directory.Interaction{CreateAccount: true}, directory.RegistrationUnavailable},
			"logout":           {b, directory.Interaction{Purpose: directory.SignOut}, directory.InteractionRequired},
		} {
			c.in.Passive = true
			w.faults.Forget()
			p := c.browser.get(w.request(c.in))
			if p.Result == nil || p.Result.Refusal != c.want {
				t.Errorf("%s: got %v, want %q", name, p, c.want)
			}
			for _, call := range w.faults.Calls() {
				if slices.Contains(call.Verbs(), store.VerbInsert) && call.Kind.Name == "flow.execution" {
					t.Errorf("%s: opened a flow", name)
				}
			}
		}
	})
}

func TestUnreachableClass(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		p := w.browser().get(w.request(directory.Interaction{ACR: []string{"aal3", "urn:none"}, EssentialACR: true}))
		if p.Result == nil || p.Result.Refusal != directory.Unmet {
			t.Errorf("got %v", p)
		}
	})
}

// Only what is missing is asked of somebody who is signed in.
func TestStepUp(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		b := w.browser()
		first := b.signIn("ann")
		seed := w.totp(ann)
		old := b.clone()
		w.advance(time.Minute)
		in := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}
		p := b.get(w.request(in))
		if p.step() != "totp" || p.View.Person != "ann" {
			t.Fatalf("got %v for %q", p, p.View.Person)
		}
		result := b.submit(p, "otp", w.code(seed)).answer(t)
		a := directory.Assess(result.Evidence)
		if result.Session != first.Session || a.ACR != directory.ACR2 || !a.AuthTime.Equal(w.Now().Add(-time.Minute)) {
			t.Errorf("got %+v, assurance %+v", result, a)
		}
		if p := old.get(w.request(directory.Interaction{})); p.step() != "password" {
			t.Errorf("the secret from before the step-up still signs in: %v", p)
		}
		b.get(w.request(in)).answer(t)
	})
}

// What a step-up rests on has ended meanwhile: the new factor alone is worth nothing.
func TestStepUpOfAnEndedSession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		b := w.browser()
		first := b.signIn("ann")
		seed := w.totp(ann)
		p := b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}}))
		w.must(w.Sessions.End(t.Context(), first.Session, "logout"))
		if p = b.submit(p, "otp", w.code(seed)); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("got %v", p)
		}
	})
}

// Everything of a person is revoked between their password and their code: the password counts no more.
func TestRevokedBetweenFactors(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		seed := w.totp(ann)
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		w.must(w.SetPassword(t.Context(), ann, "another good password"))
		if p = b.submit(p, "otp", w.code(seed)); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("got %v", p)
		}
		if b.cookie("session") != "" {
			t.Error("a session cookie")
		}
	})
}

// Where there is no room for another session the sign-in ends without one, and the others go on.
func TestSessionLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		first, second := w.browser(), w.browser()
		first.signIn("ann")
		key := w.Settings.SessionLimit
		w.must(directory.Set(t.Context(), w.Settings, key, "", "", directory.SessionLimitPolicy{Max: 1}))
		p := second.login(second.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.Result == nil || p.Result.Refusal != directory.LoginRequired || second.cookie("session") != "" {
			t.Errorf("a second session: %v", p)
		}
		if p := first.get(w.request(directory.Interaction{})); p.Result == nil || p.Result.Refusal != "" {
			t.Errorf("the first: %v", p)
		}
		w.must(directory.Set(t.Context(), w.Settings, key, "", "", directory.SessionLimitPolicy{Max: 1, Over: directory.EndOldestSession}))
		second.signIn("ann")
	})
}

func TestHintedSubject(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		bob := w.user("bob")
		b := w.browser()
		b.signIn("ann")
		in := directory.Interaction{HintSubject: bob.ID}
		p := b.get(w.request(in))
		if p.step() != "password" {
			t.Fatalf("got %v", p)
		}
		if refused := b.login(p, "ann", goodPassword); refused.Result == nil || refused.Result.Refusal != directory.LoginRequired {
			t.Errorf("somebody else: got %v", refused)
		}
		if got := b.login(b.get(w.request(in)), "bob", goodPassword).answer(t); got.Subject != bob.Ref() {
			t.Errorf("got %v", got.Subject)
		}
	})
}

// The chain is read when the answer is given: a session that has ended since the login signs nobody in.
func TestAnswerAfterTheEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		for name, end := range map[string]func(*directory.Result) error{
			"session": func(r *directory.Result) error { return w.Sessions.End(t.Context(), r.Session, "logout") },
			"subject": func(*directory.Result) error { return w.Subjects.Revoke(t.Context(), ann.Ref()) },
		} {
			b := w.browser()
			path := w.request(directory.Interaction{})
			w.must(end(b.login(b.get(path), "ann", goodPassword).answer(t)))
			if p := b.get(path); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
				t.Errorf("%s: got %v", name, p)
			}
		}
	})
}

func TestConsent(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		login := b.signIn("ann")
		in := directory.Interaction{
			Purpose: directory.ApproveConsent, Subject: login.Subject, Session: login.Session,
			Consent: []directory.ConsentItem{{ID: "openid", Mandatory: true}, {ID: "email"}, {ID: "phone"}},
		}
		p := b.get(w.request(in))
		if p.step() != "consent" || len(p.View.Prompt.Consent) != 3 || p.View.Purpose != directory.ApproveConsent {
			t.Fatalf("got %v", p)
		}
		result := b.submit(p, "action", "consent_allow", "consent", "email", "consent", "admin").answer(t)
		if want := []string{"openid", "email"}; !slices.Equal(result.Approved, want) || result.Session != login.Session ||
			result.Subject != login.Subject {
			t.Errorf("got %+v, want approved %v", result, want)
		}
		p = b.get(w.request(in))
		if p = b.submit(p, "action", "consent_deny", "consent", "email"); p.Result == nil || p.Result.Refusal != directory.Denied {
			t.Errorf("got %v", p)
		}
		p = b.get(w.request(in))
		w.must(w.Sessions.End(t.Context(), login.Session, "logout"))
		if late := b.submit(p, "action", "consent_allow"); late.Result == nil || late.Result.Refusal != directory.LoginRequired {
			t.Errorf("after the end of the session: got %v", late)
		}
		if late := b.get(w.request(in)); late.Result == nil || late.Result.Refusal != directory.LoginRequired {
			t.Errorf("asking after the end of the session: got %v", late)
		}
		in.Consent, in.Session = nil, store.Ref{}
		if got := b.get(w.request(in)).answer(t); got.Approved != nil {
			t.Errorf("nothing to ask: got %+v", got)
		}
	})
}

// Consent can be asked in the flow of the login as well.
func TestConsentWithLogin(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		in := directory.Interaction{Consent: []directory.ConsentItem{{ID: "email"}}}
		p := b.login(b.get(w.request(in)), "ann", goodPassword)
		if p.step() != "consent" || b.cookie("session") != "" {
			t.Fatalf("got %v", p)
		}
		first := b.submit(p, "action", "consent_allow").answer(t)
		if first.Approved == nil || len(first.Approved) != 0 {
			t.Errorf("approved %#v, want the empty list", first.Approved)
		}
		p = b.get(w.request(in))
		if p.step() != "consent" {
			t.Fatalf("got %v", p)
		}
		cookie := b.cookie("session")
		if got := b.submit(p, "action", "consent_allow", "consent", "email").answer(t); got.Session != first.Session || b.cookie("session") != cookie {
			t.Errorf("a consent alone touches the session: %+v", got)
		}
	})
}

func TestLogout(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		login := b.signIn("ann")
		in := directory.Interaction{Purpose: directory.SignOut}
		p := b.get(w.request(in))
		if p.step() != "logout" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "action", "logout_cancel"); p.Result == nil || p.Result.Refusal != directory.Denied {
			t.Fatalf("got %v", p)
		}
		if got := b.submit(b.get(w.request(in)), "action", "logout_confirm").answer(t); got.Session != login.Session {
			t.Errorf("got %+v, want session %v", got, login.Session)
		}
		proven := directory.Interaction{Purpose: directory.SignOut, Session: login.Session}
		if got := b.get(w.request(proven)).answer(t); got.Session != login.Session {
			t.Errorf("the client has proven which session it means: got %+v", got)
		}
		b.endSession(login.Session)
		if b.cookie("session") != "" {
			t.Error("the cookie is still there")
		}
		session, err := w.Sessions.Get(t.Context(), login.Session)
		w.must(err)
		if session.Status != directory.Ended {
			t.Errorf("the session is %s", session.Status)
		}
		rec := httptest.NewRecorder()
		if w.engine.SignedOut(rec, httptest.NewRequest(http.MethodGet, "/t/logout", nil), in); !strings.Contains(rec.Body.String(), `"SignedOut":true`) {
			t.Errorf("the last page: %s", rec.Body)
		}
		if got := b.get(w.request(in)).answer(t); !got.Session.IsZero() {
			t.Errorf("nobody to sign out: got %+v", got)
		}
	})
}
