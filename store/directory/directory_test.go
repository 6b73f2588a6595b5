package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const goodPassword = "correct horse battery"

// world is a Directory over stores in memory, with a clock and failures that the test commands.
type world struct {
	*directory.Directory
	db     *store.DB
	faults *storetest.Faulty

	mu  sync.Mutex
	now time.Time
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newWorld opens a Directory in a placement, with edit applied to the configuration before.
func newWorld(t *testing.T, p storetest.Placement, edit ...func(*directory.Config)) *world {
	t.Helper()
	w := &world{now: time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC), faults: storetest.Faults(p.Driver)}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	w.db, err = store.Open(store.Config{Driver: w.faults, Ephemeral: w.faults.Ephemeral(p.Ephemeral), Keys: ring, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	config := directory.Config{DB: w.db, Hasher: cheapHasher(t)}
	for _, e := range edit {
		e(&config)
	}
	if w.Directory, err = directory.New(config); err != nil {
		t.Fatal(err)
	}
	return w
}

func cheapHasher(t *testing.T) *password.Hasher {
	t.Helper()
	h, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// everywhere runs a test in both placements.
func everywhere(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) { test(t, newWorld(t, p)) })
}

// together is a world with everything in one Driver.
func together(t *testing.T, edit ...func(*directory.Config)) *world {
	t.Helper()
	return newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, edit...)
}

func (w *world) apply(t *testing.T, b *store.Batch) {
	t.Helper()
	if err := b.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// person creates a user with goodPassword.
func (w *world) person(t *testing.T, name string) (*directory.User, *directory.Subject) {
	t.Helper()
	u := &directory.User{Username: name, Email: strings.ToLower(name) + "@example.com"}
	if err := w.CreateUser(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	return u, w.subject(t, u.Ref())
}

func (w *world) subject(t *testing.T, ref store.Ref) *directory.Subject {
	t.Helper()
	s, err := w.Subjects.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// events lists the types of all events so far, sorted.
func (w *world) events(t *testing.T) []string {
	t.Helper()
	page, err := w.db.Events(t.Context(), store.Query{Within: store.Subtree, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	types := make([]string, 0, len(page.Items))
	for _, e := range page.Items {
		types = append(types, e.Type)
	}
	slices.Sort(types)
	return types
}

// is fails the test unless err is what is wanted; a nil want is no error at all.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := directory.New(directory.Config{}); err == nil {
		t.Error("a Directory without a DB was made")
	}
	w := together(t)
	_, err := directory.New(directory.Config{
		DB:       w.db,
		Session:  directory.SessionPolicy{Idle: -time.Second},
		Lock:     directory.LockPolicy{Ratio: 0.5},
		Password: directory.PasswordPolicy{MinLength: 4},
		Branding: directory.Branding{Logo: "javascript:alert(1)"},
	})
	for _, field := range []string{"idle", "ratio", "minLength", "logo"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
}

func TestCreateUser(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ctx := newWorld(t, p), t.Context()
		u := &directory.User{Username: "Ann", Email: "Ann@Example.com", Name: "Ann Example"}
		if err := w.CreateUser(ctx, u, goodPassword); err != nil {
			t.Fatal(err)
		}
		s := w.subject(t, u.Ref())
		if s.ID != u.ID || s.Status != directory.Active || s.Kind != directory.Person || s.Store != "" || s.ExternalID != u.ID {
			t.Errorf("subject = %+v", s)
		}
		for _, login := range []string{"Ann", "ann", "ANN", "ann@example.COM"} {
			found, err := w.FindUser(ctx, "", login)
			if err != nil || found.ID != u.ID {
				t.Errorf("FindUser(%q) = %v, %v", login, found, err)
			}
		}
		back, err := w.UserOf(ctx, s)
		if err != nil || back.Username != "Ann" || !back.Created.Equal(w.Now()) {
			t.Errorf("UserOf = %+v, %v", back, err)
		}
		for pass, want := range map[string]bool{goodPassword: true, "wrong": false, "": false, strings.Repeat("x", 2000): false} {
			if ok, err := w.Users.VerifyPassword(ctx, u, pass); ok != want || err != nil {
				t.Errorf("VerifyPassword(%.10q) = %v, %v", pass, ok, err)
			}
		}
		if ok, err := w.Users.VerifyPassword(ctx, nil, goodPassword); ok || err != nil {
			t.Errorf("VerifyPassword of nobody = %v, %v", ok, err)
		}
		if got, want := w.events(t), []string{"credential.added", "user.created"}; !slices.Equal(got, want) {
			t.Errorf("events = %v, want %v", got, want)
		}
	})
}

func TestCreateUserTaken(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.person(t, "Zo\u00eb")
		for _, name := range []string{"Zo\u00eb", "zoe\u0308", "ZO\u00cb"} {
			err := w.CreateUser(t.Context(), &directory.User{Username: name}, "")
			if taken, ok := errors.AsType[*directory.TakenError](err); !ok || taken.Name != "username" {
				t.Errorf("%q: got %v, want the username to be taken", name, err)
			}
		}
	})
}

