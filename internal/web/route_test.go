package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signet-idp/signet/internal/web"
)

func TestMount(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux := http.NewServeMux()
	newSite(t, "https://id.example/one").Mount(mux, []web.Route{
		{Path: "/zero", Handler: handler},
		{Path: "/same", Class: web.SameOrigin, Handler: handler},
		{Path: "/cross", Class: web.CrossOrigin, Handler: handler},
		{Path: "/token", Class: web.TokenAuthenticated, Handler: handler},
		{Path: "/.well-known/x/one", AtRoot: true, Class: web.TokenAuthenticated, Handler: handler},
	})
	elsewhere := map[string]string{"Sec-Fetch-Site": "cross-site"}
	sibling := map[string]string{"Sec-Fetch-Site": "same-site"}
	old := map[string]string{"Origin": "https://evil.example"}
	own := map[string]string{"Sec-Fetch-Site": "same-origin"}
	for _, tc := range []struct {
		method, path string
		header       map[string]string
		want         int
	}{
		{http.MethodPost, "/one/zero", elsewhere, http.StatusForbidden},
		{http.MethodPost, "/one/same", elsewhere, http.StatusForbidden},
		{http.MethodPost, "/one/same", sibling, http.StatusForbidden},
		{http.MethodPost, "/one/same", old, http.StatusForbidden},
		{http.MethodPost, "/one/same", own, http.StatusNoContent},
		{http.MethodGet, "/one/same", elsewhere, http.StatusNoContent},
		{http.MethodPost, "/one/cross", elsewhere, http.StatusNoContent},
		{http.MethodPost, "/one/token", old, http.StatusNoContent},
		{http.MethodGet, "/.well-known/x/one", nil, http.StatusNoContent},
		{http.MethodGet, "/same", nil, http.StatusNotFound},
		{http.MethodGet, "/one/same/", nil, http.StatusNotFound},
		{http.MethodGet, "/one/.well-known/x/one", nil, http.StatusNotFound},
	} {
		r := httptest.NewRequest(tc.method, "https://id.example"+tc.path, nil)
		for name, value := range tc.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s %s %v: %d, want %d", tc.method, tc.path, tc.header, w.Code, tc.want)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	handler := web.Methods(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, http.MethodGet, http.MethodHead)
	for method, want := range map[string]int{
		http.MethodGet: http.StatusNoContent, http.MethodHead: http.StatusNoContent,
		http.MethodPost: http.StatusMethodNotAllowed, http.MethodOptions: http.StatusMethodNotAllowed, "get": http.StatusMethodNotAllowed,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
		if want == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", method, w.Header().Get("Allow"))
		}
	}
}
