package fetch

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Kind is a sort of document: how it is asked for, how large it may be, how long it may be remembered, and what it means.
// It is declared once by who needs it, and not changed afterwards.
type Kind[T any] struct {
	// Name tells kinds apart, because one URL may be asked for as two. Required.
	Name string
	// Types are the media types that are accepted, the first being asked for; nil accepts any. AnyJSON among them stands for many.
	Types []string
	// MaxSize is in bytes; zero is 256 KiB.
	MaxSize int
	// Longest is how long a document may be used, however long it says; zero is one hour. Shortest is how long it is used
	// at least, however short it says; zero is one minute. A document that does not say is used for ten minutes, within these.
	Longest, Shortest time.Duration
	// Decode turns a document into what it means. A document that it refuses counts as none. What it returns is shared by
	// everyone and must not be changed. Required.
	Decode func(document []byte) (T, error)
}

// AnyJSON stands in Kind.Types for every media type of JSON that has a name of its own, as application/x+json (RFC 6839 §3.1). No Accept header
// can say it.
const AnyJSON = "application/*+json"

// A Document is what a Kind made of an answer.
type Document[T any] struct {
	Value T
	// Fetched is when the answer came; Expires is until when it is used.
	Fetched, Expires time.Time
}

const (
	defaultMaxSize  = 256 << 10
	defaultLongest  = time.Hour
	defaultShortest = time.Minute
	unsaid          = 10 * time.Minute
)

// Get returns the document at a URL, from the cache or fetched. While it cannot be fetched again, one that has expired stands in,
// as long as Longest allows. Errors are ErrRefused, ErrFailed and ErrBusy, or the context's own.
func (k *Kind[T]) Get(ctx context.Context, c *Client, rawURL string) (Document[T], error) {
	return k.newer(ctx, c, rawURL, time.Time{})
}

// Renew returns a document that is newer than the one seen, which lacks something: a key, say. It is fetched for this purpose at
// most once in 30 seconds; in between, and when that fails, Renew returns the document that there is.
func (k *Kind[T]) Renew(ctx context.Context, c *Client, rawURL string, seen Document[T]) (Document[T], error) {
	return k.newer(ctx, c, rawURL, seen.Fetched)
}

func (k *Kind[T]) newer(ctx context.Context, c *Client, rawURL string, seen time.Time) (Document[T], error) {
	e, err := c.entry(ctx, k.Name+" "+rawURL, seen, func(ctx context.Context) (*entry, error) {
		return k.fetch(ctx, c, rawURL)
	})
	if err != nil {
		return Document[T]{}, err
	}
	value, ok := e.value.(T)
	if !ok {
		return Document[T]{}, fmt.Errorf("%w: another kind is called %s too", ErrFailed, k.Name)
	}
	return Document[T]{Value: value, Fetched: e.fetched, Expires: e.expires}, nil
}

// fetch asks for the document.
func (k *Kind[T]) fetch(ctx context.Context, c *Client, rawURL string) (*entry, error) {
	u, err := c.target(rawURL)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if len(k.Types) > 0 {
		asked := slices.DeleteFunc(slices.Clone(k.Types), func(t string) bool { return t == AnyJSON })
		r.Header.Set("Accept", strings.Join(asked, ", "))
	}
	answer, body, err := c.send(r, func(answer *http.Response) ([]byte, error) { //nolint:bodyclose // send has closed it
		return readAll(answer, orElse(k.MaxSize, defaultMaxSize))
	})
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK { // a redirect is one of them
		return nil, fmt.Errorf("%w: %s: status %d", ErrFailed, u.Redacted(), answer.StatusCode)
	}
	if err := accepts(k.Types, answer.Header); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFailed, u.Redacted(), err)
	}
	value, err := k.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFailed, u.Redacted(), err)
	}
	now := c.config.Now()
	longest := orElse(k.Longest, defaultLongest)
	age := min(max(maxAge(answer.Header), orElse(k.Shortest, defaultShortest)), longest)
	return &entry{value: value, size: len(body), fetched: now, expires: now.Add(age), given: now.Add(longest)}, nil
}

func orElse[N int | time.Duration](value, otherwise N) N {
	if value <= 0 {
		return otherwise
	}
	return value
}
