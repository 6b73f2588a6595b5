package redis_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
)

// What docs/operations.md allows an ACL user is enough, and no more than that.
func TestPermissions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("\\*\\*Permissions\\*\\* of an ACL user: `([^`]*)`").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/operations.md does not say what an ACL user needs")
	}
	rules := strings.Fields(string(found[1]))
	for n, missing := range append([]string{""}, rules...) {
		if missing == "+@connection" || strings.HasPrefix(missing, "&") {
			continue // without it nobody connects; without a channel nothing is heard
		}
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			acl := []string{"--user", "signet", "on", ">signet"}
			for i, rule := range rules {
				if i != n-1 {
					acl = append(acl, rule)
				}
			}
			config := single(testenv.Redis(t, acl...))
			config.Username, config.Password, config.Prefix = "signet", "signet", "signet:"
			err := everything(t.Context(), open(t, config))
			if missing == "" && err != nil {
				t.Errorf("with all of it: %v", err)
			}
			if missing != "" && err == nil {
				t.Errorf("works without %s", missing)
			}
		})
	}
}

// everything calls all that a store can do, until something fails.
func everything(ctx context.Context, s *redis.Store) error {
	if err := s.Ready(ctx, epoch); err != nil {
		return err
	}
	if err := s.Notify(ctx, "topic"); err != nil {
		return err
	}
	listening, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.Listen(listening, func(string) { cancel() }); listening.Err() == nil {
		return err
	}
	forever := record("forever")
	forever.Expires = time.Time{}
	for _, op := range []store.Op{
		store.Insert(record("1")), store.Insert(forever),
		store.Add(mark, store.Ref{ID: "n"}, 1, epoch.Add(time.Hour)), store.Add(mark, store.Ref{ID: "n"}, 1, epoch),
	} {
		if _, err := s.Apply(ctx, epoch, op); err != nil {
			return err
		}
	}
	got, err := s.Get(ctx, epoch, mark, "", "1")
	if err != nil {
		return err
	}
	_, err = s.Apply(ctx, epoch, store.Delete(mark, got.Ref(), got.Version))
	return err
}
