package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// proxy passes each request on to the next node that is ready. A real one is nginx, HAProxy, or a load balancer of the cloud: it
// needs no sticky sessions.
type proxy struct {
	mu    sync.RWMutex
	nodes []*backend
	next  atomic.Uint64
	http  *httputil.ReverseProxy
}

// backend is a node as the proxy sees it.
type backend struct {
	address string
	ready   atomic.Bool
}

func newProxy() *proxy {
	p := &proxy{}
	p.http = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetXForwarded() // in place of what the client may have said of itself
			r.Out.Host = r.In.Host
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = "node" // see dial
		},
		Transport:    &http.Transport{DialContext: p.dial, MaxIdleConnsPerHost: 100, IdleConnTimeout: 30 * time.Second},
		ErrorHandler: p.fail,
	}
	return p
}

// add takes a node in.
func (p *proxy) add(address string) {
	b := &backend{address: address}
	b.ready.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes = append(p.nodes, b)
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.http.ServeHTTP(w, r) }

// dial connects to the next node that takes connections. Nothing was sent yet, so trying another is safe for every request.
func (p *proxy) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	p.mu.RLock()
	nodes := p.nodes
	p.mu.RUnlock()
	dialer := net.Dialer{Timeout: time.Second}
	err := errors.New("no node is ready")
	for range nodes {
		b := nodes[p.next.Add(1)%uint64(len(nodes))]
		if !b.ready.Load() {
			continue
		}
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, network, b.address); err == nil {
			return conn, nil
		}
		b.ready.Store(false) // until watch finds it well again
	}
	return nil, err
}

// fail answers when a node was lost in the middle of a request: whether it was carried out is not known.
func (p *proxy) fail(w http.ResponseWriter, _ *http.Request, _ error) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "the node that had the request is gone; try again", http.StatusServiceUnavailable)
}

// watch asks every node each second whether it is ready, until ctx is done.
func (p *proxy) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.RLock()
		nodes := p.nodes
		p.mu.RUnlock()
		for _, b := range nodes {
			b.ready.Store(ready(ctx, b.address))
		}
	}
}

func ready(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	at := url.URL{Scheme: "http", Host: address, Path: "/readyz"}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
