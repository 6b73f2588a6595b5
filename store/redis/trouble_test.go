package redis_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
)

// What the server refuses comes back with what to do about it, and is certain.
func TestRefusals(t *testing.T) {
	t.Parallel()
	locked := testenv.Redis(t, "--requirepass", "open sesame", "--user", "reader", "on", ">reader", "~*", "+@connection", "+hmget")
	plain := testenv.Redis(t, "--maxclients", "1000")
	replica := testenv.Redis(t, "--replicaof", strings.Replace(plain.Addr(), ":", " ", 1))
	full := testenv.Redis(t, "--maxmemory", "1")
	nodes := testenv.SharedRedisCluster(t)
	taken := testenv.Redis(t)
	taken.Do(t, "SET", "p:generation", "x")
	away := func(s *testenv.RedisServer) redis.Config { return single(s) }
	with := func(s *testenv.RedisServer, edit func(*redis.Config)) redis.Config {
		config := single(s)
		edit(&config)
		return config
	}
	for name, test := range map[string]struct {
		config redis.Config
		want   string
	}{
		"no password":          {away(locked), "set Config.Password"},
		"wrong password":       {with(locked, func(c *redis.Config) { c.Password = "wrong" }), "check Config.Username and Config.Password"},
		"wrong user":           {with(locked, func(c *redis.Config) { c.Username, c.Password = "nobody", "wrong" }), "check Config.Username and Config.Password"},
		"no permission":        {with(locked, func(c *redis.Config) { c.Username, c.Password = "reader", "reader" }), "the user may not do this"},
		"a replica":            {away(replica), "MasterName"},
		"full":                 {away(full), "raise its maxmemory"},
		"a Cluster":            {away(nodes[0]), "set Config.Cluster"},
		"no Cluster":           {with(plain, func(c *redis.Config) { c.Cluster = true }), "luster"},
		"no such database":     {with(plain, func(c *redis.Config) { c.DB = 99 }), "check Config.DB"},
		"a key of others":      {with(taken, func(c *redis.Config) { c.Prefix = "p:" }), "choose another Config.Prefix"},
		"nobody there":         {redis.Config{Addresses: []string{"127.0.0.1:1"}}, "connection refused"},
		"nobody to ask":        {redis.Config{Addresses: []string{"127.0.0.1:1"}, MasterName: "m"}, "entinel"},
		"a Cluster of nothing": {redis.Config{Addresses: []string{"127.0.0.1:1"}, Cluster: true}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, test.config)
			errs := map[string]error{"Ready": s.Ready(t.Context(), epoch)}
			if name != "a key of others" && name != "a Cluster" {
				_, errs["Apply"] = s.Apply(t.Context(), epoch, store.Insert(record("1")))
			}
			for call, err := range errs {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "redis: ") {
					t.Errorf("%s: %v, want %q", call, err, test.want)
				}
				if errors.Is(err, store.ErrNotFound) || err != nil && strings.Contains(err.Error(), "open sesame") {
					t.Errorf("%s: %v", call, err)
				}
			}
			if certain := test.want != "entinel" && name != "no Cluster" && name != "a Cluster of nothing"; certain && errors.Is(errs["Apply"], store.ErrUncertain) {
				t.Errorf("uncertain: %v", errs["Apply"])
			}
		})
	}
}

