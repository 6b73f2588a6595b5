package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// DefaultStore is how people and events call the user store in the DB.
const DefaultStore = "DEFAULT"

// PrimaryStore is another name, before a slash in a login, of the first of several user stores.
const PrimaryStore = "PRIMARY"

// defaultTimeout bounds a question to a store apart from the DB.
const defaultTimeout = 3 * time.Second

// UserStore is one of several places where people live side by side; see Config.UserStores.
type UserStore struct {
	// Users is the store; nil is the default one, in the DB. Capabilities is asked once, by New. Its Name is what people
	// type before a slash, without regard to case, and what the ids of Subjects are made of: under another name everybody in
	// the store is somebody else. It has 1 to 32 letters, digits, '.', '_' and '-', and begins with a letter. Only the
	// default store may be InBatch.
	Users Users
	// Registers sends people here who are created without a User.Store. At most one store has it; when none has, it is the
	// first that can create.
	Registers bool
	// Timeout is how long the store may take for an answer; zero is 3 seconds. It does not bound the default store. Every
	// sign-in asks every store twice, for the person and for a password, and waits for all of them.
	Timeout time.Duration
}

// userStores is several user stores as one. The id of somebody in the default store is as ever, that of anybody else is
// the store's name, a slash, and the id there.
type userStores struct {
	members   []*userStore
	registers *userStore // nil when no store creates
	bindings  *bindings  // nil when no name can depend on a store that does not answer
	loginBy   []IdentifierName
	logger    *slog.Logger
}

// userStore is one of them.
type userStore struct {
	Users
	can     Capabilities
	name    string // as people type it
	timeout time.Duration
	// busy is held by each question that is under way, also by those that nobody waits for any more.
	busy chan struct{}
}

// maxQuestions bounds how many questions may be under way at a store apart from the DB.
const maxQuestions = 256

var errStuck = errors.New("directory: too many questions were never answered")

