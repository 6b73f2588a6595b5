// Package password hashes and verifies passwords, and is the only package that
// touches golang.org/x/crypto's hash functions.
//
// New hashes are argon2id (RFC 9106) in the PHC string format. Verification also
// understands bcrypt, so that accounts can be imported; [Result.Rehash] tells when
// to replace an old hash. Every computation, also the one for a user who does not
// exist ([Hasher.Dummy]), passes one gate: it is weighted by bytes, no wider than the
// CPUs, and sheds what it cannot serve in time with [ErrBusy]. Without it, a burst
// of logins allocates gigabytes and serves nobody.
//
// Which passwords are acceptable is not decided here.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/text/unicode/norm"
)

// MaxLength is the longest password, in bytes before normalisation, that is hashed.
const MaxLength = 1 << 10

var (
	// ErrFormat says that an encoded hash is of a kind this package does not read.
	ErrFormat = errors.New("password: unknown hash format")
	// ErrBounds says that an encoded hash asks for more work than the Hasher does for
	// anybody.
	ErrBounds = errors.New("password: hash parameters out of bounds")
	// ErrTooLong says that a password is longer than [MaxLength].
	ErrTooLong = errors.New("password: longer than 1024 bytes")
	// ErrBusy is what every [*BusyError] is.
	ErrBusy = errors.New("password: too many hashes at once")
)

// BusyError is returned instead of a hash when the gate's queue is full or the wait
// in it took too long. On the wire it is a 503 with Retry-After.
type BusyError struct {
	// RetryAfter is how long the client should wait; at least one second.
	RetryAfter time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%v: retry after %v", ErrBusy, e.RetryAfter)
}

// Is makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// Config holds what [New] needs. The zero value is the recommended setting.
type Config struct {
	// Params are the costs of new hashes.
	Params Params
	// MaxMemory is how many bytes all running computations together may work in. Zero
	// is 256 MiB or a quarter of the control group's limit, whichever is less, but at
	// least one hash of Params. A hash read from elsewhere that needs more is refused
	// with [ErrBounds]. The garbage of finished hashes is not counted: leave as much
	// again to the collector.
	MaxMemory int64
	// Parallel is how many threads compute at once. Zero, or more than GOMAXPROCS at
	// the time of New, is GOMAXPROCS.
	Parallel int
	// Queue is how many callers may wait for their turn. Zero is 256.
	Queue int
	// MaxWait is how long a caller waits in the queue at most. Zero is five seconds.
	MaxWait time.Duration
}

// Hasher hashes and verifies passwords. It is safe for concurrent use.
type Hasher struct {
	params Params
	gate   *gate
}

// New returns a Hasher, or an error that names every field of the configuration that
// makes no sense.
func New(config Config) (*Hasher, error) {
	config.Params.setDefaults()
	one := config.Params.cost().bytes
	if config.MaxMemory == 0 {
		config.MaxMemory = max(defaultMemory(os.DirFS("/")), one)
	}
	if width := runtime.GOMAXPROCS(0); config.Parallel == 0 || config.Parallel > width {
		config.Parallel = width
	}
	if config.Queue == 0 {
		config.Queue = 256
	}
	if config.MaxWait == 0 {
		config.MaxWait = 5 * time.Second
	}
	if err := config.validate(); err != nil {
		return nil, err
	}
	return &Hasher{
		params: config.Params,
		gate:   newGate(cost{config.MaxMemory, config.Parallel}, config.Queue, config.MaxWait),
	}, nil
}

func (c *Config) validate() error {
	var errs []error
	if err := c.Params.check(); err != nil {
		errs = append(errs, fmt.Errorf("password: Params: %v", err))
	} else if need := c.Params.cost().bytes; c.MaxMemory < need {
		errs = append(errs, fmt.Errorf("password: MaxMemory of %d bytes does not hold one hash of %d", c.MaxMemory, need))
	}
	if c.Parallel < 0 {
		errs = append(errs, errors.New("password: Parallel is negative"))
	}
	if c.Queue < 0 {
		errs = append(errs, errors.New("password: Queue is negative"))
	}
	if c.MaxWait < 0 {
		errs = append(errs, errors.New("password: MaxWait is negative"))
	}
	return errors.Join(errs...)
}

