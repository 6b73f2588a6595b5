package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-idp/signet/store"
)

// CheckSubject returns the Subject when it is active and stands at epoch, and otherwise ErrChainBroken. A user store apart
// from the DB is asked whether it still has the person and has not disabled them, since nobody else tells. Nothing is
// cached. Any other error is a store's.
func (d *Directory) CheckSubject(ctx context.Context, ref store.Ref, epoch int64) (*Subject, error) {
	return d.Subjects.check(ctx, ref, epoch)
}

func (s *Subjects) check(ctx context.Context, ref store.Ref, epoch int64) (*Subject, error) {
	subject, err := s.Get(ctx, ref)
	if err != nil {
		return nil, broken("subject", err)
	}
	if subject.Status != Active || subject.Epoch != epoch {
		return nil, broken("subject", nil)
	}
	if subject.Store == "" || subject.Kind != Person {
		return subject, nil
	}
	u, err := s.person(ctx, subject)
	if err != nil || u.Disabled {
		return nil, broken("subject", err)
	}
	return subject, nil
}

// CheckSession returns the Session when it has not ended and stands at epoch, and otherwise ErrChainBroken. A session
// that went idle still carries what hangs on it. The Subject is checked apart. Nothing is cached.
func (d *Directory) CheckSession(ctx context.Context, ref store.Ref, epoch int64) (*Session, error) {
	session, err := d.Sessions.Get(ctx, ref)
	if err != nil {
		return nil, broken("session", err)
	}
	if session.Status != Active || session.Epoch != epoch {
		return nil, broken("session", nil)
	}
	return session, nil
}

// Hold adds to a batch that it stands or falls with whoever asks for it: a person, active and at the epoch of s, and the session in which they
// ask, nil for none. Whoever ends either is not overtaken by a request that was let in a moment before. It is the Check on both; do not add
// another. The error is ErrChainBroken when one has ended by now, a store's otherwise.
func (d *Directory) Hold(ctx context.Context, b *store.Batch, s *Subject, within *Session) error {
	subject, err := d.CheckSubject(ctx, s.Ref(), s.Epoch)
	if err != nil {
		return err
	}
	d.Subjects.Check(b, subject)
	return d.HoldSession(ctx, b, within)
}

// HoldSession is Hold for a batch that writes the Subject itself.
func (d *Directory) HoldSession(ctx context.Context, b *store.Batch, within *Session) error {
	if within == nil {
		return nil
	}
	session, err := d.CheckSession(ctx, within.Ref(), within.Epoch)
	if err == nil {
		d.Sessions.Check(b, session)
	}
	return err
}

// CheckApplication returns the Application when it is active and stands at epoch, and otherwise ErrChainBroken. Nothing
// is cached.
func (d *Directory) CheckApplication(ctx context.Context, ref store.Ref, epoch int64) (*Application, error) {
	app, err := d.Applications.Get(ctx, ref)
	if err != nil {
		return nil, broken("application", err)
	}
	if app.Status != Active || app.Epoch != epoch {
		return nil, broken("application", nil)
	}
	return app, nil
}

// broken says which link is broken: one that is absent, or was found unfit when err is nil.
func broken(link string, err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w at the %s", ErrChainBroken, link)
	}
	return err
}
