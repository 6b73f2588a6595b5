package storetest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// brokenVariable is set in the processes in which a broken driver is on trial, which are expected to fail.
const brokenVariable = "SIGNET_STORETEST_BROKEN"

// TestBroken proves that the kit fails a driver for what it does wrong, in the case that is about it.
func TestBroken(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]struct {
		failing string // the case that must fail
		wrap    func(store.Driver) store.Driver
	}{
		"half_steps":        {"atomic/all_or_nothing", func(d store.Driver) store.Driver { return halfSteps{d} }},
		"cancel_is_absence": {"record/cancelled_before", func(d store.Driver) store.Driver { return cancelIsAbsence{d} }},
		"own_clock":         {"record/expiry_by_the_caller's_clock", func(d store.Driver) store.Driver { return ownClock{d} }},
		"last_write_wins":   {"record/race_to_replace", func(d store.Driver) store.Driver { return lastWriteWins{d} }},
		"idempotent_insert": {"record/race_to_insert", func(d store.Driver) store.Driver { return idempotentInsert{d} }},
		"repeats_versions":  {"record/versions_never_return", func(d store.Driver) store.Driver { return repeatsVersions{d} }},
		"nameless_conflict": {"key/conflict", func(d store.Driver) store.Driver { return namelessConflict{d} }},
		"shares_bodies":     {"record/copies", func(d store.Driver) store.Driver { return &sharesBodies{Driver: d} }},
		"prefix_subtree":    {"list/within", func(d store.Driver) store.Driver { return slowList{d, prefixSubtree} }},
		"offset_paging":     {"list/writes_between_pages", func(d store.Driver) store.Driver { return slowList{d, offsets} }},
		"scans":             {"size/cost_of_one_among_many", func(d store.Driver) store.Driver { return slowList{d, scans} }},
		"refuses_everything": {"list/generated_filters", func(d store.Driver) store.Driver {
			return slowList{d, func(store.Query, []store.Record) (store.Page, error) {
				return store.Page{}, store.ErrUnindexed
			}}
		}},
		"looks_then_takes_keys":   {"race/unique_key", func(d store.Driver) store.Driver { return &looksThenTakes{Driver: d} }},
		"checks_before_the_step":  {"race/check_against_replace", func(d store.Driver) store.Driver { return checksBefore{d} }},
		"reads_a_page_in_halves":  {"list/writes_during_pages", func(d store.Driver) store.Driver { return halfPages{d} }},
		"counts_a_purge_for_each": {"purge/under_load", func(d store.Driver) store.Driver { return &sharedPurge{Driver: d} }},
		"purges_early":            {"purge/leaves_the_living", func(d store.Driver) store.Driver { return purgesEarly{d} }},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(brokenVariable) != "" {
				storetest.Run(t, storetest.Target{Open: func(testing.TB, string) store.Driver { return broken.wrap(memory.New()) }})
				return
			}
			t.Parallel()
			path := t.Name() + "/" + broken.failing
			output := runBroken(t, path)
			if !strings.Contains(output, "--- FAIL: "+path) || !strings.Contains(output, "The contract: ") {
				t.Errorf("the kit let the driver pass, or did not say why it failed:\n%s", output)
			}
		})
	}
}

func runBroken(t *testing.T, path string) string {
	t.Helper()
	return runFlawed(t, path, "1")
}

// runFlawed runs a case in a process in which a driver is broken in a certain way.
func runFlawed(t *testing.T, path, flaw string) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "^" + strings.ReplaceAll(path, "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), binary, "-test.run="+pattern, "-test.short")
	cmd.Env = append(os.Environ(), brokenVariable+"="+flaw)
	output, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(output)
}

// halfSteps does one operation after the other.
type halfSteps struct{ store.Driver }

func (d halfSteps) Apply(ctx context.Context, now time.Time, ops ...store.Op) (all []store.Result, err error) {
	for i, op := range ops {
		results, err := d.Driver.Apply(ctx, now, op)
		if conflict, ok := errors.AsType[*store.Conflict](err); ok {
			conflict.Op = i
		}
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	return all, nil
}

// cancelIsAbsence takes every failure for absence.
type cancelIsAbsence struct{ store.Driver }

func (d cancelIsAbsence) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	r, err := d.Driver.Get(ctx, now, kind, org, id)
	if err != nil {
		err = store.ErrNotFound
	}
	return r, err
}

// ownClock judges expiry by the time of the machine.
type ownClock struct{ store.Driver }

func (d ownClock) Get(ctx context.Context, _ time.Time, kind store.Kind, org, id string) (store.Record, error) {
	return d.Driver.Get(ctx, time.Now(), kind, org, id)
}

// lastWriteWins replaces whatever stands.
type lastWriteWins struct{ store.Driver }

func (d lastWriteWins) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	for i := range ops {
		r := &ops[i].Record
		if current, err := d.Get(ctx, now, r.Kind, r.Org, r.ID); err == nil && ops[i].Verb == store.VerbReplace {
			r.Version = current.Version
		}
	}
	return d.Driver.Apply(ctx, now, ops...)
}

// idempotentInsert takes an Insert of what exists for a success.
type idempotentInsert struct{ store.Driver }

func (d idempotentInsert) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	results, err := d.Driver.Apply(ctx, now, ops...)
	if conflict, ok := errors.AsType[*store.Conflict](err); ok && conflict.Reason == store.Exists {
		return make([]store.Result, len(ops)), nil
	}
	return results, err
}

