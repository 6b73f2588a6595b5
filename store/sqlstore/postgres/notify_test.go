package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// listen returns what a driver hears, and how its listening ends.
func listen(t *testing.T, d *postgres.Driver) (heard <-chan string, ended <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	topics, end := make(chan string, 10), make(chan error, 1)
	go func() { end <- d.Listen(ctx, func(topic string) { topics <- topic }) }()
	t.Cleanup(cancel)
	select {
	case first := <-topics:
		if first != "" {
			t.Fatalf("the first topic is %q, want none: what was sent before is unknown", first)
		}
	case err := <-end:
		t.Fatal(err)
	}
	return topics, end, cancel
}

// A topic is heard by all who listen with the same prefix, and the connection that listened is not used again.
func TestNotify(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	one, two := connect(t, dsn, postgres.Config{}), connect(t, dsn, postgres.Config{})
	other := connect(t, dsn, postgres.Config{Prefix: "other_"})
	first, _, _ := listen(t, one)
	second, ended, stop := listen(t, two)
	for from, topic := range map[*postgres.Driver]string{other: "not for them", one: "oidc.client acme/x'; --"} {
		if err := from.Notify(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
	for _, heard := range []<-chan string{first, second} {
		if topic := <-heard; topic != "oidc.client acme/x'; --" {
			t.Errorf("heard %q", topic)
		}
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen = %v", err)
	}
	if _, err := two.List(t.Context(), now, store.Query{Kind: thing}); err != nil {
		t.Errorf("after Listen: %v", err)
	}
}

// When the server goes Listen says so; a later one begins with the news that something may have been missed.
func TestListenLosesServer(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	d := connect(t, server.NewDatabase(t), postgres.Config{})
	_, ended, _ := listen(t, d)
	server.Kill(t)
	if err := <-ended; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Listen = %v", err)
	}
	if err := d.Notify(t.Context(), "x"); err == nil {
		t.Error("Notify says that a dead server has taken a topic")
	}
	server.Restart(t)
	heard, _, _ := listen(t, d)
	if err := d.Notify(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	if topic := <-heard; topic != "again" {
		t.Errorf("heard %q", topic)
	}
}

// A pool of one connection has none to spare for listening.
func TestListenLeavesTheOnlyConnection(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("pgx", testenv.SharedPostgres(t).NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	d, err := postgres.Open(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Listen(ctx, func(string) { t.Error("it listens") }) }()
	for range 20 {
		if _, err := d.List(t.Context(), now, store.Query{Kind: thing}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen = %v", err)
	}
}
