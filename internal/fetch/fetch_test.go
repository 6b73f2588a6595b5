package fetch_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
)

func fixed() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// nowhere resolves every name to this machine.
func nowhere(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, nil
}

// never is a dialler for which there is nothing to dial, but public addresses that a URL names itself.
func never(tb testing.TB) func(context.Context, netip.AddrPort) (net.Conn, error) {
	tb.Helper()
	return func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		if to.Addr().IsLoopback() || to.Addr().IsPrivate() || to.Addr().IsLinkLocalUnicast() || to.Addr().IsUnspecified() {
			tb.Errorf("dialled %v", to)
		}
		return nil, errors.New("no network")
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := fetch.New(fetch.Config{}); err == nil {
		t.Error("a Client without a clock")
	}
	if _, err := fetch.New(fetch.Config{Now: fixed, Timeout: -1}); err == nil {
		t.Error("a Client with a negative timeout")
	}
}

func TestAttackURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "example.com", "//example.com/", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
		"https:example.com", "https:///path", "https://user@example.com/", "https://user:pw@example.com/", "https://exa mple.com/",
		"https://example.com\\@evil.example/", "https://example.com/\r\nHost: x", "https://example.com:0x1/", "https://example.com:70000/",
		"https://example.com/" + strings.Repeat("a", 3000), "HTTP://example.com/", "javascript:alert(1)", "data:text/plain,x",
	} {
		w := newWorld(t, say("hello"))
		_ = w.refused(t, url, fetch.ErrRefused)
		if len(w.dialled) != 0 || w.lookUps != 0 {
			t.Errorf("%q was looked up", url)
		}
	}
}

func TestAttackRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+host+"/elsewhere", status)
		})
		_ = w.refused(t, "https://"+host+"/", fetch.ErrFailed)
		if w.served() != 1 {
			t.Errorf("%d: %d requests", status, w.served())
		}
	}
}

func TestAttackLargeAnswers(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write(make([]byte, 10_000_000))
	_ = zip.Close()
	for name, handler := range map[string]http.HandlerFunc{
		"announced": say(strings.Repeat("a", 1001)),
		"chunked": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				_, _ = w.Write(bytes.Repeat([]byte("a"), 1000))
				w.(http.Flusher).Flush()
			}
		},
		"zipped": say(zipped.String()[:900], "Content-Encoding", "gzip"),
		"head":   say("a", "X-Large", strings.Repeat("a", 40_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_ = newWorld(t, handler).refused(t, "https://"+host+"/", fetch.ErrFailed)
		})
	}
	if got := newWorld(t, say(strings.Repeat("a", 1000))).get(t, "https://"+host+"/"); len(got) != 1000 {
		t.Errorf("%d bytes", len(got))
	}
}

// A server that holds on to a request gets no more than the time for one exchange.
func TestAttackSlowServer(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"dripping": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("a"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, handler, func(c *fetch.Config) { c.Timeout = 50 * time.Millisecond })
			_ = w.refused(t, "https://"+host+"/", fetch.ErrFailed)
		})
	}
}

func TestAttackServerOfAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"))
	w.resolve("other.test", "93.184.216.34")
	_ = w.refused(t, "https://other.test/", fetch.ErrFailed)
	w = newWorld(t, say("hello"), func(c *fetch.Config) { c.RootCAs = x509.NewCertPool() })
	_ = w.refused(t, "https://"+host+"/", fetch.ErrFailed)
	w = newWorld(t, say("hello"), func(c *fetch.Config) {
		c.Now = func() time.Time { return time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC) } // the certificate is over
	})
	_ = w.refused(t, "https://"+host+"/", fetch.ErrFailed)
	if w.served() != 0 {
		t.Error("a request went to a server that has not proven its name")
	}
}

