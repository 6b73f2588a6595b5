package resource

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
)

// SignedMetadata has the metadata document say once more what it says in a JWT (signed_metadata, RFC 9728 §2.2), for those who get it by ways
// that they do not trust and know the key from elsewhere.
type SignedMetadata struct {
	// KeyID is the kid under which the key is known; "" names none.
	KeyID string
	// Algorithm is what the key signs by: "ES256". Required.
	Algorithm string
	// Signer holds the key, perhaps elsewhere. New signs once with it. Required.
	Signer crypto.Signer
	// Issuer vouches for the metadata; "" is the Resource itself.
	Issuer string
	// JWKSURI is where the resource publishes its keys, for the document to say (jwks_uri, RFC 9728 §2); "" says nothing.
	JWKSURI string
}

// typMetadata keeps the JWT from being taken for another, and another for it (RFC 8725 §3.11).
const typMetadata = "oauth-protected-resource-metadata+jwt"

func (s *SignedMetadata) check() error {
	switch {
	case s == nil:
	case s.Signer == nil || !slices.Contains(jose.Supported(), jose.Algorithm(s.Algorithm)):
		return fmt.Errorf("resource: Config.SignedMetadata needs a Signer, and an Algorithm that is one of %v", jose.Supported())
	}
	return nil
}

// sign adds signed_metadata to a document. All claims are of the document but who says so and when; the JWT is not among them.
func (s *SignedMetadata) sign(document []byte, resource string, now time.Time) ([]byte, error) {
	var members map[string]any
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, err
	}
	said := maps.Clone(members)
	said["iss"], said["iat"] = resource, now.Unix()
	if s.Issuer != "" {
		said["iss"] = s.Issuer
	}
	claims, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	token, err := jose.Sign(claims, jose.Header{Alg: jose.Algorithm(s.Algorithm), Kid: s.KeyID, Typ: typMetadata}, s.Signer)
	if err != nil {
		return nil, errors.Join(errors.New("resource: Config.SignedMetadata does not sign"), err)
	}
	members["signed_metadata"] = token
	return json.Marshal(members)
}
