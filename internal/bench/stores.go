package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql" // database/sql opens it by its name
	_ "github.com/jackc/pgx/v5/stdlib" // database/sql opens it by its name

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/redis"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// allStores are those that "all" stands for: a driver, and behind a plus what keeps the ephemeral kinds beside it.
const allStores = "memory,sqlite,postgres,mariadb,postgres+redis"

// opened is a store that was opened by its name.
type opened struct {
	kind   string // what stands before the plus
	driver store.Driver
	// ephemeral is set when ephemeral kinds are kept elsewhere.
	ephemeral *redis.Store
	pool      *sql.DB // of a server; it stays ours
	path      string  // of SQLite's file
}

// poolSize is how many connections to a server a process has.
const poolSize = 16

// openStore opens the store of a name; what needs a file has it in the folder, what needs a server at its address.
func openStore(ctx context.Context, name, folder string, at addresses) (*opened, error) {
	o := &opened{}
	var beside string
	o.kind, beside, _ = strings.Cut(name, "+")
	var err error
	switch o.kind {
	case "memory":
		o.driver = memory.New()
	case "sqlite":
		o.path = filepath.Join(folder, "signet.db")
		o.driver, err = sqlite.Open(ctx, o.path, sqlite.Config{})
	case "postgres":
		if o.pool, err = openPool("pgx", at.of("postgres")); err == nil {
			o.driver, err = postgres.Open(ctx, o.pool, postgres.Config{})
		}
	case "mariadb":
		if o.pool, err = openPool("mysql", at.of("mariadb")); err == nil {
			o.driver, err = mysql.Open(ctx, o.pool, mysql.Config{})
		}
	default:
		err = fmt.Errorf("there is no store %q: memory, sqlite, postgres, mariadb, each also with +redis", name)
	}
	switch {
	case err != nil:
	case beside == "redis":
		if o.ephemeral, err = redis.New(redis.Config{Addresses: []string{at.of("redis")}}); err == nil {
			// Proofs that were made before a Redis began are refused. This one began long ago.
			err = o.ephemeral.Ready(ctx, now().Add(-time.Hour))
		}
	case beside != "":
		err = fmt.Errorf("nothing ephemeral is kept in %q: redis", beside)
	}
	return o, err
}

func openPool(driver, address string) (*sql.DB, error) {
	db, err := sql.Open(driver, address)
	if err == nil {
		db.SetMaxOpenConns(poolSize)
		db.SetMaxIdleConns(poolSize)
	}
	return db, err
}

// config is the wiring of a provider over the store.
func (o *opened) config(issuer, folder string) (signet.Config, error) {
	if o.ephemeral == nil {
		return config(o.driver, nil, issuer, folder)
	}
	return config(o.driver, o.ephemeral, issuer, folder)
}

// Close closes everything.
func (o *opened) Close() error {
	var problems []error
	if c, ok := o.driver.(io.Closer); ok {
		problems = append(problems, c.Close())
	}
	if o.ephemeral != nil {
		problems = append(problems, o.ephemeral.Close())
	}
	if o.pool != nil {
		problems = append(problems, o.pool.Close())
	}
	return errors.Join(problems...)
}

// addresses are where servers are, by their names: DSNs, for Redis host and port. Processes hand them on in their environment, which is
// also where a host's own servers are named.
type addresses map[string]string

// variable is the environment variable of a server.
func variable(server string) string { return "SIGNET_BENCH_" + strings.ToUpper(server) }

func (a addresses) of(server string) string {
	if address := a[server]; address != "" {
		return address
	}
	return os.Getenv(variable(server))
}

// environment has them for another process.
func (a addresses) environment() []string {
	all := os.Environ()
	for server, address := range a {
		all = append(all, variable(server)+"="+address)
	}
	return all
}

// servers starts what the store of a name needs, unless the environment names it. Each store gets an empty database. A server that is not
// installed skips.
func servers(tb testenv.TB, name string) addresses {
	at := addresses{}
	for server := range strings.SplitSeq(name, "+") {
		if os.Getenv(variable(server)) != "" {
			continue
		}
		switch server {
		case "postgres":
			at[server] = testenv.SharedPostgres(tb).NewDatabase(tb)
		case "mariadb":
			at[server] = testenv.SharedMariaDB(tb).NewDatabase(tb)
		case "redis":
			at[server] = testenv.Redis(tb).Addr()
		}
	}
	return at
}
