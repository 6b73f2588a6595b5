package ldap_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/ldap"
)

// all walks through the pages of a query.
func all(t *testing.T, u *ldap.Users, q store.Query) (usernames []string) {
	t.Helper()
	for range 100 {
		page, err := u.List(t.Context(), q)
		if err != nil {
			t.Fatalf("List(%+v): %v", q, err)
		}
		if len(page.Items) > q.Limit {
			t.Errorf("a page of %d", len(page.Items))
		}
		for _, user := range page.Items {
			usernames = append(usernames, user.Username)
		}
		if q.After = page.Next; q.After == "" {
			return usernames
		}
	}
	t.Fatalf("List(%+v) does not end", q)
	return nil
}

// crowd adds people of all kinds and returns them.
func crowd(t *testing.T, u *ldap.Users, prefix string, n int) (list []*directory.User) {
	t.Helper()
	for i := range n {
		user := &directory.User{Username: fmt.Sprintf("%s%c%d", prefix, "aBcD"[i%4], i), Disabled: i%5 == 0}
		if i%3 != 0 {
			user.Email = fmt.Sprintf("%cx%d@Example.com", "zYx"[i%3], i/2)
		}
		user.Name = []string{"Zo\u00eb (one)", "ann *", "Bob\\", "zoe", "\u00c9mile"}[i%5]
		if err := u.Create(t.Context(), nil, user); err != nil {
			t.Fatal(err)
		}
		list = append(list, user)
	}
	return list
}

// entriesOf are what the contract compares of a person.
func entriesOf(u *directory.User) []store.Entry {
	entries := []store.Entry{
		{Field: "id", Value: store.Text(u.ID)},
		{Field: "username", Value: store.Text(directory.Fold(u.Username))},
		{Field: "disabled", Value: store.Bool(u.Disabled)},
		{Field: "created", Value: store.Time(u.Created)},
		{Field: "updated", Value: store.Time(u.Updated)},
	}
	if u.Email != "" {
		entries = append(entries, store.Entry{Field: "email", Value: store.Text(directory.Fold(u.Email))})
	}
	if u.Name != "" {
		entries = append(entries, store.Entry{Field: "name", Value: store.Text(directory.Fold(u.Name))})
	}
	return entries
}

// order is what a list is sorted by.
type order struct {
	field      string
	descending bool
}

// proveList holds every answer against the definition of filters and orders.
func proveList(t *testing.T, u *ldap.Users, people []*directory.User, orders ...order) {
	t.Helper()
	folded := func(field string, operator store.Operator, text string) store.Compare {
		return store.Compare{Field: field, Operator: operator, Value: store.Text(directory.Fold(text))}
	}
	created := func(operator store.Operator, t time.Time) store.Compare {
		return store.Compare{Field: "created", Operator: operator, Value: store.Time(t)}
	}
	middle := people[len(people)/2]
	filters := []store.Filter{
		nil,
		store.And{},
		store.Or{},
		store.Equals("id", store.Text(middle.ID)), store.Equals("id", store.Text("none")),
		folded("username", store.Eq, middle.Username), folded("username", store.StartsWith, middle.Username[:len(middle.Username)-1]),
		folded("username", store.Contains, "b"), folded("username", store.EndsWith, "7"), folded("username", store.Gt, middle.Username),
		folded("email", store.StartsWith, "YX"), folded("email", store.Contains, "*"), folded("name", store.Eq, "zo\u00cb (ONE)"),
		folded("name", store.Contains, "*"), folded("name", store.EndsWith, "\\"), folded("name", store.StartsWith, "\u00e9"), folded("name", store.Contains, " "),
		store.Present{Field: "email"},
		store.Not{Filter: store.Present{Field: "email"}},
		store.Not{Filter: folded("name", store.Eq, "zoe")},
		store.Equals("disabled", store.Bool(true)), store.Equals("disabled", store.Bool(false)), store.Equals("disabled", store.Text("true")),
		created(store.Eq, middle.Created), created(store.Gt, middle.Created), created(store.Le, middle.Created), created(store.Lt, people[0].Created),
		created(store.Ge, time.Time{}), created(store.Ge, time.Unix(1<<40, 0)),
		store.And{store.Present{Field: "email"}, store.Not{Filter: folded("name", store.Contains, "o")}},
		store.Or{folded("username", store.Contains, "a"), store.And{folded("username", store.Contains, "b"), store.Equals("disabled", store.Bool(true))}},
		store.Or{folded("username", store.Contains, "a"), store.Not{Filter: store.Present{Field: "email"}}},
	}
	for _, filter := range filters {
		for _, order := range orders {
			var want []*directory.User
			for _, p := range people {
				if filter == nil || filter.Match(entriesOf(p)) {
					want = append(want, p)
				}
			}
			slices.SortFunc(want, byField(order.field, order.descending))
			var usernames []string
			for _, p := range want {
				usernames = append(usernames, p.Username)
			}
			q := store.Query{Filter: filter, Sort: order.field, Descending: order.descending, Limit: 4}
			if got := all(t, u, q); !slices.Equal(got, usernames) {
				t.Errorf("%+v by %+v:\n got %q\nwant %q", filter, order, got, usernames)
			}
		}
	}
	page, err := u.List(t.Context(), store.Query{Limit: 1, Count: 1000, Filter: store.Present{Field: "email"}})
	with := 0
	for _, p := range people {
		if p.Email != "" {
			with++
		}
	}
	if err != nil || page.Count != with || len(page.Items) != 1 {
		t.Errorf("counted %d, %v; want %d", page.Count, err, with)
	}
}

