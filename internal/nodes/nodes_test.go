package nodes_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/idptest"
)

// newPair returns a provider in this process and the URL of its twin in another, over one store.
func newPair(t *testing.T, p place) (*idptest.Server, string) {
	t.Helper()
	h := p.furnish(t)
	here := h.serveHere(t)
	return here, h.startNode(t, here.URL).url
}

// answer is what a node says to an application.
type answer struct {
	status       int
	retryAfter   string
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
	Active       bool   `json:"active"`
	DeviceCode   string `json:"device_code"`
	UserCode     string `json:"user_code"`
	AuthReqID    string `json:"auth_req_id"`
}

// post sends a form to a path of a node as the application.
func post(t *testing.T, node, path string, app *idptest.App, form url.Values) answer {
	t.Helper()
	return send(t, node, path, app, nil, form)
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
func TestKeysAreMadeOnce(t *testing.T) { everyPlace(t, keysAreMadeOnce) }

func keysAreMadeOnce(t *testing.T, p place) {
	h := p.furnish(t)
	const issuer = "https://id.example.com"
	nodes := make([]string, 4)
	var starting sync.WaitGroup
	for i := range nodes {
		starting.Go(func() { nodes[i] = h.startNode(t, issuer).url })
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
func TestCodeAtTwoNodesAtOnce(t *testing.T) { everyPlace(t, codeAtTwoNodesAtOnce) }

func codeAtTwoNodesAtOnce(t *testing.T, p place) {
	here, there := newPair(t, p)
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
func TestRefreshAtTwoNodesAtOnce(t *testing.T) { everyPlace(t, refreshAtTwoNodesAtOnce) }

func refreshAtTwoNodesAtOnce(t *testing.T, p place) {
	here, there := newPair(t, p)
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
func TestRevocationIsSeenElsewhere(t *testing.T) { everyPlace(t, revocationIsSeenElsewhere) }

func revocationIsSeenElsewhere(t *testing.T, p place) {
	here, there := newPair(t, p)
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
