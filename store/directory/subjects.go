package directory

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/signet-idp/signet/store"
)

var (
	subjectKind = store.Kind{Name: "directory.subject"}
	subjectType = store.Type[Subject]{
		Kind: subjectKind,
		Index: func(s *Subject) []store.Entry {
			return []store.Entry{{Field: "store", Value: store.Text(s.Store)}, {Field: "status", Value: store.Text(string(s.Status))}}
		},
	}
)

// Subjects keeps who somebody is. Directory.CreateUser and SubjectOf make them.
type Subjects struct {
	db    *store.DB
	all   *store.Collection[Subject]
	users Users
	can   func(storeName string) Capabilities
	// person is Directory.UserOf.
	person func(ctx context.Context, s *Subject) (*User, error)
}

func (d *Directory) newSubjects() *Subjects {
	return &Subjects{db: d.db, all: store.NewCollection(d.db, subjectType), users: d.Users, can: d.capabilitiesAt, person: d.UserOf}
}

// Kind is the kind of the records, for a Check on one.
func (s *Subjects) Kind() store.Kind { return subjectKind }

// Get returns the Subject, whatever its status, or store.ErrNotFound.
func (s *Subjects) Get(ctx context.Context, ref store.Ref) (*Subject, error) {
	return s.all.Get(ctx, ref)
}

// Outsider returns the Subject of somebody of whom no user store knows, but a trusted issuer does, by the name that the issuer has
// for them, and makes it at the first contact. Its ID is made of both, so that what an issuer says can never be somebody else's ID
// here. Disabled, it stays so whatever the issuer says.
func (s *Subjects) Outsider(ctx context.Context, org, issuer, name string) (*Subject, error) {
	fresh := &Subject{
		Meta: store.Meta{Org: org, ID: foreignID(outsiders+issuer, name)},
		Kind: Outsider, Store: issuer, ExternalID: name, Status: Active,
	}
	known, err := s.Get(ctx, fresh.Ref())
	if !errors.Is(err, store.ErrNotFound) {
		return known, err
	}
	b := s.db.Batch()
	s.all.Insert(b, fresh)
	if err := b.Apply(ctx); store.ConflictOn(err, subjectKind) != nil {
		return s.Get(ctx, fresh.Ref()) // another contact was the first
	} else if err != nil {
		return nil, err
	}
	return fresh, nil
}

// outsiders stands before an issuer where a user store is named, whose names hold no colon.
const outsiders = "issuer:"

// Disable ends everything that was issued to the subject and lets them sign in no more. In a user store in the DB,
// User.Disabled follows. The event is "subject.disabled"; for one who is disabled already nothing happens.
func (s *Subjects) Disable(ctx context.Context, ref store.Ref) error { return s.able(ctx, ref, true) }

// Enable lets a disabled subject sign in again; what ended stays ended. The event is "subject.enabled".
func (s *Subjects) Enable(ctx context.Context, ref store.Ref) error { return s.able(ctx, ref, false) }

// Revoke ends everything that was issued to the subject. The event is "subject.revoked".
func (s *Subjects) Revoke(ctx context.Context, ref store.Ref) error {
	return change(ctx, s.db, s.all, ref, func(b *store.Batch, subject *Subject) (bool, error) {
		if subject.Status == Ended {
			return false, ErrEnded
		}
		subject.revoke(b)
		return true, nil
	})
}

func (s *Subjects) able(ctx context.Context, ref store.Ref, disabled bool) error {
	return change(ctx, s.db, s.all, ref, func(b *store.Batch, subject *Subject) (bool, error) {
		if subject.Status == Ended {
			return false, ErrEnded
		}
		if !subject.follow(b, disabled) {
			return false, nil
		}
		return true, s.mirror(ctx, b, subject, disabled)
	})
}

// mirror writes into the user, where that can be done in the same step, what the subject's status has become.
func (s *Subjects) mirror(ctx context.Context, b *store.Batch, subject *Subject, disabled bool) error {
	if c := s.can(subject.Store); !c.InBatch || !c.Write {
		return nil
	}
	u, err := s.users.Find(ctx, subject.Org, Identifier{Name: ByID, Value: subject.ExternalID})
	if errors.Is(err, store.ErrNotFound) || (err == nil && u.Disabled == disabled) {
		return nil // an agent, or nothing to write
	}
	if err != nil {
		return err
	}
	u.Disabled = disabled
	return s.users.Replace(ctx, b, u)
}

// follow makes the subject active or disabled and reports whether that changed it. Disabling moves the epoch, so that
// enabling brings nothing back to life.
func (s *Subject) follow(b *store.Batch, disabled bool) bool {
	switch {
	case disabled && (s.Status == Active || s.Status == Held):
		s.Status = Disabled
		s.Epoch++
		b.Event(s.event("subject.disabled"))
	case !disabled && s.Status == Disabled:
		s.Status = Active
		if s.Hold != nil {
			s.Status = Held
		}
		b.Event(s.event("subject.enabled"))
	default:
		return false
	}
	return true
}

func (s *Subject) revoke(b *store.Batch) {
	s.Epoch++
	b.Event(s.event("subject.revoked"))
}

// event is an Event about the person, with the name of the user store they are in.
func (s *Subject) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: s.Org}, Type: kind, Subject: s.ID, Data: details("store", s.storeName())}
}

// storeName is what people call the user store.
func (s *Subject) storeName() string { return cmp.Or(s.Store, DefaultStore) }

// foreignID is the id of the subject for a person in a foreign store: a UUID made of the names (RFC 9562 §5.5), so that
// nothing need be written before the first contact and all nodes agree.
func foreignID(storeName, externalID string) string {
	namespace := [16]byte{0x5c, 0x1b, 0x35, 0x4e, 0x6f, 0x0d, 0x4b, 0x7b, 0x9b, 0x0e, 0x3d, 0x92, 0x61, 0x7e, 0x52, 0xa8}
	name := binary.BigEndian.AppendUint32(namespace[:], uint32(len(storeName))) // where one name ends, so that no two pairs meet
	sum := sha1.Sum(append(append(name, storeName...), externalID...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
