package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Config is the wiring of a Directory and the defaults of its settings. Only DB is required.
type Config struct {
	// DB is where everything but, perhaps, the people is kept. Required.
	DB *store.DB
	// Users is where people live. Nil keeps them in the DB.
	Users Users
	// UserStores are, in the place of Users, several stores side by side. A login may say which it means, as in "crm/ann";
	// without that it is whoever the first store in this order has under that name. No store is asked less for a name it
	// does not have. People of a store that does not answer cannot sign in until it does; everybody else can.
	UserStores []UserStore
	// Hasher hashes the passwords of people in the DB. Nil is one with the default costs; others are signet.Config's to
	// choose.
	Hasher *password.Hasher
	// Verifier is another system that knows the passwords of people who are moving into the DB; see Adopt. Nil is none.
	// It is not asked where nobody lives in the DB.
	Verifier Verifier
	// LoginBy are the identifiers that FindUser tries, in order. Nil is ByUsername, ByEmail.
	LoginBy []IdentifierName
	// Session, Lock, Throttle, Password, Push and Branding are what holds where no setting was made. Zero fields have the
	// defaults that the types document.
	Session  SessionPolicy
	Lock     LockPolicy
	Throttle ThrottlePolicy
	Password PasswordPolicy
	Push     PushPolicy
	Branding Branding
	// Accounts are the policies of accounts, as they hold where no setting was made.
	Accounts AccountPolicies
	// Blocklist is what nobody may have as a password, beside the most common ones, which are known here. Nil is no more.
	Blocklist *Blocklist
	// ServiceWords are names of the service and its owner, as its host name: passwords need more to them than that.
	ServiceWords []string
	// Logger takes what goes wrong beside a request that succeeded. Nil discards it.
	Logger *slog.Logger
}

// Directory is the services over one store. It is safe for concurrent use.
type Directory struct {
	// Users is where people live. With Config.UserStores it is all of them as one: an id has the store's name in front,
	// but for the default store.
	Users    Users
	Subjects *Subjects
	// Agents keeps software agents.
	Agents       *Agents
	Groups       *Groups
	Roles        *Roles
	Applications *Applications
	APIs         *APIResources
	// AuthorizedAPIs is what applications may be allowed at APIs; EffectiveScopes is what comes of it.
	AuthorizedAPIs *AuthorizedAPIs
	Scopes         *Scopes
	Organizations  Organizations
	Sessions       *Sessions
	Participants   *Participants
	Credentials    *Credentials
	Devices        *Devices
	Settings       *Settings
	Locks          *Locks
	Throttle       *Throttle
	// Tickets are the links and codes of messages.
	Tickets *Tickets
	// FunctionLocks keep single people from single functions.
	FunctionLocks *FunctionLocks
	// Sends bounds messages to people, and Pushes keeps the devices on which they confirm sign-ins.
	Sends  *Sends
	Pushes *Pushes

	db      *store.DB
	stores  *userStores // nil with one
	loginBy []IdentifierName

	idleRounds   *store.Collection[idleRound]
	blocklist    *Blocklist
	serviceWords []string
	// forgets is what other packages keep about people.
	forgets []func(ctx context.Context, subject store.Ref) error
}

