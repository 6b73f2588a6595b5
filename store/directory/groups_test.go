package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

func (w *world) group(t *testing.T, name string) *directory.Group {
	t.Helper()
	g := &directory.Group{Name: name}
	is(t, "create group", w.Groups.Create(t.Context(), g), nil)
	return g
}

func (w *world) memberCount(t *testing.T, g *directory.Group) (n int) {
	t.Helper()
	for _, err := range w.Groups.Members(t.Context(), g.Ref()) {
		is(t, "members", err, nil)
		n++
	}
	return n
}

func TestGroups(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if err := w.Groups.Create(ctx, &directory.Group{Name: " "}); !hasField(err, "name") {
			t.Errorf("a group without a name: %v", err)
		}
		admins := w.group(t, "Admins")
		if _, ok := errors.AsType[*directory.TakenError](w.Groups.Create(ctx, &directory.Group{Name: "ADMINS"})); !ok {
			t.Error("a taken name was accepted")
		}
		found, err := w.Groups.Find(ctx, "", "admins")
		if err != nil || found.ID != admins.ID {
			t.Errorf("Find = %v, %v", found, err)
		}
		admins.Name = "Operators"
		is(t, "replace", w.Groups.Replace(ctx, admins), nil)
		page, err := w.Groups.List(ctx, store.Query{Filter: store.Equals("name", store.Text("OPERATORS"))})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("List = %v, %v", page.Items, err)
		}
	})
}

func TestMembers(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		admins, staff := w.group(t, "admins"), w.group(t, "staff")
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		for range 2 {
			is(t, "add", w.Groups.AddMember(ctx, admins.Ref(), ann.Ref()), nil)
		}
		is(t, "add", w.Groups.AddMember(ctx, staff.Ref(), ann.Ref()), nil)
		is(t, "add", w.Groups.AddMember(ctx, admins.Ref(), bob.Ref()), nil)
		is(t, "no group", w.Groups.AddMember(ctx, store.Ref{ID: "none"}, ann.Ref()), store.ErrNotFound)
		is(t, "no subject", w.Groups.AddMember(ctx, admins.Ref(), store.Ref{ID: "none"}), store.ErrNotFound)
		if n := w.memberCount(t, admins); n != 2 {
			t.Errorf("%d members, want 2", n)
		}
		var names []string
		for g, err := range w.Groups.GroupsOf(ctx, ann.Ref()) {
			is(t, "groups", err, nil)
			names = append(names, g.Name)
		}
		slices.Sort(names)
		if want := []string{"admins", "staff"}; !slices.Equal(names, want) {
			t.Errorf("groups = %v, want %v", names, want)
		}
		for range 2 {
			is(t, "remove", w.Groups.RemoveMember(ctx, admins.Ref(), ann.Ref()), nil)
		}
		if member, err := w.Groups.IsMember(ctx, admins.Ref(), ann.Ref()); member || err != nil {
			t.Errorf("IsMember = %v, %v after removal", member, err)
		}
		got := w.events(t)
		if count(got, "group.member_added") != 3 || count(got, "group.member_removed") != 1 {
			t.Errorf("events = %v", got)
		}
		is(t, "delete", w.Groups.Delete(ctx, staff), nil)
		for g, err := range w.Groups.GroupsOf(ctx, ann.Ref()) {
			t.Errorf("ann is still in %v (%v)", g, err)
		}
	})
}

// TestMembersCostTheSame holds that a group's size is not felt by who joins it.
func TestMembersCostTheSame(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		group := w.group(t, "everybody")
		cost := func(name string) (ops int) {
			u := &directory.User{Username: name}
			is(t, "create", w.CreateUser(ctx, u, ""), nil)
			w.faults.Forget()
			is(t, "add", w.Groups.AddMember(ctx, group.Ref(), u.Ref()), nil)
			for _, c := range w.faults.Calls() {
				if c.Method == storetest.MethodList {
					t.Errorf("joining lists")
				}
				ops += 1 + len(c.Ops)
			}
			return ops
		}
		first := cost("first")
		for i := range 250 {
			cost(fmt.Sprint("user", i))
		}
		if last := cost("last"); last != first {
			t.Errorf("the first member cost %d, the last %d", first, last)
		}
		if n := w.memberCount(t, group); n != 252 {
			t.Errorf("%d members, want 252", n)
		}
		is(t, "delete", w.Groups.Delete(ctx, group), nil)
		if n := w.memberCount(t, group); n != 0 {
			t.Errorf("%d memberships remain", n)
		}
	})
}

