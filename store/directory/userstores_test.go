package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

var errDown = errors.New("connection refused")

func TestUserStoresProblems(t *testing.T) {
	t.Parallel()
	named := func(name string) directory.UserStore { return directory.UserStore{Users: newShelf(name)} }
	registering := func(s directory.UserStore) directory.UserStore { s.Registers = true; return s }
	for name, c := range map[string]struct {
		stores []directory.UserStore
		want   []string
	}{
		"twice":        {[]directory.UserStore{named("crm"), named("CRM")}, []string{`[1]: a store before it is called "CRM"`}},
		"default":      {[]directory.UserStore{{}, {}}, []string{`[1]: a store before it is called "DEFAULT"`}},
		"no name":      {[]directory.UserStore{named("")}, []string{"[0]: a store apart from the DB needs a Capabilities.Name"}},
		"slash":        {[]directory.UserStore{named("a/b")}, []string{`[0]: the name "a/b"`}},
		"long":         {[]directory.UserStore{named(strings.Repeat("x", 33))}, []string{"[0]: the name"}},
		"reserved":     {[]directory.UserStore{named("Primary"), named("internal")}, []string{`[0]: the name "Primary" is reserved`, `[1]: the name "internal" is`}},
		"in the DB":    {[]directory.UserStore{{Users: inDB{newShelf("crm")}}}, []string{"[0]: a store apart"}},
		"two register": {[]directory.UserStore{registering(named("a")), registering(named("b"))}, []string{"[1]: Registers is set here and before"}},
		"reads only":   {[]directory.UserStore{registering(directory.UserStore{Users: newShelf("a").readOnly()})}, []string{`[0]: Registers is set, and "a" does not create`}},
		"timeout":      {[]directory.UserStore{{Users: newShelf("a"), Timeout: -1}}, []string{"[0]: a Timeout of -1ns"}},
		"several":      {[]directory.UserStore{named("1"), named("ok"), named(" ")}, []string{`[0]: the name "1"`, `[2]: the name " "`}},
	} {
		d, err := directory.New(directory.Config{DB: together(t).db, UserStores: c.stores})
		if d != nil || err == nil {
			t.Errorf("%s: %v, %v", name, d, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), "directory: Config.UserStores"+want) {
				t.Errorf("%s: %q is not among the problems: %v", name, want, err)
			}
		}
	}
	_, err := directory.New(directory.Config{DB: together(t).db, Users: newShelf("a"), UserStores: stand(newShelf("b"))})
	if err == nil || !strings.Contains(err.Error(), "takes the place of Config.Users") {
		t.Errorf("both: %v", err)
	}
}

// inDB claims to write into the batch.
type inDB struct{ *shelf }

func (s inDB) Capabilities() directory.Capabilities {
	return directory.Capabilities{Name: s.can.Name, InBatch: true}
}

// find signs in as far as the directory goes: it finds, and verifies.
func (w *world) find(t *testing.T, login, pass string) (*directory.User, bool, error) {
	t.Helper()
	u, err := w.FindUser(t.Context(), "", login)
	if err != nil {
		return nil, false, err
	}
	right, err := w.Users.VerifyPassword(t.Context(), u, pass)
	return u, right, err
}

// wantIn signs somebody in and holds where they live.
func (w *world) wantIn(t *testing.T, login, pass, id string) {
	t.Helper()
	if u, right, err := w.find(t, login, pass); err != nil || !right || u.ID != id {
		t.Errorf("%q: %+v, %v, %v; want %s signed in", login, u, right, err, id)
	}
}

// wantUnavailable holds that a sign-in fails as a store's failure does, and as nothing else.
func (w *world) wantUnavailable(t *testing.T, login, pass string, want error) {
	t.Helper()
	u, right, err := w.find(t, login, pass)
	if right || !errors.Is(err, want) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("%q: %+v, %v, %v; want %v", login, u, right, err, want)
	}
}

// Logins lead to the first store that knows them, or to the one that they begin with.
func TestUserStoresOrder(t *testing.T) {
	t.Parallel()
	crm, hr := newShelf("crm", "ann", "bob", "Eve"), newShelf("hr.v2", "ann", "cid", "a/b")
	w := sideBySide(t, crm, nil, hr)
	dan := &directory.User{Username: "dan", Store: directory.DefaultStore}
	is(t, "create", w.CreateUser(t.Context(), dan, goodPassword), nil)

	for login, want := range map[string]string{
		"ann": "crm/1", "ANN": "crm/1", "crm/ann": "crm/1", "CRM/Ann": "crm/1", "primary/ann": "crm/1",
		"hr.v2/ann": "hr.v2/1", "HR.V2/ANN": "hr.v2/1", "cid": "hr.v2/2", "a/b": "hr.v2/3", "hr.v2/a/b": "hr.v2/3",
		"eve": "crm/3", "dan": dan.ID, "default/dan": dan.ID, "DEFAULT/DAN": dan.ID,
		"ann@crm.example": "crm/1", "ann@hr.v2.example": "hr.v2/1", "hr.v2/ann@hr.v2.example": "hr.v2/1",
	} {
		if u, err := w.FindUser(t.Context(), "", login); err != nil || u.ID != want {
			t.Errorf("%q: %+v, %v; want %s", login, u, err, want)
		} else if name, _, _ := strings.Cut(want, "/"); u.Store != name && u.Store != directory.DefaultStore {
			t.Errorf("%q: in %q", login, u.Store)
		}
	}
	for _, login := range []string{"hr.v2/bob", "default/ann", "crm/cid", "crm/", "/ann", "nowhere/ann", "crm/hr.v2/ann", "hr.v2/ann@crm.example", "crm", ""} {
		if u, err := w.FindUser(t.Context(), "", login); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %+v, %v; want nobody", login, u, err)
		}
	}
	for id, want := range map[string]error{"crm/1": nil, "CRM/1": store.ErrNotFound, "1": store.ErrNotFound, "crm/99": store.ErrNotFound, dan.ID: nil} {
		_, err := w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByID, Value: id})
		is(t, id, err, want)
	}
}

