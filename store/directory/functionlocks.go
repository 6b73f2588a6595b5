package directory

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/signet-idp/signet/store"
)

// FunctionLock keeps one person from one function, as from recovering their password by security questions.
type FunctionLock struct {
	store.Meta
	Subject  store.Ref `json:"subject"`
	Function string    `json:"function"`
	// Reason is for administrators; Code is a word of theirs for programs.
	Reason string    `json:"reason,omitempty"`
	Code   string    `json:"code,omitempty"`
	Since  time.Time `json:"since"`
	// Until is when it ends by itself; the zero time is never.
	Until time.Time `json:"until,omitzero"`
}

// functionName is what a function may be called.
var functionName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

var functionLockType = store.Type[FunctionLock]{
	Kind: store.Kind{Name: "directory.functionlock"},
	Index: func(l *FunctionLock) []store.Entry {
		return []store.Entry{{Field: "subject", Value: pointer(l.Subject)}}
	},
}

// FunctionLocks keep single people from single functions, by the names that the functions have for it: "recover_password",
// "recover_username". What somebody is kept from looks to them as if it were turned off.
type FunctionLocks struct {
	db       *store.DB
	all      *store.Collection[FunctionLock]
	subjects *Subjects
}

func newFunctionLocks(db *store.DB, subjects *Subjects) *FunctionLocks {
	return &FunctionLocks{db: db, all: store.NewCollection(db, functionLockType), subjects: subjects}
}

func functionRef(subject store.Ref, function string) store.Ref {
	return store.Ref{Org: subject.Org, ID: subject.ID + "/" + function}
}

// Lock keeps a subject from a function for a time, zero being for ever, in the place of any lock before. The event is
// "function.locked".
func (f *FunctionLocks) Lock(ctx context.Context, subject *Subject, l FunctionLock, length time.Duration) error {
	var v validation
	v.pattern("function", l.Function, functionName, "must be a name of letters, digits, dots, dashes and underscores")
	v.required("function", l.Function, 64)
	v.text("reason", l.Reason, maxText)
	v.text("code", l.Code, 64)
	if length < 0 {
		v.add("timeToLock", "must not be negative")
	}
	if err := v.err(); err != nil {
		return err
	}
	return retry(func() error {
		old, err := f.all.Get(ctx, functionRef(subject.Ref(), l.Function))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		b := f.db.Batch()
		ref := functionRef(subject.Ref(), l.Function)
		fresh := &FunctionLock{
			Meta:    store.Meta{Org: ref.Org, ID: ref.ID},
			Subject: subject.Ref(), Function: l.Function, Reason: l.Reason, Code: l.Code, Since: b.Now(),
		}
		if length > 0 {
			fresh.Until = b.Now().Add(length)
			fresh.Expires = fresh.Until
		}
		if err == nil {
			fresh.Version = old.Version
			f.all.Replace(b, fresh)
		} else {
			f.all.Insert(b, fresh)
		}
		b.Event(functionEvent("function.locked", subject.Ref(), l.Function))
		return b.Apply(ctx)
	})
}

// Unlock gives a subject a function back. The event is "function.unlocked"; where nothing is locked nothing happens.
func (f *FunctionLocks) Unlock(ctx context.Context, subject store.Ref, function string) error {
	return retry(func() error {
		old, err := f.all.Get(ctx, functionRef(subject, function))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := f.db.Batch()
		f.all.Delete(b, old)
		b.Event(functionEvent("function.unlocked", subject, function))
		return b.Apply(ctx)
	})
}

// Of returns the lock of a function for a subject, nil when there is none.
func (f *FunctionLocks) Of(ctx context.Context, subject store.Ref, function string) (*FunctionLock, error) {
	lock, err := f.all.Get(ctx, functionRef(subject, function))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return lock, err
}

// List returns all locks of a subject.
func (f *FunctionLocks) List(ctx context.Context, subject store.Ref) ([]*FunctionLock, error) {
	var list []*FunctionLock
	for lock, err := range f.all.All(ctx, store.Query{Org: subject.Org, Filter: store.Equals("subject", pointer(subject))}) {
		if err != nil {
			return nil, err
		}
		list = append(list, lock)
	}
	return list, nil
}

func (f *FunctionLocks) forget(ctx context.Context, subject store.Ref) error {
	list, err := f.List(ctx, subject)
	for _, lock := range list {
		b := f.db.Batch()
		f.all.Delete(b, lock)
		if gone := b.Apply(ctx); gone != nil && store.ConflictOn(gone, f.all.Kind()) == nil {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func functionEvent(kind string, subject store.Ref, function string) store.Event {
	return store.Event{Meta: store.Meta{Org: subject.Org}, Type: kind, Subject: subject.ID, Data: details("function", function)}
}
