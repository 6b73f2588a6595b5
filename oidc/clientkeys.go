package oidc

import (
	"context"
	"errors"
	"sync"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
)

// clientKeySet is what the JWK Set of a client means. Keys for signatures and keys for encryption are kept apart (RFC 7517 §4.2): one
// that says use=enc verifies nothing.
type clientKeySet struct {
	signing    []jose.PublicKey
	encryption []jose.EncryptionKey
}

// parseClientKeys reads a JWK Set. A set with a private or symmetric key, or without any that is of use, is an error.
func parseClientKeys(document []byte) (*clientKeySet, error) {
	signing, err := jose.ParseSet(document)
	encryption, encErr := jose.ParseEncryptionSet(document)
	switch {
	case err != nil && encErr != nil:
		return nil, err
	case len(signing)+len(encryption) == 0:
		return nil, jose.ErrKey
	}
	return &clientKeySet{signing, encryption}, nil
}

// publishedClientKeys are the key sets at jwks_uri. What a client takes out of its set is believed for an hour at most.
var publishedClientKeys = fetch.Kind[*clientKeySet]{Name: "client jwks", Decode: parseClientKeys}

// clientKeysPart judges the keys that clients register, for whichever features read them.
func (p *Provider) clientKeysPart() part {
	return part{features: []string{"client keys"}, check: func(c *Client, bad report) {
		if len(c.JWKS) > 0 && c.JWKSURI != "" { // RFC 7591 §2
			bad("jwks", "and jwks_uri must not both stand")
		}
		if len(c.JWKS) > 0 {
			if _, err := parseClientKeys(c.JWKS); err != nil {
				bad("jwks", "is no JWK Set of public keys that are strong enough (RFC 7517 §5)")
			}
		}
		if c.JWKSURI != "" && p.fetch.Check(c.JWKSURI) != nil {
			bad("jwks_uri", "is not an https URL with a public host")
		}
	}}
}

// hasKeys reports whether the client has registered keys of its own.
func (c *Client) hasKeys() bool { return len(c.JWKS) > 0 || c.JWKSURI != "" }

// clientSigningKey returns the key with which the client has signed something with that header. Errors are those of findClientKey.
func (p *Provider) clientSigningKey(ctx context.Context, c *Client, h jose.Header) (jose.PublicKey, error) {
	return findClientKey(ctx, p, c, func(set *clientKeySet) (jose.PublicKey, error) { return jose.Find(set.signing, h) })
}

// clientEncryptionKey returns the key to encrypt to for the client. Errors are those of findClientKey.
func (p *Provider) clientEncryptionKey(ctx context.Context, c *Client, alg jose.KeyManagement) (jose.EncryptionKey, error) {
	return findClientKey(ctx, p, c, func(set *clientKeySet) (jose.EncryptionKey, error) { return jose.FindEncryption(set.encryption, alg) })
}

// findClientKey returns what find finds in the set of this client, and of no other. A set that the client publishes may have
// changed, so one that lacks the key is fetched again, at a bounded rate. When there is none, the error is jose.ErrKey; when the set
// cannot be had, it is one of fetch.
func findClientKey[K any](ctx context.Context, p *Provider, c *Client, find func(*clientKeySet) (K, error)) (K, error) {
	var none K
	if c.JWKSURI == "" {
		set, err := p.registeredKeys.parse(c.JWKS)
		if err != nil {
			return none, err
		}
		return find(set)
	}
	return findPublishedKey(ctx, p, publishedClientKeys, c.JWKSURI, find)
}

// findPublishedKey returns what find finds in a published set, or in a newer one. Errors are those of findClientKey.
func findPublishedKey[S, K any](ctx context.Context, p *Provider, kind fetch.Kind[S], uri string, find func(S) (K, error)) (K, error) {
	var none K
	published, err := kind.Get(ctx, p.fetch, uri)
	if err != nil {
		return none, err
	}
	key, err := find(published.Value)
	if !errors.Is(err, jose.ErrKey) {
		return key, err
	}
	if published, err = kind.Renew(ctx, p.fetch, uri, published); err != nil {
		return none, err
	}
	return find(published.Value)
}

// isClientKeyFault reports whether an error of findClientKey is about the client: it has no such key, or its set cannot be had. Any
// other is about us.
func isClientKeyFault(err error) bool {
	return isTokenFault(err) || errors.Is(err, fetch.ErrRefused) || errors.Is(err, fetch.ErrFailed)
}

// keySetMemory remembers what registered sets mean: they are parsed when a client is used, and seldom change.
type keySetMemory struct {
	mu   sync.Mutex
	sets map[string]*clientKeySet // by document
}

const maxRemembered = 1000

func (m *keySetMemory) parse(document []byte) (*clientKeySet, error) {
	m.mu.Lock()
	set, ok := m.sets[string(document)]
	m.mu.Unlock()
	if ok {
		return set, nil
	}
	if len(document) == 0 {
		return nil, jose.ErrKey
	}
	set, err := parseClientKeys(document)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sets == nil || len(m.sets) >= maxRemembered {
		m.sets = make(map[string]*clientKeySet)
	}
	m.sets[string(document)] = set
	return set, nil
}
