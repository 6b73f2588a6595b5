package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strings"
)

// maxIterations takes about a second of a CPU. A key that is longer than the hash is made of several, each as slow
// (RFC 8018 §5.2).
const maxIterations = 2_000_000

// pbkdf2Hash is one hash of PBKDF2-HMAC (RFC 8018 §5.2). Its string is passlib's or the PHC format's,
//
//	$pbkdf2-sha256$29000$salt$key
//	$pbkdf2-sha256$i=29000,l=32$salt$key
//
// Django's pbkdf2_sha256$29000$salt$key, or OpenLDAP's {PBKDF2-SHA256}29000$salt$key.
type pbkdf2Hash struct {
	hash       func() hash.Hash
	iterations int
	salt, key  []byte
}

// pbkdf2Function is the hash function of a name; PBKDF2 alone means SHA-1. Nil is none of ours.
func pbkdf2Function(name string) func() hash.Hash {
	switch name {
	case "", "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	}
	return nil
}

func parsePBKDF2(function, rest string) (h pbkdf2Hash, err error) {
	part := strings.Split(rest, "$")
	if h.hash = pbkdf2Function(function); h.hash == nil || len(part) != 3 {
		return h, ErrFormat
	}
	if h.salt, err = decode(part[1], 1, maxForeignSalt); err != nil {
		return h, err
	}
	if h.key, err = decode(part[2], minForeignKey, maxForeignKey); err != nil {
		return h, err
	}
	count, size, sized := strings.Cut(strings.TrimPrefix(part[0], "i="), ",")
	if sized {
		if l, err := named("length of a PBKDF2 key", "l", size, 1, maxForeignKey); err != nil || l != len(h.key) {
			return h, ErrFormat
		}
	}
	h.iterations, err = h.count(count)
	return h, err
}

func parseDjangoPBKDF2(function, rest string) (h pbkdf2Hash, err error) {
	part := strings.Split(rest, "$")
	if h.hash = pbkdf2Function(function); h.hash == nil || len(part) != 3 {
		return h, ErrFormat
	}
	if h.salt, err = text(part[1]); err != nil {
		return h, err
	}
	if h.key, err = decode(part[2], minForeignKey, maxForeignKey); err != nil {
		return h, err
	}
	h.iterations, err = h.count(part[0])
	return h, err
}

// count reads the iterations, of which a long key takes fewer.
func (h pbkdf2Hash) count(digits string) (int, error) {
	size := h.hash().Size()
	return number("iterations of PBKDF2", digits, 1, maxIterations/((len(h.key)+size-1)/size))
}

func (pbkdf2Hash) cost() cost { return cost{bytes: 4 << 10, threads: 1} }

func (h pbkdf2Hash) match(plain []byte) bool {
	key, err := pbkdf2.Key(h.hash, string(plain), h.salt, h.iterations, len(h.key))
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}
