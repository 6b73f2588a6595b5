package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// writers is how many goroutines the process that is killed writes with: drivers may share commits among them.
const writers = 4

// pair is one step of a writer: two records and a counter, which must be there together or not at all.
func pair(writer, n int) []store.Op {
	left := store.Record{Kind: durable, ID: fmt.Sprintf("left-%d-%d", writer, n), Body: []byte(`{"side":"left"}`)}
	left.Keys = []store.Key{{Name: "k", Value: left.ID}}
	left.Index = []store.Entry{{Field: "writer", Value: store.Number(int64(writer))}}
	right := store.Record{Kind: other, ID: fmt.Sprintf("right-%d-%d", writer, n), Body: []byte(`{"side":"right"}`)}
	return []store.Op{store.Insert(left), store.Insert(right), store.Add(durable, ref(fmt.Sprint("count-", writer)), 1, time.Time{})}
}

// playWriter writes until it is killed, and prints a line for every step that was acknowledged: "writer n 0" for a pair, and
// "writer n version" for the phoenix after it.
func playWriter(ctx context.Context, driver store.Driver) error {
	var all sync.WaitGroup
	errs := make([]error, writers)
	for writer := range writers {
		all.Go(func() {
			for n := 0; errs[writer] == nil; n++ {
				_, errs[writer] = driver.Apply(ctx, epoch, pair(writer, n)...)
				if errs[writer] == nil {
					fmt.Printf("%d %d 0\n", writer, n) // one write, so that lines stay whole
					errs[writer] = phoenix(ctx, driver, writer, n)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// phoenix writes and deletes one record, always the same, and prints the version it had.
func phoenix(ctx context.Context, driver store.Driver, writer, n int) error {
	id := ref(fmt.Sprint("phoenix-", writer))
	results, err := driver.Apply(ctx, epoch, store.Insert(store.Record{Kind: durable, ID: id.ID, Body: []byte("{}")}))
	if err != nil {
		return err
	}
	if _, err := driver.Apply(ctx, epoch, store.Delete(durable, id, results[0].Version)); err != nil {
		return err
	}
	fmt.Printf("%d %d %d\n", writer, n, results[0].Version)
	return nil
}

// acknowledged is what a writer's process had said when it was killed.
type acknowledged struct {
	steps    [writers]int // acknowledged so far, so that it is the number of the one in doubt
	versions map[int64]bool
}

func killAndReopen(c *trial, dir string, open func()) {
	p := c.start("write", dir)
	acked := acknowledged{versions: map[int64]bool{}}
	for range c.size(600, 200) {
		acked.note(c, p.read(c))
	}
	if err := p.cmd.Process.Kill(); err != nil {
		c.Fatal(err)
	}
	for p.lines.Scan() { // what it had said before it died
		acked.note(c, p.lines.Text())
	}
	p.kill()
	open()
	for writer, steps := range acked.steps {
		c.survived(writer, steps)
		c.resurrect(writer, acked.versions)
	}
}

func (a *acknowledged) note(c *trial, line string) {
	c.Helper()
	var writer, n int
	var version int64
	if _, err := fmt.Sscanf(line, "%d %d %d", &writer, &n, &version); err != nil || writer >= writers {
		c.Fatalf("storetest: the writer said %q", strings.TrimSpace(line))
	}
	a.steps[writer] = n + 1
	a.versions[version] = true
}

// survived demands every acknowledged step of a writer, whole, and the one in doubt whole or not at all.
func (c *trial) survived(writer, steps int) {
	c.Helper()
	for n := range steps {
		if got := c.present(writer, n); got != 2 {
			c.broken("step %d of writer %d was acknowledged, and %d of its 2 records are there after kill -9", n, writer, got)
		}
	}
	doubtful := c.present(writer, steps)
	if doubtful == 1 {
		c.broken("step %d of writer %d was cut in half by kill -9", steps, writer)
	}
	if got := c.present(writer, steps+1); got != 0 {
		c.broken("step %d of writer %d is there, which it had not begun", steps+1, writer)
	}
	whole := steps + doubtful/2
	if got := c.get(ref(fmt.Sprint("count-", writer))); got.Count != int64(whole) {
		c.broken("%d steps of writer %d are there, but its counter says %d", whole, writer, got.Count)
	}
	if got := c.list(store.Query{Filter: store.Equals("writer", store.Number(int64(writer)))}); len(got) != whole {
		c.broken("%d steps of writer %d are there, but the index lists %d", whole, writer, len(got))
	}
}

// present counts the records of a step, by id and by key.
func (c *trial) present(writer, n int) int {
	c.Helper()
	found := 0
	for _, op := range pair(writer, n)[:2] {
		_, err := c.driver.Get(c.Context(), c.now, op.Record.Kind, "", op.Record.ID)
		if err == nil {
			found++
		} else if !errors.Is(err, store.ErrNotFound) {
			c.stop("Get after reopening: %v", err)
		}
		for _, key := range op.Record.Keys {
			if (c.lookup("", key) == op.Record.ID) != (err == nil) {
				c.broken("after kill -9 record %s and its unique key disagree", op.Record.ID)
			}
		}
	}
	return found
}

// resurrect writes the record that the writer had written and deleted all the time.
func (c *trial) resurrect(writer int, versions map[int64]bool) {
	c.Helper()
	id := ref(fmt.Sprint("phoenix-", writer))
	if left, err := c.driver.Get(c.Context(), c.now, c.kind, "", id.ID); err == nil { // killed before it deleted it
		versions[left.Version] = true
		c.write(store.Delete(c.kind, id, left.Version))
	}
	if version := c.write(store.Insert(c.record(id.ID))).Version; versions[version] {
		c.broken("version %d was given out again after kill -9", version)
	}
}