// New checks the configuration, fills in defaults and returns a Directory, or an error that names every problem. It does
// no I/O.
func New(config Config) (*Directory, error) {
	if config.DB == nil {
		return nil, errors.New("directory: Config.DB is required")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.LoginBy == nil {
		config.LoginBy = []IdentifierName{ByUsername, ByEmail}
	}
	d := &Directory{db: config.DB, loginBy: slices.Clone(config.LoginBy), blocklist: config.Blocklist, serviceWords: slices.Clone(config.ServiceWords)}
	var err error
	if d.Settings, err = newSettings(config); err != nil {
		return nil, fmt.Errorf("directory: Config: %w", err)
	}
	d.Credentials = newCredentials(config.DB)
	if err := d.openUsers(config); err != nil {
		return nil, err
	}
	d.Subjects = d.newSubjects()
	d.Agents = newAgents(config.DB, d.Subjects, d.Organizations)
	d.Applications = newApplications(config.DB)
	d.Sessions = newSessions(config.DB, d.Subjects, d.Settings, config.Logger)
	d.Participants = newParticipants(config.DB)
	d.Devices = newDevices(config.DB, d.Credentials, d.UserOf)
	d.Locks = newLocks(config.DB, d.Settings)
	d.Throttle = newThrottle(config.DB, d.Settings)
	d.Tickets = newTickets(config.DB, d.Subjects)
	d.idleRounds = store.NewCollection(config.DB, idleRoundType)
	d.FunctionLocks = newFunctionLocks(config.DB, d.Subjects)
	d.Sends = newSends(config.DB, d.Settings, d.Throttle)
	d.Pushes = newPushes(config.DB, d.Credentials, d.Subjects, d.Settings)
	d.Groups = newGroups(config.DB, d.Subjects)
	d.Roles = newRoles(config.DB, d.Subjects, d.Groups, d.Applications)
	d.APIs = newAPIResources(config.DB)
	d.AuthorizedAPIs = newAuthorizedAPIs(config.DB, d.APIs, d.Applications)
	d.Scopes = newScopes(config.DB)
	d.Applications.forget = func(ctx context.Context, application store.Ref) error {
		return errors.Join(d.AuthorizedAPIs.forget(ctx, application), d.Roles.forgetApplication(ctx, application))
	}
	d.Agents.forget = func(ctx context.Context, agent store.Ref) error {
		err := errors.Join(d.Groups.forget(ctx, agent), d.Roles.forget(ctx, agent))
		for _, forget := range d.forgets {
			err = errors.Join(err, forget(ctx, agent))
		}
		return err
	}
	return d, nil
}

// openUsers finds or makes the user stores.
func (d *Directory) openUsers(config Config) (err error) {
	config.LoginBy = d.loginBy
	open := func() (Users, error) { return newDefaultUsers(config, d.Credentials, d.Settings) }
	switch {
	case len(config.UserStores) > 0:
		d.stores, err = newUserStores(config, open)
		d.Users = d.stores
	case config.Users != nil:
		d.Users = config.Users
	default:
		d.Users, err = open()
	}
	return err
}

// Capabilities tells what can be done to a user, which is up to the store that holds them, or would receive them.
func (d *Directory) Capabilities(u *User) Capabilities {
	if d.stores == nil {
		return d.Users.Capabilities()
	}
	m, _ := d.stores.origin(u.ID)
	if u.ID == "" {
		m, _ = d.stores.receiver(u)
	}
	if m == nil {
		return Capabilities{}
	}
	return m.can
}

// capabilitiesAt tells what the store that a Subject names can do; the zero value for one that is not there.
func (d *Directory) capabilitiesAt(name string) Capabilities {
	c := d.Users.Capabilities()
	if d.stores != nil {
		c = Capabilities{}
		if m := d.stores.of(name); m != nil {
			c = m.can
		}
	}
	if c.Name != name {
		return Capabilities{}
	}
	return c
}

// CreateUser adds a person: the User, the Subject, the password unless it is "", and the event "user.created", in one
// step when the user store is in the DB. The organization is u.Org. Of several stores u.Store says which; a name that means
// somebody in another is taken, and while that one does not answer nobody is added. Errors: *InvalidError, *TakenError,
// ErrReadOnly.
func (d *Directory) CreateUser(ctx context.Context, u *User, password string) error {
	if err := d.mayCreate(ctx, u); err != nil {
		return err
	}
	if password != "" {
		if !d.Capabilities(u).SetPassword {
			return d.readOnly(u)
		}
		if err := d.CheckPassword(ctx, u, password); err != nil {
			return err
		}
	}
	b := d.db.Batch()
	if err := d.Users.Create(ctx, b, u); err != nil {
		return err
	}
	s, err := d.firstSubject(ctx, b, u, nil)
	if err != nil {
		return err
	}
	if password != "" {
		if err := d.Users.SetPassword(ctx, b, u, password); err != nil {
			return err
		}
	}
	b.Event(s.event("user.created"))
	return taken(b.Apply(ctx))
}

// AddUser adds to the batch that a person comes to be who has no password: the User, the Subject and the event "user.created", as
// CreateUser does, which says more. A foreign store has written its own part when AddUser returns. The Conflict over a name that two
// want at once comes from the batch.
func (d *Directory) AddUser(ctx context.Context, b *store.Batch, u *User) (*Subject, error) {
	return d.addUser(ctx, b, u, nil)
}

func (d *Directory) addUser(ctx context.Context, b *store.Batch, u *User, hold func(*Subject) error) (*Subject, error) {
	if err := d.mayCreate(ctx, u); err != nil {
		return nil, err
	}
	if err := d.Users.Create(ctx, b, u); err != nil {
		return nil, err
	}
	s, err := d.firstSubject(ctx, b, u, hold)
	if err == nil {
		b.Event(s.event("user.created"))
	}
	return s, err
}

// ReplaceUser writes u over the version that was read, with the event "user.updated". In a store in the DB a change of
// Disabled is what Subjects.Disable and Enable do. Errors: as CreateUser, and *store.Conflict for a stale version.
func (d *Directory) ReplaceUser(ctx context.Context, u *User) error {
	if err := d.mayWrite(ctx, u); err != nil {
		return err
	}
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return err
	}
	if s.Status == Ended {
		return ErrEnded
	}
	if err := d.mayReplaceAttributes(ctx, u, s); err != nil {
		return err
	}
	b := d.db.Batch()
	if err := d.Users.Replace(ctx, b, u); err != nil {
		return err
	}
	if d.Capabilities(u).InBatch && s.follow(b, u.Disabled) {
		d.Subjects.all.Replace(b, s)
	}
	b.Event(s.event("user.updated"))
	return taken(b.Apply(ctx))
}

