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
package notify
