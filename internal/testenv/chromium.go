package testenv

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// These bound a browser that hangs, not one that is slow: a loaded machine of two cores must stay well below them, though dozens of tests share one
// browser.
const (
	browserTimeout = 15 * time.Minute
	startTimeout   = time.Minute
)

// Chromium starts a headless Chromium with a fresh profile and returns the chromedp context of its first tab, ready for
// [chromedp.Do] and [chromedp.Run]. The browser is ended and its profile deleted when the test ends, or after a quarter of an hour: every later
// chromedp call then returns [context.DeadlineExceeded].
//
// A second tab of the same person is chromedp.NewContext(ctx); a second person, with cookies of their own, is
// chromedp.NewContext(ctx, chromedp.WithNewBrowserContext()). The options are applied last and win over the defaults, for
// example [chromedp.IgnoreCertErrors] for an httptest TLS server.
//
// Only loopback resolves: a page that asks for anything else fails to load it. Uncaught JavaScript errors are logged to the test.
func Chromium(tb testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	tb.Helper()
	path := Require(tb, "chromium", "chromium", "chromium", "chromium-browser", "google-chrome")

	console := &browserLog{tb: tb}
	tb.Cleanup(console.close) // registered first, so that it runs last
	// The context of a test ends before its cleanups run, which would kill the browser instead of closing it.
	timed, cancelTimed := context.WithTimeout(context.WithoutCancel(tb.Context()), browserTimeout)
	tb.Cleanup(cancelTimed)
	allocator, cancelAllocator := chromedp.NewExecAllocator(timed, chromiumOptions(path, options)...)
	tb.Cleanup(cancelAllocator) // waits for the process and deletes its profile
	ctx, cancel := chromedp.NewContext(allocator,
		chromedp.WithErrorf(console.printf), chromedp.WithListener(console.event))
	tb.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			console.printf("close: %v", err)
		}
		cancel()
	})

	if err := chromedp.Do(ctx); err != nil { // without steps it starts the browser
		tb.Fatalf("testenv: start %s: %v", path, err)
	}
	return ctx
}

// chromiumOptions returns the command line: chromedp's own defaults, silence on the network, then what the caller adds.
func chromiumOptions(path string, options []chromedp.ExecAllocatorOption) []chromedp.ExecAllocatorOption {
	defaults := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(startTimeout),
		chromedp.Flag("headless", "new"), // the browser itself, not the old headless shell
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]"),
	)
	if os.Geteuid() == 0 {
		defaults = append(defaults, chromedp.NoSandbox) // Chromium refuses to run its sandbox as root
	}
	return append(defaults, options...)
}

// browserLog writes what the browser complains about to the log of the test, and nothing once the test has ended: the
// browser's goroutines may outlive it by a moment, and testing panics on a late line.
type browserLog struct {
	mu    sync.Mutex
	tb    testing.TB
	ended bool
}

func (l *browserLog) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.tb.Logf("browser: "+format, args...)
	}
}

// event logs uncaught JavaScript errors.
func (l *browserLog) event(event any) {
	if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
		l.printf("%v", thrown.ExceptionDetails)
	}
}

func (l *browserLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}
