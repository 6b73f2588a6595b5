package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	// claimLease is how long a node has for what it has claimed, and sendTimeout how long a sender has: the connection and the answer,
	// with something to spare.
	claimLease  = time.Minute
	sendTimeout = 30 * time.Second
	// settleTimeout is how long it may take to write down what became of a message, also when the node is to end.
	settleTimeout = 10 * time.Second
	// atOnce are how many messages of a lane are on their way at once.
	atOnce = 16
	// sweepEvery is how often Run looks for what no signal has told of: the messages of nodes that have died.
	sweepEvery = time.Minute
	// maintainRounds bounds one call of Maintain.
	maintainRounds = 50
	// firstWait is how long after its first failure a message is sent again; each further wait is twice as long, up to longestWait.
	firstWait   = 5 * time.Second
	longestWait = time.Hour
)

// Run tells people, within a minute, of credentials that were added to their account or removed, and delivers what is sent, at once on the node that sent it, until ctx is done; it returns the context's error. A slow server of
// one channel delays no other. What fails is logged and sent again after waits that grow, until it expires or has failed
// store.MaxAttempts times. A message may arrive twice when a node ends in between.
func (m *Messages) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	lanes.Go(func() { m.watchCredentials(ctx) })
	for _, l := range m.lanes {
		lanes.Go(func() { m.run(ctx, l) })
	}
	lanes.Wait()
	<-ctx.Done()
	return ctx.Err()
}

// Maintain tells people of their credentials and delivers what is due now, for hosts without Run. Any number of nodes may call it at once.
func (m *Messages) Maintain(ctx context.Context) error {
	var (
		lanes    sync.WaitGroup
		mu       sync.Mutex
		problems = []error{m.tellOfCredentials(ctx)}
	)
	for _, l := range m.lanes {
		lanes.Go(func() {
			err := m.rounds(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, err)
		})
	}
	lanes.Wait()
	return errors.Join(problems...)
}

// rounds claims and carries out until nothing is left.
func (m *Messages) rounds(ctx context.Context, l *lane) error {
	for range maintainRounds {
		claimed, err := m.db.Claim(ctx, l.channel.consumer(), claimLease, atOnce)
		problems := make([]error, len(claimed))
		var deliveries sync.WaitGroup
		for i, c := range claimed {
			deliveries.Go(func() { _, problems[i] = m.deliver(ctx, l, c) })
		}
		deliveries.Wait()
		if err = errors.Join(append(problems, err)...); err != nil || len(claimed) == 0 {
			return err // fewer than were asked for may mean that another node was faster with some
		}
	}
	return nil
}

// run keeps up to atOnce messages of the lane on their way.
func (m *Messages) run(ctx context.Context, l *lane) {
	var (
		underWay sync.WaitGroup
		full     atomic.Bool // there may be more than there were slots
		slots    = make(chan struct{}, atOnce)
		sweep    = time.NewTicker(sweepEvery)
	)
	defer underWay.Wait()
	defer sweep.Stop()
	for ctx.Err() == nil {
		free, more := cap(slots)-len(slots), false
		full.Store(free == 0)
		if free > 0 {
			claimed, err := m.db.Claim(ctx, l.channel.consumer(), claimLease, free)
			full.Store(len(claimed) == free)
			more = len(claimed) > 0 && err == nil // fewer than there are slots may mean that another node was faster with some
			if err != nil {
				m.complain(ctx, l, err)
			}
			for _, c := range claimed {
				slots <- struct{}{}
				underWay.Go(func() {
					wait, err := m.deliver(ctx, l, c)
					if err != nil {
						m.complain(ctx, l, err)
					}
					if wait > 0 {
						time.AfterFunc(wait, l.hurry)
					}
					<-slots
					if full.Load() {
						l.hurry()
					}
				})
			}
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-l.due:
		case <-sweep.C:
		}
	}
}

// complain logs that the store has failed, and looks again soon.
func (m *Messages) complain(ctx context.Context, l *lane, err error) {
	if ctx.Err() != nil {
		return
	}
	m.config.Logger.ErrorContext(ctx, "notify: messages wait: the store failed", slog.String("channel", string(l.channel)), slog.String("cause", err.Error()))
	time.AfterFunc(firstWait, l.hurry)
}