// repeatsVersions counts the versions of a record from one each time it is written anew.
type repeatsVersions struct{ store.Driver }

func (d repeatsVersions) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	results, err := d.Driver.Apply(ctx, now, ops...)
	for i := range results {
		if ops[i].Verb == store.VerbInsert {
			results[i].Version = 1
		}
	}
	return results, err
}

// namelessConflict does not say which key was taken.
type namelessConflict struct{ store.Driver }

func (d namelessConflict) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	results, err := d.Driver.Apply(ctx, now, ops...)
	if conflict, ok := errors.AsType[*store.Conflict](err); ok {
		conflict.Key = store.Key{}
	}
	return results, err
}

// sharesBodies caches what it read, and hands the cached slice out.
type sharesBodies struct {
	store.Driver
	cache sync.Map
}

func (d *sharesBodies) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	r, err := d.Driver.Get(ctx, now, kind, org, id)
	if err == nil {
		cached, _ := d.cache.LoadOrStore(r.Version, r)
		r = cached.(store.Record)
	}
	return r, err
}

// slowList reads the whole kind for each page and has answer choose from it.
type slowList struct {
	store.Driver
	answer func(q store.Query, all []store.Record) (store.Page, error)
}

func (d slowList) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	whole := q
	whole.After, whole.Limit = "", 1000
	if q.Within == store.Subtree {
		whole.Within = store.Everywhere
	}
	var all []store.Record
	for {
		page, err := d.Driver.List(ctx, now, whole)
		if err != nil {
			return store.Page{}, err
		}
		all = append(all, page.Records...)
		if whole.After = page.Next; whole.After == "" {
			break
		}
	}
	return d.answer(q, all)
}

// offsets takes the number of records that were listed for a cursor.
func offsets(q store.Query, all []store.Record) (store.Page, error) {
	from, _ := strconv.Atoi(q.After)
	from = min(from, len(all))
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	to := min(from+limit, len(all))
	page := store.Page{Records: all[from:to]}
	if to < len(all) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

// prefixSubtree takes "ab" to be below "a".
func prefixSubtree(q store.Query, all []store.Record) (store.Page, error) {
	var below []store.Record
	for _, r := range all {
		if q.Within != store.Subtree || strings.HasPrefix(r.Org, q.Org) {
			below = append(below, r)
		}
	}
	page, err := offsets(q, below)
	page.Count = min(len(below), q.Count)
	return page, err
}

// scans is right and slow.
func scans(_ store.Query, all []store.Record) (store.Page, error) {
	return store.Page{Records: all[:1]}, nil
}

// purgesEarly removes what will expire soon.
type purgesEarly struct{ store.Driver }

func (d purgesEarly) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	return d.Driver.Purge(ctx, now.Add(2*time.Hour), limit)
}

// pause lets everybody else get on who is at it.
func pause() {
	for range 20 {
		runtime.Gosched()
	}
}

// looksThenTakes looks whether a key is free before the step that takes it.
type looksThenTakes struct {
	store.Driver
	holders sync.Map // ids by key
}

func (d *looksThenTakes) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	keys := ops[0].Record.Keys
	ops[0].Record.Keys = nil
	for _, k := range keys {
		if _, held := d.holders.Load(k); held {
			return nil, &store.Conflict{Reason: store.Exists, Key: k}
		}
	}
	pause()
	for _, k := range keys {
		d.holders.Store(k, ops[0].Record.ID)
	}
	return d.Driver.Apply(ctx, now, ops...)
}

func (d *looksThenTakes) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, k store.Key) (store.Record, error) {
	id, held := d.holders.Load(k)
	if !held {
		return store.Record{}, store.ErrNotFound
	}
	return d.Get(ctx, now, kind, org, id.(string))
}

// checksBefore does the Checks of a step and then the rest of it.
type checksBefore struct{ store.Driver }

func (d checksBefore) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	var rest []store.Op
	for i, op := range ops {
		if op.Verb != store.VerbCheck {
			rest = append(rest, op)
			continue
		}
		if r, err := d.Get(ctx, now, op.Record.Kind, op.Record.Org, op.Record.ID); err != nil || r.Version != op.Record.Version {
			return nil, &store.Conflict{Op: i, Reason: store.Version}
		}
	}
	pause()
	results, err := d.Driver.Apply(ctx, now, rest...)
	if err != nil {
		return nil, err
	}
	return append(make([]store.Result, len(ops)-len(rest)), results...), nil // each step of the case checks first
}

// halfPages reads the first half of a page, and then the second.
type halfPages struct{ store.Driver }

func (d halfPages) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	first, err := d.Driver.List(ctx, now, q)
	if err != nil {
		return first, err
	}
	pause()
	page, err := d.Driver.List(ctx, now, q)
	if err == nil {
		copy(page.Records, first.Records[:len(first.Records)/2])
	}
	return page, err
}

// sharedPurge has those who purge at once do it together, and tells each of them what all have removed.
type sharedPurge struct {
	store.Driver
	mu      sync.Mutex
	running *purge
}

type purge struct {
	done chan struct{}
	n    int
	err  error
}

func (d *sharedPurge) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	d.mu.Lock()
	if p := d.running; p != nil {
		d.mu.Unlock()
		<-p.done
		return p.n, p.err
	}
	p := &purge{done: make(chan struct{})}
	d.running = p
	d.mu.Unlock()
	pause()
	p.n, p.err = d.Driver.Purge(ctx, now, limit)
	d.mu.Lock()
	d.running = nil
	d.mu.Unlock()
	close(p.done)
	return p.n, p.err
}
