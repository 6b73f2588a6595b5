package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/store"
)

// ServerConfig is what the package of a database server hands to NewServer.
type ServerConfig struct {
	// Dialect is required. It must be Hashed.
	Dialect *Dialect
	// DB opens connections. Required. It stays the caller's: its limits are not touched.
	DB *sql.DB
	// Trip carries statements out. Required.
	Trip Trip
	// Alone has fn change the schema, through calls of its own on the connection, while no other process does. Required.
	Alone func(ctx context.Context, conn *sql.Conn, fn func() error) error
	// Migrations are as in Config. A statement ends with a semicolon at the end of a line.
	Migrations fs.FS
	// NoMigrate is as in Config.
	NoMigrate bool
	// Timeout bounds a call, or each portion of a Purge; zero means 10 seconds.
	Timeout time.Duration
	// Close is called when the Driver is closed. Nil does nothing.
	Close func() error
}

// Call is one statement of a Trip.
type Call struct {
	Text string
	Args []any // int64, string, []byte or nil
	// One demands exactly one row, changed or returned; else the trip ends with an error whose Fault is Unmet.
	One bool
	// Row gets every row that is returned, one after another. Scan takes *int64, *int, *string, *[]byte. Nil means that none is.
	Row func(scan func(...any) error) error
	// Once marks a statement that hardly comes again and is better planned for its parameters than prepared.
	Once bool
	// Commit marks the statement that ends a transaction that has written.
	Commit bool
}

// Trip carries the calls out in their order, on one connection and in as few round trips as it can, and ends with the
// first that fails. Its error wraps store.ErrUncertain when a Commit may have been carried out, and may else be given to Fault.
type Trip func(ctx context.Context, conn *sql.Conn, calls []Call) error

// NewServer brings the schema of a database up that a server keeps, and returns a Driver: many connections write, each its
// own transaction.
func NewServer(ctx context.Context, config ServerConfig) (*Driver, error) {
	if config.Dialect == nil || config.DB == nil || config.Trip == nil || config.Alone == nil || config.Migrations == nil {
		return nil, errors.New("sqlstore: ServerConfig.Dialect, DB, Trip, Alone and Migrations are required")
	}
	if config.Timeout < 0 {
		return nil, fmt.Errorf("%s: Config.Timeout is negative", config.Dialect.Name)
	}
	s := &server{
		dialect: config.Dialect, sql: &config.Dialect.Statements, more: &config.Dialect.Server,
		db: config.DB, trip: config.Trip, exclude: config.Alone, shut: config.Close,
	}
	s.versions.taken = make(chan struct{}, 1)
	driver, err := newDriver(ctx, config.Dialect, s, func() error { return nil }, config.Migrations, config.NoMigrate)
	if err != nil {
		return nil, err
	}
	driver.timeout = cmp.Or(config.Timeout, 10*time.Second)
	return driver, nil
}

// server works with a database that many write to at once.
//
// A step is first tried blindly: its operations become statements that have an effect only while their condition holds, sent
// together with BEGIN and COMMIT. Where one has none, the step is rolled back and what stands in its way is read. That is a
// conflict, mostly; else the step is done with care: what it is about is locked and read, judged, and written.
type server struct {
	dialect  *Dialect
	sql      *Statements
	more     *ServerStatements
	db       *sql.DB
	trip     Trip
	exclude  func(ctx context.Context, conn *sql.Conn, fn func() error) error
	shut     func() error
	closed   atomic.Bool
	versions versions
	shapes   shapes
}

// maxAttempts bounds how often a step is repeated whose caller waits for ever.
const maxAttempts = 30

// repeat does the step again as long as others are in its way and the context lasts.
func (s *server) repeat(ctx context.Context, step func(*sql.Conn) error) error {
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, step)
		if err == nil || errors.Is(err, store.ErrUncertain) || attempt == maxAttempts {
			return err
		}
		switch s.dialect.Fault(err) {
		case Busy:
			if pause(ctx, attempt) != nil {
				return err
			}
		case Unmet: // somebody was quicker between two statements
			if ctx.Err() != nil {
				return err
			}
		default:
			return err
		}
	}
}

