package redis_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
)

var (
	mark  = store.Kind{Name: "test.mark", Ephemeral: true}
	epoch = time.Date(2044, 2, 29, 13, 14, 15, 123_456_000, time.UTC)
)

func record(id string) store.Record {
	return store.Record{Kind: mark, ID: id, Expires: epoch.Add(time.Minute), Body: []byte(`{}`)}
}

// apply does one operation that must succeed.
func apply(t *testing.T, s store.Ephemeral, op store.Op) store.Result {
	t.Helper()
	results, err := s.Apply(t.Context(), epoch, op)
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// calls returns how many commands of clients the server has carried out, without what connecting takes.
func calls(t *testing.T, server *testenv.RedisServer) (n int, list string) {
	t.Helper()
	for line := range strings.Lines(server.Do(t, "INFO", "commandstats")) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		switch name {
		case "evalsha", "eval", "hmget", "get", "set", "multi", "exec":
			count, _, _ := strings.Cut(rest, ",")
			one, err := strconv.Atoi(count)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			list += fmt.Sprintf(" %s:%d", name, one)
			if name != "hmget" { // the script's own are counted too
				n += one
			}
		}
	}
	return n, list
}

// Every operation is one round trip, and so is a read.
func TestOneTrip(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	proxy := testenv.Proxy(t, server.Addr())
	s := open(t, redis.Config{Addresses: []string{proxy.Addr()}, PoolSize: 1})
	apply(t, s, store.Insert(record("warm"))) // connects, and brings the script
	server.Do(t, "CONFIG", "RESETSTAT")
	before := proxy.Trips()

	r := record("1")
	r.Version = apply(t, s, store.Insert(r)).Version
	r.Version = apply(t, s, store.Replace(r)).Version
	apply(t, s, store.Check(mark, r.Ref(), r.Version))
	apply(t, s, store.Add(mark, store.Ref{ID: "n"}, 1, r.Expires))
	apply(t, s, store.Add(mark, store.Ref{ID: "n"}, 1, r.Expires))
	if _, err := s.Get(t.Context(), epoch, mark, "", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), epoch, store.Insert(r)); store.ConflictOn(err, mark) == nil {
		t.Fatal(err)
	}
	apply(t, s, store.Delete(mark, r.Ref(), r.Version))
	if got := proxy.Trips() - before; got != 8 {
		t.Errorf("8 calls took %d round trips", got)
	}
	if n, list := calls(t, server); n != 7 {
		t.Errorf("7 steps took %d commands:%s", n, list)
	}
}

