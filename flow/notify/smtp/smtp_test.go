package smtp_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/notify/smtp"
	"github.com/signet-idp/signet/internal/testenv"
)

func mailTo(to string) notify.Mail {
	return notify.Mail{
		ID: "m1@id.example.com", From: `"Größe & Co" <no-reply@example.com>`, ReplyTo: "help@example.com", To: to, Locale: "de",
		Subject: "Ihr Code für Größe & Co", Text: "Grüße\n\n    493027\n", HTML: "<!doctype html><p>Grüße <b>493027</b></p>",
	}
}

func configFor(s *testenv.SMTPServer) smtp.Config {
	return smtp.Config{Host: s.Host, Port: s.Port, RootCAs: s.RootCAs, Username: s.Username, Password: notify.Secret(s.Password)}
}

func sender(t *testing.T, c smtp.Config) *smtp.Sender {
	t.Helper()
	s, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A mail arrives as it was meant, over STARTTLS and over TLS from the beginning.
func TestSend(t *testing.T) {
	t.Parallel()
	server := testenv.SMTP(t)
	implicit := configFor(server)
	implicit.Port, implicit.ImplicitTLS = server.TLSPort, true
	for i, c := range []smtp.Config{configFor(server), implicit} {
		if err := sender(t, c).SendEmail(t.Context(), mailTo("ann@example.com")); err != nil {
			t.Fatal(err)
		}
		m := server.Wait(t, "ann@example.com", i+1)
		if !m.TLS || m.User != server.Username || m.From != "no-reply@example.com" || len(m.To) != 1 {
			t.Errorf("came as %+v", m)
		}
		for name, want := range map[string]string{
			"From": `"Größe & Co" <no-reply@example.com>`, "Reply-To": "<help@example.com>", "To": "<ann@example.com>", "Subject": "Ihr Code für Größe & Co",
			"Message-ID": "<m1@id.example.com>", "Auto-Submitted": "auto-generated", "Content-Language": "de", "MIME-Version": "1.0", "User-Agent": "", "X-Mailer": "",
		} {
			if got := strings.ReplaceAll(m.Header.Get(name), `"`, ""); got != strings.ReplaceAll(want, `"`, "") {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if !strings.Contains(m.Header.Get("Content-Type"), "multipart/alternative") || m.Text != "Grüße\n\n    493027\n" || m.HTML != mailTo("").HTML {
			t.Errorf("%q and %q", m.Text, m.HTML)
		}
	}
}

// TLS is not given up when somebody in between says that there is none, nor for a server of another name.
func TestAttackNoTLS(t *testing.T) {
	t.Parallel()
	server := testenv.SMTP(t)
	server.WithoutTLS()
	if err := sender(t, configFor(server)).SendEmail(t.Context(), mailTo("ann@example.com")); err == nil || errors.Is(err, notify.ErrUndeliverable) {
		t.Errorf("sent in the clear, or thrown away: %v", err)
	}
	server.Heal()
	stranger := configFor(server)
	stranger.RootCAs = x509.NewCertPool()
	if err := sender(t, stranger).SendEmail(t.Context(), mailTo("ann@example.com")); err == nil {
		t.Error("sent to a stranger")
	}
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d mails arrived", n)
	}

	// Without TLS there is no password that the server would take, but mail goes where the host insists.
	server.WithoutTLS()
	plain := smtp.Config{Host: server.Host, Port: server.Port, InsecureNoTLS: true}
	if err := sender(t, plain).SendEmail(t.Context(), mailTo("ann@example.com")); err != nil || server.Wait(t, "ann@example.com", 1).TLS {
		t.Errorf("not sent: %v", err)
	}
}

// No field can begin another header or command.
func TestAttackHeaderInjection(t *testing.T) {
	t.Parallel()
	server := testenv.SMTP(t)
	s := sender(t, configFor(server))
	for _, evil := range []string{"\r\nBcc: eve@example.com", "\nBcc: eve@example.com", "\r\n\r\nhello", "\x00"} {
		for name, edit := range map[string]func(*notify.Mail){
			"to": func(m *notify.Mail) { m.To += evil }, "from": func(m *notify.Mail) { m.From += evil }, "reply": func(m *notify.Mail) { m.ReplyTo += evil },
			"subject": func(m *notify.Mail) { m.Subject += evil }, "id": func(m *notify.Mail) { m.ID += evil }, "locale": func(m *notify.Mail) { m.Locale += evil },
		} {
			m := mailTo("ann@example.com")
			edit(&m)
			if err := s.SendEmail(t.Context(), m); !errors.Is(err, notify.ErrUndeliverable) {
				t.Errorf("%s with %q: %v", name, evil, err)
			}
		}
	}
	for _, to := range []string{"ann@example.com, eve@example.com", "ann@example.com>\r\nRCPT TO:<eve@example.com", "<ann@example.com> SIZE=1", "ann", ""} {
		if err := s.SendEmail(t.Context(), mailTo(to)); err == nil {
			for _, m := range server.Mails() {
				if len(m.To) != 1 || strings.Contains(m.To[0], "eve") {
					t.Errorf("%q reached %q", to, m.To)
				}
			}
		}
	}
}

// What the server says decides whether the mail is sent again.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command, reply string
		final          bool
	}{
		{"RCPT", "550 no such mailbox", true},
		{"RCPT", "450 busy", false},
		{"MAIL", "550 not you", false},
		{".", "554 spam", true},
		{".", "451 later", false},
		{"AUTH", "535 wrong", false},
		{"DATA", "421 going down", false},
	} {
		server := testenv.SMTP(t)
		server.Refuse(c.command, c.reply)
		err := sender(t, configFor(server)).SendEmail(t.Context(), mailTo("ann@example.com"))
		if err == nil || errors.Is(err, notify.ErrUndeliverable) != c.final {
			t.Errorf("%s %s: %v", c.command, c.reply, err)
		}
		if err != nil && (strings.Contains(err.Error(), server.Password) || strings.Contains(err.Error(), "493027")) {
			t.Errorf("the error tells too much: %v", err)
		}
		server.Heal()
		if err := sender(t, configFor(server)).SendEmail(t.Context(), mailTo("ann@example.com")); err != nil {
			t.Errorf("healed: %v", err)
		}
	}
}

// A server that answers nothing, or is not there, holds nobody longer than the context.
func TestHang(t *testing.T) {
	t.Parallel()
	server := testenv.SMTP(t)
	server.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := sender(t, configFor(server)).SendEmail(ctx, mailTo("ann@example.com")); err == nil || errors.Is(err, notify.ErrUndeliverable) {
		t.Errorf("got %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := configFor(server)
	gone.Port = l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	if err := sender(t, gone).SendEmail(t.Context(), mailTo("ann@example.com")); err == nil || errors.Is(err, notify.ErrUndeliverable) {
		t.Errorf("got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := smtp.New(smtp.Config{Port: -1, ImplicitTLS: true, InsecureNoTLS: true, Password: "x"})
	for _, want := range []string{"Host", "Port", "InsecureNoTLS", "Username"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	if _, err := smtp.New(smtp.Config{Host: "h", Username: "u"}); err == nil {
		t.Error("a user without a password was taken")
	}
}
