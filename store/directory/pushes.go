package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Push is the question to a person's devices that is open, or was last, and how often they were asked. There is one for each person,
// so that of questions, and of answers, at once one is written.
type Push struct {
	store.Meta
	Subject store.Ref `json:"subject"`
	// Prompt is the id of the question, and Flow what asks it.
	Prompt string `json:"prompt,omitempty"`
	Flow   string `json:"flow,omitempty"`
	// ChallengeHash and NumberMAC are what an answer has to repeat; hashed, the second under a key.
	ChallengeHash string    `json:"challengeHash,omitempty"`
	NumberMAC     string    `json:"numberMac,omitempty"`
	Until         time.Time `json:"until,omitzero"`
	// Answer is what became of it; "" while it is open.
	Answer PushAnswer `json:"answer,omitempty"`
	// Device and DeviceEpoch are the credential that has answered.
	Device      string `json:"device,omitempty"`
	DeviceEpoch int64  `json:"deviceEpoch,omitempty"`
	// Asked is when they were asked lately, Denials how often in a row that was not agreed to, and Paused until when they are left
	// alone.
	Asked   []time.Time `json:"asked,omitempty"`
	Denials int         `json:"denials,omitempty"`
	Paused  time.Time   `json:"paused,omitzero"`
}

// PushAnswer is what became of a question.
type PushAnswer string

// The answers.
const (
	PushApproved PushAnswer = "approved"
	// PushDenied says no; PushMismatched agreed, with another number than the one that was shown.
	PushDenied     PushAnswer = "denied"
	PushMismatched PushAnswer = "mismatched"
	// PushUsed was approved, and has signed somebody in.
	PushUsed PushAnswer = "used"
)

var (
	pushKind = store.Kind{Name: "directory.push"}
	pushType = store.Type[Push]{
		Kind: pushKind,
		Keys: func(p *Push) []store.Key {
			if p.Prompt == "" {
				return nil
			}
			return []store.Key{{Name: "prompt", Value: p.Prompt, Scope: store.GlobalScope}}
		},
	}
)

// pushMemory is how long it is remembered how often somebody was asked.
const pushMemory = 24 * time.Hour

// ErrPushOver says that a question is not open: unknown, answered, or too old.
var ErrPushOver = errors.New("directory: the question is not open")

// Pushes keeps the devices on which people confirm sign-ins, and asks them no more often than PushPolicy says: one question at a time,
// few in an hour, and none for a while after some that were not agreed to.
type Pushes struct {
	db          *store.DB
	all         *store.Collection[Push]
	invitations *store.Collection[pushInvitation]
	credentials *Credentials
	subjects    *Subjects
	sessions    *store.Collection[Session]
	settings    *Settings
}

func newPushes(db *store.DB, credentials *Credentials, subjects *Subjects, settings *Settings) *Pushes {
	return &Pushes{
		db: db, all: store.NewCollection(db, pushType), invitations: store.NewCollection(db, invitationType),
		credentials: credentials, subjects: subjects, sessions: store.NewCollection(db, sessionType), settings: settings,
	}
}

// Kind is the kind of the questions, for telling what a Conflict is about: whoever gets one begins anew.
func (p *Pushes) Kind() store.Kind { return pushKind }

// of returns the record of a subject, a new one at first.
func (p *Pushes) of(ctx context.Context, subject store.Ref) (*Push, error) {
	push, err := p.all.Get(ctx, subject)
	if errors.Is(err, store.ErrNotFound) {
		return &Push{Meta: store.Meta{Org: subject.Org, ID: subject.ID}, Subject: subject}, nil
	}
	return push, err
}

// Open reports whether an answer may still come.
func (p *Push) Open(now time.Time) bool {
	return p.Prompt != "" && p.Answer == "" && now.Before(p.Until)
}

// PushQuestion is what is asked.
type PushQuestion struct {
	// Prompt is its id, and Flow what asks it; another question of the same flow takes its place.
	Prompt string
	Flow   string
	// Challenge and Number are what the answer has to repeat; Until is how long it may.
	Challenge secret.Text
	Number    secret.Text
	Until     time.Time
}

// Asking is a question that may be asked, or has to wait.
type Asking struct {
	push *Push
	wait time.Duration
}

// Wait is how long the person is to be left alone, in whole seconds; zero is not at all.
func (a *Asking) Wait() time.Duration { return (a.wait + time.Second - 1).Truncate(time.Second) }

