package flow_test

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
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
	asked    []*asked
	seen     []seen
	wins     int
	// begun is the session in which a flow has ended. It has one end, unless it reopens because its answer has become too old.
	begun   map[string]string
	reopens map[string]bool
	// box has the codes that were sent, and at has a request meet one node of several.
	box *outbox
	at  func(i int) func(*http.Request)
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

// stepsVariable says how many steps a walk has all in all; see docs/fuzzing.md.
const stepsVariable = "SIGNET_STEPS"

// walkSteps is how long one walk is: after that the world is full of sessions, and a new one finds more.
const walkSteps = 2000

// Whatever is posted, in whatever order, once or more often, from whichever browser, tab and page, however old, and at whichever node:
// there is no success without the target assurance, shown in that browser, by that person; and a flow ends once.
func TestRandomPosts(t *testing.T) {
	t.Parallel()
	steps, wins := 0, 0
	for i := range walksWanted(t) {
		storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
			m := newModel(t, p, dice(1031+1000*i+len(p.Name)))
			for range walkSteps {
				m.step()
			}
			steps, wins = steps+walkSteps, wins+m.wins
		})
	}
	if wins < steps/80 {
		t.Errorf("only %d successes in %d steps: the walk proves nothing", wins, steps)
	}
	t.Logf("%d steps, %d successes", steps, wins)
}

// walksWanted is how many walks, each in both placements, make as many steps as the environment asks for; one without it.
func walksWanted(t *testing.T) int {
	t.Helper()
	text := os.Getenv(stepsVariable)
	if text == "" {
		return 1
	}
	steps, err := strconv.Atoi(text)
	if err != nil || steps < 1 {
		t.Fatalf("%s is %q", stepsVariable, text)
	}
	return (steps + 2*walkSteps - 1) / (2 * walkSteps)
}

func newModel(t *testing.T, p storetest.Placement, d dice) *model {
	t.Helper()
	box := &outbox{}
	steps := flow.LoginSteps{First: []string{"password", "email-code"}, Second: []string{"totp", "email-code"}}
	w := newWorld(t, p, post(box, steps))
	m := &model{
		world: w, dice: d, seeds: map[string][]byte{}, names: map[string]string{},
		proven: map[proof]time.Time{}, begun: map[string]string{}, reopens: map[string]bool{}, box: box, at: w.nodes(2),
	}
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Throttle, "", "",
		directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottlePassword, directory.ThrottleFlow, directory.ThrottleSend}}))
	for _, name := range []string{"ann", "bob", "cid"} {
		add := w.user
		if name == "bob" {
			add = w.reachable
		}
		u := add(name)
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
	if len(m.asked) > 40 {
		m.asked = m.asked[20:]
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
	a := &asked{path: m.request(in), in: in, browser: b, began: m.Now()}
	m.asked = append(m.asked, a)
	m.look(b, a)
}

// look opens a request, mostly in its own browser.
func (m *model) look(b *browser, a *asked) {
	m.Helper()
	if m.dice.roll(4) > 0 {
		b = a.browser
	}
	p := b.get(a.path)
	if p.View != nil && a.in.MaxAge != nil {
		m.reopens[p.View.Flow] = true
	}
	m.judge(b, p)
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
	if slices.ContainsFunc(s.page.View.Prompt.Actions, func(a flow.Action) bool { return a.Name == "method_email-code" }) && m.dice.roll(8) == 0 {
		action = "method_email-code"
	}
	form := fill(s.page.View, append(values, "action", action)...)
	for more := true; more; more = m.dice.roll(5) == 0 { // once, or again and again, wherever it arrives
		node := m.at(m.dice.roll(2))
		answer := b.do(http.MethodPost, s.page.View.Submit, form, node)
		m.judge(b, b.follow(answer))
		if cookie := setCookie(answer, "session"); cookie != nil && cookie.MaxAge >= 0 {
			session, _, _ := strings.Cut(cookie.Value, ".")
			m.complete(s.page.View.Flow, session)
		}
	}
}

// complete notes in which session a flow has ended, which is once.
func (m *model) complete(flow, session string) {
	m.Helper()
	if before, ok := m.begun[flow]; ok && before != session && !m.reopens[flow] {
		m.Fatalf("a flow has ended in session %s, and now in %s", before, session)
	}
	m.begun[flow] = session
}

// answer is the code of somebody's app, and a note that this browser has shown it.
func (m *model) answer(b *browser, p page) string {
	if p.step() == "email-code" { // of whichever mail was the last
		letter := m.box.letter()
		name, _, _ := strings.Cut(letter.To, "@")
		m.proven[proof{b, name, directory.EmailCode}], m.proven[proof{b, name, directory.EmailSignIn}] = m.Now(), m.Now()
		return letter.Params[notify.Code]
	}
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
	i := slices.IndexFunc(m.asked, func(a *asked) bool { return strings.HasSuffix(p.from, a.path) })
	if i < 0 {
		return // of a request that was forgotten
	}
	m.wins++
	a := m.asked[i]
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
	}
	if a.in.MaxAge != nil && a.began.Sub(reached.AuthTime) > *a.in.MaxAge {
		m.Fatalf("a proof of %v for max_age %v", reached.AuthTime, *a.in.MaxAge)
	}
}
