package flow_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// other is a code of the same shape that is wrong.
func other(code string) string {
	if code == "" || code[0] != '1' {
		return "111111"
	}
	return "222222"
}

// post has a world with an outbox, and a login of the steps.
func post(o *outbox, steps flow.LoginSteps) func(*flow.Config, *directory.Config) {
	return func(c *flow.Config, _ *directory.Config) {
		c.Messages = o
		c.Plans = map[string]flow.Plan{"login": steps.Plan()}
	}
}

// reachable adds a person whose addresses were verified.
func (w *world) reachable(name string) *directory.User {
	w.Helper()
	u := &directory.User{
		Username: name, Email: name + "@example.com", EmailVerified: true, Phone: "+49170123456", PhoneVerified: true,
	}
	w.must(w.CreateUser(w.Context(), u, goodPassword))
	return u
}

func TestCodeAsSecondFactor(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, c := range []struct{ option, masked, amr string }{
			{"email-code", "a***@example.com", "otp"}, {"sms-code", "***3456", "sms"},
		} {
			o := &outbox{}
			w := open(t, post(o, flow.LoginSteps{Second: []string{c.option}}))
			w.reachable("ann")
			b := w.browser()
			p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
			if p.step() != c.option || p.View.Prompt.Intro.Params["address"] != c.masked {
				t.Fatalf("%s: got %v, %+v", c.option, p, p.View)
			}
			code := o.last()
			if p = b.submit(p, "otp", other(code)); p.message() != c.option+".wrong" {
				t.Fatalf("%s: wrong code: %v", c.option, p)
			}
			result := b.submit(p, "otp", code[:3]+" "+code[3:]).answer(t)
			a := directory.Assess(result.Evidence)
			if a.ACR != directory.ACR2 || !slices.Contains(a.AMR, c.amr) {
				t.Errorf("%s: %+v", c.option, a)
			}
			if delivered, decoys := o.all(); len(delivered) != 1 || len(decoys) != 0 {
				t.Errorf("%s: sent %v and %v", c.option, delivered, decoys)
			}
		}
	})
}

func TestCodeBeginsSignIn(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{First: []string{"email-code", "password"}}))
		seed := w.totp(w.reachable("ann"))
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann@example.com", "remember", "on")
		if p.step() != "email-code" || p.View.Person != "" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "otp", o.last()); p.step() != "totp" { // as beside a password
			t.Fatalf("after the code: %v", p)
		}
		result := b.submit(p, "otp", w.code(seed)).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 || result.Evidence[0].Method != directory.EmailSignIn {
			t.Errorf("%+v", result.Evidence)
		}
	})
}

// TestMailIsOneFactor holds that the mailbox does not count twice.
func TestMailIsOneFactor(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	w := together(t, post(o, flow.LoginSteps{First: []string{"email-code"}, Second: []string{"email-code"}}))
	w.reachable("ann")
	b := w.browser()
	p := b.get(w.request(directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()}))
	p = b.submit(b.submit(p, "username", "ann"), "otp", o.last())
	if p.step() != "email-code" {
		t.Fatalf("got %v", p)
	}
	w.advance(time.Minute)
	p = b.submit(p, "otp", o.last())
	if p.Result == nil || p.Result.Refusal != directory.Unmet {
		t.Errorf("two codes to one mailbox: %v", p)
	}
}

// Attacks C 2: five wrong guesses kill a code, a new one has as many, and ten lock the factor of the account, in whatever flow.
func TestAttackSentCodeGuessed(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{Second: []string{"email-code"}}), func(_ *flow.Config, d *directory.Config) {
			d.Lock.Failures = 8
		})
		w.reachable("ann")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		first := o.last()
		for range 5 {
			p = b.submit(p, "otp", other(first))
		}
		if p = b.submit(p, "otp", first); p.message() != "code.exhausted" {
			t.Fatalf("the right code after five wrong ones: %v", p)
		}
		w.advance(time.Minute)
		if p = b.submit(p, "action", "resend"); p.message() != "code.resent" || o.last() == "" {
			t.Fatalf("resend: %v", p)
		}
		second := o.last()
		for range 2 {
			p = b.submit(p, "otp", other(second))
		}
		if p = b.submit(p, "otp", second); p.Result != nil || p.message() != "email-code.wrong" {
			t.Errorf("the right code of a locked account: %v", p)
		}
		b = w.browser()
		b.address = "192.0.2.99"
		w.advance(2 * time.Minute)
		p = b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p = b.submit(p, "otp", o.last()); p.Result != nil {
			t.Errorf("another flow has another budget: %v", p)
		}
	})
}