// OnDeleteUser adds what is to be forgotten of a person, or of an agent, besides what the Directory keeps of them: packages that keep
// something by Subject call it when they are made. DeleteUser and Agents.Delete call forget once the Subject has ended, and again if somebody repeats it
// after an error; forget must bear that. OnDeleteUser is not safe for use beside other calls.
func (d *Directory) OnDeleteUser(forget func(ctx context.Context, subject store.Ref) error) {
	d.forgets = append(d.forgets, forget)
}

// DeleteUser removes a person with all credentials, memberships and assignments, and ends the Subject, which breaks
// every chain that hangs on it. The event is "user.deleted". What remains when the second half fails is harmless: it
// refers to a Subject that has ended.
func (d *Directory) DeleteUser(ctx context.Context, u *User) error {
	if !d.Capabilities(u).Write {
		return d.readOnly(u)
	}
	var s *Subject
	again := false
	err := retry(func() (err error) { // whatever others change meanwhile, the person goes
		s, err = d.remove(ctx, u, again)
		again = true
		return err
	})
	if err != nil {
		return err
	}
	problems := []error{d.Sessions.EndAllOf(ctx, s.Ref(), "", "user.deleted")}
	for _, forget := range append([]func(context.Context, store.Ref) error{
		d.Groups.forget, d.Roles.forget, d.Tickets.forget, d.FunctionLocks.forget, d.Sessions.forget,
	}, d.forgets...) {
		problems = append(problems, forget(ctx, s.Ref()))
	}
	return errors.Join(problems...)
}

