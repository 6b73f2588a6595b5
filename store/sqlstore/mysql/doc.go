// Package mysql keeps records in MariaDB (10.6 or later) or MySQL (8.0 or later). MariaDB is tested, MySQL by its manual: the tests
// run both ways of talking to a server, but over MariaDB.
//
//	package main
//
//	import (
//		"context"
//		"database/sql"
//		"log"
//
//		_ "github.com/go-sql-driver/mysql"
//
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/sqlstore/mysql"
//	)
//
//	func main() {
//		ctx := context.Background()
//		pool, err := sql.Open("mysql", "signet:secret@tcp(db.example:3306)/signet?tls=true")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer pool.Close()
//		driver, err := mysql.Open(ctx, pool, mysql.Config{})
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
// # The pool
//
// It belongs to the host, which may use it for its own tables too: nothing of a connection is changed beyond a transaction. Set
// SetMaxOpenConns to what the server has left for this process, and SetMaxIdleConns to the same. Without a timeout in the DSN
// (timeout, readTimeout, writeTimeout) a call waits as long as its context lets it.
//
// No other parameter of the DSN matters: not parseTime, loc, multiStatements, interpolateParams, clientFoundRows, charset or
// collation, and of the variables that a DSN can set not sql_mode, autocommit, the isolation level or the time zone. Statements are
// sent as text in which every value is a hexadecimal literal or a number, and every write is a transaction of its own at READ COMMITTED.
//
// # Durability
//
// What Apply has answered survives a crash of the server: Open refuses one whose innodb_flush_log_at_trx_commit is not 1, or which
// has a binary log that it does not sync (sync_binlog). An Apply whose COMMIT was sent and not answered is store.ErrUncertain: the
// server may go on with what its caller has given up, also when it was waiting for a lock at that time.
// Deadlocks and lock waits that the server gave up are rolled back and tried again, while the context lasts.
//
// # Round trips
//
// MariaDB takes a whole Apply, from START TRANSACTION to COMMIT, as one compound statement. MySQL has none, and each statement is a
// round trip. A test counts them at a proxy:
//
//	                                                        MariaDB   one by one
//	Get, Lookup, List by one eq                                   1            1
//	Apply: an insert or a replace                                 1            4
//	Apply: a delete with names, an addition to a counter          1         6, 5
//	Apply: two inserts with names, a replace, three checks        1           11
//	Apply that ends in a conflict                                 2            5
//
// A new version of what has other names than before takes a few more. Each thousand versions and each new combination of
// fields take one round trip besides, once.
//
// # Length
//
// A unique key is stored as its SHA-256, and may be as long as it likes. A value of the index of up to 767 bytes is stored whole; of a
// longer one the first 736, and its SHA-256: it is found by its whole, and sorted among those that begin alike by chance. Conditions
// other than eq that are about more than 735 bytes are store.ErrUnindexed. The path of an organization has at most 768 bytes.
//
// # Not implemented
//
// Galera and group replication: GET_LOCK, which keeps two processes from migrating at once, is known to one of their nodes only, and
// a commit there may be refused late (which is retried). Read replicas: every read goes to the pool.
package mysql
