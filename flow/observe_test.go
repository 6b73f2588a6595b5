package flow_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// witness is an Observer that remembers.
type witness struct {
	mu   sync.Mutex
	seen []directory.Observation
}

func (o *witness) observe(_ context.Context, seen directory.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, seen)
}

// news returns what was seen since it was last asked.
func (o *witness) news() []directory.Observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	news := o.seen
	o.seen = nil
	return news
}

// lines are those of the log that have all of the words.
func (w *world) lines(words ...string) (found []string) {
	for line := range strings.Lines(w.logged()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			found = append(found, line)
		}
	}
	return found
}

// Each attempt that comes to nothing is an observation and a line of the log, for the name of somebody and of nobody alike, and
// neither has what was typed.
func TestAttemptsAreObserved(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		var o witness
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.Observer = o.observe })
		ann := w.user("ann")
		attempt := func(what string, b *browser, p page, want directory.Observation, pairs ...string) page {
			t.Helper()
			o.news()
			if p = b.submit(p, pairs...); p.message() != want.Code {
				t.Fatalf("%s: %v", what, p)
			}
			want.Address = "192.0.2.1"
			news := o.news()
			if len(news) == 1 {
				want.Correlation = news[0].Correlation
			}
			if len(news) != 1 || news[0] != want || want.Correlation == "" {
				t.Fatalf("%s: observed %+v, want %+v", what, news, want)
			}
			if lines := w.lines("sign-in refused", want.Correlation, want.Type, want.Code, "level=INFO", `subject=`+want.Subject); len(lines) != 1 {
				t.Errorf("%s: %d lines of the log", what, len(lines))
			}
			return p
		}
		for name, id := range map[string]string{"ann": ann.ID, "ann@example.com": ann.ID, "unheard-of-name": ""} {
			b := w.browser()
			attempt(name, b, b.get(w.request(directory.Interaction{})),
				directory.Observation{Type: "attempt.failed", Subject: id, Code: "password.wrong"}, "username", name, "password", "typed-nonsense")
		}

		seed := w.totp(ann)
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		p = attempt("code", b, p, directory.Observation{Type: "attempt.failed", Subject: ann.ID, Code: "totp.wrong"}, "otp", "000000")
		code := w.code(seed)
		b.submit(p, "otp", code).answer(t)
		if news := o.news(); len(news) != 0 {
			t.Errorf("a sign-in: observed %+v", news)
		}
		b = w.browser()
		p = b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		attempt("used code", b, p, directory.Observation{Type: "attempt.failed", Subject: ann.ID, Code: "totp.used"}, "otp", code)

		for _, who := range []struct{ name, subject string }{{"ann", ann.ID}, {"unheard-of-name", ""}} {
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			for range 10 {
				p = b.login(p, who.name, "typed-nonsense")
			}
			attempt("locked", b, p, directory.Observation{Type: "attempt.locked", Subject: who.subject, Code: "password.wrong"},
				"username", who.name, "password", goodPassword)
		}
		for _, secret := range []string{"unheard-of-name", "typed-nonsense", goodPassword, code, "ann@"} {
			if strings.Contains(w.logged(), secret) {
				t.Errorf("the log has %q", secret)
			}
		}
	})
}

// That a code is on its way is no attempt that failed; a wrong one is.
func TestSentCodesAreNoAttempts(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		var o witness
		sent := &outbox{}
		w := open(t, post(sent, flow.LoginSteps{First: []string{"email-code"}}), func(c *flow.Config, _ *directory.Config) { c.Observer = o.observe })
		w.reachable("ann")
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann")
		if news := o.news(); len(news) != 0 || p.message() != "" {
			t.Errorf("sent: %v, observed %+v", p, news)
		}
		b.submit(p, "otp", other(sent.last()))
		if news := o.news(); len(news) != 1 || news[0].Type != "attempt.failed" {
			t.Errorf("a wrong code: observed %+v", news)
		}
	})
}

// Dead ends are observed too, under the id that the page and the log have; a flood of them is bounded.
func TestRefusedPagesAreObserved(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		var o witness
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.Observer = o.observe })
		p := w.browser().get("/t/login?flow=x")
		want := []directory.Observation{{
			Type: "request.refused", Code: "flow_expired", Address: "192.0.2.1", Correlation: p.Failure.Correlation,
		}}
		if news := o.news(); !slices.Equal(news, want) {
			t.Errorf("observed %+v, want %+v", news, want)
		}
		w.advance(time.Second)
		for range 300 {
			w.browser().get("/t/login?flow=x")
		}
		if n := len(o.news()); n != 100 {
			t.Errorf("%d observations", n)
		}
		w.advance(time.Second)
		w.browser().get("/t/login?flow=x")
		if news := o.news(); len(news) != 1 || news[0].Missed != 200 {
			t.Errorf("the next one: %+v", news)
		}
	})
}
