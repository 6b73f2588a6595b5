package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
)

// trip sends all calls at once, with one Sync behind them, and then reads the answers: one round trip. After an error the server
// skips what is left, COMMIT with it. It speaks the protocol itself, so that no setting of the host's connections matters:
// parameters and answers have forms of our own, and statements are prepared along the way, by name only where pgx does so too.
func trip(ctx context.Context, conn *sql.Conn, calls []sqlstore.Call) error {
	return conn.Raw(func(raw any) error {
		c, err := pgxConn(raw)
		if err != nil {
			return err
		}
		err = newPipeline(c, calls).run(ctx)
		if c.IsClosed() && err != nil {
			return &broken{err}
		}
		return err
	})
}

// broken makes database/sql forget the connection and keeps the cause.
type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }

// Is reports whether the pool has to forget the connection.
func (b *broken) Is(target error) bool { return target == driver.ErrBadConn }

// pgxConn returns the connection of pgx below what database/sql holds, also through wrappers that trace.
func pgxConn(raw any) (*pgx.Conn, error) {
	for range 10 {
		switch c := raw.(type) {
		case *stdlib.Conn:
			return c.Conn(), nil
		case interface{ Raw() driver.Conn }:
			raw = c.Raw()
		default:
			return nil, errNotPGX
		}
	}
	return nil, errNotPGX
}

var errNotPGX = errors.New("the *sql.DB does not use the driver of github.com/jackc/pgx/v5/stdlib: open it with sql.Open(\"pgx\", dsn) or stdlib.OpenDB")

// pipeline is a trip on its way.
type pipeline struct {
	conn  *pgconn.PgConn
	calls []sqlstore.Call
	// prepared are the names of the statements that the connection knows, by their text; nil when it shall know none.
	prepared map[string]string
	// fresh are the texts that are prepared on this trip and not answered for yet.
	fresh     map[string]struct{}
	committed bool
}

// preparedKey is where a connection keeps what is prepared on it.
const preparedKey = "signet.prepared"

// maxPrepared bounds the statements that a connection knows.
const maxPrepared = 200

func newPipeline(conn *pgx.Conn, calls []sqlstore.Call) *pipeline {
	p := &pipeline{conn: conn.PgConn(), calls: calls, fresh: map[string]struct{}{}}
	if conn.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement || conn.Config().StatementCacheCapacity == 0 {
		return p
	}
	data := p.conn.CustomData()
	known, ok := data[preparedKey].(map[string]string)
	if !ok && data[preparedKey] == nil {
		known = map[string]string{}
		data[preparedKey] = known
	}
	p.prepared = known
	return p
}

// The forms of parameters and answers.
const (
	asText  = 0
	asBytes = 1
)

// grace is how long the answer to a COMMIT that was sent is waited for when nobody wants it any more: mostly it is on its way,
// and whoever leaves before loses the connection, and does not know what became of the step.
const grace = 2 * time.Second

// patient returns a context that ends so much later than ctx.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return later, func() {
		stop()
		cancel()
	}
}

func (p *pipeline) run(ctx context.Context) error {
	if p.commits() {
		if err := ctx.Err(); err != nil {
			return err
		}
		later, cancel := patient(ctx)
		defer cancel()
		ctx = later
	}
	line := p.conn.StartPipeline(ctx)
	for i := range p.calls {
		p.send(line, &p.calls[i])
	}
	err := line.Sync()
	if err != nil {
		err = p.lost(err)
	}
	for i := range p.calls {
		if err != nil {
			break
		}
		err = p.receive(line, &p.calls[i])
	}
	if closing := line.Close(); err == nil && closing != nil && !p.committed {
		err = closing
	}
	for text := range p.fresh { // what was skipped is not prepared
		delete(p.prepared, text)
	}
	return err
}

// send queues a call, and before it what prepares its statement.
func (p *pipeline) send(line *pgconn.Pipeline, c *sqlstore.Call) {
	values, forms := make([][]byte, len(c.Args)), make([]int16, len(c.Args))
	for i, arg := range c.Args {
		switch arg := arg.(type) {
		case int64:
			values[i] = strconv.AppendInt(nil, arg, 10)
		case string:
			values[i] = []byte(arg)
		case []byte:
			values[i], forms[i] = arg, asBytes
			if arg == nil {
				values[i] = []byte{}
			}
		}
	}
	answers := []int16{asBytes}
	name, known := p.prepared[c.Text]
	if p.prepared == nil || c.Once || !known && len(p.prepared) >= maxPrepared {
		line.SendQueryParams(c.Text, values, nil, forms, answers)
		return
	}
	if !known {
		sum := sha256.Sum256([]byte(c.Text))
		name = "signet_" + hex.EncodeToString(sum[:12])
		p.prepared[c.Text] = name
		p.fresh[c.Text] = struct{}{}
		line.SendPrepare(name, c.Text, nil)
	}
	line.SendQueryPrepared(name, values, forms, answers)
}

// receive reads the answer to a call.
func (p *pipeline) receive(line *pgconn.Pipeline, c *sqlstore.Call) error {
	if _, ok := p.fresh[c.Text]; ok {
		if _, err := line.GetResults(); err != nil {
			return p.failed(c, err)
		}
		delete(p.fresh, c.Text)
	}
	answer, err := line.GetResults()
	if err != nil {
		return p.failed(c, err)
	}
	rows, ok := answer.(*pgconn.ResultReader)
	if !ok {
		return p.lost(fmt.Errorf("the server answered %T", answer))
	}
	for rows.NextRow() {
		if c.Row == nil {
			continue
		}
		values := rows.Values()
		if err := c.Row(func(into ...any) error { return scan(values, into) }); err != nil {
			return err
		}
	}
	tag, err := rows.Close()
	switch {
	case err != nil:
		return p.failed(c, err)
	case c.Commit && tag.String() != "COMMIT":
		return fmt.Errorf("the server answered %s to COMMIT", tag)
	}
	p.committed = p.committed || c.Commit
	return nil
}

// failed judges the error that came in the place of a call's answer. Answers come in order: what the server says before it has
// answered COMMIT, it says before it has committed. Only its last words, or silence, leave open what became of COMMIT itself.
func (p *pipeline) failed(c *sqlstore.Call, err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok, c.Commit && severity(e) != "ERROR":
		return p.lost(err)
	case disturbed(e):
		p.conn.CustomData()[preparedKey] = false // it prepares nothing any more
	}
	return err
}

// lost judges an error that is not an answer.
func (p *pipeline) lost(err error) error {
	if pgconn.SafeToRetry(err) || !p.commits() {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUncertain, err)
}

// commits reports whether one of the calls is COMMIT.
func (p *pipeline) commits() bool {
	return slices.ContainsFunc(p.calls, func(c sqlstore.Call) bool { return c.Commit })
}

// scan reads a row. Numbers come as two, four or eight bytes, everything else as it is.
func scan(values [][]byte, into []any) error {
	if len(values) != len(into) {
		return fmt.Errorf("the server returned %d columns, want %d", len(values), len(into))
	}
	for i, value := range values {
		switch to := into[i].(type) {
		case *[]byte:
			*to = bytes.Clone(value)
		case *string:
			*to = string(value)
		case *int64:
			*to = number(value)
		case *int:
			*to = int(number(value))
		default:
			return fmt.Errorf("cannot scan into %T", to)
		}
	}
	return nil
}

func number(value []byte) int64 {
	switch len(value) {
	case 8:
		return int64(binary.BigEndian.Uint64(value))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(value)))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(value)))
	}
	return 0
}
