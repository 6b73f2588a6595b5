package store

import (
	"context"
	"errors"
)

// Count returns the value of a counter (see Add); zero for one that is absent or expired. By the time the caller acts on it others
// may have added to it: what must not be passed is judged by what the Add itself returns.
func (db *DB) Count(ctx context.Context, kind Kind, ref Ref) (int64, error) {
	r, err := db.place(kind).Get(ctx, db.Now(), kind, ref.Org, ref.ID)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return r.Count, err
}
