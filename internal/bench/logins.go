package main

import (
	"context"
	"fmt"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// signInCost is what one way to sign in has the stores write, from the authorization request to the tokens.
type signInCost struct {
	Way, Store string
	// Commits are all; Durable are those of durable kinds, which are left to the database when the ephemeral ones have a store of their own.
	Commits, Durable int
}

// The targets, of a sign-in with two factors.
const (
	maxCommits = 9
	maxDurable = 4
)

func (c signInCost) misses() bool { return c.Commits > maxCommits || c.Durable > maxDurable }

// String says what was counted.
func (c signInCost) String() string {
	return fmt.Sprintf("commits of a sign-in by %s, %s: %d, of which %d durable", c.Way, c.Store, c.Commits, c.Durable)
}

// signIns counts the commits of sign-ins, as they are made.
func (s *server) signIns(ctx context.Context) ([]signInCost, error) {
	app := &nativeLogin{work: &work{Basic: s.world.basic(ownApp), ClientID: ownApp, RedirectURI: callback}, person: s.world.people[0]}
	ann, seed, err := s.world.guarded(ctx)
	if err != nil {
		return nil, err
	}
	guarded := s.world.login(webJWT, ann)
	guarded.code = showing(seed)
	var all []signInCost
	for _, way := range []struct {
		name    string
		journey journey
	}{
		{"password", s.world.login(webJWT, s.world.people[0])}, {"password and TOTP", guarded}, {"app", app},
	} {
		t, err := s.world.listen(func(url string) error { return s.world.walk(way.journey, url) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.name, err)
		}
		cost := signInCost{Way: way.name}
		for _, step := range t.steps {
			for _, c := range step.calls {
				if c.writes() {
					cost.Commits++
				}
				if c.writes() && c.durable() {
					cost.Durable++
				}
			}
		}
		all = append(all, cost)
	}
	return all, nil
}

// durable reports whether the call has changed a record of a durable kind.
func (c call) durable() bool {
	for _, op := range c.ops {
		if op.Verb != store.VerbCheck && !op.Record.Kind.Ephemeral {
			return true
		}
	}
	return false
}

// guarded is somebody who has signed in before and has got an authenticator app since, with the seed of that.
func (w *world) guarded(ctx context.Context) (person, []byte, error) {
	u := &directory.User{Username: "guarded-" + store.NewID()}
	if err := w.provider.Directory.CreateUser(ctx, u, password); err != nil {
		return person{}, nil, err
	}
	p := person{Username: u.Username, Password: password}
	l := w.login(webJWT, p)
	if err := w.walk(l, w.issuer); err != nil {
		return person{}, nil, err
	}
	p.Device = l.device()
	seed, err := mfa.TOTP{Issuer: "bench"}.Enroll(u.Username)
	if err != nil {
		return person{}, nil, err
	}
	return p, seed.Bytes(), w.enrol(ctx, p.Username, seed.Bytes())
}