// remove is the first half of DeleteUser, in one step. Again says that it was tried before, and met a Conflict.
func (d *Directory) remove(ctx context.Context, u *User, again bool) (*Subject, error) {
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return nil, err
	}
	inBatch := d.Capabilities(u).InBatch
	if again && inBatch {
		if u, err = d.UserOf(ctx, s); errors.Is(err, store.ErrNotFound) {
			return s, nil // by somebody else
		} else if err != nil {
			return nil, err
		}
	}
	b := d.db.Batch()
	if !again || inBatch { // a foreign store has done its part
		if err := d.Users.Delete(ctx, b, u); err != nil {
			return nil, err
		}
	}
	if err := d.Credentials.removeAllButPassword(ctx, b, s.Ref()); err != nil {
		return nil, err
	}
	s.Status = Ended
	s.Epoch++
	d.Subjects.all.Replace(b, s)
	b.Event(s.event("user.deleted"))
	return s, b.Apply(ctx)
}

// SetPassword replaces a person's password, as an administrator or a recovery does. Everything that was issued to them ends, in the
// same step, and their devices are forgotten. Events: "password.changed", "subject.revoked". Errors: *InvalidError for a password
// that the policy refuses, ErrReadOnly, ErrEnded.
func (d *Directory) SetPassword(ctx context.Context, u *User, password string) error {
	_, err := d.replacePassword(ctx, u, password, nil, false)
	return err
}

// ChangePassword is SetPassword by the person, who stays signed in where they are: in the Session current, under a new secret, as
// somebody else may have its cookie. It returns the value of the new cookie; the old one is dead. When
// SessionPolicy.EndOnPasswordChange wants the session to end, there is no cookie; flow.Engine.KeepSession gives it to the browser. A cookie beside an error is
// good: the password was changed, and what failed is to mark sessions as ended that sign nobody in any more. Errors: as
// SetPassword, *InvalidError for a session of somebody else, and ErrChainBroken for one that has ended, by the time the password is written.
func (d *Directory) ChangePassword(ctx context.Context, u *User, password string, current *Session) (secret.Text, error) {
	if current == nil || current.Subject != d.SubjectRef(u) {
		return "", &InvalidError{Field: "current", Problem: "must be a session of the person"}
	}
	policy, err := Resolve(ctx, d.Settings, d.Settings.Session, u.Org, "")
	if err != nil {
		return "", err
	}
	return d.replacePassword(ctx, u, password, current, !policy.EndOnPasswordChange)
}

// replacePassword changes a password: in a session, which may be kept, or without.
func (d *Directory) replacePassword(ctx context.Context, u *User, password string, in *Session, keep bool) (cookie secret.Text, err error) {
	if !d.Capabilities(u).SetPassword {
		return "", d.readOnly(u)
	}
	if err := d.mayHave(ctx, u, password); err != nil {
		return "", err
	}
	except := ""
	if keep {
		except = in.ID
	}
	err = retry(func() error {
		cookie, err = d.setPassword(ctx, u, password, in, keep)
		return err
	})
	if err != nil {
		return "", err
	}
	return cookie, d.Sessions.EndAllOf(ctx, d.SubjectRef(u), except, "password.changed")
}

// setPassword is the first half of replacePassword, in one step.
func (d *Directory) setPassword(ctx context.Context, u *User, password string, in *Session, keep bool) (cookie secret.Text, err error) {
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return "", err
	}
	if s.Status == Ended {
		return "", ErrEnded
	}
	b := d.db.Batch()
	if in != nil {
		if err := d.Sessions.stillOf(ctx, in, s); err != nil {
			return "", err
		}
	}
	if err := d.Users.SetPassword(ctx, b, u, password); err != nil {
		return "", err
	}
	s.revoke(b)
	d.Subjects.all.Replace(b, s)
	switch {
	case keep:
		cookie = d.Sessions.keep(b, in, s.Epoch)
	case in != nil:
		d.Sessions.all.Check(b, in)
	}
	b.Event(s.event("password.changed"))
	return cookie, b.Apply(ctx)
}

