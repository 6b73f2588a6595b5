package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// actor is who acts for the subject of a grant, and on whom that depends.
type actor struct {
	// Claim is the act member of the tokens: the one who acts now, with those who acted before nested in it (RFC 8693 §4.1).
	Claim json.RawMessage `json:"act"`
	// Parents are those of them who are known here: when one of them is disabled, or what was issued to them is revoked, nobody
	// acts on by their leave.
	Parents []actorParent `json:"parents,omitempty"`
}

// maxActors is how many may have acted one after the other.
const maxActors = 4

// actorParent is a person or an application, and the epoch at which they came to act.
type actorParent struct {
	Subject     store.Ref `json:"subject,omitzero"`
	Application store.Ref `json:"application,omitzero"`
	Epoch       int64     `json:"epoch"`

	subject     *directory.Subject
	application *directory.Application
}

// claim is the act member of a token; nil where nobody acts.
func (a *actor) claim() json.RawMessage {
	if a == nil {
		return nil
	}
	return a.Claim
}

// actClaim is one link of an act member: whatever identifies somebody, and who acted before.
type actClaim struct {
	Issuer  string          `json:"iss,omitempty"`
	Subject string          `json:"sub"`
	Before  json.RawMessage `json:"act,omitempty"`
}

var errTooManyActors = errors.New("too many have acted already")

// followedBy returns the actor of a token that is exchanged with another who acts from now on: who acted before is nested. Who acts
// already is not nested again.
func (a *actor) followedBy(next actClaim, parent actorParent) (*actor, error) {
	if a != nil {
		var now actClaim
		if err := json.Unmarshal(a.Claim, &now); err != nil {
			return nil, err
		}
		if now.Issuer == next.Issuer && now.Subject == next.Subject {
			return a, nil
		}
		if bytes.Count(a.Claim, []byte(`"act":`))+2 > maxActors {
			return nil, errTooManyActors
		}
		next.Before = a.Claim
	}
	claim, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	made := &actor{Claim: claim}
	if a != nil {
		made.Parents = slices.Clone(a.Parents)
	}
	if parent.known() && !slices.ContainsFunc(made.Parents, parent.same) {
		made.Parents = append(made.Parents, parent)
	}
	return made, nil
}

// known reports whether it is about somebody here.
func (a actorParent) known() bool { return !a.Subject.IsZero() || !a.Application.IsZero() }

func (a actorParent) same(other actorParent) bool {
	return a.Subject == other.Subject && a.Application == other.Application
}

// mayAct reports whether a may_act member names the one who wants to act. A member that is not understood names somebody else
// (RFC 8693 §4.4).
func mayAct(claim json.RawMessage, who actClaim, issuer, clientID string) bool {
	var named map[string]string
	if err := strictjson.Unmarshal(claim, &named); err != nil || named["sub"] == "" {
		return false
	}
	if who.Issuer == "" {
		who.Issuer = issuer
	}
	for member, value := range named {
		switch member {
		case "sub":
			if value != who.Subject {
				return false
			}
		case "iss":
			if value != who.Issuer {
				return false
			}
		case "client_id":
			if value != clientID {
				return false
			}
		default:
			return false
		}
	}
	return named["iss"] != "" || who.Issuer == issuer // without an issuer it is one of ours
}

// actorsOf reads and judges those on whom it depends that somebody acts for the subject.
func (p *Provider) actorsOf(ctx context.Context, g *Grant) ([]actorParent, error) {
	if g.Actor == nil {
		return nil, nil
	}
	actors, d := slices.Clone(g.Actor.Parents), p.config.Directory
	for i := range actors {
		var err error
		if a := &actors[i]; a.Subject.IsZero() {
			a.application, err = d.CheckApplication(ctx, a.Application, a.Epoch)
		} else {
			a.subject, err = d.CheckSubject(ctx, a.Subject, a.Epoch)
		}
		if err != nil {
			return nil, err
		}
	}
	return actors, nil
}

// checkActors adds to the batch that they stand as they were read, but for those who are checked already.
func (p *Provider) checkActors(b *store.Batch, c *chain) {
	for _, a := range c.actors {
		switch {
		case a.subject != nil && a.Subject != c.subject.Ref():
			p.config.Directory.Subjects.Check(b, a.subject)
		case a.application != nil && a.Application != c.application.Ref():
			p.config.Directory.Applications.Check(b, a.application)
		}
	}
}
