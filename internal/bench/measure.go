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
)

// The three that take turns.
const (
	endpointTurn = iota
	floorTurn
	emptyTurn
	turns
)

// measure does everything that the flags ask for.
func measure(ctx context.Context, o options, only *regexp.Regexp) (*report, error) {
	r := &report{}
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
	var wanted []row
	for _, row := range rows() {
		if only.MatchString(row.name) {
			wanted = append(wanted, row)
		}
	}
	for _, name := range []string{"memory", "sqlite"} {
		if len(wanted) == 0 || o.store != "all" && o.store != name {
			continue
		}
		if err := o.measureStore(ctx, r, name, folder, wanted); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

// measureStore measures rows over one store, in one server process.
func (o options) measureStore(ctx context.Context, r *report, name, folder string, wanted []row) (err error) {
	folder = filepath.Join(folder, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	server, err := start([]string{"-role=server", "-store=" + name, "-folder=" + folder, "-connections=" + strconv.Itoa(o.connections)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	loader, err := start([]string{"-role=load"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, loader.stop()) }()
	for _, row := range wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := &trial{options: o, row: row, server: server, loader: loader}
		l, err := t.run(name)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		r.Lines = append(r.Lines, l)
		if !o.asJSON {
			fmt.Fprintf(os.Stderr, "%s %s: %.2f of the floor\n", name, row.name, l.Ratio)
		}
	}
	memory, err := ask[outcome](server, order{Do: "memory"})
	r.Loaded = append(r.Loaded, loaded{name, memory.Resident})
	return err
}

// trial measures one row.
type trial struct {
	options
	row            row
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
	if t.prepared, err = ask[outcome](t.server, order{Do: "prepare", Row: t.row.name}); err != nil {
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

// round lets all take their turns.
func (t *trial) round(count int, span time.Duration) (results [turns]turn, err error) {
	for who := range turns {
		if err := t.open(who, count); err != nil {
			return results, err
		}
	}
	for i := range changes {
		for who := range turns {
			if i%2 == 1 { // whoever comes second has it neither better nor worse
				who = turns - 1 - who
			}
			if err := t.take(who, span, &results[who]); err != nil {
				return results, err
			}
		}
	}
	for i := range results {
		r := &results[i]
		if r.Journeys == 0 {
			return results, errors.New("nothing was done in a whole round; make -slice longer")
		}
		r.allocations /= float64(r.Journeys)
		r.bytes /= float64(r.Journeys)
		r.cpu /= time.Duration(r.Journeys)
	}
	return results, nil
}

// open opens the connections for a round.
func (t *trial) open(who, count int) error {
	o := &opening{Host: t.prepared.Host, Connections: t.connections}
	switch who {
	case endpointTurn:
		o.Address = t.prepared.Endpoint
	case floorTurn:
		o.Address = t.prepared.Floor
	case emptyTurn:
		o.Address, o.Work = t.prepared.Empty, t.prepared.Work
	}
	if who != emptyTurn {
		supplied, err := ask[outcome](t.server, order{Do: "supply", Row: t.row.name, Connections: t.connections, Count: count})
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
	if result.load, err = ask[load](t.loader, job{Who: who, Time: span}); err != nil {
		return err
	}
	after, err := ask[outcome](t.server, order{Do: "usage"})
	result.allocations += float64(after.Usage.Allocations - before.Usage.Allocations)
	result.bytes += float64(after.Usage.AllocatedBytes - before.Usage.AllocatedBytes)
	result.cpu += after.Usage.CPU - before.Usage.CPU
	return err
}

// profiled writes a CPU profile of the server for each of those who take turns.
func (t *trial) profiled(storeName string, count int) error {
	for who, name := range [turns]string{"endpoint", "floor", "empty"} {
		if err := t.open(who, count); err != nil {
			return err
		}
		file := strings.ReplaceAll(strings.Join([]string{storeName, t.row.name, name}, "-"), " ", "-") + ".pprof"
		if _, err := ask[outcome](t.server, order{Do: "profile", Profile: filepath.Join(t.profile, file)}); err != nil {
			return err
		}
		_, err := ask[load](t.loader, job{Who: who, Time: t.slice})
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
		empties = append(empties, endpoint.perSecond()/empty.perSecond())
		cpu = append(cpu, float64(floor.cpu)/float64(endpoint.cpu))
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
		Name: t.row.name, Store: storeName, Requests: t.prepared.Requests, Target: t.row.target,
		Ratio: median(ratios), CPURatio: median(cpu), ToEmpty: median(empties),
		Endpoint: side(endpointTurn), Floor: side(floorTurn), Empty: side(emptyTurn),
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
