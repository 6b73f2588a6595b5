package directory

import (
	"context"
	"crypto/sha256"
	"regexp"

	"github.com/signet-idp/signet/store"
)

// TrustedApp is the mobile application that an Application is on the two platforms, and which may use the passkeys of the provider's
// domain. Android lets such an application open links to the domain too, so it is one of the operator's own.
type TrustedApp struct {
	// AndroidPackage is the package, as "com.example.app", and AndroidFingerprints are the SHA-256 fingerprints of the certificates that
	// sign it, as "AB:CD:…": 1 to 20. Both or neither.
	AndroidPackage      string   `json:"androidPackage,omitempty"`
	AndroidFingerprints []string `json:"androidFingerprints,omitempty"`
	// AppleAppID is the team and the bundle, as "ABCDE12345.com.example.app".
	AppleAppID string `json:"appleAppId,omitempty"`
}

// Platform is where a TrustedApp runs.
type Platform string

// The platforms.
const (
	Android Platform = "android"
	Apple   Platform = "apple"
)

const (
	maxFingerprints   = 20
	fingerprintLength = 3*sha256.Size - 1 // two digits a byte, and colons between them
	maxAppleAppID     = 166               // a team of 10, a dot, and a bundle id of 155
)

var (
	androidPackage     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
	androidFingerprint = regexp.MustCompile(`^[0-9A-F]{2}(:[0-9A-F]{2})+$`)
	appleAppID         = regexp.MustCompile(`^[A-Z0-9]{10}\.[A-Za-z0-9.\-]+$`)
)

func (v *validation) trustedApp(t *TrustedApp) {
	if t == nil {
		return
	}
	const field = "trustedApp"
	android := t.AndroidPackage != ""
	if android != (len(t.AndroidFingerprints) > 0) || !android && t.AppleAppID == "" {
		v.add(field, "needs a package with its fingerprints, or an Apple app id")
	}
	if android && (len(t.AndroidPackage) > 255 || !androidPackage.MatchString(t.AndroidPackage)) {
		v.add(field, "has a package that is none")
	}
	if len(t.AndroidFingerprints) > maxFingerprints {
		v.add(field, "has more than 20 fingerprints")
	}
	for _, fingerprint := range t.AndroidFingerprints {
		if len(fingerprint) != fingerprintLength || !androidFingerprint.MatchString(fingerprint) {
			v.add(field, "has a fingerprint that is no SHA-256 of capital letters and colons")
			break
		}
	}
	if t.AppleAppID != "" && (len(t.AppleAppID) > maxAppleAppID || !appleAppID.MatchString(t.AppleAppID)) {
		v.add(field, "has an Apple app id that is none")
	}
}

// trusted are the index entries of an application.
func (t *TrustedApp) trusted() (entries []store.Entry) {
	if t == nil {
		return nil
	}
	if t.AndroidPackage != "" {
		entries = append(entries, store.Entry{Field: "trusted", Value: store.Text(string(Android))})
	}
	if t.AppleAppID != "" {
		entries = append(entries, store.Entry{Field: "trusted", Value: store.Text(string(Apple))})
	}
	return entries
}

// Trusted returns the active applications of an organization that are a TrustedApp on a platform.
func (a *Applications) Trusted(ctx context.Context, org string, on Platform) ([]*Application, error) {
	var list []*Application
	for app, err := range a.all.All(ctx, store.Query{Org: org, Filter: store.Equals("trusted", store.Text(string(on)))}) {
		if err != nil {
			return nil, err
		}
		if app.Status == Active {
			list = append(list, app)
		}
	}
	return list, nil
}