// Somebody is the same Subject beside others as alone, and never one of another store.
func TestUserStoresSubjects(t *testing.T) {
	t.Parallel()
	crm, hr := newShelf("crm", "ann"), newShelf("hr", "ann")
	alone := together(t, func(c *directory.Config) { c.Users = crm })
	before, err := alone.FindUser(t.Context(), "", "ann")
	is(t, "alone", err, nil)

	w := sideBySide(t, nil, crm, hr)
	seen := map[string]string{}
	for _, login := range []string{"crm/ann", "hr/ann"} {
		u, err := w.FindUser(t.Context(), "", login)
		is(t, login, err, nil)
		s, err := w.SubjectOf(t.Context(), u)
		is(t, login, err, nil)
		if s.Ref() != w.SubjectRef(u) || s.Store+"/"+s.ExternalID != u.ID || seen[s.ID] != "" {
			t.Errorf("%s: subject %+v of %+v", login, s, u)
		}
		seen[s.ID] = login
		if back, err := w.UserOf(t.Context(), s); err != nil || back.ID != u.ID || back.Store != s.Store {
			t.Errorf("%s: back to %+v, %v", login, back, err)
		}
	}
	if ref := alone.SubjectRef(before); seen[ref.ID] != "crm/ann" {
		t.Errorf("the subject has moved: %v", ref)
	}
	dan, s := w.person(t, "dan")
	if s.Store != "" || s.ID != dan.ID || dan.Store != directory.DefaultStore {
		t.Errorf("in the DB: %+v, %+v", dan, s)
	}
	if back, err := w.UserOf(t.Context(), s); err != nil || back.ID != dan.ID {
		t.Errorf("back to %+v, %v", back, err)
	}
	_, err = sideBySide(t, nil, crm).UserOf(t.Context(), &directory.Subject{Store: "hr", ExternalID: "1"})
	if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), `"hr"`) {
		t.Errorf("a store that was taken away: %v", err)
	}
}

func TestUserStoresCapabilities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	crm, hr := newShelf("crm", "ann").readOnly(), newShelf("hr", "bob")
	hr.can.SetPassword = false
	w := together(t, func(c *directory.Config) {
		c.UserStores = []directory.UserStore{{Users: crm}, {Users: hr}, {Registers: true}}
	})
	fresh := &directory.User{Username: "new"}
	is(t, "create", w.CreateUser(ctx, fresh, goodPassword), nil)
	if fresh.Store != directory.DefaultStore || len(hr.people) != 1 {
		t.Errorf("the new one is in %q", fresh.Store)
	}
	inHR := &directory.User{Username: "other", Store: "HR"}
	is(t, "create with a password where there are none", w.CreateUser(ctx, inHR, goodPassword), directory.ErrReadOnly)
	is(t, "create in HR", w.CreateUser(ctx, inHR, ""), nil)
	if inHR.ID != "hr/2" || inHR.Store != "hr" {
		t.Errorf("created %+v", inHR)
	}
	inHR.Name = "Other"
	is(t, "replace", w.ReplaceUser(ctx, inHR), nil)
	is(t, "replace again", w.ReplaceUser(ctx, inHR), nil)
	is(t, "delete", w.DeleteUser(ctx, inHR), nil)
	for name, can := range map[string]directory.Capabilities{"crm/ann": crm.can, "hr/bob": hr.can, "new": {Write: true, SetPassword: true, InBatch: true}} {
		u, err := w.FindUser(ctx, "", name)
		is(t, name, err, nil)
		if got := w.Capabilities(u); got != can {
			t.Errorf("%s: %+v, want %+v", name, got, can)
		}
		write := map[bool]error{false: directory.ErrReadOnly}[can.Write]
		set := map[bool]error{false: directory.ErrReadOnly}[can.SetPassword]
		for what, err := range map[string]error{"replace": w.ReplaceUser(ctx, u), "of the stores": w.Users.Replace(ctx, w.db.Batch(), u)} {
			is(t, name+": "+what, err, write)
		}
		for what, err := range map[string]error{
			"set password": w.SetPassword(ctx, u, "another password"), "of the stores": w.Users.SetPassword(ctx, w.db.Batch(), u, "another"),
		} {
			is(t, name+": "+what, err, set)
		}
		if err := w.DeleteUser(ctx, u); !errors.Is(err, write) || (err != nil && !strings.Contains(err.Error(), can.Name)) {
			t.Errorf("%s: delete: %v", name, err)
		}
		if write != nil {
			is(t, name+": delete of the stores", w.Users.Delete(ctx, w.db.Batch(), u), write)
		}
	}
	is(t, "read-only", w.CreateUser(ctx, &directory.User{Username: "x", Store: "crm"}, ""), directory.ErrReadOnly)
	invalid, ok := errors.AsType[*directory.InvalidError](w.CreateUser(ctx, &directory.User{Username: "x", Store: "moon"}, ""))
	if !ok || invalid.Field != "store" {
		t.Errorf("a store that is none: %v", invalid)
	}
	if bob, err := w.FindUser(ctx, "", "hr/bob"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("bob was deleted: %+v, %v", bob, err)
	}
	moved := &directory.User{Meta: store.Meta{ID: "crm/1"}, Username: "ann", Store: "hr"}
	if invalid, ok := errors.AsType[*directory.InvalidError](w.Users.Replace(ctx, w.db.Batch(), moved)); !ok || invalid.Field != "store" {
		t.Errorf("moving house: %v", invalid)
	}
	lone := sideBySide(t, newShelf("crm").readOnly())
	is(t, "nobody creates", lone.CreateUser(ctx, &directory.User{Username: "x"}, ""), directory.ErrReadOnly)
	if got := lone.Users.Capabilities(); got != (directory.Capabilities{}) {
		t.Errorf("a lone reader can %+v", got)
	}
}

