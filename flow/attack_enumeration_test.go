package flow_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// watchedUsers is a user store that counts how often a password is compared, and with whose.
type watchedUsers struct {
	directory.Users
	name string

	mu       sync.Mutex
	compared []string // usernames; "" for nobody
}

func (u *watchedUsers) Capabilities() directory.Capabilities {
	c := u.Users.Capabilities()
	if u.name != "" {
		c = directory.Capabilities{Name: u.name}
	}
	return c
}

func (u *watchedUsers) VerifyPassword(ctx context.Context, user *directory.User, pass string) (bool, error) {
	name := ""
	if user != nil {
		name = user.Username
	}
	u.mu.Lock()
	u.compared = append(u.compared, name)
	u.mu.Unlock()
	return u.Users.VerifyPassword(ctx, user, pass)
}

// watch builds a world whose user store is watched; a name makes it one of the host's own, which Signet only reads.
func watch(t *testing.T, open opener, name string) (*world, *watchedUsers) {
	t.Helper()
	users := &watchedUsers{}
	w := open(t, func(_ *flow.Config, d *directory.Config) {
		plain, err := directory.New(*d)
		if err != nil {
			t.Fatal(err)
		}
		users.Users, d.Users = plain.Users, users
	})
	w.user("ann")
	users.name = name
	return w, users
}

// shown is everything that an answer tells the browser, without what differs in every flow and without the name that was typed.
func shown(p page, typed string) string {
	text := p.String() + "|" + p.Location
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range p.Header {
			if !yield(name) {
				return
			}
		}
	}) {
		text += "|" + name + ": " + strings.Join(p.Header[name], ",")
	}
	if p.View != nil {
		prompt := p.View.Prompt
		for _, f := range prompt.Fields {
			text += "|" + f.Name + "=" + strings.ReplaceAll(f.Value, typed, "TYPED") + f.Problem.ID
		}
		for _, a := range prompt.Actions {
			text += "|" + a.Name
		}
		text += "|" + p.View.Person + prompt.Title.ID + prompt.Intro.ID
	}
	return text
}

// calls is what a world's store was asked since Forget. The event of a lock is left out: only the account of somebody has one. It
// is one more row in a commit that is made in any case.
func calls(w *world) []string {
	var list []string
	for _, c := range w.faults.Calls() {
		text := string(c.Method) + " " + c.Kind.Name
		for _, op := range c.Ops {
			if op.Record.Kind.Name != "store.event" {
				text += " " + op.Verb.String() + ":" + op.Record.Kind.Name
			}
		}
		list = append(list, text)
	}
	return list
}

