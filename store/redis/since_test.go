package redis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
)

// recollection asks a store, at times that go on, since when it remembers.
type recollection struct {
	t   *testing.T
	s   *redis.Store
	now time.Time
}

// since moves the clock by a second and asks.
func (m *recollection) since(id string) time.Time {
	m.t.Helper()
	m.now = m.now.Add(time.Second)
	since, err := m.s.Since(m.t.Context(), m.now, mark, "", id)
	if err != nil {
		m.t.Fatal(err)
	}
	return since
}

func (m *recollection) want(what, id string, want time.Time) {
	m.t.Helper()
	if got := m.since(id); !got.Equal(want) {
		m.t.Errorf("%s: remembers since %v, want %v", what, got, want)
	}
}

// anew demands that memory begin now.
func (m *recollection) anew(what, id string) time.Time {
	m.t.Helper()
	since := m.since(id)
	if !since.Equal(m.now) {
		m.t.Errorf("%s: remembers since %v, now is %v", what, since, m.now)
	}
	return since
}

func TestSince(t *testing.T) {
	t.Parallel()
	// It saves, so that a restart brings back both the generation and too few of the marks.
	server := testenv.Redis(t, "--dbfilename", "dump.rdb")
	m := &recollection{t, open(t, single(server)), epoch}
	second := &recollection{t, open(t, single(server)), epoch.Add(time.Hour)} // another prefix
	began := m.anew("at first", "1")
	m.want("later", "1", began)
	m.want("of another record", "2", began)
	second.anew("under another prefix", "1")

	server.Flush(t)
	began = m.anew("after a flush", "1")
	m.want("later", "1", began)

	server.Do(t, "SAVE")
	apply(t, m.s, store.Insert(record("after the last save")))
	server.Kill(t)
	server.Restart(t)
	recovered(t, m.s)
	if server.Do(t, "DBSIZE") == "0" {
		t.Fatal("the restart brought nothing back: the test has lost its point")
	}
	m.anew("after a restart", "1")

	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	server.Do(t, "PING")
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	if server.Do(t, "EVAL", "return string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)')", "0") == "0" {
		t.Fatal("nothing was evicted: the test has lost its point")
	}
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	began = m.anew("after an eviction", "1")

	m.now = m.now.Add(-time.Hour) // of a node whose clock is behind
	server.Do(t, "EVAL", "for _, k in ipairs(redis.call('KEYS', '*generation')) do redis.call('HSET', k, 'witness', 'x') end", "0")
	m.want("by a clock that is behind", "1", began)
}

// What one master of a Cluster forgets is not hidden by what the others remember.
func TestSinceInCluster(t *testing.T) {
	t.Parallel()
	nodes := testenv.RedisCluster(t)
	m := &recollection{t, open(t, cluster(nodes)), epoch}
	if err := m.s.Ready(t.Context(), epoch); err != nil {
		t.Fatal(err)
	}
	const many = 300
	for n := range many {
		m.want("after Ready", fmt.Sprint(n), epoch)
		apply(t, m.s, store.Insert(record(fmt.Sprint(n))))
	}
	nodes[1].Flush(t)
	lost, kept := 0, 0
	for n := range many {
		id := fmt.Sprint(n)
		_, err := m.s.Get(t.Context(), epoch, mark, "", id)
		switch since := m.since(id); {
		case err != nil && since.Equal(epoch):
			t.Errorf("%s is forgotten, and said to be remembered", id)
		case err == nil && !since.Equal(epoch):
			t.Errorf("%s is remembered, and said to be forgotten", id)
		case err != nil:
			lost++
		default:
			kept++
		}
	}
	if lost < many/10 || kept < many/10 {
		t.Errorf("%d lost, %d kept", lost, kept)
	}
}

// A user who may not ask INFO gets an error, not an answer that is wrong.
func TestSinceNeedsInfo(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, "--user", "clerk", "on", ">clerk", "~*", "+@all", "-info")
	config := single(server)
	config.Username, config.Password = "clerk", "clerk"
	s := open(t, config)
	apply(t, s, store.Insert(record("1")))
	if since, err := s.Since(t.Context(), epoch, mark, "", "1"); err == nil || !strings.HasPrefix(err.Error(), "redis: ") {
		t.Errorf("since %v, %v", since, err)
	}
}
