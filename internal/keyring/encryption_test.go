package keyring_test

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/keyring"
)

var bothEncryptions = []string{"RSA-OAEP-256", "ECDH-ES"}

// encrypting is a node with keys for encryption, and one for signatures that costs nothing.
func (h *house) encrypting(t testing.TB) *keyring.Ring {
	t.Helper()
	return h.node(t, keyring.Config{Algorithms: []string{"ES256"}, Encryption: bothEncryptions})
}

func encryption(t testing.TB, ring *keyring.Ring, algorithm string) (string, crypto.PublicKey) {
	t.Helper()
	id, key, err := ring.Encryption(t.Context(), algorithm)
	if err != nil || id == "" {
		t.Fatalf("key for %s: %q, %v", algorithm, id, err)
	}
	return id, key
}

// agree reports whether what is sent to the public key is read with the private one (RFC 7518 §4.3, §4.6).
func agree(t testing.TB, public crypto.PublicKey, private crypto.PrivateKey) {
	t.Helper()
	switch public := public.(type) {
	case *rsa.PublicKey:
		sent, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("hello"), nil)
		if err != nil {
			t.Fatal(err)
		}
		read, err := private.(crypto.Decrypter).Decrypt(rand.Reader, sent, &rsa.OAEPOptions{Hash: crypto.SHA256})
		if err != nil || string(read) != "hello" {
			t.Fatalf("read %q, %v", read, err)
		}
	case *ecdsa.PublicKey:
		peer, err := public.ECDH()
		if err != nil {
			t.Fatal(err)
		}
		ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := ephemeral.ECDH(peer)
		if err != nil {
			t.Fatal(err)
		}
		key, err := private.(*ecdsa.PrivateKey).ECDH()
		if err != nil {
			t.Fatal(err)
		}
		ours, err := key.ECDH(ephemeral.PublicKey())
		if err != nil || !slices.Equal(ours, theirs) {
			t.Fatalf("the shared secrets differ, %v", err)
		}
	default:
		t.Fatalf("unexpected %T", public)
	}
}

func TestEncryptionKeys(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.encrypting(t)
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1"}) {
			t.Fatalf("records %q before anybody asked for a key for encryption", got)
		}
		for _, algorithm := range bothEncryptions {
			id, key := encryption(t, ring, algorithm)
			private, err := h.encrypting(t).Decrypter(t.Context(), algorithm, id)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, key, private)
			if got := public(t, ring, algorithm); len(got) != 0 {
				t.Errorf("%s: %q are published for signatures", algorithm, got)
			}
			if _, key, err := ring.Signer(t.Context(), algorithm); !errors.Is(err, jose.ErrAlgorithm) || key != nil {
				t.Errorf("%s signs: %v", algorithm, err)
			}
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ECDH-ES-1", "ES256-1", "RSA-OAEP-256-1"}) {
			t.Errorf("records %q", got)
		}
		id := signer(t, ring, "ES256")
		if key, err := ring.Decrypter(t.Context(), "ECDH-ES", id); !errors.Is(err, jose.ErrKey) || key != nil {
			t.Errorf("the signing key decrypts: %v", err)
		}
		if _, _, err := ring.Encryption(t.Context(), "ES256"); !errors.Is(err, jose.ErrAlgorithm) {
			t.Errorf("others encrypt to the signing key: %v", err)
		}
		if _, err := ring.Decrypter(t.Context(), "ES256", id); !errors.Is(err, jose.ErrAlgorithm) {
			t.Errorf("the signing key decrypts: %v", err)
		}
	})
}

// A sender may have read the key set long ago: what it encrypted is read until the key has been retired for Retain.
func TestEncryptionKeyRotates(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.encrypting(t)
		first, key := encryption(t, ring, "ECDH-ES")
		if err := ring.Rotate(t.Context(), "ECDH-ES"); err != nil {
			t.Fatal(err)
		}
		if id, _ := encryption(t, ring, "ECDH-ES"); id != first {
			t.Error("the next key is published before all nodes can know it")
		}
		h.clock.Advance(prepublish + staleness)
		second, _ := encryption(t, ring, "ECDH-ES")
		if second == first {
			t.Fatal("the next key is not published")
		}
		for _, at := range []time.Duration{0, 14*day - time.Second} {
			h.clock.Advance(at)
			private, err := ring.Decrypter(t.Context(), "ECDH-ES", first)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, key, private)
		}
		h.clock.Advance(2 * staleness)
		if _, err := ring.Decrypter(t.Context(), "ECDH-ES", first); !errors.Is(err, jose.ErrKey) {
			t.Errorf("a removed key decrypts: %v", err)
		}
	})
}

