package ldap_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/ldap"
)

// groupOf is a group of OpenLDAP with members, by what their DNs begin with.
func groupOf(name string, members ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn: cn=%s,ou=groups,dc=signet,dc=test\nobjectClass: groupOfNames\ncn: %s\n", goldap.EscapeDN(name), name)
	for _, m := range members {
		fmt.Fprintf(&b, "member: %s,dc=signet,dc=test\n", m)
	}
	return b.String()
}

func names(groups []ldap.Group) (list []string) {
	for _, g := range groups {
		list = append(list, g.Name)
	}
	return list
}

func TestNestedGroups(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"),
		groupOf("readers", "uid=ann,ou=people"),
		groupOf("writers", "cn=readers,ou=groups"),
		groupOf("editors, (all)*", "cn=writers,ou=groups", "uid=ann,ou=people"),
		groupOf("circle", "cn=editors\\, (all)*,ou=groups", "cn=square,ou=groups"),
		groupOf("square", "cn=circle,ou=groups", "cn=square,ou=groups"),
		groupOf("others", "uid=bob,ou=people"),
	)
	config := openLDAP(server)
	u := open(t, config)
	ann := find(t, u, directory.ByUsername, "ann")
	groups, err := u.GroupsOf(t.Context(), ann)
	if want := []string{"circle", "editors, (all)*", "readers", "square", "writers"}; err != nil || !slices.Equal(names(groups), want) {
		t.Errorf("ann is in %q, %v; want %q", names(groups), err, want)
	}
	members, err := u.Members(t.Context(), groups[1].ID)
	slices.Sort(members)
	if want := []string{"cn=writers,ou=groups,dc=signet,dc=test", "uid=ann,ou=people,dc=signet,dc=test"}; err != nil || !slices.Equal(members, want) {
		t.Errorf("members are %q, %v", members, err)
	}
	for _, id := range []string{"", "*", ann.ID, store.NewID()} {
		if members, err := u.Members(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("members of %q: %v, %v", id, members, err)
		}
	}
	if _, err := u.GroupsOf(t.Context(), &directory.User{Meta: store.Meta{ID: store.NewID()}}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("groups of nobody: %v", err)
	}
	config.ScanLimit = 3
	if groups, err := open(t, config).GroupsOf(t.Context(), ann); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("beyond the limit: %v, %v", names(groups), err)
	}
}

func TestFiveThousandGroups(t *testing.T) {
	t.Parallel()
	const n = 5000
	var ldif []string
	for i := range n {
		ldif = append(ldif, groupOf("group "+strconv.Itoa(i), "uid=ann,ou=people"))
	}
	ldif = append(ldif, groupOf("above", "cn=group 4999,ou=groups"))
	server := testenv.Slapd(t, append(ldif, annOn("one"))...)
	u := open(t, openLDAP(server))
	groups, err := u.GroupsOf(t.Context(), find(t, u, directory.ByUsername, "ann"))
	if err != nil || len(groups) != n+1 {
		t.Errorf("ann is in %d groups, %v; want %d", len(groups), err, n+1)
	}
	if !slices.Contains(names(groups), "above") || len(slices.Compact(names(groups))) != n+1 {
		t.Error("a group is missing, or there twice")
	}
}

func TestGroupsOfSamba(t *testing.T) {
	t.Parallel()
	server := testenv.SharedSamba(t)
	config := samba(t, server)
	u, c := open(t, config), admin(t, server.TLSURL(), config)
	prefix := "g" + store.NewID()[:8]
	ann := person(t, u, prefix+"ann")
	member := "CN=" + ann.Username + "," + config.Base
	for _, name := range []string{"inner", "middle", "outer"} {
		r := goldap.NewAddRequest("CN="+prefix+name+","+config.Base, nil)
		r.Attribute("objectClass", []string{"group"})
		r.Attribute("sAMAccountName", []string{prefix + name})
		r.Attribute("member", []string{member})
		if err := c.Add(r); err != nil {
			t.Fatal(err)
		}
		member = r.DN
	}
	groups, err := u.GroupsOf(t.Context(), ann)
	if want := []string{prefix + "inner", prefix + "middle", prefix + "outer"}; err != nil || !slices.Equal(names(groups), want) {
		t.Fatalf("ann is in %q, %v; want %q", names(groups), err, want)
	}
	members, err := u.Members(t.Context(), groups[0].ID)
	if err != nil || len(members) != 1 || !strings.EqualFold(members[0], "CN="+ann.Username+","+config.Base) {
		t.Errorf("members are %q, %v", members, err)
	}
}

// A server that gives out no more than so many values at once is asked for the rest ([MS-ADTS] §3.1.1.3.1.3.3).
func TestRangeRetrieval(t *testing.T) {
	t.Parallel()
	const total, step = 4321, 1500
	all := make([]string, total)
	for i := range all {
		all[i] = fmt.Sprintf("CN=member %d,DC=example,DC=com", i)
	}
	f := newFake(t, func(r request) [][]byte {
		if r.tag == bindRequest {
			return [][]byte{result(bindResponse, 0, "")}
		}
		from := 0
		for _, attribute := range r.asked() {
			if _, low, _, _, ok := spanOf(attribute); ok {
				from = low
			}
		}
		to, last := min(from+step, total)-1, from+step >= total
		name := fmt.Sprintf("member;range=%d-%d", from, to)
		if last {
			name = fmt.Sprintf("member;range=%d-*", from)
		}
		return [][]byte{found("CN=all,DC=example,DC=com", map[string][]string{name: all[from : to+1]}), result(searchDone, 0, "")}
	})
	_, config := domain(t, nil)
	config.Servers = []string{f.url()}
	members, err := open(t, config).Members(t.Context(), store.NewID())
	if err != nil || !slices.Equal(members, all) {
		t.Errorf("%d members, %v; want %d", len(members), err, total)
	}
	config.ScanLimit = total - 1
	if members, err := open(t, config).Members(t.Context(), store.NewID()); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("beyond the limit: %d members, %v", len(members), err)
	}
}

func spanOf(attribute string) (string, int, int, bool, bool) { return ldap.ParseSpan(attribute) }
