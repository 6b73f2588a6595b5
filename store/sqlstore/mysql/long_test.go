package mysql_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
)

// TestLong has keys, values, fields and organizations beyond what an index takes.
func TestLong(t *testing.T) {
	t.Parallel()
	driver := openDriver(t, mysql.Open, newPool(t, ""), mysql.Config{})
	dn := strings.Repeat("ou=department of redundancy department,", 20) // 780 bytes
	field := "urn:example:" + strings.Repeat("extension:", 100)
	var values []string
	for _, size := range []int{1, 735, 736, 766, 767, 768, 5000, 60_000} {
		for _, last := range []string{"a", "b"} {
			values = append(values, (dn + strings.Repeat("x", 60_000))[:size-1]+last)
		}
	}
	for n, value := range values {
		r := record(fmt.Sprintf("%03d", n))
		r.Org = strings.Repeat("o", 255) + "/" + strings.Repeat("p", 255) + "/" + strings.Repeat("q", 256) // 768 bytes
		r.Keys = []store.Key{{Name: "dn", Value: value}, {Scope: store.GlobalScope, Name: "dn", Value: value}}
		r.Index = []store.Entry{{Field: "dn", Value: store.Text(value)}, {Field: field, Value: store.Text("v")}, {Field: field + "x", Value: store.Text("v")}}
		r.Index = slices.Insert(r.Index, 1, store.Entry{Field: "short", Value: store.Text(value[:min(len(value), 700)])})
		if _, err := driver.Apply(t.Context(), now, store.Insert(r)); err != nil {
			t.Fatal(err)
		}
		twin := record("twin")
		twin.Keys = r.Keys[1:]
		if conflict := store.ConflictOn(applyError(t, driver, store.Insert(twin)), thing); conflict == nil || conflict.Key != r.Keys[1] {
			t.Errorf("a second holder of a key of %d bytes: %+v", len(value), conflict)
		}
		if got, err := driver.Lookup(t.Context(), now, thing, r.Org, r.Keys[0]); err != nil || got.ID != r.ID {
			t.Errorf("a key of %d bytes found %q (%v)", len(value), got.ID, err)
		}
	}
	find := func(q store.Query) []string {
		t.Helper()
		q.Kind, q.Within = thing, store.Everywhere
		page, err := driver.List(t.Context(), now, q)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, r := range page.Records {
			found = append(found, r.ID)
		}
		return found
	}
	for n, value := range values {
		if got := find(store.Query{Filter: store.Equals("dn", store.Text(value))}); len(got) != 1 || got[0] != fmt.Sprintf("%03d", n) {
			t.Errorf("a value of %d bytes found %v, want %03d", len(value), got, n)
		}
	}
	prefix := store.Compare{Field: "dn", Operator: store.StartsWith, Value: store.Text(dn[:730])}
	if got := find(store.Query{Filter: prefix}); len(got) != len(values)-2 {
		t.Errorf("a prefix of 730 bytes found %d of %d", len(got), len(values)-2)
	}
	for _, name := range []string{field, field + "x"} {
		if got := find(store.Query{Filter: store.Present{Field: name}}); len(got) != len(values) {
			t.Errorf("a field of %d bytes found %d of %d", len(name), len(got), len(values))
		}
	}
	// Walking page by page meets everyone once, also where nothing but the hash tells values apart.
	for _, q := range []store.Query{{Sort: "dn"}, {Sort: "dn", Descending: true}} {
		q.Kind, q.Within, q.Limit = thing, store.Everywhere, 3
		seen := map[string]int{}
		for {
			page, err := driver.List(t.Context(), now, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				seen[r.ID]++
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(seen) != len(values) {
			t.Errorf("by a long field %d of %d came: %v", len(seen), len(values), seen)
		}
	}
	beyond := store.Compare{Field: "dn", Operator: store.StartsWith, Value: store.Text(values[len(values)-1])}
	if _, err := driver.List(t.Context(), now, store.Query{Kind: thing, Filter: beyond}); !errors.Is(err, store.ErrUnindexed) {
		t.Errorf("a prefix of 60,000 bytes: %v", err)
	}
	r := record("1")
	r.Org = strings.Repeat("o", 256) + "/" + strings.Repeat("p", 256) + "/" + strings.Repeat("q", 256) // 770 bytes
	if err := applyError(t, driver, store.Insert(r)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an organization of %d bytes: %v", len(r.Org), err)
	}
}

func TestTextHoldsValues(t *testing.T) {
	t.Parallel()
	got := mysql.NewText("SELECT $2, $1, $10$1 -- $ $x $99", "'; --\x00é", int64(-5), nil, nil, nil, nil, nil, nil, nil, []byte{0xff, '$', '1'})
	want := "SELECT -5, x'273b202d2d00c3a9', x'ff2431'x'273b202d2d00c3a9' --  x "
	if got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if got := mysql.NewText("$1 $2 $3", "", []byte{}, nil); got != "x'' x'' NULL" {
		t.Errorf("wrote %q", got)
	}
}

// FuzzText holds that a value never is anything but a literal: the text outside of its hexadecimal digits is the statement.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "'", `\`, "x'", "$1", "\x00\xff", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got, want := mysql.NewText("a $1 b", value), fmt.Sprintf("a x'%x' b", value); got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
	})
}
