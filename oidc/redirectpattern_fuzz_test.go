package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

// FuzzRedirectPattern: whatever pattern is taken, what it matches is an https URI on a host that stands in the pattern.
func FuzzRedirectPattern(f *testing.F) {
	for pattern, uri := range map[string]string{
		`regexp=(https://(one|two)\.example/cb)`: "https://two.example/cb", `https://app\.example/.*`: "https://app.example/x?y", `.*`: "https://evil.example/",
		`https://app\.example(.evil)?/x`: "https://app.example.evil/x", `https://a[bc]d\.example/`: "https://abd.example/", `https://app\.example/|x`: "x",
	} {
		f.Add(pattern, uri)
	}
	f.Fuzz(func(t *testing.T, pattern, uri string) {
		if !oidc.MatchesPattern(pattern, uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.Fragment != "" || strings.ContainsAny(uri, "\r\n\\# ") {
			t.Fatalf("%q matches %q", pattern, uri)
		}
		for label := range strings.SplitSeq(u.Hostname(), ".") {
			if last := label[max(0, len(label)-1):]; last != "" && !strings.Contains(pattern, last) && !strings.Contains(pattern, "[") && !strings.Contains(pattern, "\\") {
				t.Fatalf("%q matches %q on a host that it does not name", pattern, uri)
			}
		}
	})
}
