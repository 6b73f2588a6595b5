package main

import (
	"slices"
	"strings"
	"testing"
)

// DPoP adds one verification and one ephemeral write to a request, and nothing else (RFC 9449 §11.1): the calls of the store are counted
// as they are made, with and without the ephemeral kinds elsewhere.
func TestDPoP(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"memory", "sqlite", "sqlite+redis"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := open(t, name, 1).proofs()
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != 2 {
				t.Errorf("%d requests were compared, want 2", len(all))
			}
			for _, p := range all {
				if p.misses() {
					t.Error(p)
				}
			}
		})
	}
}

// Whatever else a proof would cost is found, and named.
func TestDPoPCostsMore(t *testing.T) {
	t.Parallel()
	bearer := []string{"read oidc.grant", "read directory.session", "read directory.session"}
	proof := []string{"read directory.session", provenCall, provenCall, "read oidc.grant"}
	p := proven{Request: "token endpoint", Store: "memory", Added: beyond(proof, bearer), Missing: beyond(bearer, proof)}
	if !p.misses() || !slices.Equal(p.Added, []string{provenCall, provenCall}) || !slices.Equal(p.Missing, []string{"read directory.session"}) {
		t.Errorf("%+v", p)
	}
	if err := (&report{Proven: []proven{p}}).check(); err == nil || !strings.Contains(err.Error(), p.String()) {
		t.Errorf("-check says %v", err)
	}
	good := proven{Added: []string{provenCall}}
	if err := (&report{Proven: []proven{good}}).check(); err != nil || good.misses() {
		t.Errorf("%v: %v", good, err)
	}
}