func TestCodeResend(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{Second: []string{"email-code"}}))
		w.reachable("ann")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		first := o.last()
		if p = b.submit(p, "action", "resend"); p.message() != "code.wait" || o.last() != first {
			t.Fatalf("at once: %v", p)
		}
		second := first
		for second == first { // by chance the next may be the same
			w.advance(time.Minute)
			p = b.submit(p, "action", "resend")
			second = o.last()
		}
		if p = b.submit(p, "otp", first); p.message() != "email-code.wrong" {
			t.Errorf("the code before: %v", p)
		}
		w.advance(5 * time.Minute)
		if p = b.submit(p, "otp", second); p.message() != "code.expired" {
			t.Errorf("after five minutes: %v", p)
		}
		p = b.submit(p, "action", "resend")
		b.submit(p, "otp", o.last()).answer(t)
	})
}

// Attacks C 12: who is unknown, has no address that was verified, or may not sign in, costs and sees the same.
func TestAttackCodeTellsNobodyApart(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{First: []string{"email-code"}}))
		w.reachable("ann")
		w.user("unverified")
		gone := w.reachable("gone")
		w.must(w.Subjects.Disable(w.Context(), gone.Ref()))
		type trace struct {
			calls []string
			pages []string
		}
		walk := func(name, address string) (trace, int) {
			b := w.browser()
			b.address = address
			p := b.get(w.request(directory.Interaction{}))
			w.faults.Forget()
			_, before := o.all()
			var tr trace
			for _, form := range [][]string{
				{"username", name}, {"otp", "000000"}, {"action", "resend"}, {"otp", "000000"},
			} {
				p = b.submit(p, form...)
				if form[0] == "username" {
					w.advance(61 * time.Second)
				}
				tr.pages = append(tr.pages, p.String())
			}
			for _, call := range w.faults.Calls() {
				tr.calls = append(tr.calls, string(call.Method))
			}
			_, after := o.all()
			return tr, len(after) - len(before)
		}
		walk("somebody", "192.0.2.9") // what is cached from here on
		known, decoys := walk("ann", "192.0.2.10")
		if decoys != 0 {
			t.Fatalf("%d decoys for somebody who is known", decoys)
		}
		for i, name := range []string{"nobody", "unverified", "gone"} {
			got, decoys := walk(name, "192.0.2.2"+string(rune('0'+i)))
			if !slices.Equal(got.calls, known.calls) {
				t.Errorf("%s: calls\n%v\nof a known person\n%v", name, got.calls, known.calls)
			}
			if strings.Join(got.pages, "\n") != strings.Join(known.pages, "\n") {
				t.Errorf("%s: pages %v, of a known person %v", name, got.pages, known.pages)
			}
			if decoys != 2 {
				t.Errorf("%s: %d decoys, want as many as codes", name, decoys)
			}
		}
		// The two names of one person are not known as such by what has to wait.
		b := w.browser()
		w.advance(time.Hour)
		b.submit(b.get(w.request(directory.Interaction{})), "username", "ann")
		delivered, _ := o.all()
		p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann@example.com")
		if again, _ := o.all(); p.message() != "" || len(again) != len(delivered) {
			t.Errorf("the other name: %v", p)
		}
	})
}

// TestAttackCodeOfAnotherFlow types a code into a flow that it was not sent for.
func TestAttackCodeOfAnotherFlow(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	w := together(t, post(o, flow.LoginSteps{First: []string{"email-code"}}))
	w.reachable("ann")
	b, attacker := w.browser(), w.browser()
	mine := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann")
	code := o.last()
	w.advance(2 * time.Minute)
	theirs := attacker.submit(attacker.get(w.request(directory.Interaction{})), "username", "ann")
	if p := attacker.submit(theirs, "otp", code); p.Result != nil {
		t.Errorf("a code for one flow opens another: %v", p)
	}
	b.submit(mine, "otp", code).answer(t)
}

func TestBackupCodeFactor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		set := func() {
			b := w.db.Batch()
			w.must(w.Credentials.SetBackupCodes(w.Context(), b, ann.Ref(), []secret.Text{"AAAAABBBBBCCCCC", "DDDDDEEEEEFFFFF"}))
			w.must(b.Apply(w.Context()))
		}
		set()
		b := w.browser()
		b.signIn("ann") // a backup code alone is no second factor
		w.totp(ann)
		sign := func() page {
			b = w.browser()
			p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
			return b.submit(p, "action", "method_backup-code")
		}
		p := sign()
		if p = b.submit(p, "backup-code", "AAAAA-BBBBB-DDDDD"); p.message() != "backup-code.wrong" {
			t.Fatalf("got %v", p)
		}
		result := b.submit(p, "backup-code", "aaaaa bbbbb-ccccc").answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("%+v", a)
		}
		if p = b.submit(sign(), "backup-code", "AAAAABBBBBCCCCC"); p.message() != "backup-code.wrong" {
			t.Errorf("a second time: %v", p)
		}
	})
}