func TestCreateUserRace(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		errs := make([]error, 32)
		for i := range errs {
			wg.Go(func() { errs[i] = w.CreateUser(t.Context(), &directory.User{Username: "ann"}, "") })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if _, ok := errors.AsType[*directory.TakenError](err); !ok {
				t.Errorf("a loser got %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 32 took one name", won)
		}
	})
}

func TestCreateUserInvalid(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		u := &directory.User{
			Username: " ann", Email: "nobody", Picture: "javascript:alert(1)", Birthdate: "1.1.2000", Name: "a\x00b",
			Locale: "english, please", Attributes: map[string]any{"sub": "root", "email_verified": true, "shoe size": 42},
		}
		err := w.CreateUser(t.Context(), u, goodPassword)
		for _, field := range []string{
			"username", "email", "picture", "birthdate", "name", "locale", "attributes.sub", "attributes.email_verified", "attributes",
		} {
			if !hasField(err, field) {
				t.Errorf("%s is not refused: %v", field, err)
			}
		}
		for _, pass := range []string{"short", "1234567", strings.Repeat("x", 1025), "\xff\xfe valid utf-8 not", "Username", "ann@example.com"} {
			u := &directory.User{Username: "username", Email: "ann@example.com"}
			if err := w.CreateUser(t.Context(), u, pass); !hasField(err, "password") {
				t.Errorf("password %.10q: got %v", pass, err)
			}
		}
		if got := w.events(t); len(got) != 0 {
			t.Errorf("refused users left events %v", got)
		}
		is(t, "another organization", w.CreateUser(t.Context(), &directory.User{Meta: store.Meta{Org: "acme"}, Username: "a"}, ""), directory.ErrOrganization)
	})
}

// hasField looks through joined errors for an *InvalidError of the field.
func hasField(err error, field string) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return hasField(err, field) })
	}
	invalid, ok := err.(*directory.InvalidError)
	return ok && invalid.Field == field
}

func TestFindUserByEmail(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.person(t, "ann")
		shared := &directory.User{Username: "bob", Email: "ANN@example.com"}
		if err := w.CreateUser(ctx, shared, ""); err != nil {
			t.Fatal(err)
		}
		_, err := w.FindUser(ctx, "", "ann@example.com")
		is(t, "an address that two have", err, store.ErrNotFound)
		_, err = w.FindUser(ctx, "", "nobody@example.com")
		is(t, "an address that nobody has", err, store.ErrNotFound)
	})
}

func TestLoginByUsername(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		byName := newWorld(t, p, func(c *directory.Config) { c.LoginBy = []directory.IdentifierName{directory.ByUsername} })
		byName.person(t, "cleo")
		_, err := byName.FindUser(t.Context(), "", "cleo@example.com")
		is(t, "an address where logins are names", err, store.ErrNotFound)
	})
}

