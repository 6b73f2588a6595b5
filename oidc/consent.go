package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Consent is what a person has decided about a client. It is remembered until it is revoked; what was refused is not asked
// again unless the client insists with prompt=consent.
type Consent struct {
	store.Meta
	Subject  store.Ref `json:"subject"`
	ClientID string    `json:"client_id"`
	// Agent is the id of the agent that acts for the person by this decision (Agents); "" is nobody but the client.
	Agent string `json:"agent,omitempty"`
	// Granted and Refused are ids of consent items: scopes, and "claim:<name>" for single claims.
	Granted []string `json:"granted"`
	Refused []string `json:"refused,omitempty"`
	// Details are authorization details that are not asked for again (RFC 9396): the last of them.
	Details []json.RawMessage `json:"authorization_details,omitempty"`
	Updated time.Time         `json:"updated"`
	// Epoch moves when the consent is revoked: what rests on it and has not been handed out yet is void.
	Epoch int64 `json:"epoch,omitempty"`

	// approved are the ids of the details of this one request that are granted.
	approved []string
}

var consentKind = store.Kind{Name: "oidc.consent"}

var consentType = store.Type[Consent]{
	Kind: consentKind,
	Index: func(c *Consent) []store.Entry {
		entries := []store.Entry{{Field: "subject", Value: store.Text(c.Subject.ID)}, {Field: "client", Value: store.Text(c.ClientID)}}
		if c.Agent != "" {
			entries = append(entries, store.Entry{Field: "agent", Value: store.Text(c.Agent)})
		}
		return entries
	},
}

// consentRef is one record for each person, client and agent, so that two tabs meet in it. No client_id begins as the name of an agent.
func consentRef(subject store.Ref, clientID, agent string) store.Ref {
	ref := store.Ref{Org: subject.Org, ID: subject.ID + "|" + clientID}
	if agent != "" {
		ref.ID = subject.ID + "|" + agentPrefix + agent + "|" + clientID
	}
	return ref
}

const claimItem = "claim:"

// consentItems lists what the request asks of a person. Being signed in at all is what they came for and is not asked.
func (p *Provider) consentItems(ctx context.Context, q *authorizationRequest, v vocabulary) ([]directory.ConsentItem, error) {
	var items []directory.ConsentItem
	var released []string
	for _, s := range q.Scopes {
		if s == scopeOpenID {
			continue
		}
		item := v.item(s)
		if !isStandardScope(s) && v[s] == nil {
			var err error
			if item, err = p.apiScopeItem(ctx, q.Org, s, item); err != nil {
				return nil, err
			}
		}
		items = append(items, item)
		released = append(released, v.claims(s)...)
	}
	for _, name := range q.Claims.names() {
		if base := claimBase(name); !slices.Contains(released, base) && !isProtocolClaim(base) {
			items = append(items, directory.ConsentItem{ID: claimItem + name, Title: itemTitle("claim", name)})
		}
	}
	return items, nil
}

// apiScopeItem is how a scope is put to a person: as the API that it belongs to says, if there is one.
func (p *Provider) apiScopeItem(ctx context.Context, org, scope string, otherwise directory.ConsentItem) (directory.ConsentItem, error) {
	api, err := p.config.Directory.APIs.WithScope(ctx, org, scope)
	if errors.Is(err, store.ErrNotFound) {
		return otherwise, nil
	}
	if err != nil {
		return otherwise, err
	}
	if s, ok := api.Scope(scope); ok && s.DisplayName != "" {
		return scopeItem(scope, s.DisplayName, s.Description), nil
	}
	return otherwise, nil
}

// names lists the claims asked for one by one.
func (q *claimsRequest) names() []string {
	if q == nil {
		return nil
	}
	both := append(q.wanted(userInfoSection, nil, nil), q.wanted(idTokenSection, nil, nil)...)
	slices.Sort(both)
	return slices.Compact(both)
}