func TestReadyRefusesEviction(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s := open(t, single(server))
	if err := s.Ready(t.Context(), epoch); err != nil {
		t.Error(err)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if err := s.Ready(t.Context(), epoch); err == nil || !strings.Contains(err.Error(), "set maxmemory-policy noeviction") {
		t.Errorf("a server that evicts is ready: %v", err)
	}
	if err := open(t, cluster(testenv.SharedRedisCluster(t))).Ready(t.Context(), epoch); err != nil {
		t.Error(err)
	}
}

// An answer that is lost is uncertain, and the step is neither repeated nor forgotten.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	proxy := testenv.Proxy(t, testenv.SharedRedis(t).Addr())
	s := open(t, redis.Config{Addresses: []string{proxy.Addr()}})
	r := record("warm")
	r.Version = apply(t, s, store.Insert(r)).Version

	cut := proxy.CutAfter("evalsha")
	_, err := s.Apply(t.Context(), epoch, store.Add(mark, store.Ref{ID: "n"}, 1, epoch.Add(time.Hour)))
	<-cut
	if !errors.Is(err, store.ErrUncertain) || store.ConflictOn(err, mark) != nil {
		t.Errorf("a lost answer: %v", err)
	}
	if got, err := s.Get(t.Context(), epoch, mark, "", "n"); err != nil || got.Count != 1 {
		t.Errorf("after a lost answer: %+v, %v", got, err)
	}
	cut = proxy.CutBefore("evalsha")
	_, err = s.Apply(t.Context(), epoch, store.Insert(record("lost")))
	<-cut
	if !errors.Is(err, store.ErrUncertain) {
		t.Errorf("a lost step: %v", err)
	}
	if _, err := s.Get(t.Context(), epoch, mark, "", "lost"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after a lost step: %v", err)
	}
	proxy.Drop()
	if _, err := s.Apply(t.Context(), epoch, store.Replace(r)); err == nil {
		t.Error("a step without a connection succeeded")
	}
	if _, err := s.Get(t.Context(), epoch, mark, "", "warm"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a read without a connection: %v", err)
	}
	proxy.Heal()
	recovered(t, s)
}

// A server that hangs is waited for no longer than the configuration and the context say.
func TestHanging(t *testing.T) {
	t.Parallel()
	proxy := testenv.Proxy(t, testenv.SharedRedis(t).Addr())
	s := open(t, redis.Config{Addresses: []string{proxy.Addr()}, Timeout: 300 * time.Millisecond})
	apply(t, s, store.Insert(record("warm")))
	proxy.Hang()
	began := time.Now()
	if _, err := s.Apply(t.Context(), epoch, store.Insert(record("1"))); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("a step that hangs: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, epoch, mark, "", "warm"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a read that hangs: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	proxy.Heal()
	recovered(t, s)
}

// recovered waits until the store works again, which takes no restart.
func recovered(t *testing.T, s *redis.Store) {
	t.Helper()
	until(t, func() error {
		_, err := s.Apply(t.Context(), epoch, store.Add(mark, store.Ref{ID: "recovered"}, 1, epoch.Add(time.Hour)))
		return err
	})
}

// until tries again until nothing fails.
func until(t *testing.T, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("does not recover: %v", err)
		case <-again.C:
		}
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s := open(t, single(server))
	for range 3 {
		apply(t, s, store.Insert(record("1")))
		server.Kill(t)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := s.Get(t.Context(), epoch, mark, "", "1"); err == nil || errors.Is(err, store.ErrNotFound) {
					t.Errorf("a read from a server that is gone: %v", err)
				}
				if _, err := s.Apply(t.Context(), epoch, store.Insert(record("2"))); err == nil || store.ConflictOn(err, mark) != nil {
					t.Errorf("a write to a server that is gone: %v", err)
				}
			})
		}
		all.Wait()
		server.Restart(t)
		recovered(t, s)
	}
}

// A master of a Cluster that is gone takes its part with it until it is back, and hides nothing.
func TestRestartInCluster(t *testing.T) {
	t.Parallel()
	nodes := testenv.RedisCluster(t)
	s := open(t, cluster(nodes))
	const many = 60
	for n := range many {
		apply(t, s, store.Insert(record(fmt.Sprint(n))))
	}
	nodes[2].Kill(t)
	failed := 0
	for n := range many {
		_, err := s.Get(t.Context(), epoch, mark, "", fmt.Sprint(n))
		if errors.Is(err, store.ErrNotFound) {
			t.Errorf("%d is said to be absent while its master is gone", n)
		}
		if err != nil {
			failed++
		}
	}
	if failed < many/10 {
		t.Errorf("%d of %d reads failed", failed, many)
	}
	nodes[2].Restart(t)
	ready := func() error { return s.Ready(t.Context(), epoch.Add(time.Second)) }
	until(t, ready)
	for n := range many {
		_, err := s.Apply(t.Context(), epoch, store.Insert(record(fmt.Sprint(n))))
		since, sinceErr := s.Since(t.Context(), epoch.Add(time.Hour), mark, "", fmt.Sprint(n))
		switch {
		case sinceErr != nil || err != nil && store.ConflictOn(err, mark) == nil:
			t.Errorf("%d: %v, %v", n, err, sinceErr)
		case err == nil && !since.After(epoch):
			t.Errorf("%d is forgotten, and said to be remembered since %v", n, since)
		}
	}
}

