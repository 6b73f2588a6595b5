// Package sqlite keeps records in one SQLite file: nothing to install, nothing to run, safe against crashes.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/sqlstore/sqlite"
//	)
//
//	func main() {
//		ctx := context.Background()
//		driver, err := sqlite.Open(ctx, "signet.db", sqlite.Config{})
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
// # Durability
//
// What Apply has answered survives the loss of power: the file is in WAL mode with synchronous=FULL, which every
// connection is asked for and must confirm. Callers who write at the same time share one sync of the disk.
//
// # The file
//
// Several processes on one machine may share the file; it must not lie on a network file system. Beside it SQLite keeps
// two more, -wal and -shm: move or copy all three, while no process uses them, or make a backup of the running store
// with VACUUM INTO, whose copy is as readable as the umask allows. A file that is moved or deleted while it is open takes no more writes: they would be lost.
//
// # Not implemented
//
// Encryption of the file: secrets are hashed or sealed before they come here, everything else is readable by whoever
// can read the file. Files in memory: store/memory is that.
package sqlite
