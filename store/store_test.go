package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// Note is a durable value of the tests.
type Note struct {
	store.Meta
	Title string   `json:"title"`
	Owner string   `json:"owner,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	Plain int
	Extra any `json:"extra,omitempty"`
}

var noteType = store.Type[Note]{
	Kind:   store.Kind{Name: "test.note"},
	Schema: 3,
	Keys:   func(n *Note) []store.Key { return []store.Key{{Name: "title", Value: n.Title}} },
	Index:  func(n *Note) []store.Entry { return []store.Entry{{Field: "owner", Value: store.Text(n.Owner)}} },
}

// Mark is an ephemeral value of the tests.
type Mark struct {
	store.Meta
	Word string `json:"word"`
}

var markType = store.Type[Mark]{Kind: store.Kind{Name: "test.mark", Ephemeral: true}}

var tallyKind = store.Kind{Name: "test.tally"}

// bench is a DB with a clock and failures that the test commands.
type bench struct {
	*store.DB
	faults *storetest.Faulty
	notes  *store.Collection[Note]
	marks  *store.Collection[Mark]

	mu  sync.Mutex
	now time.Time
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func newBench(t *testing.T, p storetest.Placement, edit ...func(*store.Config)) *bench {
	t.Helper()
	b := &bench{now: time.Date(2031, 5, 6, 12, 0, 0, 123456789, time.FixedZone("x", 3600)), faults: storetest.Faults(p.Driver)}
	config := store.Config{Driver: b.faults, Ephemeral: b.faults.Ephemeral(p.Ephemeral), Keys: newRing(t), Now: b.clock}
	for _, e := range edit {
		e(&config)
	}
	db, err := store.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	b.DB, b.notes, b.marks = db, store.NewCollection(db, noteType), store.NewCollection(db, markType)
	return b
}

func together(t *testing.T, edit ...func(*store.Config)) *bench {
	t.Helper()
	return newBench(t, storetest.Placement{Driver: memory.New()}, edit...)
}

func newRing(t *testing.T) *store.KeyRing {
	t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// insert writes notes, each in a step of its own.
func (b *bench) insert(t *testing.T, notes ...*Note) {
	t.Helper()
	for _, n := range notes {
		batch := b.Batch()
		b.notes.Insert(batch, n)
		apply(t, batch)
	}
}

func apply(t *testing.T, b *store.Batch) {
	t.Helper()
	if err := b.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func note(id, title string) *Note { return &Note{Meta: store.Meta{ID: id}, Title: title} }

// is fails the test unless err is what is wanted; a nil want is no error at all.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// wantConflict fails the test unless err is a Conflict for the reason at the operation.
func wantConflict(t *testing.T, err error, op int, reason store.Reason) {
	t.Helper()
	c, ok := errors.AsType[*store.Conflict](err)
	if !ok || c.Op != op || c.Reason != reason {
		t.Errorf("got %v (%+v), want a conflict at operation %d: %v", err, c, op, reason)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]store.Config{
		"nothing":        {},
		"no keys":        {Driver: memory.New()},
		"unnamed":        {Driver: memory.New(), Keys: newRing(t), Consumers: []store.Consumer{{}}},
		"same consumers": {Driver: memory.New(), Keys: newRing(t), Consumers: []store.Consumer{{Name: "a"}, {Name: "a"}}},
	} {
		if db, err := store.Open(config); err == nil || db != nil {
			t.Errorf("%s: opened", name)
		}
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: newRing(t)})
	if err != nil || time.Since(db.Now()).Abs() > time.Minute {
		t.Errorf("the default clock is %v, %v", db.Now(), err)
	}
}

func TestNow(t *testing.T) {
	t.Parallel()
	b := together(t)
	want := time.Date(2031, 5, 6, 11, 0, 0, 123456000, time.UTC)
	if got := b.Now(); got != want || b.Batch().Now() != want {
		t.Errorf("Now = %v, want %v", got, want)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := store.NewID()
		if len(id) != 36 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b := together(t)
	for _, id := range []string{"1", "2", "3"} {
		n := note(id, id)
		n.Expires = b.Now().Add(time.Minute)
		b.insert(t, n)
	}
	b.insert(t, note("4", "4"))
	b.advance(time.Minute)
	for _, want := range []int{2, 1, 0} {
		if n, err := b.Purge(t.Context(), 2); n != want || err != nil {
			t.Errorf("Purge = %d, %v; want %d", n, err, want)
		}
	}
	_, err := b.notes.Get(t.Context(), store.Ref{ID: "4"})
	is(t, "what does not expire", err, nil)
}

func TestConflict(t *testing.T) {
	t.Parallel()
	c := &store.Conflict{Kind: noteType.Kind, Reason: store.Exists, Key: store.Key{Name: "title", Value: "secret value"}}
	if store.ConflictOn(errors.Join(errors.New("x"), c), noteType.Kind) != c {
		t.Error("the conflict in a joined error is not found")
	}
	if store.ConflictOn(c, markType.Kind) != nil || store.ConflictOn(nil, noteType.Kind) != nil {
		t.Error("a conflict on another kind, or none, is found")
	}
	if got := c.Error(); got != "store: conflict on test.note: key title exists" {
		t.Errorf("Error = %q", got)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for verb, want := range map[store.Verb]string{
		0: "invalid", store.VerbInsert: "insert", store.VerbReplace: "replace", store.VerbDelete: "delete",
		store.VerbCheck: "check", store.VerbAdd: "add", 200: "invalid",
	} {
		if verb.String() != want {
			t.Errorf("verb %d is %q, want %q", verb, verb, want)
		}
	}
	for reason, want := range map[store.Reason]string{
		0: "unknown", store.Version: "version", store.Exists: "exists", store.Absent: "absent", 200: "unknown",
	} {
		if reason.String() != want {
			t.Errorf("reason %d is %q, want %q", reason, reason, want)
		}
	}
}
