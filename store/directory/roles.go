package directory

import (
	"context"
	"errors"
	"iter"
	"strings"
	"unicode"

	"github.com/signet-idp/signet/store"
)

var (
	roleKind = store.Kind{Name: "directory.role"}
	roleType = store.Type[Role]{
		Kind: roleKind,
		Keys: func(r *Role) []store.Key {
			return []store.Key{{Name: "name", Value: r.Application.ID + "|" + Fold(r.Name)}}
		},
		Index: func(r *Role) []store.Entry {
			return []store.Entry{
				{Field: "id", Value: store.Text(r.ID)},
				{Field: "name", Value: store.Text(Fold(r.Name))},
				{Field: "application", Value: store.Text(r.Application.ID)},
			}
		},
	}
	assignmentKind = store.Kind{Name: "directory.assignment"}
	assignmentType = store.Type[RoleAssignment]{
		Kind: assignmentKind,
		Index: func(a *RoleAssignment) []store.Entry {
			entries := []store.Entry{{Field: "role", Value: pointer(a.Role)}}
			if !a.Subject.IsZero() {
				entries = append(entries, store.Entry{Field: "subject", Value: pointer(a.Subject)})
			}
			if !a.Group.IsZero() {
				entries = append(entries, store.Entry{Field: "group", Value: pointer(a.Group)})
			}
			return entries
		},
	}
)

// Roles keeps roles and who has them.
type Roles struct {
	db          *store.DB
	all         *store.Collection[Role]
	assignments *store.Collection[RoleAssignment]
	subjects    *Subjects
	groups      *Groups
}

func newRoles(db *store.DB, subjects *Subjects, groups *Groups) *Roles {
	return &Roles{
		db: db, all: store.NewCollection(db, roleType), assignments: store.NewCollection(db, assignmentType),
		subjects: subjects, groups: groups,
	}
}

// Create adds a role; a missing ID is filled in. The event is "role.created". Errors: *InvalidError, *TakenError.
func (r *Roles) Create(ctx context.Context, role *Role) error {
	if err := role.Validate(); err != nil {
		return err
	}
	if role.ID == "" {
		role.ID = store.NewID()
	}
	b := r.db.Batch()
	role.Created = b.Now()
	role.Updated = role.Created
	r.all.Insert(b, role)
	b.Event(role.event("role.created"))
	return taken(b.Apply(ctx))
}

// Get returns the role, or store.ErrNotFound.
func (r *Roles) Get(ctx context.Context, ref store.Ref) (*Role, error) { return r.all.Get(ctx, ref) }

// List returns a page of roles. Fields: id, name (compared without regard to case), application (an id, or "").
func (r *Roles) List(ctx context.Context, q store.Query) (store.Listing[Role], error) {
	q.Filter = foldFilter(q.Filter)
	return r.all.List(ctx, q)
}

// Replace writes a role over the version that was read. The event is "role.updated". Errors: as Create, and
// *store.Conflict for a stale version.
func (r *Roles) Replace(ctx context.Context, role *Role) error {
	if err := role.Validate(); err != nil {
		return err
	}
	b := r.db.Batch()
	role.Updated = b.Now()
	r.all.Replace(b, role)
	b.Event(role.event("role.updated"))
	return taken(b.Apply(ctx))
}

// Delete removes a role at the version it was read at, and then its assignments, which mean nothing without it. The
// event is "role.deleted".
func (r *Roles) Delete(ctx context.Context, role *Role) error {
	b := r.db.Batch()
	r.all.Delete(b, role)
	b.Event(role.event("role.deleted"))
	if err := b.Apply(ctx); err != nil {
		return err
	}
	return sweep(ctx, r.db, r.assignments, store.Query{Org: role.Org, Filter: store.Equals("role", pointer(role.Ref()))})
}

// Assign gives a role to a subject; one who has it keeps it. The event is "role.assigned". The error is
// store.ErrNotFound when there is no such role or subject.
func (r *Roles) Assign(ctx context.Context, role, subject store.Ref) error {
	return r.assign(ctx, &RoleAssignment{Role: role, Subject: subject})
}

// AssignGroup gives a role to all members of a group, as Assign does.
func (r *Roles) AssignGroup(ctx context.Context, role, group store.Ref) error {
	return r.assign(ctx, &RoleAssignment{Role: role, Group: group})
}

