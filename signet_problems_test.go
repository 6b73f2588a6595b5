package signet_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// Every problem at once, whichever part it is in.
func TestNewReportsEveryProblem(t *testing.T) {
	t.Parallel()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	_, err = signet.New(signet.Config{
		Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
		Lock:    directory.LockPolicy{Failures: 1000},
		Locales: fstest.MapFS{"xx.json": {Data: []byte("{")}},
		Tokens:  signet.TokenLifetimes{Code: time.Hour, Access: time.Millisecond},
	})
	if err == nil {
		t.Fatal("New takes everything")
	}
	for _, part := range []string{"failures", "xx.json"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
	_, err = signet.New(signet.Config{
		Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
		Locales: fstest.MapFS{"xx.json": {Data: []byte("{")}},
		Tokens:  signet.TokenLifetimes{Code: time.Hour, Access: time.Millisecond},
	})
	for _, part := range []string{"xx.json", "CodeLifetime", "AccessTokenLifetime"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
}
