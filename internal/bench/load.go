package main

import (
	"errors"
	"io"
	"slices"
	"sync"
	"time"
)

// job is what the load generator is asked to do: go on journeys on all connections to one of those who take turns, for some
// time. Open opens the connections first, in place of those that were open, and forgets what was counted.
type job struct {
	Who  int
	Open *opening
	Time time.Duration
}

// opening says where connections go, and which journeys are made on them.
type opening struct {
	// Addresses are taken in turn.
	Addresses   []string
	Host        string
	Connections int
	Work        work
}

// load is what came of all jobs since the connections were opened.
type load struct {
	Journeys int
	Elapsed  time.Duration
	P50, P99 time.Duration
}

// perSecond is the throughput.
func (l load) perSecond() float64 {
	if l.Elapsed == 0 {
		return 0
	}
	return float64(l.Journeys) / l.Elapsed.Seconds()
}

// crowd is the connections to one of those who take turns.
type crowd struct {
	connections []*connection
	journeys    []journey
	took        []time.Duration
	elapsed     time.Duration
}

// serveJobs is the load process.
func serveJobs(in io.Reader, out io.Writer) error {
	var crowds [turns]*crowd
	defer func() {
		for _, c := range crowds {
			c.close()
		}
	}()
	return answerLines(in, out, func(j job) (load, error) {
		if j.Open != nil {
			crowds[j.Who].close()
			var err error
			if crowds[j.Who], err = gather(*j.Open); err != nil {
				return load{}, err
			}
		}
		return crowds[j.Who].walk(j.Time)
	})
}

// gather opens the connections and uses each of them once, which is not counted.
func gather(o opening) (*crowd, error) {
	c := &crowd{journeys: o.Work.journeys(o.Connections)}
	for i := range o.Connections {
		opened, err := dial(o.Addresses[i%len(o.Addresses)], o.Host)
		if err != nil {
			c.close()
			return nil, err
		}
		c.connections = append(c.connections, opened)
	}
	return c, c.together(func(i int) error { return c.journeys[i].once(c.connections[i]) })
}

func (c *crowd) close() {
	if c == nil {
		return
	}
	for _, opened := range c.connections {
		opened.close()
	}
}

// together does something on all connections at once.
func (c *crowd) together(do func(i int) error) error {
	errs := make([]error, len(c.connections))
	var busy sync.WaitGroup
	for i := range c.connections {
		busy.Go(func() { errs[i] = do(i) })
	}
	busy.Wait()
	return errors.Join(errs...)
}

// walk goes on journeys for some time, and counts them.
func (c *crowd) walk(span time.Duration) (load, error) {
	if c == nil {
		return load{}, errors.New("no connections were opened")
	}
	times, began := make([][]time.Duration, len(c.connections)), time.Now()
	err := c.together(func(i int) error {
		var err error
		times[i], err = walkUntil(c.journeys[i], c.connections[i], began.Add(span))
		return err
	})
	c.elapsed += time.Since(began)
	c.took = slices.Concat(append(times, c.took)...)
	slices.Sort(c.took)
	l := load{Journeys: len(c.took), Elapsed: c.elapsed}
	if l.Journeys > 0 {
		l.P50, l.P99 = c.took[l.Journeys/2], c.took[l.Journeys*99/100]
	}
	return l, err
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
