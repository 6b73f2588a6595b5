package keyring_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// apply writes as somebody does who has the database and nothing else.
func (h *house) apply(t testing.TB, ops ...store.Op) {
	t.Helper()
	if _, err := h.faults.Apply(t.Context(), h.clock.Now(), ops...); err != nil {
		t.Fatal(err)
	}
}

func (h *house) record(t testing.TB, id string) store.Record {
	t.Helper()
	r, err := h.faults.Get(t.Context(), h.clock.Now(), kind, "", id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *house) remove(t testing.TB, id string) {
	t.Helper()
	r := h.record(t, id)
	h.apply(t, store.Delete(kind, r.Ref(), r.Version))
}

func (h *house) move(t testing.TB, from, to string) {
	t.Helper()
	r := h.record(t, from)
	h.remove(t, from)
	r.ID = to
	h.apply(t, store.Insert(r))
}

// alter replaces one member of the body.
func (h *house) alter(t testing.TB, id, member string, change func(string) string) {
	t.Helper()
	r := h.record(t, id)
	var body map[string]string
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	body[member] = change(body[member])
	var err error
	if r.Body, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	h.apply(t, store.Replace(r))
}

func TestDumpHoldsNoPrivateKey(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHouse(t, p)
		var log bytes.Buffer
		ring := h.node(t, keyring.Config{
			Algorithms: []string{"RS256", "ES256", "EdDSA"}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ring.RotateNow(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		dump := bytes.Clone(log.Bytes())
		for _, call := range h.faults.Calls() {
			for _, op := range call.Ops {
				dump = fmt.Appendf(dump, "%+v %s\n", op, op.Record.Body)
			}
		}
		if written := h.ids(t); len(written) != 4 || !bytes.Contains(dump, []byte("ES256-2")) || log.Len() == 0 {
			t.Fatalf("the dump lacks the keys %q", written)
		}
		if bytes.Contains(dump, []byte("PRIVATE")) {
			t.Error("the dump holds a PEM block")
		}
		for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
			for what, secret := range secrets(t, ring, algorithm) {
				for form, text := range forms(secret) {
					if bytes.Contains(dump, text) {
						t.Errorf("%s: %s of the private key is in the dump or the log, as %s", algorithm, what, form)
					}
				}
			}
		}
	})
}

// secrets returns what must not be seen of the active key.
func secrets(t *testing.T, ring *keyring.Ring, algorithm string) map[string][]byte {
	t.Helper()
	_, key, err := ring.Signer(t.Context(), algorithm)
	if err != nil {
		t.Fatal(err)
	}
	der, err := jose.MarshalKey(key)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{"the end": der[len(der)-24:]}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		found["a prime"], found["the exponent"] = key.Primes[0].Bytes(), key.D.Bytes()
	case *ecdsa.PrivateKey:
		scalar, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		found["the scalar"] = scalar
	}
	return found
}

// forms are the ways in which bytes get into a text, wherever they begin in it.
func forms(secret []byte) map[string][]byte {
	found := map[string][]byte{"bytes": secret, "hex": []byte(hex.EncodeToString(secret))}
	for skip := range 3 {
		text := base64.StdEncoding.EncodeToString(secret[skip : skip+(len(secret)-skip)/3*3])
		found[fmt.Sprintf("base64 from %d", skip)] = []byte(text)
		found[fmt.Sprintf("base64url from %d", skip)] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(text))
	}
	return found
}

