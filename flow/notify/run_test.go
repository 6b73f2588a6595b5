package notify_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-idp/signet/flow/notify"
)

// running is Run in a bubble whose clock is that of the store.
func running(t *testing.T, do func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := alone(t)
		w.clock.advance(time.Until(w.clock.now())) // so that both go together
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		synctest.Wait()
		do(t, w)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// What this node sends leaves at once, without waiting for a round.
func TestRunAtOnce(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *world) {
		w.send(t, code("ann@example.com"))
		synctest.Wait() // no time goes by
		if w.email.count() != 1 {
			t.Error("nothing was sent")
		}
		for range 100 {
			w.send(t, code("ann@example.com"))
		}
		synctest.Wait()
		if w.email.count() != 101 {
			t.Errorf("%d mails", w.email.count())
		}
	})
}

// What fails is sent again when it is due, not with the next round.
func TestRunAgain(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *world) {
		w.email.fail(errDown)
		w.send(t, code("ann@example.com"))
		synctest.Wait()
		w.email.fail(nil)
		w.clock.advance(5 * time.Second)
		<-time.After(5 * time.Second)
		synctest.Wait()
		if w.email.count() != 1 || w.email.attempts() != 2 {
			t.Errorf("%d mails after %d attempts", w.email.count(), w.email.attempts())
		}
	})
}

// A mail server that answers nothing delays no text message, and as many mails as it likes.
func TestRunSlow(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *world) {
		w.email.hold = func(ctx context.Context) { <-ctx.Done() }
		for range 50 {
			w.send(t, code("ann@example.com"))
		}
		w.send(t, notify.Message{Template: notify.SMSOTP, Channel: notify.SMS, To: "+491701234567", Params: map[string]string{notify.Code: "1234"}})
		synctest.Wait()
		if w.sms.count() != 1 {
			t.Error("the text message waits")
		}
		if n := w.email.attempts(); n != 16 {
			t.Errorf("%d mails are under way", n)
		}
	})
}

// A store that is down is asked again, and loses nothing.
func TestRunWithoutStore(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *world) {
		w.send(t, code("ann@example.com"))
		synctest.Wait()
		w.faults.FailAll(nil)
		synctest.Wait()
		w.faults.Heal()
		w.send(t, code("ann@example.com"))
		<-time.After(time.Minute)
		w.clock.advance(time.Minute)
		synctest.Wait()
		if w.email.count() != 2 {
			t.Errorf("%d mails", w.email.count())
		}
	})
}

// A burst leaves at once also where two nodes take from it.
func TestRunOnTwoNodes(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		other, err := notify.New(notify.Config{
			DB: w.db, Directory: w.dir, Issuer: "https://id.example.com", Senders: notify.Senders{Email: w.email, From: "no-reply@example.com"},
		})
		must(t, err)
		ended := make(chan error, 1)
		go func() { ended <- other.Run(ctx) }()
		b := w.db.Batch()
		for range 60 {
			must(t, w.Send(b, code("ann@example.com")))
		}
		must(t, other.Send(b, code("ann@example.com"))) // so that both hear of it
		must(t, b.Apply(t.Context()))
		synctest.Wait()
		if w.email.count() != 61 {
			t.Errorf("%d mails", w.email.count())
		}
		cancel()
		<-ended
	})
}
