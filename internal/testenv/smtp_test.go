package testenv_test

import (
	"crypto/tls"
	"fmt"
	"net/smtp"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
)

// A mail that the client of the standard library sends arrives as it was sent.
func TestSMTP(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	client, err := smtp.Dial(fmt.Sprintf("%s:%d", s.Host, s.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	steps := []func() error{
		func() error { return client.StartTLS(&tls.Config{RootCAs: s.RootCAs, ServerName: s.Host}) },
		func() error { return client.Auth(smtp.PlainAuth("", s.Username, s.Password, s.Host)) },
		func() error { return client.Mail("a@example.com") },
		func() error { return client.Rcpt("b@example.com") },
		func() error {
			w, err := client.Data()
			if err != nil {
				return err
			}
			_, _ = w.Write([]byte("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain\r\n\r\nYour code:\r\n\r\n  493027\r\n\r\n..https://id.example.com/go?x=1\r\n"))
			return w.Close()
		},
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	m := s.Wait(t, "b@example.com", 1)
	if m.From != "a@example.com" || m.Subject != "Grüße" || !m.TLS || m.User != s.Username || m.Code() != "493027" || m.Link() != "https://id.example.com/go?x=1" {
		t.Errorf("got %+v", m)
	}
	s.Refuse("RCPT", "550 no such mailbox")
	if err := client.Rcpt("c@example.com"); err == nil {
		t.Error("the recipient was not refused")
	}
}
