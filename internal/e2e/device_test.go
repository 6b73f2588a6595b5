package e2e_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
)

// A device that x/oauth2 speaks for shows a code; the person enters it without JavaScript, wrong first, signs in, sees where the device
// is, and allows it (RFC 8628).
func deviceGrant(t *testing.T, browser context.Context) {
	idp := idptest.New(t, func(c *signet.Config) { c.OIDC.Device = &oidc.Device{Interval: time.Second} })
	idp.User("ann")
	if _, err := idp.Provider.Clients.Create(t.Context(), "Television", &oidc.Client{
		ClientID: "tv", AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{oidc.DeviceCode, oidc.RefreshToken},
	}); err != nil {
		t.Fatal(err)
	}
	device := &oauth2.Config{ClientID: "tv", Scopes: []string{"openid", "profile"}, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: idp.URL + "/oauth2/device_authorization", TokenURL: idp.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, idp.Client())
	shown, err := device.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}

	tab := newPerson(t, browser)
	withoutScript(t, tab)
	visit(t, tab, shown.VerificationURI)
	enter(t, tab, "user_code", "bcdf ghjk")
	press(t, tab, "login")
	await(t, tab, "user_code-problem")
	visit(t, tab, shown.VerificationURIComplete)
	if got := evaluate[string](t, tab, "document.getElementById('user_code').value"); got != shown.UserCode {
		t.Errorf("the field has %q, not %q", got, shown.UserCode)
	}
	press(t, tab, "login")
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	if said := evaluate[string](t, tab, "document.body.innerText"); !contains(said, "Television", shown.UserCode, "127.0.0.1") {
		t.Errorf("the person is shown\n%s", said)
	}
	press(t, tab, "consent_allow")
	await(t, tab, "done")

	token, err := device.DeviceAccessToken(ctx, shown)
	if err != nil || !token.Valid() || token.RefreshToken == "" {
		t.Errorf("the device got %v, %v", token, err)
	}
}

// A person follows the link that they were sent, signs in as who was meant, compares the message and allows it (CIBA Core §7.1).
func backchannelAuthentication(t *testing.T, browser context.Context) {
	var mu sync.Mutex
	var told oidc.CIBARequest
	idp := idptest.New(t, func(c *signet.Config) {
		c.OIDC.CIBA = &oidc.CIBA{Notify: func(_ context.Context, r oidc.CIBARequest) error {
			mu.Lock()
			defer mu.Unlock()
			told = r
			return nil
		}}
	})
	idp.User("ann")
	secret, err := idp.Provider.Clients.Create(t.Context(), "Till", &oidc.Client{
		ClientID: "till", AuthMethod: oidc.ClientSecretPost, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication},
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(path string, pairs ...string) map[string]any {
		t.Helper()
		return postForm(t, idp, path, append(pairs, "client_id", "till", "client_secret", secret)...)
	}
	asked := post("/oauth2/ciba", "scope", "openid profile", "login_hint", "ann", "binding_message", "W4-SCT")
	id, _ := asked["auth_req_id"].(string)

	tab := newPerson(t, browser)
	withoutScript(t, tab)
	mu.Lock()
	link := told.URL
	mu.Unlock()
	visit(t, tab, link)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	if said := evaluate[string](t, tab, "document.body.innerText"); !contains(said, "Till", "W4-SCT") {
		t.Errorf("the person is shown\n%s", said)
	}
	press(t, tab, "consent_allow")
	await(t, tab, "done")
	if got := post("/oauth2/token", "grant_type", string(oidc.BackchannelAuthentication), "auth_req_id", id); got["id_token"] == nil {
		t.Errorf("the till got %v", got)
	}
}

// postForm posts to the provider and returns the JSON that comes back.
func postForm(t *testing.T, idp *idptest.Server, path string, pairs ...string) (answer map[string]any) {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	response, err := idp.Client().PostForm(idp.URL+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func contains(text string, wanted ...string) bool {
	return !slices.ContainsFunc(wanted, func(want string) bool { return !strings.Contains(text, want) })
}
