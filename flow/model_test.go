package flow_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// dice is a small generator of repeatable randomness (Marsaglia's xorshift64).
type dice uint64

func (d *dice) roll(sides int) int {
	*d ^= *d << 13
	*d ^= *d >> 7
	*d ^= *d << 17
	return int(uint64(*d>>11) % uint64(sides))
}

func pick[T any](d *dice, from []T) T { return from[d.roll(len(from))] }

// proof is something that a browser has really shown about somebody.
type proof struct {
	browser        *browser
	person, method string
}

// model knows what has been proven and what was asked, and so which answers are allowed.
type model struct {
	*world
	dice     dice
	browsers []*browser
	seeds    map[string][]byte // by username
	names    map[string]string // by subject id
	proven   map[proof]time.Time
	asked    []asked
	seen     []seen
	wins     int
}

type asked struct {
	path    string
	in      directory.Interaction
	browser *browser
	began   time.Time
}

type seen struct {
	page    page
	browser *browser
}

// Whatever is posted, in whatever order, from whichever browser: there is no success without the target assurance, shown in
// that browser, by that person.
func TestRandomPosts(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		m := newModel(newWorld(t, p), dice(1031+len(p.Name)))
		for range 2000 {
			m.step()
		}
		if m.wins < 50 {
			t.Errorf("only %d successes in 2000 steps: the walk proves nothing", m.wins)
		}
	})
}

func newModel(w *world, d dice) *model {
	m := &model{
		world: w, dice: d, seeds: map[string][]byte{}, names: map[string]string{},
		proven: map[proof]time.Time{},
	}
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Throttle, "", "",
		directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottlePassword, directory.ThrottleFlow}}))
	for _, name := range []string{"ann", "bob", "cid"} {
		u := w.user(name)
		m.names[u.ID] = name
		if name != "cid" {
			m.seeds[name] = w.totp(u)
		}
	}
	for range 3 {
		m.browsers = append(m.browsers, w.browser())
	}
	w.advance(2 * time.Second)
	return m
}

func (m *model) step() {
	m.Helper()
	switch m.dice.roll(12) {
	case 0, 1:
		m.open()
	case 2:
		m.advance(time.Duration(m.dice.roll(40)) * time.Second)
	case 3:
		if len(m.asked) > 0 {
			a := pick(&m.dice, m.asked)
			m.look(pick(&m.dice, m.browsers), a)
		}
	default:
		if len(m.seen) > 0 {
			m.post()
		}
	}
	if len(m.seen) > 40 {
		m.seen = m.seen[20:]
	}
}

func (m *model) open() {
	b := pick(&m.dice, m.browsers)
	in := directory.Interaction{Cancelable: m.dice.roll(2) == 0, Reauthenticate: m.dice.roll(3) == 0}
	if m.dice.roll(2) == 0 {
		in.ACR, in.EssentialACR = []string{directory.ACR2}, true
	}
	if m.dice.roll(3) == 0 {
		in.Consent = []directory.ConsentItem{{ID: "email"}}
	}
	if m.dice.roll(6) == 0 {
		in.MaxAge = age(time.Duration(m.dice.roll(60)) * time.Second)
	}
	a := asked{m.request(in), in, b, m.Now()}
	m.asked = append(m.asked, a)
	m.look(b, a)
}

// look opens a request, mostly in its own browser.
func (m *model) look(b *browser, a asked) {
	m.Helper()
	if m.dice.roll(4) > 0 {
		b = a.browser
	}
	m.judge(b, b.get(a.path))
}

// post answers a page that somebody has seen, however old, with something.
func (m *model) post() {
	m.Helper()
	s := m.seen[len(m.seen)-1-m.dice.roll(min(len(m.seen), 6))]
	b := s.browser
	if m.dice.roll(10) == 0 {
		b = pick(&m.dice, m.browsers)
	}
	name := pick(&m.dice, []string{"ann", "bob", "cid", "nobody"})
	values := []string{}
	for _, f := range s.page.View.Prompt.Fields {
		value := ""
		switch right := m.dice.roll(4) > 0; {
		case f.Name == "username":
			value = name
		case f.Name == "password" && right && name != "nobody":
			value = goodPassword
			m.proven[proof{b, name, "password"}] = m.Now()
		case f.Name == "otp" && right:
			value = m.answer(b, s.page)
		case f.Name != "remember":
			value = "000000"
		}
		values = append(values, f.Name, value)
	}
	action := pick(&m.dice, s.page.View.Prompt.Actions).Name
	if action == "cancel" && m.dice.roll(4) > 0 {
		action = ""
	}
	m.judge(b, b.submit(s.page, append(values, "action", action)...))
}

// answer is the code of somebody's app, and a note that this browser has shown it.
func (m *model) answer(b *browser, p page) string {
	name := p.View.Person
	seed := m.seeds[name]
	if p.step() == "totp-enroll" {
		seed = decode(m.T, p.View.Prompt.QRText)
		m.seeds[name] = seed
	}
	if seed == nil {
		name = pick(&m.dice, []string{"ann", "bob"})
		seed = m.seeds[name]
	}
	m.proven[proof{b, name, "totp"}] = m.Now()
	return m.code(seed)
}

// judge checks an answer against what was asked and proven.
func (m *model) judge(b *browser, p page) {
	m.Helper()
	switch {
	case p.View != nil:
		m.seen = append(m.seen, seen{p, b})
		return
	case p.Result == nil && (p.Failure == nil || p.Failure.Code != "flow_foreign" && p.Failure.Code != "flow_expired" && p.Failure.Code != "invalid_request"):
		m.Fatalf("got %v", p)
	case p.Result == nil || p.Result.Refusal != "":
		return
	}
	m.wins++
	a := m.asked[slices.IndexFunc(m.asked, func(a asked) bool { return strings.HasSuffix(p.from, a.path) })]
	name := m.names[p.Result.Subject.ID]
	reached := directory.Assess(p.Result.Evidence)
	if reached.ACR == "" || a.in.EssentialACR && !reached.Satisfies(directory.ACR2) {
		m.Fatalf("%+v answered with %+v", a.in, p.Result)
	}
	if len(a.in.Consent) > 0 && p.Result.Approved == nil {
		m.Fatalf("no consent: %+v", p.Result)
	}
	for _, e := range p.Result.Evidence {
		if _, ok := m.proven[proof{b, name, e.Method}]; !ok || e.Subject != p.Result.Subject.ID {
			m.Fatalf("%s has not shown a %s in this browser: %+v", name, e.Method, p.Result)
		}
		if a.in.Reauthenticate && e.Time.Before(a.began) {
			m.Fatalf("an old %s for a request that wants a fresh one: %+v", e.Method, p.Result)
		}
		if a.in.MaxAge != nil && e.Method == "password" && a.began.Sub(e.Time) > *a.in.MaxAge {
			m.Fatalf("a %s of %v for max_age %v", e.Method, e.Time, *a.in.MaxAge)
		}
	}
}
