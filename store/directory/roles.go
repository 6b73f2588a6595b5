package directory

import (
	"context"
	"errors"
	"iter"
	"slices"

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
		Cached: true,
	}
	assignmentKind = store.Kind{Name: "directory.assignment"}
	assignmentType = store.Type[RoleAssignment]{
		Kind: assignmentKind,
		Index: func(a *RoleAssignment) []store.Entry {
			return []store.Entry{{Field: "role", Value: pointer(a.Role)}, {Field: "subject", Value: pointer(a.Subject)}}
		},
	}
	// What groups have is few and asked for with every sign-in, so that it is remembered; what subjects have is many.
	groupAssignmentKind = store.Kind{Name: "directory.assignment.group"}
	groupAssignmentType = store.Type[RoleAssignment]{
		Kind: groupAssignmentKind,
		Index: func(a *RoleAssignment) []store.Entry {
			return []store.Entry{{Field: "role", Value: pointer(a.Role)}, {Field: "group", Value: pointer(a.Group)}}
		},
		Cached: true,
	}
)

// Roles keeps roles and who has them.
type Roles struct {
	db          *store.DB
	all         *store.Collection[Role]
	assignments *store.Collection[RoleAssignment] // of subjects
	subjects    *Subjects
	groups      *Groups
	apps        *Applications

	groupAssignments *store.Collection[RoleAssignment]
	known            *store.Cache[store.Ref, *Role]                  // nil for one that is not there
	byGroup          *store.Cache[string, map[store.Ref][]store.Ref] // by organization, then by group
}

func newRoles(db *store.DB, subjects *Subjects, groups *Groups, apps *Applications) *Roles {
	all := store.NewCollection(db, roleType)
	return &Roles{
		db: db, all: all, assignments: store.NewCollection(db, assignmentType), subjects: subjects, groups: groups, apps: apps,
		groupAssignments: groups.roles,
		known:            store.NewCache[store.Ref, *Role](db, all),
		byGroup:          store.NewCache[string, map[store.Ref][]store.Ref](db, groups.roles),
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

// remembered returns a role as of at most store.Staleness ago, nil for one that is not there. It is shared and must not be
// changed.
func (r *Roles) remembered(ctx context.Context, ref store.Ref) (*Role, error) {
	return r.known.Get(ctx, ref, func() (*Role, string, error) {
		role, err := r.all.Get(ctx, ref)
		if errors.Is(err, store.ErrNotFound) {
			return nil, ref.Org, nil // being deleted
		}
		return role, ref.Org, err
	})
}

// Replace writes a role over the version that was read. The event is "role.updated". Errors: as Create, *InvalidError for
// another Application, and *store.Conflict for a stale version.
func (r *Roles) Replace(ctx context.Context, role *Role) error {
	if err := role.Validate(); err != nil {
		return err
	}
	old, err := r.all.Get(ctx, role.Ref())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && old.Application != role.Application {
		return &InvalidError{Field: "application", Problem: "is fixed at creation"}
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
	return r.unassignAll(ctx, role.Ref())
}

func (r *Roles) unassignAll(ctx context.Context, role store.Ref) error {
	q := store.Query{Org: role.Org, Filter: store.Equals("role", pointer(role))}
	if err := sweep(ctx, r.db, r.groupAssignments, q); err != nil {
		return err
	}
	return sweep(ctx, r.db, r.assignments, q)
}

// SetAudience says whose roles an application counts. With OrganizationRoles the application's own roles are deleted. The
// events are "application.updated" and "role.deleted"; it may be repeated until it succeeds.
func (r *Roles) SetAudience(ctx context.Context, application store.Ref, audience RoleAudience) error {
	err := change(ctx, r.db, r.apps.all, application, func(b *store.Batch, app *Application) (bool, error) {
		if app.RoleAudience == audience {
			return false, nil
		}
		app.RoleAudience = audience
		b.Event(app.event("application.updated"))
		return true, app.Validate()
	})
	if err != nil || audience != OrganizationRoles {
		return err
	}
	return r.forgetApplication(ctx, application)
}

// forgetApplication deletes the roles of an application.
func (r *Roles) forgetApplication(ctx context.Context, application store.Ref) error {
	q := store.Query{Org: application.Org, Filter: store.Equals("application", store.Text(application.ID))}
	for role, err := range r.all.All(ctx, q) {
		if err != nil {
			return err
		}
		if err := r.Delete(ctx, role); err != nil {
			return err
		}
	}
	return nil
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
	q := store.Query{Org: role.Org, Filter: store.Equals("role", pointer(role))}
	return func(yield func(*RoleAssignment, error) bool) {
		for _, kept := range []*store.Collection[RoleAssignment]{r.assignments, r.groupAssignments} {
			for a, err := range kept.All(ctx, q) {
				if !yield(a, err) || err != nil {
					return
				}
			}
		}
	}
}

// RolesOf returns the roles that a subject has, by itself or through groups, each once.
func (r *Roles) RolesOf(ctx context.Context, subject store.Ref) ([]*Role, error) {
	refs, err := r.refsOf(ctx, subject)
	if err != nil {
		return nil, err
	}
	var roles []*Role
	for i, ref := range refs {
		if slices.Contains(refs[:i], ref) {
			continue
		}
		role, err := r.all.Get(ctx, ref)
		if errors.Is(err, store.ErrNotFound) {
			continue // being deleted
		}
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
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
		v.scopeName("permissions", p)
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
		switch _, err := r.of(a).Get(ctx, a.Ref()); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		a.Since = b.Now()
		r.of(a).Insert(b, a)
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
		old, err := r.of(a).Get(ctx, a.Ref())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := r.db.Batch()
		r.of(a).Delete(b, old)
		b.Event(old.event("role.unassigned"))
		return b.Apply(ctx)
	})
}

// forget removes what remains of a subject that has ended.
func (r *Roles) forget(ctx context.Context, subject store.Ref) error {
	return sweep(ctx, r.db, r.assignments, bySubject(subject))
}

// of is where an assignment lies.
func (r *Roles) of(a *RoleAssignment) *store.Collection[RoleAssignment] {
	if a.Group.IsZero() {
		return r.assignments
	}
	return r.groupAssignments
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
