package testenv

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// SMTPServer takes every mail and delivers none (RFC 5321): what a test reads codes and links from. It offers STARTTLS (RFC 3207), and
// takes any user with its Password, by PLAIN or LOGIN (RFC 4954), over TLS alone. It is safe for concurrent use.
type SMTPServer struct {
	// Host and Port are where it listens, and TLSPort where TLS begins at once.
	Host          string
	Port, TLSPort int
	// RootCAs are what a client trusts.
	RootCAs *x509.CertPool
	// Username and Password are whom it takes.
	Username, Password string

	config  *tls.Config
	mu      sync.Mutex
	mails   []ReceivedMail
	arrived chan struct{} // closed and made anew with each mail
	fault   smtpFault
	healed  chan struct{}
}

// smtpFault is what is wrong with the server.
type smtpFault struct {
	command string // answered by reply
	reply   string
	hang    bool // nothing is answered
	vanish  bool // a mail is taken, and the connection cut in the place of an answer
	plain   bool // no STARTTLS is offered
}

// ReceivedMail is a mail as it arrived.
type ReceivedMail struct {
	// From and To are those of the envelope.
	From string
	To   []string
	// TLS says that it came over TLS, and User who has sent it.
	TLS  bool
	User string
	// Header has its words decoded (RFC 2047).
	Header mail.Header
	// Subject, Text and HTML are decoded; what is missing is "".
	Subject, Text, HTML string
	// Raw is the mail itself.
	Raw string
}

var (
	mailCode = regexp.MustCompile(`(?m)^\s*([0-9A-Z]{4,12})\s*$`)
	mailLink = regexp.MustCompile(`https?://[^\s<>"]+`)
)

// Code is what stands on a line of its own in the text, as a one-time code does; "" is none.
func (m ReceivedMail) Code() string {
	if found := mailCode.FindStringSubmatch(m.Text); found != nil {
		return found[1]
	}
	return ""
}

// Link is the first URL in the text; "" is none.
func (m ReceivedMail) Link() string { return mailLink.FindString(m.Text) }

// SMTP starts a mail server that belongs to this test alone, and is gone with it.
func SMTP(tb testing.TB) *SMTPServer {
	tb.Helper()
	folder := tb.TempDir()
	roots, err := certify(folder, net.IPv4(127, 0, 0, 1), "localhost")
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	s := &SMTPServer{
		RootCAs: roots, Username: "signet", Password: "smtp-password-of-the-test", arrived: make(chan struct{}), healed: make(chan struct{}),
		config: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	var open sync.WaitGroup
	ctx, end := context.WithCancel(context.WithoutCancel(tb.Context()))
	var listeners []net.Listener
	for _, port := range []*int{&s.Port, &s.TLSPort} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			end()
			tb.Fatalf("testenv: %v", err)
		}
		address := l.Addr().(*net.TCPAddr)
		s.Host, *port = address.IP.String(), address.Port
		if port == &s.TLSPort {
			l = tls.NewListener(l, s.config)
		}
		listeners = append(listeners, l)
		open.Go(func() { s.serve(ctx, l, &open) })
	}
	tb.Cleanup(func() {
		end()
		for _, l := range listeners {
			_ = l.Close()
		}
		open.Wait()
	})
	return s
}

// Mails are all that have arrived, oldest first.
func (s *SMTPServer) Mails() []ReceivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Wait returns the newest mail to an address as soon as there are n, and ends the test when that takes ten seconds.
func (s *SMTPServer) Wait(tb testing.TB, to string, n int) ReceivedMail {
	tb.Helper()
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	for {
		s.mu.Lock()
		var found []ReceivedMail
		for _, m := range s.mails {
			if slices.Contains(m.To, to) {
				found = append(found, m)
			}
		}
		arrived := s.arrived
		s.mu.Unlock()
		if len(found) >= n {
			return found[len(found)-1]
		}
		select {
		case <-arrived:
		case <-late.C:
			tb.Fatalf("testenv: %s has %d mails, want %d", to, len(found), n)
		}
	}
}

// Refuse answers a command (MAIL, RCPT, DATA, AUTH, or "." for the end of a mail) with a reply such as "550 no such mailbox", until Heal.
func (s *SMTPServer) Refuse(command, reply string) {
	s.disturb(smtpFault{command: command, reply: reply})
}

// Hang takes connections and answers nothing, until Heal.
func (s *SMTPServer) Hang() { s.disturb(smtpFault{hang: true}) }

// Vanish takes each mail and cuts the connection in the place of saying so, until Heal.
func (s *SMTPServer) Vanish() { s.disturb(smtpFault{vanish: true}) }

// WithoutTLS offers no STARTTLS, as somebody in between would have it, until Heal.
func (s *SMTPServer) WithoutTLS() { s.disturb(smtpFault{plain: true}) }

// Heal ends what is wrong.
func (s *SMTPServer) Heal() { s.disturb(smtpFault{}) }

func (s *SMTPServer) disturb(f smtpFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
	close(s.healed)
	s.healed = make(chan struct{})
}

func (s *SMTPServer) trouble() (smtpFault, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault, s.healed
}

