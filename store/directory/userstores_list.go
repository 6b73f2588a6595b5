package directory

import (
	"context"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store"
)

// List implements Users: everybody in the first store, then everybody in the second, and so on. A cursor is the name of a
// store, a slash, and the cursor there. A store that does not answer fails the listing: it is never cut short.
//
// Equals("store", …) and Equals("id", …), alone or in an And, lead to one store, which also sorts. Over several there is no
// order but that of the stores: Query.Sort is store.ErrUnindexed, and so are "store" and "id" anywhere else.
func (s *userStores) List(ctx context.Context, q store.Query) (store.Listing[User], error) {
	var listing store.Listing[User]
	route, err := s.route(q.Filter)
	if err != nil {
		return listing, err
	}
	if len(route.members) > 1 && q.Sort != "" {
		return listing, store.ErrUnindexed
	}
	limit, err := store.ValidateQuery(store.Query{Kind: userKind, Filter: q.Filter, Within: q.Within, Limit: q.Limit, Count: q.Count})
	if err != nil {
		return listing, err
	}
	at, cursor, err := route.start(q.After)
	if err != nil {
		return listing, err
	}
	bound := q.Count
	for i, m := range route.members {
		step := q
		step.Filter, step.After, step.Limit, step.Count = route.filter, "", limit-len(listing.Items), bound-listing.Count
		listed := i >= at && step.Limit > 0
		switch {
		case listed && i == at:
			step.After = cursor
		case !listed && step.Count == 0:
			continue
		case !listed:
			step.Limit = 1 // for the count alone
		}
		page, err := m.list(ctx, step)
		if err != nil {
			return store.Listing[User]{}, err
		}
		listing.Count = min(bound, listing.Count+page.Count)
		if !listed {
			continue
		}
		listing.Items = append(listing.Items, page.Items...)
		listing.Next = route.next(i, page.Next)
		if page.Next != "" {
			limit = len(listing.Items) // a store may end a page early
		}
	}
	return listing, nil
}

// list asks one store.
func (m *userStore) list(ctx context.Context, q store.Query) (store.Listing[User], error) {
	page, err := answer(ctx, m, func(ctx context.Context) (store.Listing[User], error) { return m.Users.List(ctx, q) })
	if err != nil {
		return page, err
	}
	for i, u := range page.Items {
		page.Items[i] = m.outside(u)
	}
	return page, nil
}

// route is which stores a query goes to, in order, and what each is asked.
type route struct {
	members []*userStore
	filter  store.Filter
}

// route takes the conditions out of a filter that say in which store somebody is.
func (s *userStores) route(filter store.Filter) (route, error) {
	r := route{members: s.members}
	parts, isAnd := filter.(store.And)
	if !isAnd && filter != nil {
		parts = store.And{filter}
	}
	var rest store.And
	for _, part := range parts {
		c, isCompare := part.(store.Compare)
		switch {
		case isCompare && c.Operator == store.Eq && c.Field == "store":
			r.keep(s.named(c.Value.Text))
		case isCompare && c.Operator == store.Eq && c.Field == "id":
			m, external := s.origin(c.Value.Text)
			r.keep(m)
			rest = append(rest, store.Equals("id", store.Text(external)))
		case mentions(part, "store") || mentions(part, "id"):
			return route{}, store.ErrUnindexed
		default:
			rest = append(rest, part)
		}
	}
	switch {
	case len(rest) == 1:
		r.filter = rest[0]
	case len(rest) > 1:
		r.filter = rest
	}
	return r, nil
}

// keep leaves one store, or none when another was left before.
func (r *route) keep(m *userStore) {
	for _, have := range r.members {
		if have == m {
			r.members = []*userStore{m}
			return
		}
	}
	r.members = nil
}

// start returns where a cursor goes on.
func (r *route) start(after string) (at int, cursor string, err error) {
	if after == "" {
		return 0, "", nil
	}
	name, cursor, _ := strings.Cut(after, "/")
	for i, m := range r.members {
		if m.name == name {
			return i, cursor, nil
		}
	}
	return 0, "", fmt.Errorf("%w: Query.After is no cursor of this query", store.ErrInvalid)
}

// next is the cursor behind a page of the i-th store, whose own is next.
func (r *route) next(i int, next string) string {
	switch {
	case next != "":
		return r.members[i].name + "/" + next
	case i+1 < len(r.members):
		return r.members[i+1].name + "/"
	}
	return ""
}

// mentions reports whether a filter has a condition on a field.
func mentions(f store.Filter, field string) bool {
	parts := []store.Filter(nil)
	switch f := f.(type) {
	case store.And:
		parts = f
	case store.Or:
		parts = f
	case store.Not:
		parts = []store.Filter{f.Filter}
	case store.Present:
		return f.Field == field
	case store.Compare:
		return f.Field == field
	}
	for _, part := range parts {
		if mentions(part, field) {
			return true
		}
	}
	return false
}
