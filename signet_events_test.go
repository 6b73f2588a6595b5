package signet_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
)

// A consumer gets every event that it wants, once, also after it has failed, and events are kept as long as the host says.
func TestConsumers(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) {
		c.Consumers = []store.Consumer{{Name: "crm", Types: []string{"user.created", "session.started"}}, {Name: "all"}}
		c.EventRetention = 48 * time.Hour
	})
	app, ann := idp.App(callback), idp.User("ann")
	idp.SignIn(ann, app)
	ctx, db := t.Context(), idp.Provider.DB
	claim := func(want int) []*store.Claimed {
		t.Helper()
		claimed, err := db.Claim(ctx, "crm", time.Minute, 100)
		if err != nil || len(claimed) != want {
			t.Fatalf("%d deliveries, %v; want %d", len(claimed), err, want)
		}
		return claimed
	}
	seen := map[string]int{}
	for _, c := range claim(2) {
		if err := db.Fail(ctx, c, "crm is away", idp.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	claim(0)
	idp.Advance(time.Minute)
	for _, c := range claim(2) {
		seen[c.Event.Type]++
		if c.Attempts() != 2 || c.Event.Subject != idp.Provider.Directory.SubjectRef(ann).ID {
			t.Errorf("%+v after %d attempts", c.Event, c.Attempts())
		}
		if err := db.Done(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if seen["user.created"] != 1 || seen["session.started"] != 1 {
		t.Errorf("delivered were %v", seen)
	}
	idp.Advance(time.Minute)
	claim(0)

	events := func() int {
		t.Helper()
		listing, err := db.Events(ctx, store.Query{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return len(listing.Items)
	}
	if events() == 0 {
		t.Error("there are no events")
	}
	if idp.Advance(48 * time.Hour); events() != 0 {
		t.Errorf("%d events outlive what the host said", events())
	}
}
