package ldap

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// List implements directory.Users. The cursor is the place of the last person in the order, not a cookie of RFC 2696, which lives and
// dies with its connection: any node continues with any server.
//
// Without an order, and where Schema.Sorted says that the server can, a page is read in the order of ids. Otherwise those who fit what
// of the filter LDAP can say are all looked at for each page, with the attributes that it takes and in pages of RFC 2696, and only the
// people of the page are read whole. More of them than Config.ScanLimit is store.ErrTooMany.
func (u *Users) List(ctx context.Context, q store.Query) (store.Listing[directory.User], error) {
	var none store.Listing[directory.User]
	filter, err := fold(q.Filter)
	if err != nil {
		return none, err
	}
	if q.Sort != "" && known(q.Sort) != nil {
		return none, known(q.Sort)
	}
	l := &lister{users: u, query: q, filter: filter, limit: q.Limit}
	if l.limit == 0 {
		l.limit = 100
	}
	if l.limit < 0 || l.limit > 1000 {
		return none, fmt.Errorf("ldap: a page of %d: %w", q.Limit, store.ErrInvalid)
	}
	if l.after, err = parsePlace(q.After); err != nil {
		return none, err
	}
	if q.Org != "" && q.Within != store.Everywhere {
		return none, nil
	}
	var listing store.Listing[directory.User]
	err = u.with(ctx, func(ctx context.Context, c *conn) (err error) {
		if listing, err = l.sorted(ctx, c); !errors.Is(err, errUnsorted) {
			return err
		}
		listing, err = l.scan(ctx, c)
		return err
	})
	return listing, err
}

// lister is one List at work.
type lister struct {
	users  *Users
	query  store.Query
	filter store.Filter // with folded names
	after  *place       // nil begins
	limit  int
}

// place is where somebody stands in an order.
type place struct {
	Missing bool   `json:"m,omitempty"` // they have nothing to sort by
	Text    string `json:"t,omitempty"`
	Number  int64  `json:"n,omitempty"`
	ID      string `json:"i"`
}

func (p place) cursor() string {
	wire, _ := json.Marshal(p) // texts and numbers always encode
	return base64.RawURLEncoding.EncodeToString(wire)
}

func parsePlace(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	wire, err := base64.RawURLEncoding.DecodeString(cursor)
	var p place
	if err != nil || json.Unmarshal(wire, &p) != nil || p.ID == "" {
		return nil, fmt.Errorf("ldap: the cursor is none of ours: %w", store.ErrInvalid)
	}
	return &p, nil
}

// place returns where a person stands in the order of the query.
func (l *lister) place(user *directory.User) place {
	p := place{Missing: true, ID: user.ID}
	for _, e := range index(user) {
		if e.Field == l.query.Sort {
			p.Missing, p.Text, p.Number = false, e.Value.Text, e.Value.Number
		}
	}
	return p
}

// compare orders places; those without anything to sort by come last, and with Descending first. Ties are in the order of ids.
func (l *lister) compare(a, b place) int {
	c := 0
	switch {
	case a.Missing != b.Missing:
		c = 1
		if b.Missing {
			c = -1
		}
	case a.Text != b.Text:
		c = strings.Compare(a.Text, b.Text)
	case a.Number < b.Number:
		c = -1
	case a.Number > b.Number:
		c = 1
	}
	if c == 0 {
		return strings.Compare(a.ID, b.ID)
	}
	if l.query.Descending {
		return -c
	}
	return c
}

// listed turns an entry into a person, if it is one who fits the filter.
func (l *lister) listed(e entry) (*directory.User, bool) {
	user, ok := l.users.user(e)
	return user, ok && l.filter.Match(index(user))
}

// errUnsorted says that List must sort by itself.
var errUnsorted = errors.New("ldap: the server does not sort")

// sorted reads the page in the order of ids, if the query and the server let it: those behind the last id of the page before, sorted by
// the server (RFC 2891), and no more of them than it takes.
func (l *lister) sorted(ctx context.Context, c *conn) (store.Listing[directory.User], error) {
	var listing store.Listing[directory.User]
	u := l.users
	if !u.schema.Sorted || l.query.Sort != "" || l.query.Descending || l.query.Count > 0 {
		return listing, errUnsorted
	}
	last := ""
	if l.after != nil {
		last = l.after.ID
	}
	for range u.config.ScanLimit/(l.limit+1) + 1 {
		found, more, err := l.next(ctx, c, last)
		if err != nil {
			return listing, err
		}
		for _, e := range found {
			id, ok := u.id(e, u.schema.Attributes.ID)
			if !ok || id <= last {
				return listing, errUnsorted
			}
			last = id
			user, ok := l.listed(e)
			if !ok {
				continue
			}
			if len(listing.Items) == l.limit {
				listing.Next = l.place(listing.Items[l.limit-1]).cursor()
				return listing, nil
			}
			listing.Items = append(listing.Items, user)
		}
		if !more {
			return listing, nil
		}
		if len(found) == 0 {
			return listing, errUnsorted
		}
	}
	return listing, store.ErrTooMany
}

