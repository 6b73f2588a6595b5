package oidc_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

var update = flag.Bool("update", false, "write the answers of the transcripts anew")

// TestTranscripts tells each story of testdata/transcripts and compares the answers. A story is an archive of pairs, "NAME
// request" and "NAME answer". A request is
//
//	!directive …        what happens before, see (*teller).direct
//	POST /oauth2/token  method and path
//	Accept: text/html   headers
//	                    an empty line
//	grant_type=…        the parameters, not encoded: of the query, or of the body of a POST
//
// In an answer random values stand as names in angle brackets, by which later requests may use them: the second code is
// <code 2>. JSON Web Tokens are shown decoded. Every story is told in both placements; -update writes the answers.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				told := tell(t, p, archive)
				if *update && p.Name == "together" {
					if err := os.WriteFile(file, txtar.Format(told), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// tell goes through a story and returns it with the answers that came.
func tell(t *testing.T, p storetest.Placement, archive *txtar.Archive) *txtar.Archive {
	t.Helper()
	h := newHarness(t, p, func(c *oidc.Config) {
		for line := range strings.Lines(string(archive.Comment)) {
			if issuer, ok := strings.CutPrefix(strings.TrimSpace(line), "!issuer "); ok {
				c.Issuer = issuer
			}
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!feature "); ok {
				if features[name] == nil {
					t.Fatalf("no feature is called %q", name)
				}
				features[name](c)
			}
		}
	})
	teller := newTeller(h)
	told := &txtar.Archive{Comment: archive.Comment}
	wanted := map[string]string{}
	for _, f := range archive.Files {
		wanted[f.Name] = string(f.Data)
	}
	for _, f := range archive.Files {
		name, isRequest := strings.CutSuffix(f.Name, " request")
		if !isRequest {
			continue
		}
		answerName := name + " answer"
		got := teller.step(t, name, string(f.Data))
		told.Files = append(told.Files, f, txtar.File{Name: answerName, Data: []byte(got)})
		if want := wanted[answerName]; !*update && got != want {
			t.Errorf("%s:\n--- got\n%s--- want\n%s", name, got, want)
		}
		delete(wanted, f.Name)
		delete(wanted, answerName)
	}
	if !*update && len(wanted) > 0 {
		t.Errorf("answers without a request: %v", wanted)
	}
	return told
}

// teller tells one story.
type teller struct {
	h        *harness
	browsers map[string]*browser
	browser  *browser
	client   string  // who authenticates the next request
	raw      bool    // whether the next body is sent as it stands
	prover   *prover // who proves to hold a key with the next request
	provers  map[string]*prover
	// asserter authenticates the next request by an assertion, certified by a certificate.
	asserter  *asserter
	asserters map[string]*asserter
	certified certified
	holders   map[string]certified

	names  map[string]string // of random values
	values map[string]string // by name
	counts map[string]int
}

func newTeller(h *harness) *teller {
	s := &teller{h: h, browsers: map[string]*browser{}, provers: map[string]*prover{}, asserters: map[string]*asserter{}, holders: map[string]certified{}, names: map[string]string{}, values: map[string]string{}, counts: map[string]int{}}
	for _, name := range []string{ann, bob} {
		id := h.subject(name).ID
		s.names[id], s.values[name] = "<"+name+">", id
	}
	s.values["verifier"], s.values["challenge"] = verifier, challenge()
	for _, c := range harnessClients() {
		s.values["secret of "+c.ClientID] = clientSecret(c.ClientID)
	}
	s.direct("browser one")
	return s
}

// direct does what a directive says.
func (s *teller) direct(line string) {
	h := s.h
	h.tb.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "browser": // the requests from here on come from the browser of that name
		if s.browsers[rest] == nil {
			s.browsers[rest] = h.newBrowser()
		}
		s.browser = s.browsers[rest]
	case "script": // what the person does from here on
		var next script
		h.must(json.Unmarshal([]byte(rest), &next))
		h.persona.acts(next)
	case "break": // the flow fails from here on
		h.persona.acts(script{Err: errors.New("the flow is broken")})
	case "store": // goes down, or comes up again; nothing that was read from it before is remembered
		h.clock.advance(2 * time.Second)
		if h.faults.Heal(); rest == "down" {
			h.faults.FailAll(nil)
		}
	case "advance": // the clock
		d, err := time.ParseDuration(rest)
		h.must(err)
		h.clock.advance(d)
	case "framed": // that client has a front-channel logout URI
		h.framed(rest, "https://app.example/out")
	case "prove": // a fresh DPoP proof by the key of that name comes with this request
		if s.provers[rest] == nil {
			p := h.newProver()
			s.provers[rest], s.names[p.jkt()], s.values["jkt of "+rest] = p, "<jkt of "+rest+">", p.jkt()
		}
		s.prover = s.provers[rest]
	case "as": // the client that authenticates this request
		s.client = rest
	case "signer": // a further client, which authenticates by assertions
		s.asserters[rest] = h.newAsserter(rest)
	case "assert": // a fresh assertion of that client comes with this request
		s.asserter = s.asserters[rest]
	case "holder": // a further client, which authenticates by a certificate of its own, and has its tokens bound to it
		c := (&authority{tb: h.tb}).issue(&x509.Certificate{Subject: pkix.Name{CommonName: rest}})
		h.tlsMachine(rest, func(client *oidc.Client) {
			client.AuthMethod, client.JWKS, client.CertificateBoundTokens = oidc.SelfSignedTLSClientAuth, selfSignedSet(h.tb, c, true), true
		})
		s.holders[rest], s.names[clientcert.Thumbprint(c.Certificate)] = c, "<x5t of "+rest+">"
	case "certificate": // this request comes over a connection with the certificate of that client
		s.certified = s.holders[rest]
	case "keys": // a registered client has the key that its objects are signed with
		h.signs(rest)
	case "object": // a request object of a client is <object>: a good request, with changes, signed as the client is registered to
		id, changes, _ := strings.Cut(rest, " ")
		var edit map[string]any
		if changes != "" {
			h.must(json.Unmarshal([]byte(changes), &edit))
		}
		object := h.objectOf(id, edit)
		if h.client(id).RequestObjectSigningAlg == "HS256" {
			s.values["object"] = h.sealedObject(object, "oauth-authz-req+jwt", clientSecret(id))
		} else {
			s.values["object"] = h.signedRequest(object)
		}
		s.names[s.values["object"]] = "<object>"
	case "raw": // the body of this request is sent as it stands, without its line feeds
		s.raw = true
	case "register": // a further client
		var c oidc.Client
		h.must(json.Unmarshal([]byte(rest), &c))
		h.register(&c)
	case "change": // a registered client
		id, changes, _ := strings.Cut(rest, " ")
		c := h.client(id)
		h.must(json.Unmarshal([]byte(changes), c))
		h.must(h.Clients.Replace(h.tb.Context(), c))
	case "disable": // a person, or the application of a client
		s.disable(rest)
	case "end-session": // the last one
		h.must(h.people.Sessions.End(h.tb.Context(), h.persona.lastSession().Ref(), "test"))
	case "delete": // a client
		h.must(h.Clients.Delete(h.tb.Context(), h.client(rest)))
	case "delete-person":
		u, err := h.people.FindUser(h.tb.Context(), "", rest)
		h.must(err)
		h.must(h.people.DeleteUser(h.tb.Context(), u))
	case "ciba-id": // names what people may see of an auth_req_id
		s.name("ciba_id", requestID(s.values[rest]))
	case "agents": // the clients of agents, and <helper> with its token <acting>
		s.agents()
	case "skip-consent": // of the application of a client
		h.skipConsent(rest)
	default:
		h.tb.Fatalf("unknown directive %q", line)
	}
}