// Nobody gets a user name that is the number of another who signs in by it, also where the host alone says that people do.
func TestAttackUsernameIsANumber(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		byPhone := []directory.IdentifierName{directory.ByUsername, directory.ByPhone}
		w := newWorld(t, p, func(c *directory.Config) { c.LoginBy = byPhone })
		ann := &directory.User{Username: "ann", Phone: "+4930765", PhoneVerified: true}
		is(t, "ann", w.CreateUser(t.Context(), ann, ""), nil)
		err := w.CreateUser(t.Context(), &directory.User{Username: "+4930765"}, "")
		if taken, ok := errors.AsType[*directory.TakenError](err); !ok || taken.Name != "username" {
			t.Errorf("got %v", err)
		}
		found, err := w.FindUser(t.Context(), "", "+4930765")
		if err != nil || found.ID != ann.ID {
			t.Errorf("%v %+v", err, found)
		}
		is(t, "the policy", directory.Set(t.Context(), w.Settings, w.Settings.Identifiers, "", "", directory.IdentifierPolicy{
			LoginBy: []directory.IdentifierName{directory.ByUsername},
		}), nil)
		if by, err := w.LogsInBy(t.Context(), "", directory.ByPhone); err != nil || by {
			t.Errorf("by the policy: %v %v", by, err)
		}
		is(t, "where numbers are no logins", w.CreateUser(t.Context(), &directory.User{Username: "+4930765"}, ""), nil)
	})
}

// TestFindUserAsksTheSame holds that names that exist and names that do not cost the same questions.
func TestFindUserAsksTheSame(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.person(t, "ann")
		questions := func(login string) (methods []storetest.Method) {
			w.faults.Forget()
			_, _ = w.FindUser(t.Context(), "", login)
			for _, c := range w.faults.Calls() {
				methods = append(methods, c.Method)
			}
			return methods
		}
		for known, unknown := range map[string]string{"ann": "bob", "ann@example.com": "bob@example.com"} {
			if a, b := questions(known), questions(unknown); !slices.Equal(a, b) {
				t.Errorf("%s asks %v, %s asks %v", known, a, unknown, b)
			}
		}
	})
}

func TestReplaceUser(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		stale := *u
		u.Username, u.Disabled = "anna", true
		if err := w.ReplaceUser(ctx, u); err != nil {
			t.Fatal(err)
		}
		if now := w.subject(t, s.Ref()); now.Status != directory.Disabled || now.Epoch != s.Epoch+1 {
			t.Errorf("the subject of a disabled user is %+v", now)
		}
		_, err := w.FindUser(ctx, "", "ann")
		is(t, "the old name", err, store.ErrNotFound)
		if _, conflict := errors.AsType[*store.Conflict](w.ReplaceUser(ctx, &stale)); !conflict {
			t.Error("a stale write was accepted")
		}
		u.Disabled = false
		is(t, "enabling", w.ReplaceUser(ctx, u), nil)
		if now := w.subject(t, s.Ref()); now.Status != directory.Active {
			t.Errorf("the subject of an enabled user is %+v", now)
		}
		w.person(t, "bob")
		u.Username = "BOB"
		if _, ok := errors.AsType[*directory.TakenError](w.ReplaceUser(ctx, u)); !ok {
			t.Error("a taken name was accepted")
		}
	})
}

