package directory

import (
	"context"
	"errors"
	"iter"

	"github.com/signet-idp/signet/store"
)

var (
	groupKind = store.Kind{Name: "directory.group"}
	groupType = store.Type[Group]{
		Kind: groupKind,
		Keys: func(g *Group) []store.Key { return []store.Key{{Name: "name", Value: Fold(g.Name)}} },
		Index: func(g *Group) []store.Entry {
			entries := []store.Entry{
				{Field: "id", Value: store.Text(g.ID)},
				{Field: "name", Value: store.Text(Fold(g.Name))},
				{Field: "created", Value: store.Time(g.Created)},
				{Field: "updated", Value: store.Time(g.Updated)},
			}
			if g.ExternalID != "" {
				entries = append(entries, store.Entry{Field: "externalId", Value: store.Text(g.ExternalID)})
			}
			return entries
		},
	}
	membershipKind = store.Kind{Name: "directory.membership"}
	membershipType = store.Type[Membership]{
		Kind: membershipKind,
		Index: func(m *Membership) []store.Entry {
			return []store.Entry{{Field: "group", Value: pointer(m.Group)}, {Field: "subject", Value: pointer(m.Subject)}}
		},
	}
)

// Groups keeps groups and who belongs to them.
type Groups struct {
	db       *store.DB
	all      *store.Collection[Group]
	members  *store.Collection[Membership]
	roles    *store.Collection[RoleAssignment] // of groups
	subjects *Subjects
}

func newGroups(db *store.DB, subjects *Subjects) *Groups {
	return &Groups{
		db: db, all: store.NewCollection(db, groupType), members: store.NewCollection(db, membershipType),
		roles: store.NewCollection(db, groupAssignmentType), subjects: subjects,
	}
}

// Create adds a group; a missing ID is filled in. The event is "group.created". Errors: *InvalidError, *TakenError.
func (g *Groups) Create(ctx context.Context, group *Group) error {
	if err := group.Validate(); err != nil {
		return err
	}
	if group.ID == "" {
		group.ID = store.NewID()
	}
	b := g.db.Batch()
	group.Created = b.Now()
	group.Updated = group.Created
	g.all.Insert(b, group)
	b.Event(group.event("group.created"))
	return taken(b.Apply(ctx))
}

// Get returns the group, or store.ErrNotFound.
func (g *Groups) Get(ctx context.Context, ref store.Ref) (*Group, error) { return g.all.Get(ctx, ref) }

// Find returns the group with the name, or store.ErrNotFound.
func (g *Groups) Find(ctx context.Context, org, name string) (*Group, error) {
	return g.all.Lookup(ctx, org, store.Key{Name: "name", Value: Fold(name)})
}

// List returns a page of groups. Fields: id, name, externalId, created, updated. Names are compared without regard to
// case.
func (g *Groups) List(ctx context.Context, q store.Query) (store.Listing[Group], error) {
	q.Filter = foldFilter(q.Filter)
	return g.all.List(ctx, q)
}

// Replace writes a group over the version that was read. The event is "group.updated". Errors: as Create, and
// *store.Conflict for a stale version.
func (g *Groups) Replace(ctx context.Context, group *Group) error {
	if err := group.Validate(); err != nil {
		return err
	}
	b := g.db.Batch()
	group.Updated = b.Now()
	g.all.Replace(b, group)
	b.Event(group.event("group.updated"))
	return taken(b.Apply(ctx))
}

// Delete removes a group at the version it was read at, together with the roles that it has, and then its memberships, which
// mean nothing without it. The event is "group.deleted".
func (g *Groups) Delete(ctx context.Context, group *Group) error {
	b := g.db.Batch()
	g.all.Delete(b, group)
	b.Event(group.event("group.deleted"))
	roles := store.Query{Org: group.Org, Filter: store.Equals("group", pointer(group.Ref()))}
	for a, err := range g.roles.All(ctx, roles) { // at once: nobody has a role through what remains of a group
		if err != nil {
			return err
		}
		g.roles.Delete(b, a)
	}
	if err := b.Apply(ctx); err != nil {
		return err
	}
	if err := sweep(ctx, g.db, g.roles, roles); err != nil { // given meanwhile
		return err
	}
	return sweep(ctx, g.db, g.members, store.Query{Org: group.Org, Filter: store.Equals("group", pointer(group.Ref()))})
}

