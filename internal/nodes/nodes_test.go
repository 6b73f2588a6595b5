package nodes_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// A process that is started with these in its environment is a node, and no test.
const (
	folderVariable = "SIGNET_NODE_FOLDER"
	issuerVariable = "SIGNET_NODE_ISSUER"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(folderVariable); folder != "" {
		if err := serveNode(folder, os.Getenv(issuerVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveNode serves until its standard input is closed, which also happens when the test dies.
func serveNode(folder, issuer string) error {
	driver, ring, err := openFolder(context.Background(), folder)
	if err != nil {
		return err
	}
	provider, err := signet.New(signet.Config{Issuer: issuer, Store: driver, Keys: ring})
	if err != nil {
		return err
	}
	server := httptest.NewServer(provider)
	fmt.Println(server.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	server.Close()
	return errors.Join(err, provider.Close())
}

func openFolder(ctx context.Context, folder string) (*sqlstore.Driver, *store.KeyRing, error) {
	ring, err := store.OpenKeyFile(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, nil, err
	}
	driver, err := sqlite.Open(ctx, filepath.Join(folder, "db"), sqlite.Config{BusyTimeout: 30 * time.Second})
	return driver, ring, err
}

// startNode starts a node in a process of its own and returns its URL.
func startNode(t *testing.T, folder, issuer string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), program)
	node.Env = append(os.Environ(), folderVariable+"="+folder, issuerVariable+"="+issuer)
	node.Stderr = os.Stderr
	in, errIn := node.StdinPipe()
	out, errOut := node.StdoutPipe()
	if err := errors.Join(errIn, errOut, node.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = node.Wait() // killed at the end of the test's context, if it has not ended by then
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the node did not start: %v", err)
	}
	return strings.TrimSpace(line)
}

// newPair returns a provider in this process and the URL of its twin in another, over one SQLite file.
func newPair(t *testing.T) (*idptest.Server, string) {
	t.Helper()
	folder := t.TempDir()
	driver, ring, err := openFolder(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	here := idptest.New(t, func(c *signet.Config) {
		c.Store, c.Keys, c.SigningKeys, c.Now = driver, ring, nil, time.Now
	})
	return here, startNode(t, folder, here.URL)
}

// answer is what a node says to a token request.
type answer struct {
	status                           int
	AccessToken, RefreshToken, Error string
	Active                           bool
}

// post sends a form to a path of a node as the application.
func post(t *testing.T, node, path string, app *idptest.App, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret))
	response, err := new(http.Client).Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	var body struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		Error        string `json:"error"`
		Active       bool   `json:"active"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, body.AccessToken, body.RefreshToken, body.Error, body.Active}
}

// everywhere asks all nodes at the same instant.
func everywhere(nodes []string, ask func(node string) answer) []answer {
	answers := make([]answer, len(nodes))
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i, node := range nodes {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			answers[i] = ask(node)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return answers
}

// Attack class: two nodes that start on an empty database make two sets of keys.
func TestKeysAreMadeOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const issuer = "https://id.example.com"
	nodes := make([]string, 4)
	var starting sync.WaitGroup
	for i := range nodes {
		starting.Go(func() { nodes[i] = startNode(t, folder, issuer) })
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	sets := make([]string, len(nodes))
	var reading sync.WaitGroup
	for i, node := range nodes {
		reading.Go(func() { sets[i] = fetch(t, node+"/oauth2/jwks") })
	}
	reading.Wait()
	for i, set := range sets {
		if set == "" || set != sets[0] {
			t.Errorf("node %d publishes %s, node 0 %s", i, set, sets[0])
		}
	}
	if n := strings.Count(sets[0], `"kid"`); n != 3 {
		t.Errorf("%d keys were made, want one for each of RS256, PS256, ES256:\n%s", n, sets[0])
	}
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	response, err := new(http.Client).Do(r)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %d, %v", address, response.StatusCode, err)
	}
	return string(body)
}

// RFC 6749 §4.1.2, RFC 9700 §4.2.4: a code that arrives at two nodes at the same instant is redeemed by one of them at the
// most, and what that one issued is revoked.
func TestCodeAtTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	here, there := newPair(t)
	ann, app := here.User("ann"), here.App("http://127.0.0.1/callback")
	const rounds = 10
	for round := range rounds {
		request := app.Request()
		page := here.Browser().Open(request.URL).SignIn(ann)
		answers := everywhere([]string{here.URL, there, here.URL, there}, func(node string) answer {
			return post(t, node, "/oauth2/token", app, url.Values{
				"grant_type": {"authorization_code"}, "code": {page.URL.Query().Get("code")},
				"redirect_uri": {app.RedirectURL}, "code_verifier": {request.Verifier},
			})
		})
		winners := 0
		for _, a := range answers {
			switch {
			case a.status == http.StatusOK:
				winners++
				for _, node := range []string{here.URL, there} {
					for _, token := range []string{a.AccessToken, a.RefreshToken} {
						if post(t, node, "/oauth2/introspect", app, url.Values{"token": {token}}).Active {
							t.Errorf("round %d: a token of a code that was used twice is alive", round)
						}
					}
				}
			case a.status != http.StatusBadRequest || a.Error != "invalid_grant":
				t.Errorf("round %d: a loser got %d %s", round, a.status, a.Error)
			}
		}
		if winners > 1 {
			t.Fatalf("round %d: the code was redeemed %d times", round, winners)
		}
	}
}

// Refresh TOCTOU: one refresh token at two nodes at the same instant yields one successor, and no second live branch.
func TestRefreshAtTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	here, there := newPair(t)
	app := here.App("http://127.0.0.1/callback")
	refresh := here.SignIn(here.User("ann"), app).RefreshToken
	const rounds = 10
	for round := range rounds {
		answers := everywhere([]string{here.URL, there, here.URL, there}, func(node string) answer {
			return post(t, node, "/oauth2/token", app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		})
		for _, a := range answers {
			if a.status != http.StatusOK || a.RefreshToken == "" || a.RefreshToken != answers[0].RefreshToken {
				t.Fatalf("round %d: got %d %s, and not everybody the same successor", round, a.status, a.Error)
			}
		}
		refresh = answers[0].RefreshToken
	}
}

// Revoking is seen by every node at once, because nothing of the chain is remembered.
func TestRevocationIsSeenElsewhere(t *testing.T) {
	t.Parallel()
	here, there := newPair(t)
	app, ann := here.App("http://127.0.0.1/callback"), here.User("ann")
	tokens := here.SignIn(ann, app)
	active := func() bool {
		return post(t, there, "/oauth2/introspect", app, url.Values{"token": {tokens.AccessToken}}).Active
	}
	if !active() {
		t.Fatal("the other node does not know the token")
	}
	if err := here.Provider.Directory.Subjects.Disable(t.Context(), ann.Ref()); err != nil {
		t.Fatal(err)
	}
	if active() {
		t.Error("the other node still honours a token of a disabled person")
	}
}
