package testenv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
)

// recorder stands in for the test that Require ends.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// require runs Require as a test of its own would and reports how it ended.
func require(t *testing.T, lookups ...string) (path string, ended *recorder) {
	t.Helper()
	ended = &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		path = testenv.Require(ended, "postgres", "postgresql", lookups...)
	}()
	<-done
	return path, ended
}

func TestRequireMissing(t *testing.T) {
	tests := []struct {
		variable string
		fails    bool
	}{
		{"", false},
		{"chromium", false},
		{"postgres", true},
		{"chromium, postgres", true},
		{"postgresql", false},
	}
	for _, test := range tests {
		t.Run("SIGNET_REQUIRE="+test.variable, func(t *testing.T) {
			t.Setenv("SIGNET_REQUIRE", test.variable)
			_, ended := require(t, "no-such-program", filepath.Join(t.TempDir(), "*", "postgres"))
			message := ended.skipped
			if test.fails {
				message = ended.failed
			}
			if !strings.Contains(message, "apt-get install postgresql") {
				t.Errorf("skipped with %q, failed with %q", ended.skipped, ended.failed)
			}
		})
	}
}

func TestRequireFindsHighestVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"14", "15"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "postgres"), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// A folder is no program.
	if err := os.MkdirAll(filepath.Join(dir, "16", "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}

	path, ended := require(t, "no-such-program", filepath.Join(dir, "*", "postgres"))
	if want := filepath.Join(dir, "15", "postgres"); path != want {
		t.Errorf("found %q (skipped %q), want %q", path, ended.skipped, want)
	}
}

func TestRequireFindsInPath(t *testing.T) {
	t.Parallel()
	path, ended := require(t, "no-such-program", "go")
	if filepath.Base(path) != "go" {
		t.Errorf("found %q (skipped %q), want the go command", path, ended.skipped)
	}
}
