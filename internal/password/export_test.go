package password

import (
	"context"
	"io/fs"
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
	a, err := parseArgon2id(encoded)
	return a.String(), err
}

// DefaultMemory is the budget on a machine with these files.
func DefaultMemory(root fs.FS) int64 { return defaultMemory(root) }
