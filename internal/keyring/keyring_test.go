package keyring_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	day        = 24 * time.Hour
	prepublish = 14 * day
	staleness  = 5 * time.Second
)

// kind is the name under which keys are stored; it is for ever.
var kind = store.Kind{Name: "keyring.key"}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (c *clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

func newSecret(t testing.TB) *store.KeyRing {
	t.Helper()
	secret, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// house is a store with everything that a test wants to hold of it.
type house struct {
	faults    *storetest.Faulty
	ephemeral store.Ephemeral
	secret    *store.KeyRing
	clock     *clock
}

func newHouse(t testing.TB, p storetest.Placement) *house {
	t.Helper()
	faults := storetest.Faults(p.Driver)
	return &house{faults: faults, ephemeral: faults.Ephemeral(p.Ephemeral), secret: newSecret(t), clock: newClock()}
}

// everywhere runs a test in both placements.
func everywhere(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) { test(t, newHouse(t, p)) })
}

func newMemoryHouse(t testing.TB) *house {
	t.Helper()
	return newHouse(t, storetest.Placement{Driver: memory.New()})
}

func (h *house) db(t testing.TB, secret *store.KeyRing) *store.DB {
	t.Helper()
	db, err := store.Open(store.Config{Driver: h.faults, Ephemeral: h.ephemeral, Keys: secret, Now: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// node is a Ring of its own over the house, as another process would have it.
func (h *house) node(t testing.TB, config keyring.Config) *keyring.Ring {
	t.Helper()
	if config.DB == nil {
		config.DB = h.db(t, h.secret)
	}
	ring, err := keyring.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// es256 is a node whose keys cost nothing to make.
func (h *house) es256(t testing.TB) *keyring.Ring {
	t.Helper()
	return h.node(t, keyring.Config{Algorithms: []string{"ES256"}})
}

// records returns what is stored, as the driver sees it.
func (h *house) records(t testing.TB) []store.Record {
	t.Helper()
	h.faults.Heal()
	page, err := h.faults.List(t.Context(), h.clock.Now(), store.Query{Kind: kind, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Records
}

func (h *house) ids(t testing.TB) []string {
	t.Helper()
	var ids []string
	for _, r := range h.records(t) {
		ids = append(ids, r.ID)
	}
	return ids
}

func signer(t testing.TB, ring *keyring.Ring, algorithm string) string {
	t.Helper()
	id, key, err := ring.Signer(t.Context(), algorithm)
	if err != nil || key == nil {
		t.Fatalf("signer of %s: %v, %v", algorithm, key, err)
	}
	return id
}

func public(t testing.TB, ring *keyring.Ring, algorithm string) []string {
	t.Helper()
	keys, err := ring.Public(t.Context(), algorithm)
	if err != nil {
		t.Fatalf("public keys of %s: %v", algorithm, err)
	}
	return slices.Collect(maps.Keys(keys))
}

func TestNewReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := keyring.New(keyring.Config{
		Algorithms: []string{"HS256", "ES256", "ES256"}, RotateAfter: time.Hour, Prepublish: time.Second,
		TokenLifetime: 2 * time.Hour, Retain: time.Hour, OnDemand: []string{"none", "ES256"}, Encryption: []string{"RSA1_5", "ES256"},
	})
	for _, want := range []string{"Config.DB", `"HS256"`, `"ES256" stands twice`, `OnDemand: "none"`, `OnDemand: "ES256" stands twice`, `Encryption: "RSA1_5"`, `Encryption: "ES256" has`, "Config.Prepublish", "Config.Retain"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	db := newMemoryHouse(t).db(t, newSecret(t))
	for _, bad := range []keyring.Config{
		{DB: db, RotateAfter: 14 * day},
		{DB: db, RotateAfter: -day},
		{DB: db, Prepublish: -day},
		{DB: db, TokenLifetime: -day},
		{DB: db, Retain: -day},
	} {
		if ring, err := keyring.New(bad); err == nil || ring != nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestFirstKeys(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHouse(t, p)
		ring := h.node(t, keyring.Config{})
		if err := ring.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := h.ids(t), []string{"ES256-1", "PS256-1", "RS256-1"}; !slices.Equal(got, want) {
			t.Fatalf("records %q, want %q", got, want)
		}
		ids := map[string]bool{}
		for algorithm, want := range map[string]crypto.PublicKey{"RS256": &rsa.PublicKey{}, "PS256": &rsa.PublicKey{}, "ES256": &ecdsa.PublicKey{}} {
			id, key, err := ring.Signer(t.Context(), algorithm)
			if err != nil {
				t.Fatal(err)
			}
			published, err := ring.Public(t.Context(), algorithm)
			if err != nil {
				t.Fatal(err)
			}
			thumbprint, err := jose.Thumbprint(key.Public())
			if err != nil || id != thumbprint {
				t.Errorf("%s: id %q, thumbprint %q, %v", algorithm, id, thumbprint, err)
			}
			if reflect.TypeOf(key.Public()) != reflect.TypeOf(want) || len(published) != 1 || !reflect.DeepEqual(published[id], key.Public()) {
				t.Errorf("%s: %T signs, %v is public", algorithm, key.Public(), published)
			}
			if _, err := jose.Sign([]byte("{}"), jose.Header{Alg: jose.Algorithm(algorithm), Kid: id}, key); err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
			ids[id] = true
		}
		if len(ids) != 3 {
			t.Errorf("two algorithms share a key: %v", ids)
		}
		if other := h.node(t, keyring.Config{}); signer(t, other, "PS256") != signer(t, ring, "PS256") {
			t.Error("two nodes sign with different keys")
		}
	})
}

// The stored form is for ever, and the first key is active at once, whoever makes it.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*keyring.Ring, context.Context) error{
		"Ready": (*keyring.Ring).Ready, "Maintain": (*keyring.Ring).Maintain,
	} {
		h := newMemoryHouse(t)
		if err := begin(h.es256(t), t.Context()); err != nil {
			t.Fatal(err)
		}
		r := h.record(t, "ES256-1")
		const now = `"2026-03-01T12:00:00Z"`
		var body map[string]json.RawMessage
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		if string(body["created"]) != now || string(body["activates"]) != now || body["key"] == nil || len(body) != 3 {
			t.Errorf("%s: %s", name, r.Body)
		}
		if r.Schema != 1 || !r.Expires.IsZero() {
			t.Errorf("%s: schema %d, expires %v", name, r.Schema, r.Expires)
		}
	}
}

func TestKeysAreMadeWhenAskedFor(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(context.Context, *keyring.Ring) error{
		"Signer":    func(ctx context.Context, r *keyring.Ring) error { _, _, err := r.Signer(ctx, "ES256"); return err },
		"Public":    func(ctx context.Context, r *keyring.Ring) error { _, err := r.Public(ctx, "ES256"); return err },
		"Rotate":    func(ctx context.Context, r *keyring.Ring) error { return r.Rotate(ctx, "ES256") },
		"RotateNow": func(ctx context.Context, r *keyring.Ring) error { return r.RotateNow(ctx, "ES256") },
	} {
		h := newMemoryHouse(t)
		ring := h.node(t, keyring.Config{})
		if err := ask(t.Context(), ring); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1"}) {
			t.Errorf("%s: records %q, want ES256-1 alone", name, got)
		}
	}
}

func TestOtherAlgorithms(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		id := signer(t, h.es256(t), "ES256")
		ring := h.node(t, keyring.Config{Algorithms: []string{"EdDSA"}})
		if _, key, err := ring.Signer(t.Context(), "ES256"); !errors.Is(err, jose.ErrAlgorithm) || key != nil {
			t.Errorf("signer: %v, %v", key, err)
		}
		for _, rotate := range []func(context.Context, string) error{ring.Rotate, ring.RotateNow} {
			if err := rotate(t.Context(), "ES256"); !errors.Is(err, jose.ErrAlgorithm) {
				t.Errorf("rotate: %v", err)
			}
		}
		if got := public(t, ring, "ES256"); !slices.Equal(got, []string{id}) {
			t.Errorf("keys of an algorithm that is no longer used: %q, want %q", got, id)
		}
		keys, err := ring.Public(t.Context(), "none")
		if err != nil || keys == nil || len(keys) != 0 {
			t.Errorf("keys of an algorithm without keys: %v, %v", keys, err)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1"}) {
			t.Errorf("records %q", got)
		}
	})
}

func TestPublicIsTheCallers(t *testing.T) {
	t.Parallel()
	ring := newMemoryHouse(t).es256(t)
	keys, err := ring.Public(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	clear(keys)
	if got := public(t, ring, "ES256"); len(got) != 1 {
		t.Errorf("%d keys after the caller cleared the map", len(got))
	}
}

func TestRecordsAreRememberedForFiveSeconds(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		if err := h.es256(t).Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		ring := h.es256(t)
		ask := func(want int, when string) {
			t.Helper()
			h.faults.Forget()
			for range 3 {
				signer(t, ring, "ES256")
				public(t, ring, "ES256")
			}
			calls := h.faults.Calls()
			if len(calls) != want || slices.ContainsFunc(calls, func(c storetest.Call) bool { return c.Method != storetest.MethodList }) {
				t.Errorf("%s: calls %v, want %d lists", when, calls, want)
			}
		}
		ask(1, "cold start")
		h.clock.Advance(staleness - time.Microsecond)
		ask(0, "within five seconds")
		h.clock.Advance(time.Microsecond)
		ask(1, "after five seconds")
		h.clock.Advance(-time.Microsecond)
		ask(1, "after the clock went back")
	})
}

func TestKeysAreOpenedOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		_, before, err := ring.Signer(t.Context(), "ES256")
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Rotate(t.Context(), "ES256"); err != nil { // moves the version of the record
			t.Fatal(err)
		}
		h.clock.Advance(time.Hour)
		_, after, err := ring.Signer(t.Context(), "ES256")
		if err != nil || after != before {
			t.Errorf("opened again: %v", err)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		held, release := make(chan struct{}), make(chan struct{})
		h.faults.Hook(func(storetest.Call) error {
			close(held)
			<-release
			return nil
		})
		done := make(chan error)
		go func() {
			_, err := ring.Public(t.Context(), "ES256")
			done <- err
		}()
		<-held
		h.faults.Heal()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := ring.Signer(ctx, "ES256"); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting behind a slow store: %v", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
