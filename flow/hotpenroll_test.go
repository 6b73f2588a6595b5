package flow_test

import (
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// enrolTokens has people set up tokens that count where a second factor is demanded.
func (w *world) enrolTokens() {
	w.Helper()
	w.engine = w.rebuild(func(c *flow.Config) {
		c.Plans = map[string]flow.Plan{"login": flow.LoginSteps{Enroll: []string{"hotp-enroll"}}.Plan()}
	})
	w.serve()
}

// tokenCode is what a token shows whose button was pressed so often.
func (w *world) tokenCode(seed []byte, counter int64) string {
	w.Helper()
	code, err := mfa.HOTP{}.Code(seed, counter)
	w.must(err)
	return code
}

func TestTokenEnrolment(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.enrolTokens()
		ann, b := w.user("ann"), w.browser()
		in := directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()}
		p := b.login(b.get(w.request(in)), "ann", goodPassword)
		if p.step() != "hotp-enroll" || !strings.HasPrefix(p.View.Prompt.QR, "otpauth://hotp/id.example.com:ann") {
			t.Fatalf("got %v, %q", p, p.View.Prompt.QR)
		}
		seed := decode(t, p.View.Prompt.QRText)
		if p = b.submit(p, "otp", other(w.tokenCode(seed, 0))); p.message() != "hotp-enroll.wrong" {
			t.Fatalf("got %v", p)
		}
		if _, _, err := w.Credentials.HOTP(t.Context(), ann.Ref()); err == nil {
			t.Fatal("enrolled without a right code")
		}
		result := b.submit(p, "otp", w.tokenCode(seed, 0)).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("assurance: %+v", a)
		}
		elsewhere := w.browser()
		p = elsewhere.login(elsewhere.get(w.request(in)), "ann", goodPassword)
		if p = elsewhere.submit(p, "otp", w.tokenCode(seed, 0)); p.step() != "hotp" || p.message() != "hotp.wrong" {
			t.Fatalf("the code of the enrolment once more: got %v", p)
		}
		elsewhere.submit(p, "otp", w.tokenCode(seed, 1)).answer(t)
	})
}

// Who sets up a token on a page that lies open does not take the place of one that was set up since.
func TestAttackTokenOverAnother(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.enrolTokens()
		ann := w.user("ann")
		in := directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()}
		b, eve := w.browser(), w.browser()
		anns := b.login(b.get(w.request(in)), "ann", goodPassword)
		eves := eve.login(eve.get(w.request(in)), "ann", goodPassword)
		b.submit(anns, "otp", w.tokenCode(decode(t, anns.View.Prompt.QRText), 0)).answer(t)
		before, _, err := w.Credentials.HOTP(t.Context(), ann.Ref())
		w.must(err)
		if p := eve.submit(eves, "otp", w.tokenCode(decode(t, eves.View.Prompt.QRText), 0)); p.step() != "hotp" {
			t.Errorf("got %v", p)
		}
		if after, _, err := w.Credentials.HOTP(t.Context(), ann.Ref()); err != nil || after.Epoch != before.Epoch || after.Version != before.Version {
			t.Errorf("the token is another: %v", err)
		}
	})
}
