package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

// A sign-in with an app spends a code, so each is by somebody else, and a further supply makes the codes of the same people good again. One
// with a passkey shows the one page too, again and again on one connection. Where nobody has either, nothing is asked for.
func TestFactors(t *testing.T) {
	t.Parallel()
	s := open(t, "memory", 1)
	c, err := dial(s.endpoint.Addr().String(), s.endpoint.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for range 2 {
		apps, err := appLogins(t.Context(), s.world, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		j, ok := apps.journeys(1)[0].(*factoredLogin)
		if !ok {
			t.Fatal("it is another journey")
		}
		for range 2 {
			if err := j.once(c); err != nil || strings.Join(j.pages, " ") != "password totp" {
				t.Error(j.pages, err)
			}
		}
		if err := j.once(c); !errors.Is(err, errNoMore) {
			t.Errorf("a third of two: %v", err)
		}
	}
	if n := len(s.world.factored); n != 2 {
		t.Errorf("%d people have an app", n)
	}
	keyed, err := passkeyLogins(t.Context(), s.world, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := unredeemed(t.Context(), s.world, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]work{"": plain, `id="webauthn"`: keyed} {
		j, ok := w.journeys(1)[0].(*login)
		if !ok {
			t.Fatal("it is another journey")
		}
		asked := false
		c.observe = func(a answer) { asked = asked || strings.Contains(string(a.body), `id="webauthn"`) }
		for range 2 {
			if err := j.once(c); err != nil || strings.Join(j.pages, " ") != "password" || asked != (name != "") {
				t.Error(name, j.pages, asked, err)
			}
		}
	}
}

// A copy has the size of its record, and is found neither by the key of that nor, where the tape lists its kind, among what is listed.
func TestOwnCopies(t *testing.T) {
	t.Parallel()
	kind := store.Kind{Name: "test.thing"}
	record := store.Record{
		Kind: kind, ID: "the id of it", Version: 7, Body: []byte("body"), Keys: []store.Key{{Name: "name", Value: "the key"}},
		Index: []store.Entry{{Field: "owner", Value: store.Text("the owner")}},
	}
	for _, listed := range []bool{false, true} {
		f := &floor{}
		if listed {
			f.listed = []string{kind.Name}
		}
		own := f.own(record)
		if own.Version != 0 || own.ID == record.ID || own.Keys[0] == record.Keys[0] || (own.Index[0] == record.Index[0]) == listed {
			t.Errorf("listed %t: %+v", listed, own)
		}
		if len(own.ID) != len(record.ID) || len(own.Keys[0].Value) != len(record.Keys[0].Value) || len(own.Index[0].Value.Text) != len("the owner") {
			t.Errorf("listed %t: another size: %+v", listed, own)
		}
	}
	if record.Keys[0].Value != "the key" || record.Index[0].Value.Text != "the owner" {
		t.Error("the record has changed")
	}
}

// A long measurement takes turns among copies that expire: what has expired by its turn is made anew, and lives as long as the record did.
func TestCopiesThatExpire(t *testing.T) {
	t.Parallel()
	driver, kind := memory.New(), store.Kind{Name: "test.thing"}
	recorded := now().Add(-time.Hour)
	record := store.Record{Kind: kind, ID: "the id of it", Expires: recorded.Add(time.Minute)}
	p := &replay{floor: &floor{driver: driver, recorded: recorded}}
	expired := record
	if err := p.renew(t.Context(), &expired, &record); err != nil {
		t.Fatal(err)
	}
	found, err := driver.Get(t.Context(), now(), kind, "", expired.ID)
	if left := time.Until(found.Expires); err != nil || left > time.Minute || left < 30*time.Second || found.Version != expired.Version {
		t.Errorf("found %+v, %v, want a copy for a minute", found, err)
	}
	again := expired
	if err := p.renew(t.Context(), &again, &record); err != nil || again.ID != expired.ID {
		t.Errorf("a living copy was replaced: %+v, %v", again, err)
	}
}

// A count that the tape adds to ends by the clock, perhaps before the floor reads it: that read is one too. Anything else that is gone ends the
// measurement.
func TestFloorReadsEndedCounts(t *testing.T) {
	t.Parallel()
	kind := store.Kind{Name: "test.count"}
	read := func(counters ...string) error {
		p := &replay{floor: &floor{driver: memory.New(), counters: counters}}
		return p.read(t.Context(), &floorCall{call: call{kind: kind, id: "gone"}, place: -1})
	}
	if err := read(kind.Name); err != nil {
		t.Errorf("a count that has ended: %v", err)
	}
	if err := read(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a record that has ended: %v", err)
	}
}
