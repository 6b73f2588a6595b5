package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
)

const document = "https://" + host + "/document"

// RFC 9111 §5.2.2, within the bounds of the Kind.
func TestDocumentsAreRememberedAsLongAsTheySay(t *testing.T) {
	t.Parallel()
	for control, want := range map[string]time.Duration{
		"":                                   10 * time.Minute,
		"public":                             10 * time.Minute,
		"max-age=300":                        5 * time.Minute,
		"public, Max-Age=\"120\"":            2 * time.Minute,
		"max-age=0":                          time.Minute,
		"no-store":                           time.Minute,
		"max-age=300, no-cache":              time.Minute,
		"max-age=never":                      time.Minute,
		"max-age=-1":                         time.Minute,
		"max-age=31536000":                   time.Hour,
		"max-age=9999999999999999":           time.Hour,
		"max-age=99999999999999999999999999": time.Hour,
	} {
		t.Run(control, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, say("hello", "Cache-Control", control))
			d, err := text.Get(t.Context(), w.Client, document)
			if err != nil || d.Expires.Sub(d.Fetched) != want {
				t.Fatalf("used for %v, %v, want %v", d.Expires.Sub(d.Fetched), err, want)
			}
			w.pass(want - time.Second)
			w.get(t, document)
			if w.served() != 1 {
				t.Error("asked again too early")
			}
			w.pass(time.Second)
			w.get(t, document)
			if w.served() != 2 {
				t.Error("not asked again")
			}
		})
	}
}

func TestKindsAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"))
	length := fetch.Kind[int]{Name: "length", Decode: func(b []byte) (int, error) { return len(b), nil }}
	if d, err := length.Get(t.Context(), w.Client, document); err != nil || d.Value != 5 {
		t.Errorf("length: %v, %v", d, err)
	}
	if got := w.get(t, document); got != "hello" {
		t.Errorf("text: %q", got)
	}
	impostor := fetch.Kind[int]{Name: "text", Decode: func(b []byte) (int, error) { return len(b), nil }}
	if _, err := impostor.Get(t.Context(), w.Client, document); !errors.Is(err, fetch.ErrFailed) {
		t.Errorf("impostor: %v", err)
	}
}

func TestOneFetchForManyCallers(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte("hello"))
	})
	var wg sync.WaitGroup
	var fine atomic.Int32
	for range 64 {
		wg.Go(func() {
			if d, err := text.Get(t.Context(), w.Client, document); err == nil && d.Value == "hello" {
				fine.Add(1)
			}
		})
	}
	close(release)
	wg.Wait()
	if fine.Load() != 64 || w.served() != 1 {
		t.Errorf("%d of 64 were served by %d requests, want 1", fine.Load(), w.served())
	}
}

// A caller that leaves takes neither the fetch nor the others with it, and one that waits can leave.
func TestCallersLeave(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = w.Write([]byte("hello"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := text.Get(ctx, w.Client, document)
		first <- err
	}()
	<-arrived
	cancel()
	if _, err := text.Get(ctx, w.Client, document); !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the fetch ended with its first caller: %v", err)
	}
	if got := w.get(t, document); got != "hello" || w.served() != 1 {
		t.Errorf("%q after %d requests", got, w.served())
	}
}

func TestAttackFailuresAreRemembered(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	fails.Store(true)
	w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		if fails.Load() {
			_, _ = w.Write([]byte("broken"))
			return
		}
		_, _ = w.Write([]byte("hello"))
	})
	for range 10 {
		_ = w.refused(t, document, fetch.ErrFailed)
	}
	if w.served() != 1 {
		t.Errorf("%d requests, want 1", w.served())
	}
	fails.Store(false)
	w.pass(30 * time.Second)
	w.get(t, document)
}

func TestWhatThereWasStandsIn(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte("hello"))
	})
	w.get(t, document)
	down.Store(true)
	w.pass(59 * time.Minute)
	w.get(t, document)
	w.get(t, document)
	if w.served() != 2 {
		t.Errorf("%d requests, want 2: the failure is remembered", w.served())
	}
	w.pass(time.Minute)
	_ = w.refused(t, document, fetch.ErrFailed)
}

func TestAttackFloodOfRenewals(t *testing.T) {
	t.Parallel()
	var version atomic.Int32
	w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "version %d", version.Add(1))
	})
	seen, err := text.Get(t.Context(), w.Client, document)
	if err != nil {
		t.Fatal(err)
	}
	renew := func(want string) {
		t.Helper()
		if d, err := text.Renew(t.Context(), w.Client, document, seen); err != nil || d.Value != want {
			t.Errorf("Renew = %q, %v, want %q", d.Value, err, want)
		}
	}
	for range 100 {
		renew("version 1")
	}
	w.pass(30 * time.Second)
	for range 100 { // the first fetches, the others have not seen what it brought
		renew("version 2")
	}
	if seen, err = text.Get(t.Context(), w.Client, document); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		renew("version 2")
	}
	if w.served() != 2 {
		t.Errorf("%d requests, want 2", w.served())
	}
}

// What is remembered is bounded: 32 MiB of documents push one another out.
func TestAttackLargeCache(t *testing.T) {
	t.Parallel()
	large := fetch.Kind[string]{Name: "large", Decode: decodeText}
	w := newWorld(t, say(strings.Repeat("a", 200<<10)))
	ask := func(i int) {
		w.pass(time.Second / 10)
		if _, err := large.Get(t.Context(), w.Client, fmt.Sprintf("https://%s/%d", host, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		ask(i)
	}
	ask(199)
	if w.served() != 200 {
		t.Errorf("%d requests: the last was forgotten", w.served())
	}
	ask(0)
	if w.served() != 201 {
		t.Errorf("%d requests: the first of 40 MiB is still there", w.served())
	}
}

func FuzzMaxAge(f *testing.F) {
	for _, seed := range []string{"", "max-age=1", `max-age="1"`, "no-store", "max-age=99999999999999999999, public", "max-age=-1,,=", "max-age"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, control string) {
		if age := fetch.MaxAge(http.Header{"Cache-Control": {control}}); age < 0 || age > 100*365*24*time.Hour {
			t.Errorf("%q is %v", control, age)
		}
	})
}
