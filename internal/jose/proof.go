package jose

import (
	"crypto"
	"encoding/json"
	"fmt"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/strictjson"
)

// ProofKey returns the key that a DPoP proof carries in its own "jwk" header (RFC 9449 §4.2), pinned to the proof's
// algorithm; its ID is the thumbprint that "jkt" confirms (§6.1). Possession is proven only once Verify has accepted the proof with
// this key. This is the one place where a key inside a token is looked at; never use it for any other kind of token.
// Errors are ErrMalformed, ErrAlgorithm and ErrKey, the latter also for a private or symmetric key.
func ProofKey(token string) (PublicKey, error) {
	m, err := parse(token, DefaultMaxSize)
	if err != nil {
		return PublicKey{}, err
	}
	if m.jwk == nil {
		return PublicKey{}, fmt.Errorf("%w: no jwk in the header", ErrKey)
	}
	var k jwk
	if err := strictjson.Unmarshal(m.jwk, &k); err != nil {
		return PublicKey{}, fmt.Errorf("%w: jwk: %v", ErrMalformed, err)
	}
	key, err := k.publicKey()
	if err != nil {
		return PublicKey{}, err
	}
	if key, err = Find([]PublicKey{key}, Header{Alg: m.header.Alg}); err != nil {
		return PublicKey{}, err
	}
	key.ID, err = Thumbprint(key.Key)
	return key, err
}

// SignProof is Sign with the public half of the key in the header, as a DPoP proof has it (RFC 9449 §4.2).
func SignProof(claims []byte, a Algorithm, typ string, key crypto.Signer) (string, error) {
	if key == nil {
		return "", fmt.Errorf("%w: no key", ErrKey)
	}
	public, err := (&gojose.JSONWebKey{Key: key.Public()}).MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrKey, err)
	}
	return sign(claims, a, struct {
		Alg Algorithm       `json:"alg"`
		Typ string          `json:"typ"`
		JWK json.RawMessage `json:"jwk"`
	}{a, typ, public}, key)
}
