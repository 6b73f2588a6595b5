package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// server is one of Config.Servers with the connections to it.
type server struct {
	config      *Config
	name        string // the URL
	host        string
	address     string
	implicitTLS bool
	service     chan struct{} // holds one token for each connection of the service account in use
	people      chan struct{} // and for each on which a person's password is tried
	breaker     breaker

	mu     sync.Mutex
	idle   []*conn // bound as the service account; the last was used last
	closed bool
}

// with does some work on a connection of the service account: to the first server that answers. Work is done again from the start
// on another connection, unless it has sent a change. The connection is the work's alone.
func (u *Users) with(ctx context.Context, work func(context.Context, *conn) error) error {
	service := func(s *server) chan struct{} { return s.service }
	return u.ask(ctx, service, func(ctx context.Context, s *server) error { return s.do(ctx, work) })
}

// patience is how long a server may keep a caller waiting who then gives up at a deadline of their own, before that counts as a
// failure of the server. Nor does it when the caller spent most of the time waiting for others who were at the server before.
const patience = 500 * time.Millisecond

// ask tries the servers in order, but for those that are being left alone, on one of the places that a server has for such work.
func (u *Users) ask(ctx context.Context, places func(*server) chan struct{}, try func(context.Context, *server) error) error {
	var failures []string
	for i, s := range u.servers {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("ldap: %w", err)
		}
		began := u.config.Now()
		allowed, trial := s.breaker.allow(began)
		if !allowed {
			failures = append(failures, s.name+": left alone after it failed")
			continue
		}
		attempt, cancel := u.share(ctx, len(u.servers)-i)
		taken, err := s.on(attempt, places(s), func() error { return try(attempt, s) })
		late := attempt.Err() != nil
		cancel()
		now := u.config.Now()
		queued := isQueued(err) || taken.Sub(began) > now.Sub(taken) // most of the time
		switch {
		case errors.Is(err, store.ErrUncertain):
			s.breaker.failure(now)
			return err
		case err != nil && ctx.Err() != nil:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) && !queued && now.Sub(taken) >= patience {
				s.breaker.failure(now)
			} else {
				s.breaker.abandon(now, trial)
			}
			return fmt.Errorf("ldap: %w: %s", ctx.Err(), err)
		case !isDown(err) && !isQueued(err) && (err == nil || !late):
			s.breaker.success()
			return err
		case queued && (late || isQueued(err)):
			s.breaker.abandon(now, trial)
		default:
			s.breaker.failure(now)
		}
		failures = append(failures, err.Error())
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, strings.Join(failures, "; "))
}

// on does something while it holds one of the places, and tells since when it had it.
func (s *server) on(ctx context.Context, places chan struct{}, do func() error) (taken time.Time, err error) {
	err = s.take(ctx, places)
	taken = s.config.Now()
	if err != nil {
		return taken, err
	}
	defer func() { <-places }()
	return taken, do()
}

// share gives a server its part of the time that the caller has, so that some is left for those after it.
func (u *Users) share(ctx context.Context, servers int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if left := deadline.Sub(u.config.Now()); ok && servers > 1 && left > 0 {
		return context.WithTimeout(ctx, left/time.Duration(servers))
	}
	return context.WithCancel(ctx)
}

// do does the work on one server. A connection from the pool may have died unnoticed: then the work gets a new one.
func (s *server) do(ctx context.Context, work func(context.Context, *conn) error) error {
	for {
		c, err := s.acquire(ctx)
		if err != nil {
			return err
		}
		err = work(ctx, c)
		reused, uncertain := c.reused, err != nil && c.wrote && c.broken
		s.release(c) // it is another's from here on
		switch {
		case uncertain:
			// Nobody knows whether the change was made; whatever the caller's context says.
			return fmt.Errorf("ldap: %s: %w", s.name, store.ErrUncertain)
		case reused && isCut(err):
			continue
		case isDown(err):
			return down("%s: %w", s.name, err)
		}
		return err
	}
}

// take waits for a place among the connections to the server.
func (s *server) take(ctx context.Context, places chan struct{}) error {
	limited, cancel := context.WithTimeout(ctx, s.config.RequestTimeout)
	defer cancel()
	select {
	case places <- struct{}{}:
		return nil
	case <-limited.Done():
		return &queuedError{s.name}
	}
}

// acquire returns a connection that is bound as the service account: the one of the pool that was used last, or a new one.
func (s *server) acquire(ctx context.Context) (*conn, error) {
	if c := s.pooled(); c != nil {
		return c, nil
	}
	limited, cancel := context.WithTimeout(ctx, s.config.DialTimeout)
	defer cancel()
	c, err := s.dial(limited)
	if err != nil {
		return nil, err
	}
	if _, err := c.bind(limited, s.config.BindDN, string(s.config.BindPassword)); err != nil {
		c.close()
		// Whatever the reason, this server is of no use: also a refusal must not be asked for again and again, since that
		// locks the account.
		return nil, down("%s: bind as the service account: %w", s.name, err)
	}
	return c, nil
}

// pooled takes a connection out of the pool, or returns nil. It closes those that have been idle for too long.
func (s *server) pooled() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	for len(s.idle) > 0 {
		last := len(s.idle) - 1
		c := s.idle[last]
		s.idle = s.idle[:last]
		if !c.ldap.IsClosing() && now.Sub(c.idle) < s.config.IdleTimeout {
			c.reused, c.wrote = true, false
			return c
		}
		c.close()
	}
	return nil
}

// release puts a connection back into the pool if it can be used again.
func (s *server) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.broken || s.closed || c.ldap.IsClosing() {
		c.close()
		return
	}
	c.idle = s.config.Now()
	s.idle = append(s.idle, c)
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, c := range s.idle {
		c.close()
	}
	s.idle = nil
}
