package testenv

import (
	"fmt"
	"os"
	"testing"
)

// axeVariable names the file.
const axeVariable = "SIGNET_AXE"

// Axe returns the source of axe-core, which judges by the rules of WCAG what a browser shows: the text of the file axe.min.js that the
// environment variable SIGNET_AXE names. It is not part of this repository, as its licence is another (MPL-2.0). Without it the test
// skips, see [Require]; the name in SIGNET_REQUIRE is axe.
func Axe(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv(axeVariable)
	source, err := os.ReadFile(path)
	if err == nil {
		return string(source)
	}
	missing(tb, "axe", fmt.Sprintf("axe-core is not there: npm pack axe-core, and name its axe.min.js in %s (%v)", axeVariable, err))
	return ""
}