// Disabling writes into the user where the store is in the DB, and only there.
func TestUserStoresDisable(t *testing.T) {
	t.Parallel()
	crm := newShelf("crm", "ann")
	w := sideBySide(t, crm, nil)
	u, err := w.FindUser(t.Context(), "", "ann")
	is(t, "find", err, nil)
	s, err := w.SubjectOf(t.Context(), u)
	is(t, "subject", err, nil)
	crm.told()
	is(t, "disable", w.Subjects.Disable(t.Context(), s.Ref()), nil)
	if asked := crm.told(); len(asked) != 0 {
		t.Errorf("the host's own table was asked %v", asked)
	}
	dan := &directory.User{Username: "dan", Store: directory.DefaultStore}
	is(t, "create", w.CreateUser(t.Context(), dan, ""), nil)
	is(t, "disable", w.Subjects.Disable(t.Context(), dan.Ref()), nil)
	if back, err := w.FindUser(t.Context(), "", "dan"); err != nil || !back.Disabled {
		t.Errorf("disabled: %+v, %v", back, err)
	}
}

// Nobody gets a name that means somebody in another store, or that looks like one.
func TestUserStoresNamesTaken(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	crm, hr := newShelf("crm", "ann"), newShelf("hr", "bob")
	w := together(t, func(c *directory.Config) {
		c.UserStores = []directory.UserStore{{Users: crm}, {Registers: true}, {Users: hr}}
	})
	takenBy := func(err error, field string) bool {
		taken, ok := errors.AsType[*directory.TakenError](err)
		return ok && taken.Name == field
	}
	for _, c := range []struct{ username, email, field string }{
		{"ANN", "", "username"}, {"bob", "", "username"}, {"ann@crm.example", "", "username"}, {"x", "Ann@crm.example", "email"}, {"x", "bob@hr.example", "email"},
	} {
		if err := w.CreateUser(ctx, &directory.User{Username: c.username, Email: c.email}, goodPassword); !takenBy(err, c.field) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, username := range []string{"crm/x", "CRM/ann", "default/x", "Primary/x"} {
		err := w.CreateUser(ctx, &directory.User{Username: username}, goodPassword)
		if invalid, ok := errors.AsType[*directory.InvalidError](err); !ok || invalid.Field != "username" {
			t.Errorf("%s: %v", username, err)
		}
	}
	eve, _ := w.person(t, "eve")
	for _, edit := range []func(u *directory.User){
		func(u *directory.User) { u.Username = "ann" }, func(u *directory.User) { u.Email = "bob@hr.example" }, func(u *directory.User) { u.Username = "crm/eve" },
	} {
		u := *eve
		edit(&u)
		if err := w.ReplaceUser(ctx, &u); err == nil {
			t.Errorf("became %q %q", u.Username, u.Email)
		}
	}
	// A store that does not answer may know the name; what does not change needs no question.
	hr.fails(errDown)
	is(t, "create", w.CreateUser(ctx, &directory.User{Username: "fay"}, goodPassword), errDown)
	eve.Name = "Eve"
	is(t, "another field", w.ReplaceUser(ctx, eve), nil)
	eve.Username = "fay"
	is(t, "another name", w.ReplaceUser(ctx, eve), errDown)
	// Names that came to be the same behind our back: the first store's person has it, and who was there before is not stuck.
	hr.does(nil)
	hr.add("ann")
	u, err := w.FindUser(ctx, "", "hr/ann")
	is(t, "find", err, nil)
	u.Name = "Ann"
	is(t, "replace", w.ReplaceUser(ctx, u), nil)
	w.wantIn(t, "ann", crm.password(), "crm/1")
}

// The price of a sign-in does not tell where somebody lives, or whether; and no store sees another's passwords.
func TestUserStoresEqualWork(t *testing.T) {
	t.Parallel()
	shelves := func() []*shelf { return []*shelf{newShelf("crm", "ann"), nil, newShelf("hr", "bob")} }
	work := func(login string) (asked []string) {
		s := shelves()
		w := sideBySide(t, s...)
		is(t, "create", w.CreateUser(t.Context(), &directory.User{Username: "dan", Store: directory.DefaultStore}, goodPassword), nil)
		s[0].told()
		s[2].told()
		w.faults.Forget()
		u, err := w.FindUser(t.Context(), "", login)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if right, err := w.Users.VerifyPassword(t.Context(), u, "secret"); right || err != nil {
			t.Errorf("%s: %v, %v", login, right, err)
		}
		for i, s := range []*shelf{s[0], s[2]} {
			for _, a := range s.told() {
				if verb, rest, _ := strings.Cut(a, " "); verb == "verify" {
					a = verb
					if who, pass, _ := strings.Cut(rest, " "); (pass == "secret") != (who != "nobody") || (who == "nobody" && pass != "") {
						t.Errorf("%s: store %d sees %q", login, i, rest)
					}
				}
				asked = append(asked, fmt.Sprint(i, a))
			}
		}
		for _, c := range w.faults.Calls() {
			asked = append(asked, fmt.Sprint(c.Method, c.Kind.Name))
		}
		return asked
	}
	want := work("nobody")
	for _, login := range []string{"ann", "bob", "dan"} {
		if got := work(login); !slices.Equal(got, want) {
			t.Errorf("%s:\n%v\nnobody:\n%v", login, got, want)
		}
	}
	if in, of := work("crm/ann"), work("crm/nobody"); !slices.Equal(in, of) {
		t.Errorf("within one store:\n%v\nnobody:\n%v", in, of)
	}
	if mine, nobodys := work("ann@crm.example"), work("nobody@crm.example"); !slices.Equal(mine, nobodys) {
		t.Errorf("by address:\n%v\nnobody's:\n%v", mine, nobodys)
	}
}

// A store that is down keeps its own people out, as unavailable, and nobody else's (docs/decisions/008).
func TestUserStoreDown(t *testing.T) {
	t.Parallel()
	crm, hr := newShelf("crm", "ann", "both"), newShelf("hr", "bob", "cid", "both")
	w := sideBySide(t, crm, hr)
	w.wantIn(t, "bob", hr.password(), "hr/1") // from now on it is known that crm has no bob
	w.wantIn(t, "bob@hr.example", hr.password(), "hr/1")
	w.wantIn(t, "both", crm.password(), "crm/2")
	w.wantIn(t, "hr/both", hr.password(), "hr/3")

	crm.fails(errDown)
	w.wantIn(t, "bob", hr.password(), "hr/1")
	w.wantIn(t, "BOB", hr.password(), "hr/1")
	w.wantIn(t, "bob@hr.example", hr.password(), "hr/1")
	w.wantIn(t, "hr/cid", hr.password(), "hr/2") // who says where they are needs nobody else
	w.wantIn(t, "hr/both", hr.password(), "hr/3")
	if _, right, err := w.find(t, "bob", "a guess"); right || err != nil {
		t.Errorf("a wrong password: %v, %v", right, err)
	}
	for _, login := range []string{"ann", "crm/ann", "both", "cid", "nobody", "nobody@hr.example"} {
		w.wantUnavailable(t, login, hr.password(), errDown)
	}
	if got := hr.told(); slices.ContainsFunc(got, func(a string) bool { return strings.Contains(a, "verify") && strings.Contains(a, crm.password()) }) {
		t.Errorf("hr saw a password of crm's: %v", got)
	}

	// The last store is nobody's rival: without it those before it sign in under any name.
	crm.does(nil)
	hr.fails(errDown)
	w.wantIn(t, "ann", crm.password(), "crm/1")
	w.wantIn(t, "both", crm.password(), "crm/2")
	for _, login := range []string{"bob", "hr/bob", "nobody"} {
		w.wantUnavailable(t, login, hr.password(), errDown)
	}
	hr.does(nil)
	w.wantIn(t, "cid", hr.password(), "hr/2")
}

// The memory of whose a name is does not outlive a reason to doubt it.
func TestUserStoreBinding(t *testing.T) {
	t.Parallel()
	down := func(s *shelf) { s.fails(errDown) }
	for what, c := range map[string]struct {
		then func(w *world, crm, hr *shelf)
		in   bool
	}{
		"at once":       {func(*world, *shelf, *shelf) {}, true},
		"after 80 days": {func(w *world, _, _ *shelf) { w.advance(80 * 24 * time.Hour) }, true},
		"after 91 days": {func(w *world, _, _ *shelf) { w.advance(91 * 24 * time.Hour) }, false},
		"renewed in time": {func(w *world, _, hr *shelf) {
			w.advance(40 * 24 * time.Hour)
			w.wantIn(t, "bob", hr.password(), "hr/1")
			w.advance(80 * 24 * time.Hour)
		}, true},
		"renewed while the other was down": {func(w *world, crm, hr *shelf) {
			w.advance(80 * 24 * time.Hour)
			down(crm)
			w.wantIn(t, "bob", hr.password(), "hr/1")
			w.advance(20 * 24 * time.Hour)
		}, false},
		"another bob": {func(w *world, crm, _ *shelf) {
			crm.add("bob")
			_, _, _ = w.find(t, "bob", "a guess") // all have answered, and it is not hr's
		}, false},
		"another bob who is gone": {func(w *world, crm, hr *shelf) {
			u := crm.add("bob")
			w.wantIn(t, "bob", crm.password(), "crm/1")
			is(t, "delete", crm.Delete(t.Context(), nil, u), nil)
			w.wantIn(t, "bob", hr.password(), "hr/1")
		}, true},
	} {
		crm, hr := newShelf("crm"), newShelf("hr", "bob")
		w := sideBySide(t, crm, hr)
		w.wantIn(t, "bob", hr.password(), "hr/1")
		c.then(w, crm, hr)
		down(crm)
		u, right, err := w.find(t, "bob", hr.password())
		if in := err == nil && right; in != c.in || (in && u.ID != "hr/1") || (!in && !errors.Is(err, errDown)) {
			t.Errorf("%s: %+v, %v, %v", what, u, right, err)
		}
	}

	// A wrong password proves nothing, and a name is worth no more than the person who has it.
	crm, hr := newShelf("crm"), newShelf("hr", "bob")
	w := sideBySide(t, crm, hr)
	_, _, _ = w.find(t, "bob", "a guess")
	down(crm)
	w.wantUnavailable(t, "bob", hr.password(), errDown)

	crm, mid, last := newShelf("crm"), newShelf("mid"), newShelf("last", "bob")
	w = sideBySide(t, crm, mid, last)
	w.wantIn(t, "bob", last.password(), "last/1")
	mid.add("bob")
	down(crm)
	w.wantUnavailable(t, "bob", last.password(), errDown)
	w.wantUnavailable(t, "bob", mid.password(), errDown)
	mid.fails(errDown)
	w.wantIn(t, "bob", last.password(), "last/1")
}

// What is remembered of logins is written once, and not at all where no store can be missing.
func TestUserStoreBindingWrites(t *testing.T) {
	t.Parallel()
	writes := func(w *world, do func()) (n int) {
		w.faults.Forget()
		do()
		for _, c := range w.faults.Calls() {
			if c.Method == storetest.MethodApply {
				n++
			}
		}
		return n
	}
	hr := newShelf("hr", "bob")
	w := sideBySide(t, newShelf("crm", "ann"), hr)
	in := func() { w.wantIn(t, "bob", hr.password(), "hr/1") }
	for name, c := range map[string]struct{ got, want int }{
		"first": {writes(w, in), 1}, "again": {writes(w, in), 0},
		"a guess":         {writes(w, func() { _, _, _ = w.find(t, "bob", "a guess") }), 0},
		"the first store": {writes(w, func() { _, _, _ = w.find(t, "ann", goodPassword+" of crm") }), 0},
		"with a prefix":   {writes(w, func() { _, _, _ = w.find(t, "hr/bob", hr.password()) }), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d writes, want %d", name, c.got, c.want)
		}
	}
	w = sideBySide(t, nil, hr)
	w.faults.Forget()
	in()
	for _, c := range w.faults.Calls() {
		if c.Kind.Name == "directory.binding" {
			t.Errorf("behind the DB alone a binding is of no use: %v", c)
		}
	}
}

// A store that hangs costs others its time and no more, however many hang.
func TestUserStoreHanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crm, hr, last := newShelf("crm", "ann"), newShelf("hr", "bob"), newShelf("last", "cid")
		w := together(t, func(c *directory.Config) {
			c.UserStores = stand(crm, hr, last)
			c.UserStores[1].Timeout = 2 * time.Second
		})
		w.wantIn(t, "cid", last.password(), "last/1")
		takes := func(want time.Duration, do func()) {
			t.Helper()
			began := time.Now()
			do()
			if took := time.Since(began); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
		crm.does(hang)
		takes(6*time.Second, func() { w.wantIn(t, "cid", last.password(), "last/1") }) // found, then verified
		takes(3*time.Second, func() { w.wantUnavailable(t, "ann", crm.password(), context.DeadlineExceeded) })
		takes(3*time.Second, func() { w.wantIn(t, "last/cid", last.password(), "last/1") }) // finding asks nobody else
		hr.does(hang)
		takes(6*time.Second, func() { w.wantIn(t, "cid", last.password(), "last/1") })
		crm.does(nil)
		takes(4*time.Second, func() { w.wantIn(t, "cid", last.password(), "last/1") })
		takes(4*time.Second, func() { w.wantIn(t, "ann", crm.password(), "crm/1") })
		takes(2*time.Second, func() { w.wantUnavailable(t, "bob", hr.password(), context.DeadlineExceeded) })
		takes(2*time.Second, func() {
			_, err := w.Users.List(t.Context(), store.Query{})
			is(t, "list", err, context.DeadlineExceeded)
		})
	})
}

