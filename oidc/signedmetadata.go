package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// SignedMetadata has the discovery document say once more what it says in a JWT that the issuer has signed (signed_metadata, RFC 8414 §2.1), for
// those who get it by ways that they do not trust, and have the keys from elsewhere. Who reads the document over https learns nothing from it.
type SignedMetadata struct {
	// Algorithm signs; "" is the first of the algorithms for which there are keys.
	Algorithm string
}

func (f SignedMetadata) part(p *Provider) (part, error) {
	algorithm, there := f.Algorithm, algorithmNames(p.config.Profile.narrow(p.keys.algorithms))
	if algorithm == "" && len(there) > 0 {
		algorithm = there[0]
	}
	if !slices.Contains(there, algorithm) {
		return part{}, fmt.Errorf("oidc: Config.Features.SignedMetadata.Algorithm %q is none for which there are keys", algorithm)
	}
	p.signedMetadata = &signedMetadata{algorithm: algorithm}
	return part{}, nil
}

// typMetadata keeps the JWT from being taken for another, and another for it (RFC 8725 §3.11).
const typMetadata = "oauth-authorization-server-metadata+jwt"

// signedMetadata remembers the document that was signed, until another key signs.
type signedMetadata struct {
	algorithm string

	mu       sync.Mutex
	signedBy string // kid
	document []byte
}

// discovery is the discovery document, signed by the present key where that is asked for.
func (p *Provider) discovery(ctx context.Context) ([]byte, error) {
	s := p.signedMetadata
	if s == nil {
		return p.console, nil
	}
	key, err := p.keys.signer(ctx, s.algorithm)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signedBy == key.id {
		return s.document, nil
	}
	document, err := withSignature(p.console, key, map[string]any{"iss": p.site.Issuer(), "iat": p.db.Now().Unix()})
	if err != nil {
		return nil, err
	}
	s.signedBy, s.document = key.id, document
	return document, nil
}

// withSignature adds signed_metadata to a document.
func withSignature(document []byte, key signingKey, more map[string]any) ([]byte, error) {
	var members map[string]any
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, err
	}
	said := maps.Clone(members)
	maps.Copy(said, more)
	claims, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	if members["signed_metadata"], err = key.sign(typMetadata, claims); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