// FindUser returns the user whom a login names, as IdentifierPolicy and Config.UserStores say, or store.ErrNotFound. It asks
// the same questions of the stores for a name that exists as for one that does not.
func (d *Directory) FindUser(ctx context.Context, org, login string) (*User, error) {
	by, err := d.loginNames(ctx, org)
	if err != nil {
		return nil, err
	}
	if d.stores != nil {
		return d.stores.resolve(ctx, org, login, by)
	}
	return lookup(ctx, d.Users, org, login, by)
}

// FindByAddress returns the one user of an organization whose confirmed e-mail address or telephone number (E.164) it is, or store.ErrNotFound, also
// when it is that of several. It asks the same questions of the stores for an address that exists as for one that does not.
func (d *Directory) FindByAddress(ctx context.Context, org, address string) (*User, error) {
	by := loginNames{names: []IdentifierName{ByEmail, ByPhone}, verified: true}
	if d.stores != nil {
		return d.stores.resolve(ctx, org, address, by)
	}
	return lookup(ctx, d.Users, org, address, by)
}

// IsPhone reports whether an address is a telephone number (E.164).
func IsPhone(address string) bool { return phonePattern.MatchString(address) }

// LogsInBy reports whether people of an organization sign in with an identifier: as IdentifierPolicy says, or Config.LoginBy where that says nothing.
func (d *Directory) LogsInBy(ctx context.Context, org string, name IdentifierName) (bool, error) {
	by, err := d.loginNames(ctx, org)
	return slices.Contains(by.names, name), err
}

// loginNames are the identifiers that a login may be in an organization.
func (d *Directory) loginNames(ctx context.Context, org string) (loginNames, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Identifiers, org, "")
	by := loginNames{names: policy.LoginBy, verified: policy.VerifiedOnly}
	if len(by.names) == 0 {
		by.names = d.loginBy
	}
	return by, err
}

