package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
)

// callback is the redirect URI of every client here: an application on the person's own machine, on a port that it finds free (RFC 8252 §7.3).
const callback = "http://127.0.0.1:51234/callback"

// A client of the official SDK that knows nothing but the URL of the server discovers everything (RFC 9728, RFC 8414), brings a metadata
// document, or registers, has the person sign in and consent, calls a tool, and is sent back for the scope of another.
func TestClients(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*testing.T, *world, *auth.AuthorizationCodeHandlerConfig){
		"metadata document": func(t *testing.T, w *world, c *auth.AuthorizationCodeHandlerConfig) {
			c.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: w.document(t)}
			c.RedirectURL = callback
		},
		"registration": func(_ *testing.T, _ *world, c *auth.AuthorizationCodeHandlerConfig) {
			c.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName: "Scripted client", RedirectURIs: []string{callback}, TokenEndpointAuthMethod: "none",
				GrantTypes: []string{"authorization_code", "refresh_token"}, Scope: readNotes + " " + deleteNotes,
			}}
			c.RedirectURL = callback
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			person := &person{t: t, transport: w.client.Transport}
			config := &auth.AuthorizationCodeHandlerConfig{AuthorizationCodeFetcher: person.authorize, Client: w.client}
			configure(t, w, config)
			handler, err := auth.NewAuthorizationCodeHandler(config)
			if err != nil {
				t.Fatal(err)
			}
			client := mcp.NewClient(&mcp.Implementation{Name: "scripted", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: w.server, OAuthHandler: handler, DisableStandaloneSSE: true, HTTPClient: w.client,
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := call(t, session, toolList, nil); got != "buy milk\ncall Bob" {
				t.Errorf("the notes are %q", got)
			}
			if scopes := person.asked(); len(scopes) != 1 || strings.Contains(scopes[0], deleteNotes) {
				t.Errorf("before anything was deleted the person was asked for %q", scopes)
			}
			if got := call(t, session, toolDelete, map[string]any{"note": "buy milk"}); got != "deleted" {
				t.Errorf("deleting: %q", got)
			}
			if got := call(t, session, toolList, nil); got != "call Bob" {
				t.Errorf("the notes are %q", got)
			}
			if scopes := person.asked(); len(scopes) != 2 || !strings.Contains(scopes[1], deleteNotes) {
				t.Errorf("the person was asked for %q, want a second time for %s", scopes, deleteNotes)
			}
		})
	}
}

// Without a token the server says where to get one (RFC 9728 §5.1).
func TestWithoutAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer, err := w.client.Post(w.server, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if challenge := answer.Header.Get("WWW-Authenticate"); answer.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, `resource_metadata="`+w.metadata+`"`) {
		t.Errorf("%d, %q", answer.StatusCode, challenge)
	}
	found, err := w.client.Get(w.metadata)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Body.Close()
	var metadata struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.NewDecoder(found.Body).Decode(&metadata); err != nil || metadata.Resource != w.server || len(metadata.Servers) != 1 {
		t.Errorf("%+v, %v", metadata, err)
	}
}

// world is the program, served, and a site for the documents of clients.
type world struct {
	*house
	site *httptest.Server
	// client keeps connections to the program of its own: those of http.DefaultClient end when the server of another test closes.
	client *http.Client
	// published is what the site has; nil is nothing.
	published atomic.Pointer[[]byte]
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.site = httptest.NewTLSServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		document := w.published.Load()
		if document == nil {
			http.NotFound(answer, r)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		_, _ = answer.Write(*document)
	}))
	server := httptest.NewUnstartedServer(nil)
	var err error
	w.house, err = open(t.Context(), "http://"+server.Listener.Addr().String(), slog.New(slog.DiscardHandler), func(c *signet.Config) {
		roots := w.site.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		c.Outbound = oidc.Outbound{RootCAs: roots, InsecureNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		c.OIDC.MetadataDocuments.InsecureRedirectsAnywhere = true
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = w.mux
	server.Start()
	w.client = server.Client()
	t.Cleanup(func() {
		server.Close()
		w.site.Close()
		if err := w.idp.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// document publishes a metadata document and returns its URL, which is the client_id.
func (w *world) document(t *testing.T) string {
	t.Helper()
	id := w.site.URL + "/client.json"
	document, err := json.Marshal(map[string]any{
		"client_id": id, "client_name": "Scripted client", "redirect_uris": []string{callback}, "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "scope": readNotes + " " + deleteNotes,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.published.Store(&document)
	return id
}

func call(t *testing.T, session *mcp.ClientSession, tool string, arguments map[string]any) string {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	content, ok := result.Content[0].(*mcp.TextContent)
	if !ok || result.IsError {
		t.Fatalf("%s: %+v", tool, result)
	}
	return content.Text
}

// person is ann at a browser.
type person struct {
	t         *testing.T
	transport http.RoundTripper

	mu sync.Mutex
	// scopes are what she was asked for, sign-in by sign-in.
	scopes []string
}

func (p *person) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.scopes...)
}

var (
	hidden  = regexp.MustCompile(`<input type="(?:hidden|checkbox)" name="(\w+)" value="([^"]*)"`)
	buttons = regexp.MustCompile(`id="(login|consent_allow)"`)
)

// authorize goes through the pages and hands the answer to the client, as a browser and a listening port would.
func (p *person) authorize(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	asked, err := url.Parse(args.URL)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.scopes = append(p.scopes, asked.Query().Get("scope"))
	p.mu.Unlock()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Transport: p.transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	answer, err := browser.Get(args.URL)
	for err == nil && answer.StatusCode == http.StatusOK {
		answer, err = p.press(browser, answer)
	}
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	location, err := answer.Location()
	if err != nil {
		return nil, err
	}
	q := location.Query()
	if q.Has("error") {
		return nil, errors.New(location.RawQuery)
	}
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}

// press fills in a page and presses its button.
func (p *person) press(browser *http.Client, answer *http.Response) (*http.Response, error) {
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	button := buttons.FindSubmatch(page)
	if button == nil {
		return nil, errors.New("a page with nothing to press: " + string(page))
	}
	form := url.Values{"action": {string(button[1])}}
	if string(button[1]) == "login" {
		form.Set("username", "ann")
		form.Set("password", demoPassword)
	}
	for _, field := range hidden.FindAllSubmatch(page, -1) {
		form.Add(string(field[1]), string(field[2]))
	}
	return browser.PostForm(answer.Request.URL.String(), form)
}