// Each call of a store failing in turn is an error to its own people, and to nobody else, once they have been here.
func TestUserStoresFaults(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"find", "verify"} {
		for trouble, does := range map[string]func(context.Context, string) error{
			"error": func(context.Context, string) error { return errDown },
			"panic": func(context.Context, string) error { panic(errDown) },
		} {
			crm, hr := newShelf("crm", "ann"), newShelf("hr", "bob")
			w := sideBySide(t, crm, hr, nil)
			dan := &directory.User{Username: "dan", Store: directory.DefaultStore}
			is(t, "create", w.CreateUser(t.Context(), dan, goodPassword), nil)
			people := []struct{ login, pass, id string }{{"ann", crm.password(), "crm/1"}, {"bob", hr.password(), "hr/1"}, {"dan", goodPassword, dan.ID}}
			for _, p := range people {
				w.wantIn(t, p.login, p.pass, p.id)
			}
			for i, broken := range []*shelf{crm, hr} {
				broken.does(func(ctx context.Context, m string) error {
					if m == method {
						return does(ctx, m)
					}
					return nil
				})
				for j, p := range people {
					if i != j {
						w.wantIn(t, p.login, p.pass, p.id)
						continue
					}
					u, right, err := w.find(t, p.login, p.pass)
					if err == nil || right || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), broken.can.Name) {
						t.Errorf("%s %s, %s: %+v, %v, %v", trouble, method, p.login, u, right, err)
					}
				}
				if right, err := w.Users.VerifyPassword(t.Context(), nil, "x"); right || (method == "verify") != (err != nil) {
					t.Errorf("%s %s, nobody: %v, %v", trouble, method, right, err)
				}
				broken.does(nil)
			}
		}
	}
}

