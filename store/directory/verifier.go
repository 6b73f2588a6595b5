package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Verifier is another system that still knows the passwords of people who are moving here. It is asked at the first
// sign-in of each: of those whom an import marked as ImportRow.Elsewhere, and of those whom nobody here knows. From then
// on their password is here, and it is asked no more. Methods are safe for concurrent use.
type Verifier interface {
	// VerifyPassword judges a password. The username is User.Username for somebody who is known here, and otherwise what
	// was typed. That nobody has it, or that the password is wrong, is a Verification that is not OK; an error means that
	// the system could not say, and the sign-in is then answered with 503, not as a wrong password.
	//
	// The context ends after five seconds. At most sixteen calls are made at once.
	VerifyPassword(ctx context.Context, username, password string) (Verification, error)
}

// Verification is what a Verifier says.
type Verification struct {
	OK bool
	// Profile is who it is, as the other system knows them; its word counts, also for EmailVerified. For somebody who is
	// known here it replaces what is known, but for Username, Disabled and Created. For somebody new the user is created
	// with it; nil, or an empty Username, is the name that was typed.
	Profile *User
}

// VerifierFunc is a function as a Verifier.
type VerifierFunc func(ctx context.Context, username, password string) (Verification, error)

// VerifyPassword implements Verifier.
func (f VerifierFunc) VerifyPassword(ctx context.Context, username, password string) (Verification, error) {
	return f(ctx, username, password)
}

const (
	verifierTimeout = 5 * time.Second
	verifierPlaces  = 16
)

// elsewhere is the secret of a password credential whose owner's password is still in the other system.
const elsewhere = secret.Text("elsewhere")

// external asks a Verifier within bounds: a flood of names that nobody has must not become a flood over there.
type external struct {
	verifier Verifier
	places   chan struct{}
}

func newExternal(v Verifier) *external {
	if v == nil {
		return nil
	}
	return &external{verifier: v, places: make(chan struct{}, verifierPlaces)}
}

// ask never returns ErrNotFound: what the other system lacks is not absent here.
func (e *external) ask(ctx context.Context, username, pass string) (Verification, error) {
	ctx, cancel := context.WithTimeout(ctx, verifierTimeout)
	defer cancel()
	select {
	case e.places <- struct{}{}:
		defer func() { <-e.places }()
	case <-ctx.Done():
		return Verification{}, fmt.Errorf("directory: Config.Verifier: %w", &password.BusyError{RetryAfter: verifierTimeout})
	}
	v, err := e.verifier.VerifyPassword(ctx, username, pass)
	if err != nil {
		return Verification{}, fmt.Errorf("directory: Config.Verifier: %v", err)
	}
	return v, nil
}

// judgeElsewhere does the work of a hash before it asks, so that a full gate says nothing about the answer.
func (d *defaultUsers) judgeElsewhere(ctx context.Context, u *User, pass string) (bool, error) {
	if err := d.hasher.Dummy(ctx, pass); err != nil || d.external == nil {
		return false, err
	}
	v, err := d.external.ask(ctx, u.Username, pass)
	if err != nil || !v.OK {
		return false, err
	}
	if v.Profile != nil {
		err = d.update(ctx, u.Ref(), v.Profile)
	}
	return err == nil, err
}

// update writes what the other system knows of somebody over what is known here. The event is "user.updated".
func (d *defaultUsers) update(ctx context.Context, ref store.Ref, profile *User) error {
	return change(ctx, d.db, d.all, ref, func(b *store.Batch, u *User) (bool, error) {
		fresh := *profile
		fresh.Meta, fresh.Username, fresh.Disabled, fresh.Created = u.Meta, u.Username, u.Disabled, u.Created
		fresh.Updated = b.Now()
		if err := fresh.Validate(); err != nil {
			return false, fmt.Errorf("directory: Verification.Profile: %w", err)
		}
		*u = fresh
		b.Event(store.Event{Meta: store.Meta{Org: ref.Org}, Type: "user.updated", Subject: ref.ID})
		return true, nil
	})
}

// Adopt asks Config.Verifier about somebody whom no user store knows by the name that was typed. When the password is
// right there the user is created, with that password, which need not fit the policy, and the event "user.created". The
// error is store.ErrNotFound when it is not, or when there is no Verifier; any other means that nobody could say.
//
// The caller has counted the attempt, found nobody, and done the work of VerifyPassword for nobody: then only the time
// that the other system takes tells a name that is known here from one that is not.
func (d *Directory) Adopt(ctx context.Context, org, login, pass string) (*User, error) {
	local := d.localUsers()
	if local == nil || local.external == nil || len(pass) > password.MaxLength {
		return nil, store.ErrNotFound
	}
	v, err := local.external.ask(ctx, login, pass)
	if err != nil {
		return nil, err
	}
	if !v.OK {
		return nil, store.ErrNotFound
	}
	u := &User{Username: login}
	if v.Profile != nil {
		*u = *v.Profile
		u.Meta = store.Meta{}
		if u.Username == "" {
			u.Username = login
		}
	}
	u.Org, u.Store = org, ""
	if d.stores != nil {
		u.Store = DefaultStore // not the one that registers
	}
	err = d.adopt(ctx, u, pass)
	if _, isTaken := errors.AsType[*TakenError](err); isTaken {
		return d.known(ctx, u, pass)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (d *Directory) adopt(ctx context.Context, u *User, pass string) error {
	if err := d.mayWrite(ctx, u); err != nil {
		return fmt.Errorf("directory: Verification.Profile: %w", err)
	}
	b := d.db.Batch()
	if err := d.Users.Create(ctx, b, u); err != nil {
		return err
	}
	s, err := d.firstSubject(ctx, b, u, nil)
	if err != nil {
		return err
	}
	if err := d.Users.SetPassword(ctx, b, u, pass); err != nil {
		return err
	}
	b.Event(s.event("user.created"))
	return taken(b.Apply(ctx))
}

// known returns the user who has the name that the other system calls somebody by, when the password is theirs here too:
// another request has created them a moment ago, or the name that was typed is one that only the other system knows.
func (d *Directory) known(ctx context.Context, like *User, pass string) (*User, error) {
	u, err := d.Users.Find(ctx, like.Org, Identifier{Name: ByUsername, Value: like.Username})
	if err != nil {
		return nil, err
	}
	right, err := d.Users.VerifyPassword(ctx, u, pass)
	if err == nil && !right {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}
