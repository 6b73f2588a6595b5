package flow

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// renewFact is why the store of the person demands another password: a directory.AccountState.
const renewFact = "account.renew"

// mustRenew: the password that was typed in this flow is one that the person may not keep. Who comes by another proof, or by a session,
// is not asked.
func mustRenew(ctx context.Context, s *State) (bool, error) {
	if !slices.ContainsFunc(s.proven, func(e directory.Evidence) bool { return e.Method == "password" }) {
		return false, nil
	}
	if s.Facts[renewFact] != "" {
		return true, nil
	}
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.dir.PasswordExpired(ctx, user)
}

// renewal says that a flow has changed the password of the person it is about, and to which epoch that has brought them. It is written
// with the password, so that the flow goes on from there when it was not itself written then. It is about that person at the epoch that
// they had before: the same request may begin another flow under the same id, once this one is forgotten.
type renewal struct {
	store.Meta
	Epoch int64 `json:"epoch"`
}

var renewalType = store.Type[renewal]{Kind: store.Kind{Name: "flow.renewal"}}

// renewalRef is where the change of password that a flow makes is found.
func renewalRef(s *State) store.Ref {
	return store.Ref{ID: s.Flow + "." + s.Subject.ID + "." + strconv.FormatInt(s.epoch, 10)}
}

// renewExecutor asks for a new password whoever has shown everything else, with one that they may not keep. Everything that was issued
// to them ends, but for the flow.
type renewExecutor struct {
	db  *store.DB
	dir *directory.Directory
	// life is that of a flow.
	life time.Duration
}

func (renewExecutor) Prepare(context.Context, *State) error { return nil }

func (renewExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	p, err := newPasswordPrompt(ctx, s, renewPlan, s.Person)
	if s.Facts[renewFact] == string(directory.PasswordMustChange) {
		p.Intro = Message{ID: "renew-password.demanded"}
	}
	return p, err
}

// Judge does the change in a batch of its own, once: what the flow goes on with rests on the Subject as that leaves it. An answer that
// comes again, or beside another, goes on from the change that was made.
func (r renewExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	renewals := store.NewCollection(r.db, renewalType)
	for range maxTries {
		made, err := renewals.Get(ctx, renewalRef(s))
		if err == nil {
			return r.renewed(ctx, s, made.Epoch)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return Verdict{}, err
		}
		subject, err := r.dir.Subjects.Get(ctx, s.Subject)
		if errors.Is(err, store.ErrNotFound) {
			return overtaken(), nil
		}
		if err != nil {
			return Verdict{}, err
		}
		user, err := s.User(ctx)
		if errors.Is(err, store.ErrNotFound) || err == nil && subject.Epoch != s.epoch {
			return overtaken(), nil
		}
		if err != nil {
			return Verdict{}, err
		}
		b := r.db.Batch()
		err = r.dir.RenewPassword(ctx, b, user, subject, in.Value(newPasswordField))
		if errors.Is(err, directory.ErrEnded) {
			return overtaken(), nil
		}
		if err != nil {
			return refusedPassword(err)
		}
		renewals.Insert(b, &renewal{Meta: store.Meta{ID: renewalRef(s).ID, Expires: s.Now.Add(r.life)}, Epoch: subject.Epoch})
		if err = b.Apply(ctx); err == nil {
			return r.renewed(ctx, s, subject.Epoch)
		}
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			return Verdict{}, err
		}
		s.user = nil
	}
	return Verdict{}, errors.New("flow: the account changes too often for its password to be")
}

// renewed is the verdict on a password that stands. Sessions of before sign nobody in by now, and are marked as ended.
func (r renewExecutor) renewed(ctx context.Context, s *State, epoch int64) (Verdict, error) {
	subject, err := r.dir.Subjects.Get(ctx, s.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && subject.Epoch != epoch {
		return overtaken(), nil
	}
	if err == nil {
		err = r.dir.Sessions.EndRevoked(ctx, subject, "password changed")
	}
	return Verdict{
		Outcome: Proceed, Facts: map[string]string{renewFact: ""}, revoked: &epochs{from: s.epoch, to: epoch},
		Messages: []Message{{ID: "renew-password.done", Level: Success}},
	}, err
}

// overtaken is the verdict when what the flow rests on has ended: no epoch is below zero.
func overtaken() Verdict { return Verdict{Outcome: Proceed, revoked: &epochs{from: -1}} }
