package directory

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

var (
	agentKind = store.Kind{Name: "directory.agent"}
	agentType = store.Type[Agent]{
		Kind: agentKind,
		Index: func(a *Agent) []store.Entry {
			return []store.Entry{
				{Field: "id", Value: store.Text(a.ID)},
				{Field: "name", Value: store.Text(Fold(a.DisplayName))},
				{Field: "owner", Value: store.Text(a.Owner.ID)},
			}
		},
	}
)

// Agents keeps software agents. It is safe for concurrent use.
type Agents struct {
	db       *store.DB
	all      *store.Collection[Agent]
	subjects *Subjects
	orgs     Organizations
	// forget removes what remains of an agent that is gone.
	forget func(ctx context.Context, agent store.Ref) error
}

func newAgents(db *store.DB, subjects *Subjects, orgs Organizations) *Agents {
	return &Agents{db: db, all: store.NewCollection(db, agentType), subjects: subjects, orgs: orgs}
}

// Create adds an agent with its Subject, and returns its secret: the one time that it can be read. The ID is chosen here, and whatever
// stands in its place is overwritten. The event is "agent.created". Errors: *InvalidError, also for an owner who is no person here.
func (a *Agents) Create(ctx context.Context, agent *Agent) (fresh secret.Text, err error) {
	if err := errors.Join(a.orgs.check(agent.Org), agent.Validate()); err != nil {
		return "", err
	}
	err = retry(func() error { // the owner changes meanwhile
		b := a.db.Batch()
		if err := a.checkOwner(ctx, b, agent); err != nil {
			return err
		}
		agent.Meta = store.Meta{Org: agent.Org, ID: store.NewID()}
		agent.Created, agent.Updated = b.Now(), b.Now()
		fresh = agent.renewSecret(b.Now())
		a.all.Insert(b, agent)
		a.subjects.all.Insert(b, &Subject{
			Meta: store.Meta{Org: agent.Org, ID: agent.ID}, Kind: AgentKind, Store: AgentStore, ExternalID: agent.ID, Status: Active,
		})
		b.Event(agent.event("agent.created"))
		return b.Apply(ctx)
	})
	if err != nil {
		return "", err
	}
	return fresh, nil
}

// checkOwner adds to the batch that the owner is a person of the agent's organization who is not gone: nobody answers for the agents of
// another one.
func (a *Agents) checkOwner(ctx context.Context, b *store.Batch, agent *Agent) error {
	if agent.Owner.IsZero() {
		return nil
	}
	if agent.Owner.Org != agent.Org {
		return &InvalidError{Field: "owner", Problem: "is no person here"}
	}
	subject, err := a.subjects.Get(ctx, agent.Owner)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (subject.Kind != Person || subject.Status == Ended):
		return &InvalidError{Field: "owner", Problem: "is no person here"}
	case err != nil:
		return err
	}
	a.subjects.all.Check(b, subject)
	return nil
}

// Get returns the agent, or store.ErrNotFound. Whether it may do anything says its Subject.
func (a *Agents) Get(ctx context.Context, ref store.Ref) (*Agent, error) { return a.all.Get(ctx, ref) }

// List returns a page of agents. Fields: id, name (compared without regard to case), owner (an id, or "").
func (a *Agents) List(ctx context.Context, q store.Query) (store.Listing[Agent], error) {
	q.Filter = foldFilter(q.Filter)
	return a.all.List(ctx, q)
}

// Replace writes an agent over the version that was read; its secret stays what it is in the store. The event is "agent.updated".
// Errors: *InvalidError, store.ErrNotFound, and *store.Conflict for a stale version.
func (a *Agents) Replace(ctx context.Context, agent *Agent) error {
	if err := agent.Validate(); err != nil {
		return err
	}
	old, err := a.all.Get(ctx, agent.Ref())
	if err != nil {
		return err
	}
	b := a.db.Batch()
	if agent.Owner != old.Owner {
		if err := a.checkOwner(ctx, b, agent); err != nil {
			return err
		}
	}
	agent.SecretHash, agent.SecretSince, agent.Created, agent.Updated = old.SecretHash, old.SecretSince, old.Created, b.Now()
	a.all.Replace(b, agent)
	b.Event(agent.event("agent.updated"))
	return b.Apply(ctx)
}

// RegenerateSecret gives an agent another secret and returns it. From that moment the old one proves nothing, and what was issued to the
// agent has ended: whoever had the old one may have it. The events are "agent.secret_changed" and "subject.revoked". Errors: ErrEnded,
// store.ErrNotFound.
func (a *Agents) RegenerateSecret(ctx context.Context, ref store.Ref) (fresh secret.Text, err error) {
	err = retry(func() error {
		agent, err := a.all.Get(ctx, ref)
		if err != nil {
			return err
		}
		subject, err := a.subjects.Get(ctx, ref)
		if err != nil {
			return err
		}
		if subject.Status == Ended {
			return ErrEnded
		}
		b := a.db.Batch()
		fresh = agent.renewSecret(b.Now())
		subject.revoke(b)
		a.all.Replace(b, agent)
		a.subjects.all.Replace(b, subject)
		b.Event(agent.event("agent.secret_changed"))
		return b.Apply(ctx)
	})
	if err != nil {
		return "", err
	}
	return fresh, nil
}

// Delete removes an agent for good, with its memberships and roles, and ends its Subject, which breaks every chain that hangs on it. The
// event is "agent.deleted". An agent that is gone already is no error, so that it may be repeated until it succeeds.
func (a *Agents) Delete(ctx context.Context, ref store.Ref) error {
	err := retry(func() error {
		agent, err := a.all.Get(ctx, ref)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		subject, err := a.subjects.Get(ctx, ref)
		if err != nil {
			return err
		}
		b := a.db.Batch()
		a.all.Delete(b, agent)
		subject.Status = Ended
		subject.Epoch++
		a.subjects.all.Replace(b, subject)
		b.Event(agent.event("agent.deleted"))
		return b.Apply(ctx)
	})
	if err != nil {
		return err
	}
	return a.forget(ctx, ref)
}

// Authenticate returns the Subject of the agent whose id (see AgentID) and secret these are. Whatever is wrong is ErrAgent, after the same
// reads. The Subject is read before the secret is judged, so that a secret which is replaced at this moment proves nothing at the epoch
// that follows. Secrets have 256 random bits: nobody counts guesses.
func (a *Agents) Authenticate(ctx context.Context, org, login string, presented secret.Text) (*Subject, error) {
	ref := store.Ref{Org: org, ID: AgentID(login)}
	if ref.ID == "" {
		return nil, ErrAgent
	}
	subject, err := a.subjects.Get(ctx, ref)
	known := err == nil && subject.Kind == AgentKind && subject.Status == Active
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	agent, err := a.all.Get(ctx, ref)
	switch {
	case errors.Is(err, store.ErrNotFound):
		agent, known = &Agent{SecretHash: secret.Hash("")}, false
	case err != nil:
		return nil, err
	}
	if !secret.Matches(agent.SecretHash, presented.Reveal()) || !known {
		return nil, ErrAgent
	}
	return subject, nil
}
