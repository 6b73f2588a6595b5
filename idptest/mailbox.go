package idptest

import (
	"context"
	"regexp"
	"slices"
	"sync"

	"github.com/signet-idp/signet/flow/notify"
)

// Mailbox is where everything arrives that the provider sends to people: e-mail, text messages and notifications. It is safe for concurrent
// use; its methods belong into the goroutine of the test.
type Mailbox struct {
	server *Server

	mu       sync.Mutex
	received []Received
}

// Received is a message that has arrived.
type Received struct {
	Channel notify.Channel
	// To is the address, the number, or what names the device.
	To string
	// Subject is that of an e-mail, or the title of a notification.
	Subject, Text, HTML string
	// Data is what the application on the device gets.
	Data map[string]string
	// Locale is the language of an e-mail.
	Locale string
}

var (
	// loneCode is a code on a line of its own, and firstCode one that begins a text message.
	loneCode  = regexp.MustCompile(`(?m)^ *([0-9A-Z]{4,12})$`)
	firstCode = regexp.MustCompile(`^([0-9A-Z]{4,12})\b`)
	anyLink   = regexp.MustCompile(`https?://[^\s<>"]+`)
)

// Code is the one-time code in the message; "" is none.
func (r Received) Code() string {
	found := loneCode.FindStringSubmatch(r.Text)
	if found == nil && r.Channel == notify.SMS {
		found = firstCode.FindStringSubmatch(r.Text)
	}
	if found == nil {
		return ""
	}
	return found[1]
}

// Link is the first URL in the message; "" is none.
func (r Received) Link() string { return anyLink.FindString(r.Text) }

// Mailbox returns what people have received.
func (s *Server) Mailbox() *Mailbox { return s.mailbox }

// All delivers what is due and returns everything that has arrived, oldest first. A code that has expired by the provider's clock does not
// arrive any more.
func (m *Mailbox) All() []Received {
	m.server.t.Helper()
	if messages := m.server.Provider.Messages; messages != nil {
		m.server.must("deliver the messages", messages.Maintain(m.server.t.Context()))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.received)
}

// To delivers what is due and returns what has arrived at an address, oldest first.
func (m *Mailbox) To(address string) []Received {
	m.server.t.Helper()
	return slices.DeleteFunc(m.All(), func(r Received) bool { return r.To != address })
}

// Last delivers what is due and returns the newest message to an address. It ends the test when there is none.
func (m *Mailbox) Last(address string) Received {
	m.server.t.Helper()
	all := m.To(address)
	if len(all) == 0 {
		m.server.t.Fatalf("idptest: nothing has arrived at %s", address)
	}
	return all[len(all)-1]
}

// Code is the code in the newest message to an address that has one, as others may come beside it that tell of something. It ends the test
// when there is none.
func (m *Mailbox) Code(address string) string {
	m.server.t.Helper()
	return m.newest(address, "code", Received.Code)
}

// Link is the link in the newest message to an address that has one. It ends the test when there is none.
func (m *Mailbox) Link(address string) string {
	m.server.t.Helper()
	return m.newest(address, "link", Received.Link)
}

func (m *Mailbox) newest(address, what string, read func(Received) string) string {
	m.server.t.Helper()
	for _, r := range slices.Backward(m.To(address)) {
		if found := read(r); found != "" {
			return found
		}
	}
	m.server.t.Fatalf("idptest: no message to %s has a %s", address, what)
	return ""
}

// Empty forgets what has arrived.
func (m *Mailbox) Empty() {
	m.server.t.Helper()
	m.All()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.received = nil
}

func (m *Mailbox) keep(r Received) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.received = append(m.received, r)
	return nil
}

// SendEmail implements notify.EmailSender.
func (m *Mailbox) SendEmail(_ context.Context, mail notify.Mail) error {
	return m.keep(Received{Channel: notify.Email, To: mail.To, Subject: mail.Subject, Text: mail.Text, HTML: mail.HTML, Locale: mail.Locale})
}

// SendSMS implements notify.SMSSender.
func (m *Mailbox) SendSMS(_ context.Context, t notify.Text) error {
	return m.keep(Received{Channel: notify.SMS, To: t.To, Text: t.Text})
}

// SendPush implements notify.PushSender.
func (m *Mailbox) SendPush(_ context.Context, a notify.Alert) error {
	return m.keep(Received{Channel: notify.Push, To: a.To, Subject: a.Title, Text: a.Text, Data: a.Data})
}
