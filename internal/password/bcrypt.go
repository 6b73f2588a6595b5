package password

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// maxBcryptCost takes about a second of a CPU; each further step doubles that.
const maxBcryptCost = 14

// bcryptHash is an encoded bcrypt hash of the kinds $2a$, $2b$ and $2y$, three names for
// one computation. $2x$ marks hashes of a faulty implementation and is not read.
type bcryptHash string

var bcryptFormat = regexp.MustCompile(`\A\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\z`)

func parseBcrypt(encoded string) (bcryptHash, error) {
	part := bcryptFormat.FindStringSubmatch(encoded)
	if part == nil {
		return "", ErrFormat
	}
	rounds, err := strconv.Atoi(part[1])
	if err != nil || rounds < bcrypt.MinCost || rounds > maxBcryptCost {
		return "", outOfBounds("cost of bcrypt not between %d and %d", bcrypt.MinCost, maxBcryptCost)
	}
	return bcryptHash(encoded), nil
}

// cost is one thread and the few KiB of Blowfish's tables.
func (bcryptHash) cost() cost { return cost{bytes: 8 << 10, threads: 1} }

func (b bcryptHash) match(plain []byte) bool {
	return bcrypt.CompareHashAndPassword([]byte(b), plain) == nil
}

// digestedBcrypt is bcrypt over the hexadecimal SHA-256 of the password, so that all of a long one counts:
// Django's bcrypt_sha256.
type digestedBcrypt struct{ bcryptHash }

func parseDigestedBcrypt(encoded string) (digestedBcrypt, error) {
	b, err := parseBcrypt(encoded)
	return digestedBcrypt{b}, err
}

func (d digestedBcrypt) match(plain []byte) bool {
	sum := sha256.Sum256(plain)
	return d.bcryptHash.match([]byte(hex.EncodeToString(sum[:])))
}
