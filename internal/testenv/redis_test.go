package testenv_test

import (
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
)

func TestRedisForgets(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	server.Do(t, "SET", "k", "v")
	if got := server.Do(t, "GET", "k"); got != "v" {
		t.Errorf("read %q, want v", got)
	}
	server.Flush(t)
	if got := server.Do(t, "GET", "k"); got != "" {
		t.Errorf("read %q after a flush", got)
	}
	server.Do(t, "SET", "k", "v")
	server.Kill(t)
	refused(t, server.Addr())
	server.Restart(t)
	if got := server.Do(t, "GET", "k"); got != "" {
		t.Errorf("read %q after a restart", got)
	}
	if first, second := testenv.SharedRedis(t), testenv.SharedRedis(t); first != second {
		t.Error("two shared Redis servers")
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := testenv.RedisCluster(t)
	if len(nodes) != 3 {
		t.Fatalf("%d nodes", len(nodes))
	}
	moved := 0
	for _, s := range nodes {
		if got := s.Do(t, "GET", "k"); strings.HasPrefix(got, "MOVED") {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d of 3 masters send a key away", moved)
	}
}

func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	set := testenv.RedisSentinel(t)
	if got := set.Replica.Do(t, "SET", "k", "v"); !strings.HasPrefix(got, "READONLY") {
		t.Errorf("the replica answers %q", got)
	}
	if got := set.Sentinel.Do(t, "SENTINEL", "get-master-addr-by-name", set.Name); !strings.Contains(got, "127.0.0.1") {
		t.Errorf("the Sentinel answers %q", got)
	}
}
