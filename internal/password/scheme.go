package password

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// maxEncoded is longer than any string whose parts are within bounds.
const maxEncoded = 1024

// What a foreign hash may hold, in bytes. The least key is that of MD5.
const (
	maxForeignSalt = 128
	minForeignKey  = 16
	maxForeignKey  = 128
)

// scheme is an encoded hash that was read and whose parameters are within bounds.
type scheme interface {
	cost() cost
	match(plain []byte) bool
}

// parse reads an encoded hash of any kind, by how it begins: "$" as in crypt(5) and PHC strings,
// "{" as in LDAP (RFC 2307 §5.3), and else the words of Django.
func parse(encoded string) (scheme, error) {
	switch {
	case encoded == "" || len(encoded) > maxEncoded:
		return nil, ErrFormat
	case encoded[0] == '$':
		return parseModular(encoded)
	case encoded[0] == '{':
		return parseLDAP(encoded)
	}
	return parseDjango(encoded)
}

func parseModular(encoded string) (scheme, error) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(encoded, "$"), "$")
	if !ok || encoded[0] != '$' {
		return nil, ErrFormat
	}
	switch name {
	case argon2id, argon2i:
		return parseArgon2(encoded)
	case "2a", "2b", "2y":
		return parseBcrypt(encoded)
	case "scrypt":
		return parseScrypt(rest)
	case "firescrypt":
		return parseFirebase(rest)
	case "pbkdf2", "pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512":
		return parsePBKDF2(strings.TrimPrefix(strings.TrimPrefix(name, "pbkdf2"), "-"), rest)
	case "1", "apr1":
		return parseMD5Crypt(name, rest)
	case "5", "6":
		return parseSHACrypt(name, rest)
	}
	return nil, ErrFormat
}

// parseDjango reads what Django's password hashers write into auth_user.password.
func parseDjango(encoded string) (scheme, error) {
	name, rest, _ := strings.Cut(encoded, "$")
	switch name {
	case "argon2": // argon2$argon2id$v=19$…
		if !strings.HasPrefix(rest, "argon2") {
			return nil, ErrFormat
		}
		return parseModular("$" + rest)
	case "bcrypt": // bcrypt$$2b$…
		return parseBcrypt(rest)
	case "bcrypt_sha256":
		return parseDigestedBcrypt(rest)
	case "pbkdf2_sha1", "pbkdf2_sha256":
		return parseDjangoPBKDF2(strings.TrimPrefix(name, "pbkdf2_"), rest)
	case "scrypt":
		return parseDjangoScrypt(rest)
	}
	return nil, ErrFormat
}

// outOfBounds is ErrBounds with what was asked for. It never holds any of a hash.
func outOfBounds(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBounds, fmt.Sprintf(format, args...))
}

// number reads a decimal number in its one spelling.
func number(what, digits string, least, most int) (int, error) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(digits) > 1 && digits[0] == '0' {
		return 0, ErrFormat
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < least || n > most {
		return 0, outOfBounds("%s not between %d and %d", what, least, most)
	}
	return n, nil
}

// named reads name=number.
func named(what, name, field string, least, most int) (int, error) {
	digits, ok := strings.CutPrefix(field, name+"=")
	if !ok {
		return 0, ErrFormat
	}
	return number(what, digits, least, most)
}

// decode reads base64, padded or not, also in the alphabet of passlib and OpenLDAP that has "." for "+".
func decode(s string, least, most int) ([]byte, error) {
	s = strings.ReplaceAll(s, ".", "+")
	if pad := strings.TrimRight(s, "="); len(s) != len(pad) {
		if len(s)%4 != 0 || len(s)-len(pad) > 2 {
			return nil, ErrFormat
		}
		s = pad
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") || len(b) < least || len(b) > most {
		return nil, ErrFormat
	}
	return b, nil
}

// text is a salt that is used as it is written.
func text(s string) ([]byte, error) {
	if s == "" || len(s) > maxForeignSalt {
		return nil, ErrFormat
	}
	return []byte(s), nil
}
