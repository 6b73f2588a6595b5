package directory

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store"
)

var (
	participantKind = store.Kind{Name: "directory.participant"}
	participantType = store.Type[Participant]{
		Kind: participantKind,
		Index: func(p *Participant) []store.Entry {
			return []store.Entry{{Field: "session", Value: pointer(p.Session)}}
		},
	}
)

// Participants keeps which applications took part in a session.
type Participants struct {
	all *store.Collection[Participant]
}

func newParticipants(db *store.DB) *Participants {
	return &Participants{all: store.NewCollection(db, participantType)}
}

// Kind is the kind of the records. A *store.Conflict on it means that the application joined in another tab at the same
// moment: the step is repeated.
func (p *Participants) Kind() store.Kind { return participantKind }

// Join adds to the batch that an application takes part in a session by a protocol, unless it does already. The record
// lives as long as the session's.
func (p *Participants) Join(ctx context.Context, b *store.Batch, session *Session, app store.Ref, protocol string) error {
	participant := &Participant{
		Meta:    store.Meta{Org: session.Org, ID: session.ID + "|" + protocol + "|" + app.ID, Expires: session.Expires},
		Session: session.Ref(), Application: app, Protocol: protocol, Since: b.Now(),
	}
	old, err := p.all.Get(ctx, participant.Ref())
	switch {
	case errors.Is(err, store.ErrNotFound):
		p.all.Insert(b, participant)
	case err != nil:
		return err
	case old.Expires.Before(session.Expires):
		old.Expires = session.Expires
		p.all.Replace(b, old)
	}
	return nil
}

// Of returns the participants of a session.
func (p *Participants) Of(ctx context.Context, session store.Ref) ([]*Participant, error) {
	var list []*Participant
	for participant, err := range p.all.All(ctx, store.Query{Org: session.Org, Filter: store.Equals("session", pointer(session))}) {
		if err != nil {
			return nil, err
		}
		list = append(list, participant)
	}
	return list, nil
}
