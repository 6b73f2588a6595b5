// Package redis keeps what may be lost in Redis: a store.Ephemeral beside the database, so that pages that people open and
// requests that never become a sign-in cost the database nothing.
//
//	package main
//
//	import (
//		"context"
//		"crypto/tls"
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/redis"
//		"github.com/signet-idp/signet/store/sqlstore/sqlite"
//	)
//
//	func main() {
//		ctx := context.Background()
//		keys, err := store.OpenKeyFile("signet.keys")
//		if err != nil {
//			log.Fatal(err)
//		}
//		database, err := sqlite.Open(ctx, "signet.db", sqlite.Config{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		ephemeral, err := redis.New(redis.Config{
//			Addresses: []string{"redis.internal:6380"},
//			Username:  "signet",
//			Password:  os.Getenv("REDIS_PASSWORD"),
//			TLS:       &tls.Config{},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		provider, err := signet.New(signet.Config{
//			Issuer: "http://localhost:8080", Store: database, Ephemeral: ephemeral, Keys: keys,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer provider.Close() // closes both
//		if err := provider.Ready(ctx); err != nil {
//			log.Fatal(err) // says what is wrong with Redis, too
//		}
//		go provider.Run(ctx)
//		log.Fatal(http.ListenAndServe("localhost:8080", provider))
//	}
//
// Sentinels find the master with Config.MasterName, and a Cluster is used with Config.Cluster.
//
// # How
//
// A record is a hash under one key. An operation is one script (EVALSHA), so that it is atomic, one round trip, and at home
// in a Cluster; a read is one HMGET, from the master. Versions are random and so never come back, whatever Redis has lost.
// Callers judge expiry by their own clock; Redis removes a record an hour later.
//
// Nothing is sent twice. An answer that was lost is store.ErrUncertain; what the server refused comes back with what to do
// about it: a wrong password, a replica, a Cluster, full memory.
//
// # Loss
//
// Redis forgets: when it is flushed, restarts (also with persistence, which lacks the last writes), fails over, or evicts.
// Store.Since tells since when it has not. It begins anew whenever the key that holds the answer is gone, another process
// answers than the one that wrote it, or something was evicted; in a Cluster for each of 64 parts by itself. What a loss costs
// is in docs/operations.md, kind by kind.
//
// # Not covered
//
// Reading from replicas, which may be behind. Redis modules. The client library, go-redis, has a logger of its own, which
// writes about lost connections to standard error; a host that minds sets another with its redis.SetLogger.
package redis
