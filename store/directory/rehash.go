package directory

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Rehash is a new hash of a password that was just proven, to take the place of one that is outdated or was made
// elsewhere. It is sealed, so that a flow may keep it until the sign-in has succeeded as a whole.
//
// It waits for that because some old hashes see less than the whole password: who knows the beginning, and no more of
// the sign-in, must not decide what the rest is from now on.
type Rehash struct {
	Credential store.Ref    `json:"credential"`
	Version    int64        `json:"version"`
	Secret     store.Sealed `json:"secret"`
}

// RehashOf returns what became due when Users.VerifyPassword found u's password right; nil is nothing.
func (d *Directory) RehashOf(u *User) *Rehash { return u.rehash }

// Rehash writes a new hash over the one that it was made for. When that has been replaced meanwhile nothing happens. A
// sign-in does not depend on it: on an error the old hash stands, and the next sign-in brings a new Rehash.
func (d *Directory) Rehash(ctx context.Context, r *Rehash) error {
	if r == nil {
		return nil
	}
	c, err := d.Credentials.Get(ctx, r.Credential)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Version != r.Version {
		return nil
	}
	if err != nil {
		return err
	}
	c.Secret = r.Secret
	b := d.db.Batch()
	d.Credentials.all.Replace(b, c)
	if err := b.Apply(ctx); store.ConflictOn(err, credentialKind) == nil {
		return err
	}
	return nil
}

// judge reports whether a password is the one that was hashed, here or elsewhere, and what follows from that.
func (d *defaultUsers) judge(ctx context.Context, u *User, encoded secret.Text, pass string) (password.Result, error) {
	if encoded == elsewhere {
		ok, err := d.judgeElsewhere(ctx, u, pass)
		return password.Result{OK: ok, Rehash: ok}, err
	}
	return d.hasher.Verify(ctx, encoded.Reveal(), pass)
}

// newHash makes the hash that is due. Where it cannot be made the old one stands.
func (d *defaultUsers) newHash(ctx context.Context, c *Credential, pass string) *Rehash {
	encoded, err := d.hasher.Hash(ctx, pass)
	if err != nil {
		d.logger.WarnContext(ctx, "an outdated password hash was not replaced", "subject", c.Subject.ID, "error", err)
		return nil
	}
	fresh := *c
	d.credentials.seal(&fresh, secret.Text(encoded))
	return &Rehash{Credential: c.Ref(), Version: c.Version, Secret: fresh.Secret}
}