// pause waits for a moment that is longer with every attempt, and never the same for two who got in each other's way.
func pause(ctx context.Context, attempt int) error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	most := time.Millisecond << min(attempt, 7)
	timer := time.NewTimer(time.Duration(binary.BigEndian.Uint64(random[:]) % uint64(most)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// once lends the step a connection.
func (s *server) once(ctx context.Context, step func(*sql.Conn) error) error {
	if s.closed.Load() {
		return errClosed
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return step(conn)
}

func (s *server) read(ctx context.Context, fn func(querier) error) error {
	return s.repeat(ctx, func(conn *sql.Conn) error { return fn(&asked{server: s, conn: conn}) })
}

func (s *server) look(ctx context.Context, fn func(querier) error) error {
	return s.repeat(ctx, func(conn *sql.Conn) error { return fn(&asked{server: s, conn: conn, plain: true}) })
}

func (s *server) close() error {
	if s.closed.Store(true); s.shut != nil {
		return s.shut()
	}
	return nil
}

func (s *server) alone(ctx context.Context, fn func(conn) error) error {
	return s.once(ctx, func(c *sql.Conn) error {
		return s.exclude(ctx, c, func() error { return fn(&asked{server: s, conn: c, plain: true}) })
	})
}

// asked is a connection that is asked, one statement a trip.
type asked struct {
	server *server
	conn   *sql.Conn
	// plain says that there may be a transaction, which rows must leave alone.
	plain bool
}

func (a *asked) row(ctx context.Context, text string, args []any, into ...any) error {
	found := false
	err := a.server.trip(ctx, a.conn, []Call{{Text: text, Args: args, Row: func(scan func(...any) error) error {
		found = true
		return scan(into...)
	}}})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

func (a *asked) rows(ctx context.Context, text string, args []any, each func(scan func(...any) error) error) error {
	call := Call{Text: text, Args: args, Row: each, Once: true}
	if a.server.more.Plan == nil || a.plain {
		return a.server.trip(ctx, a.conn, []Call{call})
	}
	var calls []Call
	for _, text := range a.server.more.Plan {
		calls = append(calls, Call{Text: text})
	}
	err := a.server.trip(ctx, a.conn, append(calls, call, Call{Text: a.server.sql.Rollback}))
	if err != nil {
		a.server.rollback(ctx, a.conn)
	}
	return err
}

// exec runs a statement, or those of a migration one after another.
func (a *asked) exec(ctx context.Context, text string, args ...any) error {
	if len(args) > 0 {
		return a.server.trip(ctx, a.conn, []Call{{Text: text, Args: args, Once: true}})
	}
	for _, part := range strings.SplitAfter(text, ";\n") {
		if part = strings.TrimRight(part, "; \n"); strings.TrimSpace(part) == "" {
			continue
		}
		if err := a.server.trip(ctx, a.conn, []Call{{Text: part, Once: true}}); err != nil {
			return err
		}
	}
	return nil
}

// rollback ends a transaction that has failed. Where that fails too, the connection is given up, which does it.
func (s *server) rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.trip(ctx, conn, []Call{{Text: s.sql.Rollback}}); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

func (s *server) apply(ctx context.Context, now int64, plans []plan, results []store.Result) error {
	version, err := s.versions.next(ctx, s.reserve)
	if err != nil {
		return err
	}
	// Everyone goes through the records in the same order, so that nobody waits for somebody who waits.
	order := make([]*plan, len(plans))
	for i := range plans {
		plans[i].at = i
		order[i] = &plans[i]
	}
	slices.SortFunc(order, func(p, q *plan) int {
		a, b := &p.op.Record, &q.op.Record
		return cmp.Or(cmp.Compare(a.Kind.Name, b.Kind.Name), cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID))
	})
	careful := false
	return s.repeat(ctx, func(conn *sql.Conn) error {
		if !careful {
			err := s.try(ctx, conn, now, version, order, results)
			if err == nil || s.dialect.Fault(err) != Unmet || errors.Is(err, store.ErrUncertain) {
				return err
			}
			careful = true
			if err := s.conflict(ctx, conn, now, plans, order); err != nil {
				return err
			}
		}
		return s.care(ctx, conn, now, version, plans, order, results)
	})
}

// begin are the calls that open a transaction.
func (s *server) begin() []Call {
	if s.more.Isolation == "" {
		return []Call{{Text: s.sql.Begin}}
	}
	return []Call{{Text: s.more.Isolation}, {Text: s.sql.Begin}}
}

// write carries out calls in a transaction that is open, or that the first of them opens, and commits.
func (s *server) write(ctx context.Context, conn *sql.Conn, calls []Call, learned []string) error {
	err := s.trip(ctx, conn, append(calls, Call{Text: s.sql.Commit, Commit: true}))
	switch {
	case err == nil:
		s.shapes.keep(learned)
	case errors.Is(err, store.ErrUncertain):
		err = fmt.Errorf("%s: %w", s.dialect.Name, err)
	case s.dialect.Fault(err) != Unmet: // else the next trip begins with it
		s.rollback(ctx, conn)
	}
	return err
}

// try does the step blindly.
func (s *server) try(ctx context.Context, conn *sql.Conn, now, version int64, order []*plan, results []store.Result) error {
	calls := append(make([]Call, 0, 2*len(order)+4), s.begin()...)
	opened := len(calls)
	learned := s.learn(&calls, order)
	var keys, entries []any
	for _, p := range order {
		r, result := &p.op.Record, &results[p.at]
		place := s.place(r)
		*result = store.Result{Version: version}
		add := func(one bool, text string, args ...any) {
			calls = append(calls, Call{Text: text, Args: args, One: one})
		}
		switch p.op.Verb {
		case store.VerbInsert:
			add(true, s.more.Insert, append(place, version, p.expires, int64(r.Schema), orNull(p.names.digest), orNull(r.Body), now)...)
			keys, entries = s.names(p, p.op.Record.Keys, keys, entries)
		case store.VerbReplace:
			if s.more.Stale != "" && !r.Kind.Ephemeral {
				add(false, s.more.Stale, append(s.place(r), r.Version, now, orNull(p.names.digest))...)
				_, entries = s.names(p, nil, nil, entries)
			}
			args := append([]any{version, p.expires, int64(r.Schema), orNull(p.names.digest), orNull(r.Body)}, place...)
			add(true, s.more.Replace, append(args, r.Version, now)...)
		case store.VerbDelete:
			result.Version = 0
			add(true, s.more.Delete, append(place, r.Version, now)...)
			if !r.Kind.Ephemeral {
				add(false, s.sql.DeleteKeys, s.place(r)...)
				add(false, s.sql.DeleteEntries, s.place(r)...)
			}
		case store.VerbCheck:
			result.Version = r.Version
			add(true, s.more.Check, append(place, r.Version, now)...)
			calls[len(calls)-1].Row = func(func(...any) error) error { return nil }
		case store.VerbAdd:
			count := func(scan func(...any) error) error { return scan(&result.Count) }
			add(true, s.more.Add, append(place, version, p.expires, p.op.Delta, now)...)
			if s.more.Count != "" {
				add(false, s.more.Count, s.place(r)...)
			}
			calls[len(calls)-1].Row = count
		}
	}
	calls = s.insertNames(calls, keys, entries)
	if len(calls) == opened+countChecks(order) { // nothing is written
		return s.leave(ctx, conn, calls)
	}
	return s.write(ctx, conn, calls, learned)
}

func countChecks(order []*plan) (n int) {
	for _, p := range order {
		if p.op.Verb == store.VerbCheck {
			n++
		}
	}
	return n
}

// leave carries out what only reads.
func (s *server) leave(ctx context.Context, conn *sql.Conn, calls []Call) error {
	err := s.trip(ctx, conn, append(calls, Call{Text: s.sql.Rollback}))
	if err != nil && s.dialect.Fault(err) != Unmet {
		s.rollback(ctx, conn)
	}
	return err
}

// learn adds the shapes that are not known to be in the database, and returns them.
func (s *server) learn(calls *[]Call, order []*plan) []string {
	var learned []string
	for _, p := range order {
		if p.names.shape == "" {
			continue
		}
		place := p.op.Record.Kind.Name + " " + p.names.shape
		if s.shapes.known(place) || slices.Contains(learned, place) {
			continue
		}
		learned = append(learned, place)
	}
	slices.Sort(learned)
	for _, place := range learned {
		kind, shape, _ := strings.Cut(place, " ")
		*calls = append(*calls, Call{Text: s.sql.InsertShape, Args: []any{kind, shape}})
	}
	return learned
}

// names appends the rows of a record's names.
func (s *server) names(p *plan, which []store.Key, keys, entries []any) (k, e []any) {
	r := &p.op.Record
	org, id := s.dialect.text(r.Org), s.dialect.text(r.ID)
	for i, key := range which {
		if !slices.Contains(which[:i], key) {
			keys = append(keys, r.Kind.Name, hash(r.Org, key), org, id)
		}
	}
	for _, entry := range p.names.entries {
		entries = append(entries, r.Kind.Name, org, id, s.dialect.text(entry.field), entry.value)
	}
	return keys, entries
}

// insertNames appends the calls that write rows of names.
func (s *server) insertNames(calls []Call, keys, entries []any) []Call {
	calls = s.insertRows(calls, s.more.InsertKeys, 4, keys)
	return s.insertRows(calls, s.more.InsertEntries, 5, entries)
}

func (s *server) insertRows(calls []Call, text [2]string, width int, values []any) []Call {
	most := s.more.Rows
	if most == 0 {
		most = 8
	}
	for len(values) > 0 {
		n := min(len(values), most*width)
		var b strings.Builder
		b.WriteString(text[0])
		for i := range n {
			switch {
			case i == 0:
				b.WriteString("(")
			case i%width == 0:
				b.WriteString("), (")
			default:
				b.WriteString(", ")
			}
			b.WriteString(s.dialect.placeholder(i + 1))
		}
		b.WriteString(")" + text[1])
		calls = append(calls, Call{Text: b.String(), Args: values[:n:n]})
		values = values[n:]
	}
	return calls
}

// place are the parameters that name a record.
func (s *server) place(r *store.Record) []any {
	return []any{r.Kind.Name, s.dialect.text(r.Org), s.dialect.text(r.ID)}
}

// purge removes records that have expired, except those that somebody else is at. They are locked before a statement removes their
// names: one that saw the tables as they were before would leave those behind that a change has just written.
func (s *server) purge(ctx context.Context, now int64, limit int) (removed int, err error) {
	err = s.repeat(ctx, func(conn *sql.Conn) error {
		calls := s.begin()
		var gone []place
		calls = append(calls, Call{Text: s.sql.Expired, Args: []any{now, int64(limit)}, Row: func(scan func(...any) error) error {
			var p place
			var digest []byte
			err := scan(&p.kind, &p.org, &p.id, &digest)
			gone = append(gone, p)
			return err
		}})
		if err := s.trip(ctx, conn, calls); err != nil {
			s.rollback(ctx, conn)
			return err
		}
		if removed = len(gone); removed == 0 {
			s.rollback(ctx, conn)
			return nil
		}
		return s.write(ctx, conn, s.removals(nil, gone), nil)
	})
	return removed, err
}

// removals appends the calls that remove records with their names.
func (s *server) removals(calls []Call, gone []place) []Call {
	for _, p := range gone {
		for _, text := range []string{s.sql.DeleteKeys, s.sql.DeleteEntries, s.sql.DeleteRecord} {
			calls = append(calls, Call{Text: text, Args: []any{p.kind, s.dialect.text(p.org), s.dialect.text(p.id)}})
		}
	}
	return calls
}

// versions hands out versions of a block that was taken out of the database, so that writers do not meet at the counter.
// What a process does not use up is lost: versions need not be without gaps.
type versions struct {
	taken     chan struct{} // holds a token while somebody is at the others
	last, end int64         // what was handed out last, and what may be
}

// versionBlock is how many versions are reserved at once.
const versionBlock = 1000

func (v *versions) next(ctx context.Context, reserve func(context.Context, int64) (int64, error)) (int64, error) {
	select {
	case v.taken <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-v.taken }()
	if v.last == v.end {
		end, err := reserve(ctx, versionBlock)
		if err != nil {
			return 0, err
		}
		v.last, v.end = end-versionBlock, end
	}
	v.last++
	return v.last, nil
}

// reserve takes n versions out of the counter, for good, whatever becomes of them.
func (s *server) reserve(ctx context.Context, n int64) (last int64, err error) {
	calls := append(s.begin(), Call{Text: s.more.Reserve[0], Args: []any{n}})
	if s.more.Reserve[1] != "" {
		calls = append(calls, Call{Text: s.more.Reserve[1]})
	}
	calls[len(calls)-1].Row = func(scan func(...any) error) error { return scan(&last) }
	calls = append(calls, Call{Text: s.sql.Commit}) // whether a block that nobody got was reserved does not matter
	err = s.repeat(ctx, func(conn *sql.Conn) error {
		err := s.trip(ctx, conn, calls)
		if err != nil {
			s.rollback(ctx, conn)
		}
		return err
	})
	if err == nil && last < n {
		err = errors.New("sqlstore: the counter of versions is gone: restore the backup")
	}
	return last, err
}

// shapes are those that are surely in the database.
type shapes struct {
	mu  sync.RWMutex
	all map[string]struct{}
}

func (s *shapes) known(place string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.all[place]
	return ok
}

func (s *shapes) keep(learned []string) {
	if len(learned) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil || len(s.all)+len(learned) > maxKnown {
		s.all = map[string]struct{}{}
	}
	for _, place := range learned {
		s.all[place] = struct{}{}
	}
}