func TestHOTPFactor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		seed := []byte("12345678901234567890")
		batch := w.db.Batch()
		w.must(w.Credentials.EnrollHOTP(w.Context(), batch, ann.Ref(), "", seed, 5))
		w.must(batch.Apply(w.Context()))
		code := func(counter int64) string {
			c, err := mfa.HOTP{}.Code(seed, counter)
			w.must(err)
			return c
		}
		sign := func() (*browser, page) {
			b := w.browser()
			return b, b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		}
		b, p := sign()
		if p.step() != "hotp" {
			t.Fatalf("got %v", p)
		}
		b.submit(p, "otp", code(7)).answer(t)
		b, p = sign()
		if p = b.submit(p, "otp", code(7)); p.message() != "hotp.wrong" || len(p.View.Prompt.Fields) != 2 {
			t.Fatalf("used before: %v", p)
		}
		b.submit(p, "otp", code(60), "otp-next", code(61)).answer(t)
		credential, _, err := w.Credentials.HOTP(w.Context(), ann.Ref())
		if err != nil || credential.Step != 62 {
			t.Errorf("counter %d, %v", credential.Step, err)
		}
	})
}

// TestPreferredFactor holds the order of second factors, and that nonsense prefers nothing.
func TestPreferredFactor(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	w := together(t, post(o, flow.LoginSteps{Second: []string{"totp", "email-code", "sms-code"}}))
	for i, c := range []struct {
		value any
		want  string
	}{
		{nil, "totp"},
		{`{"authenticationOption":"sms-otp-authenticator"}`, "sms-code"},
		{`{"authenticationOption":"email-code"}`, "email-code"},
		{`{"authenticationOption":"hotp"}`, "totp"},
		{`{"authenticationOption":`, "totp"},
		{"", "totp"},
		{42, "totp"},
	} {
		name := "ann" + string(rune('a'+i))
		u := &directory.User{
			Username: name, Email: name + "@example.com", EmailVerified: true, Phone: "+4917" + string(rune('0'+i)), PhoneVerified: true,
		}
		if c.value != nil {
			u.Attributes = map[string]any{flow.PreferredFactor: c.value}
		}
		w.must(w.CreateUser(w.Context(), u, goodPassword))
		w.totp(u)
		b := w.browser()
		if p := b.login(b.get(w.request(directory.Interaction{})), name, goodPassword); p.step() != c.want {
			t.Errorf("%v: asked for %v", c.value, p)
		}
	}
}

// TestCodeFaults fails each call while a code is sent: the answer is 503, and no message goes out that no flow knows of.
func TestCodeFaults(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{First: []string{"email-code"}}))
		w.reachable("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		var got page
		for n := 1; ; n++ {
			w.advance(61 * time.Second) // whatever was begun is given up, and there is room for a message
			w.faults.FailCall(n, nil)
			got = b.clone().do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann"))
			if w.faults.Waits() {
				break
			}
			if got.Status != http.StatusServiceUnavailable {
				t.Errorf("call %d failed: %v", n, got)
			}
			if delivered, decoys := o.all(); len(delivered)+len(decoys) > 0 {
				t.Fatalf("call %d failed, and a message was sent", n)
			}
			if n > 100 {
				t.Fatal("it never succeeds")
			}
		}
		if delivered, _ := o.all(); len(delivered) != 1 {
			t.Errorf("%d messages, %v", len(delivered), got)
		}
	})
}

// linked has ann ask for a link, and returns her page and the path of the link.
func linked(w *world, o *outbox) (*browser, page, string) {
	w.Helper()
	b := w.browser()
	p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann")
	delivered, _ := o.all()
	if p.step() != "magic-link" || len(delivered) == 0 {
		w.Fatalf("got %v, %d messages", p, len(delivered))
	}
	link := delivered[len(delivered)-1].Params[notify.Link]
	return b, p, strings.TrimPrefix(link, "https://id.example.com")
}

