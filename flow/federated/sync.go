package federated

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"

	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
)

// Sync is what a login changes of an account that its connection has made (Connection.Create) at an earlier one: of the names, picture,
// locale and the rest of the profile, and of the attributes. User name, e-mail address and telephone number stay as they are, and attributes that
// people sign in with (directory.IdentifierPolicy.LoginBy): by these people sign in and get back in, so a provider's word alone does not change
// them. An account that was linked, or made by a registration, is never changed.
//
// What does not fit here is left out, as at the first login. A user store that cannot be written to leaves everything as it is.
type Sync int

const (
	// SyncPreserveLocal takes over what the provider says, and keeps what it does not: what was added here stays, and what was changed here
	// lasts until the next login. It is the zero value.
	SyncPreserveLocal Sync = iota
	// SyncOverrideAll makes it what the provider says: what was added here is removed too.
	SyncOverrideAll
	// SyncNone leaves the account to the person.
	SyncNone
)

// sync takes over what the provider says now of somebody, and returns the message that says why they are not let in.
func (e executor) sync(ctx context.Context, l *Link, subject *directory.Subject, id *rp.Identity) (problem string, err error) {
	if !l.Made || l.Connection != e.Name || e.links || e.Sync == SyncNone {
		return "", nil
	}
	user, err := e.dir.UserOf(ctx, subject)
	if err != nil {
		return "", err
	}
	if !e.dir.Capabilities(user).Write {
		return "", nil
	}
	before := user.Attributes
	switch changed, err := e.follow(ctx, user, id); {
	case err != nil:
		return "", err
	case !changed:
		return "", nil
	}
	err = e.dir.ReplaceUser(ctx, user)
	if refused(err) { // the attributes: the rest has been checked
		user.Attributes = before
		err = e.dir.ReplaceUser(ctx, user)
	}
	switch {
	case errors.Is(err, directory.ErrEnded):
		return "federated.disabled", nil
	case refused(err):
		e.warn(ctx, err)
		return "", nil
	}
	return "", err
}

// refused reports that an account cannot be written as it is.
func refused(err error) bool {
	_, taken := errors.AsType[*directory.TakenError](err)
	_, invalid := errors.AsType[*directory.InvalidError](err)
	return taken || invalid
}

// follow changes an account here to what the provider says, and reports whether that is another.
func (e executor) follow(ctx context.Context, user *directory.User, id *rp.Identity) (bool, error) {
	before, err := json.Marshal(user)
	if err != nil {
		return false, err
	}
	said, all := e.newUser(user.Org, user.Username, id), e.Sync == SyncOverrideAll
	values := profile(said)
	for i, field := range profile(user) {
		if all || *values[i] != "" {
			*field = *values[i]
		}
	}
	if all || said.Address != nil {
		user.Address = said.Address
	}
	attributes := map[string]any{} // the others may be shared
	if !all {
		maps.Copy(attributes, user.Attributes)
	}
	maps.Copy(attributes, said.Attributes)
	if err := e.keepLogins(ctx, user, attributes); err != nil {
		return false, err
	}
	user.Attributes = attributes
	after, err := json.Marshal(user)
	return !bytes.Equal(before, after), err
}

// keepLogins changes attributes that are to take the place of a person's: those that people sign in with stay as they were. Whoever had another's
// user name in one would be taken for them.
func (e executor) keepLogins(ctx context.Context, user *directory.User, attributes map[string]any) error {
	both := maps.Clone(attributes)
	maps.Copy(both, user.Attributes)
	for name := range both {
		by, err := e.dir.LogsInBy(ctx, user.Org, directory.IdentifierName("attributes."+name))
		if err != nil {
			return err
		}
		value, was := user.Attributes[name]
		switch {
		case by && was:
			attributes[name] = value
		case by:
			delete(attributes, name)
		}
	}
	return nil
}

// profile is what is said of somebody in the fields of an account that nobody is found by.
func profile(u *directory.User) []*string {
	return []*string{
		&u.Name, &u.GivenName, &u.FamilyName, &u.MiddleName, &u.Nickname, &u.Profile, &u.Picture, &u.Website, &u.Gender, &u.Birthdate,
		&u.Zoneinfo, &u.Locale,
	}
}
