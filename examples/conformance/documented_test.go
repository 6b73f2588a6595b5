package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// documentedHost is what docs/conformance.md calls the provider.
const documentedHost = "https://host.docker.internal:9443"

// documented is the first indented block of docs/conformance.md behind the paragraph that begins so.
func documented(t *testing.T, paragraph string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n"+paragraph)
	_, rest, indented := strings.Cut(rest, "\n\n    ")
	if !found || !indented {
		t.Fatalf("docs/conformance.md has nothing behind %q", paragraph)
	}
	block, _, _ := strings.Cut(rest, "\n\n")
	return strings.ReplaceAll(block, "\n    ", "\n")
}

// fill writes a key, and redirect URIs, where a documented file of clients leaves them out.
func fill(t *testing.T, clients string, key *rsa.PrivateKey) string {
	t.Helper()
	filled := strings.ReplaceAll(clients, `"keys": […]`, `"keys": [`+publicKey(key)+`]`)
	filled = strings.ReplaceAll(filled, `"redirect_uris": […]`, `"redirect_uris": ["https://localhost.emobix.co.uk:8443/test/a/signet/callback?dummy1=lorem&dummy2=ipsum"]`)
	if filled == clients || strings.Contains(filled, "…") {
		t.Fatalf("there is something else to fill in: %s", filled)
	}
	return filled
}

// The clients that docs/conformance.md tells to register can be, also as it says they are changed for certificates.
func TestSuiteClients(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := fill(t, documented(t, "The plans of FAPI and CIBA need two clients"), key)
	serveTests(t, file)
	for _, certificate := range []string{`"self_signed_tls_client_auth"`, `"private_key_jwt", "tls_client_certificate_bound_access_tokens": true`} {
		serveTests(t, strings.ReplaceAll(file, `"private_key_jwt"`, certificate))
	}
	serveTests(t, strings.ReplaceAll(file, `"client_id": "one"`, `"client_id": "one", "id_token_signed_response_alg": "ES256"`))
	for wrong, said := range map[string]string{
		strings.Replace(file, "redirect_uris", "redirect_uri", 1): "unknown field",
		strings.Replace(file, "fapi2", "fapi3", 1):                "a profile that there is not",
		"[{}]": "no metadata",
	} {
		if _, err := readClients(write(t, "clients.json", wrong)); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("a file that is wrong: %v", err)
		}
	}
}

