package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// contenders is how many goroutines compete, rounds how often.
const (
	contenders = 64
	rounds     = 50
)

func recordRaceCases() []testCase {
	const rule = "Of those who compete for one record exactly one wins, and the others get the Conflict that says so."
	return []testCase{
		{"race to insert", rule, raceToInsert},
		{"race to replace", rule, raceToReplace},
		{"race to delete", rule, raceToDelete},
		{"race to delete or replace", rule, raceToDeleteOrReplace},
		{"race to add", "Add is atomic: no addition is lost and no two see the same value.", raceToAdd},
	}
}

func raceCases() []testCase {
	return []testCase{
		{"unique key", "Of those who compete for one unique key exactly one wins, and the others get the Conflict that names it.", raceForKey},
		{"key of an expired record", "An expired holder of a unique key counts as absent, also to those who race for the key.", raceForExpiredKey},
		{"check against replace", "Check holds when the step is done: of two steps that each check what the other writes, one fails.", raceOfChecks},
	}
}

// compete lets all contenders do their step at once and returns the winner with its results. It fails unless there is
// exactly one and every other got a Conflict that lost accepts.
func (c *trial) compete(steps func(n int) []store.Op, lost func(*store.Conflict) bool) (int, []store.Result) {
	c.Helper()
	results, errs := make([][]store.Result, contenders), make([]error, contenders)
	start := make(chan struct{})
	var all sync.WaitGroup
	for n := range contenders {
		ops := steps(n)
		all.Go(func() {
			<-start
			results[n], errs[n] = c.store.Apply(c.Context(), c.now, ops...)
		})
	}
	close(start)
	all.Wait()
	winner, winners := 0, 0
	for n, err := range errs {
		conflict, ok := errors.AsType[*store.Conflict](err)
		switch {
		case err == nil:
			winner = n
			winners++
		case !ok:
			c.stop("a loser got no Conflict but: %v", err)
		case !lost(conflict):
			c.stop("a loser got an unexpected conflict: %+v", *conflict)
		}
	}
	if winners != 1 {
		c.stop("%d of %d won", winners, contenders)
	}
	return winner, results[winner]
}

// claimed returns a record that tells who wrote it.
func (c *trial) claimed(id string, n int) store.Record {
	r := c.record(id)
	r.Body = fmt.Appendf(nil, `{"winner":%d}`, n)
	return r
}

// won demands that the record be the winner's.
func (c *trial) won(id string, winner int, result store.Result) {
	c.Helper()
	got, want := c.get(ref(id)), c.claimed(id, winner)
	if string(got.Body) != string(want.Body) || got.Version != result.Version {
		c.stop("contender %d won with version %d, but the record is version %d: %s", winner, result.Version, got.Version, got.Body)
	}
}

func reason(want store.Reason) func(*store.Conflict) bool {
	return func(got *store.Conflict) bool { return got.Reason == want && got.Key == store.Key{} }
}

func raceToInsert(c *trial) {
	for round := range rounds {
		id := fmt.Sprint("r", round)
		winner, results := c.compete(func(n int) []store.Op {
			return []store.Op{store.Insert(c.claimed(id, n))}
		}, reason(store.Exists))
		c.won(id, winner, results[0])
	}
}

func raceToReplace(c *trial) {
	version := c.write(store.Insert(c.record("1"))).Version
	for range rounds {
		winner, results := c.compete(func(n int) []store.Op {
			r := c.claimed("1", n)
			r.Version = version
			return []store.Op{store.Replace(r)}
		}, reason(store.Version))
		c.won("1", winner, results[0])
		version = results[0].Version
	}
}

func raceToDelete(c *trial) {
	for range rounds {
		version := c.write(store.Insert(c.record("1"))).Version
		c.compete(func(int) []store.Op {
			return []store.Op{store.Delete(c.kind, ref("1"), version)}
		}, reason(store.Absent))
		c.absent(ref("1"))
	}
}

func raceToDeleteOrReplace(c *trial) {
	for round := range rounds {
		id := fmt.Sprint("r", round)
		version := c.write(store.Insert(c.record(id))).Version
		winner, results := c.compete(func(n int) []store.Op {
			if n%2 == 0 {
				return []store.Op{store.Delete(c.kind, ref(id), version)}
			}
			r := c.claimed(id, n)
			r.Version = version
			return []store.Op{store.Replace(r)}
		}, func(lost *store.Conflict) bool { return lost.Reason == store.Absent || lost.Reason == store.Version })
		if winner%2 == 0 {
			c.absent(ref(id))
		} else {
			c.won(id, winner, results[0])
		}
	}
}

func raceToAdd(c *trial) {
	var seen sync.Map
	var all sync.WaitGroup
	for range contenders {
		all.Go(func() {
			for range 10 {
				results, err := c.store.Apply(c.Context(), c.now, store.Add(c.kind, ref("n"), 1, time.Time{}))
				if err != nil {
					c.broken("Add failed: %v", err)
					return
				}
				if _, twice := seen.LoadOrStore(results[0].Count, true); twice {
					c.broken("two additions gave %d", results[0].Count)
				}
			}
		})
	}
	all.Wait()
	if got := c.get(ref("n")); got.Count != 10*contenders {
		c.broken("%d additions left a count of %d", 10*contenders, got.Count)
	}
}

func raceForKey(c *trial) {
	for round := range rounds {
		key := store.Key{Scope: store.Scope(round % 2), Name: "k", Value: fmt.Sprint(round)}
		winner, _ := c.compete(func(n int) []store.Op { return []store.Op{store.Insert(c.holder(round, n, key))} },
			func(lost *store.Conflict) bool { return lost.Reason == store.Exists && lost.Key == key })
		if got, want := c.lookup("", key), c.holder(round, winner, key).ID; got != want {
			c.stop("contender %q won the key, but %q holds it", want, got)
		}
	}
}

// holder returns contender n's record for a round.
func (c *trial) holder(round, n int, key store.Key) store.Record {
	r := c.record(fmt.Sprintf("round-%d-contender-%d", round, n))
	r.Keys = []store.Key{key}
	return r
}

func raceForExpiredKey(c *trial) {
	for round := range rounds {
		key := store.Key{Name: "k", Value: "v"}
		winner, _ := c.compete(func(n int) []store.Op {
			r := c.holder(round, n, key)
			r.Expires = c.now.Add(time.Minute)
			return []store.Op{store.Insert(r)}
		}, func(lost *store.Conflict) bool { return lost.Reason == store.Exists && lost.Key == key })
		if got, want := c.lookup("", key), c.holder(round, winner, key).ID; got != want {
			c.stop("contender %q won the key, but %q holds it", want, got)
		}
		c.now = c.now.Add(time.Minute)
	}
}

func raceOfChecks(c *trial) {
	left, right := c.record("left"), c.record("right")
	results := c.apply(store.Insert(left), store.Insert(right))
	left.Version, right.Version = results[0].Version, results[1].Version
	for range rounds {
		winner, results := c.compete(func(n int) []store.Op {
			if n%2 == 0 {
				return []store.Op{store.Check(c.kind, ref("left"), left.Version), store.Replace(right)}
			}
			return []store.Op{store.Check(c.kind, ref("right"), right.Version), store.Replace(left)}
		}, reason(store.Version))
		if winner%2 == 0 {
			right.Version = results[1].Version
		} else {
			left.Version = results[1].Version
		}
	}
}