// Whatever stands in the way of opening a key: everybody is told, with what to do, and nothing is written.
func TestKeysThatDoNotOpen(t *testing.T) {
	t.Parallel()
	twist := func(s string) string { return s[:len(s)-8] + strings.Repeat("A", 8) }
	cases := map[string]struct {
		harm func(t *testing.T, h *house)
		want []string
	}{
		"another key ring": {
			func(t *testing.T, h *house) { t.Helper(); h.secret = newSecret(t) },
			[]string{"ES256-1", "does not open", "the ring has no key", "store.Config.Keys"},
		},
		"tampered": {
			func(t *testing.T, h *house) { t.Helper(); h.alter(t, "ES256-1", "key", twist) },
			[]string{"ES256-1", "altered or moved", "put the record back"},
		},
		"no sealed value": {
			func(t *testing.T, h *house) {
				t.Helper()
				h.alter(t, "ES256-1", "key", func(string) string { return "" })
			},
			[]string{"ES256-1", "not a sealed value"},
		},
		"moved to another generation": {
			func(t *testing.T, h *house) { t.Helper(); h.move(t, "ES256-1", "ES256-7") },
			[]string{"ES256-7", "altered or moved"},
		},
		"moved to another algorithm": {
			func(t *testing.T, h *house) { t.Helper(); h.move(t, "ES256-1", "ES384-1") },
			[]string{"ES384-1", "altered or moved"},
		},
		"moved to no algorithm": {
			func(t *testing.T, h *house) { t.Helper(); h.move(t, "ES256-1", "backup") },
			[]string{`"backup"`, "put back"},
		},
		"moved to a generation in other words": {
			func(t *testing.T, h *house) { t.Helper(); h.move(t, "ES256-1", "ES256-01") },
			[]string{`"ES256-01"`, "put back"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newMemoryHouse(t)
			old := h.secret
			first := signer(t, h.es256(t), "ES256")
			good := h.record(t, "ES256-1")
			c.harm(t, h)
			before := h.records(t)
			ring := h.node(t, keyring.Config{Algorithms: []string{"ES256", "ES384", "EdDSA"}})
			for call, err := range everyCall(t.Context(), ring, "ES256") {
				if err == nil {
					t.Errorf("%s succeeds", call)
					continue
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %q is missing in: %v", call, want, err)
					}
				}
				if sealed := strings.Contains(err.Error(), "does not open"); sealed != errors.Is(err, store.ErrSealed) {
					t.Errorf("%s: ErrSealed is %v for: %v", call, !sealed, err)
				}
			}
			if _, _, err := ring.Signer(t.Context(), "EdDSA"); err == nil {
				t.Error("a key of another algorithm was made")
			}
			if after := h.records(t); !reflect.DeepEqual(after, before) {
				t.Errorf("records were written:\n%+v\n%+v", before, after)
			}

			// What the message says is what helps.
			for _, r := range before {
				h.remove(t, r.ID)
			}
			h.apply(t, store.Insert(good))
			h.secret = old
			ring = h.node(t, keyring.Config{Algorithms: []string{"ES256", "ES384", "EdDSA"}})
			if err := ring.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := signer(t, ring, "ES256"); got != first {
				t.Error("another key signs after the record was put back")
			}
		})
	}
}

func everyCall(ctx context.Context, ring *keyring.Ring, algorithm string) map[string]error {
	_, _, signer := ring.Signer(ctx, algorithm)
	_, public := ring.Public(ctx, algorithm)
	_, states := ring.States(ctx)
	return map[string]error{
		"Signer": signer, "Public": public, "Ready": ring.Ready(ctx), "Maintain": ring.Maintain(ctx),
		"Rotate": ring.Rotate(ctx, algorithm), "RotateNow": ring.RotateNow(ctx, algorithm), "States": states,
	}
}

// A running node that has the key open notices when the record is exchanged, and when it is put right.
func TestRunningNodeNotices(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		var good string
		h.alter(t, "ES256-1", "key", func(s string) string { good = s; return s[:len(s)-8] + "AAAAAAAA" })
		h.clock.Advance(staleness)
		if _, _, err := ring.Signer(t.Context(), "ES256"); !errors.Is(err, store.ErrSealed) {
			t.Errorf("signing with an exchanged record: %v", err)
		}
		if err := ring.Maintain(t.Context()); !errors.Is(err, store.ErrSealed) {
			t.Errorf("maintenance with nothing to do: %v", err)
		}
		h.alter(t, "ES256-1", "key", func(string) string { return good })
		h.clock.Advance(staleness)
		if got := signer(t, ring, "ES256"); got != first {
			t.Error("another key signs")
		}
	})
}

// Bringing a published key forward needs no key to be opened, and is refused all the same.
func TestRotateNowWithAnotherKeyRing(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		signer(t, ring, "ES256")
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		before := h.records(t)
		h.secret = newSecret(t)
		if err := h.es256(t).RotateNow(t.Context(), "ES256"); !errors.Is(err, store.ErrSealed) {
			t.Error(err)
		}
		if after := h.records(t); !reflect.DeepEqual(after, before) {
			t.Errorf("records were written:\n%+v\n%+v", before, after)
		}
	})
}

// An operator whose key ring is lost deletes the records: a new life begins.
func TestDeletingWhatDoesNotOpen(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		first := signer(t, h.es256(t), "ES256")
		h.secret = newSecret(t)
		ring := h.es256(t)
		if err := ring.Ready(t.Context()); !errors.Is(err, store.ErrSealed) {
			t.Fatal(err)
		}
		h.remove(t, "ES256-1")
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := signer(t, ring, "ES256"); got == first {
			t.Error("the lost key signs")
		}
	})
}

// The ring's working key may change while keys are sealed under the one before.
func TestKeyRingRotates(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		old, next := store.GenerateRingKey(), store.GenerateRingKey()
		rings := [][]store.RingKey{{old}, {next, old}}
		var ids []string
		for _, keys := range rings {
			var err error
			if h.secret, err = store.NewKeyRing(keys...); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, signer(t, h.es256(t), "ES256"))
		}
		if len(slices.Compact(ids)) != 1 {
			t.Error("another key signs")
		}
	})
}
