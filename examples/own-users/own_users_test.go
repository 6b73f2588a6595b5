package main

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/directory/directorytest"
	"github.com/signet-idp/signet/store/memory"
)

// openPeople opens a fresh table with ann in it.
func openPeople(t *testing.T) (*customers, *sql.DB) {
	t.Helper()
	table, err := openTable(t.Context(), filepath.Join(t.TempDir(), "shop.db"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	people, err := newCustomers(table, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return people, table
}

func openDB(t *testing.T) *store.DB {
	t.Helper()
	keys, errKeys := store.NewKeyRing(store.GenerateRingKey())
	db, errDB := store.Open(store.Config{Driver: memory.New(), Keys: keys})
	if err := errors.Join(errKeys, errDB); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestCustomers proves users.go.
func TestCustomers(t *testing.T) {
	t.Parallel()
	directorytest.Run(t, func(t *testing.T) directorytest.Target {
		people, _ := openPeople(t)
		ann, err := people.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		return directorytest.Target{Users: people, DB: openDB(t), Person: ann, Password: demoPassword}
	})
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	people, table := openPeople(t)
	ctx := t.Context()
	if _, err := table.ExecContext(ctx, `INSERT INTO customers (login, mail, name) VALUES ('eve', 'eve@example.com', 'Eve')`); err != nil {
		t.Fatal(err)
	}
	find := func(name string) *directory.User {
		t.Helper()
		u, err := people.Find(ctx, "", directory.Identifier{Name: directory.ByEmail, Value: name + "@EXAMPLE.com"})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, pass := range []string{"", demoPassword, "the password of nobody"} {
		if right, err := people.VerifyPassword(ctx, find("eve"), pass); right || err != nil {
			t.Errorf("eve, who has no password, with %q: %v, %v", pass, right, err)
		}
	}
	long := strings.Repeat("x", 72)
	if err := people.SetPassword(ctx, nil, find("ann"), long); err != nil {
		t.Fatal(err)
	}
	for pass, want := range map[string]bool{long: true, long + "x": false, long[1:]: false} {
		if right, err := people.VerifyPassword(ctx, find("ann"), pass); right != want || err != nil {
			t.Errorf("%d letters: %v, %v", len(pass), right, err)
		}
	}
	var invalid *directory.InvalidError
	if err := people.SetPassword(ctx, nil, find("ann"), long+"x"); !errors.As(err, &invalid) {
		t.Errorf("73 letters were set: %v", err)
	}
}

// A table that cannot be read says neither that somebody is absent nor that a password is wrong.
func TestTableIsGone(t *testing.T) {
	t.Parallel()
	people, table := openPeople(t)
	if _, err := table.ExecContext(t.Context(), `DROP TABLE customers`); err != nil {
		t.Fatal(err)
	}
	_, errFind := people.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
	_, errVerify := people.VerifyPassword(t.Context(), nil, "x")
	_, errList := people.List(t.Context(), store.Query{})
	errSet := people.SetPassword(t.Context(), nil, &directory.User{}, "x")
	for _, err := range []error{errFind, errVerify, errList, errSet} {
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	people, table := openPeople(t)
	for _, login := range []string{"bob", "eve"} {
		if err := signUp(t.Context(), table, bcrypt.MinCost, login, login, login+"@example.com", demoPassword); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	q := store.Query{Limit: 2}
	for range 2 {
		page, err := people.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Items {
			names = append(names, u.Username)
		}
		q.After = page.Next
	}
	if got := strings.Join(names, " "); got != "ann bob eve" || q.After != "" {
		t.Errorf("listed %s, and then %q", got, q.After)
	}
}

// Both sign in through the same pages, twice: what the first run has left is no matter.
func TestSignIn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var seen [2]string
	for i := range seen {
		home := start(t, folder)
		if got := signIn(t, home, "nobody", demoPassword); !strings.Contains(got, `id="username"`) {
			t.Errorf("nobody: %s", got)
		}
		ann := signIn(t, home, "ANN@example.com", demoPassword)
		if !strings.Contains(ann, `You are 1 in the user store "customers"`) {
			t.Fatalf("ann: %s", ann)
		}
		dave := signIn(t, home, "dave", demoPassword)
		if !strings.Contains(dave, `in the user store ""`) {
			t.Fatalf("dave: %s", dave)
		}
		seen[i] = ann + dave
	}
	if seen[0] != seen[1] {
		t.Errorf("people have changed:\n%s\n%s", seen[0], seen[1])
	}
}

// start runs the program until the test ends, and returns where. Runs over one folder follow each other, on new ports.
func start(t *testing.T, folder string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, config{address: "127.0.0.1:0", folder: folder, cost: bcrypt.MinCost}, in)
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
	found := regexp.MustCompile(`Who am I\?\s+(http://\S+)/ `).FindSubmatch(text[:n])
	if found == nil {
		t.Fatalf("the program prints %q, %v", text[:n], err)
	}
	return string(found[1])
}

var hidden = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// signIn fills in the form of the sign-in page in a new browser, and returns what comes of it.
func signIn(t *testing.T, home, login, password string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	do := func(method, address string, form url.Values) (string, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body), answer.Request.URL.String()
	}
	page, at := do(http.MethodGet, home+"/", nil)
	form := url.Values{"action": {"login"}, "username": {login}, "password": {password}}
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], field[2])
	}
	page, _ = do(http.MethodPost, at, form)
	return page
}

var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")
	step    = regexp.MustCompile(`(?m)^## (\d+)\. `)
)

// What docs/own-users.md shows is what is compiled here, in numbered steps, and users.go is as short as it says.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	document, source := read("../../docs/own-users.md"), map[string]string{}
	for _, name := range []string{"table.go", "users.go", "provider.go", "who.go", "own_users_test.go"} {
		source[name] = read(name)
	}
	shown := map[string]int{}
	for _, block := range goBlock.FindAllStringSubmatch(document, -1) {
		from := ""
		for name, text := range source {
			if strings.Contains(text, "\n"+block[1]) {
				from = name
			}
		}
		if shown[from]++; from == "" {
			t.Errorf("in no file of the example:\n%s", block[1])
		}
	}
	for name := range source {
		if shown[name] == 0 {
			t.Errorf("nothing of %s is shown", name)
		}
	}
	for i, found := range step.FindAllStringSubmatch(document, -1) {
		if want := string(rune('1' + i)); found[1] != want {
			t.Errorf("step %s, want %s", found[1], want)
		}
	}
	if lines := strings.Count(source["users.go"], "\n"); lines > 120 {
		t.Errorf("users.go has %d lines", lines)
	}
}
