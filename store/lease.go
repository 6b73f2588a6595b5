package store

import (
	"context"
	"errors"
	"time"
)

// lease says which node does a job that one is enough for.
type lease struct {
	Meta
	Node string `json:"node"`
}

var (
	leaseKind = Kind{Name: "store.lease"}
	leaseType = Type[lease]{Kind: leaseKind}
)

// Lease makes this DB the one among all that share the store which does the job of that name, for so long, and reports
// whether it is. Who holds the lease prolongs it. It saves work, and protects nothing: nodes whose clocks differ, or that
// take longer than they said, may both believe that they hold it.
func (db *DB) Lease(ctx context.Context, name string, length time.Duration) (bool, error) {
	b := db.Batch()
	ends := b.Now().Add(length)
	held, err := db.leases.Get(ctx, Ref{ID: name})
	switch {
	case errors.Is(err, ErrNotFound):
		db.leases.Insert(b, &lease{Meta: Meta{ID: name, Expires: ends}, Node: db.node})
	case err != nil:
		return false, err
	case held.Node != db.node:
		return false, nil
	default:
		held.Expires = ends
		db.leases.Replace(b, held)
	}
	err = b.Apply(ctx)
	if ConflictOn(err, leaseKind) != nil {
		return false, nil // another was faster
	}
	return err == nil, err
}
