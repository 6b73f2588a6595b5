package main

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
	mysqlstore "github.com/signet-idp/signet/store/sqlstore/mysql"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// trips is how many round trips an Apply takes, of one operation and of five.
type trips struct {
	Store     string
	One, Five float64
}

// maxTrips is the target: all operations and COMMIT leave together, and one answer comes back.
const maxTrips = 1

// measureTrips counts round trips between driver and server, by a proxy between them. There are none to SQLite.
func measureTrips(tb testenv.TB, name string, at addresses) (all []trips, err error) {
	ctx := tb.Context()
	kind, beside, _ := strings.Cut(name, "+")
	if beside == "redis" { // one operation is all that it takes at once
		t, err := redisTrips(tb, at.of("redis"))
		return []trips{t}, err
	}
	var proxy *testenv.ProxyServer
	var pool *sql.DB
	var open func() (store.Driver, error)
	switch kind {
	case "postgres":
		parsed, err := pgx.ParseConfig(at.of(kind))
		if err != nil {
			return nil, err
		}
		proxy = testenv.Proxy(tb, net.JoinHostPort(parsed.Host, strconv.Itoa(int(parsed.Port))))
		host, port, _ := net.SplitHostPort(proxy.Addr())
		number, _ := strconv.ParseUint(port, 10, 16)
		parsed.Host, parsed.Port, parsed.Fallbacks = host, uint16(number), nil
		pool = stdlib.OpenDB(*parsed)
		open = func() (store.Driver, error) { return postgres.Open(ctx, pool, postgres.Config{}) }
	case "mariadb":
		parsed, err := mysql.ParseDSN(at.of(kind))
		if err != nil {
			return nil, err
		}
		proxy = testenv.Proxy(tb, parsed.Addr)
		parsed.Addr = proxy.Addr()
		connector, err := mysql.NewConnector(parsed)
		if err != nil {
			return nil, err
		}
		pool = sql.OpenDB(connector)
		open = func() (store.Driver, error) { return mysqlstore.Open(ctx, pool, mysqlstore.Config{}) }
	default:
		return nil, nil
	}
	pool.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, pool.Close()) }()
	driver, err := open()
	if err != nil {
		return nil, err
	}
	t := trips{Store: name}
	if t.One, err = tripsOf(ctx, driver, proxy, single); err == nil {
		t.Five, err = tripsOf(ctx, driver, proxy, five)
	}
	return []trips{t}, err
}

// redisTrips counts those of Redis, which takes one operation at a time.
func redisTrips(tb testenv.TB, address string) (trips, error) {
	proxy := testenv.Proxy(tb, address)
	driver, err := redis.New(redis.Config{Addresses: []string{proxy.Addr()}})
	if err != nil {
		return trips{}, err
	}
	defer func() { _ = driver.Close() }()
	n, err := tripsOf(tb.Context(), driver, proxy, func(ctx context.Context, e store.Ephemeral) error {
		_, err := e.Apply(ctx, now(), store.Insert(store.Record{Kind: store.Kind{Name: "directory.activity", Ephemeral: true}, ID: store.NewID(), Body: []byte(`{}`)}))
		return err
	})
	return trips{Store: "redis", One: n}, err
}

// tripsOf is the average of some, after the first have prepared what they need.
func tripsOf(ctx context.Context, driver store.Ephemeral, proxy *testenv.ProxyServer, apply func(context.Context, store.Ephemeral) error) (float64, error) {
	const times = 20
	var before int64
	for i := range 3 + times {
		if i == 3 {
			before = proxy.Trips()
		}
		if err := apply(ctx, driver); err != nil {
			return 0, err
		}
	}
	return float64(proxy.Trips()-before) / times, nil
}

var tripKind = store.Kind{Name: "bench.trip"}

func tripRecord() store.Record {
	return store.Record{Kind: tripKind, ID: store.NewID(), Body: []byte(`{}`), Expires: now().Add(time.Hour)}
}

// single is an Apply of one operation.
func single(ctx context.Context, driver store.Ephemeral) error {
	_, err := driver.Apply(ctx, now(), store.Insert(tripRecord()))
	return err
}

// five is an Apply of five: what minting does, and a counter.
func five(ctx context.Context, driver store.Ephemeral) error {
	a, b := tripRecord(), tripRecord()
	_, err := driver.Apply(ctx, now(), store.Insert(a), store.Insert(b), store.Insert(tripRecord()), store.Insert(tripRecord()),
		store.Op{Verb: store.VerbAdd, Delta: 1, Record: store.Record{Kind: tripKind, ID: store.NewID(), Expires: now().Add(time.Hour)}})
	return err
}
