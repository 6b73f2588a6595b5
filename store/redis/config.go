package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is. Addresses is required. It prints without its passwords.
type Config struct {
	// Addresses are host:port: one server; or, with MasterName, the Sentinels; or, with Cluster, some nodes of it.
	Addresses []string
	// MasterName is what the Sentinels call the master. "" is without Sentinel.
	MasterName string
	// Cluster says that Addresses belong to a Redis Cluster, also when it is one address that leads to all nodes.
	Cluster bool
	// Username and Password are those of an ACL user; a Password alone is that of the default user. "" is none.
	Username string
	Password string `json:"-"`
	// SentinelUsername and SentinelPassword are for the Sentinels themselves. "" is none.
	SentinelUsername string
	SentinelPassword string `json:"-"`
	// TLS is how connections are secured, those to Sentinels too. Nil is plain TCP, for loopback and networks that
	// nobody else is in.
	TLS *tls.Config
	// DB is the number of the database; 0 is the first, and the only one of a Cluster.
	DB int
	// Prefix begins the name of every key. "" is "signet:". Providers that share a Redis need prefixes of which none is
	// the beginning of another.
	Prefix string
	// DialTimeout bounds connecting; zero is 2 s.
	DialTimeout time.Duration
	// Timeout bounds sending and, once more, the wait for an answer or for a free connection; zero is 2 s.
	Timeout time.Duration
	// PoolSize is how many connections there may be, in a Cluster to each node; zero is 10 for each CPU.
	PoolSize int
}

// String returns where Redis is, without passwords.
func (c Config) String() string {
	return fmt.Sprintf("{%s %s}", strings.Join(c.Addresses, ","), c.MasterName)
}

// GoString is String, so that %#v has no passwords either.
func (c Config) GoString() string { return "redis.Config" + c.String() }

func (c *Config) check() error {
	var problems []error
	demand := func(holds bool, format string, args ...any) {
		if !holds {
			problems = append(problems, fmt.Errorf("redis: "+format, args...))
		}
	}
	demand(len(c.Addresses) > 0, "Config.Addresses is required, for example 127.0.0.1:6379")
	for _, address := range c.Addresses {
		host, port, err := net.SplitHostPort(address)
		demand(err == nil && host != "" && port != "", "Config.Addresses: %q is not host:port", address)
	}
	demand(len(c.Addresses) < 2 || c.MasterName != "" || c.Cluster, "Config.Addresses has several: set Cluster, or MasterName for Sentinels")
	demand(c.MasterName == "" || !c.Cluster, "Config.MasterName and Config.Cluster exclude each other: a Cluster needs no Sentinel")
	demand(c.DB >= 0 && (c.DB == 0 || !c.Cluster), "Config.DB is %d: not negative, and 0 in a Cluster", c.DB)
	demand(c.Username == "" || c.Password != "", "Config.Username without Config.Password")
	demand(c.MasterName != "" || c.SentinelUsername+c.SentinelPassword == "", "Config.SentinelPassword without Config.MasterName")
	demand(!strings.ContainsFunc(c.Prefix, func(r rune) bool { return r < ' ' || r == '{' || r == '}' }),
		"Config.Prefix %q has control characters or braces", c.Prefix)
	demand(c.DialTimeout >= 0 && c.Timeout >= 0 && c.PoolSize >= 0, "Config.DialTimeout, Timeout and PoolSize must not be negative")
	return errors.Join(problems...)
}

func (c *Config) fill() {
	if c.Prefix == "" {
		c.Prefix = "signet:"
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 2 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
}

// client makes the client that fits. It repeats nothing by itself: a write whose answer was lost must not be sent again.
func (c *Config) client() redis.UniversalClient {
	options := &redis.UniversalOptions{
		Addrs: append([]string(nil), c.Addresses...), MasterName: c.MasterName, DB: c.DB,
		Username: c.Username, Password: c.Password,
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: c.DialTimeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, PoolTimeout: c.Timeout,
		ContextTimeoutEnabled: true, PoolSize: c.PoolSize, Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.TLS != nil {
		options.TLSConfig = c.TLS.Clone()
	}
	if c.Cluster {
		cluster := options.Cluster()
		cluster.DisableRoutingPolicies = true // every command of ours names one key
		return redis.NewClusterClient(cluster)
	}
	return redis.NewUniversalClient(options)
}
