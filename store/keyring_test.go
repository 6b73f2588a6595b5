package store_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
)

func ringKey(id string, fill byte) store.RingKey {
	return store.RingKey{ID: id, Secret: bytes.Repeat([]byte{fill}, 32)}
}

func ringOf(t *testing.T, keys ...store.RingKey) *store.KeyRing {
	t.Helper()
	ring, err := store.NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestNewKeyRing(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]store.RingKey{
		"no keys":      nil,
		"twice":        {ringKey("a", 1), ringKey("a", 2)},
		"no id":        {ringKey("", 1)},
		"a dot":        {ringKey("a.b", 1)},
		"a colon":      {ringKey("a:b", 1)},
		"a long id":    {ringKey(strings.Repeat("a", 33), 1)},
		"a short key":  {{ID: "a", Secret: make([]byte, 31)}},
		"a long key":   {{ID: "a", Secret: make([]byte, 33)}},
		"a second bad": {ringKey("a", 1), {ID: "b"}},
	} {
		ring, err := store.NewKeyRing(keys...)
		if err == nil || ring != nil {
			t.Errorf("%s: accepted", name)
		}
		if err != nil && strings.Contains(err.Error(), "\x01") {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
	key := ringKey("a", 1)
	ring := ringOf(t, key)
	sealed := ring.Seal([]byte("x"), "p")
	clear(key.Secret)
	if _, err := ring.Open(sealed, "p"); err != nil || !bytes.Contains(ring.Reveal(), []byte("AQEBAQ")) {
		t.Errorf("the ring changed with the caller's bytes: %v", err)
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, ringKey("k1", 1))
	for _, text := range []string{"", "seed", strings.Repeat("x", 100_000), "\x00\xff"} {
		sealed := ring.Seal([]byte(text), "kind", "", "id", "field")
		if sealed == ring.Seal([]byte(text), "kind", "", "id", "field") {
			t.Error("two seals of one text are equal")
		}
		if got, err := ring.Open(sealed, "kind", "", "id", "field"); err != nil || string(got) != text {
			t.Errorf("Open = %.20q, %v", got, err)
		}
		if len(text) > 3 && strings.Contains(string(sealed), text) {
			t.Error("the text can be read")
		}
		if sealed.KeyID() != "k1" {
			t.Errorf("KeyID = %q", sealed.KeyID())
		}
	}
	if store.Sealed("").KeyID() != "" {
		t.Error("nothing was sealed by some key")
	}
}

func TestSealMoved(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, ringKey("k1", 1))
	sealed := ring.Seal([]byte("seed"), "kind", "org", "id", "field")
	for _, place := range [][]string{
		nil,
		{"kind", "org", "id"},
		{"kind", "org", "id", "other"},
		{"kind", "org", "other", "field"},
		{"kind", "", "id", "field"},
		{"other", "org", "id", "field"},
		{"kindo", "rg", "id", "field"},
		{"kind", "org", "idfield"},
		{"kind", "org", "id", "field", ""},
	} {
		if got, err := ring.Open(sealed, place...); !errors.Is(err, store.ErrSealed) || got != nil {
			t.Errorf("opened in %q: %q, %v", place, got, err)
		}
	}
	b := together(t)
	ref := store.Ref{ID: "1"}
	inDB := b.Seal(noteType.Kind, ref, "title", []byte("seed"))
	if got, err := b.Unseal(noteType.Kind, ref, "title", inDB); err != nil || string(got) != "seed" {
		t.Errorf("Unseal = %q, %v", got, err)
	}
	_, err := b.Unseal(noteType.Kind, store.Ref{Org: "a", ID: "1"}, "title", inDB)
	is(t, "another organization", err, store.ErrSealed)
	_, err = b.Unseal(markType.Kind, ref, "title", inDB)
	is(t, "another kind", err, store.ErrSealed)
}

// TestSealAltered flips every bit and cuts at every byte.
func TestSealAltered(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, ringKey("k1", 1))
	sealed := string(ring.Seal([]byte("seed"), "p"))
	refused := func(altered string) {
		t.Helper()
		if got, err := ring.Open(store.Sealed(altered), "p"); !errors.Is(err, store.ErrSealed) || got != nil {
			t.Errorf("%q became %q and opened to %q, %v", sealed, altered, got, err)
		}
	}
	for i := range len(sealed) {
		refused(sealed[:i])
		for bit := range 8 {
			altered := []byte(sealed)
			altered[i] ^= 1 << bit
			refused(string(altered))
		}
	}
	for _, s := range []string{sealed + "A", sealed + "=", sealed + "\n", " " + sealed, strings.Replace(sealed, "v1", "v2", 1), "v1.k1.", "v1.k1"} {
		refused(s)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	first := ringOf(t, ringKey("k1", 1))
	second := ringOf(t, ringKey("k2", 2), ringKey("k1", 1))
	retired := ringOf(t, ringKey("k2", 2))

	old := first.Seal([]byte("seed"), "p")
	if got, err := second.Open(old, "p"); err != nil || string(got) != "seed" {
		t.Errorf("the rotated ring does not open what was sealed before: %q, %v", got, err)
	}
	fresh := second.Seal([]byte("seed"), "p")
	if fresh.KeyID() != "k2" {
		t.Errorf("new values are sealed by %q", fresh.KeyID())
	}
	_, err := first.Open(fresh, "p")
	is(t, "a ring without the key", err, store.ErrSealed)
	_, err = retired.Open(old, "p")
	is(t, "a ring whose key was retired", err, store.ErrSealed)
	_, err = ringOf(t, ringKey("k1", 9)).Open(old, "p")
	is(t, "another key of the name", err, store.ErrSealed)

	mac := first.MAC("code", "1", "4711")
	if !second.MatchesMAC(mac, "code", "1", "4711") || retired.MatchesMAC(mac, "code", "1", "4711") {
		t.Error("a MAC lives as long as its key is in the ring, and no longer")
	}
	if macs := second.MACs("code", "1", "4711"); len(macs) != 2 || macs[0] != second.MAC("code", "1", "4711") || macs[1] != mac {
		t.Errorf("MACs = %q", macs)
	}
}

func TestMAC(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, ringKey("k1", 1))
	mac := ring.MAC("code", "1", "4711")
	if mac != ring.MAC("code", "1", "4711") || !strings.HasPrefix(mac, "k1.") || strings.Contains(mac, "4711") {
		t.Errorf("MAC = %q", mac)
	}
	for _, words := range [][]string{{"code", "1", "4712"}, {"code", "14711"}, {"code", "", "14711"}, {"code1", "4711"}, {"code", "1", "4711", ""}, nil} {
		if ring.MatchesMAC(mac, words...) || ring.MAC(words...) == mac {
			t.Errorf("%q has the MAC of other words", words)
		}
	}
	for _, forged := range []string{"", "k1.", "k1", mac[3:], "k2" + mac[2:], mac + "A", mac[:len(mac)-1]} {
		if ring.MatchesMAC(forged, "code", "1", "4711") {
			t.Errorf("%q matches", forged)
		}
	}
}