// Redis removes what has expired, later than callers see it expire, and keeps what never does.
func TestCollection(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s := open(t, single(server))
	life := func(id string) time.Duration {
		t.Helper()
		keys := server.Do(t, "KEYS", "*"+id)
		ms, err := strconv.Atoi(server.Do(t, "EVAL", "return redis.call('PTTL', redis.call('KEYS', ARGV[1])[1])", "0", "*"+id))
		if err != nil {
			t.Fatalf("%s: %v", keys, err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	near := func(id string, want time.Duration) {
		t.Helper()
		if got := life(id); got < want-time.Minute || got > want {
			t.Errorf("%s lives %v, want about %v", id, got, want)
		}
	}
	r := record("replaced")
	r.Version = apply(t, s, store.Insert(r)).Version
	near("replaced", time.Hour+time.Minute)
	r.Expires = epoch.Add(time.Hour)
	r.Version = apply(t, s, store.Replace(r)).Version
	near("replaced", 2*time.Hour)
	r.Expires = time.Time{}
	apply(t, s, store.Replace(r))
	if got := life("replaced"); got >= 0 {
		t.Errorf("a record that never expires lives %v", got)
	}
	apply(t, s, store.Add(mark, store.Ref{ID: "counted"}, 1, epoch.Add(time.Hour)))
	apply(t, s, store.Add(mark, store.Ref{ID: "counted"}, 1, epoch.Add(48*time.Hour)))
	near("counted", 2*time.Hour)
	past := record("past")
	past.Expires = epoch.AddDate(-1, 0, 0)
	apply(t, s, store.Insert(past))
	near("past", time.Hour)
	far := record("far")
	far.Expires = epoch.AddDate(500, 0, 0)
	apply(t, s, store.Insert(far))
	if got := life("far"); got >= 0 {
		t.Errorf("a record of 500 years lives %v", got)
	}
}

// A version does not come back, also when the store has lost everything, restarted, or another process writes.
func TestVersionsSurviveLoss(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s := open(t, single(server))
	seen := map[int64]bool{}
	took := func(version int64) {
		t.Helper()
		if seen[version] || version <= 0 {
			t.Fatalf("version %d again", version)
		}
		seen[version] = true
	}
	r := record("1")
	for range 20 {
		r.Version = apply(t, s, store.Insert(r)).Version
		took(r.Version)
		stale := r
		r.Version = apply(t, s, store.Replace(r)).Version
		took(r.Version)
		server.Flush(t)
		apply(t, s, store.Insert(r))
		if _, err := s.Apply(t.Context(), epoch, store.Replace(stale)); store.ConflictOn(err, mark) == nil {
			t.Fatalf("a version from before the loss: %v", err)
		}
		server.Flush(t)
	}
}

// An overflow is an error and changes nothing.
func TestOverflow(t *testing.T) {
	t.Parallel()
	s := open(t, single(testenv.SharedRedis(t)))
	const most = 1<<63 - 1
	first := apply(t, s, store.Add(mark, store.Ref{ID: "n"}, most, epoch.Add(time.Hour)))
	_, err := s.Apply(t.Context(), epoch, store.Add(mark, store.Ref{ID: "n"}, 1, epoch.Add(time.Hour)))
	if err == nil || errors.Is(err, store.ErrUncertain) {
		t.Errorf("an overflow: %v", err)
	}
	got, err := s.Get(t.Context(), epoch, mark, "", "n")
	if err != nil || got.Count != most || got.Version != first.Version {
		t.Errorf("after an overflow: %+v, %v", got, err)
	}
}

// What a driver may not be asked is refused before anything is sent.
func TestInvalid(t *testing.T) {
	t.Parallel()
	s := open(t, redis.Config{Addresses: []string{"127.0.0.1:1"}})
	keyed := record("1")
	keyed.Kind, keyed.Keys = store.Kind{Name: "test.durable"}, []store.Key{{Name: "k", Value: "v"}}
	for name, ops := range map[string][]store.Op{
		"two": {store.Insert(record("1")), store.Insert(record("2"))}, "none": nil, "a key": {store.Insert(keyed)},
	} {
		if _, err := s.Apply(t.Context(), epoch, ops...); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two stores of one Redis do not meet when their prefixes differ, and are one when they are the same.
func TestPrefix(t *testing.T) {
	t.Parallel()
	server := testenv.SharedRedis(t)
	config := single(server)
	config.Prefix = rand.Text() + ":"
	s, same, other := open(t, config), open(t, config), open(t, single(server))
	apply(t, s, store.Insert(record("1")))
	if _, err := same.Get(t.Context(), epoch, mark, "", "1"); err != nil {
		t.Error(err)
	}
	if _, err := other.Get(t.Context(), epoch, mark, "", "1"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// racers is how many processes compete, turns how often.
const racers, turns = 3, 40

// TestProcesses has processes compete for marks: each mark has one winner, and no addition is lost.
func TestProcesses(t *testing.T) {
	t.Parallel()
	const variable = "SIGNET_REDIS_RACE"
	if config := os.Getenv(variable); config != "" {
		race(t, config)
		return
	}
	for name, addresses := range map[string]string{
		"single": single(testenv.SharedRedis(t)).Addresses[0], "cluster": strings.Join(cluster(testenv.SharedRedisCluster(t)).Addresses, ","),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := rand.Text() + ":"
			var all sync.WaitGroup
			answers := make([]string, racers)
			for n := range racers {
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcesses$", "-test.v")
				child.Env = append(os.Environ(), variable+"="+prefix+" "+addresses)
				all.Go(func() {
					out, err := child.CombinedOutput()
					if answers[n] = string(out); err != nil {
						answers[n] += err.Error()
					}
				})
			}
			all.Wait()
			won := map[string]int{}
			for _, answer := range answers {
				if !strings.Contains(answer, "\nPASS") {
					t.Fatalf("a process failed: %s", answer)
				}
				for line := range strings.Lines(answer) {
					if id, ok := strings.CutPrefix(strings.TrimSpace(line), "won "); ok {
						won[id]++
					}
				}
			}
			if len(won) != 2*turns {
				t.Errorf("%d of %d marks were won", len(won), 2*turns)
			}
			for id, winners := range won {
				if winners != 1 {
					t.Errorf("%s was won %d times", id, winners)
				}
			}
		})
	}
}

// race is the part of one process.
func race(t *testing.T, config string) {
	prefix, addresses, _ := strings.Cut(config, " ")
	list := strings.Split(addresses, ",")
	s := open(t, redis.Config{Prefix: prefix, Addresses: list, Cluster: len(list) > 1})
	for turn := range turns {
		id := fmt.Sprint("m", turn)
		_, err := s.Apply(t.Context(), epoch, store.Insert(record(id)))
		won(t, "insert-"+id, err)
		// All that have come so far take the version that stands, and replace it.
		got, err := s.Get(t.Context(), epoch, mark, "", "counter"+id)
		if errors.Is(err, store.ErrNotFound) {
			got = record("counter" + id)
		} else if err != nil {
			t.Fatal(err)
		}
		result := apply(t, s, store.Add(mark, store.Ref{ID: "counter" + id}, 1, epoch.Add(time.Hour)))
		if result.Count == racers {
			fmt.Println("won counter-" + id)
		}
		if result.Count <= got.Count {
			t.Fatalf("counted %d after %d", result.Count, got.Count)
		}
	}
}

func won(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
		fmt.Println("won " + what)
	case store.ConflictOn(err, mark) == nil:
		t.Fatal(err)
	}
}

// A configuration prints without its passwords, whatever prints it.
func TestConfigHidesPasswords(t *testing.T) {
	t.Parallel()
	config := redis.Config{Addresses: []string{"127.0.0.1:1"}, Password: "open sesame", SentinelPassword: "open sesame", MasterName: "m"}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).InfoContext(context.Background(), "config", "value", config, "pointer", &config)
	}
	fmt.Fprintf(&log, "%v %+v %#v %s", config, config, config, config)
	if strings.Contains(log.String(), "sesame") || !strings.Contains(log.String(), "127.0.0.1:1") {
		t.Error(log.String())
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := redis.New(redis.Config{
		Addresses: []string{"redis.example.com", ":6379", "10.0.0.1:6379"}, DB: -1, Username: "signet", SentinelPassword: "x",
		Prefix: "{a}", Timeout: -1,
	})
	if err == nil {
		t.Fatal("all that is wrong is taken")
	}
	for _, want := range []string{"redis.example.com", `":6379"`, "several", "Config.DB", "Config.Username", "SentinelPassword", "Prefix", "Timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not complained about in: %v", want, err)
		}
	}
	for name, config := range map[string]redis.Config{
		"nothing": {}, "both": {Addresses: []string{"a:1"}, MasterName: "m", Cluster: true},
		"a database of a Cluster": {Addresses: []string{"a:1"}, Cluster: true, DB: 1},
	} {
		if _, err := redis.New(config); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
