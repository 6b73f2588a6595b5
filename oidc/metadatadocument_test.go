package oidc_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// publishedURL is on the host that the certificate of httptest names.
const publishedURL = "https://example.com/client.json"

// published is a web that consists of one server with one document, whatever is asked for; its names resolve as the test says.
type published struct {
	server *httptest.Server
	asked  atomic.Int32

	mu       sync.Mutex
	document string
	headers  map[string]string
	status   int
	answers  [][]netip.Addr // of the resolver, one after the other, the last for ever
}

func publish(tb testing.TB, document string) *published {
	tb.Helper()
	w := &published{document: document, status: http.StatusOK, answers: [][]netip.Addr{{netip.MustParseAddr("93.184.216.34")}}}
	w.server = httptest.NewTLSServer(http.HandlerFunc(w.serve))
	tb.Cleanup(w.server.Close)
	return w
}

func (w *published) serve(rw http.ResponseWriter, _ *http.Request) {
	w.asked.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	for name, value := range w.headers {
		rw.Header().Set(name, value)
	}
	rw.WriteHeader(w.status)
	_, _ = rw.Write([]byte(w.document))
}

// change changes what is published.
func (w *published) change(status int, document string, headers map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.document, w.headers = status, document, headers
}

func (w *published) resolve(context.Context, string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.answers[0]
	if len(w.answers) > 1 {
		w.answers = w.answers[1:]
	}
	return next, nil
}

// outbound reaches the server whatever public address is dialled.
func (w *published) outbound() oidc.Outbound {
	roots := x509.NewCertPool()
	roots.AddCert(w.server.Certificate())
	return oidc.Outbound{RootCAs: roots, Resolve: w.resolve, Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", w.server.Listener.Addr().String())
	}}
}

// reading turns metadata documents on, over that web.
func (w *published) reading(f oidc.MetadataDocuments) func(*oidc.Config) {
	return func(c *oidc.Config) { c.Features.MetadataDocuments, c.Outbound = &f, w.outbound() }
}

// documentOf is a good document of publishedURL, with more members in front.
func documentOf(more string) string {
	return `{` + more + `"client_id":"` + publishedURL + `","client_name":"Shop","logo_uri":"https://example.com/logo.png","policy_uri":"https://example.com/policy",
		"redirect_uris":["https://example.com/cb","http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none"}`
}

// signInTo is an authorization request of the published client.
func signInTo(pairs ...string) string {
	return pathAuthorize + "?" + authorization(publishedURL, append([]string{"redirect_uri", "https://example.com/cb"}, pairs...)...).Encode()
}

// publishedTokens signs ann in to the published client.
func (h *harness) publishedTokens() issued {
	h.tb.Helper()
	a := h.newBrowser().get(signInTo())
	code := a.returned().Get("code")
	if code == "" {
		h.tb.Fatalf("no code: %s", a)
	}
	return h.issued(h.token("", "grant_type", "authorization_code", "client_id", publishedURL, "code", code, "redirect_uri", "https://example.com/cb", "code_verifier", verifier))
}

// draft-ietf-oauth-client-id-metadata-document §5: a client that nobody has registered signs people in, refreshes, and is asked consent
// for by the name and the host of its document. Its application is written when a person has allowed it, once.
func TestClientOfAMetadataDocument(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := publish(t, documentOf(""))
		h := newHarness(t, p, w.reading(oidc.MetadataDocuments{}))
		h.persona.acts(script{Refusal: directory.Denied})
		if a := h.newBrowser().get(signInTo()); a.returned().Get("error") != "access_denied" {
			t.Fatalf("refused with %s", a)
		}
		if _, err := h.people.Applications.Get(t.Context(), h.client(publishedURL).Application); err == nil {
			t.Error("an application was written that nobody has allowed")
		}
		h.persona.acts(script{})
		tokens := h.publishedTokens()
		in := h.persona.lastInteraction()
		if want := (directory.ApplicationLinks{Site: "example.com", Logo: "https://example.com/logo.png", Policy: "https://example.com/policy"}); in.ApplicationName != "Shop" || in.ApplicationLinks != want {
			t.Errorf("people are shown %q, %+v", in.ApplicationName, in.ApplicationLinks)
		}
		again := h.issued(h.token("", "grant_type", "refresh_token", "client_id", publishedURL, "refresh_token", tokens.RefreshToken))
		if a := h.userInfo(again.AccessToken); a.Status != http.StatusOK {
			t.Errorf("its refreshed token is answered with %s", a)
		}
		app, err := h.people.Applications.Get(t.Context(), in.Application)
		if err != nil || app.Name != "Shop" || app.Epoch == 0 {
			t.Fatalf("its application is %+v, %v", app, err)
		}
		h.publishedTokens()
		if w.asked.Load() != 1 {
			t.Errorf("the document was fetched %d times", w.asked.Load())
		}
		h.must(h.people.Applications.Disable(t.Context(), app.Ref()))
		if a := h.userInfo(again.AccessToken); a.Status != http.StatusUnauthorized {
			t.Errorf("after it was disabled its token is answered with %s", a)
		}
		if a := h.newBrowser().get(signInTo()); a.returned().Get("error") != "unauthorized_client" {
			t.Errorf("after it was disabled: %s", a)
		}
	})
}

