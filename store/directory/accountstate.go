package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// AccountState is why an account lets nobody in; "" is an account that does.
type AccountState string

// The states of an account, whoever keeps it.
const (
	// AccountLocked is by an administrator, with a reason, or in a store that judges accounts itself by too many wrong passwords.
	AccountLocked AccountState = "locked"
	// AccountDisabled is by an administrator.
	AccountDisabled AccountState = "disabled"
	// PendingRegistration waits for somebody who registered to confirm it, PendingLite for somebody who registered without a password.
	PendingRegistration AccountState = "pending_registration"
	PendingLite         AccountState = "pending_lite"
	// PendingVerification waits for an address to be confirmed.
	PendingVerification AccountState = "pending_verification"
	// PendingApproval waits for somebody else.
	PendingApproval AccountState = "pending_approval"
	// PendingPassword waits for the first password of somebody who was invited.
	PendingPassword AccountState = "pending_password"
	// PendingReset waits for a new password that an administrator demands.
	PendingReset AccountState = "pending_reset"
)

// The states that only a store which judges accounts itself knows. The password was right when it is PasswordExpired or
// PasswordMustChange; otherwise it may have been. PasswordExpired is Directory.PasswordExpired's answer too.
const (
	AccountExpired     AccountState = "expired"
	AccountRestricted  AccountState = "restricted" // not at this time or from this place
	PasswordExpired    AccountState = "password_expired"
	PasswordMustChange AccountState = "password_must_change" // as after a reset by an administrator
)

// Hold is what an account waits for, and since when.
type Hold struct {
	State AccountState `json:"state"`
	// Reason is an administrator's words; it is shown to administrators alone.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// holds are the states that a Hold may have.
var holds = map[AccountState]bool{
	AccountLocked: true, PendingRegistration: true, PendingLite: true, PendingVerification: true, PendingApproval: true,
	PendingPassword: true, PendingReset: true,
}

// State is why the account lets nobody in, "" when it does. Disabled goes before what the account waits for otherwise.
func (s *Subject) State() AccountState {
	switch {
	case s.Status == Disabled || s.Status == Ended:
		return AccountDisabled
	case s.Hold != nil:
		return s.Hold.State
	}
	return ""
}

// Hold lets a subject sign in no more until it is released, and ends everything that was issued to them. One that stands already is
// replaced. The event is "account.held". Errors: *InvalidError for a state that is not one to be held in, ErrEnded.
func (s *Subjects) Hold(ctx context.Context, ref store.Ref, state AccountState, reason string) error {
	return s.editHold(ctx, ref, func(b *store.Batch, subject *Subject) (bool, error) {
		return true, subject.hold(b, state, reason)
	})
}

// Release ends the hold of a subject, if it is in one of the states, or in any when none is named. What ended stays ended, and who
// is disabled stays so. The event is "account.released"; where nothing is to be released nothing happens.
func (s *Subjects) Release(ctx context.Context, ref store.Ref, states ...AccountState) error {
	return s.editHold(ctx, ref, func(b *store.Batch, subject *Subject) (bool, error) {
		return subject.release(b, states...), nil
	})
}

func (s *Subjects) editHold(ctx context.Context, ref store.Ref, edit func(*store.Batch, *Subject) (bool, error)) error {
	return change(ctx, s.db, s.all, ref, func(b *store.Batch, subject *Subject) (bool, error) {
		if subject.Status == Ended {
			return false, ErrEnded
		}
		return edit(b, subject)
	})
}

// ReleaseIn is Release for a Subject as it was read, in a batch of the caller's.
func (s *Subjects) ReleaseIn(b *store.Batch, subject *Subject, states ...AccountState) {
	if subject.release(b, states...) {
		s.all.Replace(b, subject)
	}
}

// hold puts a subject on hold, and moves the epoch, so that a release brings nothing back to life.
func (s *Subject) hold(b *store.Batch, state AccountState, reason string) error {
	if !holds[state] {
		return &InvalidError{Field: "state", Problem: "is none that an account is held in"}
	}
	var v validation
	v.text("reason", reason, maxText)
	if err := v.err(); err != nil {
		return err
	}
	if s.Status == Active {
		s.Status = Held
	}
	s.Epoch++
	s.Hold = &Hold{State: state, Reason: reason, Since: b.Now()}
	b.Event(s.stateEvent("account.held", state))
	return nil
}

// release reports whether there was something to release.
func (s *Subject) release(b *store.Batch, states ...AccountState) bool {
	if s.Hold == nil || (len(states) > 0 && !slices.Contains(states, s.Hold.State)) {
		return false
	}
	b.Event(s.stateEvent("account.released", s.Hold.State))
	s.Hold = nil
	if s.Status == Held {
		s.Status = Active
	}
	return true
}

func (s *Subject) stateEvent(kind string, state AccountState) store.Event {
	e := s.event(kind)
	e.Data = details("store", s.storeName(), "state", string(state))
	return e
}

// AddUserOnHold is AddUser for somebody who may not sign in before something has happened: the Subject is in one of the states of a
// Hold from the first moment on.
func (d *Directory) AddUserOnHold(ctx context.Context, b *store.Batch, u *User, state AccountState) (*Subject, error) {
	return d.addUser(ctx, b, u, func(s *Subject) error { return s.hold(b, state, "") })
}

// AccountLocks is what is remembered of wrong guesses at one factor of an account, from devices that are not known.
type AccountLocks struct {
	Factor string `json:"factor"`
	// Failures are the wrong guesses since the last lock or success.
	Failures int64 `json:"failures"`
	// Locks is how many locks followed each other without a success.
	Locks int `json:"locks"`
	// Until is when the lock in force ends; the zero time when there is none.
	Until time.Time `json:"until,omitzero"`
}

// Guesses returns what is remembered of wrong guesses at factors of a subject, for whoever looks after the account.
func (l *Locks) Guesses(ctx context.Context, subject *Subject, factors ...string) ([]AccountLocks, error) {
	list := make([]AccountLocks, 0, len(factors))
	for _, factor := range factors {
		lock, err := l.all.Get(ctx, AttemptKey{Org: subject.Org, Account: subject.ID, Factor: factor}.ref())
		if errors.Is(err, store.ErrNotFound) {
			lock = &Lock{}
		} else if err != nil {
			return nil, err
		}
		known := AccountLocks{Factor: factor, Failures: lock.Failures, Locks: lock.Streak}
		if l.db.Now().Before(lock.Until) {
			known.Until = lock.Until
		}
		list = append(list, known)
	}
	return list, nil
}
