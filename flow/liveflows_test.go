package flow_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// flows is how many flows a browser says that it has under way.
func (b *browser) flows() int {
	for name, value := range b.cookies {
		if strings.HasSuffix(name, "-flows") {
			return len(strings.Split(value, ":"))
		}
	}
	return 0
}

// open counts the pages that are still those of their flows.
func (b *browser) open(pages []page) (n int) {
	b.Helper()
	for _, p := range pages {
		if again := b.do(http.MethodGet, p.View.Submit, nil); again.View != nil {
			n++
		}
	}
	return n
}

// A browser that is sent here without end, as by a page that keeps calling, leaves no more behind than a few flows: what nobody has
// answered goes first, so that nobody is thrown out who is signing in meanwhile.
func TestAttackFlowsOfOneBrowser(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.MaxFlows = 5 })
		w.totp(w.user("ann"))
		b := w.browser()
		began := b.login(b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true})), "ann", goodPassword)
		if began.step() != "totp" {
			t.Fatalf("got %v", began)
		}
		var pages []page
		for range 40 {
			pages = append(pages, b.get(w.request(directory.Interaction{})))
		}
		if n := b.open(pages); n != 4 || b.flows() != 5 {
			t.Errorf("%d of the flows live, and the browser keeps %d", n, b.flows())
		}
		if b.open(pages[36:]) != 4 || b.open([]page{began}) != 1 {
			t.Error("what was forgotten is not the oldest that nobody has answered")
		}
		// Whoever has an answer in each of them loses the oldest.
		var answered []page
		for range 6 {
			answered = append(answered, b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "nobody", "wrong"))
			w.advance(time.Minute)
		}
		if b.open(answered) != 5 || b.open(answered[1:]) != 5 || b.open([]page{began}) != 0 {
			t.Errorf("%d of the answered live", b.open(answered))
		}
	})
}

// Whoever fills in a form loses it to no page elsewhere that keeps sending their browser here, nor does who has tabs open that they have come to.
func TestAttackFlowsPushedOut(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.MaxFlows = 5 })
		b := w.browser()
		comes := func(site, user string) page {
			return b.follow(b.do(http.MethodGet, w.request(directory.Interaction{}), nil, func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", site)
				if user != "" {
					r.Header.Set("Sec-Fetch-User", user)
				}
			}))
		}
		own := []page{comes("none", ""), comes("cross-site", "?1"), comes("same-origin", ""), comes("", "")}
		var pushed []page
		for range 20 {
			pushed = append(pushed, comes("cross-site", ""), comes("same-site", ""))
		}
		if b.open(own) != 4 || b.open(pushed) != 1 || b.open(pushed[39:]) != 1 {
			t.Errorf("%d of those live that somebody has come for, and %d others", b.open(own), b.open(pushed))
		}
		own = append(own, comes("none", "")) // which takes the place of what was pushed
		if b.open(own) != 5 || b.open(pushed) != 0 {
			t.Errorf("%d of those live that somebody has come for, and %d others", b.open(own), b.open(pushed))
		}
		for range 20 {
			comes("cross-site", "")
		}
		if b.open(own) != 4 || b.open(own[1:]) != 4 {
			t.Errorf("%d of those live that somebody has come for, of which one might be lost", b.open(own))
		}
	})
}

// The cookie that names flows is the browser's word, and good for nothing but its own.
func TestAttackForeignFlowForgotten(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.MaxFlows = 1 })
		victim, mallory := w.browser(), w.browser()
		p := victim.get(w.request(directory.Interaction{}))
		mallory.get(w.request(directory.Interaction{}))
		name := ""
		for cookie := range mallory.cookies {
			if strings.HasSuffix(cookie, "-flows") {
				name = cookie
			}
		}
		for _, value := range []string{
			victim.cookies[name], strings.Repeat(victim.cookies[name]+":", 50), "", ":", ".", strings.Repeat("x", 4000), "%ff.zz", p.View.Flow + ".-1",
		} {
			mallory.cookies[name] = value
			if got := mallory.get(w.request(directory.Interaction{})); got.View == nil || mallory.flows() != 1 {
				t.Errorf("%.20q: got %v with %d flows", value, got, mallory.flows())
			}
		}
		if victim.open([]page{p}) != 1 {
			t.Error("somebody else's flow was forgotten")
		}
	})
}

func TestFinishedFlowsMakeRoom(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.MaxFlows = 2 })
		w.user("ann")
		b := w.browser()
		first := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		for range 3 {
			b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword).answer(t)
		}
		if b.flows() != 1 || b.open([]page{first}) != 1 {
			t.Errorf("%d flows are kept", b.flows())
		}
		w.advance(31 * time.Minute)
		b.get(w.request(directory.Interaction{Reauthenticate: true}))
		if b.flows() != 1 {
			t.Errorf("%d flows are kept, expired ones among them", b.flows())
		}
	})
}

func TestMaxFlowsOutOfRange(t *testing.T) {
	t.Parallel()
	w := together(t)
	config := w.config
	for _, n := range []int{-1, 51} {
		config.MaxFlows = n
		if _, err := flow.New(config); err == nil || !strings.Contains(err.Error(), "MaxFlows") {
			t.Errorf("%d: got %v", n, err)
		}
	}
}
