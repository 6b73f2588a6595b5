package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
)

// A time is written in the manner of the language and of the place that it has, and for machines as RFC 3339 says.
func TestMoment(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 1, 23, 5, 9, 0, time.UTC)
	p := newPages(t, nil)
	for language, want := range map[string]string{
		"en": "1 March 2026, 23:05 UTC", "de": "1. März 2026, 23:05 Uhr UTC", "fr": "1 mars 2026 à 23:05 UTC",
		"es": "1 de marzo de 2026, 23:05 UTC", "ar": "1 مارس 2026، 23:05 UTC", "xx": "1 March 2026, 23:05 UTC",
	} {
		v := codeView()
		v.Locales = []string{language}
		v.Prompt.Intro = flow.Message{ID: "account.added", Times: map[string]time.Time{"time": at}}
		_, page := show(t, p, v)
		if element := `<time datetime="2026-03-01T23:05:09Z" dir="auto">` + want + "</time>"; !strings.Contains(page, element) {
			t.Errorf("%s: the page lacks %s:\n%s", language, element, page)
		}
		if got := p.Text(httptest.NewRequest(http.MethodGet, "/", nil), []string{language}, v.Prompt.Intro); !strings.HasSuffix(got, " "+want) {
			t.Errorf("%s: the text is %q", language, got)
		}
	}
	for place, want := range map[*time.Location]string{
		time.FixedZone("CET", 3600): "2 March 2026, 00:05 CET", time.FixedZone("-03", -3*3600): "1 March 2026, 20:05 UTC-03",
		time.FixedZone("<b>", 0): "23:05 <b>",
	} {
		m := flow.Message{ID: "account.added", Times: map[string]time.Time{"time": at.In(place)}}
		if got := p.Text(httptest.NewRequest(http.MethodGet, "/", nil), nil, m); !strings.HasSuffix(got, want) {
			t.Errorf("%s: the text is %q", place, got)
		}
		v := codeView()
		v.Prompt.Intro = m
		if _, page := show(t, p, v); !strings.Contains(page, "2026-03-01T23:05:09Z") || strings.Contains(page, "<b>") {
			t.Errorf("%s: %s", place, page)
		}
	}
}

// A language of the host's that has not twelve months is refused.
func TestMomentMonths(t *testing.T) {
	t.Parallel()
	locales := fstest.MapFS{"tlh.json": {Data: []byte(`{"time.months": "wa' cha' wej"}`)}}
	if _, err := pages.New(pages.Config{Issuer: "https://id.example.com", Locales: locales}); err == nil || !strings.Contains(err.Error(), "time.months in tlh") {
		t.Errorf("got %v", err)
	}
}
