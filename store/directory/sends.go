package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// maxSends is the largest number that a limit of ThrottlePolicy.Message may have: so many times lie in one record.
const maxSends = 100

// sendLog says when something was sent to a recipient, or about an account. It holds neither, only keyed hashes.
type sendLog struct {
	store.Meta
	Times []time.Time `json:"times"`
}

var (
	sendKind = store.Kind{Name: "directory.sends"}
	sendType = store.Type[sendLog]{Kind: sendKind}
)

// Sends bounds what is sent to people: to one recipient, about one account, and for one network address (ThrottlePolicy.Message and
// Send). The windows slide, and a message over the limit is not sent even when many ask at once: whatever is sent is written over the
// records as they were read.
type Sends struct {
	db       *store.DB
	all      *store.Collection[sendLog]
	settings *Settings
	throttle *Throttle
}

func newSends(db *store.DB, settings *Settings, throttle *Throttle) *Sends {
	return &Sends{db: db, all: store.NewCollection(db, sendType), settings: settings, throttle: throttle}
}

// Kind is the kind of the records, for telling what a Conflict is about: whoever gets one begins anew.
func (s *Sends) Kind() store.Kind { return sendKind }

// SendKey says what is sent to whom.
type SendKey struct {
	// Org is the organization of the request.
	Org string
	// Purpose keeps budgets apart: what anybody may ask for does not use up what a person needs who has proven something.
	Purpose string
	// Destination is the recipient: an address or a number. For somebody unknown it is what was typed, so that the answers are the
	// same.
	Destination string
	// Account is what Locks.Account returned.
	Account string
	// Address is the network address that asks; "" is the machine's own doing, which is not bounded by it.
	Address string
}

// Sending is a message that may be sent, or has to wait.
type Sending struct {
	limits []Limit
	logs   []*sendLog
	pass   *Pass // of the network address; nil is not bounded
	wait   time.Duration
}

// Wait is how long until there is room for the message, in whole seconds; zero is now.
func (s *Sending) Wait() time.Duration { return (s.wait + time.Second - 1).Truncate(time.Second) }

// Weigh reads whether a message may be sent. It reads the same for a recipient who exists as for one who does not.
func (s *Sends) Weigh(ctx context.Context, key SendKey) (*Sending, error) {
	policy, err := Resolve(ctx, s.settings, s.settings.Throttle, key.Org, "")
	if err != nil {
		return nil, err
	}
	sending := &Sending{limits: policy.limits(ThrottleMessage)}
	for _, id := range s.ids(key) {
		log, wait, err := s.weigh(ctx, store.Ref{Org: key.Org, ID: id}, sending.limits, s.db.Now())
		if err != nil {
			return nil, err
		}
		sending.logs, sending.wait = append(sending.logs, log), max(sending.wait, wait)
	}
	if key.Address != "" {
		if sending.pass, err = s.throttle.Look(ctx, key.Org, ThrottleSend, key.Address); err != nil {
			return nil, err
		}
		sending.wait = max(sending.wait, sending.pass.RetryAfter())
	}
	return sending, nil
}

// Add adds to the batch that the message is sent. Of several that are sent at once one is applied, and the others get a
// *store.Conflict on Kind and begin again with Weigh. One that has to wait is not counted, and adds as much.
func (s *Sends) Add(b *store.Batch, sending *Sending) {
	if sending.pass != nil {
		for _, w := range sending.pass.windows {
			b.Add(windowKind, w.ref, 1, w.ends)
		}
	}
	if len(sending.limits) == 0 {
		return
	}
	for _, log := range sending.logs {
		written := *log // it may be added to another batch
		written.Times = slices.Clone(log.Times)
		if sending.wait <= 0 {
			written.Times = append(written.Times, b.Now())
		}
		s.put(b, &written, sending.limits)
	}
}

// ids are the records of a key: of the recipient and of the account.
func (s *Sends) ids(key SendKey) []string {
	keys := s.db.Keys()
	return []string{
		keys.MAC("directory.sends", "destination", key.Purpose, Fold(key.Destination)),
		keys.MAC("directory.sends", "account", key.Purpose, key.Account),
	}
}

// weigh reads a record, and how long until the limits have room for one more.
func (s *Sends) weigh(ctx context.Context, ref store.Ref, limits []Limit, now time.Time) (*sendLog, time.Duration, error) {
	log, err := s.all.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return &sendLog{Meta: store.Meta{Org: ref.Org, ID: ref.ID}}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var wait time.Duration
	for _, limit := range limits {
		// The window is full when the Count-th message from the end lies in it.
		if i := len(log.Times) - int(limit.Count); i >= 0 {
			wait = max(wait, log.Times[i].Add(limit.Per).Sub(now))
		}
	}
	return log, wait, nil
}

func (s *Sends) put(b *store.Batch, log *sendLog, limits []Limit) {
	longest, most := time.Duration(0), int64(0)
	for _, limit := range limits {
		longest, most = max(longest, limit.Per), max(most, limit.Count)
	}
	if extra := len(log.Times) - int(most); extra > 0 {
		log.Times = slices.Delete(log.Times, 0, extra)
	}
	log.Expires = b.Now().Add(longest)
	if log.Version == 0 {
		s.all.Insert(b, log)
	} else {
		s.all.Replace(b, log)
	}
}
