package redis_test

import (
	"context"
	"errors"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store/redis"
)

// listen returns what a store hears, and how its listening ends.
func listen(t *testing.T, s *redis.Store) (heard <-chan string, ended <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	topics, end := make(chan string, 10), make(chan error, 1)
	go func() { end <- s.Listen(ctx, func(topic string) { topics <- topic }) }()
	t.Cleanup(cancel)
	if first := <-topics; first != "" {
		t.Fatalf("the first topic is %q, want none: what was sent before is unknown", first)
	}
	return topics, end, cancel
}

func notify(t *testing.T, s *redis.Store, topic string) {
	t.Helper()
	if err := s.Notify(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

// A topic is heard by all who listen with the same prefix, on a Cluster whichever node they are connected to.
func TestNotify(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]redis.Config{
		"single": single(testenv.SharedRedis(t)), "cluster": cluster(testenv.SharedRedisCluster(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.Prefix = "notify:"
			one, two := open(t, config), open(t, config)
			config.Prefix = "other:"
			other := open(t, config)
			first, _, _ := listen(t, one)
			second, ended, stop := listen(t, two)
			notify(t, other, "not for them")
			notify(t, one, "oidc.client acme/x")
			for _, heard := range []<-chan string{first, second} {
				if topic := <-heard; topic != "oidc.client acme/x" {
					t.Errorf("heard %q", topic)
				}
			}
			stop()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Listen = %v", err)
			}
		})
	}
}

// When the server goes Listen says so; a later one begins with the news that something may have been missed.
func TestListenLosesServer(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s := open(t, single(server))
	_, ended, _ := listen(t, s)
	server.Kill(t)
	if err := <-ended; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Listen = %v", err)
	}
	if err := s.Notify(t.Context(), "x"); err == nil {
		t.Error("Notify says that a dead server has taken a topic")
	}
	server.Restart(t)
	heard, _, _ := listen(t, s)
	notify(t, s, "again")
	if topic := <-heard; topic != "again" {
		t.Errorf("heard %q", topic)
	}
}
