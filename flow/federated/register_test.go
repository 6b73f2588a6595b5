package federated_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// mailbox takes messages, and has the last code.
type mailbox struct {
	mu   sync.Mutex
	code string
}

// Send implements notify.Outbox.
func (m *mailbox) Send(b *store.Batch, sent notify.Message) error {
	b.Then(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.code = sent.Params[notify.Code]
	})
	return nil
}

// Reaches implements notify.Outbox.
func (*mailbox) Reaches(notify.Channel) bool { return true }

const familyName = "http://wso2.org/claims/lastname"

// drawn has a registration that was drawn, in which people sign up upstream or by their address.
func drawn(t *testing.T, p storetest.Placement, edit ...func(*federated.Connection)) *program {
	t.Helper()
	x := &program{transport: execute.New(execute.Config{})}
	x.world = newWorld(t, p, flow.Login("password", "up"), append([]func(*federated.Connection){func(c *federated.Connection) {
		c.ProgramURL = programURL
	}}, edit...)...)
	x.must(directory.Set(t.Context(), x.Settings, x.Settings.Registration, "", "", directory.RegistrationPolicy{
		Enabled: true, SignIn: true, LinkLife: time.Hour, CodeLife: time.Minute, Code: directory.CodeForm{Length: 6},
	}))
	source, err := builder.New(builder.Config{DB: x.db, Directory: x.Directory, Connections: []builder.Connection{{Name: "up", Title: "Upstream Inc."}}})
	x.must(err)
	text, err := os.ReadFile("../builder/testdata/provider.json")
	x.must(err)
	x.must(source.Put(t.Context(), "", text))
	x.must(source.Configure(t.Context(), "", builder.Registration, true, nil))
	x.advance(2 * time.Second)
	x.rebuild(func(c *flow.Config) {
		c.Execution, c.Source, c.Messages, c.Plans["register"] = x.transport, source, &mailbox{}, flow.Registration()
	})
	return x
}

// away begins the registration, and goes to the provider.
func (x *program) away() told {
	x.Helper()
	x.flow = x.post(map[string]any{"flowType": "REGISTRATION"}).FlowID
	return x.press("up")
}

// press presses a button, with values: identifier, value.
func (x *program) press(button string, pairs ...string) told {
	x.Helper()
	inputs := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		inputs[pairs[i]] = pairs[i+1]
	}
	return x.post(map[string]any{"flowId": x.flow, "actionId": button, "inputs": inputs})
}

// Somebody signs up at a provider, is asked for what is missing, and has an account that is linked, with the address that the provider has verified.
func TestSignUpInDrawing(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		x := drawn(t, p)
		app := &directory.Application{Name: "App"}
		x.must(x.Applications.Create(t.Context(), app))
		x.flow = x.post(map[string]any{"flowType": "REGISTRATION", "applicationId": app.ID}).FlowID
		a := x.press("up")
		if a.Type != "REDIRECTION" {
			t.Fatalf("got %s", a.text)
		}
		a = x.bring(x.visits(a.Data.RedirectURL))
		if a.Type != "VIEW" || strings.Join(a.Data.RequiredParams, " ") != familyName || x.people() != 0 {
			t.Fatalf("got %s", a.text)
		}
		if a = x.press("done", familyName, "Lee"); a.FlowStatus != "COMPLETE" || a.Data.UserAssertion == "" {
			t.Fatalf("got %s", a.text)
		}
		user, err := x.FindUser(t.Context(), "", "ann@example.com")
		x.must(err)
		links, err := x.connections.Links(t.Context(), x.SubjectRef(user))
		if err != nil || len(links) != 1 || !user.EmailVerified || user.FamilyName != "Lee" || user.Name != "Ann Upstream" {
			t.Errorf("%+v, links %v, %v", user, links, err)
		}
		b := x.browser()
		if got := b.isIn(b.signIn()); got.ID != user.ID {
			t.Errorf("signed in as %+v", got)
		}
	})
}

// In a browser the button of a drawing leads out at once, and who comes back is signed in at the end.
func TestSignUpInBrowser(t *testing.T) {
	t.Parallel()
	x := drawn(t, storetest.Placement{Driver: memory.New()})
	x.in.CreateAccount = true
	b := x.browser()
	p := b.press(b.begin(), "to_up", "email", "eve@example.com")
	to, ok := strings.CutPrefix(p.header.Get("Refresh"), "0;url=")
	if !ok {
		t.Fatalf("no way out: %d at %s\n%s", p.status, p.at, p.body)
	}
	p = b.press(b.open(to), "continue", "family_name", "Lee")
	if user := b.isIn(p); user.Email != "ann@example.com" || user.FamilyName != "Lee" {
		t.Errorf("got %+v", user)
	}
}

