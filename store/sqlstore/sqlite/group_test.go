package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// record returns a record without names.
func record(id string) store.Record {
	return store.Record{Kind: thing, ID: id, Body: []byte(`{}`)}
}

// line holds the first writer at its COMMIT, with everybody else in line behind it.
type line struct {
	t      *testing.T
	spy    *spy
	driver *sqlstore.Driver
	all    sync.WaitGroup
	let    chan struct{}
}

// newLine must be called inside a bubble of synctest, which is how it knows that the callers stand in line.
func newLine(t *testing.T, config sqlite.Config) *line {
	l := &line{t: t, spy: new(spy), let: make(chan struct{})}
	var err error
	l.driver, err = sqlite.OpenBetween(t.Context(), filepath.Join(t.TempDir(), "test.db"), config, l.spy.between)
	if err != nil {
		t.Fatal(err)
	}
	held := false
	l.spy.meddle(func(text string) error {
		if text == "COMMIT" && !held {
			held = true
			<-l.let
		}
		return nil
	}, nil)
	l.insert(t.Context(), "first", nil)
	return l
}

// insert starts a caller and returns when it waits. What becomes of it goes to result.
func (l *line) insert(ctx context.Context, id string, result *error) {
	l.all.Go(func() {
		_, err := l.driver.Apply(ctx, now, store.Insert(record(id)))
		if result != nil {
			*result = err
		}
	})
	synctest.Wait()
}

// release lets everybody go and waits until all are done.
func (l *line) release() {
	close(l.let)
	l.all.Wait()
}

func (l *line) close() {
	if err := l.driver.Close(); err != nil {
		l.t.Error(err)
	}
}

func (l *line) has(id string) bool {
	l.t.Helper()
	_, err := l.driver.Get(l.t.Context(), now, thing, "", id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		l.t.Fatal(err)
	}
	return err == nil
}

func commits(texts []string) int {
	return len(slices.DeleteFunc(texts, func(text string) bool { return text != "COMMIT" }))
}

func TestCallersShareCommits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, sqlite.Config{})
		defer l.close()
		l.spy.texts()
		errs := make([]error, 100)
		for n := range errs {
			l.insert(t.Context(), fmt.Sprint(n), &errs[n])
		}
		l.release()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		// The first alone (its statement was seen before), then 64, then 36.
		if got := commits(l.spy.texts()); got != 2 {
			t.Errorf("100 callers behind one made %d commits, want 2", got)
		}
		for n := range errs {
			if !l.has(fmt.Sprint(n)) {
				t.Errorf("insert %d is missing", n)
			}
		}
	})
}

func TestLoneCallerUsesNoSavepoint(t *testing.T) {
	t.Parallel()
	watcher := new(spy)
	driver, err := sqlite.OpenBetween(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{}, watcher.between)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	insert := func(id string) {
		if _, err := driver.Apply(t.Context(), now, store.Insert(record(id))); err != nil {
			t.Fatal(err)
		}
	}
	insert("1") // learns the shape of the kind
	watcher.texts()
	insert("2")
	texts := watcher.texts()
	for i, want := range []string{"BEGIN", "UPDATE signet_versions", "INSERT INTO signet_records", "COMMIT"} {
		if len(texts) != 4 || !strings.HasPrefix(texts[i], want) {
			t.Fatalf("an insert runs %q", texts)
		}
	}
}

func TestConflictInGroupIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, sqlite.Config{})
		defer l.close()
		var before, twice, both, after error
		l.insert(t.Context(), "before", &before)
		l.insert(t.Context(), "before", &twice)
		l.all.Go(func() {
			_, both = l.driver.Apply(t.Context(), now, store.Insert(record("half")), store.Insert(record("first")))
		})
		synctest.Wait()
		l.insert(t.Context(), "after", &after)
		l.release()
		if before != nil || after != nil {
			t.Errorf("those beside a conflict failed: %v, %v", before, after)
		}
		if c := store.ConflictOn(twice, thing); c == nil || c.Reason != store.Exists || c.Op != 0 {
			t.Errorf("second insert of one record: %v", twice)
		}
		if c := store.ConflictOn(both, thing); c == nil || c.Op != 1 {
			t.Errorf("insert over a record: %v", both)
		}
		if l.has("half") || !l.has("before") || !l.has("after") {
			t.Error("the conflict took too much or too little back")
		}
	})
}

func TestFailureInGroupIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, sqlite.Config{})
		defer l.close()
		errs := make([]error, 3)
		for n := range errs {
			l.insert(t.Context(), fmt.Sprint(n), &errs[n])
		}
		inserts := 0
		l.spy.meddle(func(text string) error {
			if strings.HasPrefix(text, "INSERT INTO signet_records") {
				if inserts++; inserts == 2 {
					return errInjected
				}
			}
			return nil
		}, nil)
		l.release()
		if errs[0] != nil || errs[2] != nil || errs[1] == nil || errors.Is(errs[1], store.ErrUncertain) {
			t.Errorf("a failing statement of the second gave %v", errs)
		}
		if !l.has("0") || l.has("1") || !l.has("2") {
			t.Error("not exactly the second is missing")
		}
	})
}

func TestVersionsDifferWithinGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, sqlite.Config{})
		defer l.close()
		counter := store.Ref{ID: "counter"}
		seen := make([]store.Result, 20)
		for n := range seen {
			l.all.Go(func() {
				results, err := l.driver.Apply(t.Context(), now, store.Add(thing, counter, 1, now.AddDate(1, 0, 0)))
				if err != nil {
					t.Error(err)
					return
				}
				seen[n] = results[0]
			})
		}
		synctest.Wait()
		l.release()
		versions := map[int64]int64{}
		for _, result := range seen {
			if other, ok := versions[result.Version]; ok {
				t.Errorf("counts %d and %d have one version", other, result.Count)
			}
			versions[result.Version] = result.Count
		}
	})
}

func TestQueuedCallerWithdraws(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, sqlite.Config{})
		defer l.close()
		ctx, cancel := context.WithCancel(t.Context())
		var withdrawn, stayed error
		l.insert(ctx, "withdrawn", &withdrawn)
		l.insert(t.Context(), "stayed", &stayed)
		cancel()
		synctest.Wait()
		if !errors.Is(withdrawn, context.Canceled) {
			t.Errorf("a cancelled caller still waits, or got %v", withdrawn)
		}
		l.release()
		if stayed != nil || !l.has("stayed") || l.has("withdrawn") {
			t.Errorf("the caller behind it: %v", stayed)
		}
	})
}

// TestCancelledLeaderDoesNotHarm: the next in line has been cancelled by the time it is to lead.
func TestCancelledLeaderDoesNotHarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, sqlite.Config{})
		defer l.close()
		ctx, cancel := context.WithCancel(t.Context())
		var leader, follower error
		l.insert(ctx, "leader", &leader)
		l.insert(t.Context(), "follower", &follower)
		l.spy.meddle(func(text string) error {
			if text == "BEGIN IMMEDIATE" {
				cancel()
			}
			return nil
		}, nil)
		l.release()
		if follower != nil || !l.has("follower") {
			t.Errorf("follower: %v", follower)
		}
		if (leader == nil) != l.has("leader") {
			t.Errorf("leader got %v, its record is there: %t", leader, l.has("leader"))
		}
	})
}

func TestLostAnswerToCommit(t *testing.T) {
	t.Parallel()
	for name, stands := range map[string]bool{"carried out": true, "not carried out": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, sqlite.Config{})
				defer l.close()
				errs := make([]error, 3)
				for n := range errs {
					l.insert(t.Context(), fmt.Sprint(n), &errs[n])
				}
				commits := 0
				lose := func(text string) error {
					if text == "COMMIT" {
						if commits++; commits == 1 {
							return errInjected
						}
					}
					return nil
				}
				if stands {
					l.spy.meddle(nil, lose)
				} else {
					l.spy.meddle(lose, nil)
				}
				l.release()
				for n, err := range errs {
					if !errors.Is(err, store.ErrUncertain) {
						t.Errorf("caller %d of a group whose COMMIT was lost got %v", n, err)
					}
					if l.has(fmt.Sprint(n)) != stands {
						t.Errorf("record %d is there: %t", n, !stands)
					}
				}
				if _, err := l.driver.Apply(t.Context(), now, store.Insert(record("later"))); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}
