package flow

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// PasskeyEnrolment makes passkeys for people who are known, in flows and at APIs of the provider's own. Whether somebody may have one
// made is for its user to judge. It is safe for concurrent use.
type PasskeyEnrolment struct {
	dir *directory.Directory
	rp  *mfa.RelyingParty
	now func() time.Time // of Begin
}

// PasskeyEnrolment returns what makes the passkeys of Config.Passkeys; nil without.
func (e *Engine) PasskeyEnrolment() *PasskeyEnrolment {
	if e.relyingParty == nil {
		return nil
	}
	return &PasskeyEnrolment{e.dir, e.relyingParty, e.db.Now}
}

func (p passkeys) enrolment() *PasskeyEnrolment { return &PasskeyEnrolment{dir: p.dir, rp: p.rp} }

// List returns the passkeys of a subject that are of this relying party, the oldest first, also those out of use.
func (p *PasskeyEnrolment) List(ctx context.Context, subject store.Ref) ([]*directory.Credential, error) {
	list, err := p.dir.Credentials.Passkeys(ctx, subject, p.rp.RPID())
	slices.SortFunc(list, func(a, b *directory.Credential) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

// Begin starts to make a passkey. What the ceremony remembers is good for one Finish, and mfa.Passkeys.Timeout.
func (p *PasskeyEnrolment) Begin(ctx context.Context, subject store.Ref, user *directory.User) (mfa.Ceremony, error) {
	list, err := p.List(ctx, subject)
	if err != nil {
		return mfa.Ceremony{}, err
	}
	list = slices.DeleteFunc(list, func(c *directory.Credential) bool { return !c.Passkey.Suspended.IsZero() })
	return p.begin(ctx, subject, user, list, mfa.Registration{}, p.now())
}

func (p *PasskeyEnrolment) begin(
	ctx context.Context, subject store.Ref, user *directory.User, have []*directory.Credential, r mfa.Registration, now time.Time,
) (mfa.Ceremony, error) {
	name, err := p.dir.Credentials.PasskeyUser(ctx, subject, p.rp.RPID())
	if err != nil {
		return mfa.Ceremony{}, err
	}
	r.UserHandle, r.Exclude = name.Handle, records(have)
	r.Username, r.DisplayName = shortened(cmp.Or(user.Username, user.Email)), shortened(user.Name)
	return p.rp.BeginRegistration(r, now)
}

// Finish adds to the batch that a subject has the passkey that a browser answers with to what Begin has remembered in session. Errors are
// those of mfa.RelyingParty.FinishRegistration, *mfa.PasskeyError for a passkey that somebody has already, directory.ErrTooManyPasskeys; from
// the batch those that directory.Credentials.AddPasskey names.
func (p *PasskeyEnrolment) Finish(ctx context.Context, b *store.Batch, subject store.Ref, session, answer []byte) (*directory.Credential, error) {
	key, err := p.rp.FinishRegistration(session, answer, b.Now())
	if err != nil {
		return nil, err
	}
	name, credential, err := p.credential(ctx, subject, key, false)
	if err != nil {
		return nil, err
	}
	return credential, p.dir.Credentials.AddPasskey(ctx, b, name, credential)
}

// credential is the passkey as it is to be written. Errors: *mfa.PasskeyError when somebody has it already, when the person was given
// another name in another tab meanwhile, or has as many as there may be.
func (p *PasskeyEnrolment) credential(
	ctx context.Context, subject store.Ref, key mfa.Passkey, secondFactor bool,
) (*directory.PasskeyUser, *directory.Credential, error) {
	name, err := p.dir.Credentials.PasskeyUser(ctx, subject, p.rp.RPID())
	if err != nil {
		return nil, nil, err
	}
	if name.Version == 0 {
		name.Handle = key.UserHandle
	}
	have, err := p.dir.Credentials.Passkeys(ctx, subject, "")
	if err != nil {
		return nil, nil, err
	}
	_, err = p.dir.Credentials.Passkey(ctx, subject.Org, key.RPID, key.ID)
	switch {
	case err == nil:
		return nil, nil, &mfa.PasskeyError{Reason: mfa.PasskeyForeign}
	case !errors.Is(err, store.ErrNotFound):
		return nil, nil, err
	case string(name.Handle) != string(key.UserHandle):
		return nil, nil, &mfa.PasskeyError{Reason: mfa.PasskeyRestart}
	case len(have) >= directory.MaxPasskeys:
		return nil, nil, directory.ErrTooManyPasskeys
	}
	made := toDirectory(key)
	made.SecondFactor = secondFactor
	return name, p.dir.Credentials.NewPasskey(subject, "", made), nil
}