// While connections break, nothing is done twice: what a counter has counted lies between what was acknowledged and what
// may have happened.
func TestNothingIsRepeated(t *testing.T) {
	t.Parallel()
	own := testenv.Redis(t)
	for name, servers := range map[string][]*testenv.RedisServer{"single": {own}, "cluster": testenv.RedisCluster(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := cluster(servers)
			config.Cluster = len(servers) > 1
			s := open(t, config)
			var acknowledged, uncertain, failed atomic.Int64
			var adders sync.WaitGroup
			stop := make(chan struct{})
			for range 8 {
				adders.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						switch _, err := s.Apply(t.Context(), epoch, store.Add(mark, store.Ref{ID: "n"}, 1, time.Time{})); {
						case err == nil:
							acknowledged.Add(1)
						case errors.Is(err, store.ErrUncertain):
							uncertain.Add(1)
						default:
							failed.Add(1)
						}
					}
				})
			}
			for kills := 0; uncertain.Load() < 30 && kills < 500; kills++ {
				for _, server := range servers {
					server.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				}
			}
			close(stop)
			adders.Wait()
			recovered(t, s)
			got, err := s.Get(t.Context(), epoch, mark, "", "n")
			if uncertain.Load() == 0 {
				t.Error("no answer was lost: it was asked again, or the test has lost its point")
			}
			if err != nil || got.Count < acknowledged.Load() || got.Count > acknowledged.Load()+uncertain.Load() {
				t.Errorf("counted %d, %v: %d acknowledged, %d uncertain, %d failed", got.Count, err, acknowledged.Load(), uncertain.Load(), failed.Load())
			}
			t.Logf("%d acknowledged, %d uncertain, %d failed, %d counted", acknowledged.Load(), uncertain.Load(), failed.Load(), got.Count)
		})
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	set := testenv.RedisSentinel(t)
	s := open(t, redis.Config{Addresses: []string{set.Sentinel.Addr()}, MasterName: set.Name})
	apply(t, s, store.Insert(record("1")))
	before, err := s.Since(t.Context(), epoch, mark, "", "1")
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Master.Do(t, "WAIT", "1", "10000"); got != "1" {
		t.Fatalf("%s replicas have the record", got)
	}
	set.Master.Kill(t)
	recovered(t, s)
	if _, err := s.Get(t.Context(), epoch, mark, "", "1"); err != nil {
		t.Errorf("the replica lost a record: %v", err)
	}
	later := epoch.Add(time.Second)
	if after, err := s.Since(t.Context(), later, mark, "", "1"); err != nil || !after.Equal(later) || !before.Equal(epoch) {
		t.Errorf("since %v before and %v, %v after a replica took over, which may lack the last writes", before, after, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	folder, roots := certificate(t)
	server := testenv.Redis(t, "--tls-cert-file", filepath.Join(folder, "cert.pem"), "--tls-key-file", filepath.Join(folder, "key.pem"),
		"--tls-auth-clients", "no")
	config := single(server)
	config.TLS = &tls.Config{RootCAs: roots}
	apply(t, open(t, config), store.Insert(record("1")))
	config.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	if _, err := open(t, config).Apply(t.Context(), epoch, store.Insert(record("2"))); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	config.TLS = nil
	if _, err := open(t, config).Apply(t.Context(), epoch, store.Insert(record("3"))); err == nil {
		t.Error("no TLS to a server that speaks nothing else")
	}
}

// certificate makes a certificate of 127.0.0.1.
func certificate(t *testing.T) (folder string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder, roots = t.TempDir(), x509.NewCertPool()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	return folder, roots
}
