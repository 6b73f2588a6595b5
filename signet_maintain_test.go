package signet_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const day = 24 * time.Hour

// kid is the id of the key that signed a JWT.
func kid(t *testing.T, token string) string {
	t.Helper()
	var header struct{ KID string }
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil || json.Unmarshal(raw, &header) != nil || header.KID == "" {
		t.Fatalf("no header in %q", token)
	}
	return header.KID
}

// published are the ids of the keys in the key set.
func published(t *testing.T, h http.Handler, issuer string) []string {
	t.Helper()
	var set struct{ Keys []struct{ KID string } }
	answer := request(t, h, http.MethodGet, issuer+"/oauth2/jwks")
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range set.Keys {
		ids = append(ids, key.KID)
	}
	return ids
}

// In three months Maintain publishes the next keys, lets them sign, and removes what has expired.
func TestMaintain(t *testing.T) {
	t.Parallel()
	driver := memory.New()
	idp := idptest.New(t, func(c *signet.Config) { c.Store, c.SigningKeys = driver, nil })
	maintain := func() {
		t.Helper()
		if err := idp.Provider.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ann, app := idp.User("ann"), idp.App(callback)
	first := kid(t, idp.SignIn(ann, app).IDToken)
	before := published(t, idp.Provider, idp.URL)
	if !slices.Contains(before, first) {
		t.Fatalf("%s signs, but published are %q", first, before)
	}

	idp.Advance(76*day + time.Hour)
	maintain()
	ahead := published(t, idp.Provider, idp.URL)
	if len(ahead) != 2*len(before) {
		t.Errorf("published before the change are %q, at first %q", ahead, before)
	}
	if got := kid(t, idp.SignIn(ann, app).IDToken); got != first {
		t.Error("the next key signs before verifiers know it")
	}

	idp.Advance(15 * day)
	if n, err := driver.Purge(t.Context(), idp.Now(), 1); n != 1 || err != nil {
		t.Fatalf("nothing has expired in three months: %d, %v", n, err)
	}
	maintain()
	if n, err := driver.Purge(t.Context(), idp.Now(), 1); n != 0 || err != nil {
		t.Errorf("Maintain leaves what has expired: %d, %v", n, err)
	}
	second := kid(t, idp.SignIn(ann, app).IDToken)
	if second == first || !slices.Contains(ahead, second) {
		t.Errorf("after three months %s signs, of %q", second, ahead)
	}
	if !slices.Contains(published(t, idp.Provider, idp.URL), first) {
		t.Error("what the first key signed cannot be verified any more")
	}
}

func TestMaintainFails(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	idp.Fail(nil)
	if err := idp.Provider.Maintain(t.Context()); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("Maintain = %v", err)
	}
}

// Of several nodes that maintain one does the work, and another takes over when it is gone.
func TestMaintainOnOneNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := memory.New()
		var nodes []*signet.Provider
		var purges []*storetest.Faulty
		for range 3 {
			faults := storetest.Faults(driver)
			purges = append(purges, faults)
			nodes = append(nodes, open(t, func(c *signet.Config) { c.Store = faults }))
		}
		worked := func(nodes ...*signet.Provider) (by []int) {
			t.Helper()
			for _, node := range nodes {
				if err := node.Maintain(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for i, faults := range purges {
				for _, call := range faults.Calls() {
					if call.Method == storetest.MethodPurge {
						by = append(by, i)
					}
				}
				faults.Forget()
			}
			return by
		}
		for range 3 {
			if by := worked(nodes...); !slices.Equal(by, []int{0}) {
				t.Errorf("the work was done by %v", by)
			}
			time.Sleep(time.Minute)
		}
		if by := worked(nodes[2], nodes[1]); len(by) != 0 {
			t.Errorf("a minute after the first was seen the work is done by %v", by)
		}
		time.Sleep(time.Minute)
		if by := worked(nodes[2], nodes[1]); !slices.Equal(by, []int{2}) {
			t.Errorf("the first is gone, and the work was done by %v", by)
		}
	})
}

// Run maintains at once and every minute, goes on after a failure, and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := storetest.Faults(memory.New())
		var log strings.Builder
		p := open(t, func(c *signet.Config) { c.Store, c.Logger = faults, slog.New(slog.NewTextHandler(&log, nil)) })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		rounds := func(want int) {
			t.Helper()
			synctest.Wait()
			got := 0
			for _, call := range faults.Calls() {
				if call.Method == storetest.MethodPurge {
					got++
				}
			}
			if got != want {
				t.Errorf("%d rounds, want %d", got, want)
			}
		}
		rounds(1)
		time.Sleep(time.Minute)
		rounds(2)
		faults.FailNext(storetest.MethodPurge, nil)
		time.Sleep(time.Minute)
		rounds(3)
		if !strings.Contains(log.String(), storetest.ErrInjected.Error()) {
			t.Errorf("the failure is not in the log:\n%s", &log)
		}
		time.Sleep(10 * time.Minute)
		rounds(13)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 {
			t.Errorf("%d log lines:\n%s", lines, &log)
		}
	})
}
