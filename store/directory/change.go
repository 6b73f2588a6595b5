package directory

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/signet-idp/signet/store"
)

// maxTries bounds how often a step begins again because another writer was faster. Somebody wins each round, so it is
// reached only by more writers of one record at once than this.
const maxTries = 100

// retry does a step that reads and then writes, and does it again as long as it fails with a Conflict.
func retry(step func() error) error {
	var err error
	for range maxTries {
		err = step()
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			return err
		}
	}
	return err
}

// change reads the value that ref names, lets edit alter it, and writes it together with what edit put into the batch.
// It begins again when another writer was faster. An edit that returns false leaves everything as it is.
func change[T any](ctx context.Context, db *store.DB, all *store.Collection[T], ref store.Ref, edit func(*store.Batch, *T) (bool, error)) error {
	return retry(func() error {
		v, err := all.Get(ctx, ref)
		if err != nil {
			return err
		}
		b := db.Batch()
		write, err := edit(b, v)
		if err != nil || !write {
			return err
		}
		all.Replace(b, v)
		return b.Apply(ctx)
	})
}

// pointer is the index value under which records find what they refer to.
func pointer(ref store.Ref) store.Value { return store.Text(ref.Org + "|" + ref.ID) }

// details is the Data of an Event: pairs of a member's name and its value.
func details(pairs ...string) json.RawMessage {
	members := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	data, _ := json.Marshal(members) // strings always encode
	return data
}
