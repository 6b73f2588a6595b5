package web

import (
	"net/http"
	"strconv"
	"time"
)

// RetryAfter sets the header of that name (RFC 9110 §10.2.3), which counts in whole seconds: rounded up, since whoever comes back too early is refused
// again. Nothing is set for a wait that is over.
func RetryAfter(h http.Header, wait time.Duration) {
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}
