package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	connectTimeout = 5 * time.Second
	// readTimeout is how long a service has to answer.
	readTimeout = 20 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
)

// newClient returns a client for the services of the host: it follows no redirects, which would take keys to another place, and keeps
// no connection open.
func newClient(given *http.Client) *http.Client {
	if given != nil {
		return given
	}
	return &http.Client{
		Timeout:       connectTimeout + readTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext, TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: readTimeout,
			DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxAnswer,
		},
	}
}

// exchange sends a request and returns the status and the beginning of the answer. Errors name neither the URL nor the answer: keys may
// stand in the one, and the message in the other.
func exchange(client *http.Client, r *http.Request) (int, []byte, error) {
	r.Header.Set("User-Agent", "Signet")
	answer, err := client.Do(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, nil, fmt.Errorf("notify: %s does not answer: %w", r.URL.Hostname(), err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil && answer.StatusCode < 300 {
		err = nil // it was taken, whatever broke off then
	}
	return answer.StatusCode, body, err
}

// accepted judges a status. What the service will not take, whoever asks and whenever, is ErrUndeliverable.
func accepted(service string, status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest, status == http.StatusNotFound, status == http.StatusGone, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %s answered %d", ErrUndeliverable, service, status)
	}
	return fmt.Errorf("notify: %s answered %d", service, status)
}

// serviceURL is an URL that keys and messages may be sent to: https, or http on this machine.
func serviceURL(field, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("notify: %s must be an absolute URL", field)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("notify: %s must be https, or http on this machine", field)
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tokens keeps an access token until it ends.
type tokens struct {
	mu   sync.Mutex
	held *oauth2.Token
}

// token returns the token that is held, or one from fetch.
func (t *tokens) token(ctx context.Context, client *http.Client, fetch func(context.Context) (*oauth2.Token, error)) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.held.Valid() {
		held, err := fetch(context.WithValue(ctx, oauth2.HTTPClient, client))
		if err != nil {
			if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) { // its text repeats the answer
				return "", fmt.Errorf("notify: there is no token: the service answered %q", refused.ErrorCode)
			}
			return "", fmt.Errorf("notify: there is no token: %w", err)
		}
		t.held = held
	}
	return t.held.AccessToken, nil
}

// forget makes the next call of token fetch another.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = nil
}