// next returns the people behind an id, in the order of ids.
func (l *lister) next(ctx context.Context, c *conn, id string) (found []entry, more bool, err error) {
	u := l.users
	filter := u.pushed(l.filter)
	if id != "" {
		value, ok := u.schema.ID.filterValue(id)
		if !ok {
			return nil, false, fmt.Errorf("ldap: the cursor is none of ours: %w", store.ErrInvalid)
		}
		filter += "(" + u.schema.Attributes.ID + ">=" + value + ")(!" + equals(u.schema.Attributes.ID, value) + ")"
	}
	r := u.people(filter, u.attributes(), l.limit+1)
	r.Controls = []goldap.Control{sortBy(u.schema.Attributes.ID)}
	result, more, err := c.search(ctx, r)
	if is(err, goldap.LDAPResultUnavailableCriticalExtension, goldap.LDAPResultInappropriateMatching, goldap.LDAPResultUnwillingToPerform,
		goldap.LDAPResultAdminLimitExceeded) {
		return nil, false, errUnsorted
	}
	if err != nil {
		return nil, false, failed("search", err)
	}
	for _, e := range result.Entries {
		found = append(found, newEntry(e))
	}
	return found, more, nil
}

// sortBy is the control that demands an order (RFC 2891 §1.1). It is critical: part of what is not in order is of no use.
func sortBy(attribute string) goldap.Control {
	sorting := goldap.NewControlServerSideSortingWithSortKeys([]*goldap.SortKey{{AttributeType: attribute}}).Encode()
	return goldap.NewControlString(goldap.ControlTypeServerSideSorting, true, sorting.Children[1].Data.String())
}

// scan looks at everybody who may fit, and reads those of the page.
func (l *lister) scan(ctx context.Context, c *conn) (store.Listing[directory.User], error) {
	var listing store.Listing[directory.User]
	var places []place // the first of those behind the cursor, and some more before they are cut
	add := func(e entry) {
		user, ok := l.listed(e)
		if !ok {
			return
		}
		listing.Count = min(listing.Count+1, l.query.Count)
		p := l.place(user)
		if l.after != nil && l.compare(p, *l.after) <= 0 {
			return
		}
		if places = append(places, p); len(places) > 8*(l.limit+1) {
			places = l.least(places)
		}
	}
	if err := l.users.scan(ctx, c, l.users.config.Base, l.users.schema.Filter, l.users.pushed(l.filter), l.attributes(), add); err != nil {
		return store.Listing[directory.User]{}, err
	}
	places = l.least(places)
	if len(places) > l.limit {
		places = places[:l.limit]
		listing.Next = places[l.limit-1].cursor()
	}
	var err error
	listing.Items, err = l.users.read(ctx, c, places)
	return listing, err
}

// least returns the first places in order, one more than a page holds.
func (l *lister) least(places []place) []place {
	slices.SortFunc(places, l.compare)
	return places[:min(len(places), l.limit+1)]
}

// attributes are those that the filter and the order look at.
func (l *lister) attributes() []string {
	u := l.users
	a := &u.schema.Attributes
	list := []string{a.ID, a.Username}
	for _, name := range []string{a.Email, a.Name, a.Created, a.Updated} {
		if name != "" {
			list = append(list, name)
		}
	}
	switch u.schema.Disabled {
	case LockedTime:
		list = append(list, lockedTime)
	case AccountControl:
		list = append(list, accountControl)
	case NotDisabled:
	}
	return list
}

// scanPage is how many entries are asked for at once (RFC 2696).
const scanPage = 500

// scan hands all entries below base that fit both filters to add.
func (u *Users) scan(ctx context.Context, c *conn, base, kind, filter string, attributes []string, add func(entry)) error {
	paging := goldap.NewControlPaging(scanPage)
	seen := 0
	for {
		r := goldap.NewSearchRequest(base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, "(&"+kind+filter+")", attributes,
			[]goldap.Control{paging})
		result, more, err := c.search(ctx, r)
		if err != nil {
			return failed("search", err)
		}
		if seen += len(result.Entries); more || seen > u.config.ScanLimit {
			return store.ErrTooMany // the server's limit, or ours
		}
		for _, e := range result.Entries {
			add(newEntry(e))
		}
		answer, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok || len(answer.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(answer.Cookie)
	}
}

// readPage is how many entries are read at once by their ids.
const readPage = 50

// read returns the people at the places, in that order. Who has gone meanwhile is left out.
func (u *Users) read(ctx context.Context, c *conn, places []place) ([]*directory.User, error) {
	byID := make(map[string]*directory.User, len(places))
	for part := range slices.Chunk(places, readPage) {
		var b strings.Builder
		for _, p := range part {
			value, _ := u.schema.ID.filterValue(p.ID) // it was decoded
			b.WriteString(equals(u.schema.Attributes.ID, value))
		}
		result, _, err := c.search(ctx, u.people("(|"+b.String()+")", u.attributes(), 0))
		if err != nil {
			return nil, failed("search", err)
		}
		for _, found := range result.Entries {
			e := newEntry(found)
			if err := c.complete(ctx, e, maxValues); err != nil {
				return nil, err
			}
			if user, ok := u.user(e); ok {
				byID[user.ID] = user
			}
		}
	}
	users := make([]*directory.User, 0, len(places))
	for _, p := range places {
		if user, ok := byID[p.ID]; ok {
			users = append(users, user)
		}
	}
	return users, nil
}
