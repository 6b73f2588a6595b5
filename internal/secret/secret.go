// Package secret makes, hashes and compares the random values that open doors: cookie secrets, codes, tokens. It keeps
// the three rules that hold for each of them in one place: 256 bits from crypto/rand, only a SHA-256 digest at rest,
// comparison in constant time.
//
// SHA-256 without salt or stretching is right for values of at least 128 random bits and for nothing else. Short values
// go through store.KeyRing.MAC and passwords through internal/password.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
)

// Text is a secret in memory. It prints as "[redacted]" in every form that fmt and slog know; Reveal is the one way to
// its value, so that each use can be found by searching for that word.
type Text string

const redacted = "[redacted]"

// New returns 256 random bits as 43 characters of unpadded base64url.
func New() Text { return Text(random(32)) }

// Short returns 128 random bits as 22 characters of unpadded base64url: the least that may be stored under Hash.
func Short() Text { return Text(random(16)) }

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// String implements fmt.Stringer without revealing the secret.
func (t Text) String() string { return redacted }

// GoString implements fmt.GoStringer without revealing the secret.
func (t Text) GoString() string { return redacted }

// LogValue implements slog.LogValuer without revealing the secret.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// Hash returns the form in which the secret may be stored.
func (t Text) Hash() string { return Hash(string(t)) }

// Hash returns the SHA-256 digest of s as 43 characters of unpadded base64url.
func Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:])
}

// Matches reports whether presented is the secret that was stored as hash. An empty hash matches nothing.
func Matches(hash, presented string) bool {
	return hash != "" && Equal(hash, Hash(presented))
}

// Equal compares two values in time that depends on their lengths alone.
func Equal(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// UUID returns a random UUID (RFC 9562 §5.4) in its text form. It identifies and never authenticates.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
