package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/signet-idp/signet/store"
)

// remedies say what to do about what a server answers, by the beginning of the answer.
var remedies = []struct{ answer, remedy string }{
	{"WRONGPASS", "user name or password is wrong: check Config.Username and Config.Password"},
	{"NOAUTH", "the server wants a password: set Config.Password"},
	{"ERR Protocol error: unauthenticated", "the server wants a password: set Config.Password"},
	{"ERR AUTH", "the server knows no passwords, or no users: check Config.Username and Config.Password"},
	{"NOPERM", "the user may not do this: allow it eval, evalsha, hmget, hset, hincrby, hget, del, pexpire, persist and info, on the keys of Config.Prefix, and publish and subscribe on the channel notify of it"},
	{"READONLY", "the server is a replica: Config.Addresses must be the master's, or set Config.MasterName to let Sentinels find it"},
	{"MOVED", "the server is part of a Cluster: set Config.Cluster"},
	{"ASK", "the server is part of a Cluster: set Config.Cluster"},
	{"CROSSSLOT", "the server is part of a Cluster: set Config.Cluster"},
	{"ERR This instance has cluster support disabled", "the server is not part of a Cluster: leave Config.Cluster false"},
	{"ERR DB index is out of range", "the server has no such database: check Config.DB"},
	{"ERR SELECT is not allowed in cluster mode", "a Cluster has no databases: set Config.Cluster, and Config.DB to 0"},
	{"OOM", "the memory of the server is full: raise its maxmemory"},
	{"MISCONF", "the server cannot write its disk, and so takes no writes: see its log"},
	{"NOREPLICAS", "too few replicas follow the master (min-replicas-to-write): see to them"},
	{"LOADING", "the server is still loading its data"},
	{"CLUSTERDOWN", "a part of the Cluster has no master"},
	{"MASTERDOWN", "the replica has lost its master"},
	{"WRONGTYPE", "somebody else uses the key: choose another Config.Prefix"},
	{"ERR max number of clients reached", "the server takes no more connections: raise its maxclients, or lower Config.PoolSize"},
}

// failure is the error of a call that changes nothing, or that has surely changed nothing.
func failure(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("redis: %w: %v", ended, err)
	}
	if _, ok := errors.AsType[redis.Error](err); ok {
		said := strings.TrimPrefix(err.Error(), "ERR Error running script: ")
		for _, r := range remedies {
			if strings.HasPrefix(said, r.answer) {
				return fmt.Errorf("redis: %s (%v)", r.remedy, err)
			}
		}
	}
	return fmt.Errorf("redis: %v", err)
}

// writeFailure is the error of a write: uncertain, unless it was surely not done. That is so when the server has answered with
// an error, as the script writes nothing before the last thing that can fail, and when there was no connection to send it on.
func writeFailure(ctx context.Context, err error) error {
	_, answered := errors.AsType[redis.Error](err)
	dial, ok := errors.AsType[*net.OpError](err)
	if answered || ok && dial.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed) {
		return failure(ctx, err)
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("redis: %w: %w: %v", store.ErrUncertain, ended, err)
	}
	return fmt.Errorf("redis: %w: %v", store.ErrUncertain, err)
}