func (s *teller) agents() {
	helper, _ := s.h.registerAgents()
	acting := s.h.alone(crew, helper).AccessToken
	s.values["helper"], s.values["acting"] = helper.ID, acting
	s.names[helper.ID], s.names[acting] = "<helper>", "<acting>"
}

func (s *teller) disable(name string) {
	if id := s.values[name]; name == "helper" {
		s.h.must(s.h.people.Subjects.Disable(s.h.tb.Context(), store.Ref{ID: id}))
		return
	}
	if name == ann || name == bob {
		s.h.must(s.h.people.Subjects.Disable(s.h.tb.Context(), s.h.subject(name).Ref()))
		return
	}
	s.h.must(s.h.people.Applications.Disable(s.h.tb.Context(), s.h.client(name).Application))
}

// step sends one request and describes the answer.
func (s *teller) step(t *testing.T, name, text string) string {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	s.client, s.raw, s.prover, s.asserter, s.certified = "", false, nil, nil, certified{}
	for len(lines) > 0 && strings.HasPrefix(lines[0], "!") {
		s.direct(lines[0][1:])
		lines = lines[1:]
	}
	if len(lines) == 0 {
		t.Fatalf("%s: no request line", name)
	}
	method, path, _ := strings.Cut(s.fill(t, lines[0]), " ")
	var headers, parameters []string
	for i, line := range lines[1:] {
		if line == "" {
			parameters = lines[i+2:]
			break
		}
		headers = append(headers, s.fill(t, line))
	}
	for i := range parameters {
		parameters[i] = s.fill(t, parameters[i])
	}
	if s.asserter != nil {
		parameters = append(parameters, "client_assertion_type="+assertionType, "client_assertion="+s.asserter.assertion())
	}
	before := len(s.h.logs.String())
	a := s.browser.do(method, s.target(method, path, parameters), s.body(method, parameters), func(r *http.Request) {
		if (method == http.MethodPost || method == http.MethodPut) && s.raw {
			body := strings.Join(parameters, "")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
		s.authenticate(r)
		present(r, s.certified)
		for _, line := range headers {
			field, value, _ := strings.Cut(line, ": ")
			if field == "Content-Type" {
				r.Header.Set(field, value)
			} else {
				r.Header.Add(field, value)
			}
		}
		if s.prover != nil {
			_, token, _ := strings.Cut(r.Header.Get("Authorization"), "DPoP ")
			r.Header.Set("DPoP", s.prover.proof(r.Method, r.URL.Path, token))
		}
	})
	if nonce := a.Header.Get("DPoP-Nonce"); nonce != "" {
		s.name("nonce", nonce)
		for _, p := range s.provers {
			p.nonce = nonce
		}
	}
	if method == http.MethodHead {
		a.Body = "" // net/http does not send it
	}
	s.judge(t, name, form(parameters).Get("state"), a)
	wantLogged(t, name, a, s.h.logs.String()[before:])
	return s.describe(a)
}

// target puts the parameters of a GET into the URL.
func (s *teller) target(method, path string, parameters []string) string {
	if method == http.MethodPost || method == http.MethodPut || len(parameters) == 0 {
		return path
	}
	if s.raw {
		return path + "?" + strings.Join(parameters, "")
	}
	return path + "?" + form(parameters).Encode()
}

func (s *teller) body(method string, parameters []string) url.Values {
	switch {
	case method != http.MethodPost:
		return nil
	case s.raw:
		return url.Values{}
	}
	return form(parameters)
}

// form reads parameters; one that stands twice is sent twice, and one that ends in "=*N" is made N bytes long.
func form(parameters []string) url.Values {
	values := url.Values{}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		var n int
		if _, err := fmt.Sscanf(value, "*%d", &n); err == nil {
			value = strings.Repeat("x", n)
		}
		values.Add(name, value)
	}
	return values
}

