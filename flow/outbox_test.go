package flow_test

import (
	"net/url"
	"sync"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// outbox takes messages when the step stands that makes them true.
type outbox struct {
	mu   sync.Mutex
	sent []notify.Message
	// mute is a way by which nothing sends; "" is none.
	mute notify.Channel
}

func (o *outbox) Send(b *store.Batch, m notify.Message) error {
	b.Then(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.sent = append(o.sent, m)
	})
	return nil
}

func (o *outbox) Reaches(c notify.Channel) bool { return c != o.mute }

// all are the messages that were delivered, and the decoys that were not.
func (o *outbox) all() (delivered, decoys []notify.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.sent {
		if m.Decoy {
			decoys = append(decoys, m)
		} else {
			delivered = append(delivered, m)
		}
	}
	return delivered, decoys
}

// last is the code of the last message that was delivered.
func (o *outbox) last() string {
	delivered, _ := o.all()
	if len(delivered) == 0 {
		return ""
	}
	return delivered[len(delivered)-1].Params[notify.Code]
}

// letter is the last message that was delivered; the zero one when there is none.
func (o *outbox) letter() notify.Message {
	delivered, _ := o.all()
	if len(delivered) == 0 {
		return notify.Message{}
	}
	return delivered[len(delivered)-1]
}

// link is the path of the link in the last message.
func (o *outbox) link(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(o.letter().Params[notify.Link])
	if err != nil || u.Path == "" {
		t.Fatalf("no link in %+v: %v", o.letter(), err)
	}
	return u.RequestURI()
}

// selfService is a world in which people make and recover accounts.
func selfService(t *testing.T, open opener) (*world, *outbox) {
	t.Helper()
	box := &outbox{}
	w := open(t, func(c *flow.Config, d *directory.Config) {
		c.Messages, c.Home = box, "/home"
		c.Plans = map[string]flow.Plan{
			"recover": flow.Recovery(), "register": flow.Registration(), "invite": flow.Invitation(), "verify": flow.Verification(),
		}
		d.Accounts = directory.AccountPolicies{
			Registration: directory.RegistrationPolicy{Enabled: true, SignIn: true, Welcome: true},
			Recovery:     directory.RecoveryPolicy{EmailLink: true, SignIn: true, Notify: true},
		}
		d.Throttle = directory.ThrottlePolicy{Off: []directory.Throttled{directory.ThrottleFlow, directory.ThrottlePassword, directory.ThrottleSend}}
	})
	return w, box
}

// verified adds a person whose address is known to be theirs.
func (w *world) verified(name string) *directory.User {
	w.Helper()
	u := &directory.User{Username: name, Email: name + "@example.com", EmailVerified: true}
	w.must(w.CreateUser(w.Context(), u, goodPassword))
	return u
}

// count is how many messages were made, decoys too.
func (o *outbox) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.sent)
}
