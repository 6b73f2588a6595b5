// Package sqlstore is the part of a SQL backend that all databases share: a store.Driver over database/sql with
// hand-written statements. A host uses it through the package of its database, sqlite for one:
//
//	driver, err := sqlite.Open(ctx, "signet.db", sqlite.Config{})
//	if err != nil {
//		return err
//	}
//	defer driver.Close()
//	db, err := store.Open(store.Config{Driver: driver, Keys: ring})
//
// # Tables
//
// A record is one row of signet_records. Its unique keys are rows of signet_keys and its index entries rows of
// signet_entries; a digest of both stands in the record, so that a Replace that changes neither touches one row only.
//
// # Writing a file
//
// Writers share commits. The caller who finds nobody writing leads: it opens a transaction, takes those who have queued
// up meanwhile along, each inside a savepoint, commits once and hands every one of them its own result. A caller who
// finds no queue pays for nothing but its own transaction, and no goroutine runs when nobody calls. signet_versions holds the last
// version that was given out; it moves in the transaction that uses it, which is why no version ever comes back.
//
// # Writing to a server
//
// A server has many writers and shares commits by itself; what costs is waiting for it. A step is first tried blindly: its
// operations become statements that have an effect only while their condition holds, in the order of their records, so that
// nobody waits for somebody who waits, and are sent together. When a condition does not hold, the step is rolled back and what it
// is about is read: mostly that is a conflict, else the step is done with care, which is to lock, read, judge and write. Versions
// are reserved in blocks of 1,000, each in a transaction of its own, and handed out from memory: what a process does not use up
// is never used.
//
// # Listing
//
// List goes through the entries of the condition that the fewest meet, or, where many meet all of them, through the
// entries of the field to sort by, in their order. signet_shapes remembers which fields have ever stood together in the
// records of a kind: that is how List knows without looking that no record lacks the field.
//
// # Reading
//
// Get and Lookup are one prepared statement each. Those of a file do not watch the context while the statement runs, which takes
// microseconds; waiting for a connection does, and so does List.
//
// # Not implemented
//
// Filters that Query does not promise an index for are refused with store.ErrUnindexed: Or and Not, except as a further
// condition beside an indexed one; EndsWith and Contains; more than 50 conditions.
package sqlstore