func TestDeleteUser(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		group, role := &directory.Group{Name: "admins"}, &directory.Role{Name: "admin"}
		is(t, "group", w.Groups.Create(ctx, group), nil)
		is(t, "role", w.Roles.Create(ctx, role), nil)
		is(t, "member", w.Groups.AddMember(ctx, group.Ref(), s.Ref()), nil)
		is(t, "assign", w.Roles.Assign(ctx, role.Ref(), s.Ref()), nil)
		b := w.db.Batch()
		is(t, "totp", w.Credentials.EnrollTOTP(ctx, b, s.Ref(), "phone", []byte("seed"), 1), nil)
		w.apply(t, b)
		session, cookie := w.signIn(t, s, false)

		if err := w.DeleteUser(ctx, u); err != nil {
			t.Fatal(err)
		}
		if now := w.subject(t, s.Ref()); now.Status != directory.Ended {
			t.Errorf("the subject of a deleted user is %+v", now)
		}
		_, err := w.FindUser(ctx, "", "ann")
		is(t, "the name", err, store.ErrNotFound)
		_, err = w.Sessions.Open(ctx, cookie)
		is(t, "the session", err, directory.ErrNoSession)
		if ended, err := w.Sessions.Get(ctx, session.Ref()); err != nil || ended.Status != directory.Ended {
			t.Errorf("the session's record is %+v, %v", ended, err)
		}
		credentials, err := w.Credentials.List(ctx, s.Ref())
		if len(credentials) != 0 || err != nil {
			t.Errorf("credentials remain: %v, %v", credentials, err)
		}
		if member, err := w.Groups.IsMember(ctx, group.Ref(), s.Ref()); member || err != nil {
			t.Errorf("the membership remains (%v)", err)
		}
		is(t, "disabling", w.Subjects.Disable(ctx, s.Ref()), directory.ErrEnded)
		is(t, "enabling", w.Subjects.Enable(ctx, s.Ref()), directory.ErrEnded)
		is(t, "a name that became free", w.CreateUser(ctx, &directory.User{Username: "ann"}, ""), nil)
	})
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ctx := newWorld(t, p), t.Context()
		u, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		if err := w.SetPassword(ctx, u, "short"); !hasField(err, "password") {
			t.Errorf("a short password: %v", err)
		}
		is(t, "by an administrator", w.SetPassword(ctx, u, "another fine password"), nil)
		for pass, want := range map[string]bool{goodPassword: false, "another fine password": true} {
			if ok, err := w.Users.VerifyPassword(ctx, u, pass); ok != want || err != nil {
				t.Errorf("VerifyPassword(%q) = %v, %v", pass, ok, err)
			}
		}
		_, err := w.CheckSubject(ctx, s.Ref(), s.Epoch)
		is(t, "what was issued before", err, directory.ErrChainBroken)
		_, err = w.Sessions.Open(ctx, cookie)
		is(t, "the session", err, directory.ErrNoSession)
	})
}

// Who changes their own password stays signed in here, and here alone: also where a thief has the cookie of this very session.
func TestAttackCookieStolenBeforeThePasswordChanged(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ctx := newWorld(t, p), t.Context()
		u, s := w.person(t, "ann")
		kept, stolen := w.signIn(t, s, true)
		_, elsewhere := w.signIn(t, s, false)
		if _, err := w.ChangePassword(ctx, u, "short", kept); !hasField(err, "password") {
			t.Errorf("a short password: %v", err)
		}
		cookie, err := w.ChangePassword(ctx, u, "another fine password", kept)
		is(t, "change", err, nil)
		session, err := w.Sessions.Open(ctx, cookie.Reveal())
		is(t, "the new cookie", err, nil)
		if session == nil || session.ID != kept.ID || !session.Remembered {
			t.Errorf("the new cookie opens %+v", session)
		}
		for what, cookie := range map[string]string{"the stolen cookie": stolen, "another session": elsewhere} {
			_, err = w.Sessions.Open(ctx, cookie)
			is(t, what, err, directory.ErrNoSession)
		}
		is(t, "the end", w.Sessions.End(ctx, kept.Ref(), "test"), nil)
		_, err = w.ChangePassword(ctx, u, goodPassword, kept)
		is(t, "change in a session that has ended", err, directory.ErrChainBroken)
		_, err = w.ChangePassword(ctx, u, goodPassword, nil)
		if !hasField(err, "current") {
			t.Errorf("without a session: %v", err)
		}
	})
}

