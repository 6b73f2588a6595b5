package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Group is a group of the directory. Its ID never changes; its name and DN may.
type Group struct {
	ID, Name, DN string
}

// GroupsOf returns the groups that a person belongs to, also by way of other groups, ordered by name. Groups that contain one another do
// no harm. A person who has gone is store.ErrNotFound; more groups than Config.ScanLimit are store.ErrTooMany. The primary group of
// Active Directory, which is no membership there, is not among them.
func (u *Users) GroupsOf(ctx context.Context, user *directory.User) ([]Group, error) {
	var groups map[string]Group
	err := u.with(ctx, func(ctx context.Context, c *conn) error {
		e, err := u.entryOf(ctx, c, user.ID)
		if err != nil {
			return err
		}
		groups = map[string]Group{}
		if u.schema.Groups.InChain {
			// LDAP_MATCHING_RULE_IN_CHAIN ([MS-ADTS] §3.1.1.3.4.4)
			_, err = u.groups(ctx, c, "("+u.schema.Groups.Member+":1.2.840.113556.1.4.1941:="+goldap.EscapeFilter(e.dn)+")", groups)
			return err
		}
		return u.climb(ctx, c, []string{e.dn}, groups)
	})
	if err != nil {
		return nil, err
	}
	list := make([]Group, 0, len(groups))
	for _, g := range groups {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b Group) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// climb finds the groups of the members, then the groups of those, until there are none that are new: so that a circle ends.
func (u *Users) climb(ctx context.Context, c *conn, members []string, groups map[string]Group) error {
	for len(members) > 0 {
		var next []string
		for part := range slices.Chunk(members, readPage) {
			var b strings.Builder
			for _, dn := range part {
				b.WriteString(equals(u.schema.Groups.Member, goldap.EscapeFilter(dn)))
			}
			found, err := u.groups(ctx, c, "(|"+b.String()+")", groups)
			if err != nil {
				return err
			}
			next = append(next, found...)
		}
		members = next
	}
	return nil
}

// groups adds the groups that fit the filter and returns the names of those that are new.
func (u *Users) groups(ctx context.Context, c *conn, filter string, groups map[string]Group) (added []string, err error) {
	g := u.schema.Groups
	err = u.scan(ctx, c, u.config.GroupBase, g.Filter, filter, []string{g.ID, g.Name}, func(e entry) {
		id, ok := u.id(e, g.ID)
		if _, known := groups[id]; ok && !known {
			groups[id] = Group{ID: id, Name: e.first(g.Name), DN: e.dn}
			added = append(added, e.dn)
		}
	})
	if err == nil && len(groups) > u.config.ScanLimit {
		err = store.ErrTooMany
	}
	return added, err
}

// Members returns the DNs of the direct members of a group, people and groups, however many ranges the server gives them out in. A group
// that does not exist is store.ErrNotFound; more members than Config.ScanLimit are store.ErrTooMany.
func (u *Users) Members(ctx context.Context, groupID string) ([]string, error) {
	g := u.schema.Groups
	value, ok := u.schema.ID.filterValue(groupID)
	if !ok {
		return nil, store.ErrNotFound
	}
	attribute := g.Member
	if g.Ranges {
		attribute += ";range=0-1499"
	}
	var members []string
	err := u.with(ctx, func(ctx context.Context, c *conn) error {
		r := goldap.NewSearchRequest(u.config.GroupBase, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 2, 0, false,
			"(&"+g.Filter+equals(g.ID, value)+")", []string{attribute}, nil)
		result, _, err := c.search(ctx, r)
		if err != nil {
			return failed("search", err)
		}
		if len(result.Entries) != 1 {
			return store.ErrNotFound
		}
		e := newEntry(result.Entries[0])
		if err := c.complete(ctx, e, u.config.ScanLimit+1); err != nil {
			return err
		}
		members = members[:0]
		for _, dn := range e.values[strings.ToLower(g.Member)] {
			members = append(members, string(dn))
		}
		return nil
	})
	if err == nil && len(members) > u.config.ScanLimit {
		return nil, errors.Join(store.ErrTooMany)
	}
	return members, err
}
