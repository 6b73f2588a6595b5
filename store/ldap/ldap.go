package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store/directory"
)

// Config describes a directory. Name, Servers, BindDN, BindPassword and Base are required.
type Config struct {
	// Name is the store's name in Subject.Store. Subject ids are made of it: it stays for ever.
	Name string
	// Servers are URLs, ldap://host[:port] or ldaps://host[:port]. They hold the same entries and are asked in this order: a
	// later one when those before it fail.
	Servers []string
	// StartTLS turns on TLS on every ldap:// connection before anything else is said (RFC 4511 §4.14). A server that refuses is
	// not used.
	StartTLS bool
	// TLS is the client's side of TLS: root authorities, client certificates. Nil trusts those of the system. The name in the
	// certificate must be the host of the URL, unless ServerName says another (RFC 4513 §3.1.3).
	TLS *tls.Config
	// InsecurePlaintext lets passwords travel unencrypted to a server that is not on loopback.
	InsecurePlaintext bool

	// BindDN and BindPassword are the service account: it must be able to read people, and to write them where Write is set.
	BindDN       string
	BindPassword Secret

	// Base is the entry below which people are.
	Base string
	// CreateBase is the entry right below which Create adds people; "" is Base.
	CreateBase string
	// GroupBase is the entry below which groups are; "" is Base.
	GroupBase string
	// Schema says how people and groups look. The zero value is OpenLDAP().
	Schema Schema
	// Write lets people be added, changed and removed, SetPassword their passwords be set.
	Write       bool
	SetPassword bool
	// EmailVerified and PhoneVerified say that addresses and numbers in the directory are the person's.
	EmailVerified bool
	PhoneVerified bool
	// Decoy is the DN of an entry to which the passwords of people who do not exist are put. It makes their refusal take as
	// long as that of others on servers whose hashing takes its time. It needs a password that nobody knows and a policy
	// that never locks it. "" is an entry that does not exist.
	Decoy string

	// PoolSize bounds the connections to each server that are in use for the service account, and once more those for
	// people's passwords; zero is 8. Who waits for one longer than RequestTimeout gets ErrUnavailable.
	PoolSize int
	// DialTimeout bounds how long a connection takes with its TLS and its bind, RequestTimeout one request; zero is 5 s and
	// 10 s. An operation makes a few requests.
	DialTimeout    time.Duration
	RequestTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept; zero is a minute.
	IdleTimeout time.Duration
	// BreakerFailures is after how many failures in a row a server is left alone, and BreakerCooldown for how long; then one
	// request tries it. Zero is 3 and 10 s.
	BreakerFailures int
	BreakerCooldown time.Duration
	// ScanLimit bounds how many entries List looks at, and GroupsOf and Members return; zero is 100,000. Beyond it is
	// store.ErrTooMany.
	ScanLimit int

	// Logger takes what goes wrong beside an operation that succeeded. Nil discards it.
	Logger *slog.Logger
	// Now is the clock of IdleTimeout and BreakerCooldown, and tells how a caller's deadline is shared among Servers; nil is time.Now.
	// Timeouts of the network run on the real one.
	Now func() time.Time
}

// Secret is a text that never shows in logs.
type Secret string

const redacted = "[redacted]"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Users is the people of a directory. It is safe for concurrent use. It has no goroutines of its own; every open connection has
// two of the LDAP library's.
type Users struct {
	config  Config
	schema  Schema
	fields  []field
	servers []*server
}

var _ directory.Users = (*Users)(nil)

