package challenge_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/challenge"
)

// asked is what a platform reads in a challenge.
func asked(t testing.TB, data string) map[string]json.RawMessage {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]json.RawMessage
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// An answer is taken in the spellings of platforms, and to its own challenge alone.
func TestCredential(t *testing.T) {
	t.Parallel()
	options := json.RawMessage(`{"challenge":"AAAA"}`)
	get, create := asked(t, challenge.Data(options, false)), asked(t, challenge.Data(options, true))
	if string(get["publicKeyCredentialRequestOptions"]) != string(options) || get["publicKeyCredentialCreationOptions"] != nil ||
		string(create["publicKeyCredentialCreationOptions"]) != string(options) {
		t.Fatalf("%s, %s", get, create)
	}
	answer := `{"requestId":` + string(get["requestId"]) + `,"credential":{"id":"~~~???>>>"}}`
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		response := encoding.EncodeToString([]byte(answer))
		credential, ok := challenge.Credential(options, response)
		if !ok || !strings.Contains(credential, `"rawId":"~~~???`) {
			t.Errorf("%s: %s, %v", response, credential, ok)
		}
		if _, ok := challenge.Credential(json.RawMessage(`{"challenge":"BBBB"}`), response); ok {
			t.Errorf("%s answers another challenge", response)
		}
	}
	for _, broken := range []string{"", "!", base64.RawURLEncoding.EncodeToString([]byte(`{"requestId":` + string(get["requestId"]) + `}`))} {
		if _, ok := challenge.Credential(options, broken); ok {
			t.Errorf("%q is taken", broken)
		}
	}
}

// FuzzCredential holds that what is taken is an object that a platform could have sent.
func FuzzCredential(f *testing.F) {
	options := json.RawMessage(`{"challenge":"AAAA"}`)
	get := asked(f, challenge.Data(options, false))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"requestId":` + string(get["requestId"]) + `,"credential":{"id":"x"}}`)))
	f.Add("e30=")
	f.Fuzz(func(t *testing.T, response string) {
		credential, ok := challenge.Credential(options, response)
		if !ok {
			return
		}
		var parts map[string]json.RawMessage
		if err := json.Unmarshal([]byte(credential), &parts); err != nil || parts["rawId"] == nil && parts["id"] != nil {
			t.Errorf("%q is %q: %v", response, credential, err)
		}
	})
}
