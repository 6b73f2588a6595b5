package signet_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// One Observer hears of the protocol's refusals and of the flow's.
func TestObserver(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		var mu sync.Mutex
		var seen []string
		idp := idptest.New(t, placed(p), func(c *signet.Config) {
			c.Observer = func(_ context.Context, o directory.Observation) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, o.Type+" "+o.Code)
			}
		})
		ann, b := idp.User("ann"), idp.Browser()
		b.Open(idp.URL + "/oauth2/authorize?client_id=nobody")
		b.Open(idp.App(callback).Request().URL).Fill("username", ann.Username).Fill("password", "wrong").Submit("login")
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"request.refused invalid_client", "attempt.failed password.wrong"}; !slices.Equal(seen, want) {
			t.Errorf("observed %q, want %q", seen, want)
		}
	})
}

// placed puts a provider's records where a Placement says.
func placed(p storetest.Placement) func(*signet.Config) {
	return func(c *signet.Config) { c.Store, c.Ephemeral = p.Driver, p.Ephemeral }
}