func TestKeyRingPrintsNoSecrets(t *testing.T) {
	t.Parallel()
	key := store.RingKey{ID: "k1", Secret: bytes.Repeat([]byte("S"), 32)}
	ring := ringOf(t, key)
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "key", key, "ring", ring)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key, "ring", ring)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&log, verb+verb+verb+verb, key, ring, []store.RingKey{key}, store.Config{Keys: ring})
	}
	text := log.String()
	for _, form := range []string{"SSSS", "U1NT", "5353", "83 83", "0x53"} {
		if strings.Contains(text, form) {
			t.Errorf("%q is printed: %s", form, text)
		}
	}
	if !strings.Contains(text, "k1") {
		t.Error("the id is not printed")
	}
}

func TestParseKeyRing(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, store.GenerateRingKey(), store.GenerateRingKey())
	again, err := store.ParseKeyRing(append([]byte("# a comment\n\n  "), bytes.ReplaceAll(ring.Reveal(), []byte("\n"), []byte("\r\n"))...))
	if err != nil || !bytes.Equal(again.Reveal(), ring.Reveal()) {
		t.Errorf("the text form reads as %v, %v", again, err)
	}
	good := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for name, text := range map[string]string{
		"empty": "", "comments": "# nothing\n", "no colon": good, "padded": "a:" + good + "=", "short": "a:AAAA", "twice": "a:" + good + "\na:" + good,
		"bad id": "a b:" + good, "not base64url": "a:" + strings.Repeat("+", 43), "no id": ":" + good,
	} {
		if ring, err := store.ParseKeyRing([]byte(text)); err == nil || ring != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), good) {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}

func FuzzParseKeyRing(f *testing.F) {
	good := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for _, s := range []string{"", "a:" + good, "a:" + good + "\nb:" + good, "#\n a:" + good + " \r\n", "a:" + good[:42] + "B", "a::" + good} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := store.ParseKeyRing(text)
		if err != nil {
			return
		}
		again, err := store.ParseKeyRing(ring.Reveal())
		if err != nil || !bytes.Equal(again.Reveal(), ring.Reveal()) {
			t.Errorf("%q reads as %q and then as %v, %v", text, ring.Reveal(), again, err)
		}
	})
}

func FuzzOpenSealed(f *testing.F) {
	ring, err := store.NewKeyRing(ringKey("k1", 1))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "v1.k1.", "v1.k1.AAAA", "v1..", "...", "v1.k1." + strings.Repeat("A", 60), "v1.k1.AA AA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ring.Open(store.Sealed(s), "p"); !errors.Is(err, store.ErrSealed) || got != nil {
			t.Errorf("Open(%q) = %q, %v", s, got, err)
		}
		_ = store.Sealed(s).KeyID()
		if ring.MatchesMAC(s, "p") {
			t.Errorf("MatchesMAC(%q)", s)
		}
	})
}

func TestOpenKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	first, err := store.OpenKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	again, err := store.OpenKeyFile(path)
	if err != nil || !bytes.Equal(again.Reveal(), first.Reveal()) {
		t.Errorf("the second opening is another ring: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("files left beside the ring: %v, %v", left, err)
	}
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o660, 0o622} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if ring, err := store.OpenKeyFile(path); err == nil || ring != nil {
			t.Errorf("a file of mode %o was read", mode)
		}
	}
}

func TestOpenKeyFileFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"an empty file":         write("empty", ""),
		"something else":        write("text", "hello\n"),
		"half a ring":           write("half", "k1:AAAAAAAA"),
		"a folder":              dir,
		"a folder that is none": filepath.Join(dir, "none", "keys"),
	} {
		before, _ := os.ReadFile(path)
		if ring, err := store.OpenKeyFile(path); err == nil || ring != nil {
			t.Errorf("%s: opened", name)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: was changed to %q", name, after)
		}
	}
}

// TestOpenKeyFileRace starts many at once where there is no file: all must get the same ring.
func TestOpenKeyFileRace(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), "keys")
		rings := make([]string, 16)
		var wg sync.WaitGroup
		for i := range rings {
			wg.Go(func() {
				ring, err := store.OpenKeyFile(path)
				if err != nil {
					t.Error(err)
					return
				}
				rings[i] = string(ring.Reveal())
			})
		}
		wg.Wait()
		for _, r := range rings {
			if r != rings[0] {
				t.Fatal("two processes would have different rings")
			}
		}
	}
}