// New checks the configuration and fills in defaults, or returns an error that names every problem. It does no I/O, so that a
// directory that is down does not keep a program from starting.
func New(config Config) (*Users, error) {
	config = config.withDefaults()
	var problems []error
	for _, check := range []func(*Config) []error{checkNames, checkNumbers, checkSchema} {
		problems = append(problems, check(&config)...)
	}
	servers, errs := newServers(&config)
	problems = append(problems, errs...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Users{config: config, schema: config.Schema, fields: config.Schema.Attributes.fields(), servers: servers}, nil
}

// Capabilities implements directory.Users.
func (u *Users) Capabilities() directory.Capabilities {
	return directory.Capabilities{Name: u.config.Name, Write: u.config.Write, SetPassword: u.config.SetPassword}
}

// Close closes the connections that are not in use, and those in use as soon as they are not. The store remains usable, but
// keeps no connection from then on.
func (u *Users) Close() error {
	for _, s := range u.servers {
		s.close()
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Schema.isZero() {
		c.Schema = OpenLDAP()
	}
	c.Schema = c.Schema.clone()
	c.Servers = slices.Clone(c.Servers)
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLS = c.TLS.Clone()
	if c.CreateBase == "" {
		c.CreateBase = c.Base
	}
	if c.GroupBase == "" {
		c.GroupBase = c.Base
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.DialTimeout, 5 * time.Second},
		{&c.RequestTimeout, 10 * time.Second},
		{&c.IdleTimeout, time.Minute},
		{&c.BreakerCooldown, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&c.PoolSize, 8}, {&c.BreakerFailures, 3}, {&c.ScanLimit, 100_000}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func checkNames(c *Config) (problems []error) {
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("ldap: Config."+format, args...))
	}
	if c.Name == "" {
		add("Name is required")
	}
	if c.BindPassword == "" {
		// RFC 4513 §5.1.2: a bind without a password succeeds, as nobody.
		add("BindPassword is required")
	}
	for _, dn := range []struct {
		field, value string
		required     bool
	}{
		{"BindDN", c.BindDN, true},
		{"Base", c.Base, true},
		{"CreateBase", c.CreateBase, false},
		{"GroupBase", c.GroupBase, false},
		{"Decoy", c.Decoy, false},
	} {
		if dn.value == "" && dn.required {
			add("%s is required", dn.field)
		} else if _, err := goldap.ParseDN(dn.value); err != nil {
			add("%s is no distinguished name (RFC 4514)", dn.field)
		}
	}
	return problems
}

func checkNumbers(c *Config) (problems []error) {
	for _, n := range []struct {
		field string
		ok    bool
	}{
		{"PoolSize", c.PoolSize > 0},
		{"DialTimeout", c.DialTimeout > 0},
		{"RequestTimeout", c.RequestTimeout > 0},
		{"IdleTimeout", c.IdleTimeout > 0},
		{"BreakerFailures", c.BreakerFailures > 0},
		{"BreakerCooldown", c.BreakerCooldown > 0},
		{"ScanLimit", c.ScanLimit > 0},
	} {
		if !n.ok {
			problems = append(problems, fmt.Errorf("ldap: Config.%s must not be negative", n.field))
		}
	}
	return problems
}

// newServers reads the URLs and holds that no password travels unencrypted.
func newServers(c *Config) (servers []*server, problems []error) {
	if len(c.Servers) == 0 {
		problems = append(problems, errors.New("ldap: Config.Servers is required"))
	}
	for _, text := range c.Servers {
		s, err := newServer(c, text)
		if err != nil {
			problems = append(problems, fmt.Errorf("ldap: Config.Servers: %q %w", text, err))
			continue
		}
		servers = append(servers, s)
	}
	return servers, problems
}

func newServer(c *Config, text string) (*server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must be ldap://host[:port] or ldaps://host[:port]")
	}
	s := &server{
		config: c, name: text, host: u.Hostname(), implicitTLS: u.Scheme == "ldaps",
		service: make(chan struct{}, max(c.PoolSize, 0)), people: make(chan struct{}, max(c.PoolSize, 0)),
		breaker: breaker{limit: c.BreakerFailures, cooldown: c.BreakerCooldown},
	}
	port := u.Port()
	switch {
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return nil, errors.New("must be ldap://host[:port] or ldaps://host[:port]")
	case port == "" && s.implicitTLS:
		port = "636"
	case port == "":
		port = "389"
	}
	s.address = net.JoinHostPort(s.host, port)
	encrypted := s.implicitTLS || c.StartTLS
	switch {
	case encrypted:
	case c.Schema.Password == UnicodePwd && (c.Write || c.SetPassword):
		return nil, errors.New("needs StartTLS or ldaps: Active Directory takes passwords over TLS only")
	case !c.InsecurePlaintext && !loopback(s.host):
		return nil, errors.New("would carry passwords unencrypted: set StartTLS, use ldaps, or set InsecurePlaintext")
	}
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
