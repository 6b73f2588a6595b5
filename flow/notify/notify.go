package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of Messages. DB, Directory and Issuer are required.
type Config struct {
	// DB keeps what is to be sent. Its Config.Consumers include Consumers.
	DB *store.DB
	// Directory knows people, applications, and the settings of organizations.
	Directory *directory.Directory
	// Issuer is the URL of the provider: links and logos are relative to it.
	Issuer string
	// Senders are the ways out.
	Senders Senders
	// Logger takes what went wrong with a message, without what it said. Nil discards it.
	Logger *slog.Logger
}

// Senders are the ways out. A channel whose sender is nil reaches nobody. New copies it.
type Senders struct {
	Email EmailSender
	SMS   SMSSender
	Push  PushSender
	// From is the sender of e-mail, as "no-reply@example.com" or "Example <no-reply@example.com>"; an address without a name gets that
	// of the Branding. Required with Email.
	From string
	// ReplyTo is where answers go; "" is From.
	ReplyTo string
	// Templates are laid over the built-in texts, template by template: at its root "<locale>.txt" ("de.txt", "pt-BR.txt"), in the form
	// of those in the folder texts, "<locale>/<template>.html" for the whole HTML of an e-mail, and "layout.html" around the others.
	// Nil changes none.
	Templates fs.FS
	// DefaultLocale is the language of those whose languages are not there; "" is "en".
	DefaultLocale string
}

// Messages is an Outbox over the store. What is sent lies there sealed until it is delivered. It is safe for concurrent use and
// starts no goroutine by itself.
type Messages struct {
	config  Config
	db      *store.DB
	queue   *store.Collection[queued]
	lanes   map[Channel]*lane
	catalog *catalog
	host    string       // of the issuer
	from    mail.Address // zero without e-mail
}

var _ Outbox = (*Messages)(nil)

// queued is a message that waits, sealed: it holds codes and addresses, and a dump must tell neither. It goes when it was delivered.
type queued struct {
	store.Meta
	Message store.Sealed `json:"message"`
}

var (
	messageKind = store.Kind{Name: "notify.message"}
	messageType = store.Type[queued]{Kind: messageKind}
)

const messageField = "message"

// lane is a channel that has a sender: what waits in one delays nothing in another.
type lane struct {
	channel Channel
	due     chan struct{}
}

// consumer is the name under which the lane's Deliveries wait, and event the fact that there is one.
func (c Channel) consumer() string { return "notify." + string(c) }
func (c Channel) event() string    { return string(c) + ".queued" }

// Consumers are what store.Config.Consumers needs for Messages to be delivered, and for people to be told of credentials that were added or removed.
func Consumers() []store.Consumer {
	all := []store.Consumer{{Name: credentialConsumer, Types: slices.Sorted(maps.Keys(credentialTemplates))}}
	for _, c := range []Channel{Email, SMS, Push} {
		all = append(all, store.Consumer{Name: c.consumer(), Types: []string{c.event()}})
	}
	return all
}

// New checks the configuration and returns Messages, or an error that names every problem. It does no I/O.
func New(config Config) (*Messages, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Messages{config: config, db: config.DB, queue: store.NewCollection(config.DB, messageType), lanes: map[Channel]*lane{}}
	issuer, err := url.Parse(config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("notify: Config.Issuer: %w", err)
	}
	m.host = issuer.Hostname()
	if config.Senders.Email != nil {
		from, _ := mail.ParseAddress(config.Senders.From) // checked
		m.from = *from
	}
	if m.catalog, err = newCatalog(config.Senders.Templates); err != nil {
		return nil, err
	}
	for c, reached := range map[Channel]bool{
		Email: config.Senders.Email != nil, SMS: config.Senders.SMS != nil, Push: config.Senders.Push != nil,
	} {
		if reached {
			m.lanes[c] = &lane{channel: c, due: make(chan struct{}, 1)}
		}
	}
	return m, nil
}