// SubjectOf returns the Subject of a user, and makes it at the first contact.
func (d *Directory) SubjectOf(ctx context.Context, u *User) (*Subject, error) {
	s, err := d.Subjects.Get(ctx, d.SubjectRef(u))
	if !errors.Is(err, store.ErrNotFound) {
		return s, err
	}
	s = d.newSubject(u)
	b := d.db.Batch()
	d.Subjects.all.Insert(b, s)
	if err := b.Apply(ctx); store.ConflictOn(err, subjectKind) != nil {
		return d.Subjects.Get(ctx, s.Ref()) // another contact was the first
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

// SubjectRef returns the reference to the Subject of a user, whether or not there has been a contact. It reads nothing.
func (d *Directory) SubjectRef(u *User) store.Ref {
	if name, external := d.origin(u); name != "" {
		return store.Ref{Org: u.Org, ID: foreignID(name, external)}
	}
	return u.Ref()
}

// origin returns what a Subject calls the store of a user, and the user's id there.
func (d *Directory) origin(u *User) (name, external string) {
	if d.stores == nil {
		return d.Users.Capabilities().Name, u.ID
	}
	m, external := d.stores.origin(u.ID)
	if m == nil {
		return "", u.ID
	}
	return m.can.Name, external
}

// UserOf returns the user behind a Subject, or store.ErrNotFound, as for an agent. That the store is not there any more is another error.
func (d *Directory) UserOf(ctx context.Context, s *Subject) (*User, error) {
	if s.Kind == Outsider || s.Kind == AgentKind {
		return nil, store.ErrNotFound
	}
	id := s.ExternalID
	if d.stores != nil {
		m := d.stores.of(s.Store)
		if m == nil {
			return nil, fmt.Errorf("directory: the subject lives in user store %q, which is not there", s.Store)
		}
		id = m.id(id)
	} else if name := d.Users.Capabilities().Name; s.Store != name {
		return nil, fmt.Errorf("directory: the subject lives in user store %q, not in %q", s.Store, name)
	}
	return d.Users.Find(ctx, s.Org, Identifier{Name: ByID, Value: id})
}

// firstSubject makes the Subject of a user who is being created, on hold if that is not nil: in the same step where that is possible.
func (d *Directory) firstSubject(ctx context.Context, b *store.Batch, u *User, hold func(*Subject) error) (*Subject, error) {
	if !d.Capabilities(u).InBatch {
		s, err := d.SubjectOf(ctx, u)
		if err == nil && hold != nil {
			if err = hold(s); err == nil {
				d.Subjects.all.Replace(b, s)
			}
		}
		return s, err
	}
	s := d.newSubject(u)
	if hold != nil {
		if err := hold(s); err != nil {
			return nil, err
		}
	}
	d.Subjects.all.Insert(b, s)
	return s, nil
}

func (d *Directory) newSubject(u *User) *Subject {
	ref := d.SubjectRef(u)
	s := &Subject{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Kind: Person, Status: Active}
	s.Store, s.ExternalID = d.origin(u)
	if u.Disabled && d.Capabilities(u).InBatch {
		s.Status = Disabled
	}
	return s
}

// CheckUsername reports, as an *InvalidError for the field "username", why nobody new may have a name: for a flow that asks for it before the
// person comes to be. Whether somebody has it is another matter.
func (d *Directory) CheckUsername(ctx context.Context, org, name string) error {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Username, org, "")
	if err != nil {
		return err
	}
	return policy.check(name)
}

// mayCreate reports why u cannot be created.
func (d *Directory) mayCreate(ctx context.Context, u *User) error {
	if err := d.mayWrite(ctx, u); err != nil {
		return err
	}
	if err := d.CheckUsername(ctx, u.Org, u.Username); err != nil {
		return err
	}
	rules, err := d.Attributes(ctx, u.Org)
	if err != nil {
		return err
	}
	return rules.checkAttributes(u, nil)
}

// mayReplaceAttributes reports why the attributes of u cannot take the place of those that the person has.
func (d *Directory) mayReplaceAttributes(ctx context.Context, u *User, s *Subject) error {
	rules, err := d.Attributes(ctx, u.Org)
	if err != nil || len(rules.Rules) == 0 {
		return err
	}
	before, err := d.UserOf(ctx, s)
	if err != nil {
		return err
	}
	return rules.checkAttributes(u, before)
}

// mayWrite reports why u cannot be written.
func (d *Directory) mayWrite(ctx context.Context, u *User) error {
	if err := d.Organizations.check(u.Org); err != nil {
		return err
	}
	if err := d.checkStore(u); err != nil {
		return err
	}
	if !d.Capabilities(u).Write {
		return d.readOnly(u)
	}
	return u.Validate()
}

// checkStore reports that a user names a store which they are not in, or cannot come to.
func (d *Directory) checkStore(u *User) error {
	switch {
	case d.stores != nil && u.ID != "":
		_, _, err := d.stores.holder(u)
		return err
	case d.stores != nil:
		_, err := d.stores.receiver(u)
		return err
	}
	name := cmp.Or(d.Users.Capabilities().Name, DefaultStore)
	if u.Store != "" && !strings.EqualFold(u.Store, name) {
		return &InvalidError{Field: "store", Problem: "is not a user store"}
	}
	return nil
}

// readOnly is ErrReadOnly, with the store's name where there are several.
func (d *Directory) readOnly(u *User) error {
	if name := d.Capabilities(u).Name; d.stores != nil && name != "" {
		return d.stores.of(name).readOnly()
	}
	return ErrReadOnly
}

// taken turns the Conflict over a unique name into a *TakenError.
func taken(err error) error {
	if c, ok := errors.AsType[*store.Conflict](err); ok && c.Reason == store.Exists && c.Key.Name != "" {
		return &TakenError{Name: c.Key.Name}
	}
	return err
}
