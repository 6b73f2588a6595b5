package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// Method names a method of store.Driver in a Call. The empty Method stands for any.
type Method string

// The methods of store.Driver.
const (
	MethodGet    Method = "get"
	MethodApply  Method = "apply"
	MethodLookup Method = "lookup"
	MethodList   Method = "list"
	MethodPurge  Method = "purge"
)

// Call is one call that reached a Faulty store, whether it was let through or not.
type Call struct {
	Method Method
	// Kind is the kind that was asked for; for Apply, that of the first Op; for Purge, zero.
	Kind store.Kind
	// Ops are copies of what was passed to Apply.
	Ops []store.Op
}

// Verbs returns the verbs of the operations, in order.
func (c Call) Verbs() []store.Verb {
	var verbs []store.Verb
	for _, op := range c.Ops {
		verbs = append(verbs, op.Verb)
	}
	return verbs
}

// ErrInjected is the failure of a call for which no other error was given. To the callers of a store it is an
// unexpected error: never absence, never a conflict.
var ErrInjected = errors.New("storetest: injected failure")

// Faulty is a store.Driver that passes calls on to another, records them, and fails those that a test chooses. A call
// that fails has not reached the driver, except after Uncertain. It is safe for concurrent use.
type Faulty struct {
	driver store.Driver

	mu    sync.Mutex
	calls []Call
	plans []plan
	hook  func(Call) error
}

// plan is a failure that waits for its call.
type plan struct {
	method    Method
	skip      int // matching calls to let through first
	always    bool
	uncertain bool
	err       error
}

var _ store.Driver = (*Faulty)(nil)

// Faults returns a driver that fails on demand and until then behaves as driver does.
func Faults(driver store.Driver) *Faulty { return &Faulty{driver: driver} }

// FailNext makes the next call of the method fail with err, or with ErrInjected when err is nil. Several wait in line.
func (f *Faulty) FailNext(method Method, err error) { f.plan(plan{method: method, err: err}) }

// FailCall makes the nth call from now fail, whatever its method; 1 is the next.
func (f *Faulty) FailCall(n int, err error) { f.plan(plan{skip: n - 1, err: err}) }

// Waits reports whether a failure of FailNext, FailCall or Uncertain has not come yet. A test that fails one call after the other ends when it is
// true: to end at the first answer that is a success would be to overlook a failure that nobody has noticed.
func (f *Faulty) Waits() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.plans, func(p plan) bool { return !p.always })
}

// FailAll makes every call fail until Heal.
func (f *Faulty) FailAll(err error) { f.plan(plan{always: true, err: err}) }

// Uncertain makes the next Apply be carried out and then fail with an error that wraps store.ErrUncertain: the lost
// answer to a COMMIT. If its conditions do not hold it fails with their Conflict instead.
func (f *Faulty) Uncertain() { f.plan(plan{method: MethodApply, uncertain: true}) }

// Heal drops every failure that is planned, and the Hook.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans, f.hook = nil, nil
}

// Hook has fn see every call before it is carried out; an error from it is the call's. Nil removes it. The hook runs on
// the caller's goroutine with no lock held, and may block it, to let another writer go first.
func (f *Faulty) Hook(fn func(Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = fn
}

// Calls returns the calls since the beginning or the last Forget.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Forget empties the list of calls.
func (f *Faulty) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
}

// Ephemeral puts a separate store under the same command: its calls are counted in the same list and fail by the same
// plans. It returns nil for nil, so that Faults(p.Driver).Ephemeral(p.Ephemeral) suits every Placement.
func (f *Faulty) Ephemeral(e store.Ephemeral) store.Ephemeral {
	if e == nil {
		return nil
	}
	return &faultyEphemeral{faulty: f, ephemeral: e}
}

func (f *Faulty) plan(p plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.err == nil {
		p.err = ErrInjected
	}
	f.plans = append(f.plans, p)
}