// The DB fails for everybody alike, wherever they live.
func TestUserStoresDBFaults(t *testing.T) {
	t.Parallel()
	outcomes := func(login string) (seen []string) {
		for n := 1; n <= 8; n++ {
			crm, hr := newShelf("crm", "ann"), newShelf("hr", "bob")
			w := sideBySide(t, crm, nil, hr)
			is(t, "create", w.CreateUser(t.Context(), &directory.User{Username: "dan", Store: directory.DefaultStore}, goodPassword), nil)
			w.faults.FailCall(n, nil)
			u, err := w.FindUser(t.Context(), "", login)
			if err == nil || errors.Is(err, store.ErrNotFound) {
				_, err = w.Users.VerifyPassword(t.Context(), u, "a guess")
			}
			if err != nil && !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("%s, call %d: %v", login, n, err)
			}
			seen = append(seen, fmt.Sprint(err != nil))
		}
		return seen
	}
	want := outcomes("nobody")
	for _, login := range []string{"ann", "bob", "dan"} {
		if got := outcomes(login); !slices.Equal(got, want) {
			t.Errorf("%s: %v, nobody: %v", login, got, want)
		}
	}
	// What is noted of a login is no condition of signing in with it.
	crm, hr := newShelf("crm"), newShelf("hr", "bob")
	w := sideBySide(t, crm, hr)
	_, err := w.FindUser(t.Context(), "", "nobody") // settings are remembered from here on
	is(t, "nobody", err, store.ErrNotFound)
	w.faults.FailCall(2, nil)
	w.wantIn(t, "bob", hr.password(), "hr/1")
}

