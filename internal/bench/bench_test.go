package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// open makes a server over a store.
func open(t *testing.T, name string, people int) *server {
	t.Helper()
	s, err := newServer(t.Context(), name, t.TempDir(), servers(t, name), people)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Each floor answers what its endpoint answers: the same statuses and headers, and bodies of about the same size, twice on
// one connection.
func TestFloors(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Split(allStores, ",") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, name, 1)
			for _, r := range rows() {
				t.Run(r.name, func(t *testing.T) { compare(t, s, r) })
			}
		})
	}
}

func compare(t *testing.T, s *server, r row) {
	prepared, err := s.prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := walkTwice(t, s, r, prepared.Endpoint)
	floor := walkTwice(t, s, r, prepared.Floor)
	if len(endpoint) != 2*prepared.Requests {
		t.Errorf("two journeys have %d requests, want %d", len(endpoint), 2*prepared.Requests)
	}
	if len(endpoint) != len(floor) {
		t.Fatalf("the endpoint has answered %d requests, the floor %d", len(endpoint), len(floor))
	}
	for i, e := range endpoint {
		f := floor[i]
		if e.status != f.status || len(e.cookies) != len(f.cookies) || (e.location == "") != (f.location == "") {
			t.Errorf("answer %d: endpoint %v %v, floor %v %v", i, e, e.cookies, f, f.cookies)
		}
		if differ := len(e.body) - len(f.body); differ*differ > 16*16 { // numbers have more or fewer digits
			t.Errorf("answer %d: endpoint %d bytes, floor %d", i, len(e.body), len(f.body))
		}
	}
}

