package redis_test

import (
	"crypto/rand"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
	"github.com/signet-idp/signet/store/storetest"
)

// open returns a store that nobody else writes to.
func open(tb testing.TB, config redis.Config) *redis.Store {
	tb.Helper()
	if config.Prefix == "" {
		config.Prefix = rand.Text() + ":"
	}
	s, err := redis.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func single(server *testenv.RedisServer) redis.Config {
	return redis.Config{Addresses: []string{server.Addr()}}
}

func cluster(nodes []*testenv.RedisServer) redis.Config {
	config := redis.Config{Cluster: true}
	for _, s := range nodes {
		config.Addresses = append(config.Addresses, s.Addr())
	}
	return config
}

func TestContract(t *testing.T) {
	t.Parallel()
	server := testenv.SharedRedis(t)
	storetest.Ephemeral(t, func(tb testing.TB) store.Ephemeral { return open(tb, single(server)) })
}

func TestContractOfCluster(t *testing.T) {
	t.Parallel()
	nodes := testenv.SharedRedisCluster(t)
	storetest.Ephemeral(t, func(tb testing.TB) store.Ephemeral { return open(tb, cluster(nodes)) })
}
