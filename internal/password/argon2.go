package password

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params are the costs of an argon2id hash (RFC 9106 §3.1). The zero value of each
// field is the default; less is for tests.
type Params struct {
	// Memory is the memory in KiB; zero is 19456 (19 MiB).
	Memory uint32
	// Time is the number of passes; zero is 2.
	Time uint32
	// Threads is the degree of parallelism; zero is 1, the right value on a server that
	// has other users to serve.
	Threads uint8
}

func (p *Params) setDefaults() {
	if p.Memory == 0 {
		p.Memory = 19 << 10
	}
	if p.Time == 0 {
		p.Time = 2
	}
	if p.Threads == 0 {
		p.Threads = 1
	}
}

// What a hash may ask for, ours or a foreign one: argon2id's costs are chosen by whoever
// wrote the string.
const (
	maxMemory  = 1 << 20 // KiB
	maxTime    = 10
	maxThreads = 16
	// maxPasses is how much memory is filled in all, in KiB: some thirty times what our own default fills.
	maxPasses = 1 << 20

	minSaltSize = 8
	maxSaltSize = 64
	minKeySize  = 16
	maxKeySize  = 64

	saltSize = 16
	keySize  = 32
)

func (p Params) check() error {
	var errs []error
	if p.Memory > maxMemory {
		errs = append(errs, fmt.Errorf("Memory over %d KiB", maxMemory))
	}
	// RFC 9106 §3.1: memory is at least 8 blocks a lane.
	if p.Memory < 8*uint32(p.Threads) {
		errs = append(errs, errors.New("Memory below 8 KiB for each of Threads"))
	}
	if p.Time < 1 || p.Time > maxTime {
		errs = append(errs, fmt.Errorf("Time not between 1 and %d", maxTime))
	}
	if p.Memory <= maxMemory && p.Time <= maxTime && p.Memory*p.Time > maxPasses {
		errs = append(errs, fmt.Errorf("Memory times Time over %d KiB", maxPasses))
	}
	if p.Threads < 1 || p.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("Threads not between 1 and %d", maxThreads))
	}
	return errors.Join(errs...)
}

func (p Params) cost() cost {
	return cost{bytes: int64(p.Memory) << 10, threads: int(p.Threads)}
}

// argon2Hash is one hash. Its string is
//
//	$argon2id$v=19$m=19456,t=2,p=1$salt$key
//
// with both values in base64 without padding: the PHC string format, in the one
// spelling that the reference implementation writes. argon2i is read, never written.
type argon2Hash struct {
	Params
	variant   string // argon2id or argon2i
	salt, key []byte
}

const (
	argon2id = "argon2id"
	argon2i  = "argon2i"
)

var argon2Base64 = base64.RawStdEncoding.Strict()

func (a argon2Hash) String() string {
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", a.variant, argon2.Version, a.Memory, a.Time, a.Threads,
		argon2Base64.EncodeToString(a.salt), argon2Base64.EncodeToString(a.key))
}

// parseArgon2 refuses any string that [argon2Hash.String] does not write: a spelling
// of its own could be compared, stored or bounded differently elsewhere.
func parseArgon2(encoded string) (argon2Hash, error) {
	part := strings.Split(encoded, "$")
	if len(part) != 6 {
		return argon2Hash{}, ErrFormat
	}
	salt, errSalt := argon2Base64.DecodeString(part[4])
	key, errKey := argon2Base64.DecodeString(part[5])
	if errSalt != nil || errKey != nil || len(salt) < minSaltSize || len(salt) > maxSaltSize ||
		len(key) < minKeySize || len(key) > maxKeySize {
		return argon2Hash{}, ErrFormat
	}
	params, err := parseParams(part[3])
	if err != nil {
		return argon2Hash{}, err
	}
	a := argon2Hash{Params: params, variant: argon2id, salt: salt, key: key}
	if part[1] == argon2i {
		a.variant = argon2i
	}
	if a.String() != encoded {
		return argon2Hash{}, ErrFormat
	}
	return a, nil
}

// parseParams reads m=…,t=…,p=… and leaves it to the caller to see that nothing else was
// there.
func parseParams(s string) (Params, error) {
	field := strings.Split(s, ",")
	if len(field) != 3 {
		return Params{}, ErrFormat
	}
	var value [3]uint32
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(field[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if errors.Is(err, strconv.ErrRange) {
			return Params{}, outOfBounds("%q of argon2 over 32 bits", name)
		}
		if !ok || err != nil {
			return Params{}, ErrFormat
		}
		value[i] = uint32(n)
	}
	if value[2] > maxThreads {
		return Params{}, outOfBounds("argon2: Threads over %d", maxThreads)
	}
	p := Params{Memory: value[0], Time: value[1], Threads: uint8(value[2])}
	if err := p.check(); err != nil {
		return Params{}, outOfBounds("argon2: %v", err)
	}
	return p, nil
}

func (a argon2Hash) derive(plain []byte, size int) []byte {
	if a.variant == argon2i {
		return argon2.Key(plain, a.salt, a.Time, a.Memory, a.Threads, uint32(size))
	}
	return argon2.IDKey(plain, a.salt, a.Time, a.Memory, a.Threads, uint32(size))
}

func (a argon2Hash) match(plain []byte) bool {
	return subtle.ConstantTimeCompare(a.derive(plain, len(a.key)), a.key) == 1
}

// current says whether a new hash with these costs would be no different.
func (a argon2Hash) current(p Params) bool {
	return a.variant == argon2id && a.Params == p && len(a.salt) >= saltSize && len(a.key) >= keySize
}
