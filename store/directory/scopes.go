package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
)

var (
	scopeKind = store.Kind{Name: "directory.scope"}
	scopeType = store.Type[Scope]{
		Kind: scopeKind,
		Keys: func(s *Scope) []store.Key { return []store.Key{{Name: "name", Value: s.Name}} },
		Index: func(s *Scope) []store.Entry {
			return []store.Entry{{Field: "id", Value: store.Text(s.ID)}, {Field: "name", Value: store.Text(s.Name)}}
		},
		Cached: true,
	}
)

// Scopes keeps the scopes about people.
type Scopes struct {
	db    *store.DB
	all   *store.Collection[Scope]
	known *store.Cache[string, map[string]*Scope] // by organization, then by name
}

func newScopes(db *store.DB) *Scopes {
	all := store.NewCollection(db, scopeType)
	return &Scopes{db: db, all: all, known: store.NewCache[string, map[string]*Scope](db, all)}
}

// Create adds a scope; a missing ID is filled in. The event is "scope.created". Errors: *InvalidError, *TakenError.
func (s *Scopes) Create(ctx context.Context, scope *Scope) error {
	if err := scope.Validate(); err != nil {
		return err
	}
	if scope.ID == "" {
		scope.ID = store.NewID()
	}
	b := s.db.Batch()
	scope.Created = b.Now()
	scope.Updated = scope.Created
	s.all.Insert(b, scope)
	b.Event(scope.event("scope.created"))
	return taken(b.Apply(ctx))
}

// Get returns the scope, or store.ErrNotFound.
func (s *Scopes) Get(ctx context.Context, ref store.Ref) (*Scope, error) { return s.all.Get(ctx, ref) }

// Named returns the scopes of an organization by their names. The map and what is in it are shared and must not be changed.
// What another node has written may be unknown for store.Staleness.
func (s *Scopes) Named(ctx context.Context, org string) (map[string]*Scope, error) {
	return s.known.Get(ctx, org, func() (map[string]*Scope, string, error) {
		named := map[string]*Scope{}
		for scope, err := range s.all.All(ctx, store.Query{Org: org, Limit: wholePage}) {
			if err != nil {
				return nil, "", err
			}
			named[scope.Name] = scope
		}
		return named, org, nil
	})
}

// List returns a page of scopes. Fields: id, name.
func (s *Scopes) List(ctx context.Context, q store.Query) (store.Listing[Scope], error) {
	return s.all.List(ctx, q)
}

// Replace writes a scope over the version that was read. The event is "scope.updated". Errors: as Create, and
// *store.Conflict for a stale version.
func (s *Scopes) Replace(ctx context.Context, scope *Scope) error {
	if err := scope.Validate(); err != nil {
		return err
	}
	b := s.db.Batch()
	scope.Updated = b.Now()
	s.all.Replace(b, scope)
	b.Event(scope.event("scope.updated"))
	return taken(b.Apply(ctx))
}

// Delete removes a scope at the version it was read at. The event is "scope.deleted".
func (s *Scopes) Delete(ctx context.Context, scope *Scope) error {
	b := s.db.Batch()
	s.all.Delete(b, scope)
	b.Event(scope.event("scope.deleted"))
	return b.Apply(ctx)
}

// maxScopeName is how long the name of a scope may be.
const maxScopeName = 128

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (s *Scope) Validate() error {
	var v validation
	v.scopeName("name", s.Name)
	if s.Name == "openid" || s.Name == "offline_access" {
		v.add("name", "%s has a meaning of its own (OpenID Connect Core §5.4, §11)", s.Name)
	}
	v.text("displayName", s.DisplayName, maxText)
	v.text("description", s.Description, 4*maxText)
	if len(s.Claims) > maxScopes {
		v.add("claims", "must be at most %d", maxScopes)
	}
	for i, name := range s.Claims {
		if v.required("claims", name, maxText); slices.Contains(s.Claims[:i], name) {
			v.add("claims", "%s stands twice", name)
		}
	}
	return v.err()
}

// scopeName checks a scope-token (RFC 6749 §3.3). Protocols ask for consent to single claims as "claim:<name>", which no scope
// may be taken for.
func (v *validation) scopeName(field, name string) {
	switch {
	case name == "" || len(name) > maxScopeName:
		v.add(field, "must have 1 to %d characters", maxScopeName)
	case strings.ContainsFunc(name, notVisible) || strings.ContainsAny(name, `"\`):
		v.add(field, "must be visible ASCII without blanks, quotes and backslashes")
	case strings.HasPrefix(name, "claim:"):
		v.add(field, "must not begin with claim:, which asks for single claims")
	}
}

func (s *Scope) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: s.Org}, Type: kind, Data: details("scope", s.Name)}
}
