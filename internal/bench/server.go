package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/signet-idp/signet"
)

// order is what the server is asked to do.
type order struct {
	Do          string // "prepare", "supply", "usage", "memory", "profile", "populate", "drive", "gather", "walk", "durability", "proofs", "sign-ins"
	Row         string
	Connections int
	Count       int
	// Profile is where a CPU profile goes; "" ends it.
	Profile string
	// Who goes, and for how long.
	Who  int
	Time time.Duration
}

// outcome answers an order: what it asked for is set.
type outcome struct {
	// Endpoint, Floor and Empty are addresses, and Host is what requests to each of them are addressed to.
	Endpoint, Floor, Empty, Host string
	// Requests is how many requests one journey has.
	Requests int
	Work     work
	Usage    usage
	// Reads and Writes are how many calls of the store a journey of a driver's row has.
	Reads, Writes int
	Load          load
	Durable       *durable
	Proven        []proven
	SignIns       []signInCost
	// Resident is memory in bytes, and Own what of it is in no file: no other process has it too, and it cannot be read again.
	Resident, Own int64
}

// usage is what the process has used so far.
type usage struct {
	Allocations, AllocatedBytes uint64
	CPU                         time.Duration
}

// server holds the ports of one provider.
type server struct {
	world    *world
	opened   *opened
	endpoint net.Listener
	empty    net.Listener
	floor    net.Listener // of the row that was prepared last
	profile  *os.File

	// What a driver's row needs: the floor under the driver, the two replays and their callers, and how many people there are.
	raw     *raw
	driven  [drivers]*floor
	callers [drivers]*crowd
	people  int
}

// newServer makes a provider and serves it.
func newServer(ctx context.Context, name, folder string, at addresses, connections int) (*server, error) {
	opened, err := openStore(ctx, name, folder, at)
	if err != nil {
		return nil, err
	}
	s := &server{opened: opened}
	if s.world, s.endpoint, err = newWorld(ctx, opened, folder, connections); err != nil {
		return nil, err
	}
	if s.empty, err = listen(); err != nil {
		return nil, err
	}
	serve(s.empty, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return s, nil
}

// close frees the ports and the store.
func (s *server) close() error {
	for _, port := range []net.Listener{s.endpoint, s.empty, s.floor} {
		if port != nil {
			_ = port.Close()
		}
	}
	if s.raw != nil {
		_ = s.raw.Close()
	}
	return s.opened.Close()
}

// serveRows is the server process.
func serveRows(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	s, err := newServer(ctx, o.store, o.folder, nil, o.connections)
	if err != nil {
		return err
	}
	err = answerLines(in, out, func(q order) (outcome, error) { return s.obey(ctx, q) })
	if closing := s.close(); err == nil {
		err = closing
	}
	return err
}

func (s *server) obey(ctx context.Context, q order) (outcome, error) {
	switch q.Do {
	case "usage":
		return outcome{Usage: used()}, nil
	case "memory":
		return occupied()
	case "profile":
		return outcome{}, s.profileTo(q.Profile)
	case "populate":
		return outcome{}, s.populate(ctx, q.Count)
	case "gather":
		return outcome{}, s.gatherCallers(q.Who, q.Connections)
	case "walk":
		l, err := s.callers[q.Who].walk(q.Time)
		return outcome{Load: l}, err
	case "durability":
		d, err := s.durability(ctx)
		return outcome{Durable: d}, err
	case "proofs":
		p, err := s.proofs()
		return outcome{Proven: p}, err
	case "sign-ins":
		all, err := s.signIns(ctx)
		return outcome{SignIns: all}, err
	case "drive":
		r, ok := driverRowOf(q.Row)
		if !ok {
			return outcome{}, fmt.Errorf("there is no row %q", q.Row)
		}
		return s.drive(ctx, r)
	}
	all := rows()
	i := slices.IndexFunc(all, func(r row) bool { return r.name == q.Row })
	if i < 0 {
		return outcome{}, fmt.Errorf("there is no row %q", q.Row)
	}
	switch q.Do {
	case "prepare":
		return s.prepare(ctx, all[i])
	case "supply":
		w, err := all[i].supply(ctx, s.world, q.Connections, q.Count)
		return outcome{Work: w}, err
	}
	return outcome{}, fmt.Errorf("there is no order %q", q.Do)
}

// prepare records the endpoint and serves its floor on a new port. Work is what to ask the empty handler.
func (s *server) prepare(ctx context.Context, r row) (outcome, error) {
	t, err := s.record(ctx, r)
	if err != nil {
		return outcome{}, fmt.Errorf("%s: recording: %w", r.name, err)
	}
	var work [][]func() error
	if r.inevitable != nil {
		if work, err = r.inevitable(ctx, s.world, t); err != nil {
			return outcome{}, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	f, err := newFloor(s.world.driver, readings(s.world.provider.DB), t, work)
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", r.name, err)
	}
	if s.floor != nil {
		_ = s.floor.Close()
	}
	if s.floor, err = listen(); err != nil {
		return outcome{}, err
	}
	f.serve(s.floor)
	address := func(port net.Listener) string { return port.Addr().String() }
	return outcome{
		Endpoint: address(s.endpoint), Floor: address(s.floor), Empty: address(s.empty), Host: address(s.endpoint),
		Requests: len(t.steps), Work: s.plain(t),
	}, nil
}

// record has the journey of a row recorded.
func (s *server) record(ctx context.Context, r row) (*tape, error) {
	others := false
	t, err := s.world.tape(func(url string) error {
		w, err := r.supply(ctx, s.world, 1, 1)
		if err != nil {
			return err
		}
		others = w.usedUp()
		return s.world.walk(w.journeys(1)[0], url)
	})
	if err == nil {
		t.others = others
	}
	return t, err
}

// plain is a journey of the same requests for a handler that does not care.
func (s *server) plain(t *tape) work {
	c := &connection{host: s.endpoint.Addr().String()}
	last := t.steps[len(t.steps)-1]
	return work{Request: c.request(last.method, last.target, nil, last.form), Repeat: len(t.steps)}
}

// connectionKey is where the replay of a connection is found in the contexts of its requests.
type connectionKey struct{}

// serve serves the floor on a port until that is closed. Each connection has a replay of its own.
func (f *floor) serve(port net.Listener) {
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, &replay{floor: f})
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if p, ok := r.Context().Value(connectionKey{}).(*replay); ok {
				p.serve(w, r)
			}
		}),
	}
	go func() { _ = server.Serve(port) }()
}

