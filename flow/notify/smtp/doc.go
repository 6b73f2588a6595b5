// Package smtp sends the e-mail of package notify to a mail server: over TLS, after STARTTLS (RFC 3207) or from the first byte
// (RFC 8314 §3.3), with a password or a token (RFC 4954, XOAUTH2).
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//
//		"github.com/signet-idp/signet/flow/notify"
//		"github.com/signet-idp/signet/flow/notify/smtp"
//	)
//
//	func main() {
//		sender, err := smtp.New(smtp.Config{
//			Host: "smtp.example.com", Username: "signet", Password: notify.Secret(os.Getenv("SMTP_PASSWORD")),
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		err = sender.SendEmail(context.Background(), notify.Mail{
//			ID: "1@id.example.com", From: "Example <no-reply@example.com>", To: "ann@example.com", Subject: "Hello", Text: "It works.",
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A provider takes it as signet.Config.Messages.Email. It is a package of its own so that only who sends mail this way links the
// library behind it.
//
// # Specifications
//
// RFC 5321, RFC 5322, RFC 3207, RFC 4954, RFC 8314 §3.3, RFC 3834 §5 (Auto-Submitted), RFC 2047 and RFC 6532 for what is not ASCII, as far
// as wneessen/go-mail has them.
//
// # Not implemented
//
// One connection for several mails; DKIM and S/MIME, which the mail server adds; delivery to the servers of the recipients themselves.
package smtp
