package oidc

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Authorizations returns what a person has allowed clients, by name: Consents, in words for the person. RevokeConsent takes the ID of one.
func (p *Provider) Authorizations(ctx context.Context, subject store.Ref) ([]directory.Authorization, error) {
	consents, err := p.Consents(ctx, subject)
	if err != nil {
		return nil, err
	}
	var all []directory.Authorization
	for _, c := range consents {
		a := directory.Authorization{ID: c.ClientID, Name: c.ClientID, Decided: c.Updated}
		if err := p.describe(ctx, &a, c); err != nil {
			return nil, err
		}
		all = addAuthorization(all, a)
	}
	slices.SortFunc(all, func(a, b directory.Authorization) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// addAuthorization adds what was allowed to the same client, whether or not with an agent, to one.
func addAuthorization(all []directory.Authorization, a directory.Authorization) []directory.Authorization {
	i := slices.IndexFunc(all, func(known directory.Authorization) bool { return known.ID == a.ID })
	if i < 0 {
		return append(all, a)
	}
	for _, item := range a.Granted {
		if !slices.ContainsFunc(all[i].Granted, func(known directory.ConsentItem) bool { return known.ID == item.ID }) {
			all[i].Granted = append(all[i].Granted, item)
		}
	}
	if a.Decided.After(all[i].Decided) {
		all[i].Decided = a.Decided
	}
	return all
}

// describe adds who the client is, if it still is, and what it was granted.
func (p *Provider) describe(ctx context.Context, a *directory.Authorization, c *Consent) error {
	client, err := p.Clients.Find(ctx, c.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	app, err := p.config.Directory.Applications.Get(ctx, client.Application)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil {
		a.Application, a.Name, a.Links = app.Ref(), app.Name, app.Links()
	}
	v, err := p.vocabulary(ctx, client.Org)
	if err != nil {
		return err
	}
	for _, id := range c.Granted {
		item, err := p.grantedItem(ctx, client.Org, id, v)
		if err != nil {
			return err
		}
		a.Granted = append(a.Granted, item)
	}
	return nil
}

// grantedItem is how a thing that was granted was put to the person.
func (p *Provider) grantedItem(ctx context.Context, org, id string, v vocabulary) (directory.ConsentItem, error) {
	if name, ok := strings.CutPrefix(id, claimItem); ok {
		return directory.ConsentItem{ID: id, Title: itemTitle("claim", name)}, nil
	}
	if agent, ok := strings.CutPrefix(id, agentPrefix); ok && directory.AgentID(agent) != "" {
		return p.agentItem(ctx, org, agent)
	}
	item := v.item(id)
	if isStandardScope(id) || v[id] != nil {
		return item, nil
	}
	return p.apiScopeItem(ctx, org, id, item)
}