func TestUserStoresList(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	crm, hr := newShelf("crm", "c1", "c2", "c3"), newShelf("hr", "h1", "h2")
	w := sideBySide(t, crm, nil, newShelf("empty"), hr)
	var want []string
	for _, name := range []string{"d1", "d2"} {
		u := &directory.User{Username: name, Store: directory.DefaultStore}
		is(t, "create", w.CreateUser(ctx, u, ""), nil)
		want = append(want, u.ID)
	}
	slices.Sort(want)
	want = append(append([]string{"crm/1", "crm/2", "crm/3"}, want...), "hr/1", "hr/2")
	for limit := 1; limit <= 8; limit++ {
		var got []string
		q := store.Query{Limit: limit, Count: 100}
		for range 20 {
			page, err := w.Users.List(ctx, q)
			is(t, "list", err, nil)
			if len(page.Items) > limit || page.Count != 7 {
				t.Errorf("a page of %d, at most %d; %d in all", len(page.Items), limit, page.Count)
			}
			for _, u := range page.Items {
				got = append(got, u.ID)
				if name, _, apart := strings.Cut(u.ID, "/"); (apart && u.Store != name) || (!apart && u.Store != directory.DefaultStore) {
					t.Errorf("%s is in %q", u.ID, u.Store)
				}
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
	eq := func(field, value string) store.Filter { return store.Equals(field, store.Text(value)) }
	for name, c := range map[string]struct {
		q    store.Query
		want []string
		err  error
	}{
		"username":           {store.Query{Filter: eq("username", "h2")}, []string{"hr/2"}, nil},
		"store":              {store.Query{Filter: eq("store", "HR")}, []string{"hr/1", "hr/2"}, nil},
		"store, sorted":      {store.Query{Filter: eq("store", "hr"), Sort: "username"}, []string{"hr/1", "hr/2"}, nil},
		"no such store":      {store.Query{Filter: eq("store", "moon")}, nil, nil},
		"id":                 {store.Query{Filter: eq("id", "crm/2")}, []string{"crm/2"}, nil},
		"id in the DB":       {store.Query{Filter: eq("id", want[3])}, []string{want[3]}, nil},
		"id of nobody":       {store.Query{Filter: eq("id", "moon/2")}, nil, nil},
		"id in store":        {store.Query{Filter: store.And{eq("store", "crm"), eq("id", "crm/2")}}, []string{"crm/2"}, nil},
		"id in other store":  {store.Query{Filter: store.And{eq("store", "hr"), eq("id", "crm/2")}}, nil, nil},
		"and":                {store.Query{Filter: store.And{eq("store", "hr"), eq("username", "h1")}}, []string{"hr/1"}, nil},
		"bounded count":      {store.Query{Count: 4, Limit: 1}, []string{"crm/1"}, nil},
		"sorted":             {store.Query{Sort: "username"}, nil, store.ErrUnindexed},
		"not in store":       {store.Query{Filter: store.Not{Filter: eq("store", "hr")}}, nil, store.ErrUnindexed},
		"either id":          {store.Query{Filter: store.Or{eq("id", "crm/1"), eq("id", "hr/1")}}, nil, store.ErrUnindexed},
		"ids from":           {store.Query{Filter: store.Compare{Field: "id", Operator: store.Gt, Value: store.Text("crm/1")}}, nil, store.ErrUnindexed},
		"has a store":        {store.Query{Filter: store.Present{Field: "store"}}, nil, store.ErrUnindexed},
		"cursor of nowhere":  {store.Query{After: "moon/1"}, nil, store.ErrInvalid},
		"cursor, no store":   {store.Query{After: "crm/1", Filter: eq("store", "moon")}, nil, store.ErrInvalid},
		"too long":           {store.Query{Limit: 5000}, nil, store.ErrInvalid},
		"a condition of nil": {store.Query{Filter: store.Not{}}, nil, store.ErrInvalid},
	} {
		page, err := w.Users.List(ctx, c.q)
		var got []string
		for _, u := range page.Items {
			got = append(got, u.ID)
		}
		if !errors.Is(err, c.err) || (c.err == nil && err != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, err, c.want, c.err)
		}
		if name == "bounded count" && page.Count != 4 {
			t.Errorf("counted %d, want 4", page.Count)
		}
	}
	hr.fails(errDown)
	page, err := w.Users.List(ctx, store.Query{})
	if !errors.Is(err, errDown) || len(page.Items) != 0 || !strings.Contains(err.Error(), `"hr"`) {
		t.Errorf("a listing without hr: %v, %v", page, err)
	}
	page, err = w.Users.List(ctx, store.Query{Limit: 3})
	if err != nil || len(page.Items) != 3 {
		t.Errorf("the page before: %v, %v", page, err)
	}
}

// What happens to people says in which store they are.
func TestUserStoresEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := sideBySide(t, newShelf("crm"), nil)
	for _, in := range []string{"crm", directory.DefaultStore} {
		u := &directory.User{Username: "ann-" + in, Store: in}
		is(t, "create", w.CreateUser(ctx, u, goodPassword), nil)
		u.Name = "Ann"
		is(t, "replace", w.ReplaceUser(ctx, u), nil)
		is(t, "set", w.SetPassword(ctx, u, "another password"), nil)
		ref := w.SubjectRef(u)
		w.signIn(t, w.subject(t, ref), false)
		is(t, "disable", errors.Join(w.Subjects.Disable(ctx, ref), w.Subjects.Enable(ctx, ref)), nil)
		u, err := w.FindUser(ctx, "", u.Username)
		is(t, "find", err, nil)
		is(t, "delete", w.DeleteUser(ctx, u), nil)
	}
	page, err := w.db.Events(ctx, store.Query{Limit: 1000})
	is(t, "events", err, nil)
	seen := map[string]int{}
	for _, e := range page.Items {
		var data struct{ Store string }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Errorf("%s: %v", e.Type, err)
		}
		seen[e.Type+" "+data.Store]++
	}
	for _, name := range []string{
		"user.created", "user.updated", "user.deleted", "password.changed",
		"subject.revoked", "subject.disabled", "subject.enabled", "session.started",
	} {
		for _, in := range []string{"crm", directory.DefaultStore} {
			if seen[name+" "+in] == 0 {
				t.Errorf("no %s in %s among %v", name, in, seen)
			}
		}
	}
}

