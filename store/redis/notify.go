package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/signet-idp/signet/store"
)

var _ store.Notifier = (*Store)(nil)

// silence is how long a connection that listens may say nothing before it is asked whether it is there.
const silence = 30 * time.Second

// channel is shared by those who share the prefix. Channels know no databases.
func (s *Store) channel() string { return s.prefix + "notify" }

// Notify implements store.Notifier by PUBLISH.
func (s *Store) Notify(ctx context.Context, topic string) error {
	if err := s.client.Publish(ctx, s.channel(), topic).Err(); err != nil {
		return failure(ctx, err)
	}
	return nil
}

// Listen implements store.Notifier by SUBSCRIBE, on a connection of its own.
func (s *Store) Listen(ctx context.Context, heard func(topic string)) error {
	subscription := s.client.Subscribe(ctx, s.channel())
	defer func() { _ = subscription.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = subscription.Close() }) // ends the wait
	defer stop()
	asked := false
	for {
		message, err := subscription.ReceiveTimeout(ctx, silence)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && !asked && ctx.Err() == nil {
			asked = true
			err = subscription.Ping(ctx)
		}
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		if err != nil {
			return fmt.Errorf("redis: listening: %w", failure(ctx, err))
		}
		switch m := message.(type) {
		case *redis.Subscription:
			heard("")
		case *redis.Message:
			heard(m.Payload)
		}
		asked = asked && message == nil
	}
}