// deliver carries out one delivery and writes down what became of it. The error is the store's; wait is after what time the message
// is due again, zero for never.
func (m *Messages) deliver(ctx context.Context, l *lane, c *store.Claimed) (wait time.Duration, err error) {
	q, message, err := m.read(ctx, c)
	var failed error
	if err == nil {
		failed, err = m.attempt(ctx, l, q, message)
	}
	if dead := (*deadError)(nil); errors.As(err, &dead) {
		failed, err = dead, nil
	}
	if err != nil {
		return 0, err // due again when the lease ends
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if failed == nil {
		return 0, m.settle(ctx, q, func(b *store.Batch) { m.db.Finish(b, c) })
	}
	return m.fail(ctx, l, c, q, message, failed)
}

// deadError is why a message will never be delivered; its text may be shown to operators.
type deadError struct{ reason string }

func (e *deadError) Error() string { return e.reason }

// read returns the message of a delivery. A *deadError says that there is none any more.
func (m *Messages) read(ctx context.Context, c *store.Claimed) (*queued, *sealedMessage, error) {
	var about announcement
	if err := json.Unmarshal(c.Event.Data, &about); err != nil {
		return nil, nil, &deadError{"the event names no message"}
	}
	q, err := m.queue.Get(ctx, store.Ref{Org: c.Event.Org, ID: about.Message})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, &deadError{"expired"}
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := m.db.Unseal(messageKind, q.Ref(), messageField, q.Message)
	if err != nil {
		return q, nil, &deadError{"sealed under a key that is gone"}
	}
	message := new(sealedMessage)
	if err := json.Unmarshal(text, message); err != nil {
		return q, nil, &deadError{"not a message"}
	}
	return q, message, nil
}

// attempt sends a message. What the sender said of it is failed; err is the store's, or a *deadError.
func (m *Messages) attempt(ctx context.Context, l *lane, q *queued, message *sealedMessage) (failed, err error) {
	if message.Decoy {
		return nil, nil
	}
	wanted, err := m.Internal(ctx, message.Organization, message.Template)
	if err != nil || !wanted {
		return nil, err
	}
	rendered, err := m.render(ctx, message)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return m.send(ctx, l.channel, q, message, rendered), nil
}

// send hands a rendered message to the sender of the channel.
func (m *Messages) send(ctx context.Context, c Channel, q *queued, message *sealedMessage, r Rendered) error {
	s := m.config.Senders
	switch c {
	case Email:
		to, err := address(message.To)
		if err != nil {
			return fmt.Errorf("%w: the address is none", ErrUndeliverable)
		}
		return s.Email.SendEmail(ctx, Mail{
			ID: q.ID + "@" + m.host, From: named(m.from, r.sender), ReplyTo: s.ReplyTo, To: to,
			Subject: r.Subject, Text: r.Text, HTML: r.HTML, Locale: r.Locale, Organization: message.Organization,
		})
	case SMS:
		to := dialable(message.To)
		if !telephone.MatchString(to) {
			return fmt.Errorf("%w: the number is none", ErrUndeliverable)
		}
		return s.SMS.SendSMS(ctx, Text{ID: q.ID, To: to, Text: r.Text, Organization: message.Organization})
	default:
		return s.Push.SendPush(ctx, Alert{
			ID: q.ID, To: message.To, Title: r.Subject, Text: r.Text, Data: message.Params, Organization: message.Organization,
		})
	}
}

// settle removes the message in the step that settles its delivery. That another node was faster is no error.
func (m *Messages) settle(ctx context.Context, q *queued, add func(*store.Batch)) error {
	b := m.db.Batch()
	if q != nil {
		m.queue.Delete(b, q)
	}
	add(b)
	err := b.Apply(ctx)
	if conflict := (*store.Conflict)(nil); errors.As(err, &conflict) {
		return nil
	}
	return err
}

// fail writes down that a message was not delivered: it is due again, or dead.
func (m *Messages) fail(ctx context.Context, l *lane, c *store.Claimed, q *queued, message *sealedMessage, failed error) (time.Duration, error) {
	var about announcement
	_ = json.Unmarshal(c.Event.Data, &about)
	log := m.config.Logger.With(
		slog.String("channel", string(l.channel)), slog.String("template", string(about.Template)), slog.String("message", about.Message),
		slog.Int("attempt", c.Attempts()), slog.String("cause", scrub(failed.Error(), message)),
	)
	wait := min(firstWait<<min(c.Attempts()-1, 20), longestWait)
	reason := verdict(failed, c.Attempts())
	if reason == "" && q != nil && !m.db.Now().Add(wait).Before(q.Expires) {
		reason = "expired"
	}
	if reason == "" {
		log.WarnContext(ctx, "notify: a message was not delivered and will be sent again")
		return wait, m.db.Fail(ctx, c, "the sender failed", m.db.Now().Add(wait))
	}
	log.ErrorContext(ctx, "notify: a message was not delivered", slog.String("reason", reason))
	return 0, m.settle(ctx, q, func(b *store.Batch) {
		m.db.Abandon(b, c, reason)
		data, _ := json.Marshal(failure{l.channel, about.Template, reason})
		b.Event(store.Event{Meta: store.Meta{Org: c.Event.Org}, Type: "message.failed", Subject: c.Event.Subject, Data: data})
	})
}

// failure is the data of the event "message.failed".
type failure struct {
	Channel  Channel  `json:"channel"`
	Template Template `json:"template"`
	Reason   string   `json:"reason"`
}

// verdict is why a message that failed is dead; "" is that it is not.
func verdict(failed error, attempts int) string {
	dead := (*deadError)(nil)
	switch {
	case errors.As(failed, &dead):
		return dead.reason
	case errors.Is(failed, ErrUndeliverable):
		return "undeliverable"
	case attempts >= store.MaxAttempts:
		return "failed too often"
	}
	return ""
}

// scrub takes what the message said, and to whom, out of a text for the log, should a server or a sender have repeated it.
func scrub(text string, message *sealedMessage) string {
	if message == nil {
		return text
	}
	said := maps.Clone(message.Params)
	if said == nil {
		said = map[string]string{}
	}
	said["to"] = message.To
	// The longest first: a link holds the name and the code, and without them would not be found any more.
	names := slices.SortedFunc(maps.Keys(said), func(a, b string) int {
		return cmp.Or(len(said[b])-len(said[a]), cmp.Compare(a, b))
	})
	for _, name := range names {
		if value := said[name]; len(value) >= 4 {
			text = strings.ReplaceAll(text, value, "["+name+"]")
		}
	}
	return text
}

// Internal reports whether messages of the template are sent to people of an organization. Where they are not, whoever makes the
// code hands it to the caller, who sends it.
func (m *Messages) Internal(ctx context.Context, org string, t Template) (bool, error) {
	scenario := scenarioOf(t)
	if scenario == "" {
		return true, nil
	}
	external, err := directory.Resolve(ctx, m.config.Directory.Settings, ExternalSetting(), org, "")
	return !external.has(scenario), err
}
