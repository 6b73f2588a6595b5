package rp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20
)

// bounded is the client of a host, or one of ours, within the limits that hold for every request: no redirects, which could carry
// what is ours elsewhere; a time, and a size. It shows the certificate, where there is one.
func bounded(host *http.Client, certificate *tls.Certificate) *http.Client {
	client := &http.Client{Timeout: requestTimeout}
	ordinary := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: requestTimeout, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	transport := http.RoundTripper(ordinary)
	if host != nil {
		*client = *host
		if client.Timeout == 0 {
			client.Timeout = requestTimeout
		}
		if transport = host.Transport; transport == nil {
			transport = ordinary
		}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	if own, ok := transport.(*http.Transport); ok && certificate != nil {
		transport = showing(own, *certificate)
	}
	client.Transport = limited{transport}
	return client
}

// showing is a transport as another one that shows a certificate, on connections of its own.
func showing(like *http.Transport, certificate tls.Certificate) *http.Transport {
	t := like.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	t.TLSClientConfig.GetClientCertificate = nil
	return t
}

// limited bounds the answers of a transport.
type limited struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = &limitedBody{answer.Body, maxAnswer}
	}
	return answer, err
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

var errTooLong = errors.New("an answer of more than a mebibyte")

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// fetch does a GET, as nobody, and returns the body of an answer with status 200.
func fetch(ctx context.Context, client *http.Client, url, accept string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "signet")
	answer, err := client.Do(r)
	if err != nil {
		return nil, unavailable("%v", err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, _, err := document(answer, url)
	return body, err
}

// wrong says of which document something is wrong.
func wrong(document string, err error) error {
	return unavailable("%w", fmt.Errorf("%s: %w", document, err))
}
