// Command bench measures what Signet costs beyond what cannot be avoided.
//
//	go run ./internal/bench                  # a table, in some minutes
//	go run ./internal/bench -short           # the same in shorter slices
//	go run ./internal/bench -check           # exits 1 and names what misses its target
//	go run ./internal/bench -only 'refresh'  # a regular expression over the names
//	go run ./internal/bench -store postgres -million
//
// Each row compares an endpoint with its floor: a handler that reads the same request bytes, does exactly the unavoidable
// signatures, verifications, reads that may not be cached (same records, same driver, decoded into the same Go type) and
// durable writes (same statements and bytes over the same pool), and writes the same headers and an answer of the same
// size. What a floor reads and writes is not written down anywhere: it is recorded from the endpoint itself, which is asked
// once while nobody else is (tape.go), and replayed (floor.go). What it signs and verifies stands beside each row (rows.go).
//
// Three processes take part, all of this program: a server with endpoint, floor and an empty handler, each on a loopback
// port of its own; a load generator that holds connections to them; and the one that was started, which lets endpoint,
// floor and empty handler take turns, ten each in a round, and takes the median of the ratios of five rounds. Server and load
// generator have half of the CPUs each, so that what is measured is the server.
//
// Stores have rows of their own ("driver: …"), without provider and HTTP: there the floor is what somebody would write by hand
// over the same pool (raw.go). Beside those it counts the round trips of an Apply, the durable commits of a refresh and the calls that DPoP
// adds to a request, and has three nodes serve one PostgreSQL.
//
// Of signing in it counts the commits, by password, with a second factor and by an app; it takes the time of a page and of a script that
// runs once more; and over memory, where hashes are at test cost, it names what a sign-in by password, one with an authenticator app, and one
// with a passkey cost beyond their floors.
//
// Beside that it measures the start of a process with existing keys, up to the first 200 of the discovery document and of
// the key set; its memory when it is idle, after a garbage collection and before the first hash, apart from the pages of its file; and
// that of the server after all load.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"
)

// options are the flags.
type options struct {
	check, short, asJSON bool
	only                 string
	store                string
	connections          int
	rounds               int
	slice                time.Duration
	profile              string
	million              bool

	role, folder, issuer string
}

func main() {
	var o options
	flag.BoolVar(&o.check, "check", false, "exit 1 and name what misses its target")
	flag.BoolVar(&o.short, "short", false, "shorter slices: quicker, noisier")
	flag.BoolVar(&o.asJSON, "json", false, "print JSON instead of a table")
	flag.StringVar(&o.only, "only", "", "measure only the rows whose name matches this regular `expression`; \"process\" is memory and start")
	flag.StringVar(&o.store, "store", "all", "stores with commas between them, of memory, sqlite, postgres and mariadb, each also with +redis; all is "+allStores)
	flag.IntVar(&o.connections, "connections", 8, "how many connections are busy at once")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds the median is taken of")
	flag.DurationVar(&o.slice, "slice", time.Second, "how long each is busy in a round")
	flag.StringVar(&o.profile, "profile", "", "write CPU profiles into this `folder`")
	flag.BoolVar(&o.million, "million", false, "1,000,000 people, rather than 100,000, in the rows that list and find them")
	flag.StringVar(&o.role, "role", "", "what this process is: for the program itself")
	flag.StringVar(&o.folder, "folder", "", "where the database is: for the program itself")
	flag.StringVar(&o.issuer, "issuer", "", "what the provider is: for the program itself")
	flag.Parse()
	if o.short {
		o.slice = min(o.slice, 150*time.Millisecond)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run does what this process is there for.
func (o options) run(ctx context.Context) error {
	switch o.role {
	case "server":
		runtime.GOMAXPROCS(halfOfCPUs())
		return serveRows(ctx, o, os.Stdin, os.Stdout)
	case "load":
		runtime.GOMAXPROCS(halfOfCPUs())
		return serveJobs(os.Stdin, os.Stdout)
	case "provider":
		return serveProvider(ctx, o, os.Stdin)
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	r, err := measure(ctx, o, only)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = json.NewEncoder(os.Stdout).Encode(r)
	} else {
		r.print(os.Stdout)
	}
	if err != nil || !o.check {
		return err
	}
	return r.check()
}

func halfOfCPUs() int { return max(1, runtime.NumCPU()/2) }
