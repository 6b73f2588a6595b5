package directory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// oldSystem is the system that people come from.
type oldSystem struct {
	mu        sync.Mutex
	passwords map[string]string // by what people type
	profiles  map[string]*directory.User
	err       error
	asked     []string
}

func (o *oldSystem) VerifyPassword(_ context.Context, username, pass string) (directory.Verification, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, username)
	if o.err != nil {
		return directory.Verification{}, o.err
	}
	want, known := o.passwords[username]
	return directory.Verification{OK: known && pass == want, Profile: o.profiles[username]}, nil
}

// adopting is a world beside an old system in which ann's password is goodPassword.
func adopting(t *testing.T, p storetest.Placement) (*world, *oldSystem) {
	t.Helper()
	o := &oldSystem{passwords: map[string]string{"ann": goodPassword}, profiles: map[string]*directory.User{}}
	return newWorld(t, p, func(c *directory.Config) { c.Verifier = o }), o
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, o := adopting(t, p)
		ctx := t.Context()
		o.passwords["ann"] = "short"
		o.profiles["ann"] = &directory.User{Username: "Ann", Email: "ann@example.com", EmailVerified: true}

		_, err := w.Adopt(ctx, "", "ann", "wrong")
		is(t, "a wrong password", err, store.ErrNotFound)
		_, err = w.Adopt(ctx, "", "bob", "short")
		is(t, "nobody", err, store.ErrNotFound)
		o.err = store.ErrNotFound
		if _, err = w.Adopt(ctx, "", "ann", "short"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("a system that is down: %v", err)
		}
		o.err = nil
		u, err := w.Adopt(ctx, "", "ann", "short")
		if err != nil || u.Username != "Ann" || !u.EmailVerified || w.subject(t, u.Ref()).Status != directory.Active {
			t.Fatalf("Adopt = %+v, %v", u, err)
		}
		o.asked = nil
		if ok, err := w.Users.VerifyPassword(ctx, w.imported(t, "ann"), "short"); !ok || err != nil || len(o.asked) > 0 {
			t.Errorf("from then on: %v, %v, asked %v", ok, err, o.asked)
		}
		if !strings.HasPrefix(w.encoded(t, u), "$argon2id$") {
			t.Error("the password is not here")
		}
	})
}

// TestAdoptMeetsNamesake: somebody here has the name that the other system calls them by. Only their own password here counts.
func TestAdoptMeetsNamesake(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, o := adopting(t, p)
		ann, _ := w.person(t, "ann")
		o.passwords["ann@old"], o.passwords["annie@old"] = "another password", goodPassword
		o.profiles["ann@old"] = &directory.User{Username: "ann"}
		o.profiles["annie@old"] = o.profiles["ann@old"]
		_, err := w.Adopt(t.Context(), "", "ann@old", "another password")
		is(t, "a namesake", err, store.ErrNotFound)
		u, err := w.Adopt(t.Context(), "", "annie@old", goodPassword)
		if err != nil || u.ID != ann.ID {
			t.Errorf("the same person = %v, %v", u, err)
		}
	})
}

func TestAdoptRace(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, _ := adopting(t, p)
		ids := make([]string, 8)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				u, err := w.Adopt(t.Context(), "", "ann", goodPassword)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = u.ID
			})
		}
		all.Wait()
		if ids = slices.Compact(ids); len(ids) != 1 {
			t.Errorf("%d people", len(ids))
		}
	})
}

func TestAdoptFaults(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, _ := adopting(t, p)
		for n := 1; ; n++ {
			w.faults.FailCall(n, nil)
			_, err := w.Adopt(t.Context(), "", "ann", goodPassword)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				is(t, "no call that failed", err, nil)
				break
			}
			is(t, "a call that failed", err, storetest.ErrInjected)
			_, err = w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
			is(t, "half a person", err, store.ErrNotFound)
		}
	})
}

