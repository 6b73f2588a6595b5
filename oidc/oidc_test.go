package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// TestNewNamesEveryProblem holds that one run tells everything that is wrong.
func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := oidc.New(oidc.Config{
		Issuer: "http://id.example", CodeLifetime: time.Hour, AccessTokenLifetime: time.Millisecond, RefreshTokenLifetime: -time.Second,
	})
	if err == nil {
		t.Fatal("a Provider was made of nothing")
	}
	for _, field := range []string{"Issuer", "DB", "Directory", "Keys", "Interact", "CodeLifetime", "AccessTokenLifetime", "RefreshTokenLifetime"} {
		if !strings.Contains(err.Error(), "oidc: Config."+field) {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
	if strings.Contains(err.Error(), "IDTokenLifetime") {
		t.Errorf("a field that is right is named: %v", err)
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		mux := http.NewServeMux()
		h.Mount(mux)
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		for path, want := range map[string]int{
			"/one" + pathJWKS:                             http.StatusOK,
			"/one/.well-known/openid-configuration":       http.StatusOK,
			"/.well-known/oauth-authorization-server/one": http.StatusOK,
			"/one" + pathToken:                            http.StatusTeapot, // the host's for what we do not take
			"/one/elsewhere":                              http.StatusTeapot,
			pathJWKS:                                      http.StatusTeapot,
			"/.well-known/openid-configuration":           http.StatusTeapot,
		} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://id.example"+path, nil))
			if w.Code != want {
				t.Errorf("%s: %d, want %d", path, w.Code, want)
			}
		}
	}, func(c *oidc.Config) { c.Issuer = "https://id.example/one" })
}

// TestRestart holds that an expired page leads back to the same request, and to no other.
func TestRestart(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Page: true})
		h.newBrowser().get(pathAuthorize + "?" + authorization(web, "scope", "openid").Encode())
		sealed := h.persona.lastInteraction().Restart
		url, err := h.Restart(sealed)
		if err != nil || !strings.HasPrefix(url, pathAuthorize+"?") {
			t.Fatalf("%q, %v", url, err)
		}
		h.clock.advance(24 * time.Hour)
		h.persona.acts(script{})
		if a := h.newBrowser().authorize(authorization(web, "scope", "openid")); !gotCode(a) {
			t.Fatalf("the request itself: %s", a)
		}
		if a := h.newBrowser().get(url); !gotCode(a) || a.returned().Get("state") != "xyz" {
			t.Errorf("the restarted request: %s", a)
		}
		for _, forged := range []string{"", "v1.x.y", sealed[:len(sealed)-1], sealed + "A", "client_id=web"} {
			if url, err := h.Restart(forged); err == nil {
				t.Errorf("%q restarts as %q", forged, url)
			}
		}
	})
}

// What was read to judge a request is not read again to answer it in the same call, and what changes between two calls is.
func TestAuthorizeReadsTheApplicationOnce(t *testing.T) {
	t.Parallel()
	h := together(t)
	h.faults.Forget()
	if a := h.newBrowser().get(pathAuthorize + "?" + authorization(web).Encode()); a.returned().Get("code") == "" {
		t.Fatal(a)
	}
	reads := 0
	for _, c := range h.faults.Calls() {
		if c.Kind.Name == "directory.application" {
			reads++
		}
	}
	if reads != 1 {
		t.Errorf("the application was read %d times", reads)
	}
	h.persona.acts(script{Page: true})
	b := h.newBrowser()
	a := b.get(pathAuthorize + "?" + authorization(web).Encode())
	app, err := h.people.Applications.Get(t.Context(), h.client(web).Application)
	h.must(err)
	app.Status = directory.Disabled
	h.must(h.people.Applications.Replace(t.Context(), app))
	if a = b.follow(a); a.errorCode() != "unauthorized_client" {
		t.Errorf("an application that was disabled meanwhile: %s", a)
	}
}
