package directory

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// unknownAccount stands before the name of an account that nobody has.
const unknownAccount = "?"

const (
	// lockMemory is how long guesses are counted together and how long locks are remembered after their end.
	lockMemory = 24 * time.Hour
	// attemptLife is how long an attempt may be judged. One that was not settled by then was abandoned, as by a crash, and
	// counts as wrong.
	attemptLife = time.Minute
)

// Lock is what is remembered of the guesses at one factor of an account. It is forgotten with a success.
type Lock struct {
	store.Meta
	Account string `json:"account"`
	Factor  string `json:"factor"`
	Device  string `json:"device,omitempty"`
	// Failures are the wrong guesses since the last lock.
	Failures int64 `json:"failures,omitempty"`
	// Pending are the attempts that are being judged. Each takes up one guess until it is known what it was.
	Pending []PendingAttempt `json:"pending,omitempty"`
	// Vain counts attempts that were not admitted. They are written as others are, so that nothing tells a locked account.
	Vain int64 `json:"vain,omitempty"`
	// Streak is how many locks followed each other without a success.
	Streak int `json:"streak,omitempty"`
	// Until is the time up to which no attempt is taken.
	Until time.Time `json:"until,omitzero"`
}

// PendingAttempt is an attempt that is being judged.
type PendingAttempt struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
}

var (
	lockKind = store.Kind{Name: "directory.lock"}
	lockType = store.Type[Lock]{
		Kind: lockKind,
		Index: func(l *Lock) []store.Entry {
			if l.Streak == 0 {
				return nil // never locked: nobody looks for it
			}
			return []store.Entry{{Field: "account", Value: store.Text(l.Account)}}
		},
	}
)

// Locks bounds guessing at one account: no number of attempts, in whatever order or at once, gets more guesses than LockPolicy
// allows, and none but a wrong guess leads to a lock. All that is remembered of an account lies in one record, and whatever an
// attempt leads to is written over the record as it was read; so of attempts at once one is written, and the others get a
// *store.Conflict on Kind, read anew and judge by what they find.
//
// An attempt whose judging takes time, or leaves traces elsewhere, is counted before:
//
//	attempt, err := locks.Begin(ctx, claim, key) // claim and finish are batches of the caller's
//	err = claim.Apply(ctx)                       // on a Conflict: once more from Begin
//	right := attempt.Admitted() && judge()
//	err = locks.Succeed(ctx, finish, attempt)    // or Fail, or Abort
//	err = finish.Apply(ctx)                      // on a Conflict: once more from Succeed
//
// One that is judged in an instant is counted by what it turns out to be. Until that is written nobody may learn it:
//
//	attempt, err := locks.Weigh(ctx, key)
//	right := attempt.Admitted() && judge()
//	err = locks.Succeed(ctx, finish, attempt)    // or Fail
//	err = finish.Apply(ctx)                      // on a Conflict: once more from Weigh
//
// What a caller shows must not depend on Admitted: a locked account looks like a wrong guess.
type Locks struct {
	db       *store.DB
	all      *store.Collection[Lock]
	settings *Settings
}

func newLocks(db *store.DB, settings *Settings) *Locks {
	return &Locks{db: db, all: store.NewCollection(db, lockType), settings: settings}
}

// Kind is the kind of the records, for telling what a Conflict is about.
func (l *Locks) Kind() store.Kind { return lockKind }

// AttemptKey says what is being guessed at.
type AttemptKey struct {
	// Org is the organization of the sign-in.
	Org string
	// Account is what Locks.Account returned.
	Account string
	// Factor is the method: "password", "totp".
	Factor string
	// Device is the device as Devices.Known returned it: a known device has a budget of its own, all others share one.
	Device string
	// Failures, if it is more than LockPolicy.Failures, is how many wrong guesses lead to a lock in its place.
	Failures int64
}

func (k AttemptKey) ref() store.Ref {
	return store.Ref{Org: k.Org, ID: secret.Hash(strings.Join([]string{k.Account, k.Factor, k.Device}, "\x00"))}
}

// Account returns how Locks calls an account: by its Subject, or, for a login that names nobody, by a keyed hash, so that
// the same work is done and the store says nothing about what people have typed.
func (l *Locks) Account(subject *Subject, org, login string) string {
	if subject != nil {
		return subject.ID
	}
	return unknownAccount + l.db.Keys().MAC("directory.lock", org, Fold(login))
}

