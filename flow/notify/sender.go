package notify

import (
	"context"
	"errors"
)

// EmailSender delivers one e-mail; package flow/notify/smtp has one. Methods of senders are safe for concurrent use and return within
// the context. An error that wraps ErrUndeliverable ends the message; after any other it is sent again later. Errors do not repeat
// what the message says: they are logged.
type EmailSender interface {
	SendEmail(ctx context.Context, m Mail) error
}

// SMSSender delivers one text message. See EmailSender.
type SMSSender interface {
	SendSMS(ctx context.Context, t Text) error
}

// PushSender delivers one notification to a device. See EmailSender.
type PushSender interface {
	SendPush(ctx context.Context, a Alert) error
}

// ErrUndeliverable says that a message can never be delivered: nobody has that address or device, or what serves it will not have this
// message.
var ErrUndeliverable = errors.New("notify: undeliverable")

// Mail is an e-mail, ready to be sent. No field holds a line break, Text and HTML excepted.
type Mail struct {
	// ID is the Message-ID without its angle brackets. A mail that is sent again has the same.
	ID string
	// From and ReplyTo are addresses with or without a name (RFC 5322 §3.4); ReplyTo may be "". To is an address alone.
	From, ReplyTo, To string
	Subject           string
	// Text and HTML say the same; HTML may be "".
	Text, HTML string
	// Locale is the language of it (RFC 5646).
	Locale string
	// Organization is the path of the organization that it comes from, for a sender that knows several servers.
	Organization string
}

// Text is a text message, ready to be sent.
type Text struct {
	// ID identifies the message. One that is sent again has the same.
	ID string
	// To is a telephone number (E.164).
	To, Text     string
	Organization string
}

// Alert is a notification for a device, ready to be sent.
type Alert struct {
	// ID identifies the message. One that is sent again has the same.
	ID string
	// To is what the sender knows the device by.
	To, Title, Text string
	// Data is what the application on the device gets: Message.Params.
	Data         map[string]string
	Organization string
}
