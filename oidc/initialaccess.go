package oidc

import (
	"context"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// InitialAccess lets somebody register clients by an initial access token (RFC 7591 §1.2). Its organization is that of the clients,
// and Expires when it ends.
type InitialAccess struct {
	store.Meta
	// Name says whom it was given to: for the operator, and for Registration.Policy.
	Name string `json:"name,omitempty"`
	// Uses is how many clients may still be registered; zero is one, the most is 10,000.
	Uses    int       `json:"uses"`
	Created time.Time `json:"created"`
}

// initialAccessKind holds initial access tokens under their digests. The record is the gate: each use is a conditional write of it.
var initialAccessKind = store.Kind{Name: "oidc.initialaccess"}

var initialAccessType = store.Type[InitialAccess]{Kind: initialAccessKind}

// InitialAccesses keeps the initial access tokens. It is safe for concurrent use.
type InitialAccesses struct {
	db  *store.DB
	all *store.Collection[InitialAccess]
}

// The bounds of an initial access token.
const (
	initialAccessLifetime = 24 * time.Hour
	maxInitialUses        = 10_000
)

// Issue makes an initial access token and returns it: the one time that it can be read. Zero Expires is in a day.
func (s *InitialAccesses) Issue(ctx context.Context, access *InitialAccess) (string, error) {
	switch {
	case access.Uses == 0:
		access.Uses = 1
	case access.Uses < 0 || access.Uses > maxInitialUses:
		return "", &InvalidClientError{"uses", "must be 1 to 10000"}
	}
	fresh := secret.New()
	b := s.db.Batch()
	access.ID, access.Created = fresh.Hash(), b.Now()
	if access.Expires.IsZero() {
		access.Expires = access.Created.Add(initialAccessLifetime)
	}
	s.all.Insert(b, access)
	return locate(initialPrefix, store.Ref{Org: access.Org, ID: fresh.Reveal()}), b.Apply(ctx)
}

// List returns a page of the tokens that are not used up. There is no field to filter by.
func (s *InitialAccesses) List(ctx context.Context, q store.Query) (store.Listing[InitialAccess], error) {
	return s.all.List(ctx, q)
}

// Revoke ends a token at the version it was read at. Clients that were registered by it stay.
func (s *InitialAccesses) Revoke(ctx context.Context, access *InitialAccess) error {
	b := s.db.Batch()
	s.all.Delete(b, access)
	return b.Apply(ctx)
}

// find returns what a token stands for, or store.ErrNotFound.
func (s *InitialAccesses) find(ctx context.Context, token string) (*InitialAccess, error) {
	ref := parseLocator(cutPrefix(initialPrefix, token))
	if ref.ID == "" {
		return nil, store.ErrNotFound
	}
	return s.all.Get(ctx, store.Ref{Org: ref.Org, ID: secret.Hash(ref.ID)})
}

// use adds to the batch that a client is registered by it.
func (s *InitialAccesses) use(b *store.Batch, access *InitialAccess) {
	if access.Uses <= 1 {
		s.all.Delete(b, access)
		return
	}
	left := *access
	left.Uses--
	s.all.Replace(b, &left)
}