// Whoever takes their time over the forms after a login at the provider is no more freshly signed in by them.
func TestAttackSignUpIsNoFreshProof(t *testing.T) {
	t.Parallel()
	x := drawn(t, storetest.Placement{Driver: memory.New()})
	x.in.CreateAccount = true
	b := x.browser()
	p := b.press(b.begin(), "to_up", "email", "eve@example.com")
	to, ok := strings.CutPrefix(p.header.Get("Refresh"), "0;url=")
	if !ok {
		t.Fatalf("no way out: %d at %s\n%s", p.status, p.at, p.body)
	}
	p = b.open(to)
	shown := x.Now()
	x.advance(5 * time.Minute)
	p = b.press(p, "continue", "family_name", "Lee")
	b.isIn(p)
	if a := directory.Assess(p.result().Evidence); !a.AuthTime.Equal(shown) {
		t.Errorf("auth_time %v, shown at %v", a.AuthTime, shown)
	}
}

// A connection that was removed closes the registrations that were drawn with it: nobody is led into them, nor into another in their place, whoever is
// in one begins anew, and whoever watches learns of it. Where the connection is back, they are open again.
func TestSignUpConnectionRemoved(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		x := drawn(t, p)
		x.in.CreateAccount = true
		b := x.browser()
		open := b.begin()
		here := x.config.Source
		gone, err := builder.New(builder.Config{DB: x.db, Directory: x.Directory})
		x.must(err)
		var seen []string
		x.rebuild(func(c *flow.Config) {
			c.Source, c.Observer = gone, func(_ context.Context, o directory.Observation) {
				if o.Type == "plan.unavailable" {
					seen = append(seen, o.Code)
				}
			}
		})
		if a := x.post(map[string]any{"flowType": "REGISTRATION"}); a.status >= 500 || a.FlowID != "" || a.Code == "" {
			t.Errorf("a program: %d %s", a.status, a.text)
		}
		if r := x.browser().begin().result(); r == nil || r.Refusal != directory.RegistrationUnavailable {
			t.Errorf("a browser: %+v", r)
		}
		if p := b.press(open, "to_up", "email", "eve@example.com"); p.status != http.StatusNotFound || !strings.Contains(p.body, "flow_expired") {
			t.Errorf("in the midst of it: %d %s", p.status, p.body)
		}
		if !slices.Equal(seen, []string{"register", "register", "register"}) {
			t.Errorf("seen %+v", seen)
		}
		x.rebuild(func(c *flow.Config) { c.Source = here })
		if r := b.begin().result(); r != nil {
			t.Errorf("with the connection: %+v", r)
		}
	})
}

// Who says no at the provider may go back and choose another way.
func TestSignUpBack(t *testing.T) {
	t.Parallel()
	x := drawn(t, storetest.Placement{Driver: memory.New()})
	x.up.refuse = "access_denied"
	a := x.bring(x.visits(x.away().Data.RedirectURL))
	if a.message() != "federated.denied" || !strings.Contains(a.text, `"to_back:"`) {
		t.Fatalf("got %s", a.text)
	}
	if a = x.press("to_back:"); len(a.Data.RequiredParams) != 2 {
		t.Errorf("got %s", a.text)
	}
}

// Somebody who has an account is not signed up, nor signed in by it, and nobody's account is linked by what a stranger says upstream.
func TestAttackSignUpOfSomebodyKnown(t *testing.T) {
	t.Parallel()
	linksByEmail := func(c *federated.Connection) { c.LinkByEmail = true }
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		x := drawn(t, p, linksByEmail)
		victim := x.user("victim", "ann@example.com", true)
		if a := x.bring(x.visits(x.away().Data.RedirectURL)); a.message() != "federated.conflict" || a.FlowStatus != "INCOMPLETE" {
			t.Errorf("the address of somebody here: %s", a.text)
		}
		x.up.says("email_verified", false)
		x.bring(x.visits(x.away().Data.RedirectURL))
		a := x.press("done", familyName, "Lee")
		if a.FlowStatus != "COMPLETE" {
			t.Fatalf("got %s", a.text)
		}
		if found, err := x.FindUser(t.Context(), "", "ann@example.com"); err != nil || found.ID != victim.ID {
			t.Errorf("an address that nobody has verified was taken over: %+v, %v", found, err)
		}
		if links, err := x.connections.Links(t.Context(), x.SubjectRef(victim)); err != nil || len(links) != 0 {
			t.Errorf("the victim has links %v, %v", links, err)
		}
		if a = x.bring(x.visits(x.away().Data.RedirectURL)); a.message() != "federated.registered" || a.Data.UserAssertion != "" || x.people() != 2 {
			t.Errorf("somebody who has signed up: %s, %d people", a.text, x.people())
		}
	})
}

