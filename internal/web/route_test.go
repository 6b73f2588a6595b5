package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signet-idp/signet/internal/web"
)

func TestMount(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	both := []string{http.MethodGet, http.MethodPost}
	mux := http.NewServeMux()
	newSite(t, "https://id.example/one").Mount(mux, []web.Route{
		{Path: "/zero", Methods: both, Handler: handler},
		{Path: "/same", Class: web.SameOrigin, Methods: both, Handler: handler},
		{Path: "/cross", Class: web.CrossOrigin, Methods: both, Handler: handler},
		{Path: "/token", Class: web.TokenAuthenticated, Methods: both, Handler: handler},
		{Path: "/.well-known/x/one", AtRoot: true, Class: web.TokenAuthenticated, Methods: both, Handler: handler},
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

// RFC 9110 §15.5.6: a method that a route does not take is 405 and told which ones it does; HEAD goes with GET.
func TestMountMethods(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	newSite(t, "https://id.example").Mount(mux, []web.Route{{
		Path: "/read", Methods: []string{http.MethodGet},
		Handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	}})
	for method, want := range map[string]int{
		http.MethodGet: http.StatusNoContent, http.MethodHead: http.StatusNoContent,
		http.MethodPost: http.StatusMethodNotAllowed, http.MethodOptions: http.StatusMethodNotAllowed, "get": http.StatusMethodNotAllowed,
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, "/read", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
		if want == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", method, w.Header().Get("Allow"))
		}
	}
}

// A host's own catch-all for one method does not collide with the routes.
func TestMountBesideCatchAll(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	newSite(t, "https://id.example").Mount(mux, []web.Route{
		{Path: "/both", Methods: []string{http.MethodGet, http.MethodPost}, Handler: answer},
		{Path: "/post", Methods: []string{http.MethodPost}, Handler: answer},
	})
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/both", http.StatusNoContent},
		{http.MethodPost, "/both", http.StatusNoContent},
		{http.MethodPost, "/post", http.StatusNoContent},
		{http.MethodGet, "/", http.StatusTeapot},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}
