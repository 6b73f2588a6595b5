package script

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// maxListing bounds a list of sessions or applications, in bytes of JSON: less than what one call may return.
const maxListing = 12 << 10

// listing is as much of a list, from its front, as one call may return.
type listing struct {
	items []any
	size  int
}

// add appends an item, and reports false when there is no room for it.
func (l *listing) add(item any) bool {
	text, err := json.Marshal(item)
	if l.size += len(text) + 1; err != nil || l.size > maxListing {
		return false
	}
	l.items = append(l.items, item)
	return true
}

// owner is the account whose sessions a call with the context is about: that of the person who signs in, once it is proven.
func (p *people) owner(ctx context.Context, c *Call) (*Person, *directory.Subject, error) {
	who := c.Subject()
	if len(c.Args) == 0 || c.Args[0] != "context" || who == nil || who.Subject.IsZero() {
		return nil, nil, &RefusalError{c.Name + ": it is for the context of somebody who has signed in"}
	}
	subject, err := p.Directory.Subjects.Get(ctx, who.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, &RefusalError{c.Name + ": the account is gone"}
	}
	return who, subject, err
}

// sessionsOf are the sessions that sign a person in, the newest first.
func (p *people) sessionsOf(ctx context.Context, who *Person) ([]directory.ActiveSession, error) {
	if who.Subject.IsZero() {
		return nil, nil
	}
	subject, err := p.Directory.Subjects.Get(ctx, who.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := p.Directory.ActiveSessions(ctx, subject)
	slices.Reverse(all)
	return all, err
}

// sessions is getUserSessions(user).
func (p *people) sessions(ctx context.Context, c *Call) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	return p.describe(ctx, who)
}

// ownSessions is getSessionData(context, map).
func (p *people) ownSessions(ctx context.Context, c *Call) (any, error) {
	who, _, err := p.owner(ctx, c)
	if err != nil {
		return nil, err
	}
	return p.describe(ctx, who)
}

// describe are the sessions of a person as scripts see them.
func (p *people) describe(ctx context.Context, who *Person) (any, error) {
	all, err := p.sessionsOf(ctx, who)
	if err != nil {
		return nil, err
	}
	list := listing{items: []any{}}
	names := map[store.Ref]string{}
	for _, s := range all {
		applications, err := p.joined(ctx, who, s.Applications, names)
		if err != nil {
			return nil, err
		}
		agent := clip(s.UserAgent, 200)
		if !list.add(map[string]any{
			"id": s.ID, "ip": s.Address, "userAgent": map[string]any{"raw": agent, "rawString": agent},
			"loginTime": millis(s.Created), "lastAccessTime": millis(s.Seen), "applications": applications,
		}) {
			break
		}
	}
	return list.items, nil
}

// joined are applications that took part in a session. Names are those that were read before.
func (p *people) joined(ctx context.Context, who *Person, refs []store.Ref, names map[store.Ref]string) ([]any, error) {
	list := listing{items: []any{}}
	for _, ref := range refs {
		name, known := names[ref]
		if !known {
			app, err := p.Directory.Applications.Get(ctx, ref)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			if err == nil {
				name = app.Name
			}
			names[ref] = name
		}
		if !list.add(map[string]any{"appId": ref.ID, "appName": name, "subject": who.Username}) {
			break
		}
	}
	return list.items, nil
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// applications is getAuthenticatedApplications(context): those that take part in the session that the browser had when the login began,
// if it is the person's.
func (p *people) applications(ctx context.Context, c *Call) (any, error) {
	who, _, err := p.owner(ctx, c)
	if err != nil {
		return nil, err
	}
	session, err := p.own(ctx, who, c.Login.Session.ID)
	if err != nil || session == nil || session.Status != directory.Active {
		return []any{}, err
	}
	participants, err := p.Directory.Participants.Of(ctx, session.Ref())
	if err != nil {
		return nil, err
	}
	var refs []store.Ref
	for _, joined := range participants {
		refs = append(refs, joined.Application)
	}
	return p.joined(ctx, who, refs, map[store.Ref]string{})
}

// own is the session of an id if it is the person's; nil otherwise.
func (p *people) own(ctx context.Context, who *Person, id string) (*directory.Session, error) {
	if len(id) != len(store.NewID()) || who.Subject.IsZero() {
		return nil, nil
	}
	session, err := p.Directory.Sessions.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) || err == nil && session.Subject != who.Subject {
		return nil, nil
	}
	return session, err
}

// end ends a session of a person by its id. It may be repeated: one that has ended is one that has ended.
func (p *people) end(ctx context.Context, who *Person, id string) (any, error) {
	session, err := p.own(ctx, who, id)
	if err != nil || session == nil {
		return false, err
	}
	return true, p.Directory.Sessions.End(ctx, session.Ref(), "script")
}

// terminate is terminateUserSession(user, id).
func (p *people) terminate(ctx context.Context, c *Call) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	var id string
	if m := c.Map(1); m != nil { // a session in the place of its id
		id = spelt(m["id"])
	} else if id, err = c.Text(1); err != nil {
		return nil, err
	}
	return p.end(ctx, who, id)
}

// kill is killSession(context, {sessionId}).
func (p *people) kill(ctx context.Context, c *Call) (any, error) {
	who, _, err := p.owner(ctx, c)
	if err != nil {
		return nil, err
	}
	return p.end(ctx, who, spelt(c.Map(1)["sessionId"]))
}

// withinLimit is isWithinSessionLimit(context, {sessionLimit}): whether there is room for one more session. The one that the browser has, in
// which the login goes on, is not counted.
func (p *people) withinLimit(ctx context.Context, c *Call) (any, error) {
	who, subject, err := p.owner(ctx, c)
	if err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi(spelt(c.Map(1)["sessionLimit"]))
	if err != nil || limit < 0 {
		return nil, &RefusalError{c.Name + " needs a sessionLimit"}
	}
	own, err := p.own(ctx, who, c.Login.Session.ID)
	if err != nil {
		return nil, err
	}
	all, err := p.Directory.ActiveSessions(ctx, subject)
	n := 0
	for _, s := range all {
		if own == nil || s.ID != own.ID {
			n++
		}
	}
	return n < limit, err
}