// A new password that was on its way from a stolen session when the person chose one of their own is not written over that, and the
// session does not come alive again by it.
func TestAttackPasswordChangedOverTheOwners(t *testing.T) {
	for name, edit := range map[string]func(*directory.Config){
		"kept": func(*directory.Config) {}, "ended": func(c *directory.Config) { c.Session.EndOnPasswordChange = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := together(t, edit)
			ctx := t.Context()
			u, s := w.person(t, "ann")
			own, _ := w.signIn(t, s, false)
			stolen, _ := w.signIn(t, s, false)
			w.faults.Hook(func(c storetest.Call) error {
				if !slices.ContainsFunc(c.Ops, func(op store.Op) bool { return op.Record.Kind.Name == "directory.subject" }) {
					return nil
				}
				w.faults.Hook(nil)
				_, err := w.ChangePassword(ctx, u, "chosen by the owner", own)
				return err
			})
			_, err := w.ChangePassword(ctx, u, "chosen by the thief", stolen)
			is(t, "the thief", err, directory.ErrChainBroken)
			if right, err := w.Users.VerifyPassword(ctx, u, "chosen by the owner"); !right || err != nil {
				t.Errorf("the owner's: %v, %v", right, err)
			}
		})
	}
}

// Whatever else changes at the same moment, a password is set and a person deleted: nobody has to try again.
func TestPersonChangesMeanwhile(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		ended, _ := w.signIn(t, s, false)
		foreign, _ := w.signIn(t, bob, false)
		if _, err := w.ChangePassword(ctx, u, "another fine password", foreign); !hasField(err, "current") {
			t.Errorf("with the session of somebody else: %v", err)
		}
		meanwhile := func(kind string, change func() error, step func() error, want error) {
			t.Helper()
			w.faults.Hook(func(c storetest.Call) error {
				if !slices.ContainsFunc(c.Ops, func(op store.Op) bool { return op.Record.Kind.Name == kind }) {
					return nil
				}
				w.faults.Hook(nil)
				return change()
			})
			is(t, "the step", step(), want)
		}
		meanwhile("directory.session", func() error { return w.Sessions.End(ctx, ended.Ref(), "test") },
			func() error { _, err := w.ChangePassword(ctx, u, "yet another password", ended); return err }, directory.ErrChainBroken)
		meanwhile("directory.subject", func() error { return w.Subjects.Revoke(ctx, s.Ref()) },
			func() error { return w.SetPassword(ctx, u, "another fine password") }, nil)
		kept, _ := w.signIn(t, w.subject(t, s.Ref()), false)
		var cookie secret.Text
		meanwhile("directory.subject", func() error { return w.Subjects.Revoke(ctx, bob.Ref()) },
			func() (err error) { cookie, err = w.ChangePassword(ctx, u, "the last of passwords", kept); return err }, nil)
		if _, err := w.Sessions.Open(ctx, cookie.Reveal()); err != nil {
			t.Errorf("the session that was kept: %v", err)
		}
		if ok, err := w.Users.VerifyPassword(ctx, u, "the last of passwords"); !ok || err != nil {
			t.Errorf("the password: %v, %v", ok, err)
		}
		meanwhile("directory.user", func() error {
			other, err := w.FindUser(ctx, "", "ann")
			if err != nil {
				return err
			}
			other.Name = "Ann"
			return w.ReplaceUser(ctx, other)
		}, func() error { return w.DeleteUser(ctx, u) }, nil)
		if _, err := w.FindUser(ctx, "", "ann"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after deletion: %v", err)
		}
		if got := w.subject(t, s.Ref()); got.Status != directory.Ended {
			t.Errorf("the subject is %s", got.Status)
		}
	})
}

