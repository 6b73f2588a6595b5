package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
)

// The three that take turns.
const (
	endpointTurn = iota
	floorTurn
	emptyTurn
	turns
)

// measure does everything that the flags ask for.
func measure(ctx context.Context, o options, only *regexp.Regexp) (r *report, err error) {
	r = &report{}
	folder, err := os.MkdirTemp("", "signet-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if only.MatchString("process") {
		if r.Process, err = measureProcess(ctx, folder, o.rounds); err != nil {
			return nil, fmt.Errorf("process: %w", err)
		}
	}
	if only.MatchString(partsName) {
		if r.Parts, err = measureParts(ctx); err != nil {
			return nil, err
		}
	}
	if !matchesAny(only) {
		return r, nil
	}
	names := o.store
	if names == "all" {
		names = allStores
	}
	for name := range strings.SplitSeq(names, ",") {
		var err error
		missing, failed := testenv.Program(ctx, func(tb testenv.TB) {
			err = o.measureStore(tb, r, name, folder, servers(tb, name), only)
		})
		if err := errors.Join(err, failed); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if missing != "" {
			r.Skipped = append(r.Skipped, name+": "+missing)
		}
	}
	return r, nil
}

// measureStore measures rows over one store, in one server process.
func (o options) measureStore(tb testenv.TB, r *report, name, folder string, at addresses, only *regexp.Regexp) (err error) {
	folder = filepath.Join(folder, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	server, err := start([]string{"-role=server", "-store=" + name, "-folder=" + folder, "-connections=" + strconv.Itoa(o.connections)}, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	loader, err := start([]string{"-role=load"}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, loader.stop()) }()
	for _, t := range o.trials(name, only) {
		if err := tb.Context().Err(); err != nil {
			return err
		}
		t.server, t.loader = server, loader
		l, err := t.run(name)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		r.Lines = append(r.Lines, l)
		if !o.asJSON {
			fmt.Fprintf(os.Stderr, "%s %s: %.2f of the floor, 99 of 100 within %s\n", name, t.name, l.Ratio, brief(l.Endpoint.P99))
		}
	}
	if err := o.measureBeside(tb, r, name, folder, at, only, server, loader); err != nil {
		return err
	}
	memory, err := ask[outcome](server, order{Do: "memory"})
	r.Loaded = append(r.Loaded, loaded{name, memory.Resident})
	return err
}

// The names of what is measured beside the rows.
const (
	tripsName   = "driver: round trips"
	durableName = "driver: commits"
	proofsName  = "DPoP: calls of the store"
	signInsName = "sign-in: commits"
	partsName   = "sign-in: parts"
	nodesName   = "three nodes: refresh"
)

// measureBeside counts round trips, commits and what a proof adds, and has several nodes serve one database.
func (o options) measureBeside(tb testenv.TB, r *report, name, folder string, at addresses, only *regexp.Regexp, server, loader *process) error {
	if only.MatchString(tripsName) {
		counted, err := measureTrips(tb, name, at)
		if err != nil {
			return fmt.Errorf("%s: %w", tripsName, err)
		}
		r.Trips = append(r.Trips, counted...)
	}
	if only.MatchString(durableName) {
		counted, err := ask[outcome](server, order{Do: "durability"})
		if err != nil {
			return fmt.Errorf("%s: %w", durableName, err)
		}
		if d := counted.Durable; d != nil {
			d.Store = name
			r.Durable = append(r.Durable, *d)
		}
	}
	if only.MatchString(proofsName) {
		compared, err := ask[outcome](server, order{Do: "proofs"})
		if err != nil {
			return fmt.Errorf("%s: %w", proofsName, err)
		}
		for _, p := range compared.Proven {
			p.Store = name
			r.Proven = append(r.Proven, p)
		}
	}
	if only.MatchString(signInsName) {
		counted, err := ask[outcome](server, order{Do: "sign-ins"})
		if err != nil {
			return fmt.Errorf("%s: %w", signInsName, err)
		}
		for _, c := range counted.SignIns {
			c.Store = name
			r.SignIns = append(r.SignIns, c)
		}
	}
	if name != "postgres" || !only.MatchString(nodesName) {
		return nil
	}
	t := &trial{options: o, name: nodesName, of: "refresh", target: nodesTarget, server: server, loader: loader}
	if err := t.prepare(); err != nil {
		return err
	}
	others, err := startNodes(name, folder, t.prepared.Host, at)
	if err != nil {
		return err
	}
	t.nodes = others.addresses
	l, err := t.run(name)
	if err = errors.Join(err, others.stop()); err != nil {
		return fmt.Errorf("%s: %w", nodesName, err)
	}
	r.Lines = append(r.Lines, l)
	return nil
}

// matchesAny reports whether there is anything to measure over a store.
func matchesAny(only *regexp.Regexp) bool {
	for _, name := range []string{tripsName, durableName, proofsName, signInsName, nodesName} {
		if only.MatchString(name) {
			return true
		}
	}
	for _, row := range rows() {
		if only.MatchString(row.name) {
			return true
		}
	}
	for _, row := range driverRows() {
		if only.MatchString(row.name) {
			return true
		}
	}
	return false
}

// trials are those of the rows over a store.
func (o options) trials(storeName string, only *regexp.Regexp) (all []*trial) {
	for _, row := range rows() {
		if only.MatchString(row.name) {
			all = append(all, &trial{options: o, name: row.name, target: row.target})
		}
	}
	if storeName == "memory" || strings.Contains(storeName, "+") {
		return all // there is nothing below memory, and what stands before a plus has rows of its own
	}
	for _, row := range driverRows() {
		if !only.MatchString(row.name) {
			continue
		}
		t := &trial{options: o, name: row.name, target: driverTarget, driver: true, crowd: o.crowd()}
		if row.alone || storeName == "sqlite" { // there, callers share commits, which is more than a floor does
			t.connections = 1
		}
		if slices.Contains(row.within, storeName) {
			t.slowest = row.slowest
		}
		if !row.people {
			t.crowd = 0
		}
		all = append(all, t)
	}
	return all
}

// crowd is how many people there are in rows that need many.
func (o options) crowd() int {
	switch {
	case o.million:
		return 1_000_000
	case o.short:
		return 10_000
	}
	return 100_000
}

// trial measures one row.
type trial struct {
	options
	name   string
	target float64
	// driver is set in a row about the driver alone, whose callers are in the server process. Crowd is how many people it needs.
	driver  bool
	crowd   int
	slowest time.Duration
	// nodes are further nodes that serve the endpoint too; the floor is the endpoint of one node then. Of names the row whose work they do.
	nodes          []string
	of             string
	server, loader *process
	prepared       outcome
	results        [turns][]turn
}

// turn is what came of all turns of one round.
type turn struct {
	load
	allocations, bytes float64 // for each journey
	cpu                time.Duration
}

// changes is how often those who take turns change places in a round. What else the machine does then hits all of them.
const changes = 10

// run does the rounds. The first is not counted: it warms up, and says how much a round uses up and how long a turn must be.
func (t *trial) run(storeName string) (line, error) {
	var err error
	if err = t.prepare(); err != nil {
		return line{}, err
	}
	count, span := 40+2*t.connections, t.slice/changes
	for round := range t.rounds + 1 {
		results, err := t.round(count, span)
		if err != nil {
			return line{}, err
		}
		if round == 0 {
			endpoint := results[endpointTurn]
			span = max(span, 3*endpoint.P50) // all connections are busy most of the time
			count = 2*t.connections + int(2*endpoint.perSecond()*span.Seconds()*changes)
			continue
		}
		for who, result := range results {
			t.results[who] = append(t.results[who], result)
		}
	}
	if t.profile != "" {
		err = t.profiled(storeName, count)
	}
	return t.line(storeName), err
}

func (t *trial) prepare() (err error) {
	what := "prepare"
	if t.driver {
		what = "drive"
	}
	if t.crowd > 0 {
		if _, err := ask[outcome](t.server, order{Do: "populate", Count: t.crowd}); err != nil {
			return err
		}
	}
	t.prepared, err = ask[outcome](t.server, order{Do: what, Row: t.row()})
	return err
}

// row is the name of the row that the server knows.
func (t *trial) row() string {
	if t.of != "" {
		return t.of
	}
	return t.name
}

// many is how many take turns.
func (t *trial) many() int {
	if t.driver || t.nodes != nil {
		return drivers
	}
	return turns
}

// round lets all take their turns.
func (t *trial) round(count int, span time.Duration) (results [turns]turn, err error) {
	for who := range t.many() {
		if err := t.open(who, count); err != nil {
			return results, err
		}
	}
	for i := range changes {
		for who := range t.many() {
			if i%2 == 1 { // whoever comes second has it neither better nor worse
				who = t.many() - 1 - who
			}
			if err := t.take(who, span, &results[who]); err != nil {
				return results, err
			}
		}
	}
	for i := range t.many() {
		r := &results[i]
		if r.Journeys == 0 {
			return results, errors.New("nothing was done in a whole round; make -slice longer")
		}
		r.allocations /= float64(r.Journeys)
		r.bytes /= float64(r.Journeys)
		r.cpu /= time.Duration(r.Journeys)
		if t.nodes != nil { // one process tells nothing about the others
			r.allocations, r.bytes, r.cpu = 0, 0, 0
		}
	}
	return results, nil
}

// open opens the connections for a round.
func (t *trial) open(who, count int) error {
	if t.driver {
		_, err := ask[outcome](t.server, order{Do: "gather", Who: who, Connections: t.connections})
		return err
	}
	o := &opening{Host: t.prepared.Host, Connections: t.connections}
	switch who {
	case endpointTurn:
		o.Addresses = append([]string{t.prepared.Endpoint}, t.nodes...)
	case floorTurn:
		o.Addresses = []string{t.prepared.Floor}
		if t.nodes != nil {
			o.Addresses[0] = t.prepared.Endpoint
		}
	case emptyTurn:
		o.Addresses, o.Work = []string{t.prepared.Empty}, t.prepared.Work
	}
	if who != emptyTurn {
		supplied, err := ask[outcome](t.server, order{Do: "supply", Row: t.row(), Connections: t.connections, Count: count})
		if err != nil {
			return err
		}
		o.Work = supplied.Work
	}
	_, err := ask[load](t.loader, job{Who: who, Open: o})
	return err
}

// take is one turn.
func (t *trial) take(who int, span time.Duration, result *turn) error {
	before, err := ask[outcome](t.server, order{Do: "usage"})
	if err != nil {
		return err
	}
	if result.load, err = t.walk(who, span); err != nil {
		return err
	}
	after, err := ask[outcome](t.server, order{Do: "usage"})
	result.allocations += float64(after.Usage.Allocations - before.Usage.Allocations)
	result.bytes += float64(after.Usage.AllocatedBytes - before.Usage.AllocatedBytes)
	result.cpu += after.Usage.CPU - before.Usage.CPU
	return err
}

// walk has one of them go.
func (t *trial) walk(who int, span time.Duration) (load, error) {
	if t.driver {
		walked, err := ask[outcome](t.server, order{Do: "walk", Who: who, Time: span})
		return walked.Load, err
	}
	return ask[load](t.loader, job{Who: who, Time: span})
}

// profiled writes a CPU profile of the server for each of those who take turns.
func (t *trial) profiled(storeName string, count int) error {
	for who, name := range []string{"endpoint", "floor", "empty"}[:t.many()] {
		if err := t.open(who, count); err != nil {
			return err
		}
		file := strings.ReplaceAll(strings.Join([]string{storeName, strings.ReplaceAll(t.name, ":", ""), name}, "-"), " ", "-") + ".pprof"
		if _, err := ask[outcome](t.server, order{Do: "profile", Profile: filepath.Join(t.profile, file)}); err != nil {
			return err
		}
		_, err := t.walk(who, t.slice)
		_, stopping := ask[outcome](t.server, order{Do: "profile"})
		if err := errors.Join(err, stopping); err != nil {
			return err
		}
	}
	return nil
}

// line takes the medians.
func (t *trial) line(storeName string) line {
	var ratios, empties, cpu []float64
	for i, endpoint := range t.results[endpointTurn] {
		floor, empty := t.results[floorTurn][i], t.results[emptyTurn][i]
		ratios = append(ratios, endpoint.perSecond()/floor.perSecond())
		if empty.Journeys > 0 {
			empties = append(empties, endpoint.perSecond()/empty.perSecond())
		}
		if endpoint.cpu > 0 {
			cpu = append(cpu, float64(floor.cpu)/float64(endpoint.cpu))
		}
	}
	of := func(who int, value func(turn) float64) float64 {
		var all []float64
		for _, result := range t.results[who] {
			all = append(all, value(result))
		}
		return median(all)
	}
	side := func(who int) side {
		return side{
			PerSecond:   of(who, func(r turn) float64 { return r.perSecond() }),
			P50:         time.Duration(of(who, func(r turn) float64 { return float64(r.P50) })),
			P99:         time.Duration(of(who, func(r turn) float64 { return float64(r.P99) })),
			Allocations: of(who, func(r turn) float64 { return r.allocations }),
			Bytes:       of(who, func(r turn) float64 { return r.bytes }),
			CPU:         time.Duration(of(who, func(r turn) float64 { return float64(r.cpu) })),
		}
	}
	return line{
		Name: t.title(), Store: storeName, Requests: t.prepared.Requests, Target: t.target, Slowest: t.slowest,
		Ratio: median(ratios), CPURatio: median(cpu), ToEmpty: median(empties),
		Endpoint: side(endpointTurn), Floor: side(floorTurn), Empty: side(emptyTurn),
	}
}

// title is the name with what a reader must know to compare.
func (t *trial) title() string {
	switch {
	case t.crowd > 0:
		return fmt.Sprintf("%s, %d people", t.name, t.crowd)
	case t.driver:
		return fmt.Sprintf("%s, %d reads %d writes", t.name, t.prepared.Reads, t.prepared.Writes)
	}
	return t.name
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