func (c *Config) check() error {
	var problems []error
	if c.DB == nil {
		problems = append(problems, errors.New("notify: Config.DB is required"))
	} else {
		for _, consumer := range Consumers() {
			if !c.DB.Consumes(consumer.Name) {
				problems = append(problems, fmt.Errorf("notify: store.Config.Consumers lacks %q: see Consumers", consumer.Name))
			}
		}
	}
	if c.Directory == nil {
		problems = append(problems, errors.New("notify: Config.Directory is required"))
	}
	if c.Issuer == "" {
		problems = append(problems, errors.New("notify: Config.Issuer is required"))
	}
	if c.Senders.Email != nil {
		if _, err := mail.ParseAddress(c.Senders.From); err != nil {
			problems = append(problems, fmt.Errorf("notify: Senders.From is required with Senders.Email: %q: %w", c.Senders.From, err))
		}
	}
	if _, err := mail.ParseAddress(c.Senders.ReplyTo); err != nil && c.Senders.ReplyTo != "" {
		problems = append(problems, fmt.Errorf("notify: Senders.ReplyTo: %w", err))
	}
	return errors.Join(problems...)
}

// Bounds on a Message.
const (
	maxMessage      = 16 << 10 // bytes as JSON
	messageLifetime = 24 * time.Hour
)

// Send implements Outbox.
func (m *Messages) Send(b *store.Batch, message Message) error {
	l := m.lanes[message.Channel]
	if l == nil {
		return fmt.Errorf("notify: nothing sends by %q", message.Channel)
	}
	if !m.catalog.has(entryOf(message.Template, message.Channel)) {
		return fmt.Errorf("notify: there is no template %q by %q", message.Template, message.Channel)
	}
	if message.Expires.IsZero() {
		message.Expires = b.Now().Add(messageLifetime)
	}
	q := &queued{Meta: store.Meta{Org: message.Organization, ID: store.NewID(), Expires: message.Expires}}
	text, err := json.Marshal(sealedMessage{message, b.Now()})
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("notify: a message of template %q is larger than %d bytes", message.Template, maxMessage)
	}
	q.Message = m.db.Seal(messageKind, q.Ref(), messageField, text)
	m.queue.Insert(b, q)
	about, err := json.Marshal(announcement{q.ID, message.Template})
	if err != nil {
		return err
	}
	b.Event(store.Event{
		Meta: store.Meta{Org: message.Organization}, Type: message.Channel.event(), Subject: message.Subject.ID, Data: about,
	})
	b.Then(l.hurry)
	return nil
}

// sealedMessage is what lies in queued.Message.
type sealedMessage struct {
	Message
	Queued time.Time `json:"queued"`
}

// announcement is the data of the event: where the message lies, and what it is about, but nothing of what it says.
type announcement struct {
	Message  string   `json:"message"`
	Template Template `json:"template"`
}

// Reaches implements Outbox.
func (m *Messages) Reaches(c Channel) bool { return m.lanes[c] != nil }

// hurry wakes who delivers on this node.
func (l *lane) hurry() {
	select {
	case l.due <- struct{}{}:
	default: // it is awake already
	}
}

// telephone is a number that a message can be sent to (ITU-T E.164, with or without its plus).
var telephone = regexp.MustCompile(`^\+?[0-9]{3,15}$`)

// dialable is a number without what people write between its digits.
func dialable(number string) string {
	number, _, _ = strings.Cut(number, ";")
	return strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "").Replace(number)
}

// address is the bare address of a mailbox (RFC 5321 §4.1.2). Whoever has a name beside it, or anything that could begin another header
// or command, has none.
func address(to string) (string, error) {
	parsed, err := mail.ParseAddress(to)
	if err != nil {
		return "", err
	}
	if parsed.Address != to || len(to) > 254 || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", errors.New("notify: more than an address")
	}
	return to, nil
}

// named is the sender as a header shows it (RFC 5322 §3.4), with a name if it has none of its own.
func named(from mail.Address, name string) string {
	if from.Name == "" {
		from.Name = printable(name)
	}
	return from.String()
}
