package password_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/signet-idp/signet/internal/password"
)

// cheap is fast enough to be hashed hundreds of times.
var cheap = password.Params{Memory: 64, Time: 1, Threads: 1}

func newHasher(tb testing.TB, config password.Config) *password.Hasher {
	tb.Helper()
	if config.Params == (password.Params{}) {
		config.Params = cheap
	}
	h, err := password.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func TestHashVerify(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	encoded, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("Hash = %q", encoded)
	}
	again, err := h.Hash(t.Context(), "correct horse")
	if err != nil || again == encoded {
		t.Errorf("second Hash = %q, %v; want another salt", again, err)
	}
	for plain, want := range map[string]password.Result{
		"correct horse":  {OK: true},
		"correct horse ": {},
		"Correct horse":  {},
		"":               {},
	} {
		if got, err := h.Verify(t.Context(), encoded, plain); err != nil || got != want {
			t.Errorf("Verify(%q) = %+v, %v; want %+v", plain, got, err, want)
		}
	}
}

func TestDefaultParams(t *testing.T) {
	t.Parallel()
	h, err := password.New(password.Config{})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := h.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("Hash = %q", encoded)
	}
	if got, err := h.Verify(t.Context(), encoded, "x"); err != nil || got != (password.Result{OK: true}) {
		t.Errorf("Verify = %+v, %v", got, err)
	}
}

