// Package challenge is how programs are asked for a passkey, and how they answer: the wire form that the transports of flows for
// programs share.
package challenge

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
)

// Param is the name of the parameter in which programs send a credential.
const Param = "tokenResponse"

// challenge is what a program asks of its platform.
type challenge struct {
	RequestID string          `json:"requestId"`
	Get       json.RawMessage `json:"publicKeyCredentialRequestOptions,omitempty"`
	Create    json.RawMessage `json:"publicKeyCredentialCreationOptions,omitempty"`
}

// requestID tells one challenge from another. What binds the answer is the challenge itself.
func requestID(options []byte) string { return secret.Hash(string(options)) }

// Data is what the platform is asked, as base64url of JSON: a PublicKeyCredentialCreationOptionsJSON when create is set, else a
// PublicKeyCredentialRequestOptionsJSON.
func Data(options json.RawMessage, create bool) string {
	c := challenge{RequestID: requestID(options)}
	if create {
		c.Create = options
	} else {
		c.Get = options
	}
	text, err := json.Marshal(c)
	if err != nil { // the options are JSON of ours
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Credential is the credential in a tokenResponse: base64 of JSON, in any spelling, as programs differ in that. It reports false for
// one that is not well-formed, or answers other options.
func Credential(options json.RawMessage, response string) (string, bool) {
	spelled := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(response, "="))
	text, err := base64.RawURLEncoding.DecodeString(spelled)
	if err != nil {
		return "", false
	}
	var sent struct {
		RequestID  string                     `json:"requestId"`
		Credential map[string]json.RawMessage `json:"credential"`
	}
	if err := strictjson.Unmarshal(text, &sent, strictjson.Depth(8)); err != nil || sent.RequestID != requestID(options) || sent.Credential == nil {
		return "", false
	}
	if _, ok := sent.Credential["rawId"]; !ok { // which some platforms leave out, as it is the id
		sent.Credential["rawId"] = sent.Credential["id"]
	}
	credential, err := json.Marshal(sent.Credential)
	return string(credential), err == nil
}