// TestDumpHoldsNoSecrets searches every byte that reached the driver.
func TestDumpHoldsNoSecrets(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.faults.Forget()
		_, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, true)
		b := w.db.Batch()
		device := w.Devices.Remember(b, s)
		is(t, "totp", w.Credentials.EnrollTOTP(ctx, b, s.Ref(), "phone", []byte("JBSWY3DPEHPK3PXP"), 1), nil)
		_, err := w.Locks.Begin(ctx, b, directory.AttemptKey{Account: w.Locks.Account(nil, "", "my secret typed as a name"), Factor: "password"})
		is(t, "lock", err, nil)
		_, err = w.Throttle.Begin(ctx, b, "", directory.ThrottlePassword, "203.0.113.7")
		is(t, "throttle", err, nil)
		w.apply(t, b)

		_, sessionSecret, _ := strings.Cut(cookie, ".")
		_, deviceSecret, _ := strings.Cut(device.Reveal(), ".")
		for _, c := range w.faults.Calls() {
			for _, op := range c.Ops {
				dump := fmt.Sprintf("%+v %s", op, op.Record.Body)
				for _, s := range []string{goodPassword, "$argon2id", sessionSecret, deviceSecret, "JBSWY3DPEHPK3PXP", "my secret", "203.0.113.7"} {
					if strings.Contains(dump, s) {
						t.Errorf("%s %s holds %q", op.Verb, op.Record.Kind, s)
					}
				}
			}
		}
	})
}

func TestListUsers(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		for _, name := range []string{"Cleo", "ann", "Bob"} {
			w.person(t, name)
		}
		page, err := w.Users.List(t.Context(), store.Query{Sort: "username"})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, u := range page.Items {
			names = append(names, u.Username)
		}
		if want := []string{"ann", "Bob", "Cleo"}; !slices.Equal(names, want) {
			t.Errorf("names = %v, want %v", names, want)
		}
		page, err = w.Users.List(t.Context(), store.Query{Filter: store.And{
			store.Compare{Field: "email", Operator: store.StartsWith, Value: store.Text("BOB@")},
			store.Not{Filter: store.Or{store.Equals("username", store.Text("ANN"))}},
		}})
		if err != nil || len(page.Items) != 1 || page.Items[0].Username != "Bob" {
			t.Errorf("filtered = %v, %v", page.Items, err)
		}
	})
}

func TestAttributesSurvive(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		u := &directory.User{Username: "ann", Attributes: map[string]any{"team": "blue", "badges": []any{"a", "b"}, "floor": json.Number("3")}}
		if err := w.CreateUser(t.Context(), u, ""); err != nil {
			t.Fatal(err)
		}
		got, err := w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByID, Value: u.ID})
		if err != nil || got.Attributes["team"] != "blue" || len(got.Attributes["badges"].([]any)) != 2 || got.Attributes["floor"] != 3.0 {
			t.Errorf("attributes = %v, %v", got.Attributes, err)
		}
	})
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ann", "Ann", "ANN"},
		{"Zo\u00eb", "zoe\u0308"},
		{"\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3"},
		{"kelvin", "\u212aelvin"},
	} {
		for _, s := range same {
			if directory.Fold(s) != directory.Fold(same[0]) {
				t.Errorf("Fold(%q) = %q, Fold(%q) = %q", s, directory.Fold(s), same[0], directory.Fold(same[0]))
			}
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Ann", "\u0130stanbul", "stra\u00dfe", "\xff", "e\u0308\u0327"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once := directory.Fold(s); directory.Fold(once) != once {
			t.Errorf("Fold(%q) = %q, folded again %q", s, once, directory.Fold(once))
		}
	})
}

func TestOrganizations(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		root, err := w.Organizations.Get("")
		if err != nil || root != w.Organizations.Root() {
			t.Errorf("the root is %v, %v", root, err)
		}
		_, err = w.Organizations.Get("acme")
		is(t, "below the root", err, directory.ErrOrganization)
	})
}

// signIn begins a session and returns it with its cookie.
func (w *world) signIn(t *testing.T, s *directory.Subject, remember bool) (*directory.Session, string) {
	t.Helper()
	b := w.db.Batch()
	session, cookie, err := w.Sessions.Begin(t.Context(), b, directory.NewSession{
		Subject: s, Evidence: []directory.Evidence{w.proof(s, "password", "pwd")}, Remember: remember,
		UserAgent: "Mozilla/5.0", Address: "192.0.2.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.apply(t, b)
	return session, cookie.Reveal()
}

func (w *world) proof(s *directory.Subject, method, amr string) directory.Evidence {
	return directory.Evidence{Method: method, AMR: []string{amr}, Subject: s.ID, Time: w.db.Now()}
}
