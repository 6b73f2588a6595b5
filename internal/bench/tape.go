package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
)

// tape is what happened while somebody was recorded: requests, one after another, with all that they asked of the store.
type tape struct {
	mu    sync.Mutex
	at    time.Time // of the first request
	steps []*recorded
	// vary changes the query of a List each time it is replayed; nil leaves it.
	vary func(q *store.Query, n int64)
	// others is set when each journey replaces other records than the one before.
	others bool
}

// recorded is one request with its answer.
type recorded struct {
	calls  []call
	method string
	target string
	form   string
	status int
	header http.Header
	body   []byte
}

// call is one call of the store. Ops is set for Apply, Query for List, Key for Lookup; otherwise it is Get.
type call struct {
	kind    store.Kind
	org, id string
	key     *store.Key
	query   *store.Query
	ops     []store.Op
	records []store.Record // that were read
	failed  error
}

// recorder is a store that can be listened to. It costs one atomic load while nobody does.
type recorder struct {
	store.Driver
	tape atomic.Pointer[tape]
}

// note adds a call to the request that is being recorded.
func (r *recorder) note(c call) {
	t := r.tape.Load()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.steps) > 0 {
		last := t.steps[len(t.steps)-1]
		last.calls = append(last.calls, c)
	}
}

// Get implements store.Driver.
func (r *recorder) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	record, err := r.Driver.Get(ctx, now, kind, org, id)
	if r.tape.Load() != nil {
		r.note(call{kind: kind, org: org, id: id, records: []store.Record{record}, failed: err})
	}
	return record, err
}

// Lookup implements store.Driver.
func (r *recorder) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, key store.Key) (store.Record, error) {
	record, err := r.Driver.Lookup(ctx, now, kind, org, key)
	if r.tape.Load() != nil {
		r.note(call{kind: kind, org: org, key: &key, records: []store.Record{record}, failed: err})
	}
	return record, err
}

// List implements store.Driver.
func (r *recorder) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	page, err := r.Driver.List(ctx, now, q)
	if r.tape.Load() != nil {
		r.note(call{kind: q.Kind, query: &q, records: page.Records, failed: err})
	}
	return page, err
}

// Apply implements store.Driver.
func (r *recorder) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	results, err := r.Driver.Apply(ctx, now, ops...)
	if r.tape.Load() != nil {
		r.note(call{ops: ops, failed: err})
	}
	return results, err
}

// ephemeralRecorder notes what is asked of a store for ephemeral kinds beside a recorder.
type ephemeralRecorder struct {
	*redis.Store
	durable *recorder
}

// Get implements store.Ephemeral.
func (r *ephemeralRecorder) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	record, err := r.Store.Get(ctx, now, kind, org, id)
	if r.durable.tape.Load() != nil {
		r.durable.note(call{kind: kind, org: org, id: id, records: []store.Record{record}, failed: err})
	}
	return record, err
}

// Apply implements store.Ephemeral.
func (r *ephemeralRecorder) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	results, err := r.Store.Apply(ctx, now, ops...)
	if r.durable.tape.Load() != nil {
		r.durable.note(call{ops: ops, failed: err})
	}
	return results, err
}

// parted is a driver that has its ephemeral kinds elsewhere.
type parted struct {
	store.Driver
	beside store.Ephemeral
}

// Get implements store.Driver.
func (p parted) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if kind.Ephemeral {
		return p.beside.Get(ctx, now, kind, org, id)
	}
	return p.Driver.Get(ctx, now, kind, org, id)
}

// Apply implements store.Driver. All operations are of one sort, as they were when they were recorded.
func (p parted) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	if !ops[0].Record.Kind.Ephemeral {
		return p.Driver.Apply(ctx, now, ops...)
	}
	var all []store.Result
	for _, op := range ops {
		results, err := p.beside.Apply(ctx, now, op)
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	return all, nil
}

// record listens while do asks the handler that listening returned. Nobody else may use the store meanwhile.
func (r *recorder) record(do func() error) (*tape, error) {
	t := &tape{at: time.Now()}
	r.tape.Store(t)
	defer r.tape.Store(nil)
	return t, do()
}

// listening wraps a handler so that each of its requests begins a step of the tape.
func (r *recorder) listening(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t := r.tape.Load()
		if t == nil {
			handler.ServeHTTP(w, req)
			return
		}
		form, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(form))
		step := &recorded{method: req.Method, target: req.URL.RequestURI(), form: string(form), status: http.StatusOK}
		t.mu.Lock()
		t.steps = append(t.steps, step)
		t.mu.Unlock()
		l := &listener{ResponseWriter: w, step: step}
		handler.ServeHTTP(l, req)
		l.heard() // if nothing was written, which is an answer too
	})
}

// listener copies an answer.
type listener struct {
	http.ResponseWriter
	step *recorded
}

// heard copies the headers, before the client can have seen them.
func (l *listener) heard() {
	if l.step.header == nil {
		l.step.header = l.Header().Clone()
	}
}

// WriteHeader implements http.ResponseWriter.
func (l *listener) WriteHeader(status int) {
	l.heard()
	l.step.status = status
	l.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (l *listener) Write(b []byte) (int, error) {
	l.heard()
	l.step.body = append(l.step.body, b...)
	return l.ResponseWriter.Write(b)
}

// commits counts what a tape made durable, request by request: each Apply that writes is one commit, as long as one caller
// is alone.
func (t *tape) commits() []int {
	counts := make([]int, len(t.steps))
	for i, step := range t.steps {
		for _, c := range step.calls {
			if c.writes() {
				counts[i]++
			}
		}
	}
	return counts
}

// writes reports whether the call changed anything.
func (c call) writes() bool {
	for _, op := range c.ops {
		if op.Verb != store.VerbCheck && c.failed == nil {
			return true
		}
	}
	return false
}
