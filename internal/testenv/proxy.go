package testenv

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// ProxyServer passes TCP connections on to a server and does to them what networks do. Every method may be called at any time, also
// while bytes flow. Healthy, it adds nothing but the way.
type ProxyServer struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	links  map[*link]struct{}
	trips  int64
	fault  fault
	healed chan struct{} // closed when the fault that hangs or delays ends
}

// fault is what happens to connections. The zero fault is none.
type fault struct {
	refuse, hang bool
	delay        time.Duration
	truncate     int // bytes of answers that still pass, counted while limited
	limited      bool
	pattern      []byte // in lower case
	forward      bool   // the bytes with the pattern reach the server
	done         chan struct{}
}

// Proxy starts a proxy on loopback in front of the server at the address target. It ends with the test.
func Proxy(tb testing.TB, target string) *ProxyServer {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	p := &ProxyServer{target: target, listener: listener, links: map[*link]struct{}{}, healed: make(chan struct{})}
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Addr returns the host and port where the proxy listens.
func (p *ProxyServer) Addr() string { return p.listener.Addr().String() }

// Heal ends whatever fault there is. What hung goes on; connections that were cut stay cut.
func (p *ProxyServer) Heal() { p.set(fault{}) }

// Drop cuts all connections, and every new one at once, until Heal.
func (p *ProxyServer) Drop() {
	p.set(fault{refuse: true})
	p.cut()
}

// Hang keeps all bytes back, in both directions, also those of new connections, until Heal.
func (p *ProxyServer) Hang() { p.set(fault{hang: true}) }

// Delay keeps all bytes back for d, in both directions, until Heal.
func (p *ProxyServer) Delay(d time.Duration) { p.set(fault{delay: d}) }

// Truncate lets n more bytes of answers pass, counted over all connections, and then cuts the connection whose answer was too long,
// and every later one when its server speaks, until Heal.
func (p *ProxyServer) Truncate(n int) { p.set(fault{limited: true, truncate: n}) }

// CutAfter waits for a client that says pattern (upper and lower case are the same), forwards it, waits until the server has
// answered, and cuts the connection without passing the answer on: what a lost answer to COMMIT looks like. It happens once, and
// then everything is healthy again; the channel is closed when it has happened.
func (p *ProxyServer) CutAfter(pattern string) <-chan struct{} { return p.await(pattern, true) }

// CutBefore is like CutAfter, but the server never gets what the client said.
func (p *ProxyServer) CutBefore(pattern string) <-chan struct{} { return p.await(pattern, false) }

func (p *ProxyServer) await(pattern string, forward bool) <-chan struct{} {
	done := make(chan struct{})
	p.set(fault{pattern: bytes.ToLower([]byte(pattern)), forward: forward, done: done})
	return done
}

// Trips returns how many round trips there were since the proxy started: how often a client spoke after its server had, or first.
func (p *ProxyServer) Trips() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trips
}

func (p *ProxyServer) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.healed)
	p.healed = make(chan struct{})
}

// cut closes all connections.
func (p *ProxyServer) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

func (p *ProxyServer) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.set(fault{refuse: true})
	p.cut()
	p.running.Wait()
}

func (p *ProxyServer) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

// serve carries one connection to its end.
func (p *ProxyServer) serve(client net.Conn) {
	l := &link{proxy: p, client: client, ended: make(chan struct{})}
	if !p.admit(l) {
		return
	}
	defer p.forget(l)
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	if !l.join(server) {
		return
	}
	p.running.Go(func() { l.pump(server, client, l.answer) })
	l.pump(client, server, l.ask)
}

// admit counts the connection among those that are open, unless there is a fault that refuses it.
func (p *ProxyServer) admit(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault.refuse || p.closed {
		l.cut()
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *ProxyServer) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.cut()
	delete(p.links, l)
}

// hold keeps bytes back as long as the fault demands.
func (p *ProxyServer) hold(l *link) {
	p.mu.Lock()
	f, healed := p.fault, p.healed
	p.mu.Unlock()
	switch {
	case f.hang:
		select {
		case <-healed:
			p.hold(l)
		case <-l.ended:
		}
	case f.delay > 0:
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-healed:
		case <-l.ended:
		}
	}
}

// link is one connection through the proxy.
type link struct {
	proxy          *ProxyServer
	client, server net.Conn
	once           sync.Once
	ended          chan struct{}

	// These are guarded by the mutex of the proxy.
	asked bool          // the client was the last to speak
	said  []byte        // the end of what the client said, in lower case
	lost  chan struct{} // the next answer is not passed on; then the connection is cut and the channel closed
}

// join makes the link whole; false means that it was cut meanwhile.
func (l *link) join(server net.Conn) bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.server = server
	select {
	case <-l.ended:
		_ = server.Close()
		return false
	default:
		return true
	}
}

// cut ends the link at both sides. The caller holds the mutex of the proxy, or is the only one who knows the link.
func (l *link) cut() {
	l.once.Do(func() { close(l.ended) })
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is under way is lost, as on a broken line
			_ = tcp.Close()
		}
	}
}

// pump passes on what from says as far as pass lets it, and ends the link at its end.
func (l *link) pump(from, to net.Conn, pass func([]byte) (rest []byte, cut bool)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			l.proxy.hold(l)
			rest, cut := pass(buffer[:n])
			if len(rest) > 0 {
				if _, err := to.Write(rest); err != nil {
					break
				}
			}
			if cut {
				break
			}
		}
		if err != nil {
			break
		}
	}
	l.end(to)
}

// end ends the link; what was passed on already still arrives.
func (l *link) end(to net.Conn) {
	_ = to.Close()
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.cut()
}

// ask judges what the client says.
func (l *link) ask(said []byte) (rest []byte, cut bool) {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.asked {
		l.asked = true
		p.trips++
	}
	if len(p.fault.pattern) == 0 {
		l.said = nil
		return said, false
	}
	l.said = append(l.said, bytes.ToLower(said)...)
	if !bytes.Contains(l.said, p.fault.pattern) {
		l.said = bytes.Clone(l.said[max(0, len(l.said)-len(p.fault.pattern)+1):])
		return said, false
	}
	f := p.fault
	p.fault = fault{}
	if !f.forward {
		close(f.done)
		return nil, true
	}
	l.lost = f.done
	return said, false
}

// answer judges what the server says.
func (l *link) answer(said []byte) (rest []byte, cut bool) {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	l.asked = false
	if l.lost != nil {
		close(l.lost)
		return nil, true
	}
	if p.fault.limited {
		if len(said) > p.fault.truncate {
			said, cut = said[:p.fault.truncate], true
		}
		p.fault.truncate -= len(said)
	}
	return said, cut
}