func (s *teller) authenticate(r *http.Request) {
	if s.client != "" {
		r.SetBasicAuth(url.QueryEscape(s.client), url.QueryEscape(clientSecret(s.client)))
	}
}

var placeholder = regexp.MustCompile(`<([a-z_ ]+( [0-9]+)?)>`)

// fill puts values in the place of their names.
func (s *teller) fill(t *testing.T, text string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := s.values[name[1:len(name)-1]]
		if !ok {
			t.Fatalf("nothing is called %s yet, but %v are", name, slices.Sorted(maps.Keys(s.values)))
		}
		return value
	})
}

// judge holds every answer to what must always be so.
func (s *teller) judge(t *testing.T, name, state string, a *answer) {
	t.Helper()
	h := a.Header
	if q := a.returned(); q.Has("code") || q.Has("error") { // RFC 6749 §4.1.2, RFC 9207 §2
		if q.Get("iss") != s.h.issuer || state != "" && q.Get("state") != state || len(q["iss"]) != 1 || len(q["state"]) > 1 {
			t.Errorf("%s: an authorization response without iss or with another state: %s", name, a)
		}
	}
	if strings.Contains(a.Body, `<form method="post" action=`) {
		for field, value := range map[string]string{"state": state, "iss": s.h.issuer} {
			if !strings.Contains(a.Body, fmt.Sprintf(`name="%s" value="%s"`, field, template.HTMLEscapeString(value))) {
				t.Errorf("%s: a form_post response without %s=%s", name, field, value)
			}
		}
	}
	want := map[string]string{}
	switch {
	case h.Get("Location") != "":
		want = map[string]string{"Cache-Control": "no-store"}
	case strings.HasPrefix(h.Get("Content-Type"), "text/html"):
		want = map[string]string{"X-Frame-Options": "DENY", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
		if strings.Contains(a.Body, "data-message=") { // TestAttackWebMessageFraming judges those
			want["X-Frame-Options"] = h.Get("X-Frame-Options")
		} else if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: the page can be framed: %q", name, h.Get("Content-Security-Policy"))
		}
	case h.Get("Content-Type") == "application/json" && h.Get("Access-Control-Allow-Origin") == "":
		want = map[string]string{"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}
	}
	for field, value := range want {
		if h.Get(field) != value {
			t.Errorf("%s: %s is %q, want %q", name, field, h.Get(field), value)
		}
	}
}

var (
	postedError = regexp.MustCompile(`name="error" value="(\w+)"`)
	correlation = regexp.MustCompile(`</code> ([\w-]{12})</p>`)
)

// wantLogged demands that an error be in the log: its code, and the correlation that its page shows.
func wantLogged(t *testing.T, name string, a *answer, log string) {
	t.Helper()
	code := a.errorCode()
	if posted := postedError.FindStringSubmatch(a.Body); posted != nil {
		code = posted[1]
	}
	if code != "" && !strings.Contains(log, fmt.Sprintf(`"code":%q`, code)) {
		t.Errorf("%s: %s is not in the log: %q", name, code, log)
	}
	if shown := correlation.FindStringSubmatch(a.Body); shown != nil && !strings.Contains(log, fmt.Sprintf(`"correlation":%q`, shown[1])) {
		t.Errorf("%s: correlation %s is not in the log: %q", name, shown[1], log)
	}
	routed := a.Status != http.StatusNotFound && a.Status != http.StatusMethodNotAllowed // else the mux has answered
	if a.Status >= http.StatusBadRequest && routed && log == "" {
		t.Errorf("%s: nothing of %d is in the log", name, a.Status)
	}
}

// shown are the headers that stand in a transcript; what judge holds needs no repetition.
var shown = []string{
	"Content-Type", "Location", "Set-Cookie", "WWW-Authenticate", "Retry-After", "Allow", "Referrer-Policy", "Access-Control-Allow-Origin",
	"DPoP-Nonce",
}

// describe writes an answer with names in the place of random values.
func (s *teller) describe(a *answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.Status)
	for _, field := range shown {
		for _, value := range a.Header.Values(field) {
			switch field {
			case "Location":
				s.describeLocation(&b, value)
			case "Set-Cookie":
				s.describeCookie(&b, value)
			default:
				fmt.Fprintf(&b, "%s: %s\n", field, value)
			}
		}
	}
	if cache := a.Header.Get("Cache-Control"); cache != "" && cache != "no-store" {
		fmt.Fprintf(&b, "Cache-Control: %s\n", cache)
	}
	if policy := a.Header.Get("Content-Security-Policy"); strings.Contains(a.Body, "<form") {
		_, rest, _ := strings.Cut(policy, "form-action ")
		sources, _, _ := strings.Cut(rest, ";")
		fmt.Fprintf(&b, "Content-Security-Policy: … form-action %s …\n", sources)
	}
	if a.Body != "" && a.location() == nil { // nobody reads the body of a redirect
		b.WriteString("\n" + s.describeBody(a.Body))
	}
	return s.hide(strings.TrimRight(b.String(), "\n") + "\n")
}

