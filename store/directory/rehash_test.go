package directory_test

import (
	"testing"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// TestRehash: what a right password makes due is written when the caller says so, once, over the hash that it was made for.
func TestRehash(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		old, ctx := newWorld(t, p), t.Context()
		u, _ := old.person(t, "ann")
		costlier, err := password.New(password.Config{Params: password.Params{Memory: 128, Time: 1, Threads: 1}})
		if err != nil {
			t.Fatal(err)
		}
		dir, err := directory.New(directory.Config{DB: old.db, Hasher: costlier})
		if err != nil {
			t.Fatal(err)
		}
		secretOf := func() store.Sealed { return old.passwordOf(t, u).Secret }
		before := secretOf()
		if ok, err := dir.Users.VerifyPassword(ctx, u, "wrong"); ok || err != nil || dir.RehashOf(u) != nil {
			t.Errorf("a wrong password: %v, %v, %v", ok, err, dir.RehashOf(u))
		}
		if ok, err := dir.Users.VerifyPassword(ctx, u, goodPassword); !ok || err != nil || secretOf() != before {
			t.Errorf("a right password: %v, %v, or it changed the hash at once", ok, err)
		}
		first := dir.RehashOf(u)
		_, err = dir.Users.VerifyPassword(ctx, u, goodPassword)
		second := dir.RehashOf(u)
		if first == nil || second == nil || err != nil {
			t.Fatalf("due are %v and %v, %v", first, second, err)
		}
		old.faults.FailNext(storetest.MethodApply, nil)
		is(t, "a store that fails", dir.Rehash(ctx, first), storetest.ErrInjected)
		is(t, "the first", dir.Rehash(ctx, first), nil)
		after := secretOf()
		is(t, "the second", dir.Rehash(ctx, second), nil)
		if after == before || secretOf() != after {
			t.Error("the outdated hash was kept, or the new one replaced")
		}
		if ok, err := dir.Users.VerifyPassword(ctx, u, goodPassword); !ok || err != nil || dir.RehashOf(u) != nil {
			t.Errorf("afterwards: %v, %v, due %v", ok, err, dir.RehashOf(u))
		}
		is(t, "nothing", dir.Rehash(ctx, nil), nil)

		is(t, "an older password", old.SetPassword(ctx, u, "another fine password"), nil)
		changed := secretOf()
		is(t, "a password that was changed meanwhile", dir.Rehash(ctx, first), nil)
		is(t, "delete", old.DeleteUser(ctx, u), nil)
		is(t, "somebody who was deleted meanwhile", dir.Rehash(ctx, first), nil)
		if changed == after {
			t.Error("the password was not changed")
		}
	})
}

// passwordOf returns the credential that is somebody's password.
func (w *world) passwordOf(t *testing.T, u *directory.User) *directory.Credential {
	t.Helper()
	list, err := w.Credentials.List(t.Context(), u.Ref())
	if err != nil || len(list) != 1 || list[0].Type != directory.PasswordCredential {
		t.Fatalf("credentials = %v, %v", list, err)
	}
	return list[0]
}

// encoded returns the hash of somebody's password.
func (w *world) encoded(t *testing.T, u *directory.User) string {
	t.Helper()
	c := w.passwordOf(t, u)
	encoded, err := w.db.Unseal(w.Credentials.Kind(), c.Ref(), "secret", c.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
