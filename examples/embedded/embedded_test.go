package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestSignIn walks from the shop through the provider's pages and back, with nothing but net/http.
func TestSignIn(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	home := start(t)

	if got := b.get(home + "/"); got.path != "/" || !strings.Contains(got.body, "Your orders") {
		t.Fatalf("the shop: %v", got)
	}
	login := b.get(home + "/orders")
	if login.path != "/auth/login" {
		t.Fatalf("orders without a session: %v", login)
	}
	wrong := b.submit(login, "username", "ann", "password", "a guess")
	if wrong.status != http.StatusUnprocessableEntity || wrong.path != "/auth/login" {
		t.Fatalf("a wrong password: %v", wrong)
	}
	orders := b.submit(wrong, "username", "ANN@example.com", "password", demoPassword)
	if orders.path != "/orders" || !strings.Contains(orders.body, "Orders of Ann Example") {
		t.Fatalf("signed in: %v", orders)
	}
	if got := b.get(home + "/orders"); got.path != "/orders" {
		t.Errorf("the shop forgot: %v", got)
	}
	if got := newBrowser(t).get(home + "/callback?state=&code=x"); got.status != http.StatusBadRequest {
		t.Errorf("an answer to no question: %v", got)
	}
	if got := b.get(home + "/logout"); got.path != "/" {
		t.Errorf("signing out: %v", got)
	}
	if got := b.get(home + "/orders"); got.path != "/auth/login" {
		t.Errorf("signed out: %v", got)
	}
}

// start runs the program until the test ends, and returns where.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, "127.0.0.1:0", in)
		_ = in.CloseWithError(errors.Join(io.EOF, err))
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	text := make([]byte, 4096)
	n, err := out.Read(text)
	found := regexp.MustCompile(`Shop\s+(http://\S+)/\n`).FindSubmatch(text[:n])
	if found == nil {
		t.Fatalf("the program prints %q, %v", text[:n], err)
	}
	return string(found[1])
}

// browser keeps cookies and follows redirects.
type browser struct {
	t      *testing.T
	client *http.Client
}

// page is where a browser got to.
type page struct {
	status    int
	url, path string
	body      string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}}
}

func (b *browser) get(address string) page {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// submit fills in the form of a page: name, value, name, value.
func (b *browser) submit(p page, fields ...string) page {
	b.t.Helper()
	form := url.Values{"action": {"login"}}
	for _, field := range hidden.FindAllStringSubmatch(p.body, -1) {
		form.Set(field[1], field[2])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, p.url, strings.NewReader(form.Encode()))
}

func (b *browser) do(method, address string, body io.Reader) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{answer.StatusCode, answer.Request.URL.String(), answer.Request.URL.Path, string(text)}
}
