package directorytest_test

import (
	"errors"
	"testing"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/directory/directorytest"
)

// Several stores side by side are a store like any other.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	table := func() hostUsers { return hostUsers{&hostTable{rows: map[int]hostRow{}}} }
	for name, stores := range map[string]func() []directory.UserStore{
		"new people in the DB":     func() []directory.UserStore { return []directory.UserStore{{Users: table()}, {Registers: true}} },
		"new people in the table":  func() []directory.UserStore { return []directory.UserStore{{}, {Users: table(), Registers: true}} },
		"beside one that is read":  func() []directory.UserStore { return []directory.UserStore{{Users: readOnlyUsers{host: table()}}, {}} },
		"with the table's primary": func() []directory.UserStore { return []directory.UserStore{{Users: table()}, {}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directorytest.Run(t, func(t *testing.T) directorytest.Target {
				t.Helper()
				return sideBySide(t, stores())
			})
		})
	}
	t.Run("reading only", func(t *testing.T) {
		t.Parallel()
		directorytest.Run(t, func(t *testing.T) directorytest.Target {
			t.Helper()
			host := table()
			ann := &directory.User{Username: "ann", Email: "ann@example.com"}
			if err := errors.Join(host.Create(t.Context(), nil, ann), host.SetPassword(t.Context(), nil, ann, "her own password")); err != nil {
				t.Fatal(err)
			}
			target := sideBySide(t, []directory.UserStore{{Users: readOnlyUsers{host: host}}})
			ann.ID, ann.Store = "crm/"+ann.ID, "crm"
			target.Person, target.Password = ann, "her own password"
			return target
		})
	})
}

func sideBySide(t *testing.T, stores []directory.UserStore) directorytest.Target {
	t.Helper()
	db := openDB(t)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := directory.New(directory.Config{DB: db, Hasher: hasher, UserStores: stores})
	if err != nil {
		t.Fatal(err)
	}
	return directorytest.Target{Users: dir.Users, DB: db}
}
