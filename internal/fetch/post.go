package fetch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/signet-idp/signet/internal/secret"
)

// A Message is what Post sends: a logout token, or a notification.
type Message struct {
	URL         string
	ContentType string
	Body        []byte
	// Bearer goes into the Authorization header (RFC 6750 §2.1); "" is none.
	Bearer secret.Text
	// Header are further fields of the request; nil is none.
	Header map[string]string
}

// An Answer is what came back. A redirect is an answer like any other: it is not followed.
type Answer struct {
	Status int
	// Body is the first 64 KiB of what it said.
	Body []byte
}

const maxAnswer = 64 << 10

// A Request is what Exchange sends.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// Post sends a message once. Whether the status is one of success is for the caller to judge; an error is ErrRefused, ErrFailed
// or ErrBusy, or the context's own, and of those only ErrFailed may come when the message has arrived.
func (c *Client) Post(ctx context.Context, m Message) (Answer, error) {
	header := http.Header{"Content-Type": {m.ContentType}}
	for name, value := range m.Header {
		header.Set(name, value)
	}
	if m.Bearer != "" {
		header.Set("Authorization", "Bearer "+m.Bearer.Reveal())
	}
	return c.Exchange(ctx, Request{Method: http.MethodPost, URL: m.URL, Header: header, Body: m.Body})
}

// Exchange is Post with a method and a header of the caller's.
func (c *Client) Exchange(ctx context.Context, q Request) (Answer, error) {
	u, err := c.target(q.URL)
	if err != nil {
		return Answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, u.String(), bytes.NewReader(q.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	r.GetBody = nil // a transport that can repeat the body may repeat the message
	r.Header = q.Header.Clone()
	answer, body, err := c.send(r, beginning) //nolint:bodyclose // send has closed it
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{}, err
	}
	return Answer{Status: answer.StatusCode, Body: body}, nil
}

// beginning reads what matters of an answer whose status has said the rest.
func beginning(answer *http.Response) ([]byte, error) {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // also when it breaks off: the message has arrived
	return body, nil
}