func TestNormalization(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	encoded, err := h.Hash(t.Context(), "pin\u0303a") // n, combining tilde
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Verify(t.Context(), encoded, "pi\u00f1a"); err != nil || !got.OK {
		t.Errorf("Verify of the composed spelling = %+v, %v", got, err)
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	longest := strings.Repeat("a", password.MaxLength)
	encoded, err := h.Hash(t.Context(), longest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Verify(t.Context(), encoded, longest); err != nil || !got.OK {
		t.Errorf("Verify of the longest password = %+v, %v", got, err)
	}
	if _, err := h.Hash(t.Context(), longest+"a"); !errors.Is(err, password.ErrTooLong) {
		t.Errorf("Hash: %v", err)
	}
	if got, err := h.Verify(t.Context(), encoded, longest+"a"); !errors.Is(err, password.ErrTooLong) || got.OK {
		t.Errorf("Verify = %+v, %v", got, err)
	}
	if err := h.Dummy(t.Context(), longest+"a"); !errors.Is(err, password.ErrTooLong) {
		t.Errorf("Dummy: %v", err)
	}
}

// The argon2id vectors are those of the reference implementation's test.c, the bcrypt ones
// those of Openwall's crypt_blowfish under each of the three prefixes.
func TestKnownVectors(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{MaxMemory: 64 << 20})
	for _, v := range []struct{ encoded, plain string }{
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"},
		{"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
		{"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"},
		{"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
		{"$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"},
		{"$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"},
	} {
		if err := h.Check(v.encoded); err != nil {
			t.Errorf("Check(%s): %v", v.encoded, err)
		}
		got, err := h.Verify(t.Context(), v.encoded, v.plain)
		if want := (password.Result{OK: true, Rehash: true}); err != nil || got != want {
			t.Errorf("Verify(%s) = %+v, %v; want %+v", v.encoded, got, err, want)
		}
		if got, err := h.Verify(t.Context(), v.encoded, v.plain+"x"); err != nil || got != (password.Result{}) {
			t.Errorf("Verify(%s) of another password = %+v, %v", v.encoded, got, err)
		}
	}
}

func TestBcryptSeesSeventyTwoBytes(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	prefix := strings.Repeat("p", 72)
	encoded, err := bcrypt.GenerateFromPassword([]byte(prefix), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for plain, want := range map[string]bool{prefix: true, prefix + "more": true, prefix[1:]: false} {
		if got, err := h.Verify(t.Context(), string(encoded), plain); err != nil || got.OK != want || got.Rehash != want {
			t.Errorf("Verify of %d bytes = %+v, %v; want %v", len(plain), got, err, want)
		}
	}
}

func TestRehash(t *testing.T) {
	t.Parallel()
	old := newHasher(t, password.Config{})
	encoded, err := old.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []password.Params{
		{Memory: 128, Time: 1, Threads: 1},
		{Memory: 64, Time: 2, Threads: 1},
		{Memory: 64, Time: 1, Threads: 2},
	} {
		h := newHasher(t, password.Config{Params: p})
		if got, err := h.Verify(t.Context(), encoded, "x"); err != nil || !got.OK || !got.Rehash {
			t.Errorf("Verify under %+v = %+v, %v", p, got, err)
		}
		if got, err := h.Verify(t.Context(), encoded, "y"); err != nil || got.OK || got.Rehash {
			t.Errorf("Verify of a wrong password under %+v = %+v, %v", p, got, err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	const (
		salt = "c29tZXNhbHQ"                                 // 8 bytes
		key  = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4" // 32 bytes
		bc   = "XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"
		tail = salt + "$" + key
	)
	h := newHasher(t, password.Config{MaxMemory: 64 << 20})
	wide := newHasher(t, password.Config{MaxMemory: 4 << 30})
	for _, c := range []struct {
		name, encoded string
		narrow, wide  error
	}{
		{"budget", "$argon2id$v=19$m=65536,t=2,p=1$" + tail, nil, nil},
		{"over budget", "$argon2id$v=19$m=65537,t=2,p=1$" + tail, password.ErrBounds, nil},
		{"1 GiB", "$argon2id$v=19$m=1048576,t=1,p=1$" + tail, password.ErrBounds, nil},
		{"1 GiB in four passes", "$argon2id$v=19$m=262144,t=4,p=1$" + tail, password.ErrBounds, nil},
		{"1.25 GiB in five passes", "$argon2id$v=19$m=262144,t=5,p=1$" + tail, password.ErrBounds, password.ErrBounds},
		{"over 1 GiB", "$argon2id$v=19$m=1048577,t=1,p=1$" + tail, password.ErrBounds, password.ErrBounds},
		{"4 TiB", "$argon2id$v=19$m=4294967295,t=1,p=1$" + tail, password.ErrBounds, password.ErrBounds},
		{"over 32 bits", "$argon2id$v=19$m=4294967360,t=1,p=1$" + tail, password.ErrBounds, password.ErrBounds},
		{"t=10", "$argon2id$v=19$m=64,t=10,p=1$" + tail, nil, nil},
		{"t=11", "$argon2id$v=19$m=64,t=11,p=1$" + tail, password.ErrBounds, password.ErrBounds},
		{"t=0", "$argon2id$v=19$m=64,t=0,p=1$" + tail, password.ErrBounds, password.ErrBounds},
		{"p=16", "$argon2id$v=19$m=128,t=1,p=16$" + tail, nil, nil},
		{"p=17", "$argon2id$v=19$m=256,t=1,p=17$" + tail, password.ErrBounds, password.ErrBounds},
		{"p=0", "$argon2id$v=19$m=64,t=1,p=0$" + tail, password.ErrBounds, password.ErrBounds},
		{"p=257", "$argon2id$v=19$m=64,t=1,p=257$" + tail, password.ErrBounds, password.ErrBounds},
		{"memory below 8p", "$argon2id$v=19$m=15,t=1,p=2$" + tail, password.ErrBounds, password.ErrBounds},
		{"bcrypt 4", "$2b$04$" + bc, nil, nil},
		{"bcrypt 14", "$2b$14$" + bc, nil, nil},
		{"bcrypt 15", "$2b$15$" + bc, password.ErrBounds, password.ErrBounds},
		{"bcrypt 31", "$2b$31$" + bc, password.ErrBounds, password.ErrBounds},
		{"bcrypt 3", "$2b$03$" + bc, password.ErrBounds, password.ErrBounds},

		{"empty", "", password.ErrFormat, password.ErrFormat},
		{"plain", "hunter2", password.ErrFormat, password.ErrFormat},
		{"argon2i", "$argon2i$v=19$m=64,t=1,p=1$" + tail, nil, nil},
		{"argon2d", "$argon2d$v=19$m=64,t=1,p=1$" + tail, password.ErrFormat, password.ErrFormat},
		{"version 16", "$argon2id$v=16$m=64,t=1,p=1$" + tail, password.ErrFormat, password.ErrFormat},
		{"no version", "$argon2id$m=64,t=1,p=1$" + tail, password.ErrFormat, password.ErrFormat},
		{"other order", "$argon2id$v=19$t=1,m=64,p=1$" + tail, password.ErrFormat, password.ErrFormat},
		{"leading zero", "$argon2id$v=19$m=064,t=1,p=1$" + tail, password.ErrFormat, password.ErrFormat},
		{"sign", "$argon2id$v=19$m=+64,t=1,p=1$" + tail, password.ErrFormat, password.ErrFormat},
		{"key id", "$argon2id$v=19$m=64,t=1,p=1,keyid=AA$" + tail, password.ErrFormat, password.ErrFormat},
		{"no key", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$", password.ErrFormat, password.ErrFormat},
		{"short key", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key[:16], password.ErrFormat, password.ErrFormat},
		{"short salt", "$argon2id$v=19$m=64,t=1,p=1$c29t$" + key, password.ErrFormat, password.ErrFormat},
		{"padding", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "=$" + key, password.ErrFormat, password.ErrFormat},
		{"stray bits", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHR$" + key, password.ErrFormat, password.ErrFormat},
		{"newline", "$argon2id$v=19$m=64,t=1,p=1$" + tail + "\n", password.ErrFormat, password.ErrFormat},
		{"long", "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("AAAA", 1<<16) + "$" + key, password.ErrFormat, password.ErrFormat},
		{"bcrypt $2x", "$2x$10$" + bc, password.ErrFormat, password.ErrFormat},
		{"bcrypt $2", "$2$10$" + bc, password.ErrFormat, password.ErrFormat},
		{"bcrypt short", "$2b$10$" + bc[1:], password.ErrFormat, password.ErrFormat},
		{"bcrypt long", "$2b$10$" + bc + "a", password.ErrFormat, password.ErrFormat},
		{"bcrypt newline", "$2b$10$" + bc + "\n", password.ErrFormat, password.ErrFormat},
	} {
		if err := h.Check(c.encoded); !errors.Is(err, c.narrow) {
			t.Errorf("%s: Check = %v, want %v", c.name, err, c.narrow)
		}
		if err := wide.Check(c.encoded); !errors.Is(err, c.wide) {
			t.Errorf("%s: Check with memory = %v, want %v", c.name, err, c.wide)
		}
		if c.narrow == nil {
			continue
		}
		if got, err := h.Verify(t.Context(), c.encoded, "x"); !errors.Is(err, c.narrow) || got.OK {
			t.Errorf("%s: Verify = %+v, %v; want %v", c.name, got, err, c.narrow)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]password.Config{
		"MaxMemory": {MaxMemory: 1 << 20},
		"Parallel":  {Parallel: -1},
		"Queue":     {Queue: -1},
		"MaxWait":   {MaxWait: -time.Second},
		"Memory":    {Params: password.Params{Memory: 1<<20 + 1}},
		"Time":      {Params: password.Params{Time: 11}},
		"Threads":   {Params: password.Params{Threads: 17}},
		"times":     {Params: password.Params{Memory: 512 << 10, Time: 3}, MaxMemory: 1 << 30},
	} {
		if _, err := password.New(config); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := password.New(password.Config{Parallel: -1, Queue: -1, MaxWait: -1, Params: password.Params{Time: 11}})
	for _, name := range []string{"Time", "Parallel", "Queue", "MaxWait"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("all at once: %v; want it to name %s", err, name)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$argon2id$v=19$m=4294967296,t=0,p=300$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga")
	f.Add("$2y$31$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga")
	f.Add("$$$$$")
	f.Add("")
	for _, v := range foreign {
		f.Add(v.encoded)
	}
	h := newHasher(f, password.Config{MaxMemory: 1 << 20})
	f.Fuzz(func(t *testing.T, encoded string) {
		if err := h.Check(encoded); err != nil {
			if !errors.Is(err, password.ErrFormat) && !errors.Is(err, password.ErrBounds) {
				t.Fatalf("Check(%q) = %v", encoded, err)
			}
			return
		}
		switch rounds := password.Rounds(encoded); {
		case strings.HasPrefix(encoded, "$argon2"):
			if again, err := password.Respell(encoded); err != nil || again != encoded {
				t.Fatalf("%q is also spelled %q, %v", encoded, again, err)
			}
		case rounds > 2_621_440:
			t.Fatalf("accepted %q: %d rounds", encoded, rounds)
		case rounds > 2_000:
			return // too slow to compute here
		}
		// What is accepted can be computed.
		if _, err := h.Verify(context.Background(), encoded, "x"); err != nil {
			t.Fatalf("Verify(%q): %v", encoded, err)
		}
	})
}