func TestMemberRaces(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		group := w.group(t, "admins")
		_, ann := w.person(t, "ann")
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { is(t, "add", w.Groups.AddMember(ctx, group.Ref(), ann.Ref()), nil) })
		}
		wg.Wait()
		if n := count(w.events(t), "group.member_added"); n != 1 {
			t.Errorf("one member was added %d times", n)
		}

		// A group that goes away between the reading and the writing takes nobody in.
		_, bob := w.person(t, "bob")
		var once sync.Once
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method == storetest.MethodApply && slices.Contains(c.Verbs(), store.VerbCheck) {
				once.Do(func() { is(t, "delete", w.Groups.Delete(ctx, group), nil) })
			}
			return nil
		})
		is(t, "a group being deleted", w.Groups.AddMember(ctx, group.Ref(), bob.Ref()), store.ErrNotFound)
	})
}

func TestRoles(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if err := w.Roles.Create(ctx, &directory.Role{Permissions: []string{"a b"}}); !hasField(err, "name") || !hasField(err, "permissions") {
			t.Errorf("a bad role: %v", err)
		}
		app := store.Ref{ID: "web"}
		reader, writer := &directory.Role{Name: "reader", Permissions: []string{"read"}}, &directory.Role{Name: "writer"}
		webReader := &directory.Role{Name: "Reader", Application: app}
		for _, r := range []*directory.Role{reader, writer, webReader} {
			is(t, "create "+r.Name, w.Roles.Create(ctx, r), nil)
		}
		if _, ok := errors.AsType[*directory.TakenError](w.Roles.Create(ctx, &directory.Role{Name: "READER"})); !ok {
			t.Error("a taken name was accepted")
		}
		_, ann := w.person(t, "ann")
		staff := w.group(t, "staff")
		is(t, "add", w.Groups.AddMember(ctx, staff.Ref(), ann.Ref()), nil)
		for range 2 {
			is(t, "assign", w.Roles.Assign(ctx, reader.Ref(), ann.Ref()), nil)
			is(t, "assign to the group", w.Roles.AssignGroup(ctx, reader.Ref(), staff.Ref()), nil)
			is(t, "assign to the group", w.Roles.AssignGroup(ctx, writer.Ref(), staff.Ref()), nil)
		}
		names := func() (names []string) {
			t.Helper()
			roles, err := w.Roles.RolesOf(ctx, ann.Ref())
			is(t, "roles", err, nil)
			for _, r := range roles {
				names = append(names, r.Name)
			}
			slices.Sort(names)
			return names
		}
		if got, want := names(), []string{"reader", "writer"}; !slices.Equal(got, want) {
			t.Errorf("roles = %v, want %v", got, want)
		}
		is(t, "unassign", w.Roles.Unassign(ctx, reader.Ref(), ann.Ref()), nil)
		if got := names(); len(got) != 2 {
			t.Errorf("a role of the group went with the person's own: %v", got)
		}
		is(t, "unassign the group", w.Roles.UnassignGroup(ctx, reader.Ref(), staff.Ref()), nil)
		if got := names(); !slices.Equal(got, []string{"writer"}) {
			t.Errorf("roles = %v", got)
		}
		is(t, "leave", w.Groups.RemoveMember(ctx, staff.Ref(), ann.Ref()), nil)
		if got := names(); len(got) != 0 {
			t.Errorf("roles = %v after leaving the group", got)
		}
		is(t, "no role", w.Roles.Assign(ctx, store.Ref{ID: "none"}, ann.Ref()), store.ErrNotFound)
		is(t, "no subject", w.Roles.Assign(ctx, reader.Ref(), store.Ref{ID: "none"}), store.ErrNotFound)
		is(t, "no group", w.Roles.AssignGroup(ctx, reader.Ref(), store.Ref{ID: "none"}), store.ErrNotFound)
		writer.Description = "writes"
		is(t, "replace", w.Roles.Replace(ctx, writer), nil)
		is(t, "delete", w.Roles.Delete(ctx, writer), nil)
		for a, err := range w.Roles.Assignments(ctx, writer.Ref()) {
			t.Errorf("an assignment remains: %v, %v", a, err)
		}
	})
}