// Address returns what stands for a network address in AttemptKey.Device, so that those who guess from there have a budget of their own. The store
// does not learn by it which address it was.
func (l *Locks) Address(org, address string) string {
	return "@" + l.db.Keys().MAC("directory.lock.address", org, address)
}

// Attempt is one attempt at an account. It is not safe for concurrent use.
type Attempt struct {
	policy LockPolicy
	lock   *Lock // as it was read, at version zero when there was none
	clean  bool  // as it was read it held nothing against anybody
	locked bool
	room   bool
	// id names it among the pending, "" when it was merely weighed; it is pending once the version has moved.
	id      string
	version int64
	vain    bool // it was begun, and not admitted
}

// Admitted reports whether the attempt may be judged. After Begin it is false until the batch was applied.
func (a *Attempt) Admitted() bool {
	return a.room && (a.id == "" || a.lock.Version != a.version)
}

// Waive has an attempt that was merely weighed not be admitted, as when another budget that it is counted in has no room: it uses up none of its own.
func (a *Attempt) Waive() { a.room, a.locked = false, true }

// Crowded reports that the attempt is not admitted because others are being judged that may use up the budget or make it whole:
// it may be begun again in a while.
func (a *Attempt) Crowded() bool { return !a.room && !a.locked }

// Weigh reads whether an attempt may be judged.
func (l *Locks) Weigh(ctx context.Context, key AttemptKey) (*Attempt, error) {
	policy, err := Resolve(ctx, l.settings, l.settings.Lock, key.Org, "")
	if err != nil {
		return nil, err
	}
	policy.Failures = max(policy.Failures, key.Failures)
	ref, now := key.ref(), l.db.Now()
	lock, err := l.all.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		lock = &Lock{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Account: key.Account, Factor: key.Factor, Device: key.Device}
	} else if err != nil {
		return nil, err
	}
	a := &Attempt{policy: policy, lock: lock, version: lock.Version, clean: lock.clean()}
	lock.Failures = min(lock.Failures, policy.Failures-1) // the policy may allow fewer than it did
	lock.reckon(policy, now, time.Time{})
	a.locked = now.Before(lock.Until)
	a.room = !a.locked && lock.Failures+int64(len(lock.Pending)) < policy.Failures
	return a, nil
}

// Begin adds to the batch that an attempt is made, and takes up one guess until it is settled. Whether it may be judged is known
// once the batch is applied. One that is not admitted takes up none, and adds as much to the batch.
func (l *Locks) Begin(ctx context.Context, b *store.Batch, key AttemptKey) (*Attempt, error) {
	a, err := l.Weigh(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case a.room:
		a.id = store.NewID()
		a.lock.Pending = append(a.lock.Pending, PendingAttempt{ID: a.id, Since: b.Now()})
	default:
		a.vain = true
		a.lock.Vain++
	}
	l.put(b, a.lock, a.clean)
	return a, nil
}

// Succeed adds to the batch that the attempt was right: the budget is whole again, and the next lock is the first. For one that
// was not admitted it is Fail.
func (l *Locks) Succeed(ctx context.Context, b *store.Batch, a *Attempt) error {
	if !a.Admitted() {
		return l.Fail(ctx, b, a)
	}
	lock, _, err := l.settle(ctx, a)
	if lock == nil || err != nil {
		return err
	}
	if a.id == "" && a.clean && lock.Version != 0 {
		l.all.Check(b, lock)
		return nil
	}
	lifted := b.Now().Before(lock.Until) // that of guesses which were made while this one was judged
	lock.Failures, lock.Vain, lock.Streak, lock.Until = 0, 0, 0, time.Time{}
	if a.id != "" && lock.clean() {
		l.all.Delete(b, lock)
	} else { // a clean record is the condition under which the next attempt that is merely weighed succeeds
		l.put(b, lock, a.id == "")
	}
	if lifted {
		l.event(b, lock, "account.unlocked")
	}
	return nil
}

// Fail adds to the batch that the attempt was wrong, and the lock when it was the last that the policy allows. The event of a
// lock on an account that exists is "account.locked". An attempt that was not admitted is not wrong, and adds as much.
func (l *Locks) Fail(ctx context.Context, b *store.Batch, a *Attempt) error {
	lock, mine, err := l.settle(ctx, a)
	if lock == nil || err != nil {
		return err
	}
	locked := false
	if mine {
		lock.Failures++
		locked = lock.reckon(a.policy, b.Now(), b.Now())
	} else {
		lock.Vain++
	}
	l.put(b, lock, a.id == "" && a.clean)
	if locked {
		l.event(b, lock, "account.locked")
	}
	return nil
}