// AddMember makes a subject a member of a group; one who is a member already stays it. The event is
// "group.member_added". The error is store.ErrNotFound when there is no such group or subject.
func (g *Groups) AddMember(ctx context.Context, group, subject store.Ref) error {
	return retry(func() error {
		in, err := g.all.Get(ctx, group)
		if err != nil {
			return err
		}
		who, err := g.subjects.Get(ctx, subject)
		if err != nil {
			return err
		}
		if member, err := g.IsMember(ctx, group, subject); member || err != nil {
			return err
		}
		b := g.db.Batch()
		g.all.Check(b, in) // neither is removed meanwhile
		g.subjects.all.Check(b, who)
		g.members.Insert(b, &Membership{
			Meta: membershipMeta(group, subject), Group: group, Subject: subject, Since: b.Now(),
		})
		b.Event(memberEvent("group.member_added", group, subject))
		return b.Apply(ctx)
	})
}

// RemoveMember ends a membership; where there is none nothing happens. The event is "group.member_removed".
func (g *Groups) RemoveMember(ctx context.Context, group, subject store.Ref) error {
	return retry(func() error {
		meta := membershipMeta(group, subject)
		m, err := g.members.Get(ctx, meta.Ref())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := g.db.Batch()
		g.members.Delete(b, m)
		b.Event(memberEvent("group.member_removed", group, subject))
		return b.Apply(ctx)
	})
}

// IsMember reports whether a subject belongs to a group.
func (g *Groups) IsMember(ctx context.Context, group, subject store.Ref) (bool, error) {
	meta := membershipMeta(group, subject)
	_, err := g.members.Get(ctx, meta.Ref())
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Members walks through the members of a group. It ends after the first error.
func (g *Groups) Members(ctx context.Context, group store.Ref) iter.Seq2[*Membership, error] {
	return g.members.All(ctx, store.Query{Org: group.Org, Filter: store.Equals("group", pointer(group))})
}

// GroupsOf walks through the groups that a subject belongs to. It ends after the first error.
func (g *Groups) GroupsOf(ctx context.Context, subject store.Ref) iter.Seq2[*Group, error] {
	return func(yield func(*Group, error) bool) {
		for m, err := range g.members.All(ctx, bySubject(subject)) {
			if err != nil {
				yield(nil, err)
				return
			}
			group, err := g.all.Get(ctx, m.Group)
			if errors.Is(err, store.ErrNotFound) {
				continue // being deleted
			}
			if !yield(group, err) || err != nil {
				return
			}
		}
	}
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (g *Group) Validate() error {
	var v validation
	v.required("name", g.Name, maxText)
	v.text("description", g.Description, 4*maxText)
	v.text("externalId", g.ExternalID, maxText)
	return v.err()
}

// forget removes what remains of a subject that has ended.
func (g *Groups) forget(ctx context.Context, subject store.Ref) error {
	return sweep(ctx, g.db, g.members, bySubject(subject))
}

func bySubject(subject store.Ref) store.Query {
	return store.Query{Org: subject.Org, Filter: store.Equals("subject", pointer(subject))}
}

func membershipMeta(group, subject store.Ref) store.Meta {
	return store.Meta{Org: group.Org, ID: group.ID + "|" + subject.ID}
}

func memberEvent(kind string, group, subject store.Ref) store.Event {
	return store.Event{
		Meta: store.Meta{Org: group.Org}, Type: kind, Subject: subject.ID, Data: details("group", group.ID),
	}
}

func (g *Group) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: g.Org}, Type: kind, Data: details("group", g.ID)}
}

// sweep removes every record that matches, a page at a time. It is for what means nothing any more.
func sweep[T any](ctx context.Context, db *store.DB, all *store.Collection[T], q store.Query) error {
	q.Limit = 100
	return retry(func() error { // a record that somebody else removes makes it look again
		for {
			page, err := all.List(ctx, q)
			if err != nil || len(page.Items) == 0 {
				return err
			}
			b := db.Batch()
			for _, v := range page.Items {
				all.Delete(b, v)
			}
			if err := b.Apply(ctx); err != nil {
				return err
			}
		}
	})
}
