package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Event is a fact that became true. Batch.Event writes it in the very step that makes it true, together with one
// Delivery for each durable consumer that wants it. It carries no secrets: whoever reads the store reads it.
type Event struct {
	Meta
	// Type is "<concept>.<past participle>", as in "user.created".
	Type string `json:"type"`
	// Time is when it became true; Batch.Event fills it in.
	Time time.Time `json:"time"`
	// Subject is whom the fact is about, if anybody.
	Subject string `json:"subject,omitempty"`
	// Data is a JSON object with what consumers need; its form belongs to Type.
	Data json.RawMessage `json:"data,omitempty"`
}

// Consumer is somebody who must learn of events for certain: webhooks, logout, provisioning, messages.
type Consumer struct {
	// Name identifies the consumer in Deliveries and must not change.
	Name string
	// Types are the event types it wants; empty is all.
	Types []string
}

// Delivery is the debt of one event to one consumer. It ends done or dead. Consumers see it at least once, in no
// promised order.
type Delivery struct {
	Meta
	Consumer string    `json:"consumer"`
	Event    Ref       `json:"event"`
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Due      time.Time `json:"due"`
	// Error is the safe text of the last failure.
	Error string `json:"error,omitempty"`
}

// The states of a Delivery.
const (
	DeliveryPending = "pending"
	DeliveryDone    = "done"
	DeliveryDead    = "dead"
)

// MaxAttempts is how often a Delivery is tried before it is dead.
const MaxAttempts = 12

// doneRetention is how long a finished Delivery can still be looked at.
const doneRetention = 7 * 24 * time.Hour

var (
	eventKind    = Kind{Name: "store.event"}
	deliveryKind = Kind{Name: "store.delivery"}

	eventType = Type[Event]{
		Kind: eventKind,
		Index: func(e *Event) []Entry {
			entries := []Entry{{"type", Text(e.Type)}, {"time", Time(e.Time)}}
			if e.Subject != "" {
				entries = append(entries, Entry{"subject", Text(e.Subject)})
			}
			return entries
		},
	}
	deliveryType = Type[Delivery]{
		Kind: deliveryKind,
		Index: func(d *Delivery) []Entry {
			return []Entry{{"queue", Text(queue(d.Consumer, d.State))}, {"due", Time(d.Due)}}
		},
	}
)

func queue(consumer, state string) string { return consumer + "|" + state }

