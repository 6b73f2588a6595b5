// Package postgres keeps records in a PostgreSQL database (13 or newer), for any number of nodes.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/sqlstore/postgres"
//	)
//
//	func main() {
//		ctx := context.Background()
//		driver, err := postgres.Connect(ctx, "postgres://signet@localhost/signet", postgres.Config{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer driver.Close()
//		ring, err := store.OpenKeyFile("signet.keys")
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := store.Open(store.Config{Driver: driver, Keys: ring}) // or signet.New
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Print(db.Purge(ctx, 1000))
//	}
//
// A host that has a pool already hands it to Open. It must be one of pgx (sql.Open("pgx", dsn) or stdlib.OpenDB), and should
// keep as many idle connections as it may open. Tables live in a schema and have a prefix of the host's choice.
//
// # Round trips
//
// One Apply is one round trip, BEGIN and COMMIT included, however many operations it has: everything is sent at once, each statement
// fails unless its condition holds, and after a failure the server skips what is left. That goes for Insert, Replace with the same
// unique keys (index entries may change), Delete, Check and Add, in any mixture. What takes more, with what a test counts on the wire:
//
//	a Conflict                                               2   the second reads which condition failed
//	a Replace that changes unique keys                       4   tried, read, locked and judged, written
//	writing over an expired record or holder with names      4
//	the first use, and every 1,000th version of a process   +1   versions are reserved in blocks
//
// Get and Lookup take one. List takes one for each statement: up to one for each condition, one for the field to sort by, one or two for
// the page, one for the count. It is the same in every query exec mode of pgx, because trips speak the protocol themselves.
// Database/sql adds a ping when a connection was idle for more than a second.
//
// # Settings of the connection
//
// None matters: isolation level (READ COMMITTED is asked for each time), search_path, exec mode and statement cache of pgx,
// bytea_output, standard_conforming_strings, client_encoding. Only synchronous_commit=off is refused, because then an acknowledged
// step could be lost; of the server's settings fsync=off and full_page_writes=off, unless Config.InsecureDurability accepts that. Statements are prepared only where pgx would do so too; should something between us and the server share
// connections, as PgBouncer in transaction mode does, a connection notices and stops preparing, and with default_query_exec_mode=exec
// it never begins. No call depends on the state of a session, the lock of migrations included: it belongs to the transaction.
//
// # Faults
//
// Deadlocks, lock timeouts, serialization failures and terminated backends are rolled back and repeated, with growing random
// pauses, up to 30 times and while the context lasts. When the answer to COMMIT is lost, Apply returns store.ErrUncertain; a caller
// who leaves while it is on its way is kept for up to two more seconds, since it mostly arrives. While the server is gone, every call returns an
// error; when it is back, they go on. A conflict leaves an ERROR in the server's log whose text begins with "signet:", or names a
// unique key: that is how a statement ends a trip.
//
// # Tables
//
// Those of package sqlstore. Organizations, ids, fields and values are bytea, so that no collation and no NUL has a say; psql shows
// them after SET bytea_output = 'escape', and compares them with plain literals. Unique keys are stored as SHA-256. Index values of
// more than 800 bytes end in a hash: equality is exact for any length, order and prefixes for the first 769 bytes, and a prefix or
// bound that is longer is store.ErrUnindexed. The path of an organization has at most 1,024 bytes, else Apply returns
// store.ErrInvalid.
//
// The role needs USAGE on the schema, SELECT, INSERT, UPDATE and DELETE on the tables, and CREATE on the schema while Open
// migrates; Config.NoMigrate and Migrations are for those who migrate as somebody else.
//
// # Not implemented
//
// Other drivers than pgx. Tested with PostgreSQL 15; nothing is used that 13 lacks. CockroachDB and YugabyteDB speak the same
// protocol, and statements keep to what their manuals know as far as there is a choice; nothing was run on them, and the planner's
// settings that List asks for are PostgreSQL's. PgBouncer was not run either.
package postgres
