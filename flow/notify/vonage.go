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

// VonageConfig is an account at Vonage (SMS API, POST /sms/json). APIKey, APISecret and From are required.
type VonageConfig struct {
	// APIKey names the account, and APISecret proves it.
	APIKey    string
	APISecret Secret // sent in the body, as the API wants it
	// From is the number or the name of the sender.
	From string
	// URL is where the API is; "" is https://rest.nexmo.com.
	URL string
	// Client is as in HTTPConfig.
	Client *http.Client
}

// Vonage is an SMSSender. It is safe for concurrent use.
type Vonage struct {
	config VonageConfig
	client *http.Client
	url    string
}

var _ SMSSender = (*Vonage)(nil)

// NewVonage checks the configuration and returns a Vonage. It does not connect.
func NewVonage(config VonageConfig) (*Vonage, error) {
	if config.URL == "" {
		config.URL = "https://rest.nexmo.com"
	}
	base, err := serviceURL("VonageConfig.URL", config.URL)
	if config.APIKey == "" || config.APISecret == "" || config.From == "" {
		err = errors.Join(err, errors.New("notify: VonageConfig needs APIKey, APISecret and From"))
	}
	if err != nil {
		return nil, err
	}
	return &Vonage{config: config, client: newClient(config.Client), url: base.JoinPath("sms", "json").String()}, nil
}

// vonageFinal are the statuses of parts that will be the same tomorrow: a number that is none, cannot be reached or is barred.
var vonageFinal = []string{"3", "6", "7", "12", "29", "33"}

// SendSMS implements SMSSender.
func (s *Vonage) SendSMS(ctx context.Context, t Text) error {
	form := url.Values{
		"api_key": {s.config.APIKey}, "api_secret": {s.config.APISecret.Reveal()},
		"from": {s.config.From}, "to": {strings.TrimPrefix(t.To, "+")}, "text": {t.Text},
	}
	if strings.ContainsFunc(t.Text, func(r rune) bool { return r > 0x7e }) {
		form.Set("type", "unicode")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body, err := exchange(s.client, r)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return accepted("Vonage", status)
	}
	// What became of each part is in the body, with the status 200 in any case.
	var answer struct {
		Messages []struct {
			Status string `json:"status"`
		} `json:"messages"`
	}
	if err := strictjson.Unmarshal(body, &answer); err != nil || len(answer.Messages) == 0 {
		return errors.New("notify: Vonage answered what is no answer")
	}
	for _, part := range answer.Messages {
		if slices.Contains(vonageFinal, part.Status) {
			return fmt.Errorf("%w: Vonage answered with the status %.10q", ErrUndeliverable, part.Status)
		}
		if part.Status != "0" {
			return fmt.Errorf("notify: Vonage answered with the status %.10q", part.Status)
		}
	}
	return nil
}
