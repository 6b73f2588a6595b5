package storetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/signet-idp/signet/store"
)

// contest is one line from the test to its competitors: what to do, all at once.
type contest struct {
	Verb    store.Verb
	ID      string
	Version int64
	Key     string
}

// op is a competitor's step. The record tells who wrote it.
func (k contest) op() store.Op {
	r := store.Record{Kind: durable, ID: k.ID, Version: k.Version, Body: fmt.Appendf(nil, `{"process":%d}`, os.Getpid())}
	if k.Key != "" {
		r.ID = fmt.Sprintf("%s-%d", k.ID, os.Getpid())
		r.Keys = []store.Key{{Name: "k", Value: k.Key}}
	}
	if k.Verb == store.VerbAdd {
		return store.Add(durable, ref(k.ID), 1, time.Time{})
	}
	return store.Op{Verb: k.Verb, Record: r}
}

// playCompetitor answers each contest with one line: "won" or the reason of the conflict; anything else is a failure.
func playCompetitor(ctx context.Context, driver store.Driver) error {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var k contest
		if err := json.Unmarshal(input.Bytes(), &k); err != nil {
			return err
		}
		_, err := driver.Apply(ctx, epoch, k.op())
		conflict, lost := errors.AsType[*store.Conflict](err)
		switch {
		case err == nil:
			fmt.Println("won")
		case lost:
			fmt.Println(conflict.Reason)
		default:
			fmt.Println("failed:", err)
		}
	}
	return input.Err()
}

// twoProcesses has two processes compete for a record that a third, this one, has prepared.
func twoProcesses(c *trial, dir string, open func()) {
	open()
	competitors := []*process{c.start("compete", dir), c.start("compete", dir)}
	for round := range c.size(30, 10) {
		id := fmt.Sprint("r", round)
		version := c.write(store.Insert(c.record(id))).Version
		c.contend(competitors, contest{Verb: store.VerbReplace, ID: id, Version: version}, store.Version)
		version = c.get(ref(id)).Version
		c.contend(competitors, contest{Verb: store.VerbDelete, ID: id, Version: version}, store.Absent)
		c.absent(ref(id))
		c.contend(competitors, contest{Verb: store.VerbInsert, ID: id}, store.Exists)
		c.get(ref(id))
		c.contend(competitors, contest{Verb: store.VerbInsert, ID: "with-key-" + id, Key: id}, store.Exists)
		if c.lookup("", store.Key{Name: "k", Value: id}) == "" {
			c.broken("nobody holds the key that was won")
		}
		c.add(competitors, int64(round+1))
	}
}

// contend gives all competitors the same step and demands one winner.
func (c *trial) contend(competitors []*process, k contest, lost store.Reason) {
	c.Helper()
	winners := 0
	for _, answer := range c.command(competitors, k) {
		switch answer {
		case "won":
			winners++
		case lost.String():
		default:
			c.stop("a competitor's %s answered: %s", k.Verb, answer)
		}
	}
	if winners != 1 {
		c.stop("%d of %d processes won a %s", winners, len(competitors), k.Verb)
	}
}

// add has all competitors count at once; nobody loses.
func (c *trial) add(competitors []*process, round int64) {
	c.Helper()
	for _, answer := range c.command(competitors, contest{Verb: store.VerbAdd, ID: "counter"}) {
		if answer != "won" {
			c.stop("a competitor's Add answered: %s", answer)
		}
	}
	if got, want := c.get(ref("counter")).Count, round*int64(len(competitors)); got != want {
		c.stop("processes that added %d in all left a count of %d", want, got)
	}
}

func (c *trial) command(competitors []*process, k contest) []string {
	c.Helper()
	line, err := json.Marshal(k)
	if err != nil {
		c.Fatal(err)
	}
	for _, p := range competitors {
		if _, err := p.input.Write(append(line, '\n')); err != nil {
			c.Fatalf("storetest: the process takes no more input: %v: %s", err, p.fault)
		}
	}
	answers := make([]string, len(competitors))
	for i, p := range competitors {
		answers[i] = p.read(c)
	}
	return answers
}

// openTwice proves that a folder opened twice is one store, which the other cases rely on.
func openTwice(c *trial, _ string, open func()) {
	open()
	first := c.driver
	open()
	version := c.write(store.Insert(c.indexed("1", "v"))).Version
	c.driver, c.store = first, first
	if got := c.get(ref("1")); got.Version != version {
		c.broken("one wrote version %d, the other reads version %d", version, got.Version)
	}
	if c.lookup("", store.Key{Name: "k", Value: "v"}) != "1" || len(c.list(store.Query{})) != 1 {
		c.broken("one wrote a record with a key, which the other neither finds nor lists")
	}
	c.refuse(c.conflict(store.Exists, "1"), store.Insert(c.record("1")))
	c.write(store.Delete(c.kind, ref("1"), version))
	if again := c.write(store.Insert(c.record("1"))).Version; again == version {
		c.broken("version %d was given out twice, by two that have opened one folder", version)
	}
}
