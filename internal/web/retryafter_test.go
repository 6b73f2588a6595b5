package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/web"
)

// RFC 9110 §10.2.3: whole seconds, and never fewer than it takes.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		-time.Second: "", 0: "", time.Nanosecond: "1", time.Second: "1", time.Second + time.Millisecond: "2", 15 * time.Minute: "900",
	} {
		h := http.Header{}
		if web.RetryAfter(h, wait); h.Get("Retry-After") != want {
			t.Errorf("%v: %q, want %q", wait, h.Get("Retry-After"), want)
		}
	}
}
