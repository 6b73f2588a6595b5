package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/signet-idp/signet/store"
)

var (
	authorizedAPIKind = store.Kind{Name: "directory.authorized-api"}
	authorizedAPIType = store.Type[AuthorizedAPI]{
		Kind: authorizedAPIKind,
		Index: func(a *AuthorizedAPI) []store.Entry {
			return []store.Entry{{Field: "application", Value: pointer(a.Application)}, {Field: "api", Value: pointer(a.API)}}
		},
		Cached: true,
	}
)

// AuthorizedAPIs keeps which applications may be allowed what at which APIs.
type AuthorizedAPIs struct {
	db    *store.DB
	all   *store.Collection[AuthorizedAPI]
	apis  *APIResources
	apps  *Applications
	known *store.Cache[store.Ref, []*AuthorizedAPI] // by application
}

func newAuthorizedAPIs(db *store.DB, apis *APIResources, apps *Applications) *AuthorizedAPIs {
	return &AuthorizedAPIs{
		db: db, all: apis.granted, apis: apis, apps: apps, known: store.NewCache[store.Ref, []*AuthorizedAPI](db, apis.granted),
	}
}

// Authorize lets an application have scopes and types of details of an API, in the place of those it had there. The event is
// "api.authorized". Errors: *InvalidError, and store.ErrNotFound when there is no such application or API.
func (a *AuthorizedAPIs) Authorize(ctx context.Context, grant *AuthorizedAPI) error {
	grant.Org, grant.ID = grant.Application.Org, grant.Application.ID+"|"+grant.API.ID
	return retry(func() error {
		app, err := a.apps.Get(ctx, grant.Application)
		if err != nil {
			return err
		}
		api, err := a.apis.Get(ctx, grant.API)
		if err != nil {
			return err
		}
		if err := grant.check(api); err != nil {
			return err
		}
		old, err := a.all.Get(ctx, grant.Ref())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		b := a.db.Batch()
		a.apps.Check(b, app) // neither is removed meanwhile
		a.apis.all.Check(b, api)
		if grant.Since = b.Now(); old == nil {
			grant.Version = 0
			a.all.Insert(b, grant)
		} else {
			grant.Version = old.Version
			a.all.Replace(b, grant)
		}
		b.Event(grant.event("api.authorized"))
		return b.Apply(ctx)
	})
}

// Withdraw takes from an application all that it was allowed at an API; what it got stays good until it expires or is
// refreshed. Where there is nothing to take nothing happens. The event is "api.unauthorized".
func (a *AuthorizedAPIs) Withdraw(ctx context.Context, application, api store.Ref) error {
	return retry(func() error {
		old, err := a.all.Get(ctx, store.Ref{Org: application.Org, ID: application.ID + "|" + api.ID})
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := a.db.Batch()
		a.all.Delete(b, old)
		b.Event(old.event("api.unauthorized"))
		return b.Apply(ctx)
	})
}

// Of returns what an application may be allowed, one for each API. What another node has written may be unknown for
// store.Staleness.
func (a *AuthorizedAPIs) Of(ctx context.Context, application store.Ref) ([]*AuthorizedAPI, error) {
	shared, err := a.of(ctx, application)
	own := make([]*AuthorizedAPI, len(shared))
	for i, grant := range shared {
		g := *grant
		g.Scopes, g.AuthorizationDetailsTypes = slices.Clone(g.Scopes), slices.Clone(g.AuthorizationDetailsTypes)
		own[i] = &g
	}
	return own, err
}

// of is Of without the copies: the values are shared and must not be changed.
func (a *AuthorizedAPIs) of(ctx context.Context, application store.Ref) ([]*AuthorizedAPI, error) {
	return a.known.Get(ctx, application, func() ([]*AuthorizedAPI, string, error) {
		var grants []*AuthorizedAPI
		q := store.Query{Org: application.Org, Limit: wholePage, Filter: store.Equals("application", pointer(application))}
		for grant, err := range a.all.All(ctx, q) {
			if err != nil {
				return nil, "", err
			}
			grants = append(grants, grant)
		}
		return grants, application.Org, nil
	})
}

// DetailsType returns a type of authorization details that an application may use, or store.ErrNotFound. What another node has
// written may be unknown for store.Staleness.
func (a *AuthorizedAPIs) DetailsType(ctx context.Context, application store.Ref, name string) (AuthorizationDetailsType, error) {
	api, err := a.apis.WithType(ctx, application.Org, name)
	if err != nil {
		return AuthorizationDetailsType{}, err
	}
	grants, err := a.of(ctx, application)
	if err != nil {
		return AuthorizationDetailsType{}, err
	}
	granted := func(g *AuthorizedAPI) bool {
		return g.API == api.Ref() && slices.Contains(g.AuthorizationDetailsTypes, name)
	}
	if !api.AllApplications && !slices.ContainsFunc(grants, granted) {
		return AuthorizationDetailsType{}, store.ErrNotFound
	}
	i := slices.IndexFunc(api.AuthorizationDetailsTypes, func(t AuthorizationDetailsType) bool { return t.Type == name })
	return api.AuthorizationDetailsTypes[i], nil
}

// forget removes what remains of an application that is gone.
func (a *AuthorizedAPIs) forget(ctx context.Context, application store.Ref) error {
	return sweep(ctx, a.db, a.all, store.Query{Org: application.Org, Filter: store.Equals("application", pointer(application))})
}

// check judges a grant at its API.
func (a *AuthorizedAPI) check(api *APIResource) error {
	var v validation
	switch {
	case a.Policy != AuthorizeByRole && a.Policy != AuthorizeByConsent:
		v.add("policy", "must be none or empty")
	case a.Policy == AuthorizeByConsent && api.judgesPeople(a.Policy):
		v.add("policy", "must not be none: the API requires authorization")
	}
	for i, name := range a.Scopes {
		if _, ok := api.Scope(name); !ok || slices.Contains(a.Scopes[:i], name) {
			v.add("scopes", "must be scopes of the API, each once")
		}
	}
	for i, name := range a.AuthorizationDetailsTypes {
		known := slices.ContainsFunc(api.AuthorizationDetailsTypes, func(t AuthorizationDetailsType) bool { return t.Type == name })
		if !known || slices.Contains(a.AuthorizationDetailsTypes[:i], name) {
			v.add("authorizationDetailsTypes", "must be types of the API, each once")
		}
	}
	return v.err()
}

func (a *AuthorizedAPI) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: a.Org}, Type: kind, Data: details("application", a.Application.ID, "api", a.API.ID)}
}