// The command of docs/conformance.md has flags that there are, and the three calls for the suite are where it says.
func TestSuiteCommand(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "examples/conformance -address")
	command, _, _ := strings.Cut("-address"+rest, "\n    CONFORMANCE_SERVER")
	o, err := parse(strings.Fields(strings.ReplaceAll(command, "\\\n", " ")))
	if err != nil || o.base != documentedHost || o.clients == "" || o.mtls == "" || o.mtlsBase == "" {
		t.Errorf("%+v, %v", o, err)
	}
	house, err := furnish(t.Context(), options{base: documentedHost}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer house.close()
	mux, _ := house.handler().(*http.ServeMux)
	calls := regexp.MustCompile("`(GET|POST) (/test/[^`?…]*)|https://host.docker.internal:9443(/test/[^\"`?]*)").FindAllStringSubmatch(string(page), -1)
	if len(calls) != 3 {
		t.Fatalf("%d calls: %v", len(calls), calls)
	}
	for _, call := range calls {
		method := call[1]
		if method == "" {
			method = http.MethodGet
		}
		r, err := http.NewRequestWithContext(t.Context(), method, documentedHost+call[2]+call[3], nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, pattern := mux.Handler(r); pattern != method+" "+call[2]+call[3] {
			t.Errorf("%s is served as %q", call[0], pattern)
		}
	}
}

// plan is the configuration of a plan, as far as it is about the provider and the browser.
type plan struct {
	Alias  string `json:"alias"`
	Server struct {
		DiscoveryURL string `json:"discoveryUrl"`
		LoginHint    string `json:"login_hint"`
	} `json:"server"`
	Client  map[string]string `json:"client"`
	Client2 map[string]string `json:"client2"`
	Browser []struct {
		Match string        `json:"match"`
		Tasks []browserTask `json:"tasks"`
	} `json:"browser"`
}

// browserTask is what the suite does on a page, when it has the URL, or else goes on to the next if it may.
type browserTask struct {
	Task     string  `json:"task"`
	Optional bool    `json:"optional"`
	Match    string  `json:"match"`
	Commands [][]any `json:"commands"`
}

// The configuration of docs/conformance.md is one for this provider, and what it lets the suite's browser do leads from the request to the
// callback.
func TestSuiteConfiguration(t *testing.T) {
	t.Parallel()
	const callback = "https://localhost.emobix.co.uk:8443/test/a/signet/callback"
	base, client := serveTests(t, `[{"profile": "op", "name": "Suite", "client_secret": "a secret of more than 22 characters", "client": {
		"client_id": "suite", "redirect_uris": ["`+callback+`"]}}]`)
	var p plan
	decoder := json.NewDecoder(strings.NewReader(strings.ReplaceAll(documented(t, "`op.json`, the whole of it"), documentedHost, base)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		t.Fatal(err)
	}
	get(t, client, p.Server.DiscoveryURL)
	if p.Server.LoginHint != personName || !strings.Contains(callback, "/a/"+p.Alias+"/") || len(p.Browser) != 1 {
		t.Errorf("%+v", p)
	}
	app := oauth2.Config{ClientID: "suite", RedirectURL: callback, Scopes: []string{"openid"}, Endpoint: oauth2.Endpoint{AuthURL: base + "/op/oauth2/authorize"}}
	begin := app.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	suite := &automation{t: t, plan: p, client: &http.Client{Transport: client.Transport, Jar: jar, CheckRedirect: stay(callback)}}
	suite.visit(begin)
	if got := suite.done; !slices.Equal(got, []string{"Sign in", "Done"}) {
		t.Errorf("it did %q, and ended at %s", got, suite.at)
	}
	// Signing out, in the same browser: without a hint the person is asked.
	suite.done = nil
	suite.visit(base + "/op/oidc/logout")
	if got := suite.done; !slices.Contains(got, "Sign out") || !strings.Contains(suite.page, `id="logged_out"`) {
		t.Errorf("it did %q, and ended at %s: %s", got, suite.at, suite.page)
	}
}

// stay keeps the browser away from the suite, which there is not.
func stay(callback string) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// automation does what the suite's browser does: the tasks in their order, each on the page that it finds.
type automation struct {
	t      *testing.T
	plan   plan
	client *http.Client
	at     string
	page   string
	done   []string
}

func (a *automation) visit(at string) {
	a.t.Helper()
	a.load(a.client.Get(at))
	for _, task := range a.plan.Browser[0].Tasks {
		if !glob(task.Match, a.at) {
			if !task.Optional {
				return
			}
			continue
		}
		a.perform(task)
	}
}

func (a *automation) perform(task browserTask) {
	a.t.Helper()
	a.done = append(a.done, task.Task)
	typed := map[string]string{}
	for _, command := range task.Commands {
		words := make([]string, 4)
		for i, word := range command {
			if text, ok := word.(string); ok && i < len(words) {
				words[i] = text
			}
		}
		if words[1] != "id" {
			a.t.Fatalf("%s: %v is not by an id", task.Task, command)
		}
		there := strings.Contains(a.page, `id="`+words[2]+`"`)
		switch {
		case words[0] == "wait": // on the suite's own page
		case !there && words[3] == "optional":
			a.done = a.done[:len(a.done)-1]
		case !there:
			a.t.Fatalf("%s: %s has no element %s: %s", task.Task, a.at, words[2], a.page)
		case words[0] == "text":
			typed[words[2]] = words[3]
		case words[0] == "click":
			a.press(words[2], typed)
		default:
			a.t.Fatalf("%s: the command %v is unknown", task.Task, command)
		}
	}
}

var (
	inputs = regexp.MustCompile(`<(?:input|button)[^>]*>`)
	named  = regexp.MustCompile(` (id|name|value|type)="([^"]*)"`)
)

// press posts the form of the button.
func (a *automation) press(button string, typed map[string]string) {
	a.t.Helper()
	form := url.Values{}
	for _, tag := range inputs.FindAllString(a.page, -1) {
		is := map[string]string{}
		for _, attribute := range named.FindAllStringSubmatch(tag, -1) {
			is[attribute[1]] = attribute[2]
		}
		text, isTyped := typed[is["id"]]
		switch {
		case is["name"] == "" || strings.HasPrefix(tag, "<button") && is["id"] != button:
		case isTyped:
			form.Set(is["name"], text)
		case is["type"] != "checkbox" || strings.Contains(tag, " checked"):
			form.Add(is["name"], is["value"])
		}
	}
	a.load(a.client.PostForm(a.at, form))
}

// load takes the page that came, or where the browser would go.
func (a *automation) load(response *http.Response, err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	a.at, a.page = response.Request.URL.String(), string(page)
	if to := response.Header.Get("Location"); to != "" {
		a.at, a.page = to, ""
	}
}

// glob matches as the suite does: * is anything.
func glob(pattern, address string) bool {
	escaped := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile("^" + escaped + "$").MatchString(address)
}