// due returns the items that must be asked now.
func (c *Consent) due(items []directory.ConsentItem, again bool) []directory.ConsentItem {
	if again {
		return items
	}
	return slices.DeleteFunc(slices.Clone(items), func(item directory.ConsentItem) bool {
		return slices.Contains(c.Granted, item.ID) || slices.Contains(c.Refused, item.ID)
	})
}

// decide records the answer to the items that were asked.
func (c *Consent) decide(asked []directory.ConsentItem, approved []string, now time.Time) {
	for _, item := range asked {
		if strings.HasPrefix(item.ID, detailItem) { // of this request alone
			if slices.Contains(approved, item.ID) {
				c.approved = append(c.approved, item.ID)
			}
			continue
		}
		to, from := &c.Refused, &c.Granted
		if slices.Contains(approved, item.ID) {
			to, from = from, to
		}
		*from = slices.DeleteFunc(*from, func(id string) bool { return id == item.ID })
		if !slices.Contains(*to, item.ID) {
			*to = append(*to, item.ID)
		}
	}
	c.Updated = now
}

// apply narrows the request's scopes and claims to what is granted. A claim that a scope of the request releases was not
// asked for by itself, and shares the scope's fate.
func (c *Consent) apply(q *authorizationRequest, v vocabulary) (scopes []string, claims *claimsRequest) {
	released := map[string]bool{}
	for _, s := range q.Scopes {
		if s != scopeOpenID && !slices.Contains(c.Granted, s) {
			continue
		}
		scopes = append(scopes, s)
		for _, name := range v.claims(s) {
			released[name] = true
		}
	}
	if q.Claims == nil {
		return scopes, nil
	}
	refused := func(name string, _ claimRequest) bool {
		return !isProtocolClaim(claimBase(name)) && !released[claimBase(name)] && !slices.Contains(c.Granted, claimItem+name)
	}
	claims = &claimsRequest{UserInfo: maps.Clone(q.Claims.UserInfo), IDToken: maps.Clone(q.Claims.IDToken)}
	maps.DeleteFunc(claims.UserInfo, refused)
	maps.DeleteFunc(claims.IDToken, refused)
	return scopes, claims
}

// consentOf returns the person's decisions so far, about the client with an agent, or without where that is ""; a fresh record when there
// are none.
func (p *Provider) consentOf(ctx context.Context, subject store.Ref, clientID, agent string) (*Consent, error) {
	ref := consentRef(subject, clientID, agent)
	c, err := p.consents.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return &Consent{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, ClientID: clientID, Agent: agent}, nil
	}
	return c, err
}

// saveConsent adds the decisions to the batch.
func (p *Provider) saveConsent(b *store.Batch, c *Consent) {
	c.Expires = time.Time{}
	p.putConsent(b, c)
	b.Event(store.Event{
		Meta: store.Meta{Org: c.Org}, Type: "oidc.consent.decided", Subject: c.Subject.ID,
		Data: eventData(map[string]any{"client_id": c.ClientID, "granted": c.Granted, "refused": c.Refused}),
	})
}

func (p *Provider) putConsent(b *store.Batch, c *Consent) {
	if c.Version == 0 {
		p.consents.Insert(b, c)
	} else {
		p.consents.Replace(b, c)
	}
}

// checkConsent adds to the batch that what a code rests on has not been revoked since the code was made. Where nobody was asked it
// leaves a record behind, so that a revocation at the same moment meets it: either sees the other.
func (p *Provider) checkConsent(ctx context.Context, b *store.Batch, q *authorizationRequest) error {
	c, err := p.consentOf(ctx, q.Answer.Subject, q.ClientID, q.RequestedActor)
	switch {
	case err != nil:
		return err
	case c.Version == 0:
		c.Epoch, c.Updated, c.Expires = q.Answer.ConsentEpoch, b.Now(), b.Now().Add(requestLifetime)
		p.consents.Insert(b, c)
	case c.Epoch != q.Answer.ConsentEpoch:
		return invalidGrant("the consent behind the code was revoked")
	default:
		p.consents.Check(b, c)
	}
	return nil
}

// decided reports whether there is a decision in it.
func (c *Consent) decided() bool { return len(c.Granted)+len(c.Refused)+len(c.Details) > 0 }

