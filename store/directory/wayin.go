package directory

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store"
)

// ErrLastWayIn says that somebody could not sign in any more without what was to be removed.
var ErrLastWayIn = errors.New("directory: the person has no other way to sign in")

// WayIn reports whether a subject can sign in by something that is kept elsewhere, as an account at a provider upstream, and adds to the
// batch a Check on it.
type WayIn func(ctx context.Context, b *store.Batch, subject store.Ref) (bool, error)

// HasWayIn reports whether a subject can sign in by anything but the credential of an id ("" is none): a password, a passkey, or one of the
// others. It adds to the batch a Check on that: of two that remove each other's last resort at once one is applied, and the other gets a
// *store.Conflict. The passwords of stores apart from the DB are not ours to see, and taken for granted.
func (d *Directory) HasWayIn(ctx context.Context, b *store.Batch, s *Subject, without string, others ...WayIn) (bool, error) {
	if s.Store != "" && d.capabilitiesAt(s.Store).Name == s.Store {
		return true, nil
	}
	credentials, err := d.Credentials.List(ctx, s.Ref())
	if err != nil {
		return false, err
	}
	for _, c := range credentials {
		if c.ID != without && c.begins() {
			d.Credentials.all.Check(b, c)
			return true, nil
		}
	}
	for _, other := range others {
		if has, err := other(ctx, b, s.Ref()); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// BestACR is the class of authentication that somebody shows with all they have: ACR2 for who has anything beside a password that is in
// use. It is what a change of how they sign in demands of them, or whoever knows but the password would take the rest away. Backup codes
// stand in for others, and are asked for by themselves nowhere.
func (d *Directory) BestACR(ctx context.Context, s *Subject) (string, error) {
	credentials, err := d.Credentials.List(ctx, s.Ref())
	if err != nil {
		return "", err
	}
	for _, c := range credentials {
		switch {
		case c.Type == PasswordCredential, c.Type == BackupCodesCredential:
		case c.Passkey != nil && !c.Passkey.Suspended.IsZero():
		default:
			return ACR2, nil
		}
	}
	return ACR1, nil
}

// begins reports whether a sign-in can begin with a credential alone.
func (c *Credential) begins() bool {
	return c.Type == PasswordCredential || c.Passkey != nil && c.Passkey.Suspended.IsZero()
}

// RemoveCredential removes one of a subject's credentials, as they ask for it within a session (nil for none), unless it is their last way
// in; others are the further ways there may be. The event is "credential.removed". Errors: store.ErrNotFound for what is not theirs or no
// longer there, ErrLastWayIn, ErrChainBroken when they or the session have ended by the time it is removed, *InvalidError for a password,
// which is replaced and never removed.
func (d *Directory) RemoveCredential(ctx context.Context, s *Subject, within *Session, id string, others ...WayIn) error {
	return retry(func() error {
		c, err := d.OwnCredential(ctx, s, id)
		if err != nil {
			return err
		}
		b := d.db.Batch()
		if err := d.Hold(ctx, b, s, within); err != nil {
			return err
		}
		switch {
		case c.Type == PasswordCredential:
			return &InvalidError{Field: "credential", Problem: "is a password, which can be replaced alone"}
		case c.begins(), c.Certificate != nil: // which begins a sign-in only where certificates are asked for
			has, err := d.HasWayIn(ctx, b, s, c.ID, others...)
			if err != nil {
				return err
			}
			if !has {
				return ErrLastWayIn
			}
		}
		d.Credentials.remove(b, c)
		return b.Apply(ctx)
	})
}

// OwnCredential returns the credential of an id if it is the subject's, else store.ErrNotFound: nobody learns whose it is.
func (d *Directory) OwnCredential(ctx context.Context, s *Subject, id string) (*Credential, error) {
	if !validID(id) {
		return nil, store.ErrNotFound
	}
	c, err := d.Credentials.Get(ctx, store.Ref{Org: s.Org, ID: id})
	if err != nil {
		return nil, err
	}
	if c.Subject != s.Ref() {
		return nil, store.ErrNotFound
	}
	return c, nil
}

// EndOwnSession ends a session of a subject's, as they ask for it. Errors: store.ErrNotFound for one that is not theirs, or no longer there.
func (d *Directory) EndOwnSession(ctx context.Context, s *Subject, id string) error {
	if !validID(id) {
		return store.ErrNotFound
	}
	session, err := d.Sessions.Get(ctx, store.Ref{ID: id})
	if err != nil {
		return err
	}
	if session.Subject != s.Ref() {
		return store.ErrNotFound
	}
	return d.Sessions.End(ctx, session.Ref(), "revoked")
}
