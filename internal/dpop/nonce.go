package dpop

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/signet-idp/signet/internal/secret"
)

// Nonces makes and knows nonces without keeping any: each is a period of time under a MAC. All nodes with the same keys know the
// same ones, and there is a new one for every period.
type Nonces struct {
	// MACs returns the authentication code of a text under every key that may have made it, the working one first. Required.
	MACs func(text string) []string
	// Period is how long a nonce is given out; it is good for as long again. Zero is DefaultPeriod.
	Period time.Duration
}

// DefaultPeriod is the Period of Nonces.
const DefaultPeriod = 2 * time.Minute

// Current is the nonce to give out now.
func (n Nonces) Current(now time.Time) string { return n.at(n.period(now))[0] }

// Known reports whether a nonce is good, and whether it is still the one to give out: if it is good but not current, the next
// answer should carry another (RFC 9449 §8.2).
func (n Nonces) Known(nonce string, now time.Time) (good, current bool) {
	period := n.period(now)
	for back := range int64(2) {
		for _, known := range n.at(period - back) {
			if secret.Equal(known, nonce) {
				return true, back == 0
			}
		}
	}
	return false, false
}

func (n Nonces) period(now time.Time) int64 {
	length := n.Period
	if length <= 0 {
		length = DefaultPeriod
	}
	return now.UnixNano() / int64(length)
}

// at returns the nonces of a period under every key.
func (n Nonces) at(period int64) []string {
	var count [8]byte
	binary.BigEndian.PutUint64(count[:], uint64(period))
	macs := n.MACs("dpop nonce " + base64.RawURLEncoding.EncodeToString(count[:]))
	nonces := make([]string, len(macs))
	for i, mac := range macs {
		nonces[i] = secret.Hash(mac) // of one length and alphabet, whatever the form of the MAC (RFC 9449 §8.1)
	}
	return nonces
}