// walkTwice returns all answers of two journeys on one connection.
func walkTwice(t *testing.T, s *server, r row, address string) (all []answer) {
	t.Helper()
	w, err := r.supply(t.Context(), s.world, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(address, s.endpoint.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.observe = func(a answer) {
		a.body = bytes.Clone(a.body)
		all = append(all, a)
	}
	j := w.journeys(1)[0]
	for range 2 {
		if err := j.once(c); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// What floors decode records into has every member that is stored: they do not save work by leaving something out.
func TestReadings(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite", 1)
	known := readings(s.world.provider.DB)
	unread := map[string]bool{}
	for kind := range known {
		unread[kind] = true
	}
	if err := s.populate(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	var tapes []func() (*tape, error)
	for _, r := range rows() {
		tapes = append(tapes, func() (*tape, error) { return s.record(t.Context(), r) })
	}
	for _, r := range driverRows() {
		tapes = append(tapes, func() (*tape, error) { return r.record(t.Context(), s) })
	}
	for _, record := range tapes {
		recording, err := record()
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range recording.steps {
			for _, c := range unavoidable(step.calls) {
				delete(unread, c.kind.Name)
				for _, record := range c.records {
					if len(record.Body) > 0 {
						decodes(t, known[c.kind.Name], record)
					}
				}
			}
		}
	}
	if len(unread) > 0 {
		t.Errorf("nothing reads %v any more", unread)
	}
}

func decodes(t *testing.T, r reading, record store.Record) {
	t.Helper()
	if r.decode == nil {
		t.Errorf("%s is read, and has no reading", record.Kind)
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(record.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(r.fresh()); err != nil {
		t.Errorf("%s: %v", record.Kind, err)
	}
}

// A floor that does not do what was recorded would be too low a hurdle: its calls of the store are the endpoint's, but for
// those that were read before and the credential that verifying a password reads by itself.
func TestFloorsDoWhatWasRecorded(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite", 1)
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			prepared, err := s.prepare(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			walkTwice(t, s, r, prepared.Floor) // the copies are made by the first
			before, err := s.record(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			wantSize := 0
			for _, step := range before.steps {
				calls, size := described(unavoidable(step.calls))
				want, wantSize = append(want, calls...), wantSize+size
			}
			got := &tape{steps: []*recorded{{}}}
			c, err := dial(prepared.Floor, s.endpoint.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			w, err := r.supply(t.Context(), s.world, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			j := w.journeys(1)[0]
			if err := j.once(c); err != nil {
				t.Fatal(err)
			}
			s.world.store.tape.Store(got)
			err = j.once(c)
			s.world.store.tape.Store(nil)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(want) // a password is verified after the calls of its request
			// What is cached is asked about anew once a second, which may be while the floor is at work.
			did, size := described(slices.DeleteFunc(got.steps[0].calls, func(c call) bool { return slices.Contains(cached, c.kind.Name) }))
			if slices.Sort(did); !slices.Equal(did, want) {
				t.Errorf("the floor did\n%v\nwant\n%v", did, want)
			}
			if math.Abs(float64(size-wantSize)) > float64(wantSize)/50 { // times are written in more or fewer digits
				t.Errorf("the floor wrote %d bytes, want %d", size, wantSize)
			}
		})
	}
}

// described says what calls are about, without what is new each time, and how much they write.
func described(calls []call) (all []string, size int) {
	for _, c := range calls {
		if len(c.ops) == 0 {
			all = append(all, fmt.Sprint("read ", c.kind, " ", c.failed))
		}
		for _, op := range c.ops {
			all = append(all, fmt.Sprint(op.Verb, " ", op.Record.Kind, " ", len(op.Record.Index)))
			size += len(op.Record.Body)
		}
	}
	return all, size
}

// A sign-in of somebody who is known, in a browser that is known, with consent remembered, name and password on one page and
// no second factor, costs six commits, ephemeral kinds included: the request and the flow are written, the guess is counted,
// the session begins, the code is made, the code is redeemed. Each further page costs one: it is written when it is answered. The
// first sign-in of all costs no more than its page of consent: that the browser is known, and what was decided, goes along with what
// is written anyway.
func TestCommits(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite", 2)
	dir := s.world.provider.Directory

	known := s.world.login(webJWT, s.world.people[0])
	expect(t, s, known, "password", 2, 0, 2, 1, 1)

	newcomer := func(name string) (*login, *directory.User) {
		u := &directory.User{Username: name}
		if err := dir.CreateUser(t.Context(), u, password); err != nil {
			t.Fatal(err)
		}
		return s.world.login(webJWT, person{Username: name, Password: password}), u
	}
	first, _ := newcomer("stranger")
	expect(t, s, first, "password consent", 2, 0, 2, 0, 0, 1, 1, 1)

	ann, err := dir.FindUser(t.Context(), "", s.world.people[1].Username)
	if err != nil {
		t.Fatal(err)
	}
	guarded := s.world.login(webJWT, s.world.people[1])
	guarded.code = enrol(t, s, ann)
	expect(t, s, guarded, "password totp", 2, 0, 2, 0, 1, 1, 1)

	both, u := newcomer("careful stranger")
	both.code = enrol(t, s, u)
	expect(t, s, both, "password totp consent", 2, 0, 2, 0, 1, 0, 0, 1, 1, 1)
}

// enrol gives somebody an authenticator app, and returns what it shows.
func enrol(t *testing.T, s *server, u *directory.User) func() string {
	t.Helper()
	dir := s.world.provider.Directory
	seed, err := (mfa.TOTP{Issuer: "bench"}).Enroll(u.Username)
	if err != nil {
		t.Fatal(err)
	}
	b := s.world.provider.DB.Batch()
	if err := errors.Join(dir.Credentials.EnrollTOTP(t.Context(), b, dir.SubjectRef(u), "", seed.Bytes(), 0), b.Apply(t.Context())); err != nil {
		t.Fatal(err)
	}
	return func() string {
		code, err := mfa.TOTP{}.Code(seed.Bytes(), time.Now())
		if err != nil {
			t.Error(err)
		}
		return code
	}
}

// expect walks once and compares the pages, and the commits of each request.
func expect(t *testing.T, s *server, l *login, pages string, commits ...int) {
	t.Helper()
	port, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = port.Close() }()
	serve(port, s.world.store.listening(s.world.provider))
	recording, err := s.world.store.record(func() error { return s.world.walk(l, "http://"+port.Addr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(l.pages, " "); got != pages {
		t.Errorf("pages %q, want %q", got, pages)
	}
	if got := recording.commits(); !slices.Equal(got, commits) {
		t.Errorf("%s: commits by request %v, want %v", pages, got, commits)
	}
}
