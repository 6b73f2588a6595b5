package keyring_test

import (
	"testing"

	"github.com/signet-idp/signet/internal/keyring"
)

func BenchmarkSigner(b *testing.B) {
	ring := newMemoryHouse(b).es256(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ring.Signer(b.Context(), "ES256"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReady is a start with the keys of all default algorithms in the store.
func BenchmarkReady(b *testing.B) {
	h := newMemoryHouse(b)
	if err := h.node(b, keyring.Config{}).Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := h.node(b, keyring.Config{}).Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
