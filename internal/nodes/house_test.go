package nodes_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// place is a kind of store that several processes share.
type place struct {
	name string
	// furnish returns an empty store of the test's own.
	furnish func(t *testing.T) house
}

// house is where nodes keep everything: what a process needs to know to open it.
type house struct {
	// Keys is the file of the key ring.
	Keys string
	// One of these is where durable kinds are: a file, or the address of a database.
	SQLite, MariaDB, Postgres string
	// Redis is the address of the store for what is ephemeral; empty keeps it with the rest.
	Redis string
}

var places = []place{
	{"sqlite", func(t *testing.T) house {
		h := newHouse(t)
		h.SQLite = filepath.Join(filepath.Dir(h.Keys), "db")
		return h
	}},
	{"mariadb", func(t *testing.T) house {
		h := newHouse(t)
		h.MariaDB = testenv.SharedMariaDB(t).NewDatabase(t)
		return h
	}},
	{"postgres", func(t *testing.T) house {
		h := newHouse(t)
		h.Postgres = testenv.SharedPostgres(t).NewDatabase(t)
		return h
	}},
	{"sqlite and redis", func(t *testing.T) house {
		h := newHouse(t)
		h.SQLite, h.Redis = filepath.Join(filepath.Dir(h.Keys), "db"), testenv.Redis(t).Addr()
		beside, err := redis.New(redis.Config{Addresses: []string{h.Redis}})
		if err == nil { // proofs that were made before a Redis began are refused: this one began long ago
			err = errors.Join(beside.Ready(t.Context(), time.Now().Add(-time.Hour)), beside.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}},
}

// newHouse has a key ring.
func newHouse(t *testing.T) house { return house{Keys: filepath.Join(t.TempDir(), "keys")} }

// everyPlace runs a test over each kind of store.
func everyPlace(t *testing.T, test func(t *testing.T, p place)) {
	t.Parallel()
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// open opens the store and returns the wiring of a provider over it.
func (h house) open(ctx context.Context) (c signet.Config, err error) {
	c.OIDC = features()
	if c.Keys, err = store.OpenKeyFile(h.Keys); err != nil {
		return c, err
	}
	if h.Redis != "" {
		if c.Ephemeral, err = redis.New(redis.Config{Addresses: []string{h.Redis}}); err != nil {
			return c, err
		}
	}
	switch {
	case h.MariaDB != "":
		db, err := connect("mysql", h.MariaDB)
		if err != nil {
			return c, err
		}
		c.Store, err = mysql.Open(ctx, db, mysql.Config{})
		return c, err
	case h.Postgres != "":
		db, err := connect("pgx", h.Postgres)
		if err != nil {
			return c, err
		}
		c.Store, err = postgres.Open(ctx, db, postgres.Config{})
		return c, err
	}
	c.Store, err = sqlite.Open(ctx, h.SQLite, sqlite.Config{BusyTimeout: 30 * time.Second})
	return c, err
}

// connect opens a pool that leaves something for the other nodes of one server.
func connect(driver, address string) (*sql.DB, error) {
	db, err := sql.Open(driver, address)
	if err == nil {
		db.SetMaxOpenConns(12)
		db.SetMaxIdleConns(12)
	}
	return db, err
}

// serveHere serves in this process, by the clock on the wall and with keys from the store.
func (h house) serveHere(t *testing.T) *idptest.Server {
	t.Helper()
	wiring, err := h.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return idptest.New(t, func(c *signet.Config) {
		c.Store, c.Ephemeral, c.Keys, c.SigningKeys, c.Now = wiring.Store, wiring.Ephemeral, wiring.Keys, nil, time.Now
		c.OIDC = wiring.OIDC
	})
}

// A process that is started with this in its environment is a node, and no test. It holds a deed.
const nodeVariable = "SIGNET_NODE"

// deed is what a node is told.
type deed struct {
	House  house
	Issuer string
}

func TestMain(m *testing.M) {
	if told := os.Getenv(nodeVariable); told != "" {
		if err := serveNode(told); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveNode serves until its standard input is closed, which also happens when the test dies.
func serveNode(told string) error {
	var d deed
	if err := json.Unmarshal([]byte(told), &d); err != nil {
		return err
	}
	config, err := d.House.open(context.Background())
	if err != nil {
		return err
	}
	config.Issuer = d.Issuer
	provider, err := signet.New(config)
	if err != nil {
		return err
	}
	server := httptest.NewServer(provider)
	fmt.Println(server.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	server.Close()
	return errors.Join(err, provider.Close())
}

// node is a provider in a process of its own.
type node struct {
	url     string
	process *exec.Cmd
}

// startNode starts a node for an issuer, which ends with the test.
func (h house) startNode(t *testing.T, issuer string) *node {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(deed{h, issuer})
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), program)
	process.Env = append(os.Environ(), nodeVariable+"="+string(told))
	process.Stderr = os.Stderr
	in, errIn := process.StdinPipe()
	out, errOut := process.StdoutPipe()
	if err := errors.Join(errIn, errOut, process.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = process.Wait() // killed at the end of the test's context, if it has not ended by then
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the node did not start: %v", err)
	}
	return &node{strings.TrimSpace(line), process}
}

// kill ends the node as kill -9 does.
func (n *node) kill(t *testing.T) {
	t.Helper()
	if err := n.process.Process.Kill(); err != nil {
		t.Error(err)
	}
}
