package testenv_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/signet-idp/signet/internal/testenv"
)

const page = `<!doctype html><title>plain</title><p id="word"></p><script>document.getElementById("word").textContent = "scripted"</script>`

func serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, page)
}

func TestChromiumLoadsPage(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(server.Close)

	ctx := testenv.Chromium(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	title, err := chromedp.Run(ctx, chromedp.Title())
	if err != nil || title != "plain" {
		t.Errorf("title %q, %v; want plain", title, err)
	}
	word, err := chromedp.Run(ctx, chromedp.Text(chromedp.ID("word")))
	if err != nil || word != "scripted" {
		t.Errorf("text %q, %v; want scripted", word, err)
	}
}

func TestChromiumOptionsWin(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(serve))
	t.Cleanup(server.Close)

	ctx := testenv.Chromium(t, chromedp.IgnoreCertErrors)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	title, err := chromedp.Run(ctx, chromedp.Title())
	if err != nil || title != "plain" {
		t.Errorf("title %q, %v; want plain", title, err)
	}
}

func TestChromiumStaysOnLoopback(t *testing.T) {
	t.Parallel()
	err := chromedp.Do(testenv.Chromium(t), chromedp.Navigate("http://signet.example/"))
	if err == nil || !strings.Contains(err.Error(), "ERR_NAME_NOT_RESOLVED") {
		t.Errorf("a host beyond loopback: %v, want ERR_NAME_NOT_RESOLVED", err)
	}
}
