package keyring

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Status is where a key is in its life.
type Status string

// The statuses of a key.
const (
	Published Status = "published" // known to verifiers, not yet used
	Active    Status = "active"
	Retired   Status = "retired" // its successor is active, but what it signed may be alive
)

// State is what there is to say about one key. It holds nothing secret.
type State struct {
	// ID is the key's id in tokens and key sets; Record is the id of its record in the store.
	ID, Record string
	Algorithm  string
	Generation uint64
	// Encryption says that others encrypt to the key, and that it does not sign.
	Encryption bool
	Status     Status
	Created    time.Time
	// Activates is when it becomes, or became, active; Retires and Removed are zero while it has no successor.
	Activates, Retires, Removed time.Time
}

// States reports on every key that is not removed, by algorithm and generation, as the store has them now. Errors are those
// of Ready.
func (r *Ring) States(ctx context.Context) ([]State, error) {
	s, err := r.reread(ctx)
	if err != nil {
		return nil, err
	}
	var states []State
	now := r.db.Now()
	for _, keys := range s.keys {
		current := active(keys, now)
		for _, k := range keys {
			if k.expired(now) {
				continue
			}
			pair, err := r.open(k)
			if err != nil {
				return nil, err
			}
			states = append(states, State{
				ID: pair.id, Record: k.ID, Algorithm: k.algorithm, Generation: k.generation,
				Encryption: slices.Contains(Encryption(), k.algorithm), Status: k.status(current),
				Created: k.Created, Activates: k.Activates, Retires: k.Retires, Removed: k.Expires,
			})
		}
	}
	slices.SortFunc(states, func(a, b State) int {
		return cmp.Or(cmp.Compare(a.Algorithm, b.Algorithm), cmp.Compare(a.Generation, b.Generation))
	})
	return states, nil
}

// status says where a key is, given the active one.
func (k *key) status(current *key) Status {
	switch {
	case k == current:
		return Active
	case k.generation > current.generation:
		return Published
	}
	return Retired
}
