package authenticator

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
)

// written is an Authenticator on its way to another process.
type written struct {
	Origin    string       `json:"origin"`
	AAGUID    [16]byte     `json:"aaguid"`
	Algorithm int          `json:"algorithm"`
	Verifies  bool         `json:"verifies"`
	Eligible  bool         `json:"eligible"`
	BackedUp  bool         `json:"backed_up"`
	Counts    uint32       `json:"counts"`
	Passkeys  []writtenKey `json:"passkeys"`
}

type writtenKey struct {
	ID        []byte `json:"id"`
	Handle    []byte `json:"handle"`
	RPID      string `json:"rp_id"`
	Key       []byte `json:"key"` // PKCS #8
	Public    []byte `json:"public"`
	Algorithm int    `json:"algorithm"`
	Counter   uint32 `json:"counter"`
}

// MarshalJSON implements json.Marshaler: another process goes on with a Clone, private keys included. Attest, CA and Lie stay behind.
func (a *Authenticator) MarshalJSON() ([]byte, error) {
	w := written{
		Origin: a.Origin, AAGUID: a.AAGUID, Algorithm: a.Algorithm, Verifies: a.Verifies, Eligible: a.Eligible, BackedUp: a.BackedUp, Counts: a.Counts,
	}
	for _, key := range a.passkeys {
		private, err := x509.MarshalPKCS8PrivateKey(key.key)
		if err != nil {
			return nil, err
		}
		w.Passkeys = append(w.Passkeys, writtenKey{
			ID: key.id, Handle: key.handle, RPID: key.rpID, Key: private, Public: key.public, Algorithm: key.algorithm, Counter: key.counter,
		})
	}
	return json.Marshal(w)
}

// UnmarshalJSON implements json.Unmarshaler: it reads what MarshalJSON wrote, in place of all that the Authenticator was.
func (a *Authenticator) UnmarshalJSON(data []byte) error {
	var w written
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	read := Authenticator{
		Origin: w.Origin, AAGUID: w.AAGUID, Algorithm: w.Algorithm, Verifies: w.Verifies, Eligible: w.Eligible, BackedUp: w.BackedUp, Counts: w.Counts,
	}
	for _, key := range w.Passkeys {
		private, err := x509.ParsePKCS8PrivateKey(key.Key)
		if err != nil {
			return err
		}
		signer, ok := private.(crypto.Signer)
		if !ok {
			return fmt.Errorf("authenticator: a %T does not sign", private)
		}
		read.passkeys = append(read.passkeys, &passkey{
			id: key.ID, handle: key.Handle, rpID: key.RPID, key: signer, public: key.Public, algorithm: key.Algorithm, counter: key.Counter,
		})
	}
	*a = read
	return nil
}
