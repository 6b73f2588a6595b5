package fetch

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readAll reads a body up to a limit; a larger one is an error, not a shorter document.
func readAll(answer *http.Response, limit int) ([]byte, error) {
	if answer.Header.Get("Content-Encoding") != "" {
		return nil, errors.New("the answer is encoded, which nobody asked for")
	}
	if answer.ContentLength > int64(limit) {
		return nil, fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > limit:
		return nil, fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	return body, nil
}

// accepts holds an answer against the media types that were asked for.
func accepts(types []string, h http.Header) error {
	if len(types) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || !slices.ContainsFunc(types, func(t string) bool { return t == mediaType || t == AnyJSON && isJSON(mediaType) }) {
		return errors.New("the answer is of another media type")
	}
	return nil
}

// isJSON reports whether a media type is one of JSON by its name (RFC 6839 §3.1).
func isJSON(mediaType string) bool {
	name, ok := strings.CutSuffix(mediaType, "+json")
	return ok && strings.HasPrefix(name, "application/") && len(name) > len("application/")
}

// maxAge is how long an answer says it is fresh (RFC 9111 §5.2.2): not at all for no-store and no-cache, and unsaid when it says
// nothing that can be read.
func maxAge(h http.Header) time.Duration {
	age := unsaid
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if errors.Is(err, strconv.ErrRange) {
				seconds = 1<<31 - 1 // RFC 9111 §1.2.2
			} else if err != nil {
				seconds = 0 // RFC 9111 §4.2.1: invalid freshness is stale
			}
			age = time.Duration(seconds) * time.Second
		}
	}
	return age
}
