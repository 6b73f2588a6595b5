package redis

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/signet-idp/signet/store"
)

// Store implements store.Ephemeral, store.Lossy and store.Readier. It is made by New and safe for concurrent use.
//
// An ended context is noticed before a call is sent and while it waits for a connection; a deadline also cuts short the
// wait for the answer, which Config.Timeout bounds in any case.
type Store struct {
	client redis.UniversalClient
	prefix string
	// parts is among how many hash tags a Cluster's records are divided; one means that there are no tags.
	parts uint32
	apply script
	since script
}

var (
	_ store.Ephemeral = (*Store)(nil)
	_ store.Lossy     = (*Store)(nil)
	_ store.Readier   = (*Store)(nil)
)

// New checks the configuration and returns a Store, or an error that names every problem. It does no I/O: a server that
// is down is met by the calls, which fail until it is back. Ready tells whether it is there.
func New(config Config) (*Store, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config.fill()
	s := &Store{
		client: config.client(), prefix: config.Prefix, parts: 1,
		apply: newScript(applySource), since: newScript(sinceSource),
	}
	if config.Cluster {
		s.parts = clusterParts
	}
	return s, nil
}

// Close closes all connections.
func (s *Store) Close() error { return s.client.Close() }

// Get implements store.Ephemeral.
func (s *Store) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	if err := store.ValidateKind(kind); err != nil {
		return store.Record{}, err
	}
	values, err := s.client.HMGet(ctx, s.key(kind, org, id), "v", "x", "s", "c", "b").Result()
	if err != nil {
		return store.Record{}, failure(ctx, err)
	}
	record := store.Record{Kind: kind, Org: org, ID: id}
	found, err := decode(values, &record)
	if err != nil {
		return store.Record{}, err
	}
	if !found || !record.Expires.IsZero() && !record.Expires.After(now) {
		return store.Record{}, store.ErrNotFound
	}
	return record, nil
}

// Apply implements store.Ephemeral.
func (s *Store) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.ValidateOps(ops); err != nil {
		return nil, err
	}
	op := &ops[0]
	if len(ops) > 1 || len(op.Record.Keys)+len(op.Record.Index) > 0 {
		return nil, fmt.Errorf("%w: an ephemeral store takes one operation on a record without keys and index", store.ErrInvalid)
	}
	next := newVersion()
	answer, err := s.apply.run(ctx, s.client, s.key(op.Record.Kind, op.Record.Org, op.Record.ID), arguments(op, now, next)...)
	if err != nil {
		return nil, writeFailure(ctx, err)
	}
	result, err := judge(op, next, answer)
	if err != nil {
		return nil, err
	}
	return []store.Result{result}, nil
}

// judge says what the answer of the script means.
func judge(op *store.Op, next int64, answer string) (store.Result, error) {
	reasons := map[string]store.Reason{"version": store.Version, "exists": store.Exists, "absent": store.Absent}
	if reason := reasons[answer]; reason != 0 {
		return store.Result{}, &store.Conflict{Reason: reason, Kind: op.Record.Kind, Ref: op.Record.Ref()}
	}
	switch op.Verb {
	case store.VerbDelete:
		return store.Result{}, nil
	case store.VerbCheck:
		return store.Result{Version: op.Record.Version}, nil
	}
	count, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		return store.Result{}, fmt.Errorf("redis: %w: the script answered %q", store.ErrUncertain, answer)
	}
	return store.Result{Version: next, Count: count}, nil
}

// newVersion is 63 random bits. A counter would begin anew when Redis has lost it, and a clock may step back; two of n
// writes of one record get the same version with a chance of n²/2⁶⁴, whatever is lost between them.
func newVersion() int64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if v := int64(binary.BigEndian.Uint64(b[:]) >> 1); v != 0 {
			return v
		}
	}
}

// key is where a record is kept. Ids have no control characters, so that the zero byte separates.
func (s *Store) key(kind store.Kind, org, id string) string {
	name := kind.Name + ":" + org + "\x00" + id
	return s.prefix + s.tag(s.part(name)) + name
}

// part is the part of a Cluster's records to which a name belongs.
func (s *Store) part(name string) uint32 { return crc32.ChecksumIEEE([]byte(name)) % s.parts }

// tag keeps the records of a part, and its generation, in one slot and so on one server.
func (s *Store) tag(part uint32) string {
	if s.parts == 1 {
		return ""
	}
	return "{" + strconv.FormatUint(uint64(part), 10) + "}"
}

// clusterParts is into how many parts a Cluster's records are divided: more than there are masters, and few enough for
// Ready to ask each.
const clusterParts = 64

// Since implements store.Lossy. In a Cluster each of 64 parts of the records has its own answer, so that what one master
// forgets is not hidden by what the others remember.
func (s *Store) Since(ctx context.Context, now time.Time, kind store.Kind, org, id string) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	if err := store.ValidateKind(kind); err != nil {
		return time.Time{}, err
	}
	return s.generation(ctx, now, s.part(kind.Name+":"+org+"\x00"+id))
}

func (s *Store) generation(ctx context.Context, now time.Time, part uint32) (time.Time, error) {
	answer, err := s.since.run(ctx, s.client, s.prefix+s.tag(part)+"generation", stamp(now))
	if err != nil {
		return time.Time{}, failure(ctx, err)
	}
	return parseStamp(answer)
}

// Ready implements store.Readier: whether the server answers, can be written, is of the kind that Config says, and keeps what
// it is given: a maxmemory-policy other than noeviction lets it throw records away. It begins the generations that Since
// tells of, so that the first proofs after a start are not refused.
func (s *Store) Ready(ctx context.Context, now time.Time) error {
	for part := range s.parts {
		if _, err := s.generation(ctx, now, part); err != nil {
			return err
		}
	}
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return suits(ctx, master, true) })
	}
	return suits(ctx, s.client, false)
}

// suits demands that a server be part of a Cluster, or not, and that it not evict.
func suits(ctx context.Context, client redis.Cmdable, cluster bool) error {
	info, err := client.Info(ctx).Result()
	if err != nil {
		return failure(ctx, err)
	}
	for line := range strings.Lines(info) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); {
		case name == "cluster_enabled" && value == "1" && !cluster:
			return errors.New("redis: the server is part of a Cluster: set Config.Cluster")
		case name == "maxmemory_policy" && value != "noeviction":
			return fmt.Errorf("redis: the server's maxmemory-policy is %s, which throws away sign-ins under way and replay marks: "+
				"set maxmemory-policy noeviction", value)
		}
	}
	return nil
}
