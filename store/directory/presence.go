package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// Presence is when a Subject last signed in, and, where sessions are counted, in which.
type Presence struct {
	store.Meta
	Subject store.Ref `json:"subject"`
	// Last is to the hour.
	Last time.Time `json:"last"`
	// Sessions are those that were begun while they were counted.
	Sessions []string `json:"sessions,omitempty"`
	// Reminded is after how many idle days somebody was last reminded.
	Reminded int `json:"reminded,omitempty"`
}

var (
	presenceKind = store.Kind{Name: "directory.presence"}
	presenceType = store.Type[Presence]{
		Kind:  presenceKind,
		Index: func(p *Presence) []store.Entry { return []store.Entry{{Field: "last", Value: store.Time(p.Last)}} },
	}
)

// presenceInterval is how far Presence.Last may be behind.
const presenceInterval = time.Hour

// SessionLimitError says that somebody has as many sessions as SessionLimitPolicy allows.
type SessionLimitError struct {
	// Ask says that the person may choose, for NewSession.End, which to end.
	Ask bool
	// Sessions are theirs, the oldest first, of which at least Excess have to end.
	Sessions []*Session
	Excess   int
}

// Error implements error.
func (e *SessionLimitError) Error() string {
	return fmt.Sprintf("directory: %d sessions are too many by %d", len(e.Sessions)+1, e.Excess)
}

// admit adds to the batch that somebody signs in now, in a session that there is room for.
func (s *Sessions) admit(ctx context.Context, b *store.Batch, n NewSession, session *Session) error {
	policy, err := Resolve(ctx, s.settings, s.settings.SessionLimit, n.Subject.Org, "")
	if err != nil {
		return err
	}
	ref := n.Subject.Ref()
	p, err := s.presence.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		p = &Presence{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: ref}
	} else if err != nil {
		return err
	}
	changed := b.Now().Sub(p.Last) >= presenceInterval || p.Reminded != 0
	if changed {
		p.Last, p.Reminded = b.Now(), 0
	}
	if policy.Max > 0 || len(n.End) > 0 {
		if err := s.makeRoom(ctx, b, p, policy, n); err != nil {
			return err
		}
	}
	if policy.Max > 0 {
		p.Sessions, changed = append(p.Sessions, session.ID), true
	} else if len(p.Sessions) > 0 {
		p.Sessions, changed = nil, true
	}
	switch {
	case p.Version == 0:
		s.presence.Insert(b, p)
	case changed:
		s.presence.Replace(b, p)
	}
	return nil
}

// makeRoom adds to the batch that sessions end which have to, or refuses. It is the one record of all sessions that makes the count
// hold when several begin at once.
func (s *Sessions) makeRoom(ctx context.Context, b *store.Batch, p *Presence, policy SessionLimitPolicy, n NewSession) error {
	open, err := s.stillOpen(ctx, p, n.Subject)
	if err != nil {
		return err
	}
	excess := 0
	if policy.Max > 0 {
		excess = len(open) + 1 - policy.Max
	}
	ending := slices.DeleteFunc(slices.Clone(open), func(o *Session) bool { return !slices.Contains(n.End, o.ID) })
	if policy.Over == EndOldestSession && len(ending) == 0 {
		ending = open[:max(0, excess)]
	}
	if len(ending) < excess {
		return &SessionLimitError{Ask: policy.Over == AskSession, Sessions: open, Excess: excess}
	}
	p.Sessions = nil
	for _, o := range open {
		if slices.Contains(ending, o) {
			o.end(b, "limit")
			s.all.Replace(b, o)
		} else {
			p.Sessions = append(p.Sessions, o.ID)
		}
	}
	return nil
}

// stillOpen returns the sessions of a subject that sign them in, the oldest first. What was begun before sessions were counted
// is found by its index.
func (s *Sessions) stillOpen(ctx context.Context, p *Presence, subject *Subject) ([]*Session, error) {
	var open []*Session
	ids := p.Sessions
	if len(ids) == 0 {
		list, err := s.ListBySubject(ctx, subject)
		if err != nil {
			return nil, err
		}
		for _, session := range list {
			ids = append(ids, session.ID)
		}
	}
	for _, id := range ids {
		session, err := s.Get(ctx, store.Ref{ID: id})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if session.SubjectEpoch != subject.Epoch {
			continue
		}
		in, err := s.SignsIn(ctx, session)
		if err != nil {
			return nil, err
		}
		if in {
			open = append(open, session)
		}
	}
	slices.SortFunc(open, func(a, b *Session) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return open, nil
}

// LastSignIn returns when a subject last signed in, to the hour; the zero time when that is not known.
func (s *Sessions) LastSignIn(ctx context.Context, subject store.Ref) (time.Time, error) {
	p, err := s.presence.Get(ctx, subject)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return p.Last, nil
}

// forget removes what is remembered of when a subject signed in.
func (s *Sessions) forget(ctx context.Context, subject store.Ref) error {
	return retry(func() error {
		p, err := s.presence.Get(ctx, subject)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := s.db.Batch()
		s.presence.Delete(b, p)
		return b.Apply(ctx)
	})
}
