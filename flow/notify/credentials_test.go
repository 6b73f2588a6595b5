package notify_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// holder adds somebody, with a confirmed address or without.
func (w *world) holder(t *testing.T, name string, confirmed bool) *directory.User {
	t.Helper()
	u := &directory.User{Username: name, Email: name + "@example.com", EmailVerified: confirmed}
	must(t, w.dir.CreateUser(t.Context(), u, "correct horse battery"))
	return u
}

// enrol gives a person an authenticator app.
func (w *world) enrol(t *testing.T, u *directory.User) *directory.Credential {
	t.Helper()
	b := w.db.Batch()
	must(t, w.dir.Credentials.EnrollTOTP(t.Context(), b, u.Ref(), "Ignore this message", []byte("12345678901234567890"), 0))
	must(t, b.Apply(t.Context()))
	credential, _, err := w.dir.Credentials.TOTP(t.Context(), u.Ref())
	must(t, err)
	return credential
}

// People learn of credentials that were added to their account or removed, whoever did it, once; and not of their password by the same way.
func TestCredentialsAreTold(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		ann, bob := w.holder(t, "ann", true), w.holder(t, "bob", false)
		w.deliver(t)
		if n := len(w.email.mails); n != 0 {
			t.Fatalf("%d mails about passwords", n)
		}
		credential := w.enrol(t, ann)
		w.enrol(t, bob)
		w.deliver(t)
		w.deliver(t)
		if len(w.email.mails) != 1 || w.email.mails[0].To != "ann@example.com" || !strings.Contains(w.email.mails[0].Text, "TOTP") ||
			!strings.Contains(w.email.mails[0].Text, "ann") {
			t.Fatalf("added: %+v", w.email.mails)
		}
		if strings.Contains(w.email.mails[0].Text+w.email.mails[0].HTML, "Ignore this") {
			t.Error("the mail says what the credential was called by whoever added it")
		}
		must(t, w.dir.Credentials.Delete(t.Context(), credential))
		w.deliver(t)
		if len(w.email.mails) != 2 || w.email.mails[1].Subject == w.email.mails[0].Subject || !strings.Contains(w.email.mails[1].Text, "TOTP") {
			t.Errorf("removed: %+v", w.email.mails)
		}
		b := w.db.Batch()
		must(t, w.dir.Credentials.SetBackupCodes(t.Context(), b, ann.Ref(), []secret.Text{"ABCDEFGHJK"}))
		must(t, b.Apply(t.Context()))
		w.deliver(t)
		if len(w.email.mails) != 3 || strings.Contains(w.email.mails[2].Text, "ABCDEFGHJK") {
			t.Errorf("backup codes: %+v", w.email.mails)
		}
		w.enrol(t, ann)
		w.deliver(t)
		must(t, w.dir.DeleteUser(t.Context(), ann))
		w.deliver(t)
		if len(w.email.mails) != 4 {
			t.Errorf("somebody who is gone: %+v", w.email.mails[4:])
		}
	})
}

// An account at a provider upstream is a way in like any other: people learn that one was linked, or is no longer, but not of the one by
// which they came to be.
func TestLinksAreTold(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		tell := func(u *directory.User, kind string) {
			t.Helper()
			b := w.db.Batch()
			b.Event(store.Event{Type: kind, Subject: u.ID, Data: []byte(`{"connection":"acme","issuer":"https://acme.example"}`)})
			must(t, b.Apply(t.Context()))
			w.deliver(t)
		}
		ann := w.holder(t, "ann", true)
		tell(ann, "user.linked")
		if len(w.email.mails) != 0 {
			t.Fatalf("of the link that the account was made by: %+v", w.email.mails)
		}
		w.clock.advance(time.Second)
		tell(ann, "user.linked")
		tell(ann, "user.unlinked")
		if len(w.email.mails) != 2 || w.email.mails[0].To != ann.Email || !strings.Contains(w.email.mails[0].Text, "acme: ") ||
			w.email.mails[0].Subject == w.email.mails[1].Subject || !strings.Contains(w.email.mails[1].Text, "acme: ") {
			t.Errorf("%+v", w.email.mails)
		}
	})
}

// Without a way to send mail, nothing waits for one.
func TestCredentialsWithoutMail(t *testing.T) {
	t.Parallel()
	w := alone(t, func(c *notify.Config) { c.Senders.Email = nil })
	w.enrol(t, w.holder(t, "ann", true))
	w.deliver(t)
	claimed, err := w.db.Claim(t.Context(), "notify.credentials", 1, 10)
	if err != nil || len(claimed) != 0 {
		t.Errorf("%d wait: %v", len(claimed), err)
	}
}

// Several nodes tell a person once.
func TestCredentialsAtSeveralNodes(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.enrol(t, w.holder(t, "ann", true))
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() { _ = w.Maintain(context.WithoutCancel(t.Context())) })
	}
	nodes.Wait()
	w.deliver(t)
	if len(w.email.mails) != 1 {
		t.Errorf("%d mails", len(w.email.mails))
	}
}

// A store that fails, at whatever call, delays the message and neither loses it nor queues it twice.
func TestFaultsCredentials(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := alone(t)
		w.enrol(t, w.holder(t, "ann", true))
		w.faults.FailCall(n, nil)
		err := w.Maintain(t.Context())
		over := w.faults.Waits()
		w.faults.Heal()
		if over {
			if err != nil || n < 8 {
				t.Errorf("%d calls could fail, then %v", n-1, err)
			}
			return
		}
		for range 3 {
			w.clock.advance(2 * time.Minute)
			w.deliver(t)
		}
		queued, err := w.db.Events(t.Context(), store.Query{Filter: store.Equals("type", store.Text("email.queued"))})
		must(t, err)
		if len(queued.Items) != 1 || len(w.email.mails) == 0 { // what was sent, and not settled, is sent again
			t.Errorf("call %d fails: %d messages, %d mails", n, len(queued.Items), len(w.email.mails))
		}
	}
}
