package directory

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

var (
	credentialKind = store.Kind{Name: "directory.credential"}
	credentialType = store.Type[Credential]{
		Kind:  credentialKind,
		Index: func(c *Credential) []store.Entry { return []store.Entry{{Field: "subject", Value: pointer(c.Subject)}} },
		Keys: func(c *Credential) []store.Key {
			switch {
			case c.Passkey != nil:
				return []store.Key{passkeyKey(c.Passkey.RPID, c.Passkey.ID)}
			case c.Certificate != nil:
				return []store.Key{certificateKey(c.Certificate.Thumbprint)}
			}
			return nil
		},
	}
)

// Credentials keeps what people prove themselves with: for users in the DB their passwords, for everybody the second
// factors.
type Credentials struct {
	db           *store.DB
	all          *store.Collection[Credential]
	passkeyUsers *store.Collection[PasskeyUser]
	cardholders  *store.Collection[cardholder]
}

func newCredentials(db *store.DB) *Credentials {
	return &Credentials{
		db: db, all: store.NewCollection(db, credentialType), passkeyUsers: store.NewCollection(db, passkeyUserType),
		cardholders: store.NewCollection(db, cardholderType),
	}
}

// Kind is the kind of the records, for telling what a Conflict is about.
func (c *Credentials) Kind() store.Kind { return credentialKind }

// Get returns the credential, or store.ErrNotFound.
func (c *Credentials) Get(ctx context.Context, ref store.Ref) (*Credential, error) {
	return c.all.Get(ctx, ref)
}

// List returns all credentials of a subject.
func (c *Credentials) List(ctx context.Context, subject store.Ref) ([]*Credential, error) {
	var list []*Credential
	for credential, err := range c.all.All(ctx, store.Query{Org: subject.Org, Filter: store.Equals("subject", pointer(subject))}) {
		if err != nil {
			return nil, err
		}
		list = append(list, credential)
	}
	return list, nil
}

// Delete removes a credential at the version it was read at. The event is "credential.removed".
func (c *Credentials) Delete(ctx context.Context, credential *Credential) error {
	b := c.db.Batch()
	c.remove(b, credential)
	return b.Apply(ctx)
}

func (c *Credentials) remove(b *store.Batch, credential *Credential) {
	c.all.Delete(b, credential)
	b.Event(credential.event("credential.removed"))
}

// removeAllButPassword removes what the user store does not remove itself.
func (c *Credentials) removeAllButPassword(ctx context.Context, b *store.Batch, subject store.Ref) error {
	list, err := c.List(ctx, subject)
	if err != nil {
		return err
	}
	for _, credential := range list {
		if credential.Type != PasswordCredential {
			c.remove(b, credential)
		}
	}
	return errors.Join(c.forgetPasskeyUser(ctx, b, subject), c.forgetCardholder(ctx, b, subject))
}

// TOTP returns a subject's TOTP authenticator and its seed, or store.ErrNotFound.
func (c *Credentials) TOTP(ctx context.Context, subject store.Ref) (*Credential, []byte, error) {
	credential, err := c.Get(ctx, totpRef(subject))
	if err != nil {
		return nil, nil, err
	}
	seed, err := c.open(credential)
	if err != nil {
		return nil, nil, err
	}
	return credential, []byte(seed.Reveal()), nil
}

// EnrollTOTP adds to the batch that a seed is the subject's TOTP authenticator, in place of any other. The person has
// proven it with the code of step, which is thereby spent. The event is "credential.added".
func (c *Credentials) EnrollTOTP(ctx context.Context, b *store.Batch, subject store.Ref, label string, seed []byte, step int64) error {
	ref := totpRef(subject)
	return c.put(ctx, b, &Credential{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, Type: TOTPCredential, Label: label, Step: step,
	}, secret.Text(seed))
}

// NewTOTP prepares a TOTP authenticator for AddTOTP. The person has proven it with the code of step, which is thereby spent.
func (c *Credentials) NewTOTP(subject store.Ref, label string, seed []byte, step int64) *Credential {
	ref := totpRef(subject)
	credential := &Credential{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, Type: TOTPCredential, Label: label, Step: step,
		Epoch: firstEpoch(), Created: c.db.Now(),
	}
	c.seal(credential, secret.Text(seed))
	return credential
}

// AddTOTP adds to the batch that a subject who has no TOTP authenticator has the one that NewTOTP prepared. Of several who add
// one at once one is applied, and the others get a *store.Conflict on Kind. The event is "credential.added".
func (c *Credentials) AddTOTP(b *store.Batch, credential *Credential) {
	c.all.Insert(b, credential)
	b.Event(credential.event("credential.added"))
}

// AdvanceTOTP adds to the batch that the code of step is spent. The error is ErrReplayed when it, or a later one, was
// spent before; of several who spend it at once one is applied, and the others get a *store.Conflict on Kind, which
// means the same.
func (c *Credentials) AdvanceTOTP(b *store.Batch, credential *Credential, step int64) error {
	if step <= credential.Step {
		return ErrReplayed
	}
	credential.Step = step
	c.all.Replace(b, credential)
	return nil
}

// put adds to the batch that the credential holds the secret: over the one with the same id when there is one.
func (c *Credentials) put(ctx context.Context, b *store.Batch, credential *Credential, text secret.Text) error {
	credential.Created = b.Now()
	c.seal(credential, text)
	old, err := c.Get(ctx, credential.Ref())
	switch {
	case errors.Is(err, store.ErrNotFound):
		credential.Epoch = firstEpoch()
		c.all.Insert(b, credential)
	case err != nil:
		return err
	default:
		credential.Version, credential.Epoch = old.Version, old.Epoch+1
		c.all.Replace(b, credential)
	}
	b.Event(credential.event("credential.added"))
	return nil
}

// firstEpoch is where the epochs of a new credential begin: not where those of one began that had the same id and was removed,
// since what was proven by that one must not come back to life.
func firstEpoch() int64 {
	var b [8]byte
	_, _ = rand.Read(b[2:]) // never fails: crypto/rand ends the program instead
	return int64(binary.BigEndian.Uint64(b[:]))
}

func (c *Credentials) seal(credential *Credential, text secret.Text) {
	credential.Secret = c.db.Seal(credentialKind, credential.Ref(), "secret", []byte(text.Reveal()))
}

func (c *Credentials) open(credential *Credential) (secret.Text, error) {
	text, err := c.db.Unseal(credentialKind, credential.Ref(), "secret", credential.Secret)
	return secret.Text(text), err
}

func (c *Credential) event(kind string) store.Event {
	return store.Event{
		Meta: store.Meta{Org: c.Org}, Type: kind, Subject: c.Subject.ID,
		Data: details("credential", c.ID, "type", string(c.Type)),
	}
}

func passwordRef(subject store.Ref) store.Ref {
	return store.Ref{Org: subject.Org, ID: subject.ID + "/" + string(PasswordCredential)}
}

func totpRef(subject store.Ref) store.Ref {
	return store.Ref{Org: subject.Org, ID: subject.ID + "/" + string(TOTPCredential)}
}
