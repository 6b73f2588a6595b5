package dpop

import (
	"crypto"
	"encoding/json"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
)

// Sign makes a proof for a request, as a client does. Nonce is the server's, "" for none.
func Sign(key crypto.Signer, a jose.Algorithm, r Request, nonce string, now time.Time) (string, error) {
	payload := map[string]any{"jti": secret.Short().Reveal(), "htm": r.Method, "htu": r.URL, "iat": now.Unix()}
	if r.Token != "" {
		payload["ath"] = secret.Hash(r.Token)
	}
	if nonce != "" {
		payload["nonce"] = nonce
	}
	encoded, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	return jose.SignProof(encoded, a, proofType, key)
}