// A client that the operator has removed begins afresh: what was issued to it before does not come back to life with its application.
func TestAttackApplicationOfADocumentDeleted(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(""))
	h := together(t, w.reading(oidc.MetadataDocuments{}))
	old := h.publishedTokens()
	app, err := h.people.Applications.Get(t.Context(), h.persona.lastInteraction().Application)
	h.must(err)
	h.must(h.people.Applications.Delete(t.Context(), app))
	h.clock.advance(time.Second)
	fresh := h.publishedTokens()
	if a := h.userInfo(old.AccessToken); a.Status != http.StatusUnauthorized {
		t.Errorf("the old token is answered with %s", a)
	}
	if a := h.token("", "grant_type", "refresh_token", "client_id", publishedURL, "refresh_token", old.RefreshToken); a.Status != http.StatusBadRequest {
		t.Errorf("the old refresh token is answered with %s", a)
	}
	if a := h.userInfo(fresh.AccessToken); a.Status != http.StatusOK {
		t.Errorf("the new token is answered with %s", a)
	}
}

// Two people allow the client for the first time at the same moment: both get in, and there is one application.
func TestApplicationOfADocumentInParallel(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := publish(t, documentOf(""))
		h := newHarness(t, p, w.reading(oidc.MetadataDocuments{}))
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				if a := h.newBrowser().get(signInTo()); !gotCode(a) {
					t.Errorf("answered with %s", a)
				}
			})
		}
		group.Wait()
		if w.asked.Load() != 1 {
			t.Errorf("the document was fetched %d times", w.asked.Load())
		}
	})
}

// draft-ietf-oauth-client-id-metadata-document §5.2: a change of the document takes effect when its time is over, within the bounds of the
// Provider; a document that has become invalid is none, and one that cannot be read for the moment is not taken for a bad one.
func TestMetadataDocumentChanges(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(""))
	w.change(http.StatusOK, documentOf(""), map[string]string{"Cache-Control": "max-age=999999"})
	h := together(t, w.reading(oidc.MetadataDocuments{Longest: 10 * time.Minute}))
	h.publishedTokens()
	moved := strings.ReplaceAll(documentOf(""), "https://example.com/cb", "https://example.com/new")
	w.change(http.StatusOK, moved, nil)
	h.clock.advance(9 * time.Minute)
	if a := h.newBrowser().get(signInTo()); !gotCode(a) {
		t.Errorf("within its time: %s", a)
	}
	h.clock.advance(time.Minute)
	if a := h.newBrowser().get(signInTo()); a.Status != http.StatusBadRequest || a.location() != nil {
		t.Errorf("a redirect URI that is not there any more: %s", a)
	}
	if a := h.newBrowser().get(signInTo("redirect_uri", "https://example.com/new")); !gotCode(a) {
		t.Errorf("the new redirect URI: %s", a)
	}
	w.change(http.StatusOK, `{"client_id":"https://example.com/other.json"}`, nil)
	h.clock.advance(time.Hour)
	if a := h.newBrowser().get(signInTo("redirect_uri", "https://example.com/new")); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_client" || a.location() != nil {
		t.Errorf("a document of another URL: %s", a)
	}
	w.change(http.StatusNotFound, documentOf(""), nil)
	h.clock.advance(time.Hour)
	if a := h.newBrowser().get(signInTo()); a.Status != http.StatusServiceUnavailable || a.location() != nil {
		t.Errorf("no document: %s", a)
	}
	if a := h.token("", "grant_type", "refresh_token", "client_id", publishedURL, "refresh_token", "x"); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("no document at the token endpoint: %s", a)
	}
	w.change(http.StatusOK, documentOf(""), nil)
	h.clock.advance(time.Minute)
	if a := h.newBrowser().get(signInTo()); !gotCode(a) {
		t.Errorf("the document is back: %s", a)
	}
}