func TestMagicLink(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{First: []string{"magic-link"}}))
		w.reachable("ann")
		b, p, link := linked(w, o)
		opened := b.do(http.MethodGet, link, nil)
		if opened.View == nil || opened.View.Prompt.Title.ID != "magic-link.confirm" || b.cookie("session") != "" {
			t.Fatalf("the link: %v", opened)
		}
		mlt := opened.View.Prompt.Fields[0].Value
		b.submit(opened, "mlt", mlt).answer(t)
		if again := b.get(link); again.Result == nil { // it leads where the flow has led
			t.Errorf("the link once more: %v", again)
		}
		if tab := b.submit(p, "otp", o.last()); tab.Result == nil { // the first tab goes on too
			t.Errorf("the first tab: %v", tab)
		}
		w.advance(time.Hour)
		b, p, link = linked(w, o)
		b.submit(p, "otp", o.last()).answer(t) // the code beside the link
		if late := w.browser().do(http.MethodGet, link, nil); late.Failure == nil {
			t.Errorf("a link that is spent, elsewhere: %v", late)
		}
		w.advance(time.Hour)
		b, _, link = linked(w, o)
		opened = b.do(http.MethodGet, link, nil)
		w.advance(5 * time.Minute)
		if p = b.submit(opened, "mlt", opened.View.Prompt.Fields[0].Value); p.message() != "code.expired" {
			t.Errorf("after five minutes: %v", p)
		}
	})
}

// Attacks C 6: what looks through mail opens links by GET and HEAD, and changes nothing.
func TestAttackMagicLinkScanned(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{First: []string{"magic-link"}}))
		w.reachable("ann")
		b, _, link := linked(w, o)
		w.faults.Forget()
		for _, by := range []*browser{b.clone(), w.browser()} {
			by.do(http.MethodGet, link, nil)
			by.do(http.MethodHead, link, nil)
			by.do(http.MethodPost, link, nil)
		}
		for _, call := range w.faults.Calls() {
			if call.Method == storetest.MethodApply {
				t.Error("opening a link writes")
			}
		}
		opened := b.do(http.MethodGet, link, nil)
		b.submit(opened, "mlt", opened.View.Prompt.Fields[0].Value).answer(t)
	})
}

// Attacks C 7: in a browser in which the sign-in was not begun a link signs nobody in, neither there nor where it was begun.
func TestAttackMagicLinkElsewhere(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		o := &outbox{}
		w := open(t, post(o, flow.LoginSteps{First: []string{"magic-link"}}))
		w.reachable("ann")
		b, p, link := linked(w, o) // who has begun may be somebody who wants ann to open it
		other := w.browser()
		other.get(w.request(directory.Interaction{}))
		opened := other.do(http.MethodGet, link, nil)
		if opened.Failure == nil || opened.Failure.Code != "opened_elsewhere" || opened.Status != http.StatusOK {
			t.Fatalf("elsewhere: %v", opened)
		}
		u, err := url.Parse(link)
		w.must(err)
		form := fill(p.View, "mlt", u.Query().Get("mlt"), "action", "login")
		if posted := other.do(http.MethodPost, p.View.Submit, form); posted.Failure == nil || other.cookie("session") != "" {
			t.Errorf("posted elsewhere: %v", posted)
		}
		if p = b.submit(p, "otp", "000000"); p.Result != nil {
			t.Errorf("where it was begun: %v", p)
		}
		if p = b.submit(p, "mlt", "x"); p.message() != "magic-link.wrong" {
			t.Errorf("another token: %v", p)
		}
	})
}

// What nobody can be called is nobody's name, and no failure.
func TestCodeForOddNames(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, post(&outbox{}, flow.LoginSteps{First: []string{"email-code"}}))
		for _, name := range []string{"", " ", strings.Repeat("a", 257), strings.Repeat("ä", 300), strings.Repeat("a", 40<<10), "a\tb"} {
			b := w.browser()
			if p := b.submit(b.get(w.request(directory.Interaction{})), "username", name); p.Status >= 500 {
				t.Errorf("%.20q, %d bytes: got %v", name, len(name), p)
			}
		}
	})
}

// Where a wrong code leads elsewhere, asking for one does not, nor asking for another: neither is a wrong answer.
func TestSentCodeWhereAnswersFail(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, func(t *testing.T, more ...func(*flow.Config, *directory.Config)) *world {
			t.Helper()
			return open(t, append(more, func(c *flow.Config, _ *directory.Config) {
				c.Plans["login"] = compiledGraph(t, flow.Graph{Start: "code", Nodes: []flow.Node{
					{Name: "code", Options: []string{"email-code"}, On: map[string]string{"ok": "done", "failed": "out"}},
					{Name: "done", End: flow.Succeeded},
					{Name: "out", End: flow.Failed, Failure: directory.Failure{Description: "wrong"}},
				}})
			})...)
		})
		w.verified("ann")
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann")
		for range 2 { // the second is too early
			if p = b.submit(p, "action", "resend"); p.step() != "email-code" {
				t.Fatalf("another code: got %v", p)
			}
		}
		b.submit(p, "otp", box.last()).answer(t)
		b = w.browser()
		p = b.submit(b.get(w.request(directory.Interaction{})), "username", "nobody")
		if p = b.submit(p, "otp", "000000"); p.Result == nil || p.Result.Failure.Description != "wrong" {
			t.Errorf("a wrong code: got %v", p)
		}
	})
}
