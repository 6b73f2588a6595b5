package password_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-idp/signet/internal/password"
)

const mib = 1 << 20

// Not parallel: it measures the memory of the process.
func TestFloodStaysWithinMemory(t *testing.T) {
	const budget = 8 * mib
	h := newHasher(t, password.Config{Params: password.Params{Memory: 4 << 10, Time: 1}, MaxMemory: budget, MaxWait: time.Hour})
	encoded, err := h.Hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)

	var peakHeap, peakUsed atomic.Int64
	var flood sync.WaitGroup
	for range 200 {
		flood.Go(func() {
			if got, err := h.Verify(t.Context(), encoded, "secret"); err != nil || !got.OK {
				t.Errorf("Verify = %+v, %v", got, err)
			}
			// Others are hashing at this moment.
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			raise(&peakHeap, int64(now.HeapAlloc)-int64(before.HeapAlloc))
			used, _ := h.Used()
			raise(&peakUsed, used)
		})
	}
	flood.Wait()
	if peakUsed.Load() > budget {
		t.Errorf("permits for %d bytes, budget %d", peakUsed.Load(), budget)
	}
	// Ungated this is 800 MiB. Finished hashes are garbage for a while.
	if peakHeap.Load() > 10*budget {
		t.Errorf("heap grew by %d MiB", peakHeap.Load()/mib)
	}
}

func TestGateHoldsBothLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                     string
		bytes                    int64
		threads                  int
		wantThreads, wantParts   int64
		budgetParts, parallelism int
	}{
		{name: "memory binds", bytes: mib, threads: 1, budgetParts: 3, parallelism: 8, wantParts: 3, wantThreads: 3},
		{name: "threads bind", bytes: mib, threads: 1, budgetParts: 8, parallelism: 4, wantParts: 4, wantThreads: 4},
		{name: "two threads each", bytes: mib, threads: 2, budgetParts: 8, parallelism: 4, wantParts: 2, wantThreads: 4},
		{name: "more threads than there are", bytes: mib, threads: 16, budgetParts: 8, parallelism: 4, wantParts: 1, wantThreads: 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHasher(t, password.Config{MaxMemory: int64(c.budgetParts) * mib})
				h.Widen(c.parallelism)
				var running, peak atomic.Int64
				var flood sync.WaitGroup
				for range 200 {
					flood.Go(func() {
						err := h.Run(t.Context(), c.bytes, c.threads, func() {
							raise(&peak, running.Add(1))
							_, threads := h.Used()
							if int64(threads) > c.wantThreads {
								t.Errorf("%d threads in use", threads)
							}
							<-time.After(time.Millisecond) // all who fit gather here
							running.Add(-1)
						})
						if err != nil {
							t.Error(err)
						}
					})
				}
				flood.Wait()
				if peak.Load() != c.wantParts {
					t.Errorf("%d at once, want %d", peak.Load(), c.wantParts)
				}
				if bytes, threads := h.Used(); bytes != 0 || threads != 0 {
					t.Errorf("%d bytes and %d threads left in use", bytes, threads)
				}
			})
		})
	}
}

func TestOverflowIsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, password.Config{Parallel: 1, Queue: 2, MaxWait: 3 * time.Second})
		encoded, err := h.Hash(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		finish := occupy(t, h)
		queued := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := h.Verify(t.Context(), encoded, "x")
				queued <- err
			}()
		}
		synctest.Wait()

		began := time.Now()
		_, errHash := h.Hash(t.Context(), "x")
		_, errVerify := h.Verify(t.Context(), encoded, "x")
		errDummy := h.Dummy(t.Context(), "x")
		for name, err := range map[string]error{"Hash": errHash, "Verify": errVerify, "Dummy": errDummy} {
			var busy *password.BusyError
			if !errors.Is(err, password.ErrBusy) || !errors.As(err, &busy) || busy.RetryAfter != 3*time.Second {
				t.Errorf("%s with a full queue: %v", name, err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a full queue took %v to say so", waited)
		}

		// The queue gives up after MaxWait.
		for range 2 {
			if err := <-queued; !errors.Is(err, password.ErrBusy) {
				t.Errorf("queued Verify: %v", err)
			}
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("queued for %v", waited)
		}
		if len(h.Waiting()) != 0 {
			t.Errorf("queue holds %v", h.Waiting())
		}
		finish()
		if got, err := h.Verify(t.Context(), encoded, "x"); err != nil || !got.OK {
			t.Errorf("Verify after the flood = %+v, %v", got, err)
		}
	})
}

func TestRetryAfterIsAtLeastASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, password.Config{Parallel: 1, MaxWait: time.Millisecond})
		defer occupy(t, h)()
		var busy *password.BusyError
		if err := h.Dummy(t.Context(), "x"); !errors.As(err, &busy) || busy.RetryAfter != time.Second {
			t.Errorf("Dummy: %v", err)
		}
	})
}

func TestCancelledRequestKeepsPermit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, password.Config{Parallel: 1, MaxMemory: mib})
		ctx, cancel := context.WithCancel(t.Context())
		finish := make(chan struct{})
		answer := make(chan error, 1)
		go func() { answer <- h.Run(ctx, mib, 1, func() { <-finish }) }()
		synctest.Wait()

		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if bytes, threads := h.Used(); bytes != mib || threads != 1 {
			t.Errorf("after cancellation the work holds %d bytes, %d threads", bytes, threads)
		}
		if err := h.Dummy(t.Context(), "x"); !errors.Is(err, password.ErrBusy) {
			t.Errorf("the running work's permit was given away: %v", err)
		}
		close(finish)
		synctest.Wait()
		if bytes, threads := h.Used(); bytes != 0 || threads != 0 {
			t.Errorf("after the work %d bytes, %d threads", bytes, threads)
		}
	})
}

func TestCancelledInQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, password.Config{MaxMemory: 4 * mib, MaxWait: time.Hour})
		h.Widen(4)
		finish := make(chan struct{})
		go func() { _ = h.Run(t.Context(), 3*mib, 1, func() { <-finish }) }()
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		large, small := make(chan error, 1), make(chan error, 1)
		go func() { large <- h.Run(ctx, 2*mib, 1, func() { t.Error("cancelled work ran") }) }()
		synctest.Wait()
		go func() { small <- h.Run(t.Context(), mib, 1, func() {}) }()
		synctest.Wait()
		if got, want := h.Waiting(), []int64{2 * mib, mib}; !slices.Equal(got, want) {
			t.Fatalf("queue is %v, want %v: nobody overtakes", got, want)
		}

		cancel()
		if err := <-large; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled in the queue: %v", err)
		}
		if err := <-small; err != nil {
			t.Errorf("behind the cancelled one: %v", err)
		}
		close(finish)
		synctest.Wait()
		if bytes, threads := h.Used(); bytes != 0 || threads != 0 {
			t.Errorf("%d bytes and %d threads left in use", bytes, threads)
		}
		if err := h.Dummy(ctx, "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("Dummy for a request that is gone: %v", err)
		}
	})
}

// An unknown user costs what a known one costs: one pass of the gate, of the same weight.
func TestDummyPassesTheSameGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, password.Config{Parallel: 1, MaxWait: time.Hour})
		encoded, err := h.Hash(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		for name, call := range map[string]func() error{
			"Verify": func() error { _, err := h.Verify(t.Context(), encoded, "y"); return err },
			"Dummy":  func() error { return h.Dummy(t.Context(), "y") },
		} {
			finishFirst := occupy(t, h)
			answer := make(chan error, 1)
			go func() { answer <- call() }()
			synctest.Wait()
			if got, want := h.Waiting(), []int64{64 << 10}; !slices.Equal(got, want) {
				t.Errorf("%s waits for %v, want %v", name, got, want)
			}
			finishSecond := occupy(t, h) // would block a second pass
			finishFirst()
			if err := <-answer; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			finishSecond()
		}
	})
}

// occupy starts, or queues, work that takes one thread until the returned function is
// called.
func occupy(t *testing.T, h *password.Hasher) (finish func()) {
	t.Helper()
	hold := make(chan struct{})
	go func() {
		if err := h.Run(t.Context(), 1, 1, func() { <-hold }); err != nil {
			t.Errorf("occupying the gate: %v", err)
		}
	}()
	synctest.Wait()
	return func() {
		close(hold)
		synctest.Wait()
	}
}

func raise(peak *atomic.Int64, n int64) {
	for {
		old := peak.Load()
		if n <= old || peak.CompareAndSwap(old, n) {
			return
		}
	}
}
