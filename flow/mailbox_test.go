package flow_test

import (
	"encoding/json"
	"net/url"
	"sync"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// mailbox is an outbox whose messages arrive at once, when their batch is applied.
type mailbox struct {
	mu   sync.Mutex
	made []notify.Message
	off  map[notify.Channel]bool
}

func (m *mailbox) Send(b *store.Batch, message notify.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made = append(m.made, message)
	text, err := json.Marshal(len(m.made))
	b.Event(store.Event{Type: "message.queued", Data: text})
	return err
}

func (m *mailbox) Reaches(c notify.Channel) bool { return !m.off[c] }

// last is the message that was made last; the zero one when there is none.
func (m *mailbox) last() notify.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.made) == 0 {
		return notify.Message{}
	}
	return m.made[len(m.made)-1]
}

// letters is how many messages are on their way or would be if there were somebody.
func (w *world) letters() int { return w.events("message.queued") }

// link is the path of the link in the last message.
func (m *mailbox) link(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(m.last().Params[notify.Link])
	if err != nil || u.Path == "" {
		t.Fatalf("no link in %+v: %v", m.last(), err)
	}
	return u.RequestURI()
}

// selfService is a world in which people make and recover accounts.
func selfService(t *testing.T, open opener) (*world, *mailbox) {
	t.Helper()
	box := &mailbox{}
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