// SSRF: a client_id makes no request to what is not public, also when a name leads elsewhere the second time; the answer is the same for
// a host that is there and one that is not; redirects are not followed, and nothing large or of another type is read.
func TestAttackMetadataDocumentLeadsInside(t *testing.T) {
	t.Parallel()
	inside := func(addr string) func(*published) {
		return func(w *published) { w.answers = [][]netip.Addr{{netip.MustParseAddr(addr)}} }
	}
	for name, edit := range map[string]func(*published){
		"loopback":      inside("127.0.0.1"),
		"loopback v6":   inside("::1"),
		"private":       inside("10.1.2.3"),
		"link-local":    inside("169.254.169.254"),
		"mapped":        inside("::ffff:127.0.0.1"),
		"unique local":  inside("fd00::1"),
		"unspecified":   inside("0.0.0.0"),
		"nobody's name": func(w *published) { w.answers = [][]netip.Addr{{}} },
		"redirect": func(w *published) {
			w.status, w.headers = http.StatusFound, map[string]string{"Location": "https://example.com/other.json"}
		},
		"a page":    func(w *published) { w.headers = map[string]string{"Content-Type": "text/html"} },
		"a text":    func(w *published) { w.headers = map[string]string{"Content-Type": "text/x+json"} },
		"no name":   func(w *published) { w.headers = map[string]string{"Content-Type": "application/+json"} },
		"too large": func(w *published) { w.document = documentOf(`"x":"` + strings.Repeat("a", 9<<10) + `",`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := publish(t, documentOf(""))
			edit(w)
			h := together(t, w.reading(oidc.MetadataDocuments{}))
			a := h.newBrowser().get(signInTo())
			if a.Status != http.StatusServiceUnavailable || a.location() != nil || strings.Contains(a.Body, "refused") || strings.Contains(a.Body, "private") {
				t.Errorf("answered with %s", a)
			}
			for _, ip := range []string{"127.0.0.1", "10.1.2.3", "169.254"} {
				if strings.Contains(a.Body, ip) {
					t.Errorf("the answer names an address of the inside: %s", a.Body)
				}
			}
		})
	}
	t.Run("rebinding", func(t *testing.T) {
		t.Parallel()
		w := publish(t, documentOf(""))
		w.answers = append(w.answers, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
		h := together(t, w.reading(oidc.MetadataDocuments{}))
		h.publishedTokens()
		h.clock.advance(2 * time.Hour)
		if a := h.newBrowser().get(signInTo()); a.Status != http.StatusServiceUnavailable || w.asked.Load() != 1 {
			t.Errorf("after %d requests: %s", w.asked.Load(), a)
		}
	})
}

// A client_id that is no proper URL of a document, or of a host that is not believed, makes no request at all.
func TestAttackMetadataDocumentNotFetched(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(""))
	h := together(t, w.reading(oidc.MetadataDocuments{Hosts: []string{"*.example.com", "app.example"}}))
	for _, id := range []string{
		publishedURL, "https://example.com.evil.example/c", "https://evilexample.com/c", "https://a.example.com@evil.example/c", "https://a.example.com/c#x",
		"https://a.example.com/../c", "https://a.example.com", "https://a.example.com:/c", "https://127.0.0.1/c", "http://a.example.com/c", "file:///etc/passwd",
	} {
		a := h.newBrowser().get(pathAuthorize + "?" + authorization(id).Encode())
		if a.Status != http.StatusBadRequest || a.errorCode() != "invalid_client" || a.location() != nil {
			t.Errorf("%s is answered with %s", id, a)
		}
		if a := h.token("", "grant_type", "refresh_token", "client_id", id, "refresh_token", "x"); a.Status < 400 || a.Status >= 500 || a.member("error") != "invalid_client" {
			t.Errorf("%s at the token endpoint is answered with %s", id, a)
		}
	}
	if n := w.asked.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
	off := together(t)
	if a := off.newBrowser().get(signInTo()); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_client" {
		t.Errorf("with the feature off: %s", a)
	}
	if _, err := off.Clients.Create(t.Context(), "Evil", &oidc.Client{ClientID: publishedURL, RedirectURIs: []string{callback}}); err == nil {
		t.Error("a client was registered by the id of a document")
	}
}

