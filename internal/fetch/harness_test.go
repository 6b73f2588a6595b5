package fetch_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
)

// host is what the certificate of httptest is for.
const host = "example.com"

// world is a client with a web that consists of one server. Names resolve as the test says; whatever public address is dialled, the
// server answers.
type world struct {
	*fetch.Client
	server *httptest.Server

	mu       sync.Mutex
	now      time.Time
	names    map[string][][]netip.Addr // the answers one after the other, the last for ever
	lookUps  int
	dialled  []netip.AddrPort
	requests []*http.Request
}

func newWorld(t *testing.T, handler http.HandlerFunc, configure ...func(*fetch.Config)) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), names: map[string][][]netip.Addr{}}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Clone(context.Background()))
		w.mu.Unlock()
		handler(rw, r)
	}))
	w.server.EnableHTTP2 = true
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.resolve(host, "93.184.216.34")
	roots := x509.NewCertPool()
	roots.AddCert(w.server.Certificate())
	config := fetch.Config{
		Now: w.clock, RootCAs: roots, Resolve: w.lookUp,
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			w.mu.Lock()
			w.dialled = append(w.dialled, to)
			w.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, "tcp", w.server.Listener.Addr().String())
		},
	}
	for _, c := range configure {
		c(&config)
	}
	var err error
	if w.Client, err = fetch.New(config); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// resolve sets what a name resolves to: one answer per argument, each a list of addresses.
func (w *world) resolve(name string, answers ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = nil
	for _, answer := range answers {
		var addresses []netip.Addr
		for text := range strings.FieldsSeq(answer) {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		w.names[name] = append(w.names[name], addresses)
	}
}

func (w *world) lookUp(_ context.Context, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookUps++
	answers := w.names[name]
	switch len(answers) {
	case 0:
		return nil, errors.New("no such host")
	case 1:
		return answers[0], nil
	}
	w.names[name] = answers[1:]
	return answers[0], nil
}

// served is how many requests the server has had.
func (w *world) served() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.requests)
}

// dials is how many connections were made.
func (w *world) dials() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.dialled)
}

// text is a kind of document that means what it says, unless it says "broken".
var text = fetch.Kind[string]{Name: "text", MaxSize: 1000, Decode: decodeText}

func decodeText(document []byte) (string, error) {
	if string(document) == "broken" {
		return "", errors.New("broken")
	}
	return string(document), nil
}

func say(what string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		_, _ = w.Write([]byte(what))
	}
}

// get fetches and fails the test on an error.
func (w *world) get(t *testing.T, url string) string {
	t.Helper()
	d, err := text.Get(t.Context(), w.Client, url)
	if err != nil {
		t.Fatalf("Get %s: %v", url, err)
	}
	return d.Value
}

func (w *world) refused(t *testing.T, url string, want error) error {
	t.Helper()
	d, err := text.Get(t.Context(), w.Client, url)
	if !errors.Is(err, want) {
		t.Errorf("Get %s = %q, %v, want %v", url, d.Value, err, want)
	}
	return err
}