// Unassign takes a role from a subject, who may still have it through a group; where there is no assignment nothing
// happens. The event is "role.unassigned".
func (r *Roles) Unassign(ctx context.Context, role, subject store.Ref) error {
	return r.unassign(ctx, &RoleAssignment{Role: role, Subject: subject})
}

// UnassignGroup takes a role from a group, as Unassign does.
func (r *Roles) UnassignGroup(ctx context.Context, role, group store.Ref) error {
	return r.unassign(ctx, &RoleAssignment{Role: role, Group: group})
}

// Assignments walks through who has a role. It ends after the first error.
func (r *Roles) Assignments(ctx context.Context, role store.Ref) iter.Seq2[*RoleAssignment, error] {
	return r.assignments.All(ctx, store.Query{Org: role.Org, Filter: store.Equals("role", pointer(role))})
}

// RolesOf returns the roles that a subject has, by itself or through groups, each once.
func (r *Roles) RolesOf(ctx context.Context, subject store.Ref) ([]*Role, error) {
	queries := []store.Query{bySubject(subject)}
	for group, err := range r.groups.GroupsOf(ctx, subject) {
		if err != nil {
			return nil, err
		}
		queries = append(queries, store.Query{Org: group.Org, Filter: store.Equals("group", pointer(group.Ref()))})
	}
	var roles []*Role
	seen := map[store.Ref]bool{}
	for _, q := range queries {
		for a, err := range r.assignments.All(ctx, q) {
			if err != nil {
				return nil, err
			}
			if seen[a.Role] {
				continue
			}
			seen[a.Role] = true
			role, err := r.all.Get(ctx, a.Role)
			if errors.Is(err, store.ErrNotFound) {
				continue // being deleted
			}
			if err != nil {
				return nil, err
			}
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (r *Role) Validate() error {
	var v validation
	v.required("name", r.Name, maxText)
	v.text("description", r.Description, 4*maxText)
	if len(r.Permissions) > 1000 {
		v.add("permissions", "must be at most 1000")
	}
	for _, p := range r.Permissions {
		if v.text("permissions", p, maxText); p == "" || strings.ContainsFunc(p, unicode.IsSpace) {
			v.add("permissions", "must be words without blanks")
		}
	}
	return v.err()
}

func (r *Roles) assign(ctx context.Context, a *RoleAssignment) error {
	a.Org, a.ID = a.Role.Org, a.id()
	return retry(func() error {
		b := r.db.Batch()
		role, err := r.all.Get(ctx, a.Role)
		if err != nil {
			return err
		}
		r.all.Check(b, role) // neither is removed meanwhile
		if err := r.checkHolder(ctx, b, a); err != nil {
			return err
		}
		switch _, err := r.assignments.Get(ctx, a.Ref()); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		a.Since = b.Now()
		r.assignments.Insert(b, a)
		b.Event(a.event("role.assigned"))
		return b.Apply(ctx)
	})
}

func (r *Roles) checkHolder(ctx context.Context, b *store.Batch, a *RoleAssignment) error {
	if a.Group.IsZero() {
		subject, err := r.subjects.Get(ctx, a.Subject)
		if err == nil {
			r.subjects.all.Check(b, subject)
		}
		return err
	}
	group, err := r.groups.Get(ctx, a.Group)
	if err == nil {
		r.groups.all.Check(b, group)
	}
	return err
}

func (r *Roles) unassign(ctx context.Context, a *RoleAssignment) error {
	a.Org, a.ID = a.Role.Org, a.id()
	return retry(func() error {
		old, err := r.assignments.Get(ctx, a.Ref())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := r.db.Batch()
		r.assignments.Delete(b, old)
		b.Event(old.event("role.unassigned"))
		return b.Apply(ctx)
	})
}

// forget removes what remains of a subject that has ended.
func (r *Roles) forget(ctx context.Context, subject store.Ref) error {
	return sweep(ctx, r.db, r.assignments, bySubject(subject))
}

// id names an assignment by what it says, so that there is one of each.
func (a *RoleAssignment) id() string {
	if a.Group.IsZero() {
		return a.Role.ID + "|subject|" + a.Subject.ID
	}
	return a.Role.ID + "|group|" + a.Group.ID
}

func (a *RoleAssignment) event(kind string) store.Event {
	return store.Event{
		Meta: store.Meta{Org: a.Org}, Type: kind, Subject: a.Subject.ID, Data: details("role", a.Role.ID, "group", a.Group.ID),
	}
}

func (r *Role) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: r.Org}, Type: kind, Data: details("role", r.ID)}
}
