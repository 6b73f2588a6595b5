package authenticator_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/signet-idp/signet/internal/authenticator"
)

// What was read elsewhere signs for the same passkeys, of every algorithm, and counts on from where they were.
func TestTransport(t *testing.T) {
	t.Parallel()
	const creation = `{"rp":{"id":"example.com"},"user":{"id":"YW5u"},"challenge":"Y2hhbGxlbmdl"}`
	const request = `{"rpId":"example.com","challenge":"Y2hhbGxlbmdl"}`
	for _, algorithm := range []int{authenticator.ES256, authenticator.EdDSA, authenticator.RS256} {
		key := authenticator.New("https://id.example.com")
		key.Algorithm = algorithm
		if _, err := key.Create([]byte(creation)); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		var elsewhere authenticator.Authenticator
		if err := json.Unmarshal(text, &elsewhere); err != nil {
			t.Fatal(err)
		}
		here, there := said(t, key, request), said(t, &elsewhere, request)
		for i := range here {
			if len(here[i]) == 0 || !bytes.Equal(here[i], there[i]) {
				t.Errorf("algorithm %d: %q here, %q there", algorithm, here[i], there[i])
			}
		}
		if again, err := json.Marshal(&elsewhere); err != nil || bytes.Equal(again, text) {
			t.Errorf("algorithm %d: it did not count: %v", algorithm, err)
		}
	}
	for _, text := range []string{`{`, `{"passkeys":[{"key":"AAAA"}]}`} {
		if json.Unmarshal([]byte(text), new(authenticator.Authenticator)) == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// said is all of an answer that is the same each time: whose it is, client data and authenticator data.
func said(t *testing.T, a *authenticator.Authenticator, request string) [][]byte {
	t.Helper()
	signed, err := a.Get([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		ID       string `json:"id"`
		Response struct {
			ClientData string `json:"clientDataJSON"`
			Data       string `json:"authenticatorData"`
			Handle     string `json:"userHandle"`
			Signature  string `json:"signature"`
		} `json:"response"`
	}
	if err := json.Unmarshal(signed, &answer); err != nil || answer.Response.Signature == "" {
		t.Fatal(string(signed), err)
	}
	return [][]byte{[]byte(answer.ID), []byte(answer.Response.ClientData), []byte(answer.Response.Data), []byte(answer.Response.Handle)}
}
