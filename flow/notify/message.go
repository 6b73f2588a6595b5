package notify

import (
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

// Message is something to be told to a person. What it says is the business of its Template, so that a Message holds names and
// values and never a sentence.
type Message struct {
	// Template is what is said.
	Template Template `json:"template"`
	// Channel is the way it goes. The Template must have a text for it.
	Channel Channel `json:"channel"`
	// To is where it goes: an e-mail address, a telephone number (E.164), or what the PushSender knows a device by.
	To string `json:"to"`
	// Subject is whom it is for; zero where there is no account yet. The message is in their language unless Locales says another, and
	// literals such as {{user-name}} are read from their profile when it is sent.
	Subject store.Ref `json:"subject,omitzero"`
	// Organization is the path of the organization, "" for the root, and Application whom the person deals with, if any. They choose
	// the texts and the look.
	Organization string    `json:"organization,omitempty"`
	Application  store.Ref `json:"application,omitzero"`
	// Locales are the languages to say it in, best first: those of the page that the person has just seen. Empty is the person's own.
	Locales []string `json:"locales,omitempty"`
	// Params are the values of literals. Code and Link are what most templates show; the literals that mean the same under other names
	// ({{OTPCode}}, {{confirmation-code}}) are filled from them. Others are named as in the template: "lock-duration". For Push they are
	// also the data of the notification.
	Params map[string]string `json:"params,omitempty"`
	// Expires is when the message is worth nothing any more, as when its code has expired: it is not delivered then. Zero is a day.
	Expires time.Time `json:"expires,omitzero"`
	// Decoy says that there is nobody to send it to. It costs the same as any other message, so that nobody learns who exists, and is
	// thrown away in the place of being delivered.
	Decoy bool `json:"decoy,omitempty"`
}

// Names of Message.Params that every template understands.
const (
	// Code is a one-time code.
	Code = "code"
	// Link is the absolute URL of the page at which the person goes on.
	Link = "link"
)

// Channel is a way to reach people.
type Channel string

// The channels.
const (
	Email Channel = "email"
	SMS   Channel = "sms"
	Push  Channel = "push"
)

// Mask leaves of an address of the channel what its owner needs to know it again: of a mail address the first letter and what follows the "@", of a
// telephone number the last four digits.
func (c Channel) Mask(address string) string {
	const hidden = "***"
	if c == SMS {
		if len(address) <= 4 {
			return hidden
		}
		return hidden + address[len(address)-4:]
	}
	local, domain, _ := strings.Cut(address, "@")
	for i := range local {
		if i > 0 {
			return local[:i] + hidden + "@" + domain
		}
	}
	return hidden + "@" + domain
}

// Outbox takes messages in the very step that makes them true. Methods are safe for concurrent use.
type Outbox interface {
	// Send adds to the batch that the message is to be delivered. It reads nothing and asks nobody: an error says that the
	// Template, the Channel or the size of the Message is wrong, and never depends on whether To can be reached.
	Send(b *store.Batch, m Message) error
	// Reaches reports whether anything can be sent that way.
	Reaches(c Channel) bool
}
