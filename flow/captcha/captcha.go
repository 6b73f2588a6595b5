package captcha

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/strictjson"
)

// Service is where puzzles come from and solutions are verified. Turnstile, HCaptcha and ReCAPTCHA return those that are known; the fields
// are for others.
type Service struct {
	// Kind, Field, Class, Script and Sources are as in flow.Widget.
	Kind    string
	Field   string
	Class   string
	Script  string
	Sources []string
	// Verify is the URL that solutions are posted to: https.
	Verify string
}

// Turnstile is Cloudflare Turnstile.
func Turnstile() Service {
	const host = "https://challenges.cloudflare.com"
	return Service{
		Kind: "TURNSTILE", Field: "cf-turnstile-response", Class: "cf-turnstile", Script: host + "/turnstile/v0/api.js", Sources: []string{host},
		Verify: host + "/turnstile/v0/siteverify",
	}
}

// HCaptcha is hCaptcha.
func HCaptcha() Service {
	return Service{
		Kind: "HCAPTCHA", Field: "h-captcha-response", Class: "h-captcha",
		Script:  "https://js.hcaptcha.com/1/api.js?recaptchacompat=off", // else it puts the solution under another name as well
		Sources: []string{"https://hcaptcha.com", "https://*.hcaptcha.com"},
		Verify:  "https://api.hcaptcha.com/siteverify",
	}
}

// ReCAPTCHA is Google reCAPTCHA v2.
func ReCAPTCHA() Service {
	return Service{
		Kind: "RECAPTCHA_V2", Field: "g-recaptcha-response", Class: "g-recaptcha", Script: "https://www.google.com/recaptcha/api.js",
		Sources: []string{"https://www.google.com/recaptcha/", "https://www.gstatic.com/recaptcha/", "https://recaptcha.google.com/recaptcha/"},
		Verify:  "https://www.google.com/recaptcha/api/siteverify",
	}
}

// Config is how solutions are verified. Service, SiteKey and Secret are required.
type Config struct {
	// Service is where.
	Service Service
	// SiteKey is what the service knows the site by, and Secret what it knows the host by.
	SiteKey string
	Secret  string
	// Hostnames are those on whose pages a puzzle may have been solved, where the service says so. Empty takes what the service takes.
	Hostnames []string
	// MinScore is the least score (0 to 1, the best) that is taken of a service that gives one. Zero looks at none.
	MinScore float64
	// InsecureFailOpen takes every solution while the service does not answer, which lets programs do as they like then; the failure is
	// logged. A service that refuses a request (a status of 4xx, or "bad-request") does answer, and what is refused was written by whoever
	// wants to pass. False is closed: whoever has to solve a puzzle gets no further until it answers (503).
	InsecureFailOpen bool
	// HideAddress does not tell the service the address of whoever solves it. It sees that all the same when it shows the puzzle.
	HideAddress bool
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Logger takes failures of the service that are passed over. Nil discards them.
	Logger *slog.Logger
	// InsecureNetworks may have the service although they are not public, and by plain http too: a test's loopback. Nil has none.
	InsecureNetworks []netip.Prefix
}

// Verifier is a flow.Captcha. It is safe for concurrent use, starts no goroutines and keeps no connection open.
type Verifier struct {
	config Config        // without its Secret
	secret func() string // which nothing that prints a Verifier shows
	client *fetch.Client
}

var _ flow.Captcha = (*Verifier)(nil)

// perSecond is how often the service is asked in a second: by as many people, as each has to solve something first or is bounded.
const perSecond = 200