// A document cannot give its client what is the operator's to give: secrets, scopes, other grants, or a place for codes elsewhere.
func TestAttackMetadataDocumentReachesTooFar(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(`"scope":"openid admin read","audience":["https://api.example"],"insecure_optional_pkce":true,"access_token_lifetime":9,"client_secret_hash":"x",`))
	h := together(t, w.reading(oidc.MetadataDocuments{Scopes: []string{"read"}}))
	got := h.client(publishedURL)
	if strings.Join(got.Scopes, " ") != "openid read" || len(got.Audience) > 0 || got.InsecureOptionalPKCE || got.AccessTokenLifetime != 0 || got.SecretHash != "" {
		t.Errorf("the client is %+v", got)
	}
	for what, pairs := range map[string][]string{
		"client credentials": {"grant_type", "client_credentials", "client_id", publishedURL},
		"a secret":           {"grant_type", "refresh_token", "client_id", publishedURL, "client_secret", "x", "refresh_token", "x"},
	} {
		if a := h.token("", pairs...); a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s: %s", what, a)
		}
	}
	if a := h.newBrowser().get(signInTo("redirect_uri", "http://127.0.0.1:49152/cb", "scope", "openid")); !gotCode(a) {
		t.Errorf("a loopback redirect URI on another port (RFC 8252 section 7.3): %s", a)
	}
	for what, policy := range map[string]func(*oidc.Client, *directory.Application) error{
		"refusing":  func(*oidc.Client, *directory.Application) error { return errors.New("no") },
		"narrowing": func(c *oidc.Client, _ *directory.Application) error { c.Scopes = []string{"read"}; return nil },
	} {
		h := together(t, w.reading(oidc.MetadataDocuments{Scopes: []string{"read"}, Policy: policy}))
		if a := h.newBrowser().get(signInTo("scope", "openid")); gotCode(a) {
			t.Errorf("%s: %s", what, a)
		}
	}
}

// draft-ietf-oauth-client-id-metadata-document §8.2: a client with keys in its document authenticates by them, and by nothing less.
func TestClientOfAMetadataDocumentWithKeys(t *testing.T) {
	t.Parallel()
	w := publish(t, "")
	h := together(t, w.reading(oidc.MetadataDocuments{}), withAssertions)
	a := &asserter{h: h, clientID: publishedURL, key: generateKey(jose.ES256), header: jose.Header{Alg: jose.ES256, Kid: "k1"}}
	w.change(http.StatusOK, strings.Replace(documentOf(""), `"token_endpoint_auth_method":"none"`, `"token_endpoint_auth_method":"private_key_jwt","jwks":`+string(a.jwks()), 1), nil)
	redeem := func(code string) []string {
		return []string{"grant_type", "authorization_code", "code", code, "redirect_uri", "https://example.com/cb", "code_verifier", verifier}
	}
	code := h.newBrowser().get(signInTo()).returned().Get("code")
	if answer := h.token("", append(redeem(code), "client_id", publishedURL)...); answer.Status < 400 || answer.member("error") != "invalid_client" {
		t.Errorf("without an assertion: %s", answer)
	}
	if answer := a.post(pathToken, a.assertion(), redeem(code)...); !gotTokens(answer) {
		t.Errorf("with an assertion: %s", answer)
	}
	w.change(http.StatusOK, strings.Replace(documentOf(""), `"token_endpoint_auth_method":"none"`, `"token_endpoint_auth_method":"private_key_jwt"`, 1), nil)
	h.clock.advance(2 * time.Hour)
	if answer := h.newBrowser().get(signInTo()); answer.Status != http.StatusBadRequest || answer.errorCode() != "invalid_client" {
		t.Errorf("a document without the keys that it promises: %s", answer)
	}
}