func (s *teller) describeLocation(b *strings.Builder, location string) {
	location, fragment, _ := strings.Cut(location, "#")
	target, query, _ := strings.Cut(location, "?")
	fmt.Fprintf(b, "Location: %s\n", target)
	for pair := range strings.SplitSeq(query, "&") {
		if value, err := url.QueryUnescape(pair); err == nil && value != "" {
			fmt.Fprintf(b, "          %s\n", value)
		}
	}
	for pair := range strings.SplitSeq(fragment, "&") {
		if value, err := url.QueryUnescape(pair); err == nil && value != "" {
			fmt.Fprintf(b, "        # %s\n", value)
		}
	}
	if u, err := url.Parse(location); err == nil {
		s.name("request", u.Query().Get("id"))
	}
	for _, values := range []string{query, fragment} {
		if q, err := url.ParseQuery(values); err == nil {
			for _, parameter := range []string{"response", "subject_token"} { // what stands nowhere else
				if token := q.Get(parameter); strings.Count(token, ".") == 2 {
					b.WriteString(decodeToken(token))
				}
			}
		}
	}
}

func (s *teller) describeCookie(b *strings.Builder, line string) {
	c, err := http.ParseSetCookie(line)
	if err != nil {
		fmt.Fprintf(b, "Set-Cookie: %s\n", line)
		return
	}
	_, attributes, _ := strings.Cut(line, ";")
	s.name("browser", c.Value)
	fmt.Fprintf(b, "Set-Cookie: %s=%s;%s\n", c.Name, c.Value, attributes)
}

