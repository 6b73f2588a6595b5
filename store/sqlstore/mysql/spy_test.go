package mysql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"testing"

	engine "github.com/go-sql-driver/mysql"
)

// spy sees every message that is sent to the server: each is a round trip.
type spy struct {
	driver.Connector
	mu   sync.Mutex
	seen []string
}

// spyOn returns a pool of connections that a spy sees.
func spyOn(tb testing.TB, dsn string) (*sql.DB, *spy) {
	tb.Helper()
	config, err := engine.ParseDSN(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	connector, err := engine.NewConnector(config)
	if err != nil {
		tb.Fatal(err)
	}
	s := &spy{Connector: connector}
	return lend(tb, sql.OpenDB(s)), s
}

// texts returns what was seen since the last call.
func (s *spy) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := s.seen
	s.seen = nil
	return texts
}

func (s *spy) see(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, text)
}

func (s *spy) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &spiedConn{conn.(fullConn), s}, nil
}

// fullConn is what database/sql looks for in a connection of go-sql-driver.
type fullConn interface {
	driver.Conn
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.ConnBeginTx
	driver.NamedValueChecker
	driver.ExecerContext
	driver.QueryerContext
}

type spiedConn struct {
	fullConn
	spy *spy
}

func (c *spiedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.spy.see(text)
	return c.fullConn.ExecContext(ctx, text, args)
}

func (c *spiedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.spy.see(text)
	return c.fullConn.QueryContext(ctx, text, args)
}
