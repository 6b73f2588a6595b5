// Package keyring keeps the keys that sign tokens, and those to which others encrypt: it makes them, publishes them ahead
// of their use, rotates and removes them, and gives every node that shares the store the same ones. It is the default
// behind the Keys of the protocol packages.
//
//	ring, err := keyring.New(keyring.Config{DB: db, TokenLifetime: time.Hour})
//	err = ring.Ready(ctx) // at start-up: the first keys, and the proof that all keys open
//	id, key, err := ring.Signer(ctx, "ES256")
//	err = ring.Maintain(ctx) // now and then
//
// # Life of a key
//
// Each algorithm has keys of its own, in generations: a record of the durable kind "keyring.key" with the id
// "<algorithm>-<generation>", which only one node can insert. The private key lies in it sealed for that very record.
//
//   - published: in Public, not yet used. Prepublish long, so that verifiers which cache the key set know the key.
//   - active: used by Signer. The first generation is active at once, for want of another.
//   - retired: its successor is active, but tokens that it signed are alive. Retain long.
//   - removed: the record has expired, and DB.Purge deletes it.
//
// In which of these states a key is follows from the times in its record and the clock, so nodes agree without talking.
// Writing happens when a key is made: its record and the end of its predecessor are one step. Where nobody calls
// Maintain, the active key stays active. States lists all of them.
//
// A key for encryption goes through the same states. Only the active one is published, because a sender takes whichever it
// finds; but the others decrypt, and a retired one does so for Retain.
//
// # Limits
//
// A stolen key needs more than Rotate, after which it stays published for Retain: RotateNow, and then delete its record in
// the database, so that whatever it signed is refused.
//
// Keys that live in a KMS or HSM are not for this package; implement the protocols' interface instead.
package keyring

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
)

// staleness is for how long a node works with the records it has read. Every span that others rely on is longer by it.
const staleness = 5 * time.Second

const day = 24 * time.Hour

// Config is the wiring of a Ring. Nodes that share a store should agree on it.
type Config struct {
	// DB keeps the keys, seals them and tells the time. Required.
	DB *store.DB
	// Algorithms are those that have a key from the start, out of jose.Supported. Empty means RS256, PS256 and ES256.
	Algorithms []string
	// OnDemand are further ones. The first key of each is made when Signer asks for it, so that they cost nothing where
	// nobody uses them; from then on they are like the others.
	OnDemand []string
	// Encryption are algorithms for keys to which others encrypt: RSA-OAEP-256 and ECDH-ES, which is on P-256 (RFC 7518
	// §4.3, §4.6). The first key of each is made when Encryption asks for it. Empty means none.
	Encryption []string
	// RotateAfter is how long a key signs; zero means 90 days. It must be longer than Prepublish.
	RotateAfter time.Duration
	// Prepublish is how long a key is published before it signs: longer than verifiers cache a key set. Zero means
	// 14 days; the least is a minute.
	Prepublish time.Duration
	// TokenLifetime is the longest lifetime of anything that is signed.
	TokenLifetime time.Duration
	// Retain is how long a key is published after it has signed for the last time. Zero means 14 days and
	// TokenLifetime; the least is TokenLifetime.
	Retain time.Duration
	// Logger is told of every new key. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Algorithms, c.OnDemand, c.Encryption = slices.Clone(c.Algorithms), slices.Clone(c.OnDemand), slices.Clone(c.Encryption)
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{string(jose.RS256), string(jose.PS256), string(jose.ES256)}
	}
	c.RotateAfter = cmp.Or(c.RotateAfter, 90*day)
	c.Prepublish = cmp.Or(c.Prepublish, 14*day)
	c.Retain = cmp.Or(c.Retain, 14*day+c.TokenLifetime)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func (c Config) check() error {
	var problems []error
	if c.DB == nil {
		problems = append(problems, errors.New("keyring: Config.DB is required"))
	}
	problems = append(problems, c.checkAlgorithms()...)
	if c.Prepublish < time.Minute {
		problems = append(problems, fmt.Errorf("keyring: Config.Prepublish is %v, want a minute or more", c.Prepublish))
	}
	if c.RotateAfter <= c.Prepublish+staleness {
		problems = append(problems, fmt.Errorf("keyring: Config.RotateAfter is %v, want more than Prepublish, which is %v", c.RotateAfter, c.Prepublish))
	}
	if c.TokenLifetime < 0 {
		problems = append(problems, fmt.Errorf("keyring: Config.TokenLifetime is %v, want none or more", c.TokenLifetime))
	}
	if c.Retain <= 0 || c.Retain < c.TokenLifetime {
		problems = append(problems, fmt.Errorf("keyring: Config.Retain is %v, want TokenLifetime, which is %v, or more", c.Retain, c.TokenLifetime))
	}
	return errors.Join(problems...)
}