func (s *SMTPServer) serve(ctx context.Context, l net.Listener, open *sync.WaitGroup) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		open.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, secure := conn.(*tls.Conn)
			(&smtpSession{server: s, ended: ctx.Done(), conn: conn, text: textproto.NewConn(conn), tls: secure}).run()
		})
	}
}

// smtpSession is one connection.
type smtpSession struct {
	server *SMTPServer
	ended  <-chan struct{}
	conn   net.Conn
	text   *textproto.Conn
	tls    bool
	user   string
	from   string
	to     []string
}

var errBye = errors.New("the connection ends")

func (c *smtpSession) run() {
	if c.reply("220 signet.test ESMTP") != nil {
		return
	}
	for {
		line, err := c.text.ReadLine()
		if err != nil || c.obey(line) != nil {
			return
		}
	}
}

// reply answers, unless the server hangs.
func (c *smtpSession) reply(lines ...string) error {
	if fault, healed := c.server.trouble(); fault.hang {
		select {
		case <-healed:
		case <-c.ended:
		}
		return errBye
	}
	for _, l := range lines {
		if err := c.text.PrintfLine("%s", l); err != nil {
			return err
		}
	}
	return nil
}

func (c *smtpSession) obey(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	fault, _ := c.server.trouble()
	if fault.command == verb {
		return c.reply(fault.reply)
	}
	switch verb {
	case "EHLO":
		lines := []string{"250-signet.test", "250-8BITMIME"}
		if c.tls {
			lines = append(lines, "250-AUTH PLAIN LOGIN")
		} else if !fault.plain {
			lines = append(lines, "250-STARTTLS")
		}
		return c.reply(append(lines, "250 SMTPUTF8")...)
	case "HELO", "NOOP":
		return c.reply("250 ok")
	case "RSET":
		c.from, c.to = "", nil
		return c.reply("250 ok")
	case "STARTTLS":
		if err := c.reply("220 go on"); err != nil {
			return err
		}
		c.conn = tls.Server(c.conn, c.server.config)
		c.text, c.tls = textproto.NewConn(c.conn), true
		return nil
	case "AUTH":
		return c.authenticate(rest)
	case "MAIL":
		c.from = envelope(rest)
		return c.reply("250 ok")
	case "RCPT":
		c.to = append(c.to, envelope(rest))
		return c.reply("250 ok")
	case "DATA":
		return c.take()
	case "QUIT":
		_ = c.reply("221 bye")
		return errBye
	}
	return c.reply("500 unknown command")
}

// envelope is the address of MAIL FROM:<…> and RCPT TO:<…>.
func envelope(rest string) string {
	_, rest, _ = strings.Cut(rest, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func (c *smtpSession) authenticate(rest string) error {
	if !c.tls {
		return c.reply("538 over TLS alone")
	}
	method, initial, _ := strings.Cut(rest, " ")
	ask := func(prompt string) string {
		if initial == "" {
			if c.reply("334 "+base64.StdEncoding.EncodeToString([]byte(prompt))) != nil {
				return ""
			}
			initial, _ = c.text.ReadLine()
		}
		answer, _ := base64.StdEncoding.DecodeString(initial)
		initial = ""
		return string(answer)
	}
	var user, password string
	switch strings.ToUpper(method) {
	case "PLAIN":
		if parts := strings.Split(ask(""), "\x00"); len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		user = ask("Username:")
		password = ask("Password:")
	}
	if user != c.server.Username || password != c.server.Password {
		return c.reply("535 wrong")
	}
	c.user = user
	return c.reply("235 right")
}

// take reads a mail and keeps it.
func (c *smtpSession) take() error {
	if err := c.reply("354 go on"); err != nil {
		return err
	}
	raw, err := c.text.ReadDotBytes()
	if err != nil {
		return err
	}
	fault, _ := c.server.trouble()
	if fault.command == "." {
		return c.reply(fault.reply)
	}
	m, err := readMail(raw)
	if err != nil {
		return c.reply("554 " + err.Error())
	}
	m.From, m.To, m.TLS, m.User = c.from, c.to, c.tls, c.user
	c.from, c.to = "", nil
	s := c.server
	s.mu.Lock()
	s.mails = append(s.mails, m)
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	if fault.vanish {
		return errBye
	}
	return c.reply("250 kept")
}

// readMail decodes a mail.
func readMail(raw []byte) (ReceivedMail, error) {
	message, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return ReceivedMail{}, err
	}
	m := ReceivedMail{Header: message.Header, Raw: string(raw)}
	var decoder mime.WordDecoder
	for name, values := range m.Header {
		for i, v := range values {
			if m.Header[name][i], err = decoder.DecodeHeader(v); err != nil {
				return m, err
			}
		}
	}
	m.Subject = m.Header.Get("Subject")
	return m, m.readPart(textproto.MIMEHeader(message.Header), message.Body)
}

// readPart takes in a part, or the parts in it.
func (m *ReceivedMail) readPart(header textproto.MIMEHeader, body io.Reader) error {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			p, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.readPart(p.Header, p); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	switch kind {
	case "text/plain":
		m.Text = text
	case "text/html":
		m.HTML = text
	}
	return nil
}
