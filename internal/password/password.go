// Package password hashes and verifies passwords, and is the only package that
// touches golang.org/x/crypto's hash functions.
//
// New hashes are argon2id (RFC 9106) in the PHC string format. Every computation, also
// the one for a user who does not exist ([Hasher.Dummy]), passes one gate: it is
// weighted by bytes, no wider than the CPUs, and sheds what it cannot serve in time
// with [ErrBusy]. Without it, a burst of logins allocates gigabytes and serves nobody.
//
// # Foreign hashes
//
// So that accounts can be moved here, verification understands what others have
// written; [Result.Rehash] tells that such a hash is to be replaced.
//
//	$2a$ $2b$ $2y$                      bcrypt, up to cost 14
//	$argon2id$ $argon2i$                argon2, version 19, up to 1 GiB over all of up to 10 passes, 16 lanes
//	$scrypt$ln=14,r=8,p=1$              scrypt (PHC, passlib), up to ln=17, r=8, p=10, and N·r·p = 2,621,440
//	$firescrypt$ln=14,r=8,p=1$          Firebase: salt$hash$saltSeparator$signerKey
//	$pbkdf2-sha256$29000$               PBKDF2 (passlib; PHC with i=29000), also -sha512, -sha1, up to 2,000,000
//	$5$ $6$ $1$ $apr1$                  crypt(3) with SHA-256, SHA-512 (up to rounds=1000000), MD5
//	{SSHA} {SSHA256} {SSHA384} {SSHA512}, and unsalted {SHA}…    LDAP
//	{CRYPT} {PBKDF2-SHA256} {ARGON2} …                           LDAP, with one of the above inside
//	pbkdf2_sha256$ pbkdf2_sha1$ scrypt$ argon2$ bcrypt$ bcrypt_sha256$    Django
//
// Traditional DES crypt, $2x$, and unsalted or salted MD5 are not read.
//
// Others hash a password as it was typed; here it is brought into Unicode's NFC first.
// Both spellings are tried where they differ, so that nobody whose old hash was made of
// the other one is locked out; of more than 128 bytes, NFC alone. That adds no passwords:
// the two are one text.
//
// The bounds hold what one attempt may cost, whatever it was sent for: about a second of a
// CPU a spelling. SHA-crypt hashes the whole password in every round, so that with many
// rounds a very long one is taken for wrong.
//
// What a wrong password costs: for somebody without a hash, one of our own; for somebody
// whose hash is to be replaced, the old one and one of our own, so that a fast old hash
// gives away no more than a slow one does. A hash that is slower than ours can be told
// by the clock until its owner has signed in.
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
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"
)

// MaxLength is the longest password, in bytes before normalisation, that is hashed.
const MaxLength = 1 << 10

var (
	// ErrFormat says that an encoded hash is of a kind this package does not read.
	ErrFormat = errors.New("password: unknown hash format")
	// ErrBounds says that an encoded hash asks for more work than the Hasher does for
	// anybody, or for none to speak of. The text of the error says which parameter.
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
	plain, err := spellings(password)
	if err != nil {
		return "", err
	}
	a := argon2Hash{Params: h.params, variant: argon2id, salt: make([]byte, saltSize)}
	rand.Read(a.salt)
	var key []byte
	if err := h.run(ctx, a.cost(), func() { key = a.derive(plain[0], keySize) }); err != nil {
		return "", err
	}
	a.key = key
	return a.String(), nil
}

// Result is the outcome of a verification.
type Result struct {
	// OK says that the password is the one that was hashed.
	OK bool
	// Rehash says that the hash should be replaced by a new one, as its format, its costs
	// or the spelling it was made of are not those of the Hasher. It is never set without OK. Act on it when the
	// whole login has succeeded.
	Rehash bool
}

// Verify judges a password against an encoded hash. A wrong password is a Result that
// is not OK, never an error; the errors are [ErrFormat], [ErrBounds], [ErrTooLong],
// [ErrBusy] and ctx's.
//
// bcrypt sees the first 72 bytes of a password only, as it does everywhere.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	s, err := h.read(encoded)
	if err != nil {
		return Result{}, err
	}
	plain, err := spellings(password)
	if err != nil {
		return Result{}, err
	}
	ours, _ := s.(argon2Hash)
	outdated := !ours.current(h.params)
	if outdated {
		s = replaced{s, h.nobody()}
	}
	spelling, err := h.match(ctx, s, plain)
	if err != nil || spelling < 0 {
		return Result{}, err
	}
	return Result{OK: true, Rehash: outdated || spelling > 0}, nil
}

// Dummy does the work of a verification and forgets the outcome. Calling it when there
// is no user, or no hash to verify, makes the answer as slow, and as refusable, as for
// a user who has one. The errors are those of [Hasher.Verify].
func (h *Hasher) Dummy(ctx context.Context, password string) error {
	plain, err := spellings(password)
	if err != nil {
		return err
	}
	_, err = h.match(ctx, h.nobody(), plain)
	return err
}

// nobody is a hash of ours that no password has.
func (h *Hasher) nobody() argon2Hash {
	return argon2Hash{Params: h.params, variant: argon2id, salt: make([]byte, saltSize), key: make([]byte, keySize)}
}

// Check says whether Verify will accept the encoded hash: [ErrFormat] or [ErrBounds] if
// not. Importers call it before they store what somebody else made.
func (h *Hasher) Check(encoded string) error {
	_, err := h.read(encoded)
	return err
}

// read refuses what would never be let through the gate.
func (h *Hasher) read(encoded string) (scheme, error) {
	s, err := parse(encoded)
	if err != nil {
		return nil, err
	}
	if need := s.cost().bytes; need > h.gate.limit.bytes {
		return nil, outOfBounds("needs %d bytes of memory, and the Hasher has %d", need, h.gate.limit.bytes)
	}
	return s, nil
}

// match returns which spelling of the password is the one that was hashed, -1 for none.
func (h *Hasher) match(ctx context.Context, s scheme, plain [][]byte) (spelling int, err error) {
	spelling = -1
	err = h.run(ctx, s.cost(), func() { spelling = slices.IndexFunc(plain, s.match) })
	if err != nil {
		return -1, err
	}
	return spelling, nil
}

// replaced is a hash that is not, or no longer, as ours are. A wrong password costs one of ours besides, in the same
// pass through the gate: a second one could be refused, and the refusal would tell that the password was wrong, uncounted.
type replaced struct {
	scheme
	nobody argon2Hash
}

func (r replaced) cost() cost {
	old, ours := r.scheme.cost(), r.nobody.Params.cost()
	return cost{bytes: max(old.bytes, ours.bytes), threads: max(old.threads, ours.threads)}
}

func (r replaced) match(plain []byte) bool {
	return r.scheme.match(plain) || r.nobody.match(plain)
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

// maxSpelled is the longest password, in bytes, of which both spellings are tried: nobody shall pay twice for what is made up to cost.
const maxSpelled = 128

// spellings returns the bytes that a password may have been hashed as. The first is what we hash: NFC, so that the same
// characters typed on another system are the same password (NIST SP 800-63B-4 §3.1.1.2). The other, where it differs, is
// the password as it was typed, for hashes that were made elsewhere.
func spellings(password string) ([][]byte, error) {
	if len(password) > MaxLength {
		return nil, ErrTooLong
	}
	typed := []byte(password)
	if norm.NFC.IsNormal(typed) {
		return [][]byte{typed}, nil
	}
	both := [][]byte{norm.NFC.Bytes(typed), typed}
	if len(typed) > maxSpelled {
		return both[:1], nil
	}
	return both, nil
}
