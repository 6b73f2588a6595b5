package directory

import (
	"context"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// HOTP returns a subject's HOTP token and its seed, or store.ErrNotFound. The counter that is expected next is the
// Credential's Step.
func (c *Credentials) HOTP(ctx context.Context, subject store.Ref) (*Credential, []byte, error) {
	credential, err := c.Get(ctx, hotpRef(subject))
	if err != nil {
		return nil, nil, err
	}
	seed, err := c.open(credential)
	if err != nil {
		return nil, nil, err
	}
	return credential, []byte(seed.Reveal()), nil
}

// EnrollHOTP adds to the batch that a seed is the subject's HOTP token, in place of any other. Next is the counter that is expected
// from here on. The event is "credential.added".
func (c *Credentials) EnrollHOTP(ctx context.Context, b *store.Batch, subject store.Ref, label string, seed []byte, next int64) error {
	ref := hotpRef(subject)
	return c.put(ctx, b, &Credential{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, Type: HOTPCredential, Label: label, Step: next,
	}, secret.Text(seed))
}

// NewHOTP prepares an HOTP token for AddHOTP. The person has proven it with the code before next, which is thereby spent.
func (c *Credentials) NewHOTP(subject store.Ref, label string, seed []byte, next int64) *Credential {
	ref := hotpRef(subject)
	credential := &Credential{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, Type: HOTPCredential, Label: label, Step: next,
		Epoch: firstEpoch(), Created: c.db.Now(),
	}
	c.seal(credential, secret.Text(seed))
	return credential
}

// AddHOTP is AddTOTP for the token that NewHOTP prepared.
func (c *Credentials) AddHOTP(b *store.Batch, credential *Credential) { c.AddTOTP(b, credential) }

// AdvanceHOTP adds to the batch that all codes before next are spent. The error is ErrReplayed when they, or later ones, were spent
// before; of several who spend one at once one is applied, and the others get a *store.Conflict on Kind, which means the same.
func (c *Credentials) AdvanceHOTP(b *store.Batch, credential *Credential, next int64) error {
	return c.AdvanceTOTP(b, credential, next)
}

func hotpRef(subject store.Ref) store.Ref {
	return store.Ref{Org: subject.Org, ID: subject.ID + "/" + string(HOTPCredential)}
}
