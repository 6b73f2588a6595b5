package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report is everything that was measured.
type report struct {
	Lines   []line
	Process *processCost `json:",omitempty"`
	Loaded  []loaded     `json:",omitempty"`
	Trips   []trips      `json:",omitempty"`
	Durable []durable    `json:",omitempty"`
	Proven  []proven     `json:",omitempty"`
	SignIns []signInCost `json:",omitempty"`
	Parts   []part       `json:",omitempty"`
	// Skipped are stores that could not be measured here, and why.
	Skipped []string `json:",omitempty"`
}

// line is one row over one store. All values are medians of the rounds.
type line struct {
	Name, Store string
	// Requests is how many a journey has.
	Requests int
	Target   float64
	// Slowest is the target for the 99th percentile of the endpoint; zero is none.
	Slowest time.Duration `json:",omitempty"`
	// Ratio is the endpoint's throughput to the floor's; ToEmpty to that of a handler that does nothing.
	Ratio, ToEmpty float64
	// CPURatio is the floor's CPU time to the endpoint's: what the ratio would be if the CPU were all that counts.
	CPURatio               float64
	Endpoint, Floor, Empty side
}

// side is one of those that took turns, for each journey.
type side struct {
	PerSecond          float64
	P50, P99           time.Duration
	Allocations, Bytes float64
	CPU                time.Duration
}

// loaded is the resident memory of a server after all load.
type loaded struct {
	Store    string
	Resident int64
}

// The targets of a process.
const (
	maxColdStart = 150 * time.Millisecond
	maxIdle      = 10 << 20
)

// print writes the table.
func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Lines) > 0 {
		_, _ = fmt.Fprintln(w, "store\tendpoint\tper s\tfloor\tratio\ttarget\tcpu ratio\tto empty\tp50\tp99\tfloor p50\tp99\tallocs\tfloor\tcpu\tfloor\t")
	}
	for _, l := range r.Lines {
		mark := ""
		if l.misses() {
			mark = " MISSES"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%.0f\t%s\t%s\t%s\n",
			l.Store, l.Name, l.Endpoint.PerSecond, l.Floor.PerSecond, l.Ratio, l.Target, known(l.CPURatio), known(l.ToEmpty),
			brief(l.Endpoint.P50), brief(l.Endpoint.P99), brief(l.Floor.P50), brief(l.Floor.P99),
			l.Endpoint.Allocations, l.Floor.Allocations, brief(l.Endpoint.CPU), brief(l.Floor.CPU), mark)
	}
	_ = w.Flush()
	if r.Process != nil {
		_, _ = fmt.Fprintf(out, "cold start %s (target %s), idle memory %.1f MiB (target %d MiB) and %.1f MiB of the program's file\n",
			brief(r.Process.ColdStart), maxColdStart, mebibytes(r.Process.Idle), maxIdle>>20, mebibytes(r.Process.Program))
	}
	for _, t := range r.Trips {
		_, _ = fmt.Fprintf(out, "round trips of an Apply, %s: %.2f for one operation", t.Store, t.One)
		if t.Five > 0 {
			_, _ = fmt.Fprintf(out, ", %.2f for five", t.Five)
		}
		_, _ = fmt.Fprintf(out, " (target %d)\n", maxTrips)
	}
	for _, d := range r.Durable {
		_, _ = fmt.Fprintf(out, "durable commits of a refresh, %s: %.2f (target 1)", d.Store, d.Commits)
		if d.Syncs >= 0 {
			_, _ = fmt.Fprintf(out, ", %.2f flushes counted by the server", d.Syncs)
		}
		_, _ = fmt.Fprintln(out)
	}
	for _, p := range r.Proven {
		_, _ = fmt.Fprintf(out, "%s (target: %s)\n", p, provenCall)
	}
	for _, c := range r.SignIns {
		_, _ = fmt.Fprintf(out, "%s (target %d and %d)\n", c, maxCommits, maxDurable)
	}
	for _, l := range r.Lines {
		if l.engine() {
			_, _ = fmt.Fprintf(out, "%s beyond its floor, %s: %s of CPU (target %s)\n", l.Name, l.Store, brief(l.overhead()), brief(maxOverhead))
		}
	}
	for _, p := range r.Parts {
		_, _ = fmt.Fprintln(out, p)
	}
	for _, s := range r.Skipped {
		_, _ = fmt.Fprintf(out, "skipped %s\n", s)
	}
	for _, l := range r.Loaded {
		_, _ = fmt.Fprintf(out, "memory after all load, %s: %.1f MiB\n", l.Store, mebibytes(l.Resident))
	}
}