// Signing in while the stores come and go never makes anybody somebody else.
func TestUserStoresComingAndGoing(t *testing.T) {
	t.Parallel()
	crm, hr := newShelf("crm", "ann", "both"), newShelf("hr", "bob", "both")
	w := sideBySide(t, crm, hr)
	var calls atomic.Int64
	flaky := func(every int64) func(context.Context, string) error {
		return func(context.Context, string) error {
			if calls.Add(1)%every == 0 {
				return errDown
			}
			return nil
		}
	}
	crm.does(flaky(3))
	hr.does(flaky(5))
	in := 0
	for range 300 {
		for login, p := range map[string]struct{ pass, id string }{
			"ann": {crm.password(), "crm/1"}, "bob": {hr.password(), "hr/1"}, "both": {crm.password(), "crm/2"}, "hr/both": {hr.password(), "hr/2"},
		} {
			u, right, err := w.find(t, login, p.pass)
			switch {
			case err == nil && (!right || u.ID != p.id):
				t.Fatalf("%s became %+v, %v", login, u, right)
			case err != nil && !errors.Is(err, errDown):
				t.Fatalf("%s: %v", login, err)
			case err == nil:
				in++
			}
		}
	}
	if in == 0 || in == 1200 {
		t.Errorf("%d of 1200 signed in", in)
	}
}

// Nobody behind somebody else takes a login from them: not with their e-mail address as a user name, nor by having it too.
func TestAttackShadowing(t *testing.T) {
	t.Parallel()
	crm, hr := newShelf("crm", "ann"), newShelf("hr")
	w := sideBySide(t, crm, hr, nil)
	for _, u := range []*directory.User{{Username: "ANN@crm.example"}, {Username: "x", Email: "ann@CRM.example"}, {Username: "crm/ann"}} {
		is(t, "the host's own table", hr.Create(t.Context(), nil, u), nil)
		hr.passwords[u.ID] = hr.password()
	}
	for _, login := range []string{"ann", "ann@crm.example", "crm/ann", "CRM/ANN@crm.example"} {
		w.wantIn(t, login, crm.password(), "crm/1")
		if u, right, err := w.find(t, login, hr.password()); right || err != nil {
			t.Errorf("%s with another's password: %+v, %v, %v", login, u, right, err)
		}
	}
	// Those of the other store do not become her while her store is silent either.
	crm.fails(errDown)
	for _, login := range []string{"ann", "ann@crm.example", "crm/ann"} {
		w.wantUnavailable(t, login, hr.password(), errDown)
	}
	w.wantIn(t, "hr/ann@crm.example", hr.password(), "hr/1")
}

