package flow_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// foreign are hashes as other systems make them, by the name of whose they are here, at low costs where those can be chosen. The vectors
// that others have published are in internal/password.
var foreign = map[string]struct{ encoded, plain string }{
	"bcrypt":   {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"},
	"scrypt":   {"$scrypt$ln=4,r=8,p=1$U29kaXVtQ2hsb3JpZGU$Jan6IH+Hygmk74ufd3rKFr63hK4YML+/04MlqruTd98bp4TXRuonO/UWpG+/rPURxb66TEqzrMf6b0YLbA9Hew", "pleaseletmein"},
	"firebase": {"$firescrypt$ln=4,r=8,p=1$42xEC+ixf3L2lw==$NJuYoAYsze0WXuT4l9NCver7kb9B6YVzrhmX44Kn8rxRsXndH14O4xZL+9a05RRnMCCpQ0Z/SWEO8tcSaKrfOg==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==", "user1password"},
	"passlib":  {"$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M", "password"},
	"keycloak": {"$pbkdf2-sha256$i=1000,l=64$a2V5Y2xvYWsgc2FsdCAuLg==$1uDjKgJvbg6rkkVy00XimdTvbArkpEJFMOrdaBkLfw9UwuEnhYrnPBCdlre0Cts6xIx1wOjv7YdRrvL1D3DIKg==", "Password"},
	"sha1":     {"$pbkdf2-sha1$1000$c2FsdA$boi+i61+rp2eEKoGEiQDT+1I0D8", "password"},
	"sha512":   {"$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww", "password"},
	"django":   {"pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=", "l\u00e8tmein"},
	"django-scrypt": {
		"scrypt$16$seasalt$8$1$Ag3xi9s5DI1IykxHwK69aAITcA5UG/ASVel5w/eh3arzvQVo4Qq5U22XZsZzfrmfVbXPWRUV6NNE9WSzQzZKig==", "l\u00e8tmein",
	},
	"django-argon2": {"argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "secret"},
	"django-bcrypt": {"bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC", "l\u00e8tmein"},
	"ssha":          {"{SSHA}pKqkNr1tq3wtQqk+UcPyA3HnA2NsU5NJ", "password"},
	"ssha256":       {"{SSHA256}x1tymSTVjozxQ2PtT46ysrzhZxbcskK0o2f8hEFx7fAQQmhtDSEkJA==", "password"},
	"ssha512": {
		"{SSHA512}cwNVhOuAAA1oPn+CL+wS1f0tPZracezN0yYU0xqYornXQBQ9qBELs44UJoU10/Tk7xHjUDA1r9zldrcPUqHBNAECAwQFBgcI", "password",
	},
	"sha":          {"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password"},
	"sha256-crypt": {"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
	"sha512-crypt": {
		"{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "Hello world!",
	},
	"md5-crypt": {"$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0", "0.s0.l33t"},
}

// roomy is a hasher of cheap costs with the memory that foreign hashes ask for.
func roomy(w *testing.T) func(*flow.Config, *directory.Config) {
	return func(_ *flow.Config, c *directory.Config) {
		hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}, MaxMemory: 64 << 20})
		if err != nil {
			w.Fatal(err)
		}
		c.Hasher = hasher
	}
}

// hash is the encoded hash of somebody's password, as the store has it.
func (w *world) hash(u *directory.User) string {
	w.Helper()
	list, err := w.Credentials.List(w.Context(), u.Ref())
	w.must(err)
	for _, c := range list {
		if c.Type == directory.PasswordCredential {
			encoded, err := w.db.Unseal(w.Credentials.Kind(), c.Ref(), "secret", c.Secret)
			w.must(err)
			return string(encoded)
		}
	}
	w.Fatalf("%s has no password", u.Username)
	return ""
}

// bring imports people with the hashes.
func (w *world) bring(rows ...*directory.ImportRow) {
	w.Helper()
	count, err := w.Import(w.Context(), directory.Import{Source: "old", Part: rows[0].Username, Rows: func(yield func(*directory.ImportRow, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}})
	if err != nil || int(count.Created) != len(rows) {
		w.Fatalf("import: %+v, %v", count, err)
	}
}

func imported(name, hash string) *directory.ImportRow {
	return &directory.ImportRow{User: directory.User{Username: name}, Hash: directory.PasswordHash(hash)}
}

// TestForeignHashSignsIn: whoever comes with the hash of another system signs in with the password that they had. The first
// sign-in replaces the hash, and nothing else does.
func TestForeignHashSignsIn(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p, roomy(t))
		for name, h := range foreign {
			w.bring(imported(name, h.encoded))
			u := w.mustFind(name)
			b := w.browser()
			b.login(b.get(w.request(directory.Interaction{})), name, h.plain+"x")
			if got := w.hash(u); got != h.encoded {
				t.Errorf("%s: a wrong password leaves %s", name, got)
			}
			for range 2 {
				b = w.browser()
				if result := b.login(b.get(w.request(directory.Interaction{})), name, h.plain).answer(t); result.Subject != u.Ref() {
					t.Errorf("%s: signed in %v", name, result.Subject)
				}
				if got := w.hash(u); !strings.HasPrefix(got, "$argon2id$v=19$m=64,t=1,p=1$") {
					t.Errorf("%s: the hash is %s", name, got)
				}
			}
		}
		for _, h := range foreign {
			if strings.Contains(w.logged(), h.encoded) {
				t.Error("the log holds a hash")
			}
		}
	})
}

