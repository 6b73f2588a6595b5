package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxCached bounds how many statements a session keeps prepared: the fixed ones and the commonest shapes of a List.
const maxCached = 96

// session is one connection with its prepared statements. One goroutine uses it at a time.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// statement returns text prepared, from the cache if it is there.
func (s *session) statement(text string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts[text]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	if len(s.stmts) >= maxCached {
		s.forget()
	}
	s.stmts[text] = stmt
	return stmt, nil
}

// forget closes all prepared statements. It happens only to those who List in very many shapes.
func (s *session) forget() {
	for _, stmt := range s.stmts {
		_ = stmt.Close()
	}
	clear(s.stmts)
}

// exec runs a statement and returns how many rows it changed.
func (s *session) exec(text string, args ...any) (int64, error) {
	stmt, err := s.statement(text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row runs a statement that returns at most one row; without one the error is sql.ErrNoRows. It does not watch the context:
// a statement takes microseconds.
func (s *session) row(_ context.Context, text string, args []any, into ...any) error {
	stmt, err := s.statement(text)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(context.Background(), args...).Scan(into...)
}

// rows runs a statement and calls each for every row. Each may not use the session.
func (s *session) rows(ctx context.Context, text string, args []any, each func(scan func(...any) error) error) error {
	stmt, err := s.statement(text)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// close gives the connection up; the session opens another when it is used next.
func (s *session) close() {
	if s.conn == nil {
		return
	}
	s.forget()
	_ = s.conn.Close()
	s.conn = nil
}

// errClosed is the answer of a Driver that was closed.
var errClosed = errors.New("sqlstore: the driver is closed")

// pool hands out a fixed number of sessions.
type pool struct {
	db     *sql.DB
	size   int
	idle   chan *session
	closed chan struct{}
}

func newPool(db *sql.DB, size int) *pool {
	p := &pool{db: db, size: size, idle: make(chan *session, size), closed: make(chan struct{})}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(0) // a session keeps its connection; what it gives up is not worth keeping
	for range size {
		p.idle <- &session{stmts: map[string]*sql.Stmt{}}
	}
	return p
}

// take waits for a session, with a connection, that the caller must give back.
func (p *pool) take(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var s *session
	select {
	case <-p.closed:
		return nil, errClosed
	case s = <-p.idle:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.conn != nil {
		return s, nil
	}
	conn, err := p.db.Conn(ctx)
	if err != nil {
		p.idle <- s
		return nil, err
	}
	s.conn = conn
	return s, nil
}

func (p *pool) give(s *session) { p.idle <- s }

// close waits until every session is back. It must be called once.
func (p *pool) close() error {
	close(p.closed)
	for range p.size {
		(<-p.idle).close()
	}
	if err := p.db.Close(); err != nil {
		return fmt.Errorf("sqlstore: closing: %w", err)
	}
	return nil
}
