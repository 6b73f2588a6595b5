package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A sign-in with two factors makes at most nine commits, of which at most four are left to the database when Redis has the rest: they are
// counted as they are made, in both placements.
func TestSignInCommits(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"memory", "sqlite", "sqlite+redis"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := open(t, name, 1).signIns(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, c := range all {
				got = append(got, c.Commits, c.Durable)
				if c.misses() || c.Durable == 0 {
					t.Error(c)
				}
			}
			t.Log(got)
			if name != "sqlite+redis" && !slices.Equal(got, []int{6, 3, 7, 4, 6, 3}) {
				t.Errorf("commits %v", got)
			}
		})
	}
}

// What misses a target of signing in is named by -check.
func TestCheckEngine(t *testing.T) {
	t.Parallel()
	good := report{
		SignIns: []signInCost{{Commits: maxCommits, Durable: maxDurable}},
		Lines:   []line{{Name: signInRow, Store: "memory", Endpoint: side{CPU: 2 * maxOverhead}, Floor: side{CPU: maxOverhead}}},
		Parts:   []part{{Name: "page", Median: maxRender, Target: maxRender}, {Name: "script", Median: time.Hour}},
	}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	bad := report{
		SignIns: []signInCost{{Way: "password", Commits: 3, Durable: maxDurable + 1}},
		Lines: []line{
			{Name: signInRow, Store: "memory", Endpoint: side{CPU: 2*maxOverhead + 1}, Floor: side{CPU: maxOverhead}},
			{Name: appRow, Store: "memory", Endpoint: side{CPU: 2*maxOverhead + 1}, Floor: side{CPU: maxOverhead}},
			{Name: passkeyRow, Store: "memory", Endpoint: side{CPU: 2*maxOverhead + 1}, Floor: side{CPU: maxOverhead}},
		},
		Parts: []part{{Name: "page", Median: maxRender + 1, Target: maxRender}},
	}
	err := bad.check()
	for _, want := range []string{"by password", "sign-in over memory", "sign-in with app over memory", "sign-in with passkey over memory", "page"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
}

// The parts are what they claim to be.
func TestParts(t *testing.T) {
	t.Parallel()
	all, err := measureParts(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for _, p := range all {
		if p.Median <= 0 || p.Allocations < 1 {
			t.Error(p)
		}
		t.Log(p)
	}
}