// profileTo begins a CPU profile, or ends the one that was begun.
func (s *server) profileTo(file string) error {
	if file == "" {
		pprof.StopCPUProfile()
		return s.profile.Close()
	}
	var err error
	if s.profile, err = os.Create(file); err != nil {
		return err
	}
	return pprof.StartCPUProfile(s.profile)
}

func used() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	cpu := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	return usage{Allocations: m.Mallocs, AllocatedBytes: m.TotalAlloc, CPU: cpu}
}

// occupied is the memory of this process, as Linux tells it.
func occupied() (outcome, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return outcome{}, err
	}
	resident, err := kibibytes(status, "VmRSS:")
	if err != nil {
		return outcome{}, err
	}
	files, err := kibibytes(status, "RssFile:")
	return outcome{Resident: resident, Own: resident - files}, err
}

// kibibytes returns what stands behind a name in /proc/self/status, in bytes.
func kibibytes(status []byte, name string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(between(string(status), name, " kB")), 10, 64)
	return n << 10, err
}

// serveProvider is the process whose start and idle memory are measured: a provider over an existing database, and nothing
// else. It answers on the port that it was given. The first line that it reads makes it collect its garbage and write its
// resident memory.
func serveProvider(ctx context.Context, o options, in *os.File) error {
	port, err := net.FileListener(os.NewFile(3, "port"))
	if err != nil {
		return err
	}
	opened, err := openStore(ctx, o.store, o.folder, nil)
	if err != nil {
		return err
	}
	issuer := "http://" + port.Addr().String()
	if o.issuer != "" { // it is one of several nodes, under load
		issuer = o.issuer
		runtime.GOMAXPROCS(halfOfCPUs())
	}
	wiring, err := opened.config(issuer, filepath.Clean(o.folder))
	if err != nil {
		return err
	}
	provider, err := signet.New(wiring)
	if err != nil {
		return err
	}
	serve(port, provider)
	err = answerLines(in, os.Stdout, func(order) (outcome, error) {
		debug.FreeOSMemory()
		return occupied()
	})
	return errors.Join(err, opened.Close())
}