// describeBody indents JSON and decodes the tokens in it.
func (s *teller) describeBody(body string) string {
	var all map[string]any
	if json.Unmarshal([]byte(body), &all) != nil {
		return body
	}
	var tokens strings.Builder
	for _, member := range []string{"access_token", "id_token"} {
		if token, ok := all[member].(string); ok && strings.Count(token, ".") == 2 {
			fmt.Fprintf(&tokens, "%s\n", decodeToken(token))
		}
	}
	s.nameMembers(all)
	return indent(body) + tokens.String()
}

// nameMembers names the random values that have no form of their own.
func (s *teller) nameMembers(all map[string]any) {
	for member, value := range all {
		switch v := value.(type) {
		case string:
			if slices.Contains([]string{"jti", "n", "x", "y", "client_secret", "registration_access_token"}, member) {
				s.name(member, v)
			}
			if member == "client_id" && len(v) == 22 { // not one of the harness's
				s.name(member, v)
			}
		case []any:
			for _, item := range v {
				if object, ok := item.(map[string]any); ok {
					s.nameMembers(object)
				}
			}
		}
	}
}

func indent(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return text
	}
	return b.String() + "\n"
}

// decodeToken writes header and claims of a JWT; its signature is for other tests.
func decodeToken(token string) string {
	parts := strings.Split(token, ".")
	var b strings.Builder
	for i, what := range []string{"header", "claims"} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s of %s: %s", what, token, indent(string(text)))
	}
	return b.String()
}

// patterns find random values by their form.
var patterns = []struct {
	name string
	form *regexp.Regexp
}{
	{"jwt", regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)},
	{"request_uri", regexp.MustCompile(`urn:ietf:params:oauth:request_uri:[\w-]+\.[\w-]+`)},
	{"code", regexp.MustCompile(`sgac_[\w.~-]+`)},
	{"access_token", regexp.MustCompile(`sgat_[\w.~-]+`)},
	{"refresh_token", regexp.MustCompile(`sgrt_[\w.~-]+`)},
	{"device_code", regexp.MustCompile(`sgdc_[\w.~-]+`)},
	{"auth_req_id", regexp.MustCompile(`sgcr_[\w.~-]+`)},
	{"user_code", regexp.MustCompile(`\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b`)},
	{"correlation", correlation},
	{"jti", regexp.MustCompile(`"jti": "([\w-]{22})"`)},
	{"binding_ref", regexp.MustCompile(`"binding_ref": "([\w-]{43})"`)},
	{"at_hash", regexp.MustCompile(`"at_hash": "([\w-]{22})"`)},
	{"pairwise", regexp.MustCompile(`"sub": "([\w-]{22})"`)},
	{"session_state", regexp.MustCompile(`session_state=([\w-]{43}\.[\w-]{22})`)},
	{"sid", regexp.MustCompile(`"sid": "([\w-]{22,36})"`)},
	{"id", regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)},
}

// hide puts names in the place of random values.
func (s *teller) hide(text string) string {
	rest := text // in which later patterns look: a code has an id inside
	for _, p := range patterns {
		for _, found := range p.form.FindAllStringSubmatch(rest, -1) {
			value := found[len(found)-1]
			s.name(p.name, value)
			rest = strings.ReplaceAll(rest, value, "")
		}
	}
	longestFirst := func(a, b string) int { return len(b) - len(a) }
	for _, value := range slices.SortedFunc(maps.Keys(s.names), longestFirst) {
		text = strings.ReplaceAll(text, value, s.names[value])
	}
	return text
}

// name gives a value a name, unless it has one.
func (s *teller) name(kind, value string) {
	if value == "" || s.names[value] != "" {
		return
	}
	s.counts[kind]++
	name := kind
	if n := s.counts[kind]; n > 1 {
		name = fmt.Sprintf("%s %d", kind, n)
	}
	s.names[value], s.values[name] = "<"+name+">", value
}
