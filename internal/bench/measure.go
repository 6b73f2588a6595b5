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

// turn is what came of one turn.
type turn struct {
	load
	allocations, bytes float64 // for each journey
	cpu                time.Duration
}

// run lets endpoint, floor and empty handler take turns. The first round is not counted: it warms up, and says how much a turn
// uses up.
func (t *trial) run(storeName string) (line, error) {
	var err error
	if t.prepared, err = ask[outcome](t.server, order{Do: "prepare", Row: t.row.name}); err != nil {
		return line{}, err
	}
	count := 40 + t.connections
	for round := range t.rounds + 1 {
		order := []int{endpointTurn, floorTurn, emptyTurn}
		if round%2 == 1 { // whoever comes second has it neither better nor worse
			slices.Reverse(order)
		}
		for _, who := range order {
			take := t.take
			if round == t.rounds && t.profile != "" {
				take = t.profiled(storeName)
			}
			result, err := take(who, count)
			if err != nil {
				return line{}, err
			}
			if round > 0 {
				t.results[who] = append(t.results[who], result)
			} else if who == endpointTurn {
				count = t.connections + int(2*result.perSecond()*t.slice.Seconds())
			}
		}
	}
	return t.line(storeName), nil
}

// profiled is take with a CPU profile of the server.
func (t *trial) profiled(storeName string) func(who, count int) (turn, error) {
	return func(who, count int) (turn, error) {
		name := strings.Join([]string{storeName, t.row.name, [...]string{"endpoint", "floor", "empty"}[who]}, "-")
		file := filepath.Join(t.profile, strings.ReplaceAll(name, " ", "-")+".pprof")
		if _, err := ask[outcome](t.server, order{Do: "profile", Profile: file}); err != nil {
			return turn{}, err
		}
		result, err := t.take(who, count)
		_, stopping := ask[outcome](t.server, order{Do: "profile"})
		return result, errors.Join(err, stopping)
	}
}

// take is one turn.
func (t *trial) take(who, count int) (turn, error) {
	j := job{Host: t.prepared.Host, Connections: t.connections, Time: t.slice}
	switch who {
	case endpointTurn:
		j.Address = t.prepared.Endpoint
	case floorTurn:
		j.Address = t.prepared.Floor
	case emptyTurn:
		j.Address, j.Work = t.prepared.Empty, t.prepared.Work
	}
	if who != emptyTurn {
		supplied, err := ask[outcome](t.server, order{Do: "supply", Row: t.row.name, Connections: t.connections, Count: count})
		if err != nil {
			return turn{}, err
		}
		j.Work = supplied.Work
	}
	before, err := ask[outcome](t.server, order{Do: "usage"})
	if err != nil {
		return turn{}, err
	}
	l, err := ask[load](t.loader, j)
	if err != nil {
		return turn{}, err
	}
	if l.Journeys == 0 {
		return turn{}, errors.New("nothing was done in a whole turn; make -slice longer")
	}
	after, err := ask[outcome](t.server, order{Do: "usage"})
	n := float64(l.Journeys + t.connections) // the first of each connection is not counted, but costs
	return turn{
		load:        l,
		allocations: float64(after.Usage.Allocations-before.Usage.Allocations) / n,
		bytes:       float64(after.Usage.AllocatedBytes-before.Usage.AllocatedBytes) / n,
		cpu:         time.Duration(float64(after.Usage.CPU-before.Usage.CPU) / n),
	}, err
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
