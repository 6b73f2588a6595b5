package password

import (
	"crypto/subtle"
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// What a scrypt hash (RFC 7914) may ask for: 128 MiB at most, and about a second of a CPU.
const (
	maxScryptLogN  = 17
	maxScryptBlock = 8
	maxScryptTimes = 10
	maxScryptWork  = 10 << 18 // N·r·p
)

// scryptHash is one hash, in the PHC string format as passlib writes it,
//
//	$scrypt$ln=16,r=8,p=1$salt$key
//
// or as Django does: scrypt$16384$salt$8$1$key.
type scryptHash struct {
	logN, r, p int
	salt, key  []byte
}

func parseScrypt(rest string) (scryptHash, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 {
		return scryptHash{}, ErrFormat
	}
	s, err := parseScryptParams(part[0])
	if err != nil {
		return scryptHash{}, err
	}
	if s.salt, err = decode(part[1], 1, maxForeignSalt); err != nil {
		return scryptHash{}, err
	}
	s.key, err = decode(part[2], minForeignKey, maxForeignKey)
	return s, err
}

// parseScryptParams reads ln=…,r=…,p=….
func parseScryptParams(list string) (s scryptHash, err error) {
	field := strings.Split(list, ",")
	if len(field) != 3 {
		return s, ErrFormat
	}
	if s.logN, err = named("binary logarithm of scrypt's N", "ln", field[0], 1, maxScryptLogN); err != nil {
		return s, err
	}
	if s.r, err = named("r of scrypt", "r", field[1], 1, maxScryptBlock); err != nil {
		return s, err
	}
	if s.p, err = named("p of scrypt", "p", field[2], 1, maxScryptTimes); err != nil {
		return s, err
	}
	return s, s.bounded()
}

func (s scryptHash) bounded() error {
	if s.p*s.r<<s.logN > maxScryptWork {
		return outOfBounds("N times r times p of scrypt over %d", maxScryptWork)
	}
	return nil
}

func parseDjangoScrypt(rest string) (s scryptHash, err error) {
	part := strings.Split(rest, "$")
	if len(part) != 5 {
		return s, ErrFormat
	}
	n, err := number("N of scrypt", part[0], 2, 1<<maxScryptLogN)
	if err != nil {
		return s, err
	}
	if s.logN = bits.TrailingZeros(uint(n)); n != 1<<s.logN {
		return s, ErrFormat
	}
	if s.salt, err = text(part[1]); err != nil {
		return s, err
	}
	if s.r, err = number("r of scrypt", part[2], 1, maxScryptBlock); err != nil {
		return s, err
	}
	if s.p, err = number("p of scrypt", part[3], 1, maxScryptTimes); err != nil {
		return s, err
	}
	if s.key, err = decode(part[4], minForeignKey, maxForeignKey); err != nil {
		return s, err
	}
	return s, s.bounded()
}

// cost is the vector of N blocks and the p blocks that are mixed one after the other (RFC 7914 §5, §6).
func (s scryptHash) cost() cost {
	return cost{bytes: 128 * int64(s.r) * (1<<s.logN + int64(s.p) + 2), threads: 1}
}

// derive returns nil for parameters that the library refuses; none within bounds are.
func (s scryptHash) derive(plain []byte, size int) []byte {
	key, err := scrypt.Key(plain, s.salt, 1<<s.logN, s.r, s.p, size)
	if err != nil {
		return nil
	}
	return key
}

func (s scryptHash) match(plain []byte) bool {
	return subtle.ConstantTimeCompare(s.derive(plain, len(s.key)), s.key) == 1
}
