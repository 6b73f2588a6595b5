package signet_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

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

// It hears who changes something at a management API, and at the Me API, and what came of it; not who looks, nor who was not let in.
func TestManagementObserved(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []directory.Observation
	idp, app, admin := managed(t, withMe, func(c *signet.Config) {
		c.Observer = func(_ context.Context, o directory.Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o)
		}
	})
	token := idp.SignIn(admin, app, oauth2.SetAuthURLParam("scope", "openid internal_flow_mgt_view internal_flow_mgt_update")).AccessToken
	manage(idp, http.MethodGet, "/configs", token, "")
	manage(idp, http.MethodPut, "", "x", "{}")
	manage(idp, http.MethodPut, "", token, "{}")
	drawn, err := os.ReadFile("flow/builder/testdata/registration.json")
	if err != nil {
		t.Fatal(err)
	}
	manage(idp, http.MethodPut, "", token, string(drawn))
	s := &self{T: t, idp: idp, app: idp.App(callback, mine), user: idp.User("ann")}
	s.signIn()
	s.want(201, "POST", "/backup-codes", nil)
	s.want(400, "POST", "/change-password", map[string]string{"currentPassword": "wrong", "newPassword": "x"})
	mu.Lock()
	defer mu.Unlock()
	var got []string
	for _, o := range seen {
		if strings.HasPrefix(o.Type, "management.") {
			got = append(got, strings.Join([]string{o.Type, o.Code, o.ClientID, o.Subject}, " "))
		}
	}
	by, ann := " "+app.Client.ClientID+" "+admin.ID, " "+s.app.Client.ClientID+" "+s.user.ID
	want := []string{
		"management.refused PUT /api/server/v1/flow" + by,
		"management.done PUT /api/server/v1/flow" + by,
		"management.done POST /api/users/v1/me/backup-codes" + ann,
		"management.refused POST /api/users/v1/me/change-password" + ann,
	}
	if !slices.Equal(got, want) {
		t.Errorf("observed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