// Hash returns the encoded argon2id hash of a password under a fresh salt. Its errors
// are [ErrTooLong], [ErrBusy] and ctx's.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	plain, err := normalize(password)
	if err != nil {
		return "", err
	}
	a := argon2id{Params: h.params, salt: make([]byte, saltSize)}
	rand.Read(a.salt)
	var key []byte
	if err := h.run(ctx, a.cost(), func() { key = a.derive(plain, keySize) }); err != nil {
		return "", err
	}
	a.key = key
	return a.String(), nil
}

// Result is the outcome of a verification.
type Result struct {
	// OK says that the password is the one that was hashed.
	OK bool
	// Rehash says that the hash should be replaced by a new one, as its format or its
	// costs are not those of the Hasher. It is never set without OK. Act on it when the
	// whole login has succeeded.
	Rehash bool
}

// Verify judges a password against an encoded hash. A wrong password is a Result that
// is not OK, never an error; the errors are [ErrFormat], [ErrBounds], [ErrTooLong],
// [ErrBusy] and ctx's.
//
// bcrypt sees the first 72 bytes of a password only, as it does everywhere.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	parsed, err := h.parse(encoded)
	if err != nil {
		return Result{}, err
	}
	plain, err := normalize(password)
	if err != nil {
		return Result{}, err
	}
	ok, err := h.match(ctx, parsed, plain)
	return Result{OK: ok, Rehash: ok && !parsed.current(h.params)}, err
}

// Dummy does the work of a verification and forgets the outcome. Calling it when there
// is no user, or no hash to verify, makes the answer as slow, and as refusable, as for
// a user who has one. The errors are those of [Hasher.Verify].
func (h *Hasher) Dummy(ctx context.Context, password string) error {
	plain, err := normalize(password)
	if err != nil {
		return err
	}
	nobody := argon2id{Params: h.params, salt: make([]byte, saltSize), key: make([]byte, keySize)}
	_, err = h.match(ctx, nobody, plain)
	return err
}

// Check says whether Verify will accept the encoded hash: [ErrFormat] or [ErrBounds] if
// not. Importers call it before they store what somebody else made.
func (h *Hasher) Check(encoded string) error {
	_, err := h.parse(encoded)
	return err
}

// scheme is an encoded hash that was read and whose parameters are within bounds.
type scheme interface {
	cost() cost
	match(plain []byte) bool
	// current says whether a new hash with these costs would be no different.
	current(Params) bool
}

func (h *Hasher) parse(encoded string) (scheme, error) {
	if b, err := parseBcrypt(encoded); !errors.Is(err, ErrFormat) {
		return b, err
	}
	a, err := parseArgon2id(encoded)
	if err != nil {
		return nil, err
	}
	if a.cost().bytes > h.gate.limit.bytes {
		return nil, ErrBounds
	}
	return a, nil
}

func (h *Hasher) match(ctx context.Context, s scheme, plain []byte) (bool, error) {
	var ok bool
	if err := h.run(ctx, s.cost(), func() { ok = s.match(plain) }); err != nil {
		return false, err
	}
	return ok, nil
}

// run takes a permit and does the work in a goroutine of its own, to which the permit
// belongs. A caller whose context ends returns at once, but the memory stays accounted
// for until the work, which nothing can interrupt, is over. What work has written may be
// read only when run returns nil.
func (h *Hasher) run(ctx context.Context, c cost, work func()) error {
	if err := h.gate.acquire(ctx, c); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		work()
		h.gate.release(c)
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("password: %w", ctx.Err())
	}
}

// normalize returns what is hashed: the password in NFC, so that the same characters
// typed on another system are the same password (NIST SP 800-63B-4 §3.1.1.2).
func normalize(password string) ([]byte, error) {
	if len(password) > MaxLength {
		return nil, ErrTooLong
	}
	return norm.NFC.Bytes([]byte(password)), nil
}