func TestStatusAndMediaType(t *testing.T) {
	t.Parallel()
	for _, status := range []int{201, 204, 304, 400, 404, 500} {
		w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_ = w.refused(t, "https://"+host+"/", fetch.ErrFailed)
	}
	kind := fetch.Kind[string]{Name: "json", Types: []string{"application/jwk-set+json", "application/json"}, Decode: decodeText}
	for typ, fine := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JWK-Set+JSON": true, "text/html": false, "json": false,
		"application/jsonx": false,
	} {
		w := newWorld(t, say("{}", "Content-Type", typ))
		if _, err := kind.Get(t.Context(), w.Client, "https://"+host+"/"); (err == nil) != fine {
			t.Errorf("%s: %v", typ, err)
		}
		if got := w.requests[0].Header.Get("Accept"); got != "application/jwk-set+json, application/json" {
			t.Errorf("Accept: %q", got)
		}
	}
}

// What goes out carries nothing of ours.
func TestRequestsCarryNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "track", Value: "1"})
	})
	w.get(t, "https://"+host+"/1#fragment")
	w.get(t, "https://"+host+"/2")
	for _, r := range w.requests {
		for _, name := range []string{"Cookie", "Authorization", "Referer", "Accept-Encoding"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s: %s", name, r.Header.Get(name))
			}
		}
		if r.ProtoMajor != 2 {
			t.Errorf("protocol %s", r.Proto)
		}
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "https://"+host+"/", http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body[:n])
		_, _ = w.Write(bytes.Repeat([]byte(" "), 100_000))
	})
	message := fetch.Message{URL: "https://" + host + "/", ContentType: "application/json", Body: []byte(`{}`), Bearer: "token"}
	answer, err := w.Post(t.Context(), message)
	if err != nil || answer.Status != 202 || strings.TrimSpace(string(answer.Body)) != "POST Bearer token application/json {}" || len(answer.Body) != 64<<10 {
		t.Fatalf("answer %d, %d bytes, %v", answer.Status, len(answer.Body), err)
	}
	message.URL = "https://" + host + "/moved"
	if answer, err = w.Post(t.Context(), message); err != nil || answer.Status != http.StatusTemporaryRedirect || w.served() != 2 {
		t.Errorf("redirect: %d, %v, %d requests", answer.Status, err, w.served())
	}
	w.resolve(host, "127.0.0.1")
	if _, err = w.Post(t.Context(), message); !errors.Is(err, fetch.ErrRefused) || w.served() != 2 {
		t.Errorf("inside: %v", err)
	}
	message.URL = "http://" + host + "/"
	if _, err = w.Post(t.Context(), message); !errors.Is(err, fetch.ErrRefused) {
		t.Errorf("http: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	message.URL = "https://" + host + "/"
	if _, err = w.Post(ctx, message); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAttackFloodOfOneHost(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []int{0, 4} {
		w := newWorld(t, say("hello"), func(c *fetch.Config) { c.PerSecond = perSecond })
		w.flooded(t, cmp.Or(perSecond, 10))
	}
}

func (w *world) flooded(t *testing.T, perSecond int) {
	t.Helper()
	flood := func() (got int) {
		for i := range 100 {
			if _, err := text.Get(t.Context(), w.Client, fmt.Sprintf("https://%s/%d/%d", host, w.clock().Unix(), i)); err == nil {
				got++
			} else if !errors.Is(err, fetch.ErrBusy) {
				t.Fatal(err)
			}
		}
		return got
	}
	if got := flood(); got != 5*perSecond {
		t.Errorf("%d of a burst went out, want %d", got, 5*perSecond)
	}
	w.pass(2 * time.Second)
	if got := flood(); got != 2*perSecond {
		t.Errorf("%d went out 2 s later, want %d", got, 2*perSecond)
	}
	w.pass(-time.Hour) // a clock that goes back fills nothing
	if got := flood(); got != 0 {
		t.Errorf("%d went out after the clock went back, want 0", got)
	}
}

// Many names for one address are one victim.
func TestAttackFloodOfOneAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"))
	for i := range 100 {
		name := fmt.Sprintf("n%d.%s", i, host)
		w.resolve(name, fmt.Sprintf("2606:4700::%x", i+1)) // of one /64
		_, _ = text.Get(t.Context(), w.Client, "https://"+name+"/")
	}
	if w.dials() != 50 {
		t.Errorf("%d dials, want 50", w.dials())
	}
}