// Whoever may not sign in gets the same answers as somebody who mistypes: the same pages, headers and cookies, the same calls
// of the store, one comparison of a password each, through the lock and beyond.
func TestAttackEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		const tries = 7 // five that count, two under the lock
		nothing := func(*world, *browser) {}
		attempts := func(name, pass string, prepare func(*world, *browser)) (seen []string) {
			w, users := watch(t, open, "")
			b := w.browser()
			_, err := w.FindUser(t.Context(), "", "nobody") // so that all begin with the same settings in memory
			if !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			prepare(w, b)
			p := b.get(w.request(directory.Interaction{}))
			w.advance(2 * time.Second) // settings that were read before are read again
			for range tries {
				users.compared = nil
				w.faults.Forget()
				p = b.login(p, name, pass)
				if n := len(users.compared); n != 1 {
					t.Errorf("%s: %d passwords compared", name, n)
				}
				seen = append(seen, shown(p, name)+"\n"+strings.Join(calls(w), "\n"))
			}
			return seen
		}
		disable := func(w *world, _ *browser) { w.must(w.Subjects.Disable(t.Context(), w.mustFind("ann").Ref())) }
		known := func(w *world, b *browser) {
			b.signIn("ann")
			b.forget("session")
			b.forget("flow")
		}
		// The browser has a device cookie in one half of the cases, which costs a read in all of these alike.
		for _, device := range []bool{false, true} {
			with := func(prepare func(*world, *browser)) func(*world, *browser) {
				return func(w *world, b *browser) {
					if device {
						known(w, b)
					}
					prepare(w, b)
				}
			}
			want := attempts("ann", "wrong", with(nothing))
			for name, got := range map[string][]string{
				"nobody":             attempts("bob", "wrong", with(nothing)),
				"disabled, right":    attempts("ann", goodPassword, with(disable)),
				"disabled, wrong":    attempts("ann", "wrong", with(disable)),
				"in capital letters": attempts("ANN", "wrong", with(nothing)),
				"without a password": attempts("cid", "wrong", with(func(w *world, _ *browser) {
					w.must(w.CreateUser(t.Context(), &directory.User{Username: "cid"}, ""))
				})),
				"deleted": attempts("ann", goodPassword, with(func(w *world, _ *browser) { w.must(w.DeleteUser(t.Context(), w.mustFind("ann"))) })),
			} {
				if !slices.Equal(got, want) {
					t.Errorf("device %v, %s:\n%s\nwrong password:\n%s", device, name, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			// An e-mail address is looked for under two names, whether anybody has it or not.
			mine, nobodys := attempts("ann@example.com", "wrong", with(nothing)), attempts("bob@example.com", "wrong", with(nothing))
			if !slices.Equal(mine, nobodys) {
				t.Errorf("device %v, e-mail:\n%s\nnobody's:\n%s", device, strings.Join(mine, "\n"), strings.Join(nobodys, "\n"))
			}
		}
	})
}

// A person of a host's own table who was never here before has no Subject. Guessing at them writes none: neither can it be told
// who is in the table, nor does a stranger make records.
func TestAttackFirstContact(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		guess := func(name string) (string, []string) {
			w, _ := watch(t, open, "crm")
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			w.advance(2 * time.Second)
			w.faults.Forget()
			p = b.login(p, name, "wrong")
			return shown(p, name), calls(w)
		}
		annPage, annCalls := guess("ann")
		bobPage, bobCalls := guess("bob")
		if annPage != bobPage || !slices.Equal(annCalls, bobCalls) {
			t.Errorf("in the table:\n%s\n%s\nnot in it:\n%s\n%s", annPage, strings.Join(annCalls, "\n"), bobPage, strings.Join(bobCalls, "\n"))
		}
		w, _ := watch(t, open, "crm")
		w.guess("ann", 5)
		if p := w.browser(); p.login(p.get(w.request(directory.Interaction{})), "ann", goodPassword).message() != "password.wrong" {
			t.Error("five guesses at somebody who was never here do not lock the account")
		}
		w.advance(5 * time.Minute)
		b := w.browser()
		if got := b.signIn("ann"); got.Subject != w.SubjectRef(w.mustFind("ann")) {
			t.Errorf("signed in as %v", got.Subject)
		}
	})
}

// While an account is locked or disabled its password is not compared at all, so that nothing which follows from a right one, as
// hashing it anew, can be seen in time or in the store.
func TestAttackPasswordOracleUnderLock(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for name, prepare := range map[string]func(*world){
			"locked": func(w *world) { w.guess("ann", 5) },
			"disabled": func(w *world) {
				w.guess("ann", 1)
				w.must(w.Subjects.Disable(t.Context(), w.mustFind("ann").Ref()))
			},
		} {
			w, users := watch(t, open, "")
			outdate(w)
			prepare(w)
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			var made [2][]string
			for i, pass := range []string{"wrong", goodPassword} {
				users.compared = nil
				w.advance(2 * time.Second)
				w.faults.Forget()
				if p = b.login(p, "ann", pass); p.message() != "password.wrong" {
					t.Fatalf("%s: got %v", name, p)
				}
				if made[i] = calls(w); !slices.Equal(users.compared, []string{""}) {
					t.Errorf("%s: compared with the password of %q", name, users.compared)
				}
			}
			if !slices.Equal(made[0], made[1]) {
				t.Errorf("%s: a wrong password:\n%s\nthe right one:\n%s", name, strings.Join(made[0], "\n"), strings.Join(made[1], "\n"))
			}
		}
	})
}

