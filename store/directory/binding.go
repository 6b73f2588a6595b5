package directory

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/signet-idp/signet/store"
)

// How long a binding holds, and how much must be left of it for a sign-in to renew it not yet.
const (
	bindingLasts = 90 * 24 * time.Hour
	bindingFresh = 60 * 24 * time.Hour
)

// binding remembers whose a login was when all user stores answered and its person proved their password. While a store
// does not answer it tells people who live in others from those who may live there. Its id is a keyed hash of the login.
type binding struct {
	store.Meta
	// User is the person's id among several stores.
	User string `json:"user"`
}

var bindingType = store.Type[binding]{Kind: store.Kind{Name: "directory.binding"}}

// bindings keeps them. Nil keeps none.
type bindings struct {
	db  *store.DB
	all *store.Collection[binding]
}

func newBindings(db *store.DB) *bindings {
	return &bindings{db: db, all: store.NewCollection(db, bindingType)}
}

// of returns the binding of a login, at version zero when there is none.
func (b *bindings) of(ctx context.Context, org, login string) (*binding, error) {
	if b == nil {
		return nil, nil
	}
	ref := store.Ref{Org: org, ID: b.db.Keys().MAC("directory.binding", org, Fold(login))}
	bound, err := b.all.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return &binding{Meta: store.Meta{Org: ref.Org, ID: ref.ID}}, nil
	}
	return bound, err
}

// is reports whether the login was this user's.
func (b *binding) is(u *User) bool { return b != nil && b.Version != 0 && b.User == u.ID }

// bind notes whose a login is, now that every store which could have known better has answered. Somebody behind a store apart
// is to be bound once they have proved their password. A binding to somebody else has been overtaken and goes at once.
func (s *userStores) bind(ctx context.Context, bound *binding, u *User, apart bool) (*User, error) {
	if bound == nil {
		return u, nil
	}
	if bound.Version != 0 && !bound.is(u) {
		if err := s.bindings.forget(ctx, bound); err != nil {
			return nil, err
		}
		bound = &binding{Meta: store.Meta{Org: bound.Org, ID: bound.ID}}
	}
	if apart {
		u.bound = bound
	}
	return u, nil
}

func (b *bindings) forget(ctx context.Context, bound *binding) error {
	batch := b.db.Batch()
	b.all.Delete(batch, bound)
	return overtaken(batch.Apply(ctx))
}

// confirm binds the login by which somebody was found to them, who has just proved their password. The sign-in does not
// depend on it.
func (s *userStores) confirm(ctx context.Context, u *User) {
	if u.bound == nil {
		return
	}
	bound, b := *u.bound, s.bindings.db.Batch()
	if bound.is(u) && bound.Expires.Sub(b.Now()) > bindingFresh {
		return
	}
	bound.User, bound.Expires = u.ID, b.Now().Add(bindingLasts)
	if bound.Version == 0 {
		s.bindings.all.Insert(b, &bound)
	} else {
		s.bindings.all.Replace(b, &bound)
	}
	if err := overtaken(b.Apply(ctx)); err != nil {
		s.logger.WarnContext(ctx, "directory: whose a login is was not noted", slog.String("cause", err.Error()))
	}
}

// overtaken forgives that another request was faster.
func overtaken(err error) error {
	if store.ConflictOn(err, bindingType.Kind) != nil {
		return nil
	}
	return err
}
