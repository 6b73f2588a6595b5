package rp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// keySet is what an issuer publishes at its jwks_uri. A key that is not known has it fetched again (OpenID Connect Core §10.1.1), at
// most once a minute, whoever invents keys.
type keySet struct {
	client *http.Client
	now    func() time.Time
	cache  cache[published]
}

// published is a key set, with the issuer to which its owner has bound a key, by kid: tenants of one provider share the set, and not
// all of them its keys.
type published struct {
	keys    []jose.PublicKey
	issuers map[string]string
}

func newKeySet(client *http.Client, now func() time.Time) keySet {
	return keySet{client: client, now: now, cache: newCache[published]()}
}

// find returns the key for a token's header, and the issuer that alone may use it; "" is any.
func (s keySet) find(ctx context.Context, url string, h jose.Header) (jose.PublicKey, string, error) {
	knows := func(p published) bool {
		_, err := jose.Find(p.keys, h)
		return err == nil
	}
	set, err := s.cache.value(ctx, s.now(), knows, func(ctx context.Context) (published, error) { return s.fetch(ctx, url) })
	if err != nil {
		return jose.PublicKey{}, "", err
	}
	key, err := jose.Find(set.keys, h)
	return key, set.issuers[key.ID], err
}

func (s keySet) fetch(ctx context.Context, url string) (published, error) {
	body, err := fetch(ctx, s.client, url, "application/jwk-set+json, application/json")
	if err != nil {
		return published{}, err
	}
	keys, err := jose.ParseSet(body)
	if err != nil {
		return published{}, wrong("key set", err)
	}
	var bound struct {
		Keys []struct {
			Kid    string `json:"kid"`
			Issuer string `json:"issuer"`
		} `json:"keys"`
	}
	if err := strictjson.Unmarshal(body, &bound); err != nil {
		return published{}, wrong("key set", err)
	}
	p := published{keys: keys, issuers: map[string]string{}}
	for _, k := range bound.Keys {
		if k.Issuer != "" && !strings.Contains(k.Issuer, tenantPlace) {
			p.issuers[k.Kid] = k.Issuer
		}
	}
	return p, nil
}

// verify checks the signature of a token. Errors are ErrInvalid and ErrUnavailable.
func verify(token string, v jose.Verifier, find func(jose.Header) (jose.PublicKey, error)) (payload []byte, err error) {
	_, payload, err = v.Verify(token, find)
	switch {
	case err == nil:
		return payload, nil
	case errors.Is(err, ErrUnavailable):
		return nil, err
	}
	return nil, invalid("%v", err)
}
