package main

import (
	"errors"
	"io"
	"slices"
	"sync"
	"time"
)

// job is what the load generator is asked to do: go on journeys to an address, on all connections at once, for some time.
type job struct {
	Address, Host string
	Connections   int
	Time          time.Duration
	Work          work
}

// load is what came of a job.
type load struct {
	Journeys int
	Elapsed  time.Duration
	P50, P99 time.Duration
}

// perSecond is the throughput.
func (l load) perSecond() float64 { return float64(l.Journeys) / l.Elapsed.Seconds() }

// serveJobs is the load process.
func serveJobs(in io.Reader, out io.Writer) error { return answerLines(in, out, job.do) }

// do does the job. Connections are opened, and used once, before the clock runs.
func (j job) do() (load, error) {
	all := make([]*connection, j.Connections)
	for i := range all {
		c, err := dial(j.Address, j.Host)
		if err != nil {
			return load{}, err
		}
		defer c.close()
		all[i] = c
	}
	journeys := j.Work.journeys(j.Connections)
	times := make([][]time.Duration, len(all))
	errs := make([]error, len(all))
	together := func(walk func(i int)) {
		var busy sync.WaitGroup
		for i := range all {
			busy.Go(func() { walk(i) })
		}
		busy.Wait()
	}
	together(func(i int) { errs[i] = journeys[i].once(all[i]) })
	if err := errors.Join(errs...); err != nil {
		return load{}, err
	}
	began := time.Now()
	together(func(i int) { times[i], errs[i] = walkUntil(journeys[i], all[i], began.Add(j.Time)) })
	l := load{Elapsed: time.Since(began)}
	took := slices.Concat(times...)
	slices.Sort(took)
	if l.Journeys = len(took); l.Journeys > 0 {
		l.P50, l.P99 = took[l.Journeys/2], took[l.Journeys*99/100]
	}
	return l, errors.Join(errs...)
}

// walkUntil goes on journeys until a time, and says how long each took.
func walkUntil(j journey, c *connection, end time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for now := time.Now(); now.Before(end); {
		err := j.once(c)
		if errors.Is(err, errNoMore) {
			return took, nil
		}
		if err != nil {
			return took, err
		}
		after := time.Now()
		took, now = append(took, after.Sub(now)), after
	}
	return took, nil
}
