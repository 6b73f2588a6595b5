package directorytest_test

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/directory/directorytest"
)

// hostRow is a row of a program's own table of people, with whatever columns it has always had.
type hostRow struct {
	number   int
	login    string
	mail     string
	blocked  bool
	salt     [16]byte
	hash     []byte // nil for no password
	revision int64
}

// hostTable is that table. Signet knows nothing of it.
type hostTable struct {
	mu     sync.Mutex
	rows   map[int]hostRow
	serial int
}

// hostUsers is all that a program writes to have its people sign in through Signet.
type hostUsers struct{ table *hostTable }

func (h hostUsers) Capabilities() directory.Capabilities {
	return directory.Capabilities{Name: "crm", Write: true, SetPassword: true}
}

func (r hostRow) user() *directory.User {
	return &directory.User{
		Meta:     store.Meta{ID: strconv.Itoa(r.number), Version: r.revision},
		Username: r.login, Email: r.mail, Disabled: r.blocked,
	}
}

func (h hostUsers) Find(_ context.Context, org string, by directory.Identifier) (*directory.User, error) {
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	found := h.table.where(func(r hostRow) bool {
		switch by.Name {
		case directory.ByID:
			return strconv.Itoa(r.number) == by.Value
		case directory.ByUsername:
			return directory.Fold(r.login) == directory.Fold(by.Value)
		case directory.ByEmail:
			return directory.Fold(r.mail) == directory.Fold(by.Value)
		}
		return false
	})
	if len(found) != 1 || org != "" {
		return nil, store.ErrNotFound
	}
	return found[0].user(), nil
}

func (h hostUsers) List(_ context.Context, q store.Query) (store.Listing[directory.User], error) {
	if q.Filter != nil || q.Sort != "" {
		return store.Listing[directory.User]{}, store.ErrUnindexed
	}
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	after, _ := strconv.Atoi(q.After)
	rows := h.table.where(func(r hostRow) bool { return r.number > after })
	listing := store.Listing[directory.User]{}
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	if len(rows) > limit {
		rows = rows[:limit]
		listing.Next = strconv.Itoa(rows[limit-1].number)
	}
	for _, r := range rows {
		listing.Items = append(listing.Items, r.user())
	}
	return listing, nil
}

func (h hostUsers) Create(_ context.Context, _ *store.Batch, u *directory.User) error {
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	h.table.serial++
	r := hostRow{number: h.table.serial, revision: 1}
	u.ID, u.Version = strconv.Itoa(r.number), 1
	return h.table.write(r, u)
}

func (h hostUsers) Replace(_ context.Context, _ *store.Batch, u *directory.User) error {
	return h.change(u, func(r hostRow) error {
		u.Version++
		r.revision = u.Version
		return h.table.write(r, u)
	})
}

func (h hostUsers) Delete(_ context.Context, _ *store.Batch, u *directory.User) error {
	return h.change(u, func(r hostRow) error {
		delete(h.table.rows, r.number)
		return nil
	})
}

func (h hostUsers) SetPassword(_ context.Context, _ *store.Batch, u *directory.User, password string) error {
	return h.change(u, func(r hostRow) error {
		if _, err := rand.Read(r.salt[:]); err != nil {
			return err
		}
		hash, err := r.derive(password)
		r.hash = hash
		h.table.rows[r.number] = r
		return err
	})
}

func (h hostUsers) VerifyPassword(_ context.Context, u *directory.User, password string) (bool, error) {
	row := hostRow{}
	if u != nil {
		h.table.mu.Lock()
		number, _ := strconv.Atoi(u.ID)
		row = h.table.rows[number]
		h.table.mu.Unlock()
	}
	hash, err := row.derive(password) // also for nobody, so that it takes as long
	return err == nil && row.hash != nil && hmac.Equal(hash, row.hash), err
}

func (r hostRow) derive(password string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, r.salt[:], 5000, 32)
}

// change does something to the row of a user if it stands at the version that was read.
func (h hostUsers) change(u *directory.User, do func(hostRow) error) error {
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	number, _ := strconv.Atoi(u.ID)
	r, ok := h.table.rows[number]
	if !ok {
		return &store.Conflict{Reason: store.Absent, Ref: u.Ref()}
	}
	if r.revision != u.Version {
		return &store.Conflict{Reason: store.Version, Ref: u.Ref()}
	}
	return do(r)
}

// where returns the rows that fit, by number.
func (t *hostTable) where(fits func(hostRow) bool) (rows []hostRow) {
	for _, r := range t.rows {
		if fits(r) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b hostRow) int { return a.number - b.number })
	return rows
}