// The first key is published at once, and a message for it may reach a node that has not heard of it. Asking for ids that
// nobody has costs one reading a second.
func TestDecrypterReadsAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring, other := h.encrypting(t), h.encrypting(t)
		signer(t, other, "ES256")
		h.clock.Advance(time.Second)
		id, key := encryption(t, ring, "ECDH-ES")
		private, err := other.Decrypter(t.Context(), "ECDH-ES", id)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, key, private)
		h.faults.Forget()
		for range 100 {
			if _, err := other.Decrypter(t.Context(), "ECDH-ES", "nobody's"); !errors.Is(err, jose.ErrKey) {
				t.Fatal(err)
			}
		}
		if calls := h.faults.Calls(); len(calls) != 0 {
			t.Errorf("%d calls within a second", len(calls))
		}
		h.clock.Advance(time.Second)
		h.faults.FailAll(nil)
		if _, err := other.Decrypter(t.Context(), "ECDH-ES", "nobody's"); err == nil || errors.Is(err, jose.ErrKey) {
			t.Errorf("a failing store is taken for an unknown key: %v", err)
		}
	})
}

func TestEncryptionKeyIsMadeOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		nodes := []*keyring.Ring{h.encrypting(t), h.encrypting(t)}
		ids := together(t, 64, func(i int) (string, error) {
			id, _, err := nodes[i%2].Encryption(t.Context(), "ECDH-ES")
			return id, err
		})
		slices.Sort(ids)
		if got := h.ids(t); len(slices.Compact(ids)) != 1 || !slices.Equal(got, []string{"ECDH-ES-1"}) {
			t.Errorf("keys %q, records %q", slices.Compact(ids), got)
		}
	})
}

func TestOnDemand(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		config := keyring.Config{Algorithms: []string{"ES256"}, OnDemand: []string{"ES384", "EdDSA"}}
		ring := h.node(t, config)
		for _, call := range []func(context.Context) error{ring.Ready, ring.Maintain} {
			if err := call(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := public(t, ring, "EdDSA"); len(got) != 0 {
			t.Errorf("%q are published", got)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1"}) {
			t.Fatalf("records %q before anybody asked", got)
		}
		id := signer(t, ring, "EdDSA")
		if got := public(t, h.node(t, config), "EdDSA"); !slices.Equal(got, []string{id}) {
			t.Errorf("%q are published, want %q", got, id)
		}
		h.clock.Advance(90*day - prepublish)
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1", "ES256-2", "EdDSA-1", "EdDSA-2"}) {
			t.Errorf("records %q, want the next key of what is in use", got)
		}
	})
}

func TestStates(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.encrypting(t)
		begin := h.clock.Now()
		first := signer(t, ring, "ES256")
		if err := ring.RotateNow(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		second := signer(t, ring, "ES256")
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		sealing, _ := encryption(t, ring, "ECDH-ES")
		states, err := h.encrypting(t).States(t.Context())
		if err != nil || len(states) != 4 {
			t.Fatalf("%+v, %v", states, err)
		}
		next := begin.Add(prepublish + staleness)
		want := []keyring.State{
			{ID: sealing, Record: "ECDH-ES-1", Algorithm: "ECDH-ES", Generation: 1, Encryption: true, Status: keyring.Active, Created: begin, Activates: begin},
			{ID: first, Record: "ES256-1", Algorithm: "ES256", Generation: 1, Status: keyring.Retired, Created: begin, Activates: begin, Retires: begin, Removed: begin.Add(staleness + 14*day)},
			{ID: second, Record: "ES256-2", Algorithm: "ES256", Generation: 2, Status: keyring.Active, Created: begin, Activates: begin, Retires: next, Removed: next.Add(staleness + 14*day)},
			{ID: states[3].ID, Record: "ES256-3", Algorithm: "ES256", Generation: 3, Status: keyring.Published, Created: begin, Activates: next},
		}
		if !slices.Equal(states, want) {
			t.Errorf("states\n%+v\nwant\n%+v", states, want)
		}
		h.clock.Advance(15 * day)
		states, err = ring.States(t.Context())
		if err != nil || len(states) != 3 || states[1].Status != keyring.Retired || states[2].Status != keyring.Active {
			t.Errorf("after a fortnight: %+v, %v", states, err)
		}
	})
}
