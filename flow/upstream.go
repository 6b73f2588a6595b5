package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Upstream is who has come back from a provider upstream in this flow, as the provider's answer says: whether or not that is anybody here.
type Upstream struct {
	// Connection is the name of the connection; Issuer and ExternalID are who it is there.
	Connection string `json:"connection"`
	Issuer     string `json:"issuer"`
	ExternalID string `json:"externalId"`
	// Email is the address that the provider has, EmailVerified whether it says that it is theirs.
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"emailVerified,omitempty"`
	// Claims are what else it says, as texts: see UpstreamClaims.
	Claims map[string]string `json:"claims,omitempty"`
}

// upstreamFact is the fact that holds an Upstream: the last one of a flow.
const upstreamFact = "upstream"

// Facts are the Verdict.Facts by which State.Upstream returns u from here on.
func (u *Upstream) Facts() (map[string]string, error) {
	text, err := json.Marshal(u)
	return map[string]string{upstreamFact: string(text)}, err
}

// Upstream returns who has come back last from a provider in this flow, nil when nobody has.
func (s *State) Upstream() (*Upstream, error) {
	text := s.Facts[upstreamFact]
	if text == "" {
		return nil, nil
	}
	u := new(Upstream)
	if err := json.Unmarshal([]byte(text), u); err != nil {
		return nil, fmt.Errorf("flow: who came from upstream: %w", err)
	}
	return u, nil
}

// MayAddWayIn reports whether the person of the flow has shown in it, and lately, all that they have here: something of their own with which a
// sign-in begins, and their other factors. Neither the word of a provider nor what a session has brought along is enough to give an account another
// way in.
func (s *State) MayAddWayIn(ctx context.Context) (bool, error) {
	for _, e := range s.proven {
		if e.Issuer == "" && e.Begins() {
			return s.mayEnroll(ctx)
		}
	}
	return false, nil
}

// The bounds of UpstreamClaims, in bytes and in number.
const (
	maxUpstreamClaims = 50
	maxUpstreamText   = 1000
	maxUpstreamSize   = 4 << 10
)

// answerClaims are about the answer, and not about the person.
var answerClaims = []string{"nonce", "iat", "nbf", "exp", "jti", "at_hash", "c_hash", "s_hash"}

// UpstreamClaims are a provider's claims as texts, other values as JSON: the first 50 by name, none longer than 1000 bytes, 4 KiB in all. What is
// about the answer and not about the person is left out.
func UpstreamClaims(claims map[string]any) map[string]string {
	texts, size := map[string]string{}, 0
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if slices.Contains(answerClaims, name) || len(texts) == maxUpstreamClaims {
			continue
		}
		text, ok := claims[name].(string)
		if !ok {
			made, err := json.Marshal(claims[name])
			if err != nil {
				continue
			}
			text = string(made)
		}
		if len(name)+len(text) > maxUpstreamText || size+len(name)+len(text) > maxUpstreamSize {
			continue
		}
		texts[name], size = text, size+len(name)+len(text)
	}
	return texts
}
