package federated

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Link says who somebody is here whom a provider knows. An account there is linked to one person; a person may have many links.
type Link struct {
	store.Meta
	// Connection is by which the link was made.
	Connection string `json:"connection"`
	// Issuer and ExternalID are who it is there: the iss and sub of their ID token.
	Issuer     string `json:"issuer"`
	ExternalID string `json:"externalId"`
	// Subject is who it is here.
	Subject store.Ref `json:"subject"`
	// Made says that the account here was made for the one there: by Connection.Create, and not by a registration or a linking.
	Made bool `json:"made,omitempty"`
	// Label is how the person knows the account: an address or a name, as it was when the link was made.
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"created"`
}

var (
	linkKind = store.Kind{Name: "federated.link"}
	linkType = store.Type[Link]{
		Kind:  linkKind,
		Index: func(l *Link) []store.Entry { return []store.Entry{{Field: "subject", Value: pointer(l.Subject)}} },
	}
)

func pointer(ref store.Ref) store.Value { return store.Text(ref.Org + "|" + ref.ID) }

// linkRef is where the link of an account is found. It lies in the root, and is unique by its id: two who come at once are one.
func linkRef(issuer, externalID string) store.Ref {
	return store.Ref{ID: secret.Hash("link\x00" + issuer + "\x00" + externalID)}
}

// Links returns the links of a subject.
func (c *Connections) Links(ctx context.Context, subject store.Ref) ([]*Link, error) {
	var list []*Link
	for l, err := range c.links.All(ctx, store.Query{Filter: store.Equals("subject", pointer(subject))}) {
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

// Linked returns who an account at a provider belongs to here, or store.ErrNotFound. It makes Connections the oidc.Links of a provider that
// takes the tokens of issuers at which its people sign in.
func (c *Connections) Linked(ctx context.Context, issuer, externalID string) (store.Ref, error) {
	l, err := c.links.Get(ctx, linkRef(issuer, externalID))
	if err != nil {
		return store.Ref{}, err
	}
	return l.Subject, nil
}

// Unlink removes a link of a person's, as Links returned it, because they ask for it within a session (nil for none). Sessions that it has
// begun go on. The event is "user.unlinked". Errors: store.ErrNotFound for a link of somebody else's, directory.ErrLastWayIn,
// directory.ErrChainBroken when they or the session have ended by the time it is removed, *store.Conflict for a link that has changed, or
// when another way in was removed meanwhile.
func (c *Connections) Unlink(ctx context.Context, s *directory.Subject, within *directory.Session, l *Link) error {
	if l.Subject != s.Ref() {
		return store.ErrNotFound
	}
	b := c.db.Batch()
	if err := c.dir.Hold(ctx, b, s, within); err != nil {
		return err
	}
	return c.unlink(ctx, b, l)
}

// unlink removes a link in a batch, and applies it.
func (c *Connections) unlink(ctx context.Context, b *store.Batch, l *Link) error {
	subject, err := c.dir.Subjects.Get(ctx, l.Subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil {
		has, err := c.dir.HasWayIn(ctx, b, subject, "", c.without(l))
		if err != nil {
			return err
		}
		if !has {
			return directory.ErrLastWayIn
		}
	}
	c.links.Delete(b, l)
	b.Event(l.event("user.unlinked"))
	return b.Apply(ctx)
}

// forget removes the links of somebody who is gone.
func (c *Connections) forget(ctx context.Context, subject store.Ref) error {
	links, err := c.Links(ctx, subject)
	for _, l := range links {
		b := c.db.Batch()
		c.links.Delete(b, l)
		if problem := b.Apply(ctx); store.ConflictOn(problem, linkKind) == nil { // or somebody else's by now
			err = errors.Join(err, problem)
		}
	}
	return err
}

// WayIn is the directory.WayIn of links: it reports whether a subject has one.
func (c *Connections) WayIn(ctx context.Context, b *store.Batch, subject store.Ref) (bool, error) {
	return c.without(&Link{})(ctx, b, subject)
}

// without is WayIn but for one link.
func (c *Connections) without(l *Link) directory.WayIn {
	return func(ctx context.Context, b *store.Batch, subject store.Ref) (bool, error) {
		links, err := c.Links(ctx, subject)
		if err != nil {
			return false, err
		}
		for _, other := range links {
			if other.ID != l.ID && c.all[other.Connection] != nil {
				c.links.Check(b, other)
				return true, nil
			}
		}
		return false, nil
	}
}

func (l *Link) event(kind string) store.Event {
	data, _ := json.Marshal(map[string]string{"connection": l.Connection, "issuer": l.Issuer}) // strings always encode
	return store.Event{Meta: store.Meta{Org: l.Subject.Org}, Type: kind, Subject: l.Subject.ID, Data: data}
}
