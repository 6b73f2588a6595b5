package notify_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// A message is delivered once, after its batch and not without it.
func TestDelivery(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		b := w.db.Batch()
		must(t, w.Send(b, code("nobody@example.com"))) // never applied
		w.send(t, code("ann@example.com"))
		if w.email.count() != 0 {
			t.Error("something was sent within Apply")
		}
		w.deliver(t)
		w.deliver(t)
		if w.email.count() != 1 {
			t.Fatalf("%d mails", w.email.count())
		}
		m := w.email.mail(t)
		if m.To != "ann@example.com" || m.From != `"Example" <no-reply@example.com>` || !strings.HasSuffix(m.ID, "@id.example.com") || m.Locale != "en" {
			t.Errorf("got %+v", m)
		}
		wants(t, m.Subject, "Example")
		lacks(t, m.Subject, "493027")
		wants(t, m.Text, "493027", "1440 minutes")
		wants(t, m.HTML, "493027", "<html", "</html>")
		listing, err := p.Driver.List(t.Context(), w.clock.now(), store.Query{Kind: store.Kind{Name: "notify.message"}, Within: store.Everywhere})
		must(t, err)
		if len(listing.Records) != 0 {
			t.Errorf("%d messages are kept after they were delivered", len(listing.Records))
		}
	})
}

// Each channel has its sender, and what has none is refused when it is handed over.
func TestChannels(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.send(t,
		notify.Message{Template: notify.SMSOTP, Channel: notify.SMS, To: "+49 (170) 123-4567", Params: map[string]string{notify.Code: "1234"}},
		notify.Message{Template: notify.PushAuthentication, Channel: notify.Push, To: "device", Params: map[string]string{"pushId": "p1"}},
	)
	w.deliver(t)
	if len(w.sms.texts) != 1 || len(w.push.alerts) != 1 {
		t.Fatalf("%d and %d", len(w.sms.texts), len(w.push.alerts))
	}
	if got := w.sms.texts[0]; got.To != "+491701234567" || got.Text != "1234 is your sign-in code for Example. Give it to nobody.\n@id.example.com #1234" {
		t.Errorf("got %+v", got)
	}
	if got := w.push.alerts[0]; got.To != "device" || got.Data["pushId"] != "p1" || got.Title == "" || got.Text == "" {
		t.Errorf("got %+v", got)
	}

	mute := alone(t, func(c *notify.Config) { c.Senders.SMS, c.Senders.Push = nil, nil })
	if !mute.Reaches(notify.Email) || mute.Reaches(notify.SMS) || mute.Reaches(notify.Push) || mute.Reaches("pigeon") {
		t.Error("Reaches is wrong")
	}
	for _, m := range []notify.Message{
		{Template: notify.SMSOTP, Channel: notify.SMS},
		{Template: "no such", Channel: notify.Email},
		{Template: notify.EmailOTP, Channel: notify.Email, Params: map[string]string{"x": strings.Repeat("x", 20<<10)}},
	} {
		if err := mute.Send(mute.db.Batch(), m); err == nil {
			t.Errorf("%s by %s was taken", m.Template, m.Channel)
		}
	}
}

// What fails is sent again after waits that grow; what has failed too often is dead, and an event says so.
func TestRetry(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.email.fail(errDown)
	w.send(t, code("ann@example.com"))
	var waits []time.Duration
	last := w.clock.now()
	for i := 0; len(w.failures(t)) == 0 && i < 100_000; i++ {
		before := w.email.attempts()
		w.deliver(t)
		if w.email.attempts() > before {
			waits = append(waits, w.clock.now().Sub(last))
			last = w.clock.now()
		}
		w.clock.advance(time.Second)
	}
	if len(waits) != store.MaxAttempts || waits[1] < 5*time.Second || waits[2] < 10*time.Second || waits[11] < time.Hour || waits[11] > 62*time.Minute {
		t.Errorf("waits %v", waits)
	}
	wants(t, strings.Join(w.failures(t), " "), `"failed too often"`, `"EmailOTP"`)
	w.email.fail(nil)
	w.clock.advance(24 * time.Hour)
	w.deliver(t)
	if w.email.count() != 0 {
		t.Error("the dead letter was delivered")
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.email.fail(errDown)
	w.send(t, code("ann@example.com"))
	w.deliver(t)
	w.email.fail(nil)
	w.deliver(t)
	if w.email.count() != 0 {
		t.Error("it was sent again at once")
	}
	w.clock.advance(6 * time.Second)
	w.deliver(t)
	if w.email.count() != 1 {
		t.Error("it was not sent again")
	}
}

// What can never be delivered is not tried again.
func TestUndeliverable(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.email.fail(fmt.Errorf("%w: no such mailbox", notify.ErrUndeliverable))
	w.send(t, code("ann@example.com"))
	w.deliver(t)
	w.clock.advance(time.Hour)
	w.deliver(t)
	if w.email.attempts() != 1 || len(w.failures(t)) != 1 {
		t.Errorf("%d attempts, %v", w.email.attempts(), w.failures(t))
	}
}

// A code that has expired is not delivered any more, whether it waited for a node or for its server.
func TestExpired(t *testing.T) {
	t.Parallel()
	w := alone(t)
	m := code("ann@example.com")
	m.Expires = w.clock.now().Add(5 * time.Minute)
	w.send(t, m)
	w.clock.advance(5*time.Minute + time.Second)
	w.deliver(t)
	if w.email.attempts() != 0 || !strings.Contains(strings.Join(w.failures(t), ""), "expired") {
		t.Errorf("%d attempts, %v", w.email.attempts(), w.failures(t))
	}

	w = alone(t)
	w.email.fail(errDown)
	m.Expires = w.clock.now().Add(5 * time.Minute)
	w.send(t, m)
	for range 400 {
		w.deliver(t)
		w.clock.advance(time.Second)
	}
	if n := w.email.attempts(); n < 5 || n > 7 || len(w.failures(t)) != 1 {
		t.Errorf("%d attempts, %v", n, w.failures(t))
	}
}

// 16 nodes at once deliver each message once.
func TestNodes(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		for i := range 40 {
			w.send(t, code(fmt.Sprintf("p%d@example.com", i)))
		}
		var nodes sync.WaitGroup
		for range 16 {
			nodes.Go(func() {
				if err := w.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		nodes.Wait()
		w.deliver(t)
		seen := map[string]int{}
		for _, m := range w.email.mails {
			seen[m.To]++
		}
		for to, n := range seen {
			if n != 1 {
				t.Errorf("%s has %d mails", to, n)
			}
		}
		if len(seen) != 40 {
			t.Errorf("%d people have mail", len(seen))
		}
	})
}

// A scenario that an organization sends itself is not sent.
func TestExternal(t *testing.T) {
	t.Parallel()
	w := alone(t)
	must(t, setExternal(t, w, notify.Recovery))
	reset := code("ann@example.com")
	reset.Template = notify.PasswordReset
	w.send(t, reset, code("ann@example.com"))
	w.deliver(t)
	if w.email.count() != 1 || w.email.mail(t).Subject != "Your sign-in code for Example" {
		t.Errorf("%d mails", w.email.count())
	}
	if own, err := w.Internal(t.Context(), "", notify.PasswordReset); own || err != nil {
		t.Errorf("Internal is %v, %v", own, err)
	}
	if setExternal(t, w, "no such scenario") == nil {
		t.Error("a scenario was set that there is not")
	}
}
