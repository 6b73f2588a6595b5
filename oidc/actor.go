package oidc

import (
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
	// Links are the one who acts now, and behind them those who acted before (RFC 8693 §4.1).
	Links []actorLink `json:"links,omitempty"`
	// Parents are those of them who are known here: when one of them is disabled, or what was issued to them is revoked, nobody
	// acts on by their leave.
	Parents []actorParent `json:"parents,omitempty"`
}

// actorLink is one of them: a person here by their id, for they have a name in each sector, and others by the name that they have
// everywhere.
type actorLink struct {
	Person string `json:"person,omitempty"`
	Issuer string `json:"iss,omitempty"`
	Name   string `json:"name,omitempty"`
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

// actorClaim is the act member of a token for a client, in which each person has the name by which the client knows them, also one who acted
// for another client before; nil where nobody acts.
func (p *Provider) actorClaim(ctx context.Context, c *Client, a *actor) (claim json.RawMessage, err error) {
	if a == nil {
		return nil, nil
	}
	for _, link := range slices.Backward(a.Links) {
		said := actClaim{Issuer: link.Issuer, Subject: link.Name, Before: claim}
		if link.Person != "" {
			if said.Subject, err = p.subjectFor(ctx, c, link.Person); err != nil {
				return nil, err
			}
		}
		if claim, err = json.Marshal(said); err != nil {
			return nil, err
		}
	}
	return claim, nil
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
	link := actorLink{Issuer: next.Issuer, Name: next.Subject}
	if next.Issuer == "" && !parent.Subject.IsZero() {
		link = actorLink{Person: parent.Subject.ID}
	}
	made := &actor{Links: []actorLink{link}}
	if a != nil {
		switch {
		case len(a.Links) > 0 && a.Links[0] == link:
			return a, nil
		case len(a.Links) >= maxActors:
			return nil, errTooManyActors
		}
		made.Links, made.Parents = append(made.Links, a.Links...), slices.Clone(a.Parents)
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
