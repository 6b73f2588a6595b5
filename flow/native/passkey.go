package native

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
)

// passkeyParam is what a program sends for a passkey.
var passkeyParam = Param{Name: "tokenResponse", Field: "credential"}

// challenge is what a program asks of its platform.
type challenge struct {
	RequestID string          `json:"requestId"`
	Get       json.RawMessage `json:"publicKeyCredentialRequestOptions,omitempty"`
	Create    json.RawMessage `json:"publicKeyCredentialCreationOptions,omitempty"`
}

// requestID tells one challenge from another. What binds the answer is the challenge itself.
func requestID(w *flow.WebAuthn) string { return secret.Hash(string(w.Options)) }

// challengeData is the challenge as base64url of JSON.
func challengeData(w *flow.WebAuthn) string {
	c := challenge{RequestID: requestID(w)}
	if w.Ceremony == flow.WebAuthnCreate {
		c.Create = w.Options
	} else {
		c.Get = w.Options
	}
	text, err := json.Marshal(c)
	if err != nil { // the options are JSON of ours
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// credentialOf is the credential in a tokenResponse: base64 of JSON, in any spelling, as programs differ in that.
func credentialOf(w *flow.WebAuthn, response string) (string, bool) {
	spelled := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(response, "="))
	text, err := base64.RawURLEncoding.DecodeString(spelled)
	if err != nil {
		return "", false
	}
	var sent struct {
		RequestID  string                     `json:"requestId"`
		Credential map[string]json.RawMessage `json:"credential"`
	}
	if err := strictjson.Unmarshal(text, &sent, strictjson.Depth(8)); err != nil || sent.RequestID != requestID(w) || sent.Credential == nil {
		return "", false
	}
	if _, ok := sent.Credential["rawId"]; !ok { // which some platforms leave out, as it is the id
		sent.Credential["rawId"] = sent.Credential["id"]
	}
	credential, err := json.Marshal(sent.Credential)
	return string(credential), err == nil
}
