package testenv_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
)

// echo is a server that answers each line with itself, and counts what it was told.
type echo struct {
	address string
	lines   atomic.Int64
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{address: listener.Addr().String()}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go e.serve(conn)
		}
	}()
	return e
}

func (e *echo) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		e.lines.Add(1)
		if _, err := fmt.Fprintln(conn, lines.Text()); err != nil {
			return
		}
	}
}

// client is a connection through the proxy.
type client struct {
	net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, p *testenv.ProxyServer) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

// say sends a line and returns the answer.
func (c *client) say(line string) (string, error) {
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	answer, err := c.answers.ReadString('\n')
	return strings.TrimSuffix(answer, "\n"), err
}

// works demands that a new connection be healthy.
func works(t *testing.T, p *testenv.ProxyServer) {
	t.Helper()
	if got, err := dial(t, p).say("hello"); got != "hello" || err != nil {
		t.Errorf("said hello: %q, %v", got, err)
	}
}

// silent demands that a new connection fail, at once or when it is used.
func silent(t *testing.T, p *testenv.ProxyServer) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	c := &client{conn, bufio.NewReader(conn)}
	if got, err := c.say("hello"); err == nil {
		t.Errorf("said hello and was answered %q", got)
	}
}

func TestProxyPasses(t *testing.T) {
	t.Parallel()
	p := testenv.Proxy(t, newEcho(t).address)
	c := dial(t, p)
	for i := range 5 {
		if got, err := c.say("hello"); got != "hello" || err != nil {
			t.Fatalf("said hello: %q, %v", got, err)
		}
		if got := p.Trips(); got != int64(i+1) {
			t.Errorf("%d round trips, want %d", got, i+1)
		}
	}
}

func TestProxyDrops(t *testing.T) {
	t.Parallel()
	p := testenv.Proxy(t, newEcho(t).address)
	c := dial(t, p)
	if _, err := c.say("hello"); err != nil {
		t.Fatal(err)
	}
	p.Drop()
	if got, err := c.say("hello"); err == nil {
		t.Errorf("a dropped connection answers %q", got)
	}
	silent(t, p)
	p.Heal()
	works(t, p)
}

func TestProxyHangs(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	p := testenv.Proxy(t, e.address)
	c := dial(t, p)
	p.Hang()
	answer := make(chan string)
	go func() {
		got, _ := c.say("hello")
		answer <- got
	}()
	quiet := time.NewTimer(50 * time.Millisecond)
	select {
	case got := <-answer:
		t.Fatalf("answered %q while it hangs", got)
	case <-quiet.C:
	}
	if n := e.lines.Load(); n != 0 {
		t.Errorf("%d lines have passed", n)
	}
	p.Heal()
	if got := <-answer; got != "hello" {
		t.Errorf("answered %q afterwards", got)
	}
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	p := testenv.Proxy(t, newEcho(t).address)
	c := dial(t, p)
	const delay = 30 * time.Millisecond
	p.Delay(delay)
	begin := time.Now()
	if _, err := c.say("hello"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("there and back took %v, want at least %v", took, 2*delay)
	}
}

func TestProxyTruncates(t *testing.T) {
	t.Parallel()
	p := testenv.Proxy(t, newEcho(t).address)
	c := dial(t, p)
	p.Truncate(3)
	if got, err := c.say("hello"); got != "hel" || err == nil {
		t.Errorf("said hello: %q, %v, want hel and the end", got, err)
	}
	p.Heal()
	works(t, p)
}

func TestProxyCuts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		after bool
		lines int64
	}{{"after", true, 2}, {"before", false, 1}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(t)
			p := testenv.Proxy(t, e.address)
			c := dial(t, p)
			cut := p.CutBefore
			if test.after {
				cut = p.CutAfter
			}
			done := cut("commit")
			if got, err := c.say("BEGIN, COM"); got != "BEGIN, COM" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			if got, err := c.say("COMMIT"); err == nil {
				t.Errorf("the cut connection answers %q", got)
			}
			<-done
			if got := e.lines.Load(); got != test.lines {
				t.Errorf("the server got %d lines, want %d", got, test.lines)
			}
			works(t, p)
		})
	}
}

func TestProxyCutsAcrossReads(t *testing.T) {
	t.Parallel()
	p := testenv.Proxy(t, newEcho(t).address)
	c := dial(t, p)
	done := p.CutAfter("a\nb")
	if got, err := c.say("a"); got != "a" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if got, err := c.say("b"); err == nil {
		t.Errorf("the cut connection answers %q", got)
	}
	<-done
}

func TestProxyWithoutServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	silent(t, testenv.Proxy(t, gone))
}