// meet records the call and says how it must end: with the returned error, or uncertain.
func (f *Faulty) meet(c Call) (uncertain bool, err error) {
	f.mu.Lock()
	f.calls = append(f.calls, c)
	hook := f.hook
	due := f.due(c.Method)
	f.mu.Unlock()
	if hook != nil {
		if err := hook(c); err != nil {
			return false, err
		}
	}
	if due == nil || due.uncertain {
		return due != nil, nil
	}
	return false, due.err
}

// due finds the plan that this call meets, counts down those that let it through, and forgets what is used up.
func (f *Faulty) due(method Method) *plan {
	var met *plan
	var waiting []plan
	for _, p := range f.plans {
		matches := p.method == "" || p.method == method
		switch {
		case matches && p.skip > 0:
			p.skip--
		case matches && met == nil:
			met = &p
			if !p.always {
				continue
			}
		}
		waiting = append(waiting, p)
	}
	f.plans = waiting
	return met
}

// Get implements store.Ephemeral.
func (f *Faulty) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	return f.get(ctx, f.driver, now, kind, org, id)
}

// Apply implements store.Ephemeral.
func (f *Faulty) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	return f.apply(ctx, f.driver, now, ops)
}

// Lookup implements store.Driver.
func (f *Faulty) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, key store.Key) (store.Record, error) {
	if _, err := f.meet(Call{Method: MethodLookup, Kind: kind}); err != nil {
		return store.Record{}, err
	}
	return f.driver.Lookup(ctx, now, kind, org, key)
}

// List implements store.Driver.
func (f *Faulty) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	if _, err := f.meet(Call{Method: MethodList, Kind: q.Kind}); err != nil {
		return store.Page{}, err
	}
	return f.driver.List(ctx, now, q)
}

// Purge implements store.Driver.
func (f *Faulty) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	if _, err := f.meet(Call{Method: MethodPurge}); err != nil {
		return 0, err
	}
	return f.driver.Purge(ctx, now, limit)
}

func (f *Faulty) get(ctx context.Context, e store.Ephemeral, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if _, err := f.meet(Call{Method: MethodGet, Kind: kind}); err != nil {
		return store.Record{}, err
	}
	return e.Get(ctx, now, kind, org, id)
}

func (f *Faulty) apply(ctx context.Context, e store.Ephemeral, now time.Time, ops []store.Op) ([]store.Result, error) {
	call := Call{Method: MethodApply, Ops: copyOps(ops)}
	if len(ops) > 0 {
		call.Kind = ops[0].Record.Kind
	}
	uncertain, err := f.meet(call)
	if err != nil {
		return nil, err
	}
	results, err := e.Apply(ctx, now, ops...)
	if err == nil && uncertain {
		return nil, fmt.Errorf("storetest: injected: %w", store.ErrUncertain)
	}
	return results, err
}

func copyOps(ops []store.Op) []store.Op {
	copied := slices.Clone(ops)
	for i := range copied {
		r := &copied[i].Record
		r.Body, r.Keys, r.Index = bytes.Clone(r.Body), slices.Clone(r.Keys), slices.Clone(r.Index)
	}
	return copied
}

// faultyEphemeral is a separate store under the command of a Faulty.
type faultyEphemeral struct {
	faulty    *Faulty
	ephemeral store.Ephemeral
}

func (e *faultyEphemeral) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	return e.faulty.get(ctx, e.ephemeral, now, kind, org, id)
}

func (e *faultyEphemeral) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	return e.faulty.apply(ctx, e.ephemeral, now, ops)
}

// Since implements store.Lossy as the store itself does; one that forgets nothing says so. It is neither counted nor failed.
func (e *faultyEphemeral) Since(ctx context.Context, now time.Time, kind store.Kind, org, id string) (time.Time, error) {
	if lossy, ok := e.ephemeral.(store.Lossy); ok {
		return lossy.Since(ctx, now, kind, org, id)
	}
	return time.Time{}, nil
}

// Ready implements store.Readier as the store itself does, if it does. It is neither counted nor failed.
func (e *faultyEphemeral) Ready(ctx context.Context, now time.Time) error {
	if r, ok := e.ephemeral.(store.Readier); ok {
		return r.Ready(ctx, now)
	}
	return nil
}
