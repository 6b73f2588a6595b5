package ldap_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/directory/directorytest"
	"github.com/signet-idp/signet/store/ldap"
	"github.com/signet-idp/signet/store/memory"
)

const openSesame = "correct horse battery"

// openLDAP is a Config for the people of a slapd, read-write.
func openLDAP(s *testenv.SlapdServer) ldap.Config {
	return ldap.Config{
		Name: "staff", Servers: []string{s.URL()}, BindDN: s.ServiceDN(), BindPassword: testenv.SlapdPassword,
		Base: "ou=people," + s.Base(), GroupBase: "ou=groups," + s.Base(), Write: true, SetPassword: true,
		TLS: &tls.Config{RootCAs: s.CA},
	}
}

// samba is a Config for the people of a Samba domain controller, read-write, below an organizational unit of their own.
func samba(t *testing.T, s *testenv.SambaServer) ldap.Config {
	t.Helper()
	config := ldap.Config{
		Name: "domain", Servers: []string{s.TLSURL()}, BindDN: s.AdminDN(), BindPassword: testenv.SambaPassword,
		Base: s.Base(), Schema: ldap.ActiveDirectory(), Write: true, SetPassword: true, TLS: &tls.Config{RootCAs: s.CA},
	}
	config.Base = unit(t, s.TLSURL(), config)
	return config
}

// unit adds an organizational unit below the base and returns its name.
func unit(t *testing.T, url string, config ldap.Config) string {
	t.Helper()
	dn := "ou=" + store.NewID() + "," + config.Base
	r := goldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"organizationalUnit"})
	if err := admin(t, url, config).Add(r); err != nil {
		t.Fatal(err)
	}
	return dn
}

