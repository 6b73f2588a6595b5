package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	engine "modernc.org/sqlite"

	"github.com/signet-idp/signet/store/sqlstore"
)

// role is what a connection is for.
type role int

const (
	writing role = iota
	reading
)

// between wraps the connections of a test; nil leaves them as they are.
type between func(driver.Conn) driver.Conn

// connector opens connections with the settings that durability rests on.
type connector struct {
	driver   *engine.Driver
	dsn      string
	patience time.Duration
	pragmas  []pragma
	between  between
}

// pragma is a setting and the value that the connection must report afterwards.
type pragma struct{ name, value, want string }

func newConnector(path string, config Config, r role, between between) *connector {
	c := &connector{driver: new(engine.Driver), dsn: dsn(path), patience: config.BusyTimeout, between: between}
	c.pragmas = []pragma{
		// Go waits for locks, not SQLite, so that a caller's context can end the wait.
		{"busy_timeout", "0", "0"},
		{"journal_mode", "WAL", "wal"},
		{"synchronous", "FULL", "2"},
		{"fullfsync", "1", "1"}, // macOS: fsync alone leaves the data in the cache of the disk
		{"checkpoint_fullfsync", "1", "1"},
		{"trusted_schema", "0", "0"},
		{"temp_store", "MEMORY", "2"},
		{"cache_size", "-8000", "-8000"},
	}
	if r == reading { // only a checkpoint at the end of the file's last connection ever holds a reader up
		patience := fmt.Sprint(config.BusyTimeout.Milliseconds())
		c.pragmas = append(c.pragmas, pragma{"query_only", "1", "1"}, pragma{"busy_timeout", patience, patience})
	}
	return c
}

// dsn names a file whatever characters its path contains.
func dsn(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_dqs=0&_defensive=1&_error_rc=1"}
	return u.String()
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.driver }

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	patience := time.After(c.patience)
	for _, p := range c.pragmas {
		if err := p.setPatiently(ctx, conn, patience); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if c.between != nil {
		conn = c.between(conn)
	}
	return conn, nil
}

// setPatiently is set that waits for others. It matters for a new file: of two processes that give it its WAL, SQLite tells one
// that it is locked, and does so at once, whatever busy_timeout is.
func (p pragma) setPatiently(ctx context.Context, conn driver.Conn, patience <-chan time.Time) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := p.set(ctx, conn)
		if fault(err) != sqlstore.Busy {
			return err
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

// set sets the value and asks what became of it, because SQLite does not say when it disregards a setting.
func (p pragma) set(ctx context.Context, conn driver.Conn) error {
	if _, err := query(ctx, conn, "PRAGMA "+p.name+" = "+p.value); err != nil {
		return err
	}
	got, err := query(ctx, conn, "PRAGMA "+p.name)
	if err != nil {
		return err
	}
	if got != p.want {
		return fmt.Errorf("%w: PRAGMA %s is %s after it was set to %s", errSetting, p.name, got, p.value)
	}
	return nil
}

// query returns the first column of the first row, "" when there is none.
func query(ctx context.Context, conn driver.Conn, text string) (string, error) {
	queryer, ok := conn.(driver.QueryerContext)
	if !ok {
		return "", fmt.Errorf("%w: the connection cannot be asked", errSetting)
	}
	rows, err := queryer.QueryContext(ctx, text, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	row := make([]driver.Value, len(rows.Columns()))
	if len(row) == 0 || rows.Next(row) != nil {
		return "", nil
	}
	return fmt.Sprint(row[0]), nil
}
