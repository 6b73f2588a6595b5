package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// driverRow is a row about a driver alone: what a tape asks of the store, by the driver, and by hand (raw.go). There is no HTTP and no
// provider; both are used by callers in the server's process. The floor makes the driver's statements with the driver's bytes, over
// its pool, and decodes what it reads by the same function.
type driverRow struct {
	name string
	// alone is whether one caller is, rather than as many as there are connections.
	alone bool
	// people is whether it needs many of them.
	people bool
	// slowest is the target for the 99th percentile of the driver, where there is one; for the stores in within.
	slowest time.Duration
	within  []string
	record  func(ctx context.Context, s *server) (*tape, error)
}

// driverTarget is the least ratio to the floor for every driver.
const driverTarget = 0.75

// driverRows are the rows about drivers.
func driverRows() []driverRow {
	return []driverRow{
		{name: "driver: login mix", record: taping("code flow")},
		{name: "driver: code redemption", record: taping("code redemption")},
		{name: "driver: refresh", record: taping("refresh")},
		{name: "driver: session touch", record: touching},
		{name: "driver: user list", people: true, record: listing},
		{name: "driver: userName eq", people: true, alone: true, record: finding, slowest: 2 * time.Millisecond, within: []string{"postgres", "sqlite"}},
	}
}

func driverRowOf(name string) (driverRow, bool) {
	all := driverRows()
	i := slices.IndexFunc(all, func(r driverRow) bool { return r.name == name })
	if i < 0 {
		return driverRow{}, false
	}
	return all[i], true
}

// taping records the endpoint of a row.
func taping(name string) func(context.Context, *server) (*tape, error) {
	return func(ctx context.Context, s *server) (*tape, error) {
		all := rows()
		return s.record(ctx, all[slices.IndexFunc(all, func(r row) bool { return r.name == name })])
	}
}

// touching is what noting that a session is in use asks of the store (directory.Sessions, Open and then Touch), which happens at most
// once a minute and so cannot be waited for.
func touching(ctx context.Context, s *server) (*tape, error) {
	t, err := taping("refresh")(ctx, s)
	if err != nil {
		return nil, err
	}
	var calls []call
	for _, c := range unavoidable(t.steps[0].calls) {
		if c.kind.Name == "directory.session" || c.kind.Name == "directory.subject" {
			calls = append(calls, c)
		}
	}
	if len(calls) != 2 {
		return nil, errors.New("a refresh does not read a session and a subject any more")
	}
	body, err := json.Marshal(directory.SessionActivity{Seen: now()})
	kind := store.Kind{Name: "directory.activity", Ephemeral: true}
	activity := store.Record{Kind: kind, ID: store.NewID(), Body: body, Expires: now().Add(time.Hour)}
	calls = append(calls, call{kind: kind, id: activity.ID, records: []store.Record{activity}}, call{ops: []store.Op{store.Replace(activity)}})
	return &tape{at: time.Now(), steps: []*recorded{{calls: calls}}}, err
}

// listing is the first page of all people who are not disabled, by their user names.
func listing(ctx context.Context, s *server) (*tape, error) {
	return s.asking(ctx, store.Query{Filter: store.Equals("disabled", store.Bool(false)), Sort: "username"}, 100)
}

// finding is a filter that one person meets, another one each time.
func finding(ctx context.Context, s *server) (*tape, error) {
	t, err := s.asking(ctx, store.Query{Filter: store.Equals("username", store.Text(username(0)))}, 1)
	if err == nil {
		t.vary = func(q *store.Query, n int64) {
			q.Filter = store.Equals("username", store.Text(username(int(n*7919%int64(s.people)))))
		}
	}
	return t, err
}

// asking records a query for people.
func (s *server) asking(ctx context.Context, q store.Query, found int) (*tape, error) {
	recorder := s.world.store
	t := &tape{at: time.Now(), steps: []*recorded{{}}}
	recorder.tape.Store(t)
	page, err := s.world.provider.Directory.Users.List(ctx, q)
	recorder.tape.Store(nil)
	if err == nil && len(page.Items) != found {
		err = fmt.Errorf("%d people were found, want %d", len(page.Items), found)
	}
	return t, err
}

// The two that take turns in a driver's row are those of endpoint and floor.
const drivers = 2

// drive prepares a row about the driver. The outcome counts its reads and writes.
func (s *server) drive(ctx context.Context, r driverRow) (outcome, error) {
	t, err := r.record(ctx, s)
	if err != nil {
		return outcome{}, fmt.Errorf("%s: recording: %w", r.name, err)
	}
	if err := s.lower(ctx); err != nil {
		return outcome{}, err
	}
	var out outcome
	for who, driver := range [drivers]store.Driver{s.opened.driver, s.raw} {
		f, err := newFloor(driver, readings(s.world.provider.DB), t, nil)
		if err != nil {
			return outcome{}, fmt.Errorf("%s: %w", r.name, err)
		}
		s.driven[who] = f
		out.Requests = len(f.steps)
	}
	for _, step := range s.driven[0].steps {
		for _, c := range step.calls {
			if len(c.ops) == 0 {
				out.Reads++
			} else {
				out.Writes++
			}
		}
	}
	return out, nil
}

// gatherCallers makes the callers of one of the two, and has each go once.
func (s *server) gatherCallers(who, callers int) error {
	c := &crowd{connections: make([]*connection, callers)}
	for range callers {
		c.journeys = append(c.journeys, &driving{replay{floor: s.driven[who]}})
	}
	s.callers[who] = c
	return c.together(func(i int) error { return c.journeys[i].once(nil) })
}

// driving goes through a tape without anybody who asks.
type driving struct{ replay }

// once implements journey.
func (d *driving) once(*connection) error {
	for range d.floor.steps {
		if err := d.do(context.Background(), &d.floor.steps[d.at]); err != nil {
			return err
		}
		d.at = (d.at + 1) % len(d.floor.steps)
	}
	return nil
}