// Abort adds to the batch that the attempt is taken back, because it could not be judged, as when the hasher was busy, or was no
// guess.
func (l *Locks) Abort(ctx context.Context, b *store.Batch, a *Attempt) error {
	if !a.Admitted() || a.id == "" {
		return nil
	}
	lock, mine, err := l.settle(ctx, a)
	switch {
	case lock == nil || !mine || err != nil:
	case lock.clean():
		l.all.Delete(b, lock)
	default:
		l.put(b, lock, false)
	}
	return err
}

// settle returns what the attempt's outcome is to be written over, without the attempt in it; nil when there is nothing to write. It
// is not mine any more when the attempt was abandoned for too long, or has been forgotten with others in an Unlock.
func (l *Locks) settle(ctx context.Context, a *Attempt) (lock *Lock, mine bool, err error) {
	if a.id == "" && !a.vain {
		return a.lock, a.room, nil
	}
	lock, err = l.all.Get(ctx, a.lock.Ref())
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	before := len(lock.Pending)
	lock.Pending = slices.DeleteFunc(lock.Pending, func(p PendingAttempt) bool { return p.ID == a.id })
	return lock, len(lock.Pending) < before, nil
}

// reckon counts attempts that were abandoned as wrong, and locks when the wrong ones, of which the last was at a time, are as many
// as the policy allows. It reports whether it has locked.
func (l *Lock) reckon(policy LockPolicy, now, last time.Time) bool {
	l.Pending = slices.DeleteFunc(l.Pending, func(p PendingAttempt) bool {
		if now.Sub(p.Since) < attemptLife {
			return false
		}
		l.Failures++
		if p.Since.After(last) {
			last = p.Since
		}
		return true
	})
	if l.Failures < policy.Failures {
		return false
	}
	lasts := math.Min(float64(policy.Max), float64(policy.Time)*math.Pow(policy.Ratio, float64(l.Streak)))
	l.Failures, l.Streak, l.Until = 0, l.Streak+1, last.Add(time.Duration(lasts))
	return true
}

// clean reports whether there is nothing to remember.
func (l *Lock) clean() bool {
	return l.Failures == 0 && l.Vain == 0 && l.Streak == 0 && len(l.Pending) == 0 && l.Until.IsZero()
}

// Of returns what is remembered of locks on a subject's account; those in force have Until in the future.
func (l *Locks) Of(ctx context.Context, subject store.Ref) ([]*Lock, error) {
	var list []*Lock
	for lock, err := range l.all.All(ctx, store.Query{Org: subject.Org, Filter: store.Equals("account", store.Text(subject.ID))}) {
		if err != nil {
			return nil, err
		}
		list = append(list, lock)
	}
	return list, nil
}

// Unlock lifts all locks on a subject's account. The event is "account.unlocked".
func (l *Locks) Unlock(ctx context.Context, subject store.Ref) error {
	list, err := l.Of(ctx, subject)
	for _, lock := range list {
		cleared := change(ctx, l.db, l.all, lock.Ref(), func(b *store.Batch, lock *Lock) (bool, error) {
			if b.Now().Before(lock.Until) {
				l.event(b, lock, "account.unlocked")
			}
			lock.Failures, lock.Vain, lock.Pending, lock.Streak, lock.Until = 0, 0, nil, 0, time.Time{}
			return true, nil
		})
		if !errors.Is(cleared, store.ErrNotFound) {
			err = errors.Join(err, cleared)
		}
	}
	return err
}

// put adds the record to the batch. What is counted together begins with the first that there is to count.
func (l *Locks) put(b *store.Batch, lock *Lock, first bool) {
	if first || lock.Expires.IsZero() {
		lock.Expires = b.Now().Add(lockMemory)
	}
	if lock.Until.After(b.Now()) {
		lock.Expires = lock.Until.Add(lockMemory)
	}
	if lock.Version == 0 {
		l.all.Insert(b, lock)
	} else {
		l.all.Replace(b, lock)
	}
}

func (l *Locks) event(b *store.Batch, lock *Lock, event string) {
	if !strings.HasPrefix(lock.Account, unknownAccount) {
		b.Event(store.Event{
			Meta: store.Meta{Org: lock.Org}, Type: event, Subject: lock.Account, Data: details("factor", lock.Factor),
		})
	}
}
