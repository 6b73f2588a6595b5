package password

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strings"
)

// parseLDAP reads a userPassword value of a directory server: {scheme}value, the scheme in any case.
func parseLDAP(encoded string) (scheme, error) {
	name, value, ok := strings.Cut(encoded[1:], "}")
	if !ok {
		return nil, ErrFormat
	}
	switch name = strings.ToUpper(name); name {
	case "CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "ARGON2", "ARGON2I", "ARGON2ID":
		if value == "" {
			return nil, ErrFormat
		}
		return parseModular(value)
	case "PBKDF2", "PBKDF2-SHA1", "PBKDF2-SHA256", "PBKDF2-SHA512":
		return parsePBKDF2(strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "PBKDF2"), "-")), value)
	}
	return parseDigest(name, value)
}

// digest is {SSHA}, {SSHA256}, {SSHA384} and {SSHA512}: one round of a hash over password and salt, and the same
// without "S" and salt. Neither resists guessing by somebody who has it. They are read because people who come from
// there must be able to sign in once; from then on their hash is another.
type digest struct {
	hash      func() hash.Hash
	sum, salt []byte
}

func parseDigest(name, value string) (d digest, err error) {
	salted := strings.HasPrefix(name, "SSHA")
	if salted {
		name = name[1:]
	}
	switch name {
	case "SHA":
		d.hash = sha1.New
	case "SHA256":
		d.hash = sha256.New
	case "SHA384":
		d.hash = sha512.New384
	case "SHA512":
		d.hash = sha512.New
	default:
		return d, ErrFormat
	}
	size := d.hash().Size()
	least, most := size, size
	if salted {
		least, most = size+1, size+maxForeignSalt
	}
	sum, err := decode(value, least, most)
	if err != nil {
		return d, err
	}
	d.sum, d.salt = sum[:size], sum[size:]
	return d, nil
}

func (digest) cost() cost { return cost{bytes: 1 << 10, threads: 1} }

func (d digest) match(plain []byte) bool {
	h := d.hash()
	h.Write(plain)
	h.Write(d.salt)
	return subtle.ConstantTimeCompare(h.Sum(nil), d.sum) == 1
}
