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

// Begin adds to the batch that a message is sent, and returns zero; or how long until there is room for it, in whole seconds, and adds
// nothing. It does the same for a recipient who exists as for one who does not.
func (s *Sends) Begin(ctx context.Context, b *store.Batch, key SendKey) (wait time.Duration, err error) {
	policy, err := Resolve(ctx, s.settings, s.settings.Throttle, key.Org, "")
	if err != nil {
		return 0, err
	}
	limits := policy.limits(ThrottleMessage)
	var logs []*sendLog
	for _, id := range s.ids(key) {
		log, until, err := s.weigh(ctx, store.Ref{Org: key.Org, ID: id}, limits, b.Now())
		if err != nil {
			return 0, err
		}
		logs, wait = append(logs, log), max(wait, until)
	}
	if key.Address != "" {
		pass, err := s.throttle.Look(ctx, key.Org, ThrottleSend, key.Address)
		if err != nil {
			return 0, err
		}
		wait = max(wait, pass.RetryAfter())
	}
	if wait > 0 {
		return (wait + time.Second - 1).Truncate(time.Second), nil
	}
	if key.Address != "" {
		if _, err := s.throttle.Begin(ctx, b, key.Org, ThrottleSend, key.Address); err != nil {
			return 0, err
		}
	}
	if len(limits) > 0 {
		for _, log := range logs {
			s.put(b, log, limits)
		}
	}
	return 0, nil
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
	log.Times = append(log.Times, b.Now())
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
