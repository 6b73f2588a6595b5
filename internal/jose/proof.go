package jose

import (
	"crypto"
	"fmt"

	"github.com/signet-idp/signet/internal/strictjson"
)

// VerifyProof is Verify for a token that carries the key to verify it with in its own "jwk" header, as a DPoP proof does (RFC 9449
// §4.2). It returns the key's thumbprint, which "jkt" confirms (§6.1), and the payload: whoever made the token holds that key, and nothing
// else is proven. This is the one place where a key inside a token is looked at; never use it for any other kind of token.
//
// Errors are those of Verify; a key that is missing, private, symmetric or not of the token's algorithm is ErrKey.
func (v Verifier) VerifyProof(token string) (thumbprint string, payload []byte, err error) {
	u, header, err := split(token, v.maxSize())
	if err != nil {
		return "", nil, err
	}
	var said struct {
		headerMembers
		JWK *jwk `json:"jwk"`
	}
	if err := strictjson.Unmarshal(header, &said); err != nil {
		return "", nil, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	if u.header, err = said.judge(); err != nil {
		return "", nil, err
	}
	if said.JWK == nil {
		return "", nil, fmt.Errorf("%w: no jwk in the header", ErrKey)
	}
	var key PublicKey
	if _, payload, err = v.VerifyParsed(u, func(h Header) (PublicKey, error) {
		key, err = said.JWK.proofKey(h.Alg)
		return key, err
	}); err != nil {
		return "", nil, err
	}
	own, err := membersOf(key.Key)
	if err != nil {
		return "", nil, err
	}
	thumbprint, err = own.thumbprint()
	return thumbprint, payload, err
}

// proofKey returns k pinned to the algorithm of the token that carries it.
func (k jwk) proofKey(a Algorithm) (PublicKey, error) {
	key, err := k.publicKey()
	if err != nil {
		return PublicKey{}, err
	}
	return Find([]PublicKey{key}, Header{Alg: a})
}

// SignProof is Sign with the public half of the key in the header, as a DPoP proof has it (RFC 9449 §4.2).
func SignProof(claims []byte, a Algorithm, typ string, key crypto.Signer) (string, error) {
	if key == nil {
		return "", fmt.Errorf("%w: no key", ErrKey)
	}
	public, err := membersOf(key.Public())
	if err != nil {
		return "", err
	}
	return sign(claims, a, struct {
		Alg Algorithm `json:"alg"`
		Typ string    `json:"typ"`
		JWK members   `json:"jwk"`
	}{a, typ, public}, key)
}
