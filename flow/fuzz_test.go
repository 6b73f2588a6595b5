package flow_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store/directory"
)

// FuzzPost sends any body, query and cookie to the page of a live flow: there is an answer, and never a session.
func FuzzPost(f *testing.F) {
	for _, seed := range [][3]string{
		{"flow=x&seq=1&username=ann&password=x", "flow=x", "flow=x"},
		{"flow=%00&seq=9999999999999999999999", "flow=%ff", "session=a.b"},
		{"seq=1;flow=1&restart=x&consent=a&consent=b", "flow=&flow=", "device=."},
		{"action=method_&action=cancel", "%%", "session=" + strings.Repeat("x", 300) + ".y"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, body, query, cookie string) {
		w := together(t)
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		body = strings.Replace(body, "flow=x", "flow="+p.View.Flow, 1)
		r := httptest.NewRequest(http.MethodPost, "https://id.example.com/t/login", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
			if purpose, planted, ok := strings.Cut(cookie, "="); ok {
				r.Header.Add("Cookie", strings.TrimSuffix(name, "flow")+purpose+"="+planted)
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r.Method = method
			rec := httptest.NewRecorder()
			w.engine.ServeHTTP(rec, r)
			if rec.Code >= 500 || setCookie(page{Header: rec.Header()}, "session") != nil {
				t.Errorf("%s: %d %s", method, rec.Code, rec.Body)
			}
		}
	})
}
