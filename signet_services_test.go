package signet_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
)

// Services are steps of the default login: a way to begin, and a second factor of those whom they know.
func TestServices(t *testing.T) {
	t.Parallel()
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"actionStatus":"SUCCESS"}`)
	}))
	defer remote.Close()
	end := service.Endpoint{URL: remote.URL, InsecureNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	idp := idptest.New(t, func(c *signet.Config) {
		c.Services = []service.Service{
			{Name: "who", Title: "Who Inc.", Kind: service.Identifies, Endpoint: end},
			{Name: "face", Title: "Face Ltd.", Kind: service.Verifies, AMR: []string{"face"}, Endpoint: end, For: func(u *directory.User) bool { return u.Username == "ann" }},
		}
	})
	idp.User("ann")
	idp.User("bob")
	app := idp.App("http://127.0.0.1/callback")
	page := idp.Browser().Open(app.Request().URL)
	if !page.Has("method_who") || page.Has("method_face") {
		t.Errorf("got %v", page)
	}
	if page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login"); !strings.Contains(page.String(), "Face Ltd.") {
		t.Errorf("who is known to the service: %v", page)
	}
	page = idp.Browser().Open(app.Request().URL).Fill("username", "bob").Fill("password", idptest.Password).Submit("login")
	if strings.Contains(page.String(), "Face Ltd.") {
		t.Errorf("who is not: %v", page)
	}
}

// What is wrong with a service is named with its field, a name stands for one thing, and programs are not offered what they cannot do.
func TestServicesAreChecked(t *testing.T) {
	t.Parallel()
	end := service.Endpoint{URL: "https://service.example"}
	connection := federated.Connection{Name: "up", Provider: rp.Google("id", "secret", "")}
	for want, edit := range map[string]func(*signet.Config){
		"Services[0]": func(c *signet.Config) { c.Services = []service.Service{{Name: "up", Endpoint: end}} },
		"a step of Config.Connec": func(c *signet.Config) {
			c.Services = []service.Service{{Name: "up", Kind: service.Identifies, Endpoint: end}}
		},
		`"up-link" is that of a step of Config.Connec`: func(c *signet.Config) {
			c.Services = []service.Service{{Name: "up-link", Kind: service.Identifies, Endpoint: end}}
		},
		"either a Provider": func(c *signet.Config) {
			c.Connections = []federated.Connection{{Name: "both", Provider: rp.Google("id", "secret", ""), Service: &end}}
		},
		"Connections[0]": func(c *signet.Config) {
			c.Connections = []federated.Connection{{Name: "x", Service: &service.Endpoint{}}}
		},
		"TrustAMR": func(c *signet.Config) {
			c.Connections = []federated.Connection{{Name: "x", Service: &end, TrustAMR: true}}
		},
	} {
		_, err := signet.New(wiring(t, func(c *signet.Config) { c.Connections = []federated.Connection{connection} }, edit))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	p := open(t, func(c *signet.Config) {
		c.Services = []service.Service{{Name: "who", Kind: service.Identifies, Endpoint: end}}
		c.Connections = []federated.Connection{{Name: "ext", Service: &end}}
	})
	if got := p.Services.RedirectURL("who"); got != issuer+"/flow/callback/who" {
		t.Errorf("redirect URL %q", got)
	}
	if got := p.Connections.RedirectURL("ext"); got != issuer+"/flow/callback/ext" || p.Connections.Provider("ext") != nil {
		t.Errorf("redirect URL %q", got)
	}
	if err := p.Connections.ReceiveLogout(t.Context(), "ext", "token"); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("a service signs somebody out: %v", err)
	}
}
