package idptest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// Server is an identity provider for one test. It is safe for concurrent use, except that a method which ends the test must
// run in the goroutine of the test.
type Server struct {
	// URL is the issuer.
	URL string
	// Provider is what is served.
	Provider *signet.Provider
	// Faults stands before the store, and the ephemeral one if there is one: it counts calls and fails those that are chosen.
	Faults *storetest.Faulty

	mailbox    *Mailbox
	t          testing.TB
	http       *httptest.Server
	clock      *clock
	log        *logbook
	metadata   *goidc.Provider
	endSession string
	rp         *mfa.RelyingParty // nil without passkeys
	origin     string            // of the pages, where there are passkeys

	mu             sync.Mutex
	apps           int
	authenticators map[store.Ref]*Authenticator // by subject
	securityKeys   map[store.Ref]*SecurityKey   // by subject
	phones         map[store.Ref]*Phone         // by subject
}

// New starts a provider that serves until the test ends. Each edit may change its wiring, which is complete as it is: the
// issuer, to which a path may be added, a store in memory, which may be another, keys, a Mailbox and a clock. The clock starts at
// Config.Now and stands still. Password hashes cost next to nothing, nobody is throttled, and the signing keys are the same
// for the whole process; an edit that sets SigningKeys to nil gets keys of its own. One that sets Passkeys finds the issuer at localhost, as
// passkeys belong to a name.
func New(t testing.TB, edits ...func(*signet.Config)) *Server {
	t.Helper()
	return start(t, "http", (*httptest.Server).Start, edits)
}

// NewTLS is New with https. Client trusts the certificate.
func NewTLS(t testing.TB, edits ...func(*signet.Config)) *Server {
	t.Helper()
	return start(t, "https", (*httptest.Server).StartTLS, edits)
}

func start(t testing.TB, scheme string, serve func(*httptest.Server), edits []func(*signet.Config)) *Server {
	t.Helper()
	s := &Server{
		t: t, log: &logbook{}, http: httptest.NewUnstartedServer(nil),
		authenticators: map[store.Ref]*Authenticator{}, securityKeys: map[store.Ref]*SecurityKey{}, phones: map[store.Ref]*Phone{},
	}
	s.mailbox = &Mailbox{server: s}
	t.Cleanup(s.http.Close)
	config := s.wiring(scheme)
	for _, edit := range edits {
		edit(&config)
	}
	if config.Passkeys != nil { // they belong to a domain, and never to an address
		config.Issuer = strings.Replace(config.Issuer, "//127.0.0.1:", "//localhost:", 1)
	}
	driver := config.Store
	s.clock = startClock(config.Now)
	s.Faults = storetest.Faults(driver)
	if driver != nil { // else signet.New says what is missing
		config.Store = s.Faults
	}
	config.Ephemeral, config.Now = s.Faults.Ephemeral(config.Ephemeral), s.clock.Now
	var err error
	s.Provider, err = signet.New(config)
	s.must("start", err)
	s.URL = config.Issuer
	if config.Passkeys != nil {
		s.relyingParty(config.Passkeys.RelyingParty)
	}
	s.http.Config.Handler = s.Provider
	serve(s.http)
	t.Cleanup(func() {
		s.http.Close()
		if c, ok := driver.(io.Closer); ok { // Faults hides it from Provider.Close
			_ = c.Close()
		}
		if t.Failed() {
			t.Logf("the log of %s:\n%s", s.URL, s.Log())
		}
	})
	s.discover()
	return s
}

// wiring is what edits start from.
func (s *Server) wiring(scheme string) signet.Config {
	s.t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	s.must("make a key ring", err)
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.http.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	return signet.Config{
		Issuer: scheme + "://" + s.http.Listener.Addr().String(),
		Store:  memory.New(), Keys: ring, SigningKeys: signingKeys{}, Logger: logger,
		PasswordCost: signet.PasswordCost{Memory: 64, Passes: 1, Threads: 1},
		Messages:     &notify.Senders{Email: s.mailbox, SMS: s.mailbox, Push: s.mailbox, From: "no-reply@example.com"},
		// Everybody comes from one address, and the clock stands still.
		Throttle: directory.ThrottlePolicy{Password: []directory.Limit{{Count: 1 << 40, Per: time.Minute}}},
	}
}

// discover reads the metadata as any client does.
func (s *Server) discover() {
	s.t.Helper()
	var err error
	s.metadata, err = goidc.NewProvider(s.context(), s.URL)
	s.must("read the metadata", err)
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	s.must("read the metadata", s.metadata.Claims(&more))
	s.endSession = more.EndSession
}

// Client returns an HTTP client that reaches the provider, trusts its certificate, and keeps no cookies.
func (s *Server) Client() *http.Client { return s.http.Client() }

// context is what x/oauth2 and go-oidc take their client from.
func (s *Server) context() context.Context {
	return context.WithValue(s.t.Context(), oauth2.HTTPClient, s.Client())
}

// Now is the provider's time. What a program under test verifies it should verify by this clock.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Advance moves the provider's clock forward.
func (s *Server) Advance(d time.Duration) { s.clock.Advance(d) }

// Fail makes every call of the store fail with err, or with storetest.ErrInjected when it is nil, until Heal. Faults fails
// single calls.
func (s *Server) Fail(err error) { s.Faults.FailAll(err) }

// Heal ends Fail and whatever Faults has planned.
func (s *Server) Heal() { s.Faults.Heal() }

// Log returns what the provider has logged so far, unless an edit has given it another logger.
func (s *Server) Log() string { return s.log.String() }

// must ends the test when err is not nil.
func (s *Server) must(do string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("idptest: cannot %s: %v", do, err)
	}
}

// logbook collects log lines.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
