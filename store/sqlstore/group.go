package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// maxGroup bounds how many callers share one commit.
const maxGroup = 64

// step is what one caller wants done within a transaction.
type step struct {
	run func(*transaction) error
	err error
	// wake tells a caller who queues that the step is done (false), or that the caller leads the next group (true).
	wake chan bool
}

// queue is the line of those who want to write. Nobody stands in it while nobody leads.
type queue struct {
	mu      sync.Mutex
	led     bool
	waiting []*step
}

// join makes the caller the leader (true) or puts it in line (false).
func (q *queue) join(s *step) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.led {
		q.led = true
		return true
	}
	s.wake = make(chan bool, 1)
	q.waiting = append(q.waiting, s)
	return false
}

// leave takes a step out of the line; false means that it was taken already.
func (q *queue) leave(s *step) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w == s {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// drain takes up to n steps from the head of the line.
func (q *queue) drain(n int) []*step {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.waiting))
	if n == 0 {
		return nil
	}
	taken := append([]*step(nil), q.waiting[:n]...)
	q.waiting = append(q.waiting[:0], q.waiting[n:]...)
	return taken
}

// pass hands leadership to the head of the line, or ends it.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.led = false
		return
	}
	next := q.waiting[0]
	q.waiting = append(q.waiting[:0], q.waiting[1:]...)
	next.wake <- true
}

// fileEngine works with a database in a file of this machine: one connection writes, and callers share its commits.
type fileEngine struct {
	dialect     *Dialect
	writer      *pool
	readers     *pool
	busyTimeout time.Duration
	ready       func() error
	queue       queue
	known       map[string]struct{} // belongs to the holder of the writing session
}

func (d *fileEngine) apply(ctx context.Context, now int64, plans []plan, results []store.Result) error {
	return d.commit(ctx, func(t *transaction) error { return t.apply(now, plans, results) })
}

func (d *fileEngine) purge(ctx context.Context, now int64, limit int) (removed int, err error) {
	err = d.commit(ctx, func(t *transaction) (err error) {
		removed, err = t.purge(now, limit)
		return err
	})
	return removed, err
}

// read lends a reading session to fn.
func (d *fileEngine) read(ctx context.Context, fn func(querier) error) error {
	s, err := d.readers.take(ctx)
	if err != nil {
		return err
	}
	defer d.readers.give(s)
	err = fn(s)
	if err != nil && !errors.Is(err, sql.ErrNoRows) && d.dialect.Fault(err) == Unknown {
		s.close() // the next reader gets a fresh connection
	}
	return err
}

// look is read: those connections wait for locks, as when another process has just put the file in order.
func (d *fileEngine) look(ctx context.Context, fn func(querier) error) error { return d.read(ctx, fn) }

func (d *fileEngine) alone(ctx context.Context, fn func(conn) error) error {
	s, err := d.writer.take(ctx)
	if err != nil {
		return err
	}
	defer d.writer.give(s)
	if err := d.begin(ctx, s); err != nil {
		return err
	}
	if err := fn(script{s}); err != nil {
		d.rollback(s)
		return err
	}
	if _, err := s.exec(d.dialect.Statements.Commit); err != nil {
		d.rollback(s)
		return err
	}
	return nil
}

// script is a session for migrations, whose statements are not worth keeping prepared.
type script struct{ *session }

func (s script) exec(ctx context.Context, text string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, text, args...)
	return err
}

func (d *fileEngine) close() error { return errors.Join(d.writer.close(), d.readers.close()) }

// commit does the step in a transaction, alone or together with others. A caller whose context ends while it queues
// withdraws; once its step was taken it waits for the outcome.
func (d *fileEngine) commit(ctx context.Context, run func(*transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &step{run: run}
	if !d.queue.join(s) {
		var lead bool
		select {
		case lead = <-s.wake:
		case <-ctx.Done():
			if d.queue.leave(s) {
				return ctx.Err()
			}
			lead = <-s.wake
		}
		if !lead {
			return s.err
		}
	}
	defer d.queue.pass()
	return d.lead(ctx, s)
}

// lead takes the writing session, opens a transaction, and does the leader's own step and all that queue.
func (d *fileEngine) lead(ctx context.Context, own *step) error {
	s, err := d.writer.take(ctx)
	if err != nil {
		return err
	}
	defer d.writer.give(s)
	if err := d.ready(); err != nil {
		return err
	}
	if err := d.begin(ctx, s); err != nil {
		if d.dialect.Fault(err) == Busy {
			d.refuse(err) // the others would only wait for the same lock, one after another
		}
		return err
	}
	followers := d.queue.drain(maxGroup - 1)
	group := append([]*step{own}, followers...)
	for _, member := range group {
		member.err = errAbandoned // stands only if perform does not return
	}
	defer func() {
		for _, follower := range followers {
			follower.wake <- false
		}
	}()
	defer func() {
		if errors.Is(own.err, errAbandoned) {
			s.close()
		}
	}()
	d.perform(s, group)
	return own.err
}

// errAbandoned is what members of a group get whose leader did not come back.
var errAbandoned = fmt.Errorf("sqlstore: the leader of the commit failed: %w", store.ErrUncertain)

// refuse gives everyone in line the error.
func (d *fileEngine) refuse(err error) {
	for _, s := range d.queue.drain(math.MaxInt) {
		s.err = err
		s.wake <- false
	}
}

// begin opens a transaction, waiting for somebody else's lock as long as the context and BusyTimeout allow. Nothing has
// happened when it fails, which is why it is the only thing that is ever repeated.
func (d *fileEngine) begin(ctx context.Context, s *session) error {
	var patience <-chan time.Time
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		_, err := s.exec(d.dialect.Statements.Begin)
		if err == nil {
			return nil
		}
		if d.dialect.Fault(err) != Busy {
			s.close()
			return err
		}
		if patience == nil {
			patience = time.After(d.busyTimeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-patience:
			return err
		case <-time.After(pause):
		}
	}
}

// perform does the steps of a group in the open transaction and ends it. Every step's err is set when it returns.
func (d *fileEngine) perform(s *session, group []*step) {
	t := &transaction{session: s, sql: &d.dialect.Statements, known: d.known}
	err := t.reserve(int64(len(group)))
	for i := 0; err == nil && i < len(group); i++ {
		err = t.attempt(group[i], len(group) > 1)
	}
	if err == nil {
		err = d.end(t)
	} else {
		d.rollback(s)
	}
	if err != nil {
		for _, member := range group {
			member.err = err
		}
	}
}

// end commits what was written. Where nothing was, there is nothing to make durable.
func (d *fileEngine) end(t *transaction) error {
	if !t.wrote {
		d.rollback(t.session)
		return nil
	}
	_, err := t.session.exec(t.sql.Commit)
	if err == nil {
		t.keep()
		return nil
	}
	if d.dialect.Fault(err) != Unknown {
		d.rollback(t.session)
		return err
	}
	t.session.close()
	return fmt.Errorf("%s: %w: %v", d.dialect.Name, store.ErrUncertain, d.dialect.Explain(err))
}

// rollback ends the transaction. Where that fails, closing the connection does it.
func (d *fileEngine) rollback(s *session) {
	if _, err := s.exec(d.dialect.Statements.Rollback); err != nil {
		s.close()
	}
}
