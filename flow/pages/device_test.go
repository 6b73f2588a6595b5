package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store/directory"
)

// RFC 8628 §3.3: the page takes a code without script, and keeps the ids that automation relies on.
func TestDevicePage(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	response, page := device(t, p, pages.DeviceView{Submit: "/id/oauth2/device", UserCode: `BCDF-GHJK"><script>`})
	contain(t, page, `action="/id/oauth2/device"`, `id="user_code" name="user_code" value="BCDF-GHJK&#34;&gt;&lt;script&gt;"`,
		`autocapitalize="characters" spellcheck="false" dir="ltr" required autofocus`, `id="login"`, "Connect a device")
	if response.StatusCode != http.StatusOK || strings.Contains(page, "<script") {
		t.Errorf("%d\n%s", response.StatusCode, page)
	}
	response, page = device(t, p, pages.DeviceView{Submit: "/x", Wrong: true})
	contain(t, page, `id="user_code-problem"`, `aria-invalid="true"`, "That code is wrong or too old")
	if response.StatusCode != http.StatusUnprocessableEntity {
		t.Error(response.StatusCode)
	}
	response, page = device(t, p, pages.DeviceView{Submit: "/x", RetryAfter: 1500 * time.Millisecond})
	contain(t, page, "too many attempts")
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "2" {
		t.Error(response.StatusCode, response.Header)
	}
}

func TestDonePage(t *testing.T) {
	t.Parallel()
	response, page := done(t, newPages(t, nil), flow.View{Prompt: flow.Prompt{Title: flow.Message{ID: "device.done"}}})
	contain(t, page, "<h1>Your device is connected</h1>", `id="done"`)
	if response.StatusCode != http.StatusOK {
		t.Error(response.StatusCode)
	}
}

// RFC 8628 §5.4: what is asked names the place and the code, and neither can pass for something else.
func TestConsentItemWithParams(t *testing.T) {
	t.Parallel()
	v := consentView()
	v.Prompt.Consent = []directory.ConsentItem{{
		ID: "device request", Title: "approval.device|Connect a device", Params: map[string]string{"place": "203.0.113.7<b>\u202e", "code": "BCDF-GHJK"}, Mandatory: true,
	}}
	_, page := show(t, newPages(t, nil), v)
	contain(t, page, "asked from <bdi>203.0.113.7&lt;b&gt;</bdi>", "<bdi>BCDF-GHJK</bdi>", `value="device request"`)
}
