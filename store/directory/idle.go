package directory

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
)

// IdleAccount is somebody who has not signed in for long.
type IdleAccount struct {
	Subject store.Ref
	// Last is when they last did, to the hour.
	Last time.Time
}

// Idle walks through the people of an organization who last signed in before a time and, unless the other is zero, not before that,
// whoever has been idle longest first. Nobody is known to be idle who has never signed in.
func (d *Directory) Idle(ctx context.Context, org string, before, since time.Time) iter.Seq2[IdleAccount, error] {
	filter := store.And{store.Compare{Field: "last", Operator: store.Lt, Value: store.Time(before)}}
	if !since.IsZero() {
		filter = append(filter, store.Compare{Field: "last", Operator: store.Ge, Value: store.Time(since)})
	}
	return func(yield func(IdleAccount, error) bool) {
		for p, err := range d.Sessions.presence.All(ctx, store.Query{Org: org, Filter: filter, Sort: "last"}) {
			if err != nil {
				yield(IdleAccount{}, err)
				return
			}
			if !yield(IdleAccount{Subject: p.Subject, Last: p.Last}, nil) {
				return
			}
		}
	}
}

// idleRound says that idle accounts were looked after, for as long as it lives.
type idleRound struct{ store.Meta }

var (
	idleRoundKind = store.Kind{Name: "directory.idleround"}
	idleRoundType = store.Type[idleRound]{Kind: idleRoundKind}
)

const idleInterval = time.Hour

// Maintain does one round of what must be done from time to time to accounts: whoever has been idle for as long as IdlePolicy says is
// reminded, or disabled. Of several nodes one does it, once in an hour. Reminding calls remind within the batch that remembers it, for a
// message to go into the same step; nil leaves it at the event. Events: "account.idle" with the days, "subject.disabled".
func (d *Directory) Maintain(ctx context.Context, remind func(ctx context.Context, b *store.Batch, u *User, days int) error) error {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Idle, "", "")
	if err != nil || policy.DisableAfter == 0 && len(policy.Remind) == 0 {
		return err
	}
	b := d.db.Batch()
	d.idleRounds.Insert(b, &idleRound{store.Meta{ID: "idle", Expires: b.Now().Add(idleInterval)}})
	if err := b.Apply(ctx); store.ConflictOn(err, idleRoundKind) != nil {
		return nil // not yet again, or another node does it
	} else if err != nil {
		return err
	}
	least := policy.DisableAfter
	if len(policy.Remind) > 0 && (least == 0 || policy.Remind[0] < least) {
		least = policy.Remind[0]
	}
	var problems []error
	for idle, err := range d.Idle(ctx, "", d.db.Now().Add(-time.Duration(least)*day), time.Time{}) {
		if err != nil {
			return errors.Join(append(problems, err)...)
		}
		problems = append(problems, d.attend(ctx, idle, policy, remind))
	}
	return errors.Join(problems...)
}

// attend does to one idle account what is due.
func (d *Directory) attend(
	ctx context.Context, idle IdleAccount, policy IdlePolicy, remind func(context.Context, *store.Batch, *User, int) error,
) error {
	days := int(d.db.Now().Sub(idle.Last) / day)
	s, err := d.Subjects.Get(ctx, idle.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.Status != Active {
		return nil
	}
	if err != nil {
		return err
	}
	if policy.DisableAfter > 0 && days >= policy.DisableAfter {
		return d.disableIdle(ctx, s, idle)
	}
	due := 0
	for _, after := range policy.Remind {
		if days >= after {
			due = after
		}
	}
	u, err := d.UserOf(ctx, s)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return change(ctx, d.db, d.Sessions.presence, idle.Subject, func(b *store.Batch, p *Presence) (bool, error) {
		if p.Last != idle.Last || p.Reminded >= due {
			return false, nil
		}
		p.Reminded = due
		e := s.event("account.idle")
		e.Data = details("store", s.storeName(), "days", strconv.Itoa(due))
		b.Event(e)
		if remind == nil {
			return true, nil
		}
		return true, remind(ctx, b, u, due)
	})
}

// disableIdle disables somebody who has not signed in meanwhile. An administrator who enables them begins the time anew.
func (d *Directory) disableIdle(ctx context.Context, s *Subject, idle IdleAccount) error {
	now, err := d.Sessions.LastSignIn(ctx, idle.Subject)
	if err != nil || !now.Equal(idle.Last) {
		return err
	}
	if err := d.Subjects.Disable(ctx, s.Ref()); err != nil {
		return err
	}
	return change(ctx, d.db, d.Sessions.presence, idle.Subject, func(b *store.Batch, p *Presence) (bool, error) {
		p.Last, p.Reminded = b.Now(), 0
		return true, nil
	})
}
