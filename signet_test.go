package signet_test

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	issuer   = "https://id.example.com"
	callback = "https://shop.example.com/callback"
	userInfo = "/oauth2/userinfo"
)

// wiring is the least that New takes, with keys that nobody waits for.
func wiring(t *testing.T, edits ...func(*signet.Config)) signet.Config {
	t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	config := signet.Config{Issuer: issuer, Store: memory.New(), Keys: ring, SigningKeys: noKeys{}}
	for _, edit := range edits {
		edit(&config)
	}
	return config
}

func open(t *testing.T, edits ...func(*signet.Config)) *signet.Provider {
	t.Helper()
	p, err := signet.New(wiring(t, edits...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noKeys is a key service that is down.
type noKeys struct{ oidc.Keys }

var errKeys = errors.New("the key service is down")

func (noKeys) Public(context.Context, string) (map[string]crypto.PublicKey, error) {
	return nil, errKeys
}

// request asks a handler and returns its answer.
func request(t *testing.T, h http.Handler, method, target string, edits ...func(*http.Request)) *http.Response {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, target, nil)
	for _, edit := range edits {
		edit(r)
	}
	h.ServeHTTP(w, r)
	return w.Result()
}

// status asks a provider for something with an access token, and returns the status of the answer.
func status(t *testing.T, idp *idptest.Server, path string, tokens *idptest.Tokens) int {
	t.Helper()
	answer := request(t, idp.Provider, http.MethodGet, idp.URL+path, func(r *http.Request) { tokens.SetAuthHeader(r) })
	return answer.StatusCode
}

func TestNewNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	p, err := signet.New(signet.Config{})
	if p != nil || err == nil {
		t.Fatalf("New = %v, %v", p, err)
	}
	for _, field := range []string{"Issuer", "Store", "Keys"} {
		if n := strings.Count(err.Error(), "signet: Config."+field+" is required"); n != 1 {
			t.Errorf("%s is named %d times in %q", field, n, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want string
		edit func(*signet.Config)
	}{
		"plain http":        {"must be https", func(c *signet.Config) { c.Issuer = "http://id.example.com" }},
		"trailing slash":    {"slash", func(c *signet.Config) { c.Issuer += "/" }},
		"query":             {"query", func(c *signet.Config) { c.Issuer += "?x=y" }},
		"long-lived codes":  {"CodeLifetime", func(c *signet.Config) { c.Tokens.Code = 1 << 50 }},
		"negative lifetime": {"AccessTokenLifetime", func(c *signet.Config) { c.Tokens.Access = -1 }},
		"short passwords":   {"minLength", func(c *signet.Config) { c.Password.MinLength = 4 }},
		"session policy":    {"idle", func(c *signet.Config) { c.Session.Idle = -1 }},
		"password cost":     {"Memory", func(c *signet.Config) { c.PasswordCost.Memory = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := signet.New(wiring(t, c.edit))
			if p != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "signet: ") {
				t.Errorf("New = %v, %v; want %q named", p, err, c.want)
			}
		})
	}
}

// New does no I/O: a store that is down is met by the requests.
func TestNewOverAStoreThatIsDown(t *testing.T) {
	t.Parallel()
	faults := storetest.Faults(memory.New())
	faults.FailAll(nil)
	p := open(t, func(c *signet.Config) { c.Store = faults })
	if n := len(faults.Calls()); n != 0 {
		t.Errorf("New made %d calls", n)
	}
	if got := request(t, p, http.MethodGet, issuer+"/oauth2/authorize?client_id=shop"); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request is answered with %d", got.StatusCode)
	}
	if got := request(t, p, http.MethodGet, issuer+"/.well-known/openid-configuration"); got.StatusCode != http.StatusOK {
		t.Errorf("the metadata, which needs no store, with %d", got.StatusCode)
	}
}

// closer is a driver that can be closed.
type closer struct {
	store.Driver
	closed int
	err    error
}

func (c *closer) Close() error {
	c.closed++
	return c.err
}

func TestClose(t *testing.T) {
	t.Parallel()
	if err := open(t).Close(); err != nil {
		t.Errorf("a store that cannot be closed: %v", err)
	}
	driver := &closer{Driver: memory.New(), err: errors.New("disk full")}
	p := open(t, func(c *signet.Config) { c.Store = driver })
	if err := p.Close(); !errors.Is(err, driver.err) || driver.closed != 1 {
		t.Errorf("Close = %v, closed %d times", err, driver.closed)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	if err := idp.Provider.Ready(t.Context()); err != nil {
		t.Errorf("all is well: %v", err)
	}
	idp.Fail(nil)
	if err := idp.Provider.Ready(t.Context()); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("the store is down: %v", err)
	}
	idp.Heal()
	if err := idp.Provider.Ready(t.Context()); err != nil {
		t.Errorf("the store is back: %v", err)
	}
	if err := open(t).Ready(t.Context()); !errors.Is(err, errKeys) {
		t.Errorf("the key service is down: %v", err)
	}
	lost := storetest.Faults(memory.New())
	p := open(t, func(c *signet.Config) { c.Ephemeral = lost })
	lost.FailAll(nil)
	if err := p.Ready(t.Context()); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("the ephemeral store is down: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := idp.Provider.Ready(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}
