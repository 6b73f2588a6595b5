package mfa

import "encoding/json"

// AcceptedPasskeys is what a page hands to PublicKeyCredential.signalAllAcceptedCredentials (WebAuthn §5.1.11.2) after the passkeys of
// a person who is signed in have changed: authenticators hide those of the person that are not listed. The keys have to be all
// that the person has; one left out is lost.
func (rp *RelyingParty) AcceptedPasskeys(userHandle []byte, keys []Passkey) json.RawMessage {
	ids := []encoded{}
	for _, key := range keys {
		ids = append(ids, key.ID)
	}
	return signal(struct {
		RPID   string    `json:"rpId"`
		UserID encoded   `json:"userId"`
		IDs    []encoded `json:"allAcceptedCredentialIds"`
	}{rp.config.RPID, userHandle, ids})
}

// UnknownPasskey is what a page hands to PublicKeyCredential.signalUnknownCredential (WebAuthn §5.1.11.1): authenticators delete the passkey
// for good. So it is for an id that a store has said for certain that it does not have, never for one that it could not look up.
func (rp *RelyingParty) UnknownPasskey(id []byte) json.RawMessage {
	return signal(struct {
		RPID string  `json:"rpId"`
		ID   encoded `json:"credentialId"`
	}{rp.config.RPID, id})
}

func signal(document any) json.RawMessage {
	encoded, _ := json.Marshal(document) // strings always encode
	return encoded
}
