package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/web"
)

// DPoP binds tokens to a key that the client holds and proves with every request (RFC 9449): an access token that was stolen
// is of no use. A client that sends a proof gets bound tokens; one registered with DPoPBoundTokens gets no others. Refresh tokens
// of public clients are bound too. A code is bound to the key that dpop_jkt, or the proof of a pushed request, names.
//
// A proof costs one verification and one write of an ephemeral record.
type DPoP struct {
	// Algorithms are those that proofs may be signed with, out of RS256, PS256, ES256, Ed25519, EdDSA and their longer kin; nil is all that
	// Config.Profile permits.
	Algorithms []string
	// ProofLifetime is how old a proof may be, at most ten minutes; zero is two minutes. One from up to 30 seconds in the
	// future is accepted, for clocks that differ.
	ProofLifetime time.Duration
	// RequireNonce makes every proof carry a nonce of the provider's (RFC 9449 §8, §9), so that none can be made ahead of time. A
	// client without one is told (use_dpop_nonce) and tries again. Without it, only a nonce that is sent is checked.
	RequireNonce bool
}

// proofs judges DPoP proofs.
type proofs struct {
	verifier     dpop.Verifier
	nonces       dpop.Nonces
	requireNonce bool
}

// longestProof is the longest ProofLifetime: RFC 9449 §11.1 speaks of seconds or minutes.
const longestProof = 10 * time.Minute

func (f DPoP) part(p *Provider) (part, error) {
	var problems []error
	v := dpop.Verifier{Age: f.ProofLifetime}
	if f.Algorithms == nil {
		v.Algorithms = p.config.Profile.narrow(jose.Supported())
	}
	for _, name := range f.Algorithms {
		v.Algorithms = append(v.Algorithms, jose.Algorithm(name))
		if !slices.Contains(jose.Supported(), jose.Algorithm(name)) {
			problems = append(problems, fmt.Errorf("oidc: Config.Features.DPoP.Algorithms: %q is not a known algorithm of a key pair (RFC 9449 §4.3)", name))
		}
	}
	if f.ProofLifetime < 0 || f.ProofLifetime > longestProof {
		problems = append(problems, fmt.Errorf("oidc: Config.Features.DPoP.ProofLifetime must be at most %s (RFC 9449 §11.1)", longestProof))
	}
	issuer := p.site.Issuer()
	p.proofs = &proofs{v, dpop.Nonces{MACs: func(text string) []string { return p.db.Keys().MACs(issuer, text) }}, f.RequireNonce}
	return part{
		features: []string{"DPoP"},
		describe: func(m *metadata) { m.DPoPAlgs = v.AlgorithmNames() },
	}, errors.Join(problems...)
}

// errNonce asks for a proof with the nonce that stands beside the answer (RFC 9449 §8).
var errNonce = &Error{Code: "use_dpop_nonce", Description: "the DPoP proof must have the nonce of this answer", Status: 400}

func invalidProof(description string) *Error {
	return &Error{Code: "invalid_dpop_proof", Description: description, Status: 400}
}

// readProof judges the DPoP headers of a request but for replay. It comes before everything that the request consumes, the jti of a
// client assertion among it, so that a client that is told a nonce can repeat the rest. A request without the header has no
// proof. Token is the access token that the request presents, if it does.
func (p *Provider) readProof(headers []string, r dpop.Request) (*dpop.Proof, *Error) {
	switch {
	case len(headers) == 0:
		return nil, nil
	case p.proofs == nil: // RFC 9449 §5: never taken for a plain request
		return nil, invalidProof("DPoP is not supported")
	}
	now := p.db.Now()
	proof, err := p.proofs.verifier.Verify(headers, r, now)
	if err != nil {
		return nil, invalidProof("the DPoP proof is wrong, too old, or for another request").because(err)
	}
	if proof.Nonce == "" && !p.proofs.requireNonce {
		return proof, nil
	}
	if good, _ := p.proofs.nonces.Known(proof.Nonce, now); !good {
		return nil, errNonce
	}
	return proof, nil
}

// nextNonce is the nonce that an answer should carry, after a proof and what was said of it; "" is none (RFC 9449 §8.2).
func (p *Provider) nextNonce(proof *dpop.Proof, refusal *Error) string {
	if p.proofs == nil {
		return ""
	}
	now := p.db.Now()
	if proof != nil && proof.Nonce != "" {
		if _, current := p.proofs.nonces.Known(proof.Nonce, now); current {
			return ""
		}
		return p.proofs.nonces.Current(now)
	}
	if refusal == errNonce || refusal != nil && p.proofs.requireNonce {
		return p.proofs.nonces.Current(now)
	}
	return ""
}

// useProof spends a proof, and returns the key that it proves; nil proves none.
func (p *Provider) useProof(ctx context.Context, proof *dpop.Proof) (jkt string, err error) {
	if proof == nil {
		return "", nil
	}
	skew := cmp.Or(p.proofs.verifier.Skew, dpop.DefaultSkew)
	first, err := p.spend(ctx, proof.ID, proof.Issued, proof.Until, skew)
	if err != nil {
		return "", err
	}
	if !first { // RFC 9449 §11.1
		return "", invalidProof("the DPoP proof was used before")
	}
	return proof.JKT, nil
}

// parseJKT reads dpop_jkt: the key that the code will be bound to (RFC 9449 §10).
func (p *Provider) parseJKT(form web.Form, q *authorizationRequest) *Error {
	jkt := form.Value("dpop_jkt")
	if p.proofs == nil || jkt == "" {
		return nil
	}
	if len(jkt) != newLength || !isUnreserved(jkt) {
		return invalidRequest("dpop_jkt is not a SHA-256 thumbprint")
	}
	q.JKT = jkt
	return nil
}

// bindTo binds the code to the key of the proof that came with a pushed request. Where dpop_jkt stands too, it must be the same
// (RFC 9449 §10.1).
func (q *authorizationRequest) bindTo(jkt string) *Error {
	if jkt == "" {
		return nil
	}
	if q.JKT != "" && q.JKT != jkt {
		return invalidProof("the DPoP proof is not of the key that dpop_jkt names")
	}
	q.JKT = jkt
	return nil
}
