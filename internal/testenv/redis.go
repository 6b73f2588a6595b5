package testenv

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// RedisServer is a Redis server on loopback that forgets everything when it ends, unless its arguments say otherwise. It
// needs no password.
type RedisServer struct {
	*server
}

// Redis starts a Redis server that belongs to this test alone, which may Kill and Flush it; it is stopped when the test
// ends. The arguments are further options of redis-server, as in "--requirepass", "secret"; with "--tls-cert-file" it
// speaks nothing but TLS. A missing server skips the test, see [Require]; the name in SIGNET_REQUIRE is redis.
func Redis(tb testing.TB, arguments ...string) *RedisServer {
	tb.Helper()
	requireRedis(tb)
	s, err := newRedis(context.WithoutCancel(tb.Context()), arguments...)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(func() { stopRedis(tb, s) })
	return s
}

// SharedRedis returns the Redis server that all tests of this process share. No test may Kill or Flush it, or count on
// being alone.
func SharedRedis(tb testing.TB) *RedisServer {
	tb.Helper()
	requireRedis(tb)
	s, err := sharedRedis()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s
}

var sharedRedis = sync.OnceValues(func() (*RedisServer, error) { return newRedis(context.Background()) })

// RedisCluster starts a Redis Cluster of three masters that belongs to this test alone.
func RedisCluster(tb testing.TB) []*RedisServer {
	tb.Helper()
	requireRedis(tb)
	nodes, err := newRedisCluster(context.WithoutCancel(tb.Context()))
	tb.Cleanup(func() { stopRedis(tb, nodes...) })
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return nodes
}

// SharedRedisCluster returns the Redis Cluster that all tests of this process share. No test may Kill or Flush a node.
func SharedRedisCluster(tb testing.TB) []*RedisServer {
	tb.Helper()
	requireRedis(tb)
	nodes, err := sharedRedisCluster()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return nodes
}

var sharedRedisCluster = sync.OnceValues(func() ([]*RedisServer, error) { return newRedisCluster(context.Background()) })

// RedisSet is a master, its replica, and a Sentinel that makes the replica master half a second after the master is gone.
type RedisSet struct {
	// Name is what the Sentinel calls the set.
	Name                      string
	Master, Replica, Sentinel *RedisServer
}

// RedisSentinel starts a RedisSet that belongs to this test alone.
func RedisSentinel(tb testing.TB) RedisSet {
	tb.Helper()
	set := RedisSet{Name: "signet", Master: Redis(tb)}
	set.Replica = Redis(tb, "--replicaof", "127.0.0.1 "+set.Master.port(), "--repl-diskless-sync-delay", "0")
	sentinel, err := newRedisProcess()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(func() { stopRedis(tb, sentinel) })
	set.Sentinel = sentinel
	path := filepath.Join(sentinel.folder, "sentinel.conf")
	config := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor %s 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds %[2]s 500\nsentinel failover-timeout %[2]s 2000\n", sentinel.port(), set.Name, set.Master.port())
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	sentinel.run(path, "--sentinel")
	ctx := context.WithoutCancel(tb.Context())
	if err := sentinel.start(ctx); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	set.Replica.ready = set.Replica.reports("master_link_status:up", "info", "replication")
	sentinel.ready = sentinel.reports("slaves=1", "info", "sentinel")
	for _, s := range []*RedisServer{set.Replica, sentinel} {
		if err := s.await(ctx); err != nil {
			tb.Fatalf("testenv: the replicas do not come up: %v", err)
		}
	}
	set.Replica.ready, sentinel.ready = set.Replica.ping, sentinel.ping
	return set
}

func requireRedis(tb testing.TB) {
	tb.Helper()
	Require(tb, "redis", "redis-server", "redis-server")
	Require(tb, "redis", "redis-tools", "redis-cli")
}

func stopRedis(tb testing.TB, servers ...*RedisServer) {
	tb.Helper()
	for _, s := range servers {
		if err := s.close(); err != nil {
			tb.Errorf("testenv: stop redis: %v", err)
		}
	}
}

func newRedisProcess() (*RedisServer, error) {
	base, err := newServer("redis", &syscall.SysProcAttr{})
	if err != nil {
		return nil, err
	}
	s := &RedisServer{server: base}
	s.ready = s.ping
	return s, nil
}

// run sets the command line.
func (s *RedisServer) run(arguments ...string) {
	s.command = func() *exec.Cmd {
		command := exec.Command("redis-server", arguments...)
		command.Dir, command.SysProcAttr = s.folder, &syscall.SysProcAttr{Setpgid: true}
		return command
	}
}

func newRedis(ctx context.Context, arguments ...string) (*RedisServer, error) {
	s, err := newRedisProcess()
	if err != nil {
		return nil, err
	}
	ports := []string{"--port", s.port()}
	if slices.Contains(arguments, "--tls-cert-file") {
		ports, s.ready = []string{"--port", "0", "--tls-port", s.port()}, s.listens
	}
	s.run(slices.Concat(ports, []string{"--bind", "127.0.0.1", "--dir", s.folder, "--save", "", "--appendonly", "no"}, arguments)...)
	if err := s.start(ctx); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// newRedisCluster returns the nodes that it has started, also with an error.
func newRedisCluster(ctx context.Context) (nodes []*RedisServer, err error) {
	create := []string{"--cluster", "create"}
	for range 3 {
		bus, err := freeAddress()
		if err != nil {
			return nodes, err
		}
		_, port, _ := net.SplitHostPort(bus)
		s, err := newRedis(ctx, "--cluster-enabled", "yes", "--cluster-port", port, "--cluster-node-timeout", "2000")
		if err != nil {
			return nodes, err
		}
		nodes, create = append(nodes, s), append(create, s.Addr())
	}
	if err := run(exec.CommandContext(ctx, "redis-cli", append(create, "--cluster-yes")...)); err != nil {
		return nodes, err
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	for _, s := range nodes {
		s.ready = s.reports("cluster_state:ok", "cluster", "info")
		if err := s.await(ctx); err != nil {
			return nodes, err
		}
	}
	return nodes, nil
}

// Flush makes the server forget everything.
func (s *RedisServer) Flush(tb testing.TB) {
	tb.Helper()
	if got := s.Do(tb, "FLUSHALL"); got != "OK" {
		tb.Fatalf("testenv: FLUSHALL: %s", got)
	}
}

// Do returns the answer to a command, as redis-cli writes it. It does not work with TLS or a password.
func (s *RedisServer) Do(tb testing.TB, command ...string) string {
	tb.Helper()
	answer, err := s.do(tb.Context(), command...)
	if err != nil {
		tb.Fatalf("testenv: redis %s: %v", command[0], err)
	}
	return answer
}

func (s *RedisServer) do(ctx context.Context, command ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", s.port()}, command...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// reports returns what asks whether the answer to a command holds a word.
func (s *RedisServer) reports(word string, command ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		answer, err := s.do(ctx, command...)
		if err == nil && !strings.Contains(answer, word) {
			err = fmt.Errorf("no %s in %s", word, answer)
		}
		return err
	}
}

// listens asks whether somebody listens.
func (s *RedisServer) listens(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// ping asks for any answer but that the server is still loading; one that wants a password answers too.
func (s *RedisServer) ping(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(answer, "-LOADING") {
		err = fmt.Errorf("redis: %s", answer)
	}
	return err
}
