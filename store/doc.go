// Package store is the ground floor: what a database must promise, and how everything above remembers things.
//
// # For those who bring a database
//
// Driver is the contract: five methods over Records. It knows nothing of users or tokens and never sees a secret in the
// clear. storetest.Run proves an implementation; memory and sqlstore/sqlite are ours. Ephemeral is its smaller half, for a
// fast store beside the durable one; ours is store/redis.
//
// # For those who remember something
//
// The package that owns a type declares a Kind, says with a Type how values become records, and works through a
// Collection and a Batch:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	type Note struct {
//		store.Meta
//		Title string `json:"title"`
//		Owner string `json:"owner"`
//	}
//
//	var noteType = store.Type[Note]{
//		Kind:  store.Kind{Name: "example.note"},
//		Keys:  func(n *Note) []store.Key { return []store.Key{{Name: "title", Value: n.Title}} },
//		Index: func(n *Note) []store.Entry { return []store.Entry{{Field: "owner", Value: store.Text(n.Owner)}} },
//	}
//
//	func main() {
//		ctx := context.Background()
//		ring, err := store.NewKeyRing(store.GenerateRingKey()) // store.OpenKeyFile keeps one
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
//		if err != nil {
//			log.Fatal(err)
//		}
//		notes := store.NewCollection(db, noteType)
//
//		batch := db.Batch()
//		notes.Insert(batch, &Note{Meta: store.Meta{ID: store.NewID()}, Title: "hello", Owner: "ann"})
//		batch.Event(store.Event{Type: "note.written"})
//		if err := batch.Apply(ctx); err != nil { // both, or neither
//			log.Fatal(err)
//		}
//
//		note, err := notes.Lookup(ctx, "", store.Key{Name: "title", Value: "hello"})
//		if err != nil {
//			log.Fatal(err)
//		}
//		note.Owner = "bob"
//		batch = db.Batch()
//		notes.Replace(batch, note) // over the version that was read, or a *Conflict
//		if err := batch.Apply(ctx); err != nil {
//			log.Fatal(err)
//		}
//		for note, err := range notes.All(ctx, store.Query{Filter: store.Equals("owner", store.Text("bob"))}) {
//			if err != nil {
//				log.Fatal(err)
//			}
//			fmt.Println(note.Title, note.Owner)
//		}
//	}
//
// A Batch is the only way to write. It takes any number of operations on durable kinds and at most one on an ephemeral
// kind, so that the same code is right whether ephemeral kinds live in the Driver (one atomic step) or in a store of
// their own (the durable step first; repeating the request completes what a crash between the two left).
//
// # Promises
//
//   - Absent is ErrNotFound and nothing else is. Whoever meets another error answers 503.
//   - A condition that did not hold is a *Conflict; nothing was written.
//   - ErrUncertain: the answer to a commit was lost. Never repeated blindly, never taken for somebody else's doing.
//   - Versions never come back, expired records are absent by the caller's clock, unknown members of a body survive.
//   - Secrets are hashed (internal/secret), keyed (KeyRing.MAC) or sealed (DB.Seal) before a driver sees them.
//
// # Not implemented
//
// Sealing under keys of a key service: the ring is in the memory of the process. Reading from replicas.
package store
