package service

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/strictjson"
)

// Endpoint is where a service is, and how it is called: by https, at public addresses, once for each question, without following redirects.
type Endpoint struct {
	// URL takes the questions. Required.
	URL string
	// Auth proves that it is the host who asks: none, Basic, Bearer or APIKey.
	Auth notify.HTTPAuth
	// Redirects are origins, "https://login.example.com", to which the service may send people besides its own.
	Redirects []string
	// Parameters are names of those that the service is told when somebody comes back with them. Nil passes none on.
	Parameters []string
	// Timeout is how long an answer may take; zero is 5 seconds, and more than 8 an error: the person waits, and so does the flow.
	Timeout time.Duration
	// RootCAs are trusted to name the service; nil are those of the system.
	RootCAs *x509.CertPool
	// InsecureNetworks may be called although they are not public, and by plain http: an intranet, a test's loopback.
	InsecureNetworks []netip.Prefix
}

const (
	maxTimeout = 8 * time.Second // below the lease of an answer that is being judged
	perSecond  = 200             // the host has named whom we call
	maxURL     = 2048
	maxDepth   = 8
)

// errAnswer says that an answer is none of the contract.
var errAnswer = errors.New("service: the answer is not one of the contract")

// endpoint is an Endpoint in use.
type endpoint struct {
	url     string
	auth    notify.HTTPAuth
	origins []string
	client  *fetch.Client
}

func (c Endpoint) open(now func() time.Time) (*endpoint, error) {
	problems := []error{c.Auth.Check()}
	if c.Auth.Type == notify.ClientCredential {
		problems = append(problems, errors.New("Endpoint.Auth of this type is not supported"))
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		problems = append(problems, fmt.Errorf("Endpoint.Timeout must be at most %s", maxTimeout))
	}
	for _, name := range c.Parameters {
		if name == "" || name == "flowId" || name == "state" {
			problems = append(problems, fmt.Errorf("Endpoint.Parameters: %q is not one to be passed on", name))
		}
	}
	client, err := fetch.New(fetch.Config{
		Now: now, RootCAs: c.RootCAs, Timeout: c.Timeout, InsecureNetworks: c.InsecureNetworks, PerSecond: perSecond,
	})
	if err == nil {
		if err = client.Check(c.URL); err != nil {
			err = fmt.Errorf("Endpoint.URL: %w", err)
		}
	}
	e := &endpoint{url: c.URL, auth: c.Auth, client: client}
	for _, text := range append([]string{c.URL}, c.Redirects...) {
		u, errURL := url.Parse(text)
		if errURL != nil || u.Host == "" || text != c.URL && u.Scheme+"://"+u.Host != text {
			problems = append(problems, fmt.Errorf("Endpoint.Redirects: %q is no origin", text))
			continue
		}
		if u.Scheme != "https" && len(c.InsecureNetworks) == 0 {
			problems = append(problems, fmt.Errorf("Endpoint.Redirects: %q is not https", text))
		}
		e.origins = append(e.origins, u.Scheme+"://"+u.Host)
	}
	return e, errors.Join(append(problems, err)...)
}

// ask puts a question, once. The error is errAnswer for an answer that is none, and otherwise that there came none.
func (e *endpoint) ask(ctx context.Context, q question) (*answer, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	e.auth.Set(header)
	got, err := e.client.Exchange(ctx, fetch.Request{Method: http.MethodPost, URL: e.url, Header: header, Body: body})
	if err != nil {
		return nil, err
	}
	return e.read(got.Status, got.Body)
}

// read reads an answer.
func (e *endpoint) read(status int, body []byte) (*answer, error) {
	a := new(answer)
	err := strictjson.Unmarshal(body, a, strictjson.Depth(maxDepth))
	switch {
	case status != http.StatusOK:
		return nil, fmt.Errorf("service: status %d: %q: %q", status, clip(a.ErrorMessage), clip(a.ErrorDescription))
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	switch a.ActionStatus {
	case success, failed:
		return a, nil
	case incomplete:
		if len(a.Operations) == 1 && a.Operations[0].Op == redirectOp && e.leadsTo(a.Operations[0].URL) {
			return a, nil
		}
		return nil, fmt.Errorf("%w: there is no one redirect to a listed origin", errAnswer)
	}
	return nil, fmt.Errorf("%w: actionStatus %q", errAnswer, clip(a.ActionStatus))
}

// leadsTo reports whether a service may send people to a URL. What a browser might read in another way is refused.
func (e *endpoint) leadsTo(text string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.User != nil || u.Opaque != "" {
		return false
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return slices.Contains(e.origins, u.Scheme+"://"+u.Host)
}
