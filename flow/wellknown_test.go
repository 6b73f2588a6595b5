package flow_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

func TestWellKnown(t *testing.T) {
	settings := flow.Passkeys{RelyingParty: mfa.Passkeys{Origins: []string{"https://id.example.com", "https://shop.example.org"}}}
	withPasskeys(t, settings, func(t *testing.T, w *world) {
		get := func(path string) (int, string) {
			t.Helper()
			for _, route := range w.engine.WellKnown() {
				if route.Path == path {
					rec := httptest.NewRecorder()
					route.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
					if rec.Code == http.StatusOK && rec.Header().Get("Content-Type") != "application/json" {
						t.Errorf("%s: headers %v", path, rec.Header())
					}
					return rec.Code, strings.TrimSpace(rec.Body.String())
				}
			}
			t.Fatalf("no route %s", path)
			return 0, ""
		}
		const android, ios = "/.well-known/trusted-apps/android", "/.well-known/trusted-apps/ios"
		for path, want := range map[string]string{
			"/.well-known/webauthn": `{"origins":["https://shop.example.org"]}`,
			android:                 `[]`, ios: `{"webcredentials":{"apps":[]}}`,
		} {
			if code, got := get(path); code != http.StatusOK || got != want {
				t.Errorf("%s: %d %s", path, code, got)
			}
		}
		fingerprint := strings.Repeat("AB:", 31) + "CD"
		w.must(w.Applications.Create(t.Context(), &directory.Application{Name: "App", TrustedApp: &directory.TrustedApp{
			AndroidPackage: "com.example.app", AndroidFingerprints: []string{fingerprint}, AppleAppID: "ABCDE12345.com.example.app",
		}}))
		for path, want := range map[string]string{
			android: `"target":{"namespace":"android_app","package_name":"com.example.app","sha256_cert_fingerprints":["` + fingerprint + `"]}`,
			ios:     `{"webcredentials":{"apps":["ABCDE12345.com.example.app"]}}`,
		} {
			if code, got := get(path); code != http.StatusOK || !strings.Contains(got, want) {
				t.Errorf("%s: %d %s", path, code, got)
			}
		}
		w.faults.FailAll(nil)
		if code, _ := get(android); code != http.StatusServiceUnavailable {
			t.Errorf("a failing store: %d", code)
		}
	})
	if together(t).engine.WellKnown() != nil {
		t.Error("documents without passkeys")
	}
}
