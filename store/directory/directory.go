package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
)

// Config is the wiring of a Directory and the defaults of its settings. Only DB is required.
type Config struct {
	// DB is where everything but, perhaps, the people is kept. Required.
	DB *store.DB
	// Users is where people live. Nil keeps them in the DB.
	Users Users
	// Hasher hashes the passwords of people in the DB. Nil is one with the default costs; others are signet.Config's to
	// choose.
	Hasher *password.Hasher
	// LoginBy are the identifiers that FindUser tries, in order. Nil is ByUsername, ByEmail.
	LoginBy []IdentifierName
	// Session, Lock, Throttle, Password and Branding are what holds where no setting was made. Zero fields have the
	// defaults that the types document.
	Session  SessionPolicy
	Lock     LockPolicy
	Throttle ThrottlePolicy
	Password PasswordPolicy
	Branding Branding
	// Logger takes what goes wrong beside a request that succeeded. Nil discards it.
	Logger *slog.Logger
}

// Directory is the services over one store. It is safe for concurrent use.
type Directory struct {
	Users         Users
	Subjects      *Subjects
	Groups        *Groups
	Roles         *Roles
	Applications  *Applications
	Organizations Organizations
	Sessions      *Sessions
	Participants  *Participants
	Credentials   *Credentials
	Devices       *Devices
	Settings      *Settings
	Locks         *Locks
	Throttle      *Throttle

	db      *store.DB
	loginBy []IdentifierName
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
	d := &Directory{db: config.DB, loginBy: slices.Clone(config.LoginBy)}
	var err error
	if d.Settings, err = newSettings(config); err != nil {
		return nil, fmt.Errorf("directory: Config: %w", err)
	}
	d.Credentials = newCredentials(config.DB)
	if d.Users = config.Users; d.Users == nil {
		if d.Users, err = newDefaultUsers(config, d.Credentials); err != nil {
			return nil, err
		}
	}
	d.Subjects = newSubjects(config.DB, d.Users)
	d.Applications = newApplications(config.DB)
	d.Sessions = newSessions(config.DB, d.Subjects, d.Settings, config.Logger)
	d.Participants = newParticipants(config.DB)
	d.Devices = newDevices(config.DB)
	d.Locks = newLocks(config.DB, d.Settings)
	d.Throttle = newThrottle(config.DB, d.Settings)
	d.Groups = newGroups(config.DB, d.Subjects)
	d.Roles = newRoles(config.DB, d.Subjects, d.Groups)
	return d, nil
}

// CreateUser adds a person: the User, the Subject, the password unless it is "", and the event "user.created", in one
// step when the user store is in the DB. The organization is u.Org. Errors: *InvalidError, *TakenError, ErrReadOnly.
func (d *Directory) CreateUser(ctx context.Context, u *User, password string) error {
	if err := d.mayWrite(ctx, u); err != nil {
		return err
	}
	if password != "" {
		if err := d.CheckPassword(ctx, u, password); err != nil {
			return err
		}
	}
	b := d.db.Batch()
	if err := d.Users.Create(ctx, b, u); err != nil {
		return err
	}
	s, err := d.firstSubject(ctx, b, u)
	if err != nil {
		return err
	}
	if password != "" {
		if err := d.Users.SetPassword(ctx, b, u, password); err != nil {
			return err
		}
	}
	b.Event(store.Event{Meta: store.Meta{Org: u.Org}, Type: "user.created", Subject: s.ID})
	return taken(b.Apply(ctx))
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
	b := d.db.Batch()
	if err := d.Users.Replace(ctx, b, u); err != nil {
		return err
	}
	if d.Users.Capabilities().InBatch && s.follow(b, u.Disabled) {
		d.Subjects.all.Replace(b, s)
	}
	b.Event(store.Event{Meta: store.Meta{Org: u.Org}, Type: "user.updated", Subject: s.ID})
	return taken(b.Apply(ctx))
}

