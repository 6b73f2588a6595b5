package directorytest_test

import (
	"testing"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/directory/directorytest"
	"github.com/signet-idp/signet/store/memory"
)

func TestDefaultStore(t *testing.T) {
	t.Parallel()
	directorytest.Run(t, func(t *testing.T) directorytest.Target {
		t.Helper()
		db := openDB(t)
		hasher, err := password.New(password.Config{Params: password.Params{Memory: 1024, Time: 1}})
		if err != nil {
			t.Fatal(err)
		}
		dir, err := directory.New(directory.Config{DB: db, Hasher: hasher})
		if err != nil {
			t.Fatal(err)
		}
		return directorytest.Target{Users: dir.Users, DB: db}
	})
}

func openDB(t *testing.T) *store.DB {
	t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	return db
}
