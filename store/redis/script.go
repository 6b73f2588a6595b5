package redis

import (
	"context"
	_ "embed"

	"github.com/redis/go-redis/v9"
)

//go:embed apply.lua
var applySource string

//go:embed since.lua
var sinceSource string

// script is a Lua script by which Redis does something as one atomic step.
type script struct{ source, hash string }

func newScript(source string) script {
	return script{source: source, hash: redis.NewScript(source).Hash()}
}

// run runs the script on one key: by its hash, in one round trip, and in a second by its source where the server does not
// know it yet.
func (s script) run(ctx context.Context, client redis.UniversalClient, key string, args ...any) (string, error) {
	answer, err := once(ctx, client, append([]any{"evalsha", s.hash, 1, key}, args...))
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return once(ctx, client, append([]any{"eval", s.source, 1, key}, args...))
	}
	return answer, err
}

// once sends a command that is never sent again, also not by the client of a Cluster, which repeats on a connection that
// broke whatever its options say.
func once(ctx context.Context, client redis.UniversalClient, args []any) (string, error) {
	command := unrepeated{redis.NewCmd(ctx, args...)}
	_ = client.Process(ctx, command) // the command holds the error
	return command.Text()
}

type unrepeated struct{ *redis.Cmd }

// NoRetry is asked by the client.
func (unrepeated) NoRetry() bool { return true }
