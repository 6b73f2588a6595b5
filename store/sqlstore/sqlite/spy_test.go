package sqlite_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// spy sees every statement that reaches SQLite, and may answer in its place.
type spy struct {
	mu   sync.Mutex
	seen []string
	// before and after a statement runs; an error is what the caller gets.
	before, after func(text string) error
}

func (s *spy) between(conn driver.Conn) driver.Conn { return &spiedConn{Conn: conn, spy: s} }

// texts returns what was seen since the last call.
func (s *spy) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := s.seen
	s.seen = nil
	return texts
}

// meddle sets what happens before and after each statement.
func (s *spy) meddle(before, after func(text string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *spy) around(text string, run func() error) error {
	s.mu.Lock()
	s.seen = append(s.seen, text)
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(text); err != nil {
			return err
		}
	}
	if err := run(); err != nil || after == nil {
		return err
	}
	return after(text)
}

type spiedConn struct {
	driver.Conn
	spy *spy
}

func (c *spiedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &spiedStmt{Stmt: stmt, spy: c.spy, text: text}, nil
}

type spiedStmt struct {
	driver.Stmt
	spy  *spy
	text string
}

func (s *spiedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	return result, s.spy.around(s.text, func() error {
		result, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
}

func (s *spiedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	return rows, s.spy.around(s.text, func() error {
		rows, err = s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		return err
	})
}

var errInjected = errors.New("injected failure")
