package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
)

// TwilioConfig is an account at Twilio (Programmable Messaging, POST /2010-04-01/Accounts/{AccountSID}/Messages.json). AccountSID, AuthToken
// and one of From and MessagingService are required.
type TwilioConfig struct {
	// AccountSID is that of the account that pays.
	AccountSID string
	// KeySID is that of an API key whose secret AuthToken is; "" is the account itself.
	KeySID    string
	AuthToken Secret
	// From is the number or the name of the sender, and MessagingService in its place the SID of a service that chooses one.
	From, MessagingService string
	// URL is where the API is; "" is https://api.twilio.com.
	URL string
	// Client is as in HTTPConfig.
	Client *http.Client
}

// Twilio is an SMSSender. It is safe for concurrent use.
type Twilio struct {
	config TwilioConfig
	client *http.Client
	url    string
}

var _ SMSSender = (*Twilio)(nil)

// NewTwilio checks the configuration and returns a Twilio. It does not connect.
func NewTwilio(config TwilioConfig) (*Twilio, error) {
	if config.URL == "" {
		config.URL = "https://api.twilio.com"
	}
	base, err := serviceURL("TwilioConfig.URL", config.URL)
	problems := []error{err}
	if config.AccountSID == "" || config.AuthToken == "" {
		problems = append(problems, errors.New("notify: TwilioConfig needs AccountSID and AuthToken"))
	}
	if (config.From == "") == (config.MessagingService == "") {
		problems = append(problems, errors.New("notify: TwilioConfig needs one of From and MessagingService"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if config.KeySID == "" {
		config.KeySID = config.AccountSID
	}
	return &Twilio{
		config: config, client: newClient(config.Client),
		url: base.JoinPath("2010-04-01", "Accounts", config.AccountSID, "Messages.json").String(),
	}, nil
}

// twilioFinal are the codes of errors that will be the same tomorrow: what is wrong is the number, or that its owner wants no messages.
var twilioFinal = []int{21211, 21214, 21217, 21219, 21408, 21610, 21612, 21614, 21617, 30003, 30005, 30006}

// SendSMS implements SMSSender.
func (s *Twilio) SendSMS(ctx context.Context, t Text) error {
	to := t.To
	if !strings.HasPrefix(to, "+") {
		to = "+" + to
	}
	form := url.Values{"To": {to}, "Body": {t.Text}}
	if s.config.From != "" {
		form.Set("From", s.config.From)
	} else {
		form.Set("MessagingServiceSid", s.config.MessagingService)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(s.config.KeySID, s.config.AuthToken.Reveal())
	status, body, err := exchange(s.client, r)
	if err != nil {
		return err
	}
	if status < 300 {
		return accepted("Twilio", status)
	}
	var problem struct {
		Code int `json:"code"`
	}
	_ = strictjson.Unmarshal(body, &problem) // without a code the status says enough
	if slices.Contains(twilioFinal, problem.Code) {
		return fmt.Errorf("%w: Twilio answered %d with the code %d", ErrUndeliverable, status, problem.Code)
	}
	return fmt.Errorf("notify: Twilio answered %d with the code %d", status, problem.Code)
}
