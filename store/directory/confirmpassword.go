package directory

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/store"
)

const (
	// maxClashes bounds how often an attempt begins again because another at the same account was faster.
	maxClashes = 200
	// maxRounds bounds how often an attempt waits, by doing the work in vain, for others that are being judged.
	maxRounds = 4
)

// ConfirmPassword reports whether a password is that of somebody who is signed in already, as they have to show before they change it. It
// is counted before it is judged, and together with attempts at signing in: in the lock of the account, and for the network address. While
// the account takes no attempts no password is right. Wait is how long an address that has tried too often is to be left alone; it is zero for
// all others. Nothing is hashed anew. Errors are failures of a store, or a full gate of the hasher, and are no wrong guesses.
func (d *Directory) ConfirmPassword(ctx context.Context, s *Subject, password, address string) (right bool, wait time.Duration, err error) {
	u, err := d.UserOf(ctx, s)
	if err != nil {
		return false, 0, err
	}
	key := AttemptKey{Org: s.Org, Account: d.Locks.Account(s, s.Org, ""), Factor: string(PasswordCredential)}
	attempt, pass, err := d.countAttempt(ctx, key, address)
	if err != nil {
		return false, 0, err
	}
	if !pass.Admitted() {
		return false, pass.RetryAfter(), d.settleAttempt(ctx, attempt, d.Locks.Abort)
	}
	right, attempt, err = d.judgeAttempt(ctx, key, attempt, u, password)
	settle := d.Locks.Fail
	switch {
	case err != nil:
		settle = d.Locks.Abort
	case right:
		settle = d.Locks.Succeed
	}
	if failed := d.settleAttempt(ctx, attempt, settle); err != nil || failed != nil {
		return false, 0, errors.Join(err, failed)
	}
	return right, 0, nil
}

// countAttempt counts an attempt at an account in one step; without an address, at the account alone.
func (d *Directory) countAttempt(ctx context.Context, key AttemptKey, address string) (attempt *Attempt, pass *Pass, err error) {
	err = d.insist(ctx, func(b *store.Batch) (err error) {
		if attempt, err = d.Locks.Begin(ctx, b, key); err == nil && address != "" {
			pass, err = d.Throttle.Begin(ctx, b, key.Org, ThrottlePassword, address)
		}
		return err
	})
	return attempt, pass, err
}

// judgeAttempt hashes whether or not the attempt is admitted. One that found no room beside others, which may yet turn out to be right,
// waits for them by working as they do.
func (d *Directory) judgeAttempt(ctx context.Context, key AttemptKey, attempt *Attempt, u *User, password string) (bool, *Attempt, error) {
	for round := 1; ; round++ {
		judged := u
		if !attempt.Admitted() {
			judged = nil
		}
		right, err := d.Users.VerifyPassword(ctx, judged, password)
		if _, refused := errors.AsType[*AccountError](err); refused {
			right, err = false, nil
		}
		if err != nil {
			return false, attempt, err
		}
		if attempt.Admitted() || !attempt.Crowded() || round == maxRounds {
			return right && judged != nil, attempt, nil
		}
		again, _, err := d.countAttempt(ctx, key, "")
		if err != nil {
			return false, attempt, err
		}
		attempt = again
	}
}

// settleAttempt writes what an attempt turned out to be.
func (d *Directory) settleAttempt(ctx context.Context, a *Attempt, settle func(context.Context, *store.Batch, *Attempt) error) error {
	return d.insist(ctx, func(b *store.Batch) error { return settle(ctx, b, a) })
}

// insist applies a step that rests on what is remembered of an account, again as long as another attempt at it was faster.
func (d *Directory) insist(ctx context.Context, step func(b *store.Batch) error) (err error) {
	for range maxClashes {
		b := d.db.Batch()
		if err = step(b); err == nil {
			err = b.Apply(ctx)
		}
		if store.ConflictOn(err, d.Locks.Kind()) == nil {
			return err
		}
	}
	return err
}
