package notify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// world is Messages over a store that can fail, with senders that remember.
type world struct {
	*notify.Messages
	db     *store.DB
	dir    *directory.Directory
	faults *storetest.Faulty
	email  *sender
	sms    *sender
	push   *sender
	log    *logbook
	clock  *clock
}

type edit func(*notify.Config)

func newWorld(t *testing.T, p storetest.Placement, edits ...edit) *world {
	t.Helper()
	w := &world{
		faults: storetest.Faults(p.Driver), email: &sender{}, sms: &sender{}, push: &sender{}, log: &logbook{},
		clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
	}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	must(t, err)
	w.db, err = store.Open(store.Config{
		Driver: w.faults, Ephemeral: w.faults.Ephemeral(p.Ephemeral), Keys: ring, Now: w.clock.now, Consumers: notify.Consumers(),
	})
	must(t, err)
	w.dir, err = directory.New(directory.Config{DB: w.db, Branding: directory.Branding{Name: "Example"}})
	must(t, err)
	config := notify.Config{
		DB: w.db, Directory: w.dir, Issuer: "https://id.example.com",
		Senders: notify.Senders{Email: w.email, SMS: w.sms, Push: w.push, From: "no-reply@example.com"},
		Logger:  slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, e := range edits {
		e(&config)
	}
	w.Messages, err = notify.New(config)
	must(t, err)
	return w
}

func alone(t *testing.T, edits ...edit) *world {
	t.Helper()
	return newWorld(t, storetest.Placement{Driver: memory.New()}, edits...)
}

// code is a message as a login sends it.
func code(to string) notify.Message {
	return notify.Message{
		Template: notify.EmailOTP, Channel: notify.Email, To: to, Params: map[string]string{notify.Code: "493027"},
	}
}

func (w *world) send(t *testing.T, messages ...notify.Message) {
	t.Helper()
	b := w.db.Batch()
	for _, m := range messages {
		must(t, w.Send(b, m))
	}
	must(t, b.Apply(t.Context()))
}

func (w *world) deliver(t *testing.T) {
	t.Helper()
	must(t, w.Maintain(t.Context()))
}

// failures are the reasons of the events "message.failed".
func (w *world) failures(t *testing.T) []string {
	t.Helper()
	found, err := w.db.Events(t.Context(), store.Query{Filter: store.Equals("type", store.Text("message.failed"))})
	must(t, err)
	var reasons []string
	for _, e := range found.Items {
		reasons = append(reasons, string(e.Data))
	}
	return reasons
}

// sender remembers what it was given, and fails on demand.
type sender struct {
	mu     sync.Mutex
	mails  []notify.Mail
	texts  []notify.Text
	alerts []notify.Alert
	err    error
	tried  int
	hold   func(context.Context)
}

func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sender) take(ctx context.Context, keep func()) error {
	s.mu.Lock()
	s.tried++
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		hold(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		keep()
	}
	return s.err
}

func (s *sender) SendEmail(ctx context.Context, m notify.Mail) error {
	return s.take(ctx, func() { s.mails = append(s.mails, m) })
}

func (s *sender) SendSMS(ctx context.Context, m notify.Text) error {
	return s.take(ctx, func() { s.texts = append(s.texts, m) })
}

func (s *sender) SendPush(ctx context.Context, m notify.Alert) error {
	return s.take(ctx, func() { s.alerts = append(s.alerts, m) })
}

// count is how much has arrived, and attempts how often it was tried.
func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails) + len(s.texts) + len(s.alerts)
}

func (s *sender) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

func (s *sender) mail(t *testing.T) notify.Mail {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) == 0 {
		t.Fatal("no mail has arrived")
	}
	return s.mails[len(s.mails)-1]
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

func lacks(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q stands in:\n%s", p, text)
		}
	}
}

var errDown = errors.New("the server is down")

func setExternal(t *testing.T, w *world, s notify.Scenario) error {
	t.Helper()
	return directory.Set(t.Context(), w.dir.Settings, notify.ExternalSetting(), "", "", notify.Externals{Scenarios: []notify.Scenario{s}})
}
