package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// requireVariable names the environment variable that turns a skip into a failure.
const requireVariable = "SIGNET_REQUIRE"

// Require returns the path of the program that a test needs. It tries the lookups in order: a bare name is searched in
// PATH, anything with a slash is a path that may hold the wildcards of [filepath.Match], where the last match (the highest
// version, as Debian numbers its folders) wins. Without lookups it searches for name itself.
//
// A missing program skips the test and names debianPackage as what to install; it fails the test if SIGNET_REQUIRE lists name.
func Require(tb testing.TB, name, debianPackage string, lookups ...string) string {
	tb.Helper()
	if len(lookups) == 0 {
		lookups = []string{name}
	}
	path, err := first(lookups)
	if err == nil {
		return path
	}
	missing := fmt.Sprintf("%s is not installed: apt-get install %s (%v)", name, debianPackage, err)
	if required(os.Getenv(requireVariable), name) {
		tb.Fatalf("%s, and %s lists it", missing, requireVariable)
	}
	tb.Skip(missing)
	return ""
}

// first returns the path of the first lookup that leads to a program.
func first(lookups []string) (string, error) {
	for _, lookup := range lookups {
		if path, ok := find(lookup); ok {
			return path, nil
		}
	}
	return "", fmt.Errorf("looked for %s", strings.Join(lookups, ", "))
}

// find resolves one lookup to the path of an executable file.
func find(lookup string) (path string, ok bool) {
	candidates := []string{lookup}
	if strings.ContainsRune(lookup, '/') {
		// The only error is a malformed pattern, which then matches nothing.
		candidates, _ = filepath.Glob(lookup)
	}
	for _, candidate := range slices.Backward(candidates) {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, true
		}
	}
	return "", false
}

// required reports whether the comma-separated list holds name.
func required(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(item) == name {
			return true
		}
	}
	return false
}
