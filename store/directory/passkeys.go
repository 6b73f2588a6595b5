package directory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// ErrTooManyPasskeys says that a person has MaxPasskeys already.
var ErrTooManyPasskeys = errors.New("directory: the person has as many passkeys as there may be")

var (
	passkeyUserKind = store.Kind{Name: "directory.passkeyuser"}
	passkeyUserType = store.Type[PasskeyUser]{
		Kind: passkeyUserKind,
		Index: func(u *PasskeyUser) []store.Entry {
			return []store.Entry{{Field: "subject", Value: pointer(u.Subject)}}
		},
	}
)

const (
	maxPasskeyID       = 1023 // WebAuthn §4
	maxCredentialLabel = 64
	passkeyHandleSize  = 64 // WebAuthn §14.6.1
)

// passkeyKey is the unique key of a passkey. Ids are random; the hash makes them short.
func passkeyKey(rpID string, id []byte) store.Key {
	return store.Key{Name: "passkey", Value: secret.Hash(rpID + "\x00" + string(id))}
}

// Passkeys returns the passkeys of a subject at an RPID; "" is all.
func (c *Credentials) Passkeys(ctx context.Context, subject store.Ref, rpID string) ([]*Credential, error) {
	all, err := c.List(ctx, subject)
	if err != nil {
		return nil, err
	}
	var passkeys []*Credential
	for _, credential := range all {
		if credential.Passkey != nil && (rpID == "" || credential.Passkey.RPID == rpID) {
			passkeys = append(passkeys, credential)
		}
	}
	return passkeys, nil
}

// Passkey returns the passkey that authenticators call id at an RPID, in an organization, or store.ErrNotFound: it has then
// no such passkey for certain.
func (c *Credentials) Passkey(ctx context.Context, org, rpID string, id []byte) (*Credential, error) {
	return c.all.Lookup(ctx, org, passkeyKey(rpID, id))
}

// PasskeyUser returns what authenticators call a subject at an RPID. For a subject without a name there it is a new one, random, of
// Version 0, which AddPasskey writes.
func (c *Credentials) PasskeyUser(ctx context.Context, subject store.Ref, rpID string) (*PasskeyUser, error) {
	ref := store.Ref{Org: subject.Org, ID: subject.ID + "/" + rpID}
	user, err := c.passkeyUsers.Get(ctx, ref)
	if !errors.Is(err, store.ErrNotFound) {
		return user, err
	}
	handle := make([]byte, passkeyHandleSize)
	_, _ = rand.Read(handle) // never fails: crypto/rand ends the program instead
	return &PasskeyUser{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, RPID: rpID, Handle: handle}, nil
}

// NewPasskey prepares a passkey of a subject for AddPasskey.
func (c *Credentials) NewPasskey(subject store.Ref, label string, passkey Passkey) *Credential {
	name := make([]byte, 16)
	_, _ = rand.Read(name)
	return &Credential{
		Meta:    store.Meta{Org: subject.Org, ID: subject.ID + "/" + string(PasskeyCredential) + "/" + hex.EncodeToString(name)},
		Subject: subject, Type: PasskeyCredential, Label: label, Epoch: firstEpoch(), Created: c.db.Now(), Passkey: &passkey,
	}
}

// AddPasskey adds to the batch that the person has the passkey that NewPasskey prepared; user is what PasskeyUser returned for this
// answer, and its Handle that of the passkey. Of several that are added to one person at once one is applied. The event is
// "credential.added". Errors: ErrTooManyPasskeys, *InvalidError; from the batch a *store.Conflict on Kind when somebody has that passkey
// already, and on another kind when the person was given another passkey meanwhile.
func (c *Credentials) AddPasskey(ctx context.Context, b *store.Batch, user *PasskeyUser, credential *Credential) error {
	if err := credential.checkPasskey(user); err != nil {
		return err
	}
	have, err := c.Passkeys(ctx, credential.Subject, "")
	if err != nil {
		return err
	}
	if len(have) >= MaxPasskeys {
		return ErrTooManyPasskeys
	}
	// Whoever adds a passkey writes this record too, so that two at once cannot both be the last that there is room for.
	written := *user
	if written.Version == 0 {
		c.passkeyUsers.Insert(b, &written)
	} else {
		c.passkeyUsers.Replace(b, &written)
	}
	c.all.Insert(b, credential)
	b.Event(credential.event("credential.added"))
	return nil
}

func (c *Credential) checkPasskey(user *PasskeyUser) error {
	p := c.Passkey
	switch {
	case p == nil || len(p.ID) == 0 || len(p.ID) > maxPasskeyID || len(p.PublicKey) == 0:
		return &InvalidError{Field: "passkey", Problem: "has no id or no public key"}
	case user.Subject != c.Subject || user.RPID != p.RPID || string(user.Handle) != string(p.UserHandle):
		return &InvalidError{Field: "passkey", Problem: "calls the person by another name"}
	}
	return checkLabel(c.Label)
}

func checkLabel(label string) error {
	if utf8.RuneCountInString(label) > maxCredentialLabel || !utf8.ValidString(label) {
		return &InvalidError{Field: "label", Problem: "must be at most 64 characters"}
	}
	return nil
}

// UsePasskey adds to the batch that a passkey has signed, with what it says of itself now. Of several who use it at once one is
// applied, and the others get a *store.Conflict on Kind.
func (c *Credentials) UsePasskey(b *store.Batch, credential *Credential, now Passkey) {
	written := *credential
	now.LastUsed, now.Suspended, now.SecondFactor = b.Now(), credential.Passkey.Suspended, credential.Passkey.SecondFactor
	written.Passkey = &now
	c.all.Replace(b, &written)
}

// SuspectPasskey adds to the batch that there may be two of a passkey, as its counter went back; suspend takes it out of use. The events are
// "credential.suspected" and "credential.suspended".
func (c *Credentials) SuspectPasskey(b *store.Batch, credential *Credential, suspend bool) {
	if !suspend {
		b.Event(credential.event("credential.suspected"))
		return
	}
	written, passkey := *credential, *credential.Passkey
	passkey.Suspended = b.Now()
	written.Passkey = &passkey
	written.Epoch++ // what it has proven counts no more
	c.all.Replace(b, &written)
	b.Event(credential.event("credential.suspended"))
}

// Rename adds to a batch that a credential gets another label, at the version it was read at. The event is "credential.renamed". Errors:
// *InvalidError.
func (c *Credentials) Rename(b *store.Batch, credential *Credential, label string) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	credential.Label = label
	c.all.Replace(b, credential)
	b.Event(credential.event("credential.renamed"))
	return nil
}

// forgetPasskeyUser removes what authenticators call somebody who goes.
func (c *Credentials) forgetPasskeyUser(ctx context.Context, b *store.Batch, subject store.Ref) error {
	for user, err := range c.passkeyUsers.All(ctx, store.Query{Org: subject.Org, Filter: store.Equals("subject", pointer(subject))}) {
		if err != nil {
			return err
		}
		c.passkeyUsers.Delete(b, user)
	}
	return nil
}
