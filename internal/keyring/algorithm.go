package keyring

import (
	"fmt"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
)

// The algorithms for keys to which others encrypt (RFC 7518 §4.3, §4.6).
const (
	rsaOAEP256 = "RSA-OAEP-256"
	ecdhES     = "ECDH-ES"
)

// Encryption lists the algorithms with a key pair to which others can encrypt.
func Encryption() []string { return []string{rsaOAEP256, ecdhES} }

// Signing lists the algorithms with a key pair that signs.
func Signing() []string {
	var names []string
	for _, a := range jose.Supported() {
		names = append(names, string(a))
	}
	return names
}

// shape returns the signing algorithm whose keys are of the form that the algorithm needs. A pair is made for one purpose
// and never used for another, whatever its form.
func shape(algorithm string) jose.Algorithm {
	switch algorithm {
	case rsaOAEP256:
		return jose.RS256
	case ecdhES:
		return jose.ES256
	}
	return jose.Algorithm(algorithm)
}

// all are the algorithms that are configured.
func (c Config) all() []string { return slices.Concat(c.Algorithms, c.OnDemand, c.Encryption) }

func (c Config) signs(algorithm string) bool {
	return slices.Contains(c.Algorithms, algorithm) || slices.Contains(c.OnDemand, algorithm)
}

// Algorithms lists those that Signer answers for: Config.Algorithms and then OnDemand.
func (r *Ring) Algorithms() []string { return slices.Concat(r.config.Algorithms, r.config.OnDemand) }

func notConfigured(algorithm string) error {
	return fmt.Errorf("keyring: %w: %q is not among those of Config", jose.ErrAlgorithm, algorithm)
}