func checkConsumers(consumers []Consumer) error {
	seen := map[string]bool{}
	for _, c := range consumers {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("store: Config.Consumers: name %q is empty or stands twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// Consumes reports whether Config.Consumers has a consumer of that name.
func (db *DB) Consumes(name string) bool {
	return slices.ContainsFunc(db.config.Consumers, func(c Consumer) bool { return c.Name == name })
}

// Event adds to the batch that e became true. ID, Time and Expires are filled in.
func (b *Batch) Event(e Event) {
	e.ID, e.Time = NewID(), b.Now()
	e.Expires = e.Time.Add(b.db.config.EventRetention)
	b.db.events.Insert(b, &e)
	for _, c := range b.db.config.Consumers {
		if len(c.Types) == 0 || slices.Contains(c.Types, e.Type) {
			b.db.outbox.Insert(b, &Delivery{
				Meta: Meta{Org: e.Org, ID: NewID()}, Consumer: c.Name, Event: e.Ref(), State: DeliveryPending, Due: e.Time,
			})
		}
	}
}

// Events lists events, newest last unless q says otherwise: an audit trail. Fields: type, time, subject.
func (db *DB) Events(ctx context.Context, q Query) (Listing[Event], error) {
	if q.Sort == "" {
		q.Sort = "time"
	}
	return db.events.List(ctx, q)
}

// Claimed is a Delivery that is this node's to carry out until its lease ends.
type Claimed struct {
	Event    Event
	delivery *Delivery
}

// Attempts is how often the delivery was claimed, this time included.
func (c *Claimed) Attempts() int { return c.delivery.Attempts }

// Claim takes up to limit due Deliveries of the consumer for the length of the lease. A Delivery that is neither
// finished nor failed by then is due again. Nodes that claim at once get different ones.
func (db *DB) Claim(ctx context.Context, consumer string, lease time.Duration, limit int) ([]*Claimed, error) {
	now := db.Now()
	due, err := db.outbox.List(ctx, Query{
		Within: Everywhere, Sort: "due", Limit: limit,
		Filter: And{Equals("queue", Text(queue(consumer, DeliveryPending))), Compare{"due", Le, Time(now)}},
	})
	if err != nil {
		return nil, err
	}
	var claimed []*Claimed
	for _, d := range due.Items {
		c, err := db.claim(ctx, d, now.Add(lease))
		if err != nil {
			return claimed, err
		}
		if c != nil {
			claimed = append(claimed, c)
		}
	}
	return claimed, nil
}

// claim moves one Delivery behind the lease; nil when another node was faster.
func (db *DB) claim(ctx context.Context, d *Delivery, until time.Time) (*Claimed, error) {
	event, err := db.events.Get(ctx, d.Event)
	switch {
	case errors.Is(err, ErrNotFound): // outlived: nothing left to tell
		return nil, unlessFaster(db.finish(ctx, d, DeliveryDead, "the event has expired"))
	case err != nil:
		return nil, err
	case d.Attempts >= MaxAttempts: // nobody lived to tell what became of the last
		return nil, unlessFaster(db.finish(ctx, d, DeliveryDead, "the last attempt never ended"))
	}
	d.Attempts++
	d.Due = until
	b := db.Batch()
	db.outbox.Replace(b, d)
	switch err := b.Apply(ctx); {
	case ConflictOn(err, deliveryKind) != nil:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &Claimed{Event: *event, delivery: d}, nil
}

// unlessFaster forgives that another node has dealt with a Delivery.
func unlessFaster(err error) error {
	if ConflictOn(err, deliveryKind) != nil {
		return nil
	}
	return err
}

// Done says that the consumer has carried out the delivery.
func (db *DB) Done(ctx context.Context, c *Claimed) error {
	return db.finish(ctx, c.delivery, DeliveryDone, "")
}

// Finish adds to the batch that the consumer has carried out the delivery, so that what it came to is written once, or not at all. A
// *Conflict is the sign that another node was faster.
func (db *DB) Finish(b *Batch, c *Claimed) {
	c.delivery.State, c.delivery.Error = DeliveryDone, ""
	c.delivery.Expires = db.Now().Add(doneRetention)
	db.outbox.Replace(b, c.delivery)
}

// Abandon adds to the batch that the delivery can never be carried out, for a reason that may be shown to operators: it is dead before
// MaxAttempts. A *Conflict is the sign that another node was faster.
func (db *DB) Abandon(b *Batch, c *Claimed, reason string) {
	c.delivery.State, c.delivery.Error = DeliveryDead, reason
	db.outbox.Replace(b, c.delivery)
}

// Fail says that an attempt failed for a reason that may be shown to operators, and when to try again. After MaxAttempts
// the delivery is dead.
func (db *DB) Fail(ctx context.Context, c *Claimed, reason string, retryAt time.Time) error {
	if c.delivery.Attempts >= MaxAttempts {
		return db.finish(ctx, c.delivery, DeliveryDead, reason)
	}
	c.delivery.Error, c.delivery.Due = reason, retryAt
	b := db.Batch()
	db.outbox.Replace(b, c.delivery)
	return b.Apply(ctx)
}

func (db *DB) finish(ctx context.Context, d *Delivery, state, reason string) error {
	d.State, d.Error = state, reason
	if state == DeliveryDone {
		d.Expires = db.Now().Add(doneRetention)
	}
	b := db.Batch()
	db.outbox.Replace(b, d)
	return b.Apply(ctx)
}