// known is a ratio, or nothing where there was nothing to compare with.
func known(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", ratio)
}

func brief(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

func (l line) misses() bool { return l.Ratio < l.Target || l.slow() }

func (l line) slow() bool { return l.Slowest > 0 && l.Endpoint.P99 > l.Slowest }

// engine reports whether what the line costs beyond its floor is the engine's and the protocol's, and neither hash, signature nor durable
// write.
func (l line) engine() bool {
	return l.Store == "memory" && slices.Contains([]string{signInRow, appRow, passkeyRow}, l.Name)
}

// overhead is CPU time: how long somebody waits depends on who else does.
func (l line) overhead() time.Duration { return l.Endpoint.CPU - l.Floor.CPU }

// checkEngine names what misses a target of signing in.
func (r *report) checkEngine() error {
	var problems []error
	for _, c := range r.SignIns {
		if c.misses() {
			problems = append(problems, fmt.Errorf("%s, want %d and %d", c, maxCommits, maxDurable))
		}
	}
	for _, l := range r.Lines {
		if l.engine() && l.overhead() > maxOverhead {
			problems = append(problems, fmt.Errorf("%s over %s: %s of CPU beyond its floor, want %s", l.Name, l.Store, brief(l.overhead()), brief(maxOverhead)))
		}
	}
	for _, p := range r.Parts {
		if p.misses() {
			problems = append(problems, errors.New(p.String()))
		}
	}
	return errors.Join(problems...)
}

// check names everything that misses its target.
func (r *report) check() error {
	var problems []error
	for _, l := range r.Lines {
		if l.Ratio < l.Target {
			problems = append(problems, fmt.Errorf("%s over %s: %.2f of the floor, want %.2f", l.Name, l.Store, l.Ratio, l.Target))
		}
		if l.slow() {
			problems = append(problems, fmt.Errorf("%s over %s: 99 of 100 take up to %s, want %s", l.Name, l.Store, brief(l.Endpoint.P99), brief(l.Slowest)))
		}
	}
	for _, t := range r.Trips {
		if t.One > maxTrips || t.Five > maxTrips {
			problems = append(problems, fmt.Errorf("an Apply over %s takes %.2f round trips, of five operations %.2f, want %d", t.Store, t.One, t.Five, maxTrips))
		}
	}
	for _, d := range r.Durable {
		if d.missesCommits() {
			problems = append(problems, fmt.Errorf("a refresh over %s makes %.2f durable commits, want 1", d.Store, d.Commits))
		}
		if d.missesFlushes() {
			problems = append(problems, fmt.Errorf("a refresh over %s is flushed %.2f times: what is acknowledged could be lost", d.Store, d.Syncs))
		}
	}
	for _, p := range r.Proven {
		if p.misses() {
			problems = append(problems, fmt.Errorf("%s, want %s", p, provenCall))
		}
	}
	problems = append(problems, r.checkEngine())
	if p := r.Process; p != nil && p.ColdStart > maxColdStart {
		problems = append(problems, fmt.Errorf("cold start takes %s, want %s", brief(p.ColdStart), maxColdStart))
	}
	if p := r.Process; p != nil && p.Idle > maxIdle {
		problems = append(problems, fmt.Errorf("an idle process has %.1f MiB, want %d MiB", mebibytes(p.Idle), maxIdle>>20))
	}
	return errors.Join(problems...)
}