// Consents returns what a person has decided about clients, and about each agent by itself.
func (p *Provider) Consents(ctx context.Context, subject store.Ref) ([]*Consent, error) {
	var all []*Consent
	q := store.Query{Org: subject.Org, Filter: store.Equals("subject", store.Text(subject.ID))}
	for c, err := range p.consents.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		if c.decided() {
			all = append(all, c)
		}
	}
	return all, nil
}

// RevokeConsent forgets what a person has decided about a client, if anything, and revokes every grant that the client holds
// from them, and every code that it has not redeemed yet. It may be repeated until it succeeds.
func (p *Provider) RevokeConsent(ctx context.Context, subject store.Ref, clientID string) error {
	if err := p.forgetConsents(ctx, subject, clientID); err != nil {
		return err
	}
	// A grant lies in its client's organization, wherever its subject is at home.
	q := store.Query{Within: store.Subtree, Filter: store.Equals("holder", store.Text(grantHolder(subject, clientID)))}
	for g, err := range p.grants.All(ctx, q) {
		if err != nil {
			return err
		}
		if err := p.revokeGrant(ctx, g.Ref(), "consent revoked"); err != nil {
			return err
		}
	}
	return nil
}

// forgetConsents forgets the decisions about a client with whatever agent.
func (p *Provider) forgetConsents(ctx context.Context, subject store.Ref, clientID string) error {
	agents := []string{""}
	for c, err := range p.consents.All(ctx, store.Query{Org: subject.Org, Filter: store.Equals("subject", store.Text(subject.ID))}) {
		if err != nil {
			return err
		}
		if c.ClientID == clientID && c.Agent != "" {
			agents = append(agents, c.Agent)
		}
	}
	for _, agent := range agents {
		if err := p.forgetConsent(ctx, subject, clientID, agent); err != nil {
			return err
		}
	}
	return nil
}

// forgetSubject forgets all that a person, or an agent, has decided, who is gone, and what people have decided about the agent. The grants that
// rest on that hang on the agent, which has ended.
func (p *Provider) forgetSubject(ctx context.Context, subject store.Ref) error {
	all, err := p.Consents(ctx, subject)
	for _, c := range all {
		err = errors.Join(err, p.RevokeConsent(ctx, subject, c.ClientID))
	}
	about := store.Query{Within: store.Subtree, Filter: store.Equals("agent", store.Text(subject.ID))}
	for c, failed := range p.consents.All(ctx, about) {
		if failed != nil {
			return errors.Join(err, failed)
		}
		err = errors.Join(err, p.forgetConsent(ctx, c.Subject, c.ClientID, c.Agent))
	}
	return err
}

// forgetConsent is forgetOnce, also for a consent that is decided, or redeemed, at the same moment.
func (p *Provider) forgetConsent(ctx context.Context, subject store.Ref, clientID, agent string) error {
	err := p.forgetOnce(ctx, subject, clientID, agent)
	for range maxAttempts {
		if store.ConflictOn(err, consentKind) == nil {
			break
		}
		err = p.forgetOnce(ctx, subject, clientID, agent)
	}
	return err
}

// forgetOnce leaves a record without decisions for as long as a code, or a sign-in under way, may come from before. There is one
// also for an application of the operator's own, where nobody was asked.
func (p *Provider) forgetOnce(ctx context.Context, subject store.Ref, clientID, agent string) error {
	c, err := p.consentOf(ctx, subject, clientID, agent)
	if err != nil {
		return err
	}
	b := p.db.Batch()
	decided := c.decided()
	c.Granted, c.Refused, c.Details, c.Updated, c.Expires = nil, nil, nil, b.Now(), b.Now().Add(requestLifetime)
	c.Epoch++
	p.putConsent(b, c)
	if decided {
		b.Event(store.Event{
			Meta: store.Meta{Org: c.Org}, Type: "oidc.consent.revoked", Subject: subject.ID,
			Data: eventData(map[string]string{"client_id": clientID}),
		})
	}
	return b.Apply(ctx)
}
