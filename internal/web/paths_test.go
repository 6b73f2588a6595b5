package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/web"
)

func TestWithPaths(t *testing.T) {
	t.Parallel()
	s, err := newSite(t, "https://id.example/one").WithPaths(web.Paths{"/oauth2/token": "/token", "/oauth2": "/as", "/login": "/sign/in"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/oauth2/token":            "/token",
		"/oauth2/token/deep":       "/token/deep",
		"/oauth2/tokens":           "/as/tokens",
		"/oauth2/authorize":        "/as/authorize",
		"/oauth2/authorize/resume": "/as/authorize/resume",
		"/oauth":                   "/oauth",
		"/login":                   "/sign/in",
		"/flow/consent":            "/flow/consent",
		"/":                        "/",
	} {
		if got := s.Path(path); got != "/one"+want {
			t.Errorf("%s is at %s, want /one%s", path, got, want)
		}
		if got := s.URL(path); got != "https://id.example/one"+want {
			t.Errorf("the URL of %s is %s", path, got)
		}
	}
}

func TestWithPathsRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		moved   web.Paths
		problem string
	}{
		{web.Paths{"/a": ""}, "plain path"},
		{web.Paths{"/a": "/"}, "plain path"},
		{web.Paths{"/a": "b"}, "plain path"},
		{web.Paths{"/a": "/b/"}, "plain path"},
		{web.Paths{"/a": "/b/../c"}, "plain path"},
		{web.Paths{"/a": "//evil.example"}, "plain path"},
		{web.Paths{"/a": "/{b}"}, "plain path"},
		{web.Paths{"/a": "/b?c"}, "plain path"},
		{web.Paths{"a": "/b"}, "plain path"},
		{web.Paths{"/a": "/.well-known/openid-configuration"}, "for everybody"},
		{web.Paths{"/.well-known/openid-configuration": "/b"}, "for everybody"},
		{web.Paths{"/a": "/c", "/b": "/c"}, "both moved"},
	} {
		if _, err := newSite(t, "https://id.example").WithPaths(tc.moved); err == nil || !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%v: %v, want an error about %q", tc.moved, err, tc.problem)
		}
	}
}

func TestCheckRoutes(t *testing.T) {
	t.Parallel()
	get := []string{http.MethodGet}
	routes := []web.Route{{Path: "/a/one", Methods: get}, {Path: "/a/two", Methods: get}, {Path: "/b", Methods: []string{http.MethodPost}}}
	for _, tc := range []struct {
		moved   web.Paths
		problem string
	}{
		{nil, ""},
		{web.Paths{"/a": "/c"}, ""},
		{web.Paths{"/b": "/a/one"}, ""}, // another method
		{web.Paths{"/a/one": "/a/two"}, "both at"},
		{web.Paths{"/a/one": "/a/two", "/a/two": "/a/one"}, ""},
		{web.Paths{"/a/three": "/c"}, "nothing is at"},
		{web.Paths{"/A": "/c"}, "nothing is at"},
	} {
		s, err := newSite(t, "https://id.example").WithPaths(tc.moved)
		if err != nil {
			t.Fatal(err)
		}
		err = s.CheckRoutes(routes)
		if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%v: %v, want %q", tc.moved, err, tc.problem)
		}
	}
}