// admin is a connection of the service account for what a test does behind the store's back.
func admin(t *testing.T, url string, config ldap.Config) *goldap.Conn {
	t.Helper()
	c, err := goldap.DialURL(url, goldap.DialWithTLSConfig(config.TLS))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Bind(config.BindDN, string(config.BindPassword)); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, config ldap.Config) *ldap.Users {
	t.Helper()
	u, err := ldap.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

func openDB(t *testing.T) *store.DB {
	t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// person adds somebody with a password.
func person(t *testing.T, u *ldap.Users, username string) *directory.User {
	t.Helper()
	user := &directory.User{Username: username, Email: "someone@example.com"}
	if err := errors.Join(u.Create(t.Context(), nil, user), u.SetPassword(t.Context(), nil, user, openSesame)); err != nil {
		t.Fatal(err)
	}
	return user
}

func find(t *testing.T, u *ldap.Users, name directory.IdentifierName, value string) *directory.User {
	t.Helper()
	user, err := u.Find(t.Context(), "", directory.Identifier{Name: name, Value: value})
	if err != nil {
		t.Fatalf("Find(%s %q): %v", name, value, err)
	}
	return user
}

// absent holds that a name is nobody's.
func absent(t *testing.T, u *ldap.Users, name directory.IdentifierName, value string) {
	t.Helper()
	if user, err := u.Find(t.Context(), "", directory.Identifier{Name: name, Value: value}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Find(%s %q) = %+v, %v; want store.ErrNotFound", name, value, user, err)
	}
}

func TestOpenLDAP(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	for name, change := range map[string]func(*ldap.Config){
		"plain on loopback": func(*ldap.Config) {},
		"StartTLS":          func(c *ldap.Config) { c.StartTLS = true },
		"ldaps":             func(c *ldap.Config) { c.Servers = []string{server.TLSURL()} },
		"without sorting":   func(c *ldap.Config) { c.Schema = ldap.OpenLDAP(); c.Schema.Sorted = false },
		"without assertion": func(c *ldap.Config) { c.Schema = ldap.OpenLDAP(); c.Schema.Assertion = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directorytest.Run(t, func(t *testing.T) directorytest.Target {
				t.Helper()
				config := openLDAP(server)
				config.Base = unit(t, server.URL(), config)
				change(&config)
				return directorytest.Target{Users: open(t, config), DB: openDB(t)}
			})
		})
	}
}

func TestOpenLDAPReadOnly(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	directorytest.Run(t, func(t *testing.T) directorytest.Target {
		t.Helper()
		config := openLDAP(server)
		config.Base = unit(t, server.URL(), config)
		ann := person(t, open(t, config), "ann")
		config.Write, config.SetPassword = false, false
		return directorytest.Target{Users: open(t, config), DB: openDB(t), Person: ann, Password: openSesame}
	})
}

func TestSamba(t *testing.T) {
	t.Parallel()
	server := testenv.SharedSamba(t)
	// User names are unique in the domain, so that the cases cannot run side by side: each clears its unit away.
	directorytest.Run(t, func(t *testing.T) directorytest.Target {
		t.Helper()
		config := samba(t, server)
		t.Cleanup(func() { clear(t, server.TLSURL(), config) })
		return directorytest.Target{Users: open(t, config), DB: openDB(t)}
	})
}

// clear removes everybody below the base.
func clear(t *testing.T, url string, config ldap.Config) {
	t.Helper()
	c, err := goldap.DialURL(url, goldap.DialWithTLSConfig(config.TLS))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(config.BindDN, string(config.BindPassword)); err != nil {
		t.Fatal(err)
	}
	people, err := c.Search(goldap.NewSearchRequest(config.Base, goldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=*)", []string{"cn"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range people.Entries {
		if err := c.Del(goldap.NewDelRequest(e.DN, nil)); err != nil {
			t.Error(err)
		}
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	good := ldap.Config{
		Name: "staff", Servers: []string{"ldaps://ldap.example.com"}, BindDN: "cn=service,dc=example,dc=com", BindPassword: "secret",
		Base: "dc=example,dc=com",
	}
	if _, err := ldap.New(good); err != nil {
		t.Fatalf("a good Config: %v", err)
	}
	for want, change := range map[string]func(*ldap.Config){
		"Name is required":         func(c *ldap.Config) { c.Name = "" },
		"Servers is required":      func(c *ldap.Config) { c.Servers = nil },
		"BindDN is required":       func(c *ldap.Config) { c.BindDN = "" },
		"BindPassword is required": func(c *ldap.Config) { c.BindPassword = "" },
		"Base is no distinguished": func(c *ldap.Config) { c.Base = "example.com" },
		"would carry passwords":    func(c *ldap.Config) { c.Servers = []string{"ldap://ldap.example.com"} },
		"must be ldap://":          func(c *ldap.Config) { c.Servers = []string{"https://ldap.example.com"} },
		"must be ldap://host":      func(c *ldap.Config) { c.Servers = []string{"ldaps://ldap.example.com/dc=com"} },
		"PoolSize must not":        func(c *ldap.Config) { c.PoolSize = -1 },
		"Filter is no filter":      func(c *ldap.Config) { c.Schema = ldap.OpenLDAP(); c.Schema.Filter = "(uid=" },
		"is no attribute":          func(c *ldap.Config) { c.Schema = ldap.OpenLDAP(); c.Schema.Attributes.Email = "mail=*)(uid" },
		"over TLS only": func(c *ldap.Config) {
			c.Schema, c.Write, c.Servers = ldap.ActiveDirectory(), true, []string{"ldap://localhost"}
		},
	} {
		config := good
		change(&config)
		if _, err := ldap.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v; want %q", err, want)
		}
	}
	_, err := ldap.New(ldap.Config{})
	for _, want := range []string{"Name", "Servers", "BindDN", "BindPassword", "Base"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+want) {
			t.Errorf("New of nothing does not name %s: %v", want, err)
		}
	}
	for _, url := range []string{"ldap://localhost", "ldap://127.0.0.1:3890", "ldap://[::1]"} {
		config := good
		config.Servers = []string{url}
		if _, err := ldap.New(config); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	config := ldap.Config{BindPassword: "hunter2"}
	if text := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(text, "hunter2") {
		t.Errorf("printed: %s", text)
	}
}
