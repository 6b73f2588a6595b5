package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// maxAnswer bounds the bytes of the answer to one request, whatever the server claims.
const maxAnswer = 64 << 20

var errTooLong = errors.New("ldap: the answer is too long")

// wire is a TCP connection that delivers no more than it is told to.
type wire struct {
	net.Conn
	left atomic.Int64
}

func (w *wire) Read(p []byte) (int, error) {
	left := w.left.Load()
	if left <= 0 {
		return 0, errTooLong
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), left)])
	w.left.Add(-int64(n))
	return n, err
}

// conn is a connection to one server. It is used by one goroutine at a time.
type conn struct {
	ldap    *goldap.Conn
	wire    *wire
	timeout time.Duration
	tls     bool
	idle    time.Time // since when nobody uses it
	reused  bool
	broken  bool // it is not to be used again
	wrote   bool // a change was sent since the connection was taken
}

// dial opens a connection with TLS as it is configured, on which nobody has bound yet. The host's name is verified.
func (s *server) dial(ctx context.Context) (*conn, error) {
	tcp, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, down("%s: %w", s.name, err)
	}
	w := &wire{Conn: tcp}
	w.left.Store(maxAnswer)
	c := &conn{wire: w, timeout: s.config.RequestTimeout, tls: s.implicitTLS || s.config.StartTLS}
	err = s.secure(ctx, c)
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		c.close()
		return nil, down("%s: %w", s.name, err)
	}
	return c, nil
}

// secure starts the LDAP session on the wire, and TLS before or within it.
func (s *server) secure(ctx context.Context, c *conn) error {
	defer context.AfterFunc(ctx, func() { _ = c.wire.Close() })()
	config := s.config.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName = s.host
	}
	if !s.implicitTLS {
		c.ldap = goldap.NewConn(c.wire, false)
		c.ldap.Start()
		if s.config.StartTLS {
			return c.ldap.StartTLS(config)
		}
		return nil
	}
	client := tls.Client(c.wire, config)
	if err := client.HandshakeContext(ctx); err != nil {
		return err
	}
	c.ldap = goldap.NewConn(client, true)
	c.ldap.Start()
	return nil
}

// close ends the connection at once. The wire goes first: a server that hangs must not hold up the library.
func (c *conn) close() {
	_ = c.wire.Close()
	if c.ldap != nil {
		_ = c.ldap.Close()
	}
}

// request does one request within the time that one may take. The library knows no context: when the time is up or the caller
// gives up, the wire is cut, which ends whatever waits for it.
func (c *conn) request(ctx context.Context, do func() error) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	c.wire.left.Store(maxAnswer)
	stop := context.AfterFunc(limited, func() { _ = c.wire.Close() })
	err := do()
	cut := !stop()
	c.broken = c.broken || cut || (err != nil && !fromServer(err))
	switch {
	case err == nil || fromServer(err):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case cut:
		return down("no answer within %v", c.timeout)
	}
	return &downError{cause: err, cut: true}
}

// bind authenticates the connection. The caller has made sure that there is a password: without one a bind would succeed as
// nobody (RFC 4513 §5.1.2), and the library refuses it once more.
func (c *conn) bind(ctx context.Context, dn, password string, controls ...goldap.Control) (result *goldap.SimpleBindResult, err error) {
	err = c.request(ctx, func() (err error) {
		result, err = c.ldap.SimpleBind(goldap.NewSimpleBindRequest(dn, password, controls))
		return err
	})
	return result, err
}

// search does one search. A size limit of the server's or of the request's is no error: more tells that there was one.
func (c *conn) search(ctx context.Context, r *goldap.SearchRequest) (result *goldap.SearchResult, more bool, err error) {
	err = c.request(ctx, func() (err error) {
		result, err = c.ldap.Search(r)
		return err
	})
	if is(err, goldap.LDAPResultSizeLimitExceeded) && result != nil {
		return result, true, nil
	}
	return result, false, err
}

// change does one request that changes the directory.
func (c *conn) change(ctx context.Context, do func() error) error {
	c.wrote = true
	return c.request(ctx, do)
}
