package password

import (
	"context"
	"io/fs"
	"math"

	"golang.org/x/crypto/bcrypt"
)

// Run passes the gate as Hash, Verify and Dummy do, with work and a weight of the test's
// own.
func (h *Hasher) Run(ctx context.Context, bytes int64, threads int, work func()) error {
	return h.run(ctx, cost{bytes, threads}, work)
}

// Used is what the permits in circulation add up to.
func (h *Hasher) Used() (bytes int64, threads int) {
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	return h.gate.used.bytes, h.gate.used.threads
}

// Waiting is the bytes wanted by each caller in the queue.
func (h *Hasher) Waiting() (bytes []int64) {
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	for e := h.gate.waiters.Front(); e != nil; e = e.Next() {
		bytes = append(bytes, e.Value.(*waiter).bytes)
	}
	return bytes
}

// Widen lets a test have more threads than the machine.
func (h *Hasher) Widen(threads int) { h.gate.limit.threads = threads }

// Respell writes an accepted argon2id hash anew.
func Respell(encoded string) (string, error) {
	a, err := parseArgon2(encoded)
	return a.String(), err
}

// DefaultMemory is the budget on a machine with these files.
func DefaultMemory(root fs.FS) int64 { return defaultMemory(root) }

// Rounds is how often an accepted hash repeats its inner computation.
func Rounds(encoded string) int {
	s, err := parse(encoded)
	if err != nil {
		return 0
	}
	switch s := s.(type) {
	case bcryptHash:
		return bcryptRounds(string(s))
	case digestedBcrypt:
		return bcryptRounds(string(s.bcryptHash))
	case scryptHash:
		return s.p << s.logN
	case firebaseHash:
		return s.p << s.logN
	case pbkdf2Hash:
		return s.iterations
	case shaCrypt:
		return s.rounds
	}
	return 1
}

// bcryptRounds is out of bounds for what the library does not read.
func bcryptRounds(encoded string) int {
	cost, err := bcrypt.Cost([]byte(encoded))
	if err != nil || cost > maxBcryptCost {
		return math.MaxInt
	}
	return 1 << (cost + 6) // each is as slow as many rounds of the others
}
