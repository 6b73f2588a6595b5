package directory

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/signet-idp/signet/store"
)

var (
	apiKind = store.Kind{Name: "directory.api"}
	apiType = store.Type[APIResource]{
		Kind: apiKind,
		Keys: func(a *APIResource) []store.Key {
			keys := []store.Key{{Name: "identifier", Value: a.Identifier}}
			for _, s := range a.Scopes {
				keys = append(keys, store.Key{Name: "scope", Value: s.Name})
			}
			for _, t := range a.AuthorizationDetailsTypes {
				keys = append(keys, store.Key{Name: "type", Value: t.Type})
			}
			return keys
		},
		Index: func(a *APIResource) []store.Entry {
			return []store.Entry{
				{Field: "id", Value: store.Text(a.ID)},
				{Field: "name", Value: store.Text(Fold(a.Name))},
				{Field: "identifier", Value: store.Text(a.Identifier)},
				{Field: "kind", Value: store.Text(string(a.Kind))},
			}
		},
		Cached: true,
	}
)

// APIResources keeps the APIs that tokens are made for.
type APIResources struct {
	db      *store.DB
	all     *store.Collection[APIResource]
	granted *store.Collection[AuthorizedAPI]
	known   *store.Cache[string, *catalog] // by organization
}

func newAPIResources(db *store.DB) *APIResources {
	all := store.NewCollection(db, apiType)
	return &APIResources{
		db: db, all: all, granted: store.NewCollection(db, authorizedAPIType), known: store.NewCache[string, *catalog](db, all),
	}
}

// catalog is all APIs of an organization by what requests name. It is shared and must not be changed.
type catalog struct {
	byIdentifier, byScope, byType map[string]*APIResource
}

// Create adds an API; a missing ID is filled in. The event is "api.created". Errors: *InvalidError, and *TakenError for an
// "identifier", "scope" or "type" of another API in the organization.
func (a *APIResources) Create(ctx context.Context, api *APIResource) error {
	if err := api.Validate(); err != nil {
		return err
	}
	if api.ID == "" {
		api.ID = store.NewID()
	}
	b := a.db.Batch()
	api.Created = b.Now()
	api.Updated = api.Created
	a.all.Insert(b, api)
	b.Event(api.event("api.created"))
	return taken(b.Apply(ctx))
}

// Get returns the API, or store.ErrNotFound.
func (a *APIResources) Get(ctx context.Context, ref store.Ref) (*APIResource, error) {
	return a.all.Get(ctx, ref)
}

// Find returns the API with the identifier, or store.ErrNotFound. What another node has written may be unknown for
// store.Staleness.
func (a *APIResources) Find(ctx context.Context, org, identifier string) (*APIResource, error) {
	return a.find(ctx, org, func(c *catalog) *APIResource { return c.byIdentifier[identifier] })
}

// WithScope returns the API that a scope belongs to, as Find does.
func (a *APIResources) WithScope(ctx context.Context, org, scope string) (*APIResource, error) {
	return a.find(ctx, org, func(c *catalog) *APIResource { return c.byScope[scope] })
}

// WithType returns the API that a type of authorization_details belongs to, as Find does.
func (a *APIResources) WithType(ctx context.Context, org, typ string) (*APIResource, error) {
	return a.find(ctx, org, func(c *catalog) *APIResource { return c.byType[typ] })
}

func (a *APIResources) find(ctx context.Context, org string, in func(*catalog) *APIResource) (*APIResource, error) {
	c, err := a.catalog(ctx, org)
	if err != nil {
		return nil, err
	}
	if api := in(c); api != nil {
		return api.clone(), nil
	}
	return nil, store.ErrNotFound
}

// List returns a page of APIs. Fields: id, name (compared without regard to case), identifier, kind.
func (a *APIResources) List(ctx context.Context, q store.Query) (store.Listing[APIResource], error) {
	q.Filter = foldFilter(q.Filter)
	return a.all.List(ctx, q)
}

// Replace writes an API over the version that was read. A scope that it has no more is in no token from then on, whoever was
// allowed it. The event is "api.updated". Errors: as Create, and *store.Conflict for a stale version.
func (a *APIResources) Replace(ctx context.Context, api *APIResource) error {
	if err := api.Validate(); err != nil {
		return err
	}
	b := a.db.Batch()
	api.Updated = b.Now()
	a.all.Replace(b, api)
	b.Event(api.event("api.updated"))
	return taken(b.Apply(ctx))
}