// New checks the configuration and returns a Verifier, or an error that names every problem. It does no I/O.
func New(config Config) (*Verifier, error) {
	var problems []error
	for _, required := range []struct{ name, value string }{
		{"SiteKey", config.SiteKey}, {"Secret", config.Secret}, {"Service.Field", config.Service.Field}, {"Service.Script", config.Service.Script},
	} {
		if required.value == "" {
			problems = append(problems, fmt.Errorf("captcha: Config.%s is required", required.name))
		}
	}
	if config.MinScore < 0 || config.MinScore > 1 {
		problems = append(problems, errors.New("captcha: Config.MinScore must be 0 to 1"))
	}
	if u, err := url.Parse(config.Service.Script); err != nil || u.Scheme != "https" {
		problems = append(problems, errors.New("captcha: Config.Service.Script must be https"))
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	config.Hostnames, config.Service.Sources = slices.Clone(config.Hostnames), slices.Clone(config.Service.Sources)
	client, err := fetch.New(fetch.Config{Now: config.Now, PerSecond: perSecond, InsecureNetworks: config.InsecureNetworks})
	if err == nil {
		err = client.Check(config.Service.Verify)
	}
	if err != nil {
		problems = append(problems, fmt.Errorf("captcha: Config.Service.Verify: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	own := config.Secret
	config.Secret = ""
	return &Verifier{config: config, secret: func() string { return own }, client: client}, nil
}

// Widget implements flow.Captcha.
func (v *Verifier) Widget() flow.Widget {
	s := v.config.Service
	return flow.Widget{
		Kind: s.Kind, SiteKey: v.config.SiteKey, Field: s.Field, Class: s.Class, Script: s.Script, Sources: slices.Clone(s.Sources),
	}
}

// Verify implements flow.Captcha. An error is a service that did not answer, or did not understand the question, as one with a wrong Secret.
func (v *Verifier) Verify(ctx context.Context, solution string, address netip.Addr) (bool, error) {
	right, err := v.ask(ctx, solution, address)
	if err != nil && v.config.InsecureFailOpen && ctx.Err() == nil && !errors.Is(err, errProvoked) && !errors.Is(err, fetch.ErrBusy) {
		v.config.Logger.WarnContext(ctx, "a captcha was not verified, and taken", "error", err)
		return true, nil
	}
	return right, err
}

// errProvoked is a failure that a solution may be made to cause.
var errProvoked = errors.New("captcha: the service refused the request")

// verdict is what a service answers.
type verdict struct {
	Success  bool     `json:"success"`
	Hostname string   `json:"hostname"`
	Score    *float64 `json:"score"`
	Errors   []string `json:"error-codes"`
}

func (v *Verifier) ask(ctx context.Context, solution string, address netip.Addr) (bool, error) {
	form := url.Values{"secret": {v.secret()}, "response": {solution}, "sitekey": {v.config.SiteKey}}
	if address.IsValid() && !v.config.HideAddress {
		form.Set("remoteip", address.Unmap().WithZone("").String())
	}
	answer, err := v.client.Post(ctx, fetch.Message{
		URL: v.config.Service.Verify, ContentType: "application/x-www-form-urlencoded", Body: []byte(form.Encode()),
	})
	if err != nil {
		return false, fmt.Errorf("captcha: the service does not answer: %w", err)
	}
	return v.judge(answer.Status, answer.Body)
}

// judge reads the answer of a service. What it says that is not understood is no solution.
func (v *Verifier) judge(status int, body []byte) (bool, error) {
	var said verdict
	err := strictjson.Unmarshal(body, &said, strictjson.Depth(4))
	if err != nil && status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		return false, fmt.Errorf("%w: %d", errProvoked, status)
	}
	if err != nil || status >= http.StatusInternalServerError {
		return false, fmt.Errorf("captcha: the service answered %d, and no verdict", status)
	}
	if said.Success {
		known := len(v.config.Hostnames) == 0 || said.Hostname == "" || slices.ContainsFunc(v.config.Hostnames, func(name string) bool {
			return strings.EqualFold(name, said.Hostname)
		})
		scored := v.config.MinScore == 0 || said.Score != nil && *said.Score >= v.config.MinScore
		return known && scored, nil
	}
	for _, code := range said.Errors { // that are about us, and not about the solution
		switch code {
		case "bad-request":
			return false, fmt.Errorf("%w: %s", errProvoked, code)
		case "missing-input-secret", "invalid-input-secret", "internal-error", "sitekey-secret-mismatch":
			return false, fmt.Errorf("captcha: the service answered %s", code)
		}
	}
	return false, nil
}
