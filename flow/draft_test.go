package flow_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// asked signs ann in and brings her to a page of consent of its own, and returns what asked for it.
func (b *browser) asked(items ...directory.ConsentItem) (page, string) {
	b.Helper()
	session := b.signIn("ann").Session
	path := b.request(directory.Interaction{
		Purpose: directory.ApproveConsent, Subject: b.mustFind("ann").Ref(), Session: session, Consent: items, Restart: "sealed",
	})
	p := b.get(path)
	if p.step() != "consent" {
		b.Fatalf("got %v", p)
	}
	return p, path
}

// A page of consent is written when it is answered, once; until then it can be opened and left as often as one likes.
func TestDraftIsWrittenOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p, path := b.asked(directory.ConsentItem{ID: "email"}, directory.ConsentItem{ID: "phone"})
		w.faults.Forget()
		for _, at := range []string{p.View.Submit, path, p.View.Submit} {
			if again := b.get(at); again.step() != "consent" || len(again.View.Prompt.Consent) != 2 || again.View.Restart != "sealed" {
				t.Fatalf("%s: got %v", at, again)
			}
		}
		if n := w.commits(); n != 0 {
			t.Errorf("%d commits for looking", n)
		}
		twin := b.clone()
		if got := b.submit(p, "action", "consent_allow", "consent", "email").answer(t); fmt.Sprint(got.Approved) != "[email]" {
			t.Errorf("approved %v", got.Approved)
		}
		if n := w.commits(); n != 1 {
			t.Errorf("%d commits", n)
		}
		// The other answer, from the page that still lies open, and by the button back.
		if got := twin.submit(p, "action", "consent_deny").answer(t); fmt.Sprint(got.Approved) != "[email]" {
			t.Errorf("approved %v by a second answer", got.Approved)
		}
		if n := w.commits(); n != 1 {
			t.Errorf("%d commits", n)
		}
	})
}

// commits is how many steps the store has done since it was told to forget.
func (w *world) commits() (n int) {
	for _, c := range w.faults.Calls() {
		if c.Method == storetest.MethodApply {
			n++
		}
	}
	return n
}

// Of answers at once one counts.
func TestDraftAnsweredAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p, path := b.asked(directory.ConsentItem{ID: "email"}, directory.ConsentItem{ID: "phone"})
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for i := range 20 {
			twin := b.clone()
			wg.Go(func() {
				got := twin.submit(p, "action", "consent_allow", "consent", []string{"email", "phone"}[i%2])
				mu.Lock()
				defer mu.Unlock()
				if got.Result == nil {
					t.Errorf("got %v", got)
					return
				}
				seen[fmt.Sprint(got.Result.Approved)]++
			})
		}
		wg.Wait()
		if len(seen) != 1 {
			t.Errorf("answers: %v", seen)
		}
		if got := b.get(path).answer(t); seen[fmt.Sprint(got.Approved)] != 20 {
			t.Errorf("in the end %v, before %v", got.Approved, seen)
		}
	})
}

// What was sealed for one flow and one browser opens no other, and nothing else opens at all.
func TestAttackDraftForged(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b, eve := w.browser(), w.browser()
		p, _ := b.asked(directory.ConsentItem{ID: "email"})
		hers, _ := eve.asked(directory.ConsentItem{ID: "email"}, directory.ConsentItem{ID: "everything"})
		mine, theirs := query(t, p.View.Submit), query(t, hers.View.Submit)
		with := func(flow, draft string) string {
			return "/t/flow/consent?" + url.Values{"flow": {flow}, "draft": {draft}}.Encode()
		}
		sealed := mine.Get("draft")
		for what, c := range map[string]struct {
			target string
			status int
		}{
			"none":                  {"/t/flow/consent?flow=" + mine.Get("flow"), 404},
			"empty":                 {with(mine.Get("flow"), ""), 404},
			"altered":               {with(mine.Get("flow"), sealed[:len(sealed)-2]+"AA"), 404},
			"cut short":             {with(mine.Get("flow"), sealed[:len(sealed)-4]), 404},
			"of another flow":       {with(mine.Get("flow"), theirs.Get("draft")), 404},
			"for another flow":      {with(theirs.Get("flow"), sealed), 404},
			"of another browser":    {hers.View.Submit, 403},
			"something else sealed": {with(mine.Get("flow"), string(w.db.Keys().Seal([]byte("{}"), "x"))), 404},
			"odd flow":              {with("x", sealed), 404},
		} {
			form := fill(p.View, "action", "consent_allow", "consent", "email")
			form.Del("restart")
			if u := query(t, c.target); u.Get("flow") != "" {
				form.Set("flow", u.Get("flow"))
			}
			for _, got := range []page{b.do(http.MethodGet, c.target, nil), b.do(http.MethodPost, c.target, form)} {
				if got.Status != c.status || got.View != nil {
					t.Errorf("%s: got %v, want %d", what, got, c.status)
				}
			}
		}
		b.submit(p, "action", "consent_allow").answer(t)
	})
}

func query(t *testing.T, target string) url.Values {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// A page of consent gets too old like any other, and what it rests on is read when it is answered.
func TestAttackDraftOutlived(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p, _ := b.asked(directory.ConsentItem{ID: "email"})
		w.must(w.Sessions.End(t.Context(), b.session(), "test"))
		if got := b.submit(p, "action", "consent_allow"); got.Result == nil || got.Result.Refusal != directory.LoginRequired {
			t.Errorf("after the session: %v", got)
		}
		b = w.browser()
		p, _ = b.asked(directory.ConsentItem{ID: "email"})
		w.advance(30 * time.Minute)
		for _, got := range []page{b.get(p.View.Submit), b.submit(p, "action", "consent_allow")} {
			if got.Status != 404 {
				t.Errorf("after half an hour: %v", got)
			}
		}
	})
}

// What does not fit into a URL is written beforehand.
func TestDraftTooLong(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		var items []directory.ConsentItem
		for i := range 60 {
			items = append(items, directory.ConsentItem{ID: fmt.Sprintf("item-%d", i), Title: strings.Repeat("x", 100)})
		}
		p, path := b.asked(items...)
		if len(p.View.Submit) > 200 {
			t.Errorf("the page is at %d bytes", len(p.View.Submit))
		}
		if got := b.submit(p, "action", "consent_allow", "consent", "item-7").answer(t); len(got.Approved) != 1 {
			t.Errorf("got %v", got)
		}
		b.get(path).answer(t)
	})
}