// Somebody who comes over from another system comes into the DB, whichever store registers.
func TestUserStoresAdopt(t *testing.T) {
	t.Parallel()
	crm := newShelf("crm", "ann")
	w := together(t, func(c *directory.Config) {
		c.UserStores = stand(crm, nil)
		c.Verifier = directory.VerifierFunc(func(context.Context, string, string) (directory.Verification, error) {
			return directory.Verification{OK: true}, nil
		})
	})
	u, err := w.Adopt(t.Context(), "", "zoe", goodPassword)
	if err != nil || u.Store != directory.DefaultStore || len(crm.people) != 1 {
		t.Fatalf("adopted %+v, %v", u, err)
	}
	w.wantIn(t, "zoe", goodPassword, u.ID)
	if u, err := w.Adopt(t.Context(), "", "ann", goodPassword); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("adopted by the name of somebody in another store: %+v, %v", u, err)
	}
	crm.fails(errDown)
	if u, err := w.Adopt(t.Context(), "", "yan", goodPassword); !errors.Is(err, errDown) {
		t.Errorf("adopted %+v, %v", u, err)
	}
}

// A hash of other costs is replaced beside other stores too.
func TestUserStoresRehash(t *testing.T) {
	t.Parallel()
	w := sideBySide(t, newShelf("crm"), nil)
	dan := &directory.User{Username: "dan", Store: directory.DefaultStore}
	is(t, "create", w.CreateUser(t.Context(), dan, goodPassword), nil)
	costlier, err := password.New(password.Config{Params: password.Params{Memory: 128, Time: 1, Threads: 1}})
	is(t, "hasher", err, nil)
	later, err := directory.New(directory.Config{DB: w.db, Hasher: costlier, UserStores: stand(newShelf("crm"), nil)})
	is(t, "new", err, nil)
	u, err := later.FindUser(t.Context(), "", "dan")
	is(t, "find", err, nil)
	if right, err := later.Users.VerifyPassword(t.Context(), u, goodPassword); !right || err != nil || later.RehashOf(u) == nil {
		t.Errorf("%v, %v, %v", right, err, later.RehashOf(u))
	}
}

// A user who names a store goes there or nowhere, also where there is only one.
func TestUserStoreOfOne(t *testing.T) {
	t.Parallel()
	w := together(t)
	is(t, "create", w.CreateUser(t.Context(), &directory.User{Username: "ann", Store: "default"}, ""), nil)
	err := w.CreateUser(t.Context(), &directory.User{Username: "bob", Store: "crm"}, "")
	if invalid, ok := errors.AsType[*directory.InvalidError](err); !ok || invalid.Field != "store" {
		t.Errorf("created in a store that is not there: %v", err)
	}
}

// FuzzUserStores holds that a login and a cursor lead to one store or to none, whatever they are.
func FuzzUserStores(f *testing.F) {
	for _, s := range []string{"ann", "crm/ann", "hr/", "/", "PRIMARY/ann", "crm/hr/ann", "a@b", "crm/\x00", "\xff/ann", strings.Repeat("/", 50)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		crm, hr := newShelf("crm", "ann"), newShelf("hr", "ann", s)
		w := sideBySide(t, crm, hr)
		prefix, _, found := strings.Cut(s, "/")
		u, err := w.FindUser(t.Context(), "", s)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			t.Errorf("%q: %v", s, err)
		case err == nil && found && strings.EqualFold(prefix, "hr") && u.Store != "hr",
			err == nil && found && (strings.EqualFold(prefix, "crm") || strings.EqualFold(prefix, "primary")) && u.Store != "crm":
			t.Errorf("%q leads to %+v", s, u)
		}
		page, err := w.Users.List(t.Context(), store.Query{After: s})
		if err != nil && !errors.Is(err, store.ErrInvalid) || err == nil && s != "" && prefix != "crm" && prefix != "hr" {
			t.Errorf("cursor %q: %v, %v", s, page, err)
		}
		u, err = w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByID, Value: s})
		if err == nil && u.ID != s {
			t.Errorf("id %q leads to %q", s, u.ID)
		}
	})
}

// A store that goes on after its time, whatever its context says, keeps nobody else waiting; and when very many questions were
// never answered it is asked no more until some have ended.
func TestUserStoreStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crm, last := newShelf("crm", "ann"), newShelf("last", "cid")
		w := together(t, func(c *directory.Config) { c.UserStores = stand(crm, last) })
		w.wantIn(t, "cid", last.password(), "last/1")
		crm.does(func(context.Context, string) error {
			time.Sleep(time.Hour)
			return nil
		})
		began := time.Now()
		w.wantIn(t, "cid", last.password(), "last/1")
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("took %v: found, then verified, with 3 seconds for each", took)
		}
		for range 300 {
			_, _ = w.FindUser(t.Context(), "", "crm/ann")
		}
		began = time.Now()
		w.wantIn(t, "cid", last.password(), "last/1")
		if took := time.Since(began); took != 0 {
			t.Errorf("a store that never answers was waited for: %v", took)
		}
		crm.does(nil)
		time.Sleep(time.Hour)
		w.wantIn(t, "ann", crm.password(), "crm/1")
	})
}