// Delete removes an API at the version it was read at, and then what applications were allowed there, which means nothing
// without it. The event is "api.deleted".
func (a *APIResources) Delete(ctx context.Context, api *APIResource) error {
	b := a.db.Batch()
	a.all.Delete(b, api)
	b.Event(api.event("api.deleted"))
	if err := b.Apply(ctx); err != nil {
		return err
	}
	return sweep(ctx, a.db, a.granted, store.Query{Within: store.Subtree, Org: api.Org, Filter: store.Equals("api", pointer(api.Ref()))})
}

// catalog returns all APIs of an organization, as of at most store.Staleness ago.
func (a *APIResources) catalog(ctx context.Context, org string) (*catalog, error) {
	return a.known.Get(ctx, org, func() (*catalog, string, error) {
		c := &catalog{
			byIdentifier: map[string]*APIResource{}, byScope: map[string]*APIResource{}, byType: map[string]*APIResource{},
		}
		for api, err := range a.all.All(ctx, store.Query{Org: org, Limit: wholePage}) {
			if err != nil {
				return nil, "", err
			}
			c.add(api)
		}
		return c, org, nil
	})
}

func (c *catalog) add(api *APIResource) {
	c.byIdentifier[api.Identifier] = api
	for _, s := range api.Scopes {
		c.byScope[s.Name] = api
	}
	for _, t := range api.AuthorizationDetailsTypes {
		c.byType[t.Type] = api
	}
}

// wholePage is the page of those who want everything.
const wholePage = 1000

// maxScopes is how many scopes, or types of details, one API may have.
const maxScopes = 1000

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (a *APIResource) Validate() error {
	var v validation
	v.required("name", a.Name, maxText)
	v.text("description", a.Description, 4*maxText)
	v.required("identifier", a.Identifier, maxText)
	if strings.ContainsFunc(a.Identifier, notVisible) {
		v.add("identifier", "must be visible ASCII without blanks")
	}
	switch a.Kind {
	case BusinessAPI, MCPServer, SystemAPI:
	default:
		v.add("kind", "must be mcp, system or empty")
	}
	if a.Kind == SystemAPI && a.AllApplications {
		v.add("allApplications", "is not for an API of the system")
	}
	if a.AccessTokenFormat != "" && a.AccessTokenFormat != "jwt" && a.AccessTokenFormat != "opaque" {
		v.add("accessTokenFormat", "must be jwt, opaque or empty")
	}
	if a.AccessTokenLifetime < 0 || a.AccessTokenLifetime > longestAccess {
		v.add("accessTokenLifetime", "must be between 0 and %d seconds", longestAccess)
	}
	v.apiScopes(a.Scopes)
	v.detailsTypes(a.AuthorizationDetailsTypes)
	return v.err()
}

// longestAccess is 30 days in seconds, the longest lifetime of anything that is signed.
const longestAccess = 30 * 24 * 60 * 60

func (v *validation) apiScopes(scopes []APIScope) {
	if len(scopes) > maxScopes {
		v.add("scopes", "must be at most %d", maxScopes)
	}
	seen := map[string]bool{}
	for _, s := range scopes {
		v.scopeName("scopes", s.Name)
		v.text("scopes", s.DisplayName, maxText)
		v.text("scopes", s.Description, 4*maxText)
		if isPersonScope(s.Name) {
			v.add("scopes", "%s is a scope about people (OpenID Connect Core §5.4)", s.Name)
		}
		if seen[s.Name] {
			v.add("scopes", "%s stands twice", s.Name)
		}
		seen[s.Name] = true
	}
}

func (v *validation) detailsTypes(types []AuthorizationDetailsType) {
	if len(types) > maxScopes {
		v.add("authorizationDetailsTypes", "must be at most %d", maxScopes)
	}
	seen := map[string]bool{}
	for _, t := range types {
		v.required("authorizationDetailsTypes", t.Type, maxText)
		v.text("authorizationDetailsTypes", t.Name, maxText)
		v.text("authorizationDetailsTypes", t.Description, 4*maxText)
		if len(t.Schema) > maxAttributes || len(t.Schema) > 0 && !json.Valid(t.Schema) {
			v.add("authorizationDetailsTypes", "the schema of %s must be JSON of at most %d bytes", t.Type, maxAttributes)
		}
		if seen[t.Type] {
			v.add("authorizationDetailsTypes", "%s stands twice", t.Type)
		}
		seen[t.Type] = true
	}
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

func (a *APIResource) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: a.Org}, Type: kind, Data: details("api", a.ID, "identifier", a.Identifier)}
}