// byField is the order that the contract of Query defines.
func byField(field string, descending bool) func(a, b *directory.User) int {
	value := func(u *directory.User) (v store.Value, ok bool) {
		for _, e := range entriesOf(u) {
			if e.Field == field {
				return e.Value, true
			}
		}
		return v, false
	}
	return func(a, b *directory.User) int {
		va, oka := value(a)
		vb, okb := value(b)
		var c int
		switch {
		case oka && !okb:
			c = -1
		case okb && !oka:
			c = 1
		default:
			c = va.Compare(vb)
		}
		if descending {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.ID, b.ID))
	}
}

func TestListOfOpenLDAP(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	for name, sorted := range map[string]bool{"sorted by the server": true, "sorted here": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := openLDAP(server)
			config.Base, config.Schema = unit(t, server.URL(), config), ldap.OpenLDAP()
			config.Schema.Sorted = sorted
			u := open(t, config)
			proveList(t, u, crowd(t, u, "", 23), order{}, order{"username", false}, order{"email", true}, order{"email", false},
				order{"name", false}, order{"disabled", true}, order{"created", false}, order{"id", true})
		})
	}
}

func TestListOfSamba(t *testing.T) {
	t.Parallel()
	server := testenv.SharedSamba(t)
	u := open(t, samba(t, server))
	proveList(t, u, crowd(t, u, "l"+store.NewID()[:6], 9), order{}, order{"email", true})
}

// More people than the server returns for one search, with pages of any size.
func TestListOfMany(t *testing.T) {
	t.Parallel()
	const n = 1300
	var ldif []string
	for i := range n {
		ldif = append(ldif, fmt.Sprintf("dn: uid=u%d,ou=people,dc=signet,dc=test\nobjectClass: inetOrgPerson\nuid: u%[1]d\ncn: X\nsn: Y\n", i))
	}
	server := testenv.Slapd(t, ldif...)
	for _, sorted := range []bool{true, false} {
		config, proxy := openLDAP(server), testenv.Proxy(t, server.Addr())
		config.Servers, config.Schema = []string{"ldap://" + proxy.Addr()}, ldap.OpenLDAP()
		config.Schema.Sorted = sorted
		u := open(t, config)
		if _, err := u.List(t.Context(), store.Query{Limit: 10}); err != nil {
			t.Fatal(err)
		}
		// The bind, and one search where the server sorts; else one for each 500 people, and one for those of the page.
		if trips, want := proxy.Trips(), map[bool]int64{true: 2, false: 5}[sorted]; trips != want {
			t.Errorf("sorted %v: %d requests for one page, want %d", sorted, trips, want)
		}
		for _, limit := range []int{1000, 333} {
			got := all(t, u, store.Query{Limit: limit})
			slices.Sort(got)
			if len(slices.Compact(got)) != n {
				t.Errorf("sorted %v, pages of %d: %d people, want %d", sorted, limit, len(got), n)
			}
		}
		config.ScanLimit = 1000
		if _, err := open(t, config).List(t.Context(), store.Query{Sort: "name"}); !errors.Is(err, store.ErrTooMany) {
			t.Errorf("beyond the limit: %v", err)
		}
	}
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	u := open(t, openLDAP(server))
	for name, c := range map[string]struct {
		query store.Query
		want  error
	}{
		"unknown field":  {store.Query{Filter: store.And{store.Equals("shoeSize", store.Number(42))}}, store.ErrUnindexed},
		"unknown order":  {store.Query{Sort: "shoeSize"}, store.ErrUnindexed},
		"foreign cursor": {store.Query{After: "*"}, store.ErrInvalid},
		"forged cursor":  {store.Query{After: "eyJpIjoiKikodWlkPSoifQ"}, store.ErrInvalid},
		"large page":     {store.Query{Limit: 1001}, store.ErrInvalid},
	} {
		if page, err := u.List(t.Context(), c.query); !errors.Is(err, c.want) {
			t.Errorf("%s: %d, %v; want %v", name, len(page.Items), err, c.want)
		}
	}
	if page, err := u.List(t.Context(), store.Query{Org: "elsewhere"}); err != nil || len(page.Items) != 0 {
		t.Errorf("another organization: %d, %v", len(page.Items), err)
	}
}
