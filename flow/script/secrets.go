package script

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/signet-idp/signet/store"
)

// Secrets are values that scripts read by name and nobody reads back: one set for each organization. It is safe for concurrent use.
type Secrets struct {
	db  *store.DB
	all *store.Collection[secretRecord]
}

// Secret is what can be told of one.
type Secret struct {
	Name        string
	Description string
	// Created and Updated are zero for one of before they were noted.
	Created, Updated time.Time
}

// secretRecord is one secret; its id is its name.
type secretRecord struct {
	store.Meta
	Description string       `json:"description,omitempty"`
	Value       store.Sealed `json:"value"`
	Created     time.Time    `json:"created,omitzero"`
	Updated     time.Time    `json:"updated,omitzero"`
}

func (r *secretRecord) told() Secret {
	return Secret{Name: r.ID, Description: r.Description, Created: r.Created, Updated: r.Updated}
}

var secretKind = store.Kind{Name: "script.secret"}

// NewSecrets returns the secrets of a DB.
func NewSecrets(db *store.DB) *Secrets {
	return &Secrets{db: db, all: store.NewCollection(db, store.Type[secretRecord]{Kind: secretKind})}
}

// maxSecret is the greatest length of a secret, in characters.
const maxSecret = 2048

// Set writes a secret of an organization, over what it was. A *RefusalError says that the name or the value cannot be one.
func (s *Secrets) Set(ctx context.Context, org, name, description, value string) error {
	if err := checkSecret(name, value); err != nil {
		return err
	}
	fresh := func() *secretRecord { return s.fresh(org, name) }
	return put(ctx, s.db, s.all, store.Ref{Org: org, ID: name}, fresh, func(r *secretRecord) { s.fill(r, description, value) })
}

// Add writes a secret of an organization that has none of the name: else the error is a *store.Conflict. A *RefusalError is as of Set.
func (s *Secrets) Add(ctx context.Context, org, name, description, value string) error {
	if err := checkSecret(name, value); err != nil {
		return err
	}
	r, b := s.fresh(org, name), s.db.Batch()
	s.fill(r, description, value)
	s.all.Insert(b, r)
	return b.Apply(ctx)
}

// change changes a secret that is there, or returns store.ErrNotFound. Edit may change the description, and returns another value if there is one.
func (s *Secrets) change(ctx context.Context, org, name string, edit func(*Secret) (value string, another bool)) error {
	for try := 1; ; try++ {
		r, err := s.all.Get(ctx, store.Ref{Org: org, ID: name})
		if err != nil {
			return err
		}
		told := r.told()
		value, another := edit(&told)
		if r.Description, r.Updated = clip(told.Description, 1024), s.db.Now(); another {
			if err := checkSecret(name, value); err != nil {
				return err
			}
			s.fill(r, told.Description, value)
		}
		b := s.db.Batch()
		s.all.Replace(b, r)
		var conflict *store.Conflict
		if err := b.Apply(ctx); !errors.As(err, &conflict) || try == maxTries {
			return err
		}
	}
}

func checkSecret(name, value string) error {
	if !isLibraryName(name) {
		return &RefusalError{fmt.Sprintf("%q is no name for a secret: letters, digits, - _ .", clip(name, 100))}
	}
	if n := utf8.RuneCountInString(value); n < 1 || n > maxSecret {
		return &RefusalError{fmt.Sprintf("a secret has 1 to %d characters", maxSecret)}
	}
	return nil
}

func (s *Secrets) fresh(org, name string) *secretRecord {
	return &secretRecord{Meta: store.Meta{Org: org, ID: name}, Created: s.db.Now()}
}

func (s *Secrets) fill(r *secretRecord, description, value string) {
	r.Description, r.Updated, r.Value = clip(description, 1024), s.db.Now(), s.db.Seal(secretKind, r.Ref(), "value", []byte(value))
}

// Get returns what can be told of a secret, or store.ErrNotFound.
func (s *Secrets) Get(ctx context.Context, org, name string) (Secret, error) {
	r, err := s.all.Get(ctx, store.Ref{Org: org, ID: name})
	if err != nil {
		return Secret{}, err
	}
	return r.told(), nil
}

// Delete removes a secret; nothing happens where there is none.
func (s *Secrets) Delete(ctx context.Context, org, name string) error {
	return remove(ctx, s.db, s.all, store.Ref{Org: org, ID: name})
}

// List returns the names of an organization's secrets.
func (s *Secrets) List(ctx context.Context, org string) ([]Secret, error) {
	var list []Secret
	for r, err := range s.all.All(ctx, store.Query{Org: org}) {
		if err != nil {
			return nil, err
		}
		list = append(list, r.told())
	}
	return list, nil
}

// read returns the value of a secret, or store.ErrNotFound.
func (s *Secrets) read(ctx context.Context, org, name string) (string, error) {
	r, err := s.all.Get(ctx, store.Ref{Org: org, ID: name})
	if err != nil {
		return "", err
	}
	value, err := s.db.Unseal(secretKind, r.Ref(), "value", r.Value)
	return string(value), err
}

// put writes a record over what it was, or as a new one.
func put[T any, P store.Stored[T]](ctx context.Context, db *store.DB, all *store.Collection[T], ref store.Ref, fresh func() P, edit func(P)) error {
	for try := 1; ; try++ {
		v, err := all.Get(ctx, ref)
		b := db.Batch()
		switch {
		case err == nil:
			edit(v)
			all.Replace(b, v)
		case errors.Is(err, store.ErrNotFound):
			v = fresh()
			edit(v)
			all.Insert(b, v)
		default:
			return err
		}
		var conflict *store.Conflict
		if err := b.Apply(ctx); !errors.As(err, &conflict) || try == maxTries {
			return err
		}
	}
}

// remove deletes a record if it is there.
func remove[T any](ctx context.Context, db *store.DB, all *store.Collection[T], ref store.Ref) error {
	v, err := all.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	b := db.Batch()
	all.Delete(b, v)
	return b.Apply(ctx)
}