var (
	storeName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,31}$`)
	reservedStores = []string{DefaultStore, PrimaryStore, "INTERNAL", "APPLICATION", AgentStore}
)

// newUserStores checks the stores of the configuration, and names every problem.
func newUserStores(config Config, open func() (Users, error)) (*userStores, error) {
	s := &userStores{loginBy: config.LoginBy, logger: config.Logger}
	var problems []error
	problem := func(i int, format string, args ...any) {
		problems = append(problems, fmt.Errorf("directory: Config.UserStores[%d]: "+format, append([]any{i}, args...)...))
	}
	if config.Users != nil {
		problems = append(problems, errors.New("directory: Config.UserStores takes the place of Config.Users: set one of them"))
	}
	for i, c := range config.UserStores {
		m, err := newUserStore(c, open)
		if err != nil {
			problem(i, "%w", err)
			continue
		}
		if s.named(m.name) != nil {
			problem(i, "a store before it is called %q too, without regard to case", m.name)
		}
		if c.Registers && !m.can.Write {
			problem(i, "Registers is set, and %q does not create", m.name)
		}
		if c.Registers && slices.ContainsFunc(config.UserStores[:i], func(c UserStore) bool { return c.Registers }) {
			problem(i, "Registers is set here and before")
		}
		if m.can.Write && (c.Registers || s.registers == nil) {
			s.registers = m
		}
		s.members = append(s.members, m)
	}
	if slices.ContainsFunc(s.members[:max(0, len(s.members)-1)], func(m *userStore) bool { return !m.can.InBatch }) {
		s.bindings = newBindings(config.DB)
	}
	return s, errors.Join(problems...)
}

func newUserStore(c UserStore, open func() (Users, error)) (*userStore, error) {
	if c.Users == nil {
		var err error
		if c.Users, err = open(); err != nil {
			return nil, err
		}
	}
	m := &userStore{Users: c.Users, can: c.Users.Capabilities(), timeout: c.Timeout, busy: make(chan struct{}, maxQuestions)}
	m.name = m.can.Name
	switch {
	case m.can.InBatch != (m.can.Name == ""):
		return nil, fmt.Errorf("a store apart from the DB needs a Capabilities.Name, and one in the DB has none: %q", m.can.Name)
	case c.Timeout < 0:
		return nil, fmt.Errorf("a Timeout of %v", c.Timeout)
	case m.can.InBatch:
		m.name, m.timeout = DefaultStore, 0
		return m, nil
	case !storeName.MatchString(m.name):
		return nil, fmt.Errorf("the name %q does not have 1 to 32 letters, digits, '.', '_' and '-' with a letter in front", m.name)
	case slices.ContainsFunc(reservedStores, func(r string) bool { return strings.EqualFold(r, m.name) }):
		return nil, fmt.Errorf("the name %q is reserved", m.name)
	}
	if m.timeout == 0 {
		m.timeout = defaultTimeout
	}
	return m, nil
}

// named returns the store that people call so, or nil.
func (s *userStores) named(name string) *userStore {
	for _, m := range s.members {
		if strings.EqualFold(m.name, name) {
			return m
		}
	}
	return nil
}

// addressed splits a login that says which store it is in, as in "crm/ann".
func (s *userStores) addressed(login string) (m *userStore, rest string) {
	name, rest, found := strings.Cut(login, "/")
	switch {
	case !found:
		return nil, ""
	case strings.EqualFold(name, PrimaryStore):
		return s.members[0], rest
	}
	return s.named(name), rest
}

// origin returns the store of somebody with the id, and their id there; nil when they are in none of the stores.
func (s *userStores) origin(id string) (m *userStore, external string) {
	name, external, apart := strings.Cut(id, "/")
	for _, m := range s.members {
		switch {
		case !apart && m.can.InBatch:
			return m, id
		case apart && m.can.Name == name:
			return m, external
		}
	}
	return nil, ""
}

// of returns the store that a Subject names, or nil.
func (s *userStores) of(name string) *userStore {
	for _, m := range s.members {
		if m.can.Name == name {
			return m
		}
	}
	return nil
}

// id is origin's way back.
func (m *userStore) id(external string) string {
	if m.can.InBatch {
		return external
	}
	return m.can.Name + "/" + external
}

// outside is a user of the store as they are known beside others.
func (m *userStore) outside(u *User) *User {
	c := *u
	c.ID, c.Store = m.id(u.ID), m.name
	return &c
}

// do puts a question to the store within its time. Several are asked in goroutines, where a panic of a host's code would
// end the program, and net/http would not see it.
func (m *userStore) do(ctx context.Context, question func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("directory: user store %q panicked: %v", m.name, r)
		}
	}()
	if m.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.timeout)
		defer cancel()
	}
	return m.said(question(ctx))
}

// answer puts a question that changes nothing to the store, and leaves a store that goes on after its time to itself: the people
// of the others wait no longer for it.
func answer[T any](ctx context.Context, m *userStore, question func(context.Context) (T, error)) (value T, err error) {
	if m.timeout == 0 {
		err = m.do(ctx, func(ctx context.Context) (err error) {
			value, err = question(ctx)
			return err
		})
		return value, err
	}
	select {
	case m.busy <- struct{}{}:
	default:
		return value, m.said(errStuck)
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	type answered struct {
		value T
		err   error
	}
	heard := make(chan answered, 1)
	var alone sync.WaitGroup // which nobody waits for
	alone.Go(func() {
		defer func() { <-m.busy }()
		var a answered
		a.err = m.do(ctx, func(ctx context.Context) (err error) {
			a.value, err = question(ctx)
			return err
		})
		heard <- a
	})
	select {
	case a := <-heard:
		return a.value, a.err
	case <-ctx.Done():
		return value, m.said(ctx.Err())
	}
}

// said puts the store's name on what went wrong, but not on answers, which mean the same in every store.
func (m *userStore) said(err error) error {
	_, isTaken := errors.AsType[*TakenError](err)
	_, isInvalid := errors.AsType[*InvalidError](err)
	_, isConflict := errors.AsType[*store.Conflict](err)
	switch {
	case err == nil, isTaken, isInvalid, isConflict, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrUnindexed), errors.Is(err, store.ErrInvalid):
		return err
	}
	return fmt.Errorf("%w (user store %q)", err, m.name)
}

// ask puts a question to every store at once and waits for all of them: how long that takes does not tell which of them
// knew the answer. The errors are in the order of the stores.
func (s *userStores) ask(ctx context.Context, question func(ctx context.Context, i int, m *userStore) error) []error {
	errs := make([]error, len(s.members))
	var wg sync.WaitGroup
	for i, m := range s.members {
		wg.Go(func() {
			errs[i] = m.do(ctx, func(ctx context.Context) error { return question(ctx, i, m) })
		})
	}
	wg.Wait()
	return errs
}

// find asks one store.
func (m *userStore) find(ctx context.Context, org string, by Identifier) (u *User, err error) {
	u, err = answer(ctx, m, func(ctx context.Context) (*User, error) {
		u, err := m.Find(ctx, org, by)
		if u == nil && err == nil {
			err = errors.New("directory: neither a user nor an error")
		}
		return u, err
	})
	if err != nil {
		return nil, err
	}
	return m.outside(u), nil
}

// Find implements Users. A name without a store in front is looked for in all; see resolve.
func (s *userStores) Find(ctx context.Context, org string, by Identifier) (*User, error) {
	if by.Name != ByID {
		return s.resolve(ctx, org, by.Value, loginNames{names: []IdentifierName{by.Name}})
	}
	m, external := s.origin(by.Value)
	if m == nil {
		return nil, store.ErrNotFound
	}
	return m.find(ctx, org, Identifier{Name: ByID, Value: external})
}

// resolve returns whom a login names: in the store that it begins with, or else in the first that knows it by any of the
// identifiers. So nobody can take a login away from somebody in a store before theirs.
//
// A store that does not answer may be the one that knows the login. Whoever was found behind it is then somebody only if
// the login was theirs when all stores answered and they last proved their password; else the error is that store's. See
// docs/decisions/008.
func (s *userStores) resolve(ctx context.Context, org, login string, names loginNames) (*User, error) {
	if m, rest := s.addressed(login); m != nil {
		return m.lookup(ctx, org, rest, names)
	}
	bound, err := s.bindings.of(ctx, org, login)
	if err != nil {
		return nil, err
	}
	found := make([]*User, len(s.members))
	errs := s.ask(ctx, func(ctx context.Context, i int, m *userStore) (err error) {
		found[i], err = m.lookup(ctx, org, login, names)
		return err
	})
	for i, m := range s.members {
		if m.can.InBatch && errs[i] != nil && !errors.Is(errs[i], store.ErrNotFound) {
			return nil, errs[i] // the DB fails for everybody alike
		}
	}
	var silent error
	apart := false // a store before may fail to answer another time
	for i, m := range s.members {
		switch u := found[i]; {
		case errs[i] == nil && silent == nil:
			return s.bind(ctx, bound, u, apart)
		case errs[i] == nil && bound.is(u):
			return u, nil
		case errs[i] == nil:
			return nil, silent
		case !errors.Is(errs[i], store.ErrNotFound) && silent == nil:
			silent = errs[i]
		}
		apart = apart || !m.can.InBatch
	}
	if silent != nil {
		return nil, silent
	}
	return nil, store.ErrNotFound
}

// lookup asks one store for a login.
func (m *userStore) lookup(ctx context.Context, org, login string, names loginNames) (u *User, err error) {
	u, err = answer(ctx, m, func(ctx context.Context) (*User, error) { return lookup(ctx, m.Users, org, login, names) })
	if err != nil {
		return nil, err
	}
	return m.outside(u), nil
}

// receiver returns where a new user goes.
func (s *userStores) receiver(u *User) (*userStore, error) {
	if u.Store == "" && s.registers == nil {
		return nil, ErrReadOnly
	}
	if u.Store == "" {
		return s.registers, nil
	}
	if m := s.named(u.Store); m != nil {
		return m, nil
	}
	return nil, &InvalidError{Field: "store", Problem: "is not a user store"}
}

// holder returns where a user is, and the user as that store knows them.
func (s *userStores) holder(u *User) (*userStore, *User, error) {
	m, external := s.origin(u.ID)
	switch {
	case m == nil:
		return nil, nil, fmt.Errorf("directory: no user store has the user %q", u.ID)
	case u.Store != "" && u.Store != m.name:
		return nil, nil, &InvalidError{Field: "store", Problem: "cannot change"}
	case m.can.InBatch:
		return m, u, nil // whose version moves with the batch
	}
	own := *u
	own.ID = external
	return m, &own, nil
}

// readOnly is ErrReadOnly with the store's name.
func (m *userStore) readOnly() error { return fmt.Errorf("%w (user store %q)", ErrReadOnly, m.name) }

// Create implements Users.
func (s *userStores) Create(ctx context.Context, b *store.Batch, u *User) error {
	m, err := s.receiver(u)
	if err != nil {
		return err
	}
	if !m.can.Write {
		return m.readOnly()
	}
	if err := s.free(ctx, m, u.Org, u.Username, u.Email); err != nil {
		return err
	}
	own := *u
	if m.can.InBatch {
		err = m.do(ctx, func(ctx context.Context) error { return m.Users.Create(ctx, b, u) })
	} else if err = m.do(ctx, func(ctx context.Context) error { return m.Users.Create(ctx, b, &own) }); err == nil {
		*u = own
		u.ID = m.id(own.ID)
	}
	if err == nil {
		u.Store = m.name
	}
	return err
}

// Replace implements Users.
func (s *userStores) Replace(ctx context.Context, b *store.Batch, u *User) error {
	m, own, err := s.holder(u)
	if err != nil {
		return err
	}
	if !m.can.Write {
		return m.readOnly()
	}
	before, err := m.find(ctx, u.Org, Identifier{Name: ByID, Value: own.ID})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil { // else the store says how it calls the absence of what is being written
		username, email := "", ""
		if Fold(before.Username) != Fold(u.Username) {
			username = u.Username
		}
		if Fold(before.Email) != Fold(u.Email) {
			email = u.Email
		}
		if err := s.free(ctx, m, u.Org, username, email); err != nil {
			return err
		}
	}
	if err := m.do(ctx, func(ctx context.Context) error { return m.Users.Replace(ctx, b, own) }); err != nil {
		return err
	}
	if own != u {
		*u = *m.outside(own)
	}
	return nil
}

// free reports whether names can be given to somebody in a store: in no other may they name anybody, by whatever
// identifier, and none may look as if it were in another store. A store that does not answer may know them. Names within
// the store are its own business.
func (s *userStores) free(ctx context.Context, in *userStore, org, username, email string) error {
	if m, _ := s.addressed(username); m != nil {
		return &InvalidError{Field: "username", Problem: "must not begin with the name of a user store and a slash"}
	}
	for _, name := range []struct{ field, value string }{{"username", username}, {"email", email}} {
		if name.value == "" || (name.field == "email" && !slices.Contains(s.loginBy, ByEmail)) {
			continue
		}
		errs := s.ask(ctx, func(ctx context.Context, _ int, m *userStore) error {
			if m == in {
				return store.ErrNotFound
			}
			_, err := m.lookup(ctx, org, name.value, loginNames{names: s.loginBy})
			return err
		})
		for _, err := range errs {
			if err == nil {
				return &TakenError{Name: name.field}
			}
		}
		for _, err := range errs {
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}

// Delete implements Users.
func (s *userStores) Delete(ctx context.Context, b *store.Batch, u *User) error {
	m, own, err := s.holder(u)
	if err != nil {
		return err
	}
	if !m.can.Write {
		return m.readOnly()
	}
	return m.do(ctx, func(ctx context.Context) error { return m.Users.Delete(ctx, b, own) })
}

// SetPassword implements Users.
func (s *userStores) SetPassword(ctx context.Context, b *store.Batch, u *User, pass string) error {
	m, own, err := s.holder(u)
	if err != nil {
		return err
	}
	if !m.can.SetPassword {
		return m.readOnly()
	}
	err = m.do(ctx, func(ctx context.Context) error { return m.Users.SetPassword(ctx, b, own, pass) })
	if err == nil {
		u.Version = own.Version
	}
	return err
}

// VerifyPassword implements Users. Every store works: the one that holds the person on their password, all others on
// that of nobody, so that what a sign-in costs does not tell where somebody lives, or whether. No store sees a password
// of people in another.
func (s *userStores) VerifyPassword(ctx context.Context, u *User, pass string) (bool, error) {
	var holder *userStore
	var own *User
	if u != nil {
		var err error
		if holder, own, err = s.holder(u); err != nil {
			return false, err
		}
	}
	right, masked := false, strings.Repeat("*", len(pass))
	errs := s.ask(ctx, func(ctx context.Context, _ int, m *userStore) error {
		person, typed := (*User)(nil), masked
		if m == holder {
			person, typed = own, pass
		}
		is, err := answer(ctx, m, func(ctx context.Context) (bool, error) { return m.Users.VerifyPassword(ctx, person, typed) })
		if m == holder {
			right = is
		}
		return err
	})
	for i, m := range s.members {
		// That another store does not answer is no matter of this person's. The DB fails for everybody alike.
		if errs[i] != nil && (holder == nil || m == holder || m.can.InBatch) {
			return false, errs[i]
		}
	}
	if right {
		s.confirm(ctx, u)
	}
	return right, nil
}

// Capabilities implements Users: those of the store that receives new people. Directory.Capabilities has those of a
// person's.
func (s *userStores) Capabilities() Capabilities {
	if s.registers == nil {
		return Capabilities{}
	}
	return Capabilities{Write: true, SetPassword: s.registers.can.SetPassword, InBatch: s.registers.can.InBatch}
}

// loginNames are the identifiers that a login may be, in order; verified leaves out addresses that are not.
type loginNames struct {
	names    []IdentifierName
	verified bool
}

// lookup asks a store for each name that a login may be, and returns the first that names somebody. It asks the same for
// a name that exists as for one that does not.
func lookup(ctx context.Context, users Users, org, login string, by loginNames) (*User, error) {
	var found *User
	for _, name := range by.names {
		if name == ByEmail && !strings.Contains(login, "@") || name == ByPhone && !phonePattern.MatchString(login) {
			continue
		}
		u, err := users.Find(ctx, org, Identifier{Name: name, Value: login})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err == nil && found == nil && !(name == ByEmail && by.verified && !u.EmailVerified) {
			found = u
		}
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	return found, nil
}
