package testenv

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Shoot keeps a picture of the page that a tab shows, for people to look at, where SIGNET_SCREENSHOTS names a folder. Its name is that of the
// page, with hyphens for slashes and spaces.
func Shoot(tb testing.TB, tab context.Context, page string) {
	tb.Helper()
	folder := os.Getenv("SIGNET_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, strings.NewReplacer("/", "-", " ", "-").Replace(page)+".png"), picture, 0o600)
	}
	if err != nil {
		tb.Log(err)
	}
}

const offScreen = `[...document.querySelectorAll('body *')]
	.filter(e => { const r = e.getBoundingClientRect(); return r.width && (r.left < 0 || r.right > innerWidth) })
	.map(e => e.outerHTML.slice(0, 60)).join()`

// OffScreen lists what of the page that a tab shows lies beyond the left or the right edge of the window; "" is nothing. A page that runs
// from right to left can be wider than its scrollWidth tells.
func OffScreen(tb testing.TB, tab context.Context) string {
	tb.Helper()
	found, err := chromedp.Run(tab, chromedp.Evaluate[string](offScreen))
	if err != nil {
		tb.Fatal(err)
	}
	return found
}
