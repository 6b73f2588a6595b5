package directory_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

type greeting struct {
	Text string `json:"text"`
	Loud bool   `json:"loud"`
}

var greetingKey = directory.SettingKey[greeting]{
	Name: "test.greeting", Default: greeting{Text: "hello", Loud: true},
	Validate: func(g greeting) error {
		if g.Text == "" {
			return errors.New("test: a greeting needs a text")
		}
		return nil
	},
}

func TestSettingsInherit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		resolve := func(org, app string) string {
			t.Helper()
			g, err := directory.Resolve(ctx, w.Settings, greetingKey, org, app)
			is(t, "resolve", err, nil)
			if g.Loud && g.Text != "hello" {
				t.Errorf("%q was merged with the default", g.Text)
			}
			return g.Text
		}
		set := func(org, app, text string) {
			t.Helper()
			is(t, "set", directory.Set(ctx, w.Settings, greetingKey, org, app, greeting{Text: text}), nil)
		}
		if got := resolve("a/b", "web"); got != "hello" {
			t.Errorf("the default is %q", got)
		}
		steps := []struct{ org, app, text string }{ // each nearer than the one before
			{"", "", "root"}, {"", "web", "root web"}, {"a", "", "a"}, {"a", "web", "a web"}, {"a/b", "", "b"}, {"a/b", "web", "b web"},
		}
		for _, s := range steps {
			set(s.org, s.app, s.text)
			if got := resolve("a/b", "web"); got != s.text {
				t.Errorf("after setting %q it is %q", s.text, got)
			}
		}
		for place, want := range map[[2]string]string{
			{"", ""}: "root", {"", "other"}: "root", {"a", "other"}: "a", {"a/c", "web"}: "a web", {"ab", "web"}: "root web", {"a/b", ""}: "b",
		} {
			if got := resolve(place[0], place[1]); got != want {
				t.Errorf("%v resolves to %q, want %q", place, got, want)
			}
		}
		for i := len(steps) - 1; i > 0; i-- {
			is(t, "unset", w.Settings.Unset(ctx, greetingKey.Name, steps[i].org, steps[i].app), nil)
			if got := resolve("a/b", "web"); got != steps[i-1].text {
				t.Errorf("after unsetting %q it is %q", steps[i].text, got)
			}
		}
		is(t, "unset where nothing is", w.Settings.Unset(ctx, greetingKey.Name, "nowhere", ""), nil)
		if n := count(w.events(t), "setting.changed"); n != 11 {
			t.Errorf("%d events, want 11 for 6 settings and 5 removals", n)
		}
		if err := directory.Set(ctx, w.Settings, greetingKey, "", "", greeting{}); err == nil {
			t.Error("an invalid value was set")
		}
	})
}

// TestSettingsStaleness holds what is promised to other nodes: a second, and no more.
func TestSettingsStaleness(t *testing.T) {
	t.Parallel()
	p := storetest.Placement{Driver: memory.New()}
	here := newWorld(t, p)
	there := newWorld(t, p)
	ctx := t.Context()
	text := func() string {
		g, err := directory.Resolve(ctx, here.Settings, greetingKey, "", "")
		is(t, "resolve", err, nil)
		return g.Text
	}
	text()
	is(t, "set elsewhere", directory.Set(ctx, there.Settings, greetingKey, "", "", greeting{Text: "new"}), nil)
	here.faults.Forget()
	here.advance(999 * time.Millisecond)
	if text(); len(here.faults.Calls()) != 0 {
		t.Error("a value that was read within the second was read again")
	}
	here.advance(time.Millisecond)
	if got := text(); got != "new" {
		t.Errorf("after a second it is still %q", got)
	}
	here.advance(-time.Hour)
	is(t, "set elsewhere", directory.Set(ctx, there.Settings, greetingKey, "", "", greeting{Text: "newer"}), nil)
	if got := text(); got != "newer" {
		t.Errorf("after the clock was put back it is still %q", got)
	}
}

func TestSettingsNeverCacheErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		is(t, "set", directory.Set(ctx, w.Settings, greetingKey, "", "", greeting{Text: "set"}), nil)
		w.faults.FailNext(storetest.MethodGet, nil)
		_, err := directory.Resolve(ctx, w.Settings, greetingKey, "", "")
		is(t, "with a failing store", err, storetest.ErrInjected)
		g, err := directory.Resolve(ctx, w.Settings, greetingKey, "", "")
		if err != nil || g.Text != "set" {
			t.Errorf("after the store healed: %v, %v", g, err)
		}
	})
}

func TestSettingsInParallel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 20 {
					is(t, "set", directory.Set(ctx, w.Settings, greetingKey, "", "", greeting{Text: "x"}), nil)
					_, err := directory.Resolve(ctx, w.Settings, greetingKey, "", "")
					is(t, "resolve", err, nil)
					is(t, "unset", w.Settings.Unset(ctx, greetingKey.Name, "", ""), nil)
					w.advance(time.Second)
				}
			})
		}
		wg.Wait()
	})
}

func TestPolicies(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if err := directory.Set(ctx, w.Settings, w.Settings.Session, "", "", directory.SessionPolicy{Idle: time.Hour}); !hasField(err, "remember") {
			t.Errorf("a policy with zero fields was set: %v", err)
		}
		throttle := directory.ThrottlePolicy{Password: []directory.Limit{{Count: 0, Per: time.Minute}}}
		if err := directory.Set(ctx, w.Settings, w.Settings.Throttle, "", "", throttle); !hasField(err, "password") {
			t.Errorf("a limit of nothing was set: %v", err)
		}
		is(t, "set", directory.Set(ctx, w.Settings, w.Settings.Password, "", "", directory.PasswordPolicy{MinLength: 20}), nil)
		if err := w.CheckPassword(ctx, &directory.User{Username: "ann"}, "only-19-characters-"); !hasField(err, "password") {
			t.Errorf("a short password was accepted: %v", err)
		}
	})
}

// What nobody would read is not stored.
func TestPoliciesOfAnApplication(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx, s := t.Context(), w.Settings
		before := len(w.events(t))
		for name, err := range map[string]error{
			"session":  directory.Set(ctx, s, s.Session, "", "web", directory.SessionPolicy{Idle: time.Hour, Remember: time.Hour, Max: time.Hour}),
			"lock":     directory.Set(ctx, s, s.Lock, "", "web", directory.LockPolicy{Failures: 3, Time: time.Minute, Ratio: 1, Max: time.Hour}),
			"throttle": directory.Set(ctx, s, s.Throttle, "", "web", directory.ThrottlePolicy{}),
			"password": directory.Set(ctx, s, s.Password, "", "web", directory.PasswordPolicy{MinLength: 12}),
		} {
			if !hasField(err, "application") || !strings.Contains(err.Error(), "directory."+name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		is(t, "branding", directory.Set(ctx, s, s.Branding, "", "web", directory.Branding{Name: "Web"}), nil)
		if n := len(w.events(t)) - before; n != 1 {
			t.Errorf("%d events, want that of the branding", n)
		}
	})
}

// No limit is the usual one, in a Config and when it is set; none at all has to be said.
func TestThrottlePolicyDefaults(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx, s := t.Context(), w.Settings
		admitted := func() (n int) {
			for n < 100 {
				b := w.db.Batch()
				pass, err := w.Throttle.Begin(ctx, b, "", directory.ThrottleSend, "192.0.2.1")
				is(t, "begin", err, nil)
				w.apply(t, b)
				if !pass.Admitted() {
					return n
				}
				n++
			}
			return n
		}
		for _, c := range []struct {
			policy directory.ThrottlePolicy
			want   int
		}{
			{directory.ThrottlePolicy{}, 10},
			{directory.ThrottlePolicy{Send: []directory.Limit{}}, 10},
			{directory.ThrottlePolicy{Send: []directory.Limit{{Count: 3, Per: time.Hour}}}, 3},
			{directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleAccount}}, 10},
			{directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleSend}}, 100},
		} {
			is(t, "set", directory.Set(ctx, s, s.Throttle, "", "", c.policy), nil)
			w.advance(time.Hour)
			if n := admitted(); n != c.want {
				t.Errorf("%+v admits %d, want %d", c.policy, n, c.want)
			}
		}
		if err := directory.Set(ctx, s, s.Throttle, "", "", directory.ThrottlePolicy{Off: []directory.Throttled{"everything"}}); !hasField(err, "off") {
			t.Errorf("got %v", err)
		}
	})
}