// DeleteUser removes a person with all credentials, memberships and assignments, and ends the Subject, which breaks
// every chain that hangs on it. The event is "user.deleted". What remains when the second half fails is harmless: it
// refers to a Subject that has ended.
func (d *Directory) DeleteUser(ctx context.Context, u *User) error {
	if !d.Users.Capabilities().Write {
		return ErrReadOnly
	}
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return err
	}
	b := d.db.Batch()
	if err := d.Users.Delete(ctx, b, u); err != nil {
		return err
	}
	if err := d.Credentials.removeAllButPassword(ctx, b, s.Ref()); err != nil {
		return err
	}
	s.Status = Ended
	s.Epoch++
	d.Subjects.all.Replace(b, s)
	b.Event(store.Event{Meta: store.Meta{Org: u.Org}, Type: "user.deleted", Subject: s.ID})
	if err := b.Apply(ctx); err != nil {
		return err
	}
	return errors.Join(
		d.Sessions.EndAllOf(ctx, s.Ref(), "", "user.deleted"),
		d.Groups.forget(ctx, s.Ref()),
		d.Roles.forget(ctx, s.Ref()),
	)
}

// SetPassword replaces a person's password. Everything that was issued to them ends, in the same step; keep, when it is
// not nil, is the one Session that stays, at the version it was read at. Events: "password.changed", "subject.revoked".
// Errors: *InvalidError for a password that the policy refuses, ErrReadOnly, ErrEnded, and *store.Conflict when the
// Subject, the password or keep has changed meanwhile.
func (d *Directory) SetPassword(ctx context.Context, u *User, password string, keep *Session) error {
	if !d.Users.Capabilities().SetPassword {
		return ErrReadOnly
	}
	if err := d.CheckPassword(ctx, u, password); err != nil {
		return err
	}
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return err
	}
	if s.Status == Ended {
		return ErrEnded
	}
	b := d.db.Batch()
	if err := d.Users.SetPassword(ctx, b, u, password); err != nil {
		return err
	}
	s.revoke(b)
	d.Subjects.all.Replace(b, s)
	except := ""
	if keep != nil {
		except, keep.SubjectEpoch = keep.ID, s.Epoch
		d.Sessions.all.Replace(b, keep)
	}
	b.Event(store.Event{Meta: store.Meta{Org: u.Org}, Type: "password.changed", Subject: s.ID})
	if err := b.Apply(ctx); err != nil {
		return err
	}
	return d.Sessions.EndAllOf(ctx, s.Ref(), except, "password.changed")
}

// FindUser returns the user whom a login names, as Config.LoginBy says, or store.ErrNotFound. It asks the same questions
// of the store for a name that exists as for one that does not.
func (d *Directory) FindUser(ctx context.Context, org, login string) (*User, error) {
	var found *User
	for _, name := range d.loginBy {
		if name == ByEmail && !strings.Contains(login, "@") {
			continue
		}
		u, err := d.Users.Find(ctx, org, Identifier{Name: name, Value: login})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err == nil && found == nil {
			found = u
		}
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	return found, nil
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
	if name := d.Users.Capabilities().Name; name != "" {
		return store.Ref{Org: u.Org, ID: foreignID(name, u.ID)}
	}
	return u.Ref()
}

// UserOf returns the user behind a Subject, or store.ErrNotFound.
func (d *Directory) UserOf(ctx context.Context, s *Subject) (*User, error) {
	if name := d.Users.Capabilities().Name; s.Store != name {
		return nil, fmt.Errorf("directory: the subject lives in user store %q, not in %q", s.Store, name)
	}
	return d.Users.Find(ctx, s.Org, Identifier{Name: ByID, Value: s.ExternalID})
}

// firstSubject makes the Subject of a user who is being created: in the same step where that is possible.
func (d *Directory) firstSubject(ctx context.Context, b *store.Batch, u *User) (*Subject, error) {
	if !d.Users.Capabilities().InBatch {
		return d.SubjectOf(ctx, u)
	}
	s := d.newSubject(u)
	d.Subjects.all.Insert(b, s)
	return s, nil
}

func (d *Directory) newSubject(u *User) *Subject {
	ref := d.SubjectRef(u)
	s := &Subject{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Kind: Person, Status: Active,
		Store: d.Users.Capabilities().Name, ExternalID: u.ID,
	}
	if u.Disabled && d.Users.Capabilities().InBatch {
		s.Status = Disabled
	}
	return s
}

// mayWrite reports why u cannot be written.
func (d *Directory) mayWrite(ctx context.Context, u *User) error {
	if err := d.Organizations.check(u.Org); err != nil {
		return err
	}
	if !d.Users.Capabilities().Write {
		return ErrReadOnly
	}
	return u.Validate()
}

// taken turns the Conflict over a unique name into a *TakenError.
func taken(err error) error {
	if c, ok := errors.AsType[*store.Conflict](err); ok && c.Reason == store.Exists && c.Key.Name != "" {
		return &TakenError{Name: c.Key.Name}
	}
	return err
}
