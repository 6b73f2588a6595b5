package directory

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// unknownAccount stands before the name of an account that nobody has.
const unknownAccount = "?"

// lockMemory is how long guesses are counted together and how long locks are remembered after their end.
const lockMemory = 24 * time.Hour

// Lock says that an account takes no attempts at one factor until a time.
type Lock struct {
	store.Meta
	Account string `json:"account"`
	Factor  string `json:"factor"`
	Device  string `json:"device,omitempty"`
	// Generation names the counter of the attempts since the lock was last written.
	Generation int64 `json:"generation"`
	// Streak is how many locks followed each other without a success.
	Streak int       `json:"streak"`
	Until  time.Time `json:"until"`
}

var (
	lockKind = store.Kind{Name: "directory.lock"}
	lockType = store.Type[Lock]{
		Kind:  lockKind,
		Index: func(l *Lock) []store.Entry { return []store.Entry{{Field: "account", Value: store.Text(l.Account)}} },
	}
	attemptKind = store.Kind{Name: "directory.attempt"}
)

// Locks bounds guessing at one account. An attempt is counted durably before it is judged, so that no number of parallel
// attempts gets more guesses than LockPolicy allows:
//
//	attempt, err := locks.Begin(ctx, claim, key) // claim and finish are batches of the caller's
//	err = claim.Apply(ctx)
//	right := attempt.Admitted() && judge()
//	if right { err = locks.Succeed(ctx, finish, attempt) } else { err = locks.Fail(ctx, attempt) }
//	err = finish.Apply(ctx)
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
}

func (k AttemptKey) id() string {
	return secret.Hash(strings.Join([]string{k.Account, k.Factor, k.Device}, "\x00"))
}

// Account returns how Locks calls an account: by its Subject, or, for a login that names nobody, by a keyed hash, so that
// the same work is done and the store says nothing about what people have typed.
func (l *Locks) Account(subject *Subject, org, login string) string {
	if subject != nil {
		return subject.ID
	}
	return unknownAccount + l.db.Keys().MAC("directory.lock", org, Fold(login))
}

// Attempt is one attempt that Begin has counted. It is not safe for concurrent use.
type Attempt struct {
	policy LockPolicy
	lock   *Lock // as it stood before, at version zero when there was none
	locked bool
	count  *int64
}

// Begin adds to the batch that an attempt is made. Whether it may be judged is known once the batch is applied.
func (l *Locks) Begin(ctx context.Context, b *store.Batch, key AttemptKey) (*Attempt, error) {
	policy, err := Resolve(ctx, l.settings, l.settings.Lock, key.Org, "")
	if err != nil {
		return nil, err
	}
	lock, err := l.all.Get(ctx, store.Ref{Org: key.Org, ID: key.id()})
	if errors.Is(err, store.ErrNotFound) {
		lock = &Lock{
			Meta:    store.Meta{Org: key.Org, ID: key.id()},
			Account: key.Account, Factor: key.Factor, Device: key.Device,
		}
	} else if err != nil {
		return nil, err
	}
	a := &Attempt{policy: policy, lock: lock, locked: b.Now().Before(lock.Until)}
	a.count = b.Add(attemptKind, a.counter(), 1, b.Now().Add(lockMemory))
	*a.count = math.MaxInt64 // not admitted until the batch says otherwise
	return a, nil
}

// counter names the counter of the attempts that share the budget. There is a new one after each lock, so that attempts
// which came too late, or were never finished, use up nothing of what follows; and another for attempts under a lock.
func (a *Attempt) counter() store.Ref {
	id := a.lock.ID + "." + strconv.FormatInt(a.lock.Generation, 10)
	if a.locked {
		id += ".locked"
	}
	return store.Ref{Org: a.lock.Org, ID: id}
}

// Admitted reports whether the attempt may be judged. It is false until the batch of Begin was applied. A count below one,
// which only a caller who takes an attempt back twice brings about, keeps nobody out.
func (a *Attempt) Admitted() bool {
	return !a.locked && *a.count <= a.policy.Failures
}

// Fail notes that the attempt was wrong or was not admitted, and writes the lock when it was the last that the policy
// allows. The event of a lock on an account that exists is "account.locked".
func (l *Locks) Fail(ctx context.Context, a *Attempt) error {
	if a.locked || *a.count < a.policy.Failures {
		return nil
	}
	b := l.db.Batch()
	lasts := math.Min(float64(a.policy.Max), float64(a.policy.Time)*math.Pow(a.policy.Ratio, float64(a.lock.Streak)))
	a.lock.Generation++
	a.lock.Streak++
	a.lock.Until = b.Now().Add(time.Duration(lasts))
	l.put(b, a.lock, "account.locked")
	return lost(b.Apply(ctx))
}

// Succeed adds to the batch that the attempt was right: the budget is whole again, and the next lock is the first.
func (l *Locks) Succeed(ctx context.Context, b *store.Batch, a *Attempt) error {
	if a.lock.Streak == 0 && *a.count <= 1 {
		b.Add(attemptKind, a.counter(), -1, b.Now().Add(lockMemory))
		return nil
	}
	// A new generation, rather than taking away what others have counted and may yet take back themselves. It is written
	// by itself: others at the same account must not make the caller's batch fail.
	return l.clear(ctx, a.lock)
}

// Abort takes back an attempt that could not be judged, as when the hasher was busy.
func (l *Locks) Abort(ctx context.Context, a *Attempt) error {
	b := l.db.Batch()
	b.Add(attemptKind, a.counter(), -1, b.Now().Add(lockMemory))
	return b.Apply(ctx)
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
		err = errors.Join(err, l.clear(ctx, lock))
	}
	return err
}

func (l *Locks) clear(ctx context.Context, lock *Lock) error {
	b := l.db.Batch()
	event := ""
	if b.Now().Before(lock.Until) {
		event = "account.unlocked"
	}
	lock.Generation++
	lock.Streak, lock.Until = 0, time.Time{}
	l.put(b, lock, event)
	return lost(b.Apply(ctx))
}

func (l *Locks) put(b *store.Batch, lock *Lock, event string) {
	lock.Expires = b.Now().Add(lockMemory)
	if lock.Until.After(b.Now()) {
		lock.Expires = lock.Until.Add(lockMemory)
	}
	if lock.Version == 0 {
		l.all.Insert(b, lock)
	} else {
		l.all.Replace(b, lock)
	}
	if event != "" && !strings.HasPrefix(lock.Account, unknownAccount) {
		b.Event(store.Event{
			Meta: store.Meta{Org: lock.Org}, Type: event, Subject: lock.Account, Data: details("factor", lock.Factor),
		})
	}
}

// lost forgives that another attempt has written the lock meanwhile: it saw the same, or more.
func lost(err error) error {
	if store.ConflictOn(err, lockKind) != nil {
		return nil
	}
	return err
}
