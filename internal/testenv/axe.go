package testenv

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeVariable names the file.
const axeVariable = "SIGNET_AXE"

// violations are the rules that a page breaks, with the elements.
const violations = `axe.run(document, {resultTypes: ['violations']}).then(r =>
	r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120) + ' ' + n.any.map(a => a.message).join('; ')).join(' | ')).join('\n'))`

// Axe returns a judge: what axe-core, which judges by the rules of WCAG and of good practice what a browser shows, finds wrong with the page
// of a tab; "" is nothing. The source is the file axe.min.js that the environment variable SIGNET_AXE names. It is not part of this repository,
// as its licence is another (MPL-2.0). Without it the test skips, see [Require]; the name in SIGNET_REQUIRE is axe.
func Axe(tb testing.TB) func(tab context.Context) string {
	tb.Helper()
	path := os.Getenv(axeVariable)
	source, err := os.ReadFile(path)
	if err != nil {
		missing(tb, "axe", fmt.Sprintf("axe-core is not there: npm pack axe-core, and name its axe.min.js in %s (%v)", axeVariable, err))
	}
	return func(tab context.Context) string {
		tb.Helper()
		if _, err := chromedp.Run(tab, chromedp.Evaluate[bool](string(source)+"\n;true")); err != nil {
			tb.Fatal(err)
		}
		found, err := chromedp.Run(tab, chromedp.Evaluate[string](violations, chromedp.EvalAwaitPromise))
		if err != nil {
			tb.Fatal(err)
		}
		return found
	}
}
