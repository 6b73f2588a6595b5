package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/store"
)

// proven says what a request with a proof of possession (RFC 9449) asks of the store beyond the same request with a bearer token. Beside
// that it costs one verification, which is what its floor does.
type proven struct {
	Store, Request string
	// Added are the calls that only the request with the proof makes, Missing those that only the other one makes.
	Added, Missing []string `json:",omitempty"`
}

// provenCall is the one call that may be added: that the proof is used now, for a while.
const provenCall = "write oidc.replay (ephemeral)"

func (p proven) misses() bool {
	return !slices.Equal(p.Added, []string{provenCall}) || len(p.Missing) > 0
}

// String says it in words.
func (p proven) String() string {
	parts := []string{"adds " + listed(p.Added)}
	if len(p.Missing) > 0 {
		parts = append(parts, "leaves out "+listed(p.Missing))
	}
	return fmt.Sprintf("DPoP at the %s over %s %s", p.Request, p.Store, strings.Join(parts, ", "))
}

func listed(calls []string) string {
	if len(calls) == 0 {
		return "nothing"
	}
	return strings.Join(calls, ", ")
}

// provenRequest is a request without a proof, and with one.
type provenRequest struct {
	name          string
	bearer, proof func(*connection) ([]byte, error)
}

func (w *world) provenRequests() []provenRequest {
	token := func(headers ...string) func(*connection) ([]byte, error) {
		return func(c *connection) ([]byte, error) {
			return c.request("POST", tokenPath, append(headers, w.basic(ownES256)), credentialsForm), nil
		}
	}
	return []provenRequest{
		{"token endpoint", token(), func(c *connection) ([]byte, error) {
			proof, err := w.holder.proof(dpop.Request{Method: "POST", URL: w.issuer + tokenPath})
			return c.request("POST", tokenPath, append(signed{Proof: proof}.headers(), w.basic(ownES256)), credentialsForm), err
		}},
		{"userinfo endpoint", func(c *connection) ([]byte, error) {
			return c.request("GET", userInfoPath, []string{"Authorization: Bearer " + w.tokens[webJWT].Access}, ""), nil
		}, func(c *connection) ([]byte, error) {
			access := w.tokens[webFAPI].Access
			proof, err := w.holder.proof(dpop.Request{Method: "GET", URL: w.issuer + userInfoPath, Token: access})
			return c.request("GET", userInfoPath, append(signed{Proof: proof}.headers(), "Authorization: DPoP "+access), ""), err
		}},
	}
}

// proofs compares the calls of the store, request by request.
func (s *server) proofs() ([]proven, error) {
	var all []proven
	for _, r := range s.world.provenRequests() {
		bearer, err := s.asked(r.bearer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		proof, err := s.asked(r.proof)
		if err != nil {
			return nil, fmt.Errorf("%s with a proof: %w", r.name, err)
		}
		all = append(all, proven{Request: r.name, Added: beyond(proof, bearer), Missing: beyond(bearer, proof)})
	}
	return all, nil
}

// asked are the calls of one request, each in words.
func (s *server) asked(request func(*connection) ([]byte, error)) (all []string, err error) {
	t, err := s.world.tape(func(url string) error {
		w, err := s.world.once(1, request)
		if err != nil {
			return err
		}
		return s.world.walk(w.journeys(1)[0], url)
	})
	if err != nil {
		return nil, err
	}
	for _, c := range unavoidable(t.steps[0].calls) {
		all = append(all, c.String())
	}
	return all, nil
}

// String says what a call does to which kinds.
func (c call) String() string {
	if len(c.ops) == 0 {
		return "read " + ofKind(c.kind)
	}
	var parts []string
	for _, op := range c.ops {
		verb := "write "
		if op.Verb == store.VerbCheck {
			verb = "check "
		}
		parts = append(parts, verb+ofKind(op.Record.Kind))
	}
	return strings.Join(parts, " and ")
}

func ofKind(k store.Kind) string {
	if k.Ephemeral {
		return k.Name + " (ephemeral)"
	}
	return k.Name
}

// beyond are the calls of all that are not among the others, one for one.
func beyond(all, others []string) (left []string) {
	others = slices.Clone(others)
	for _, one := range all {
		if i := slices.Index(others, one); i >= 0 {
			others = slices.Delete(others, i, i+1)
			continue
		}
		left = append(left, one)
	}
	return left
}
