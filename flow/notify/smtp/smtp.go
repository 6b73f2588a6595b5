package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/flow/notify"
)

// Config says which mail server to send to. Only Host is required.
type Config struct {
	// Host is the name of the server, to which its certificate must belong.
	Host string
	// Port is that of the server; zero is 587, or 465 with ImplicitTLS.
	Port int
	// ImplicitTLS begins with TLS. False begins without, and demands STARTTLS before anything is said.
	ImplicitTLS bool
	// Username and Password are sent over TLS alone, by SCRAM-SHA-256, PLAIN or LOGIN; "" does not authenticate.
	Username string
	Password notify.Secret
	// Token gives, in the place of Password, access tokens for XOAUTH2, as Microsoft 365 and Gmail want them;
	// clientcredentials.Config.TokenSource makes one. It is asked for each mail, and caches.
	Token oauth2.TokenSource
	// RootCAs are trusted to name the server; nil are those of the system.
	RootCAs *x509.CertPool
	// InsecureNoTLS speaks without TLS: everybody on the way reads the codes and the password, and can change them. For a server on the
	// same machine.
	InsecureNoTLS bool
}

// Sender is a notify.EmailSender. It is safe for concurrent use and keeps no connection open.
type Sender struct {
	config  Config
	options []mail.Option
}

var _ notify.EmailSender = (*Sender)(nil)

const (
	connectTimeout = 5 * time.Second
	// answerTimeout is how long each answer of the server may take.
	answerTimeout = 20 * time.Second
)

// New checks the configuration and returns a Sender. It does not connect.
func New(config Config) (*Sender, error) {
	var problems []error
	if config.Host == "" {
		problems = append(problems, errors.New("smtp: Config.Host is required"))
	}
	if config.Port < 0 || config.Port > 65535 {
		problems = append(problems, errors.New("smtp: Config.Port is no port"))
	}
	if config.ImplicitTLS && config.InsecureNoTLS {
		problems = append(problems, errors.New("smtp: Config.ImplicitTLS and Config.InsecureNoTLS contradict each other"))
	}
	if config.InsecureNoTLS && config.Token != nil {
		problems = append(problems, errors.New("smtp: Config.Token is not sent without TLS"))
	}
	if config.Username == "" && (config.Password != "" || config.Token != nil) {
		problems = append(problems, errors.New("smtp: Config.Username is required with Config.Password and Config.Token"))
	}
	if config.Username != "" && (config.Password == "") == (config.Token == nil) {
		problems = append(problems, errors.New("smtp: Config.Username needs one of Config.Password and Config.Token"))
	}
	if strings.ContainsAny(config.Username, "\x00\r\n") {
		problems = append(problems, errors.New("smtp: Config.Username has control characters"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if config.Port == 0 {
		config.Port = 587
		if config.ImplicitTLS {
			config.Port = 465
		}
	}
	return &Sender{config: config, options: config.options()}, nil
}

// options are what every connection has in common.
func (c *Config) options() []mail.Option {
	options := []mail.Option{
		mail.WithPort(c.Port), mail.WithTimeout(answerTimeout), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTLSConfig(c.tls()),
		// A failure to reset after the mail was taken would have it sent again.
		mail.WithoutRset(), mail.WithoutNoop(),
	}
	mechanisms := []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin}
	switch {
	case c.ImplicitTLS:
		options = append(options, mail.WithSSL())
	case c.InsecureNoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
		mechanisms = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc}
	}
	switch {
	case c.Token != nil:
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthXOAUTH2), mail.WithUsername(c.Username))
	case c.Username != "":
		options = append(options, mail.WithOpportunisticSMTPAuth(mechanisms...), mail.WithUsername(c.Username), mail.WithPassword(c.Password.Reveal()))
	}
	return options
}

func (c *Config) tls() *tls.Config {
	return &tls.Config{ServerName: c.Host, RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12}
}

// SendEmail implements notify.EmailSender. That the server refuses this recipient or this mail for good is notify.ErrUndeliverable.
func (s *Sender) SendEmail(ctx context.Context, m notify.Mail) error {
	message, err := compose(m)
	if err != nil {
		return fmt.Errorf("%w: smtp: %w", notify.ErrUndeliverable, err)
	}
	options := append(s.options[:len(s.options):len(s.options)], mail.WithDialContextFunc(s.dialer(ctx)))
	if s.config.Token != nil {
		token, err := s.config.Token.Token()
		if err != nil {
			return fmt.Errorf("smtp: there is no token: %w", err)
		}
		options = append(options, mail.WithPassword(token.AccessToken))
	}
	client, err := mail.NewClient(s.config.Host, options...)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	err = client.SendWithSMTPClient(connection, message)
	_ = client.CloseWithSMTPClient(connection) // the mail is on its way, whatever comes of this
	if message.IsDelivered() {
		return nil
	}
	return judge(err)
}

// dialer connects within its time, and cuts the connection when ctx is done: a server that answers drop by drop holds nobody longer.
func (s *Sender) dialer(ctx context.Context) mail.DialContextFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		plain := &net.Dialer{Timeout: connectTimeout}
		var (
			conn net.Conn
			err  error
		)
		if s.config.ImplicitTLS {
			conn, err = (&tls.Dialer{NetDialer: plain, Config: s.config.tls()}).DialContext(dialing, network, address)
		} else {
			conn, err = plain.DialContext(dialing, network, address)
		}
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
}

// compose makes the mail. Header fields are written by the library from parsed addresses and encoded words; what could begin another
// field is refused before.
func compose(m notify.Mail) (*mail.Msg, error) {
	for _, field := range []string{m.ID, m.From, m.ReplyTo, m.To, m.Subject, m.Locale} {
		if strings.ContainsAny(field, "\r\n\x00") {
			return nil, errors.New("a field has a line break")
		}
	}
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(message.From(m.From), message.To(m.To)); err != nil {
		return nil, errors.New("an address is malformed") // the library's error repeats it
	}
	if m.ReplyTo != "" {
		if err := message.ReplyTo(m.ReplyTo); err != nil {
			return nil, errors.New("an address is malformed")
		}
	}
	message.SetMessageIDWithValue(m.ID)
	message.SetDate()
	message.Subject(m.Subject)
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: nobody is out of office for us
	if m.Locale != "" {
		message.SetGenHeader("Content-Language", m.Locale) // RFC 3282 §2
	}
	message.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		message.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	return message, nil
}

// judge tells a mail that the server will never take from one that it may take later. What it says of us, or of the way that we came, is
// for an operator to mend, and the mail can wait for that.
func judge(err error) error {
	refused := (*mail.SendError)(nil)
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		switch refused.Reason {
		case mail.ErrSMTPRcptTo, mail.ErrSMTPDataClose:
			return fmt.Errorf("%w: smtp: %w", notify.ErrUndeliverable, err)
		}
	}
	return fmt.Errorf("smtp: %w", err)
}