func (c Config) checkAlgorithms() []error {
	var problems []error
	var seen []string
	for _, list := range []struct {
		field string
		names []string
		known []string
	}{
		{"Algorithms", c.Algorithms, Signing()},
		{"OnDemand", c.OnDemand, Signing()},
		{"Encryption", c.Encryption, Encryption()},
	} {
		for _, algorithm := range list.names {
			if !slices.Contains(list.known, algorithm) {
				problems = append(problems, fmt.Errorf("keyring: Config.%s: %q has no such key pair; known are %v", list.field, algorithm, list.known))
			}
			if slices.Contains(seen, algorithm) {
				problems = append(problems, fmt.Errorf("keyring: Config.%s: %q stands twice", list.field, algorithm))
			}
			seen = append(seen, algorithm)
		}
	}
	return problems
}

// Ring gives out keys. It is safe for concurrent use.
//
// What it has read it remembers for five seconds, and opened keys for as long as their records stand. A key that is made
// later is known to all nodes before it is due, whatever they remember. Errors are never remembered.
type Ring struct {
	config  Config
	db      *store.DB
	records *store.Collection[record]

	last    atomic.Pointer[snapshot]
	reading gate // held while records are read
	writing gate // held while a key is made, which takes long and must not keep anyone from reading
}

// New checks the configuration and returns a Ring. It does no I/O; Ready does.
func New(config Config) (*Ring, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	return &Ring{
		config: config, db: config.DB, records: store.NewCollection(config.DB, recordType),
		reading: make(gate, 1), writing: make(gate, 1),
	}, nil
}

// Ready makes sure that each of Config.Algorithms has an active key, and opens all keys that there are. On an empty store
// it makes the first keys, which takes up to seconds for RSA; otherwise it reads once and writes nothing.
//
// An error that wraps store.ErrSealed means that a key does not open, and says what to do; nothing was changed then.
// Any other error is the store's, or the context's.
func (r *Ring) Ready(ctx context.Context) error {
	for _, algorithm := range r.config.Algorithms {
		if _, _, err := r.keys(ctx, algorithm, true); err != nil {
			return err
		}
	}
	s, err := r.snapshot(ctx)
	if err != nil {
		return err
	}
	return r.openAll(s)
}

// Signer returns the key that signs with the algorithm now, and its id: the RFC 7638 thumbprint. The key has been in
// Public, on all nodes, for Prepublish, unless it is the first or came by RotateNow. If there never was one, it is made.
//
// An algorithm that is neither among Config.Algorithms nor OnDemand is jose.ErrAlgorithm; other errors are those of Ready.
func (r *Ring) Signer(ctx context.Context, algorithm string) (id string, key crypto.Signer, err error) {
	if !r.config.signs(algorithm) {
		return "", nil, notConfigured(algorithm)
	}
	pair, err := r.current(ctx, algorithm)
	if err != nil {
		return "", nil, err
	}
	return pair.id, pair.signer, nil
}

// Public returns, by id, the public keys of the algorithm that are published: the active one, the next, and those that
// were active up to Retain ago. The map is the caller's. One of Config.Algorithms that never had a key gets one; for any
// other, none is an empty map.
//
// An algorithm that is no longer configured has the keys that are left of the time when it was, and one for encryption has
// none here. Errors are those of Ready: one key that does not open fails all of its algorithm, because without it good
// tokens would be refused.
func (r *Ring) Public(ctx context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	if slices.Contains(Encryption(), algorithm) {
		return map[string]crypto.PublicKey{}, nil
	}
	keys, now, err := r.keys(ctx, algorithm, slices.Contains(r.config.Algorithms, algorithm))
	if err != nil {
		return nil, err
	}
	public := make(map[string]crypto.PublicKey, len(keys))
	for _, k := range keys {
		if k.expired(now) {
			continue
		}
		pair, err := r.open(k)
		if err != nil {
			return nil, err
		}
		public[pair.id] = pair.signer.Public()
	}
	return public, nil
}

// current returns the active key of an algorithm that is configured.
func (r *Ring) current(ctx context.Context, algorithm string) (*pair, error) {
	keys, now, err := r.keys(ctx, algorithm, true)
	if err != nil {
		return nil, err
	}
	return r.open(active(keys, now))
}

// keys returns the keys of the algorithm, and the time at which one of them is active: the first is made where there is
// none, if it must.
func (r *Ring) keys(ctx context.Context, algorithm string, must bool) ([]*key, time.Time, error) {
	s, err := r.snapshot(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	now := r.db.Now()
	if must && active(s.keys[algorithm], now) == nil {
		if s, err = r.begin(ctx, algorithm); err != nil {
			return nil, time.Time{}, err
		}
		now = r.db.Now()
		if active(s.keys[algorithm], now) == nil {
			return nil, time.Time{}, fmt.Errorf("keyring: the %s key that was just made cannot be read", algorithm)
		}
	}
	return s.keys[algorithm], now, nil
}