// Two flows, or two answers at once, make one account of one account upstream; and whoever is overtaken begins anew with nothing.
func TestAttackSignUpTwice(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		x := drawn(t, p)
		x.bring(x.visits(x.away().Data.RedirectURL))
		late := x.twin()
		late.bring(late.visits(late.away().Data.RedirectURL))
		var wg sync.WaitGroup
		var won atomic.Int64
		for range 4 {
			wg.Go(func() {
				if x.press("done", familyName, "Lee").FlowStatus == "COMPLETE" {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() == 0 || x.people() != 1 {
			t.Fatalf("%d successes, %d people", won.Load(), x.people())
		}
		a := late.press("done", familyName, "Eve")
		if a.message() != "federated.conflict" || x.people() != 1 || a.FlowStatus != "INCOMPLETE" {
			t.Errorf("overtaken: %s", a.text)
		}
		if a = late.press("done", familyName, "Eve"); a.Code == "" || x.people() != 1 {
			t.Errorf("afterwards: %s", a.text)
		}
	})
}

// What somebody has shown upstream is no proof of an address that they type, and does not stand in for a code.
func TestAttackSignUpWithAnotherAddress(t *testing.T) {
	t.Parallel()
	x := drawn(t, storetest.Placement{Driver: memory.New()})
	x.bring(x.visits(x.away().Data.RedirectURL))
	for _, body := range []map[string]string{
		{"http://wso2.org/claims/emailaddress": "victim@example.com", familyName: "Lee"}, {familyName: "Lee", "password": goodPassword},
	} {
		if a := x.post(map[string]any{"flowId": x.flow, "actionId": "done", "inputs": body}); a.Code != "FE-60008" {
			t.Errorf("%v: %s", body, a.text)
		}
	}
	if x.people() != 0 {
		t.Error("there is an account")
	}
}

// A store that fails at the end of a sign-up is 503; whoever sends the answer again has one account and one link.
func TestFailingStoreAtTheEndOfASignUp(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		x := drawn(t, storetest.Placement{Driver: memory.New()})
		x.bring(x.visits(x.away().Data.RedirectURL))
		x.faults.FailCall(n, nil)
		a := x.press("done", familyName, "Lee")
		reached := !x.faults.Waits()
		x.faults.Heal()
		if !reached {
			if n < 5 {
				t.Errorf("only %d calls could fail", n)
			}
			return
		}
		if a.FlowStatus != "COMPLETE" && a.status != http.StatusServiceUnavailable {
			t.Fatalf("call %d: %d %s", n, a.status, a.text)
		}
		if a.FlowStatus != "COMPLETE" {
			a = x.press("done", familyName, "Lee")
		}
		user, err := x.FindUser(t.Context(), "", "ann@example.com")
		if err != nil || a.FlowStatus != "COMPLETE" && a.Code != "FE-60001" || x.people() != 1 {
			t.Fatalf("call %d: afterwards %s, %v", n, a.text, err)
		}
		if links, err := x.connections.Links(t.Context(), x.SubjectRef(user)); err != nil || len(links) != 1 {
			t.Errorf("call %d: links %v, %v", n, links, err)
		}
	}
}

// Who has come from a provider, goes back and registers by their address gets the account of the address, and nothing of the other.
func TestAttackSignUpThatWasLeft(t *testing.T) {
	t.Parallel()
	x := drawn(t, storetest.Placement{Driver: memory.New()})
	box := &mailbox{}
	x.rebuild(func(c *flow.Config) { c.Messages = box })
	x.in.CreateAccount = true
	b := x.browser()
	p := b.press(b.begin(), "to_up")
	p = b.open(strings.TrimPrefix(p.header.Get("Refresh"), "0;url="))
	p = b.press(b.press(p, "back"), "register")
	p = b.press(p, "continue", "email", "zoe@example.com", "new_password", goodPassword)
	box.mu.Lock()
	code := box.code
	box.mu.Unlock()
	p = b.press(b.press(p, "login", "otp", code), "continue", "family_name", "Lee")
	user := b.isIn(p)
	links, err := x.connections.Links(t.Context(), x.SubjectRef(user))
	if err != nil || user.Email != "zoe@example.com" || user.Name != "" || len(links) != 0 || x.people() != 1 {
		t.Errorf("%+v, links %v, %v", user, links, err)
	}
}

// Where nothing is sent, people sign up at a provider all the same.
func TestSignUpWithoutMessages(t *testing.T) {
	t.Parallel()
	x := drawn(t, storetest.Placement{Driver: memory.New()})
	x.rebuild(func(c *flow.Config) { c.Messages = nil })
	x.bring(x.visits(x.away().Data.RedirectURL))
	if a := x.press("done", familyName, "Lee"); a.FlowStatus != "COMPLETE" {
		t.Errorf("got %s", a.text)
	}
}

// A connection at which nobody gets an account is none to sign up at.
func TestSignUpWithoutCreate(t *testing.T) {
	t.Parallel()
	x := newWorld(t, storetest.Placement{Driver: memory.New()}, flow.Login("password", "up"), func(c *federated.Connection) { c.Create = false })
	if x.connections.Executors()[federated.RegisterExecutor("up")] != nil {
		t.Error("there is a step")
	}
	if back, err := url.Parse(x.connections.RedirectURL("up")); err != nil || !strings.HasSuffix(back.Path, "/up") {
		t.Errorf("%v, %v", back, err)
	}
}
