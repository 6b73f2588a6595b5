// Package notify tells people things by e-mail, text message and push notification: codes and links to sign in with, and what has
// happened to their account.
//
// A message is handed over in the very step that makes it true, as part of its Batch, and lies in the store, sealed, until it is
// delivered; nothing is sent while a request waits. What it says is a template: built in, of the host, or of an organization or
// application, in the language of the person.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"time"
//
//		"github.com/signet-idp/signet/flow/notify"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/directory"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	// terminal is an EmailSender of the host's own.
//	type terminal struct{}
//
//	func (terminal) SendEmail(_ context.Context, m notify.Mail) error {
//		log.Printf("to %s: %s\n%s", m.To, m.Subject, m.Text)
//		return nil
//	}
//
//	func main() {
//		ring, err := store.NewKeyRing(store.GenerateRingKey())
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring, Consumers: notify.Consumers()})
//		if err != nil {
//			log.Fatal(err)
//		}
//		dir, err := directory.New(directory.Config{DB: db})
//		if err != nil {
//			log.Fatal(err)
//		}
//		messages, err := notify.New(notify.Config{
//			DB: db, Directory: dir, Issuer: "https://id.example.com",
//			Senders: notify.Senders{Email: terminal{}, From: "Example <no-reply@example.com>"},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//
//		b := db.Batch() // with whatever makes the message true
//		err = messages.Send(b, notify.Message{
//			Template: notify.EmailOTP, Channel: notify.Email, To: "ann@example.com", Locales: []string{"de"},
//			Params: map[string]string{notify.Code: "493027"}, Expires: db.Now().Add(5 * time.Minute),
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := b.Apply(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//		if err := messages.Maintain(context.Background()); err != nil { // or Run, in a goroutine of the host's
//			log.Fatal(err)
//		}
//	}
//
// # Senders
//
// A sender is one method: EmailSender, SMSSender, PushSender. There are
//
//	smtp.New                    e-mail to a mail server (package flow/notify/smtp)
//	NewHTTP                     any channel, by a request that the host describes
//	NewTwilio, NewVonage        text messages
//	NewFCM, NewWebPush          notifications, to apps and to browsers
//	Writer                      all of them, to the terminal of a developer
//
// What is sent, and how often it is tried, is said at Messages.Run; what must not be learned from it at Message.Decoy.
//
// # Templates
//
// A Source has literals such as {{user-name}}; each name of Template has one in English. Nearest holds, for each language in turn: the setting
// SourceSetting of the application, of its organization and of the ancestors of both, the files of the host (Senders.Templates), ours. The literals
// are those of the product that importers come from ({{OTPCode}}, {{confirmation-code}}, {{user.claim.givenname}}, {{organization.logo.img}},
// {{expiry-time}} in minutes), and {{code}}, {{link}}, {{expiry-hours}}, {{issuer-host}}, {{lang}} and {{dir}}; whatever else stands in
// Message.Params has the name that it has there. One that means nothing is empty, and logged.
//
// # Tests
//
// idptest.Server.Mailbox is a mailbox for everybody, with the code and link of each message. Tests within this module that want a real mail server
// on loopback take internal/testenv.SMTP.
//
// # Specifications
//
// RFC 5322 and RFC 5321 §4.1.2 (addresses), RFC 4647 §3.4 (which language fits), RFC 6749 §4.4 (tokens for services), RFC 8030, 8188, 8291 and 8292
// (web push), the origin-bound one-time codes of the WICG (the last line of a code by SMS).
//
// # Not implemented
//
// Senders for single organizations: a sender of the host's own finds Mail.Organization in what it sends. Attachments, opening and click
// tracking, bounces that come later by mail, PASSWORD_CREDENTIAL as a way to authenticate to a service, Amazon SNS.
package notify
