package rp

import (
	"crypto"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
)

// ProofKey is what tokens are bound to (RFC 9449): whoever has stolen one has not stolen the key. All nodes share it, and it stays
// while tokens live that are bound to it.
type ProofKey struct {
	// Algorithm is what proofs are signed by: "ES256". Required.
	Algorithm string
	// Signer holds the key, perhaps elsewhere. Required.
	Signer crypto.Signer
}

func (k *ProofKey) usable() bool {
	if k.Signer == nil || !(&ClientKey{Algorithm: k.Algorithm, Signer: k.Signer}).usable() {
		return false
	}
	_, err := jose.Thumbprint(k.Signer.Public())
	return err == nil
}

const (
	// useNonce is the error of a server that wants its nonce in a proof (RFC 9449 §8, §9).
	useNonce = "use_dpop_nonce"
	// maxNonce bounds what a server has us send back, and maxServers of how many we remember that.
	maxNonce   = 512
	maxServers = 32
)

// prover makes proofs of possession. It remembers the nonce that each server has given last (RFC 9449 §8.2), which no other server sees.
type prover struct {
	key *ProofKey
	jkt string
	now func() time.Time

	mu     sync.Mutex
	nonces map[string]string
}

// newProver returns the prover of a key that was checked. Nil is none.
func newProver(key *ProofKey, now func() time.Time) (*prover, error) {
	if key == nil {
		return nil, nil
	}
	jkt, err := jose.Thumbprint(key.Signer.Public())
	return &prover{key: key, jkt: jkt, now: now, nonces: map[string]string{}}, err
}

func serverOf(r *http.Request) string { return r.URL.Scheme + "://" + r.URL.Host }

// prove adds to a request the proof for it, and for the token that goes with it; "" is none.
func (d *prover) prove(r *http.Request, token string) error {
	target := *r.URL // RFC 9449 §4.2: without query and fragment
	target.RawQuery, target.ForceQuery, target.Fragment, target.RawFragment = "", false, "", ""
	d.mu.Lock()
	nonce := d.nonces[serverOf(r)]
	d.mu.Unlock()
	proof, err := dpop.Sign(d.key.Signer, jose.Algorithm(d.key.Algorithm), dpop.Request{Method: r.Method, URL: target.String(), Token: token}, nonce, d.now())
	if err != nil {
		return err
	}
	r.Header.Set("DPoP", proof)
	return nil
}

// learn remembers the nonce that a server has given. What is no nonce (§8.1) is none.
func (d *prover) learn(r *http.Request, header http.Header) {
	given := header.Values("DPoP-Nonce")
	if len(given) != 1 || len(given[0]) > maxNonce || strings.ContainsFunc(given[0], notInNonce) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.nonces[serverOf(r)]; !known && len(d.nonces) >= maxServers {
		clear(d.nonces) // each is given anew
	}
	d.nonces[serverOf(r)] = given[0]
}

// notInNonce are the characters that NQCHAR of RFC 6749 leaves out (Appendix A).
func notInNonce(c rune) bool { return c != 0x21 && (c < 0x23 || c > 0x5b) && (c < 0x5d || c > 0x7e) }