// write puts what a user says into a row, unless another has the name.
func (t *hostTable) write(r hostRow, u *directory.User) error {
	others := t.where(func(o hostRow) bool {
		return o.number != r.number && directory.Fold(o.login) == directory.Fold(u.Username)
	})
	if len(others) > 0 {
		return &directory.TakenError{Name: "username"}
	}
	r.login, r.mail, r.blocked = u.Username, u.Email, u.Disabled
	t.rows[r.number] = r
	return nil
}

func TestHostTable(t *testing.T) {
	t.Parallel()
	directorytest.Run(t, func(t *testing.T) directorytest.Target {
		t.Helper()
		return directorytest.Target{Users: hostUsers{&hostTable{rows: map[int]hostRow{}}}, DB: openDB(t)}
	})
}

// readOnlyUsers is a table that Signet may not write to.
type readOnlyUsers struct {
	directory.ReadOnly
	host hostUsers
}

func (readOnlyUsers) Capabilities() directory.Capabilities {
	return directory.Capabilities{Name: "crm"}
}

func (r readOnlyUsers) Find(ctx context.Context, org string, by directory.Identifier) (*directory.User, error) {
	return r.host.Find(ctx, org, by)
}

func (r readOnlyUsers) List(ctx context.Context, q store.Query) (store.Listing[directory.User], error) {
	return r.host.List(ctx, q)
}

func (r readOnlyUsers) VerifyPassword(ctx context.Context, u *directory.User, password string) (bool, error) {
	return r.host.VerifyPassword(ctx, u, password)
}

func TestReadOnlyTable(t *testing.T) {
	t.Parallel()
	directorytest.Run(t, func(t *testing.T) directorytest.Target {
		t.Helper()
		host, db := hostUsers{&hostTable{rows: map[int]hostRow{}}}, openDB(t)
		ann := &directory.User{Username: "ann", Email: "ann@example.com"}
		if err := errors.Join(host.Create(t.Context(), nil, ann), host.SetPassword(t.Context(), nil, ann, "her own password")); err != nil {
			t.Fatal(err)
		}
		return directorytest.Target{Users: readOnlyUsers{host: host}, DB: db, Person: ann, Password: "her own password"}
	})
}

// TestDirectoryOverHostTable walks a person of the host's through the directory.
func TestDirectoryOverHostTable(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), openDB(t)
	host := hostUsers{&hostTable{rows: map[int]hostRow{}}}
	dir, err := directory.New(directory.Config{DB: db, Users: host})
	if err != nil {
		t.Fatal(err)
	}
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	// Somebody who was there before Signet came gets a Subject at the first contact, and only one.
	old := &directory.User{Username: "old", Email: "old@example.com"}
	ok("the host's own creation", host.Create(ctx, nil, old))
	var wg sync.WaitGroup
	refs := make([]store.Ref, 16)
	for i := range refs {
		wg.Go(func() {
			s, err := dir.SubjectOf(ctx, old)
			if err != nil {
				t.Error(err)
				return
			}
			refs[i] = s.Ref()
		})
	}
	wg.Wait()
	if len(slices.Compact(refs)) != 1 || refs[0] != dir.SubjectRef(old) || refs[0].ID == old.ID || len(refs[0].ID) != 36 {
		t.Errorf("the subjects are %v", refs)
	}

	ann := &directory.User{Username: "ann", Email: "ann@example.com"}
	ok("create", dir.CreateUser(ctx, ann, "correct horse battery"))
	s, err := dir.SubjectOf(ctx, ann)
	ok("subject", err)
	if s.Store != "crm" || s.ExternalID != ann.ID || s.ID == refs[0].ID {
		t.Errorf("subject = %+v", s)
	}
	found, err := dir.FindUser(ctx, "", "ANN@example.com")
	ok("find", err)
	if right, err := dir.Users.VerifyPassword(ctx, found, "correct horse battery"); !right || err != nil {
		t.Errorf("VerifyPassword = %v, %v", right, err)
	}
	ok("set password", dir.SetPassword(ctx, found, "another password"))
	if moved, err := dir.SubjectOf(ctx, ann); err != nil || moved.Epoch != s.Epoch+1 {
		t.Errorf("what was issued before the new password lives: %+v, %v", moved, err)
	}
	ok("disable", dir.Subjects.Disable(ctx, s.Ref()))
	ok("replace", dir.ReplaceUser(ctx, found))
	if still, err := dir.SubjectOf(ctx, ann); err != nil || still.Status != directory.Disabled {
		t.Errorf("writing the user enabled the subject: %+v, %v", still, err)
	}
	back, err := dir.UserOf(ctx, s)
	ok("user", err)
	ok("delete", dir.DeleteUser(ctx, back))
	_, err = dir.UserOf(ctx, s)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user of a deleted one: %v", err)
	}
	if gone, err := dir.SubjectOf(ctx, ann); err != nil || gone.Status != directory.Ended {
		t.Errorf("the subject of a deleted user is %+v, %v", gone, err)
	}
}
