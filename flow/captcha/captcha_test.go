package captcha_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/flow/captcha"
)

var (
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	somebody = netip.MustParseAddr("192.0.2.7")
)

// service answers as the services do, and remembers what it was asked.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	says   string
	asked  url.Values
}

func newService(t *testing.T, says string) *service {
	t.Helper()
	s := &service{says: says, status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = r.ParseForm()
		s.asked = r.PostForm
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.says))
	}))
	t.Cleanup(s.Close)
	return s
}

// verifier verifies at the service.
func (s *service) verifier(t *testing.T, edit ...func(*captcha.Config)) *captcha.Verifier {
	t.Helper()
	config := captcha.Config{Service: captcha.Turnstile(), SiteKey: "site", Secret: "a secret of ours", InsecureNetworks: loopback}
	config.Service.Verify = s.URL
	for _, e := range edit {
		e(&config)
	}
	v, err := captcha.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says string
		edit func(*captcha.Config)
		want bool
	}{
		"right":                    {says: `{"success":true,"hostname":"id.example.com","challenge_ts":"2026-01-01T00:00:00Z","error-codes":[]}`, want: true},
		"wrong":                    {says: `{"success":false,"error-codes":["invalid-input-response"]}`},
		"used before":              {says: `{"success":false,"error-codes":["timeout-or-duplicate"]}`},
		"of our page":              {says: `{"success":true,"hostname":"ID.example.com"}`, edit: ours, want: true},
		"of another page":          {says: `{"success":true,"hostname":"evil.example"}`, edit: ours},
		"of a page that is hidden": {says: `{"success":true}`, edit: ours, want: true},
		"with a score":             {says: `{"success":true,"score":0.7}`, edit: scored, want: true},
		"with too little":          {says: `{"success":true,"score":0.3}`, edit: scored},
		"without a score":          {says: `{"success":true}`, edit: scored},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, c.says)
			if c.edit == nil {
				c.edit = func(*captcha.Config) {}
			}
			got, err := s.verifier(t, c.edit).Verify(t.Context(), "solution", somebody)
			if err != nil || got != c.want {
				t.Errorf("got %v, %v", got, err)
			}
			for field, want := range map[string]string{"secret": "a secret of ours", "response": "solution", "remoteip": "192.0.2.7"} {
				if s.asked.Get(field) != want {
					t.Errorf("%s is %q", field, s.asked.Get(field))
				}
			}
		})
	}
}

func ours(c *captcha.Config)   { c.Hostnames = []string{"id.example.com"} }
func scored(c *captcha.Config) { c.MinScore = 0.5 }

// A service that does not answer, or not sensibly, lets nobody pass, unless the host wants that.
func TestAttackServiceIsDown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		says   string
	}{
		"fails":                   {http.StatusInternalServerError, `{"success":true}`},
		"says nothing":            {http.StatusOK, ``},
		"says a page":             {http.StatusOK, `<p>success</p>`},
		"says it twice":           {http.StatusOK, `{"success":false,"success":true}`},
		"says it in another case": {http.StatusOK, `{"success":false,"Success":true}`},
		"does not know us":        {http.StatusOK, `{"success":false,"error-codes":["invalid-input-secret"]}`},
		"redirects":               {http.StatusFound, ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, c.says)
			s.status = c.status
			if got, err := s.verifier(t).Verify(t.Context(), "solution", somebody); got || err == nil {
				t.Errorf("got %v, %v", got, err)
			}
			var log strings.Builder
			open := s.verifier(t, func(c *captcha.Config) { c.InsecureFailOpen, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil)) })
			if got, err := open.Verify(t.Context(), "solution", somebody); !got || err != nil || !strings.Contains(log.String(), "WARN") {
				t.Errorf("open: got %v, %v, with %q in the log", got, err, log.String())
			}
		})
	}
	t.Run("is gone", func(t *testing.T) {
		t.Parallel()
		s := newService(t, `{"success":true}`)
		v := s.verifier(t)
		s.Close()
		if got, err := v.Verify(t.Context(), "solution", somebody); got || err == nil {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("is not waited for", func(t *testing.T) {
		t.Parallel()
		s := newService(t, `{"success":true}`)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		open := s.verifier(t, func(c *captcha.Config) { c.InsecureFailOpen = true })
		if got, err := open.Verify(ctx, "solution", somebody); got || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// Whoever writes a solution that makes the service refuse the request has not taken the service down, and does not get past a host that would
// rather let everybody in than nobody.
func TestAttackRefusalIsProvoked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		says   string
	}{
		"by a firewall": {http.StatusForbidden, `<p>blocked</p>`},
		"as too large":  {http.StatusRequestEntityTooLarge, ``},
		"as malformed":  {http.StatusOK, `{"success":false,"error-codes":["bad-request"]}`},
		"as too many":   {http.StatusTooManyRequests, `slow down`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, c.says)
			s.status = c.status
			open := s.verifier(t, func(c *captcha.Config) { c.InsecureFailOpen = true })
			if got, err := open.Verify(t.Context(), "' OR 1=1 --", somebody); got || err == nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// The address stays here where the host wants that.
func TestHideAddress(t *testing.T) {
	t.Parallel()
	s := newService(t, `{"success":true}`)
	if _, err := s.verifier(t, func(c *captcha.Config) { c.HideAddress = true }).Verify(t.Context(), "solution", somebody); err != nil {
		t.Fatal(err)
	}
	if s.asked.Has("remoteip") {
		t.Errorf("the service learns %v", s.asked)
	}
}

// No form of a Verifier shows its secret.
func TestAttackSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	v := newService(t, `{}`).verifier(t)
	for _, text := range []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v)} {
		if strings.Contains(text, "a secret of ours") {
			t.Errorf("it is in %s", text)
		}
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := captcha.New(captcha.Config{MinScore: 2, Service: captcha.Service{Verify: "http://captcha.example.com"}})
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"SiteKey", "Secret", "Service.Field", "Service.Script", "MinScore", "Service.Verify"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
	for _, service := range []captcha.Service{captcha.Turnstile(), captcha.HCaptcha(), captcha.ReCAPTCHA()} {
		v, err := captcha.New(captcha.Config{Service: service, SiteKey: "site", Secret: "secret"})
		if err != nil {
			t.Errorf("%s: %v", service.Kind, err)
			continue
		}
		w := v.Widget()
		if w.SiteKey != "site" || w.Field == "" || w.Class == "" || len(w.Sources) == 0 || !strings.HasPrefix(w.Script, "https://") {
			t.Errorf("%s: %+v", service.Kind, w)
		}
	}
}

// FuzzAnswer holds that nothing but a plain yes is taken for one.
func FuzzAnswer(f *testing.F) {
	for _, says := range []string{`{"success":true}`, `{"success":"true"}`, `{"success":1}`, `[true]`, `{"success":true}{}`, `{"success":true,"hostname":1}`} {
		f.Add([]byte(says))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		right, err := captcha.Judge(http.StatusOK, says)
		if right && (err != nil || !strings.Contains(string(says), "true")) {
			t.Errorf("%q is taken: %v", says, err)
		}
	})
}
