package e2e_test

import (
	"context"
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/mfa"
)

// seed is what an authenticator app keeps.
type seed []byte

// authenticator reads the key that the page shows for typing.
func authenticator(t *testing.T, tab context.Context) seed {
	t.Helper()
	key := strings.Join(strings.Fields(text(t, tab, "manual_key")), "")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	if err != nil {
		t.Fatalf("key %q: %v %s", key, err, describe(tab))
	}
	return raw
}

func (s seed) code(t *testing.T, at time.Time) string {
	t.Helper()
	code, err := mfa.TOTP{}.Code(s, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}
