package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
)

// Rotating a refresh token is one durable commit, which the server flushes.
func TestDurability(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite", 1) // the counters of a server count for all who use it; the command has servers of its own
	d, err := s.durability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Commits != 1 {
		t.Errorf("%v commits for each refresh, want 1", d.Commits)
	}
	if d, err := open(t, "memory", 1).durability(t.Context()); d != nil || err != nil {
		t.Errorf("memory: %v %v, want nothing", d, err)
	}
}

// Commits in SQLite's file are counted where they are, one by one.
func TestCountSQLite(t *testing.T) {
	t.Parallel()
	o, err := openStore(t.Context(), "sqlite", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	commits, _, err := o.countSQLite(t.Context(), func() error {
		for range 7 {
			if err := single(t.Context(), o.driver); err != nil {
				return err
			}
		}
		_, err := o.driver.Get(t.Context(), now(), tripKind, "", "nobody")
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return nil
	})
	if err != nil || commits != 7 {
		t.Errorf("%d commits, %v, want 7", commits, err)
	}
	if n := framesThatCommit(nil); n != 0 {
		t.Errorf("%d commits in nothing", n)
	}
}

// An Apply is one round trip, whether it has one operation or five.
func TestTrips(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"postgres", "mariadb", "sqlite+redis", "sqlite"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := measureTrips(t, name, servers(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if len(all) == 0 && name != "sqlite" {
				t.Error("nothing was counted")
			}
			for _, c := range all {
				if c.One != maxTrips || c.Five > maxTrips {
					t.Errorf("%s: %v and %v round trips, want %d", c.Store, c.One, c.Five, maxTrips)
				}
			}
		})
	}
}

// Everything that misses its target is named.
func TestCheck(t *testing.T) {
	t.Parallel()
	r := report{
		Lines: []line{
			{Name: "good", Store: "s", Ratio: 1, Target: 0.75},
			{Name: "slow", Store: "s", Ratio: 0.5, Target: 0.75},
			{Name: "late", Store: "s", Ratio: 1, Target: 0.75, Slowest: time.Millisecond, Endpoint: side{P99: time.Second}},
		},
		Trips: []trips{{"chatty", 1, 2}, {"terse", 1, 1}},
		Durable: []durable{
			{Store: "twice", Commits: 2, Syncs: 2},
			{Store: "lossy", Commits: 1, Syncs: 0.1},
			{Store: "sound", Commits: 1.02, Syncs: 1},
			{Store: "silent", Commits: 1, Syncs: -1},
		},
	}
	err := r.check()
	if err == nil {
		t.Fatal("nothing misses its target")
	}
	said := err.Error()
	for _, want := range []string{"slow over s", "late over s", "chatty", "twice", "lossy"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not name %s", said, want)
		}
	}
	if n := strings.Count(said, "\n") + 1; n != 5 {
		t.Errorf("%d problems, want 5: %s", n, said)
	}
}
