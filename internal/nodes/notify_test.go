package nodes_test

import (
	"context"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
)

// With PostgreSQL or Redis a node knows at once what another has written of what is cached: the clocks of both stand still, so
// that nothing becomes known by waiting.
func TestNodesHearEachOther(t *testing.T) {
	t.Parallel()
	for _, p := range places {
		if p.name != "postgres" && p.name != "sqlite and redis" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h, clock := p.furnish(t), time.Now()
			node := func() *signet.Provider {
				config, err := h.open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				config.Issuer, config.Now = "https://id.example.com", func() time.Time { return clock }
				node, err := signet.New(config)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = node.Close() })
				return node
			}
			one, two := node(), node()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- two.Run(ctx) }()
			client := &oidc.Client{ClientID: "shop", RedirectURIs: []string{"https://shop.example.com/0"}}
			if _, err := one.Clients.Create(t.Context(), "Shop", client); err != nil {
				t.Fatal(err)
			}
			if _, err := two.Clients.Find(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			deadline := time.After(time.Minute)
			for known := false; !known; {
				client.RedirectURIs[0] += "1" // and again, as two may not listen yet
				if err := one.Clients.Replace(t.Context(), client); err != nil {
					t.Fatal(err)
				}
				tick := time.NewTicker(20 * time.Millisecond)
				for range 10 {
					found, err := two.Clients.Find(t.Context(), "shop")
					if err != nil {
						t.Fatal(err)
					}
					if known = found.RedirectURIs[0] == client.RedirectURIs[0]; known {
						break
					}
					select {
					case <-tick.C:
					case <-deadline:
						t.Fatal("what one node wrote the other does not know")
					}
				}
				tick.Stop()
			}
			cancel()
			<-ended
		})
	}
}