// TestRehashWaitsForTheWholeSignIn: who knows the beginning of a password, which is all that bcrypt sees, does not decide what
// the rest is from now on, while a second factor is missing.
func TestRehashWaitsForTheWholeSignIn(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p, roomy(t))
		old := foreign["passlib"]
		w.bring(imported("ann", old.encoded))
		ann := w.mustFind("ann")
		seed := w.totp(ann)
		b := w.browser()
		page := b.login(b.get(w.request(directory.Interaction{})), "ann", old.plain)
		if page.step() != "totp" || w.hash(ann) != old.encoded {
			t.Errorf("after the password: %v, hash %s", page, w.hash(ann))
		}
		if page = b.submit(page, "otp", "000000"); w.hash(ann) != old.encoded {
			t.Errorf("after a wrong code: %v, hash %s", page, w.hash(ann))
		}
		b.submit(page, "otp", w.code(seed)).answer(t)
		if got := w.hash(ann); !strings.HasPrefix(got, "$argon2id$") {
			t.Errorf("after the code: hash %s", got)
		}
	})
}

// TestRehashMayFail: a sign-in succeeds when the new hash cannot be written, and the old one stands.
func TestRehashMayFail(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p, roomy(t))
		old := foreign["ssha"]
		w.bring(imported("ann", old.encoded))
		credentials := w.Credentials.Kind()
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method == storetest.MethodApply && slices.ContainsFunc(c.Ops, func(op store.Op) bool { return op.Record.Kind == credentials }) {
				return storetest.ErrInjected
			}
			return nil
		})
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", old.plain).answer(t)
		w.faults.Heal()
		if got := w.hash(w.mustFind("ann")); got != old.encoded || !strings.Contains(w.logged(), "not replaced") {
			t.Errorf("hash %s, log:\n%s", got, w.logged())
		}
	})
}

// oldSystem answers for ann, whose password there is goodPassword.
type oldSystem struct {
	err   error
	asked int
}

func (o *oldSystem) VerifyPassword(_ context.Context, username, pass string) (directory.Verification, error) {
	o.asked++
	return directory.Verification{OK: username == "ann" && pass == goodPassword}, o.err
}

// TestSilentMigration: somebody whom only the other system knows signs in here with the password from there, and exists from
// then on.
func TestSilentMigration(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"unknown": false, "imported": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) { silentMigration(t, p, known) })
		})
	}
}

func silentMigration(t *testing.T, p storetest.Placement, known bool) {
	old := &oldSystem{err: errors.New("down for maintenance")}
	w := newWorld(t, p, func(_ *flow.Config, c *directory.Config) { c.Verifier = old })
	if known {
		w.bring(&directory.ImportRow{User: directory.User{Username: "ann"}, Elsewhere: true})
	}
	b := w.browser()
	page := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
		t.Fatalf("while the other system is down: %v", page)
	}
	old.err = nil
	b = w.browser()
	page = b.login(b.get(w.request(directory.Interaction{})), "ann", "wrong")
	if page.message() != "password.wrong" {
		t.Errorf("a wrong password: %v", page)
	}
	result := b.login(page, "ann", goodPassword).answer(t)
	ann := w.mustFind("ann")
	if result.Subject != ann.Ref() || !strings.HasPrefix(w.hash(ann), "$argon2id$") {
		t.Errorf("signed in %v, hash %s", result.Subject, w.hash(ann))
	}
	asked := old.asked
	b = w.browser()
	b.signIn("ann")
	w.must(w.Subjects.Disable(t.Context(), ann.Ref()))
	b = w.browser()
	page = b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
	if page.message() != "password.wrong" || old.asked != asked {
		t.Errorf("disabled: %v, asked %d times more", page, old.asked-asked)
	}
}

// TestLockComesBeforeTheVerifier: guesses at a name that only the other system may know are counted as any, and under a lock
// it is not asked.
func TestLockComesBeforeTheVerifier(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		old := &oldSystem{}
		w := newWorld(t, p, func(_ *flow.Config, c *directory.Config) { c.Verifier = old })
		b := w.browser()
		page := b.get(w.request(directory.Interaction{}))
		for range 8 {
			page = b.login(page, "ann", "wrong")
		}
		if page = b.login(page, "ann", goodPassword); page.message() != "password.wrong" || old.asked != 5 {
			t.Errorf("under a lock: %v, asked %d times", page, old.asked)
		}
	})
}