// Weigh reads whether a person may be asked by a flow.
func (p *Pushes) Weigh(ctx context.Context, subject store.Ref, flow string) (*Asking, error) {
	policy, err := Resolve(ctx, p.settings, p.settings.Push, subject.Org, "")
	if err != nil {
		return nil, err
	}
	push, err := p.of(ctx, subject)
	if err != nil {
		return nil, err
	}
	return &Asking{push: push, wait: push.wait(policy, flow, p.db.Now())}, nil
}

// Ask adds to the batch that a person's devices are asked, which Weigh has found room for. Of several questions at once one is
// applied, and the others get a *store.Conflict on Kind and begin again with Weigh.
func (p *Pushes) Ask(b *store.Batch, asking *Asking, q PushQuestion) {
	push := *asking.push // it may be added to another batch
	push.Asked = slices.DeleteFunc(slices.Clone(push.Asked), func(t time.Time) bool { return !t.Add(time.Hour).After(b.Now()) })
	push.Asked = append(push.Asked, b.Now())
	push.Prompt, push.Flow, push.Until, push.Answer, push.Device, push.DeviceEpoch = q.Prompt, q.Flow, q.Until, "", "", 0
	push.ChallengeHash = q.Challenge.Hash()
	push.NumberMAC = p.db.Keys().MAC(push.numberWords(q.Number)...)
	p.put(b, &push)
}

// wait is how long the devices are to be left alone.
func (p *Push) wait(policy PushPolicy, flow string, now time.Time) time.Duration {
	wait := p.Paused.Sub(now)
	if p.Open(now) && p.Flow != flow {
		wait = max(wait, p.Until.Sub(now))
	}
	if i := len(p.Asked) - policy.PerHour; i >= 0 {
		wait = max(wait, p.Asked[i].Add(time.Hour).Sub(now))
	}
	return max(wait, 0)
}

// Find returns the question with an id, or ErrPushOver when the person has been asked another since.
func (p *Pushes) Find(ctx context.Context, prompt string) (*Push, error) {
	if !validID(prompt) {
		return nil, ErrPushOver
	}
	push, err := p.all.Lookup(ctx, "", store.Key{Name: "prompt", Value: prompt, Scope: store.GlobalScope})
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrPushOver
	}
	return push, err
}

// Answer adds to the batch what a device of the person says, which has proven that it is theirs and knows the challenge. Agreeing with
// another number than the one that was shown is a denial. The error is ErrPushOver for a question that is not open. Events:
// "push.approved", "push.denied".
func (p *Pushes) Answer(ctx context.Context, b *store.Batch, push *Push, device *Credential, approved bool, number secret.Text) error {
	if !push.Open(b.Now()) || device.Subject != push.Subject {
		return ErrPushOver
	}
	policy, err := Resolve(ctx, p.settings, p.settings.Push, push.Subject.Org, "")
	if err != nil {
		return err
	}
	push.Answer, push.Device, push.DeviceEpoch = PushDenied, device.ID, device.Epoch
	switch {
	case approved && p.db.Keys().MatchesMAC(push.NumberMAC, push.numberWords(number)...):
		push.Answer = PushApproved
	case approved:
		push.Answer = PushMismatched
	}
	event := "push.approved"
	if push.Answer != PushApproved {
		event = "push.denied"
		if push.Denials++; push.Denials >= policy.Denials {
			push.Denials, push.Paused = 0, b.Now().Add(policy.Pause)
		}
	}
	p.credentials.all.Check(b, device) // not one that is being removed
	p.put(b, push)
	b.Event(store.Event{
		Meta: store.Meta{Org: push.Org}, Type: event, Subject: push.Subject.ID,
		Data: details("credential", device.ID, "prompt", push.Prompt, "answer", string(push.Answer)),
	})
	return nil
}

// Use adds to the batch that an approval has signed somebody in: it does so once. The error is ErrPushOver for what is no approval.
func (p *Pushes) Use(b *store.Batch, push *Push) error {
	if push.Answer != PushApproved || !b.Now().Before(push.Until) {
		return ErrPushOver
	}
	push.Answer, push.Denials = PushUsed, 0
	p.put(b, push)
	return nil
}

// numberWords bind a number to its question.
func (p *Push) numberWords(number secret.Text) []string {
	return []string{"directory.push", p.Subject.Org, p.Subject.ID, p.Prompt, number.Reveal()}
}

func (p *Pushes) put(b *store.Batch, push *Push) {
	push.Expires = b.Now().Add(pushMemory)
	if push.Version == 0 {
		p.all.Insert(b, push)
	} else {
		p.all.Replace(b, push)
	}
}
