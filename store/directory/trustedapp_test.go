package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store/directory"
)

var fingerprint = strings.Repeat("AB:", 31) + "CD"

func TestTrustedApp(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		list := func(on directory.Platform) int {
			t.Helper()
			apps, err := w.Applications.Trusted(ctx, "", on)
			is(t, "list", err, nil)
			return len(apps)
		}
		app := &directory.Application{Name: "App"}
		is(t, "create", w.Applications.Create(ctx, app), nil)
		if list(directory.Android)+list(directory.Apple) != 0 {
			t.Error("trusted before it is marked")
		}
		app.TrustedApp = &directory.TrustedApp{AndroidPackage: "com.example.app", AndroidFingerprints: []string{fingerprint}}
		is(t, "replace", w.Applications.Replace(ctx, app), nil)
		if list(directory.Android) != 1 || list(directory.Apple) != 0 {
			t.Error("not trusted on Android alone")
		}
		is(t, "disable", w.Applications.Disable(ctx, app.Ref()), nil)
		if list(directory.Android) != 0 {
			t.Error("trusted although disabled")
		}
		for what, bad := range map[string]directory.TrustedApp{
			"nothing":         {},
			"no fingerprint":  {AndroidPackage: "com.example.app"},
			"no package":      {AndroidFingerprints: []string{fingerprint}, AppleAppID: "ABCDE12345.com.example"},
			"package":         {AndroidPackage: "app", AndroidFingerprints: []string{fingerprint}},
			"small letters":   {AndroidPackage: "com.example.app", AndroidFingerprints: []string{strings.ToLower(fingerprint)}},
			"21 fingerprints": {AndroidPackage: "com.example.app", AndroidFingerprints: slices.Repeat([]string{fingerprint}, 21)},
			"Apple":           {AppleAppID: "com.example.app"},
		} {
			err := w.Applications.Create(ctx, &directory.Application{Name: "App", TrustedApp: &bad})
			if !errors.As(err, new(*directory.InvalidError)) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