// What is admitted without a write: sixty at once, then one a second, for each address by itself.
func TestThrottleAdmit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		admit := func(what directory.Throttled, address string) time.Duration {
			t.Helper()
			wait, err := w.Throttle.Admit(t.Context(), "", what, address)
			is(t, "admit", err, nil)
			return wait
		}
		w.faults.Forget()
		for i := range 60 {
			if admit(directory.ThrottleFlow, "192.0.2.1") != 0 {
				t.Fatalf("number %d is refused", i)
			}
		}
		if wait := admit(directory.ThrottleFlow, "192.0.2.1"); wait != time.Second {
			t.Errorf("wait %v", wait)
		}
		for _, other := range []struct {
			what    directory.Throttled
			address string
		}{
			{directory.ThrottleRequest, "192.0.2.1"}, {directory.ThrottleFlow, "192.0.2.2"}, {directory.ThrottleFlow, "2001:db8::1"},
		} {
			if admit(other.what, other.address) != 0 {
				t.Errorf("%v pays for another", other)
			}
		}
		w.advance(2 * time.Second)
		for i, want := range []time.Duration{0, 0, time.Second} {
			if wait := admit(directory.ThrottleFlow, "192.0.2.1"); wait != want {
				t.Errorf("%d: wait %v, want %v", i, wait, want)
			}
		}
		w.advance(-time.Hour)
		if admit(directory.ThrottleFlow, "192.0.2.1") != 0 {
			t.Error("refused after the clock was put back")
		}
		for _, address := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", ""} {
			for range 200 {
				if admit(directory.ThrottleFlow, address) != 0 {
					t.Fatalf("%q is bounded", address)
				}
			}
		}
		for i := range 60_000 { // more addresses than are remembered
			admit(directory.ThrottleFlow, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		}
		for _, c := range w.faults.Calls() {
			if c.Method == storetest.MethodApply {
				t.Fatalf("it wrote %v", c)
			}
		}
	})
}

func TestBranding(t *testing.T) {
	t.Parallel()
	good := directory.Branding{
		Name: "Example", Logo: "https://cdn.example/logo.svg", Favicon: "/favicon.ico", SupportEmail: "help@example.com",
		PrivacyURL: "https://example.com/privacy?a=b", TermsURL: "/terms",
		Light: map[string]string{"accent": "#0b5fff", "radius": "0.5rem", "font": "system-ui, sans-serif", "shade": "rgb(0 0 0 / 50%)"},
	}
	is(t, "a good one", good.Validate(), nil)
	is(t, "an image in place", directory.Branding{Logo: "data:image/png;base64,AAAA"}.Validate(), nil)
	for _, u := range []string{
		"javascript:alert(1)", "JAVASCRIPT:alert(1)", "http://cdn.example/x.png", "//evil.example/x.png", `/\evil.example`, "/\t/evil.example",
		"https://user@evil.example", "https://", "data:text/html;base64,AAAA", "data:image/png;base64,AA'A", "/a\"b", "/a b", "/a;\nb",
		"data:image/png;base64," + strings.Repeat("A", 70<<10), "/<script>",
	} {
		if err := (directory.Branding{Logo: u}).Validate(); !hasField(err, "logo") {
			t.Errorf("logo %.40q is accepted", u)
		}
	}
	for _, v := range []string{
		"url(https://evil.example)", "red;}", "expression(alert(1))", "\\75rl(x)", "var(--x)", "@import", "'x'", "#12345", "", "</style>",
		"rgb(url(x))", strings.Repeat("a", 81),
	} {
		if err := (directory.Branding{Dark: map[string]string{"accent": v}}).Validate(); !hasField(err, "dark") {
			t.Errorf("token value %q is accepted", v)
		}
	}
	for _, name := range []string{"", "--accent", "a b", "Accent", "a:b"} {
		if err := (directory.Branding{Light: map[string]string{name: "red"}}).Validate(); !hasField(err, "light") {
			t.Errorf("token name %q is accepted", name)
		}
	}
}