func TestAdoptWithout(t *testing.T) {
	t.Parallel()
	_, err := together(t).Adopt(t.Context(), "", "ann", goodPassword)
	is(t, "no Verifier", err, store.ErrNotFound)
	w, o := adopting(t, storetest.Placement{Driver: memory.New()})
	_, err = w.Adopt(t.Context(), "", "ann", strings.Repeat("x", password.MaxLength+1))
	is(t, "no password", err, store.ErrNotFound)
	if len(o.asked) > 0 {
		t.Errorf("asked %v", o.asked)
	}
	o.profiles["ann"] = &directory.User{Email: "no address"}
	if _, err = w.Adopt(t.Context(), "", "ann", goodPassword); err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "email") {
		t.Errorf("a profile that is wrong: %v", err)
	}
}

// TestElsewhere: somebody whose profile came with an import, and whose password is still in the other system.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, o := adopting(t, p)
		ctx := t.Context()
		_, err := w.Import(ctx, newImporting(row("ann", func(r *directory.ImportRow) { r.Hash, r.Elsewhere = "", true }), row("bob")).Import)
		is(t, "import", err, nil)
		ann := w.imported(t, "ann")
		if ok, err := w.Users.VerifyPassword(ctx, ann, "wrong"); ok || err != nil || w.RehashOf(ann) != nil {
			t.Errorf("a wrong password: %v, %v", ok, err)
		}
		if ok, err := w.Users.VerifyPassword(ctx, ann, "elsewhere"); ok || err != nil {
			t.Errorf("the mark as a password: %v, %v", ok, err)
		}
		o.err = errors.New("down")
		if ok, err := w.Users.VerifyPassword(ctx, ann, goodPassword); ok || err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("a system that is down: %v, %v", ok, err)
		}
		o.err, o.profiles["ann"] = nil, &directory.User{Username: "other", Email: "ann@example.com", Disabled: true}
		if ok, err := w.Users.VerifyPassword(ctx, ann, goodPassword); !ok || err != nil {
			t.Fatalf("a right password: %v, %v", ok, err)
		}
		if u := w.imported(t, "ann"); u.Email != "ann@example.com" || u.Disabled || u.ID != ann.ID {
			t.Errorf("updated to %+v", u)
		}
		is(t, "rehash", w.Rehash(ctx, w.RehashOf(ann)), nil)
		o.asked = nil
		for pass, want := range map[string]bool{goodPassword: true, "wrong": false} {
			if ok, err := w.Users.VerifyPassword(ctx, ann, pass); ok != want || err != nil {
				t.Errorf("from then on %q: %v, %v", pass, ok, err)
			}
		}
		if _, err := w.Users.VerifyPassword(ctx, w.imported(t, "bob"), goodPassword); err != nil || len(o.asked) > 0 {
			t.Errorf("asked for %v, %v", o.asked, err)
		}
	})
}

// TestElsewhereReset: who gets a new password here is not asked about any more.
func TestElsewhereReset(t *testing.T) {
	t.Parallel()
	w, o := adopting(t, storetest.Placement{Driver: memory.New()})
	_, err := w.Import(t.Context(), newImporting(row("ann", func(r *directory.ImportRow) { r.Hash, r.Elsewhere = "", true })).Import)
	is(t, "import", err, nil)
	ann := w.imported(t, "ann")
	is(t, "reset", w.SetPassword(t.Context(), ann, "a password of this place"), nil)
	if ok, err := w.Users.VerifyPassword(t.Context(), ann, goodPassword); ok || err != nil || len(o.asked) > 0 {
		t.Errorf("the old password: %v, %v, asked %v", ok, err, o.asked)
	}
}

// TestVerifierIsBounded: a system that hangs holds nobody for long, and does not get more than it can take.
func TestVerifierIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		hang := directory.VerifierFunc(func(ctx context.Context, _, _ string) (directory.Verification, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			now--
			mu.Unlock()
			return directory.Verification{}, ctx.Err()
		})
		w := together(t, func(c *directory.Config) { c.Verifier = hang })
		began := time.Now()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				if _, err := w.Adopt(t.Context(), "", "ann", goodPassword); err == nil || errors.Is(err, store.ErrNotFound) {
					t.Errorf("Adopt: %v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 6*time.Second || most > 16 {
			t.Errorf("took %v, %d at once", took, most)
		}
	})
}
