package password

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strings"
)

// Rounds of SHA-crypt. Those who write its strings do no fewer than the least; the most takes about a second of a CPU.
const (
	minCryptRounds     = 1000
	defaultCryptRounds = 5000
	maxCryptRounds     = 1_000_000
	maxCryptSalt       = 16
	// maxCryptBytes bounds rounds times bytes of the password, as every round hashes all of it: 84 bytes with the most rounds, and
	// with the 656,000 of passlib 128. A longer password is not the one that was hashed.
	maxCryptBytes = 84_000_000
)

const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// shaCrypt is $5$ (SHA-256) or $6$ (SHA-512), with rounds=… or without: "Unix crypt using SHA-256 and SHA-512", Ulrich
// Drepper, version 0.6. Comments below count its steps.
type shaCrypt struct {
	hash   func() hash.Hash
	order  []int
	rounds int
	salt   []byte
	sum    string
}

func parseSHACrypt(name, rest string) (c shaCrypt, err error) {
	c.hash, c.order, c.rounds = sha256.New, cryptOrder256(), defaultCryptRounds
	if name == "6" {
		c.hash, c.order = sha512.New, cryptOrder512()
	}
	if digits, more, ok := strings.Cut(rest, "$"); ok && strings.HasPrefix(digits, "rounds=") {
		if c.rounds, err = named("rounds of SHA-crypt", "rounds", digits, minCryptRounds, maxCryptRounds); err != nil {
			return c, err
		}
		rest = more
	}
	c.salt, c.sum, err = cryptParts(rest, maxCryptSalt, c.hash().Size())
	return c, err
}

// cryptParts reads salt$sum, the sum of size bytes.
func cryptParts(rest string, maxSalt, size int) (salt []byte, sum string, err error) {
	before, sum, _ := strings.Cut(rest, "$")
	if before == "" || len(before) > maxSalt || strings.ContainsAny(before, "\x00\n:") ||
		len(sum) != (size*8+5)/6 || strings.Trim(sum, cryptAlphabet) != "" {
		return nil, "", ErrFormat
	}
	return []byte(before), sum, nil
}

func (shaCrypt) cost() cost { return cost{bytes: 8 << 10, threads: 1} }

func (c shaCrypt) match(plain []byte) bool {
	if len(plain) > maxCryptBytes/c.rounds {
		return false
	}
	h := c.hash()
	b := digestOf(h, plain, c.salt, plain) // 4 to 8
	h.Reset()
	h.Write(plain)
	h.Write(c.salt)
	h.Write(stretch(b, len(plain))) // 9, 10
	for n := len(plain); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(b)
		} else {
			h.Write(plain)
		}
	}
	a := h.Sum(nil) // 12
	h.Reset()
	for range plain {
		h.Write(plain)
	}
	p := stretch(h.Sum(nil), len(plain)) // 13 to 16
	h.Reset()
	for range 16 + int(a[0]) {
		h.Write(c.salt)
	}
	s := stretch(h.Sum(nil), len(c.salt)) // 17 to 20
	a = cryptRounds(h, c.rounds, a, p, s)
	return subtle.ConstantTimeCompare([]byte(cryptEncode(a, c.order)), []byte(c.sum)) == 1
}

// cryptRounds is step 21 of SHA-crypt, and the same in MD5-crypt.
func cryptRounds(h hash.Hash, rounds int, a, p, s []byte) []byte {
	for i := range rounds {
		h.Reset()
		first, last := a, p
		if i&1 != 0 {
			first, last = p, a
		}
		h.Write(first)
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		h.Write(last)
		a = h.Sum(a[:0])
	}
	return a
}

func digestOf(h hash.Hash, parts ...[]byte) []byte {
	h.Reset()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// stretch repeats b until it has size bytes.
func stretch(b []byte, size int) []byte {
	long := make([]byte, 0, size+len(b))
	for len(long) < size {
		long = append(long, b...)
	}
	return long[:size]
}

// cryptEncode writes the bytes in their order, three to four characters, the least bits first.
func cryptEncode(sum []byte, order []int) string {
	text := make([]byte, 0, 88)
	for len(order) > 0 {
		n := min(3, len(order))
		group := 0
		for _, i := range order[:n] {
			group = group<<8 | int(sum[i])
		}
		for range n + 1 {
			text = append(text, cryptAlphabet[group&63])
			group >>= 6
		}
		order = order[n:]
	}
	return string(text)
}

// The orders in which the bytes of a sum are written: step 22 of SHA-crypt.

func cryptOrder256() []int {
	return []int{
		0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29, 31, 30,
	}
}

func cryptOrder512() []int {
	return []int{
		0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8, 29, 9, 30, 51, 31, 52, 10,
		53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41, 63,
	}
}

// md5Crypt is $1$ of FreeBSD and, by another name within the computation, $apr1$ of Apache.
type md5Crypt struct {
	magic string
	salt  []byte
	sum   string
}

func parseMD5Crypt(name, rest string) (c md5Crypt, err error) {
	c.magic = "$" + name + "$"
	c.salt, c.sum, err = cryptParts(rest, 8, md5.Size)
	return c, err
}

func (md5Crypt) cost() cost { return cost{bytes: 1 << 10, threads: 1} }

func (c md5Crypt) match(plain []byte) bool {
	h := md5.New()
	b := digestOf(h, plain, c.salt, plain)
	h.Reset()
	h.Write(plain)
	h.Write([]byte(c.magic))
	h.Write(c.salt)
	h.Write(stretch(b, len(plain)))
	for n := len(plain); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write([]byte{0})
		} else {
			h.Write(plain[:1])
		}
	}
	a := cryptRounds(h, 1000, h.Sum(nil), plain, c.salt)
	order := []int{0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, 11}
	return subtle.ConstantTimeCompare([]byte(cryptEncode(a, order)), []byte(c.sum)) == 1
}