// outdate leaves ann with a hash of costs that are no longer ours, which a successful comparison replaces.
func outdate(w *world) {
	w.Helper()
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 128, Time: 1, Threads: 1}})
	w.must(err)
	old, err := directory.New(directory.Config{DB: w.db, Hasher: hasher})
	w.must(err)
	ann := w.mustFind("ann")
	w.must(old.SetPassword(w.Context(), ann, goodPassword))
	before := credentialVersion(w, ann)
	w.browser().signIn("ann")
	if credentialVersion(w, ann) == before {
		w.Fatal("an outdated hash was not replaced: the test proves nothing")
	}
	w.must(old.SetPassword(w.Context(), ann, goodPassword))
}

func credentialVersion(w *world, u *directory.User) int64 {
	w.Helper()
	list, err := w.Credentials.List(w.Context(), u.Ref())
	w.must(err)
	for _, c := range list {
		if c.Type == directory.PasswordCredential {
			return c.Version
		}
	}
	return 0
}

// Time tells nothing either: the medians of interleaved attempts at somebody and at nobody are close. That the work is the same
// is held exactly by TestAttackEnumeration; this is for what calls do not show.
//
// Not parallel: it measures time.
func TestAttackTiming(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures time")
	}
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 4 << 10, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	w := together(t, func(_ *flow.Config, d *directory.Config) {
		d.Hasher = hasher
		d.Lock = directory.LockPolicy{Failures: 100}
		d.Throttle.Password = []directory.Limit{{Count: 1_000_000, Per: time.Hour}}
	})
	w.user("ann")
	ratio := 0.0
	for range 3 { // the machine may have had something else to do; a difference of ours is there each time
		if ratio = w.compareTimes("ann", "bob"); ratio > 0.6 && ratio < 1.7 {
			return
		}
	}
	t.Errorf("somebody takes %.2f times as long as nobody", ratio)
}

// compareTimes returns the ratio of the medians of wrong attempts at two names, made in turn.
func (w *world) compareTimes(names ...string) float64 {
	w.Helper()
	const rounds = 41
	var took [2][]time.Duration
	b := w.browser()
	p := b.get(w.request(directory.Interaction{}))
	for i := range 2 * rounds {
		form := fill(p.View, "username", names[i%2], "password", "wrong")
		start := time.Now()
		p = b.do(http.MethodPost, p.View.Submit, form)
		took[i%2] = append(took[i%2], time.Since(start))
		if p.message() != "password.wrong" {
			w.Fatalf("got %v", p)
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return float64(took[0][rounds/2]) / float64(took[1][rounds/2])
}

// A failing store is no way to tell either, and never lets anybody in: the answer is 503 for everybody alike.
func TestAttackFaultsTellNothing(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		outcomes := func(name string) (seen []string) {
			for n := 1; n <= 12; n++ {
				w := open(t)
				w.user("ann")
				b := w.browser()
				p := b.get(w.request(directory.Interaction{}))
				w.advance(2 * time.Second)
				w.faults.FailCall(n, nil)
				got := b.login(p, name, "wrong")
				w.faults.Heal()
				if b.cookie("session") != "" || got.Result != nil {
					t.Fatalf("%s, call %d: got %v", name, n, got)
				}
				seen = append(seen, got.String())
			}
			return seen
		}
		if ann, bob := outcomes("ann"), outcomes("bob"); !slices.Equal(ann, bob) {
			t.Errorf("somebody:\n%s\nnobody:\n%s", strings.Join(ann, "\n"), strings.Join(bob, "\n"))
		}
	})
}