// The port of http://localhost matters unless the operator says otherwise (RFC 8252 §8.3), and nothing but the port ever does not.
func TestAttackLocalhostPorts(t *testing.T) {
	t.Parallel()
	w := publish(t, strings.Replace(documentOf(""), `"http://127.0.0.1/cb"`, `"http://localhost/cb"`, 1))
	strict, lax := together(t, w.reading(oidc.MetadataDocuments{})), together(t, w.reading(oidc.MetadataDocuments{InsecureLocalhostPorts: true}))
	if a := strict.newBrowser().get(signInTo("redirect_uri", "http://localhost:49152/cb")); gotCode(a) || a.location() != nil {
		t.Errorf("another port: %s", a)
	}
	if a := lax.newBrowser().get(signInTo("redirect_uri", "http://localhost:49152/cb")); !gotCode(a) || a.location().Host != "localhost:49152" {
		t.Errorf("another port, where that is allowed: %s", a)
	}
	for _, uri := range []string{
		"http://localhost:49152/other", "http://localhost.evil.example/cb", "http://localhost:1@evil.example/cb", "http://localhost:/cb", "http://127.0.0.1:49152/cb",
		"https://localhost:49152/cb", "http://LOCALHOST/cb", "http://localhost:99999999/cb", "http://localhost\\@evil.example/cb", "http://localhost:80/cb?x", "http://a.localhost/cb",
	} {
		if a := lax.newBrowser().get(signInTo("redirect_uri", uri)); a.Status == http.StatusSeeOther {
			t.Errorf("%s is answered with %s", uri, a)
		}
	}
}

// RFC 8414 §2: discovery says how clients come to be known, and that a client may come without a secret.
func TestRegistrationMetadata(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(""))
	h := together(t, openly, w.reading(oidc.MetadataDocuments{}))
	body := h.send(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", nil)).Body
	for _, member := range []string{`"registration_endpoint":"https://id.example/oauth2/register"`, `"client_id_metadata_document_supported":true`, `"none"`} {
		if !strings.Contains(body, member) {
			t.Errorf("%s does not stand in %s", member, body)
		}
	}
	if off := together(t).send(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", nil)).Body; strings.Contains(off, "registration_endpoint") || strings.Contains(off, "client_id_metadata") {
		t.Errorf("with the features off: %s", off)
	}
}

// A configuration that contradicts itself is refused whole, by the names of the fields.
func TestMetadataDocumentsConfiguration(t *testing.T) {
	t.Parallel()
	h := together(t)
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
		Features: oidc.Features{MetadataDocuments: &oidc.MetadataDocuments{
			Hosts: []string{"https://a.example"}, Scopes: []string{"a b"}, Shortest: time.Hour, Longest: time.Minute,
		}},
	})
	for _, field := range []string{"MetadataDocuments.Hosts", "MetadataDocuments.Scopes", "MetadataDocuments.Shortest"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("nothing is said of %s: %v", field, err)
		}
	}
}

// A store that fails, or loses an answer, while a person allows such a client for the first time: "not now", and nothing else.
func TestMetadataDocumentFaults(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(""))
	faults(t, []door{{name: "authorize", done: gotCode, open: func(h *harness) attempt {
		b := h.newBrowser()
		return attempt{send: func() *answer { return b.get(signInTo()) }}
	}}}, w.reading(oidc.MetadataDocuments{}))
}

// A document may be of any media type of JSON (draft-ietf-oauth-client-id-metadata-document §4).
func TestDocumentOfAnotherMediaType(t *testing.T) {
	t.Parallel()
	w := publish(t, documentOf(""))
	w.headers = map[string]string{"Content-Type": "application/oauth-client-metadata+json; charset=utf-8"}
	h := together(t, w.reading(oidc.MetadataDocuments{}))
	h.publishedTokens()
}
