package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
)

// Maintain makes the next key of each algorithm when it is time to publish it, and the first of Config.Algorithms where
// there is none. It reads once and mostly writes nothing; once an hour is often enough. Everything else happens by the clock. Nodes may
// call it at once: one of them makes the key.
//
// Errors are those of Ready. No key is made while there is one that does not open.
func (r *Ring) Maintain(ctx context.Context) error {
	if err := r.writing.enter(ctx); err != nil {
		return err
	}
	defer r.writing.leave()
	s, err := r.reread(ctx)
	if err != nil {
		return err
	}
	if err := r.openAll(s); err != nil {
		return err
	}
	for _, algorithm := range r.config.all() {
		switch last := newest(s.keys[algorithm]); {
		case last == nil && !slices.Contains(r.config.Algorithms, algorithm): // nobody has asked for it yet
			continue
		case last != nil && !r.config.due(last, r.db.Now()):
			continue
		}
		// Where another node was faster, what it did is as good.
		if err := r.add(ctx, s, algorithm, r.config.lead()); err != nil && !errors.Is(err, errOvertaken) {
			return err
		}
	}
	return nil
}

// Rotate makes the next key of the algorithm now, before it is due. It begins to sign after Prepublish; until then
// further calls change nothing, because the rotation is under way.
//
// An algorithm that is not configured is jose.ErrAlgorithm; other errors are those of Ready.
func (r *Ring) Rotate(ctx context.Context, algorithm string) error {
	return r.rotate(ctx, algorithm, r.config.lead())
}

// RotateNow makes the next key of the algorithm, or takes the one that is published already, and signs with it at once.
// Other nodes learn of it within five seconds, and verifiers when they read the key set again: until then they refuse
// its tokens. It is for tests, and for the day on which that is the lesser evil. Tokens of the key before it still
// verify.
//
// Errors are those of Rotate.
func (r *Ring) RotateNow(ctx context.Context, algorithm string) error {
	return r.rotate(ctx, algorithm, 0)
}

// attempts is how often rotate begins again after another node was faster. Each time, a key was made.
const attempts = 3

// errOvertaken: another node has changed the keys of the algorithm since they were read.
var errOvertaken = errors.New("keyring: another node changed the keys at the same time")

func (r *Ring) rotate(ctx context.Context, algorithm string, lead time.Duration) error {
	if !slices.Contains(r.config.all(), algorithm) {
		return notConfigured(algorithm)
	}
	if err := r.writing.enter(ctx); err != nil {
		return err
	}
	defer r.writing.leave()
	for range attempts {
		s, err := r.reread(ctx)
		if err != nil {
			return err
		}
		if err := r.advance(ctx, s, algorithm, lead); !errors.Is(err, errOvertaken) {
			return err
		}
	}
	return errOvertaken
}

// advance sees to it that a key other than the active one begins to sign after lead at the latest.
func (r *Ring) advance(ctx context.Context, s *snapshot, algorithm string, lead time.Duration) error {
	keys, now := s.keys[algorithm], r.db.Now()
	next, current := newest(keys), active(keys, now)
	if next == current || current == nil {
		return r.add(ctx, s, algorithm, lead)
	}
	at := now.Add(lead)
	if !next.Activates.After(at) {
		return nil
	}
	if err := r.openAll(s); err != nil {
		return err
	}
	forward := next.record
	forward.Activates = at
	batch := r.db.Batch()
	r.records.Replace(batch, &forward)
	r.records.Replace(batch, r.config.retire(keys[len(keys)-2], at))
	return r.commit(ctx, batch)
}

// begin makes the first key of an algorithm, active at once, unless somebody else has.
func (r *Ring) begin(ctx context.Context, algorithm string) (*snapshot, error) {
	if err := r.writing.enter(ctx); err != nil {
		return nil, err
	}
	defer r.writing.leave()
	s, err := r.reread(ctx)
	if err != nil || newest(s.keys[algorithm]) != nil {
		return s, err
	}
	if err := r.add(ctx, s, algorithm, 0); err != nil && !errors.Is(err, errOvertaken) {
		return nil, err
	}
	return r.reread(ctx) // whoever made it
}

// add makes the generation after the newest, which begins to sign after lead; the very first does so at once.
func (r *Ring) add(ctx context.Context, s *snapshot, algorithm string, lead time.Duration) error {
	if err := r.openAll(s); err != nil {
		return err
	}
	kid, der, err := generate(algorithm)
	if err != nil {
		return err
	}
	generation, now, last := uint64(1), r.db.Now(), newest(s.keys[algorithm])
	if last == nil {
		lead = 0
	} else {
		generation = last.generation + 1
	}
	next := &record{Meta: store.Meta{ID: recordID(algorithm, generation)}, Created: now, Activates: now.Add(lead)}
	next.Key = r.db.Seal(kind, next.Ref(), sealedField, der)
	batch := r.db.Batch()
	r.records.Insert(batch, next)
	if last != nil {
		r.records.Replace(batch, r.config.retire(last, next.Activates))
	}
	if err := r.commit(ctx, batch); err != nil {
		return err
	}
	r.config.Logger.InfoContext(ctx, "key made", slog.String("key", next.ID), slog.String("kid", kid),
		slog.Time("activates", next.Activates))
	return nil
}

// generate returns a new private key in PKCS #8, and its id.
func generate(algorithm string) (kid string, der []byte, err error) {
	signer, err := jose.GenerateKey(shape(algorithm))
	if err != nil {
		return "", nil, fmt.Errorf("keyring: making a key: %w", err)
	}
	if kid, err = jose.Thumbprint(signer.Public()); err != nil {
		return "", nil, fmt.Errorf("keyring: making a key: %w", err)
	}
	if der, err = jose.MarshalKey(signer); err != nil {
		return "", nil, fmt.Errorf("keyring: making a key: %w", err)
	}
	return kid, der, nil
}

// commit applies the batch. Whatever comes of it, this node reads the keys before it uses them again.
func (r *Ring) commit(ctx context.Context, batch *store.Batch) error {
	defer r.forget(ctx)
	err := batch.Apply(ctx)
	if store.ConflictOn(err, kind) != nil {
		return errOvertaken
	}
	if err != nil {
		return fmt.Errorf("keyring: writing the keys: %w", err)
	}
	return nil
}

// openAll fails when any key does not open, of whatever algorithm. It stands before every write: with the wrong key ring
// or a record in the wrong place, an algorithm may only seem to have no keys.
func (r *Ring) openAll(s *snapshot) error {
	for _, keys := range s.keys {
		for _, k := range keys {
			if _, err := r.open(k); err != nil {
				return err
			}
		}
	}
	return nil
}
