package secret_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/secret"
)

func TestNew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		long, short := secret.New().Reveal(), secret.Short().Reveal()
		if len(long) != 43 || len(short) != 22 || seen[long] || seen[short] {
			t.Fatalf("got %d and %d characters, or a value again", len(long), len(short))
		}
		seen[long], seen[short] = true, true
	}
}

// A secret shows in no form that fmt and slog know.
func TestRedacted(t *testing.T) {
	t.Parallel()
	s := secret.Text("hunter2")
	var out strings.Builder
	fmt.Fprintf(&out, "%v %+v %#v %s %q", s, s, s, s, struct{ S secret.Text }{s})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("shown", "secret", s)
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("shown as %s", out.String())
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	// RFC 6234 §8.5, TEST1.
	if got := secret.Hash("abc"); got != "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" {
		t.Errorf("Hash(abc) is %s", got)
	}
	s := secret.New()
	for presented, want := range map[string]bool{s.Reveal(): true, "": false, s.Hash(): false, s.Reveal() + "x": false} {
		if secret.Matches(s.Hash(), presented) != want {
			t.Errorf("Matches(%q) is %v", presented, !want)
		}
	}
	if secret.Matches("", "") {
		t.Error("an empty hash matches")
	}
}

// RFC 9562 §5.4.
func TestUUID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := secret.UUID(), secret.UUID()
	if !form.MatchString(a) || a == b {
		t.Errorf("got %s and %s", a, b)
	}
}
