package signet_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	nativejson "github.com/signet-idp/signet/flow/native"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// native is an app that signs people in without a browser.
type native struct {
	*testing.T
	idp  *idptest.Server
	app  *idptest.App
	pkce string
}

// firstParty makes an App one of the operator's own that may sign people in without a browser.
func firstParty(a *idptest.App) {
	a.Application.SkipConsent, a.Client.DirectAuthentication = true, true
}

func withDirect(c *signet.Config) { c.OIDC.Direct = &oidc.Direct{} }

func newNative(t *testing.T, p storetest.Placement, edits ...func(*signet.Config)) *native {
	t.Helper()
	idp := idptest.New(t, append([]func(*signet.Config){placed(p), withDirect}, edits...)...)
	return &native{T: t, idp: idp, app: idp.App(callback, firstParty), pkce: oauth2.GenerateVerifier()}
}

// everyPlacement runs a test of an app in both placements.
func everyPlacement(t *testing.T, test func(n *native), edits ...func(*signet.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		test(newNative(t, p, edits...))
	})
}

// said is what the provider has answered.
type said struct {
	Status int
	Header http.Header
	Text   string

	FlowID     string `json:"flowId"`
	FlowStatus string `json:"flowStatus"`
	NextStep   struct {
		StepType       string `json:"stepType"`
		Authenticators []struct {
			ID       string `json:"authenticatorId"`
			Metadata struct {
				Additional map[string]string `json:"additionalData"`
			} `json:"metadata"`
			RequiredParams []string `json:"requiredParams"`
		} `json:"authenticators"`
		Messages []struct {
			MessageID string              `json:"messageId"`
			Context   []map[string]string `json:"context"`
		} `json:"messages"`
	} `json:"nextStep"`
	AuthData struct {
		Code  string `json:"code"`
		State string `json:"state"`
	} `json:"authData"`
	Code        string `json:"code"`
	Description string `json:"description"`
	Trace       string `json:"traceId"`
}

// context is a value of the first message's context.
func (s said) context(key string) string {
	if len(s.NextStep.Messages) > 0 {
		for _, c := range s.NextStep.Messages[0].Context {
			if c["key"] == key {
				return c["value"]
			}
		}
	}
	return ""
}

func (n *native) send(r *http.Request) said {
	n.Helper()
	response, err := n.idp.Client().Do(r)
	if err != nil {
		n.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		n.Fatal(err)
	}
	s := said{Status: response.StatusCode, Header: response.Header, Text: string(body)}
	if err := json.Unmarshal(body, &s); err != nil {
		n.Fatalf("%d %s", s.Status, body)
	}
	if len(response.Cookies()) > 0 {
		n.Errorf("cookies for a program: %v", response.Cookies())
	}
	return s
}

func (n *native) request(path, contentType, body string) *http.Request {
	n.Helper()
	r, err := http.NewRequestWithContext(n.Context(), http.MethodPost, n.idp.URL+path, strings.NewReader(body))
	if err != nil {
		n.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	return r
}

// first is the first call.
func (n *native) first(edit ...func(url.Values, *http.Request)) *http.Request {
	n.Helper()
	form := url.Values{
		"response_type": {"code"}, "client_id": {n.app.ClientID}, "redirect_uri": {callback}, "scope": {"openid"}, "state": {"s1"},
		"response_mode": {"direct"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(n.pkce)}, "code_challenge_method": {"S256"},
	}
	r := n.request("/oauth2/authorize", "application/x-www-form-urlencoded", "")
	r.SetBasicAuth(n.app.ClientID, n.app.ClientSecret)
	for _, e := range edit {
		e(form, r)
	}
	r.Body = io.NopCloser(strings.NewReader(form.Encode()))
	r.ContentLength = int64(len(form.Encode()))
	return r
}

func (n *native) begin(edit ...func(url.Values, *http.Request)) said {
	n.Helper()
	return n.send(n.first(edit...))
}

// with sets a parameter of the first call.
func with(name, value string) func(url.Values, *http.Request) {
	return func(form url.Values, _ *http.Request) { form.Set(name, value) }
}

// id is that of an authenticator of ours.
func id(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name + ":LOCAL")) }

// answer answers a prompt by an authenticator, with name, value, name, value.
func (n *native) answer(flow, authenticator string, pairs ...string) said {
	n.Helper()
	params := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		params[pairs[i]] = pairs[i+1]
	}
	selected := map[string]any{"authenticatorId": id(authenticator)}
	if len(params) > 0 {
		selected["params"] = params
	}
	body, err := json.Marshal(map[string]any{"flowId": flow, "selectedAuthenticator": selected})
	if err != nil {
		n.Fatal(err)
	}
	return n.post(string(body))
}

func (n *native) post(body string, edit ...func(*http.Request)) said {
	n.Helper()
	r := n.request("/oauth2/authn", "application/json", body)
	for _, e := range edit {
		e(r)
	}
	return n.send(r)
}

func (n *native) password(flow, name, password string) said {
	n.Helper()
	return n.answer(flow, "BasicAuthenticator", "username", name, "password", password)
}

// redeem trades the code of a sign-in.
func (n *native) redeem(code string) (*oauth2.Token, error) {
	n.Helper()
	return n.app.OAuth2Config().Exchange(context.WithValue(n.Context(), oauth2.HTTPClient, n.idp.Client()), code, oauth2.VerifierOption(n.pkce))
}

// is holds that an answer is an error.
func (n *native) is(s said, status int, code string) {
	n.Helper()
	if s.Status != status || s.Code != code || s.Trace == "" {
		n.Errorf("got %d %s, want %d %s", s.Status, s.Text, status, code)
	}
}

func TestDirectSignIn(t *testing.T) {
	everyPlacement(t, func(n *native) {
		ann := n.idp.User("ann")
		p := n.begin()
		if p.Status != 200 || p.FlowStatus != "INCOMPLETE" || p.NextStep.StepType != "AUTHENTICATOR_PROMPT" {
			n.Fatalf("got %d %s", p.Status, p.Text)
		}
		wrong := n.password(p.FlowID, "ann", "wrong")
		if wrong.Status != 200 || wrong.FlowStatus != "FAIL_INCOMPLETE" || wrong.FlowID != p.FlowID ||
			wrong.NextStep.Messages[0].MessageID != "ABA-60003" || wrong.context("reason") != "password.wrong" || wrong.context("remainingAttempts") == "" {
			n.Errorf("a wrong password: %d %s", wrong.Status, wrong.Text)
		}
		done := n.password(p.FlowID, "ann", idptest.Password)
		if done.Status != 200 || done.FlowStatus != "SUCCESS_COMPLETED" || done.AuthData.State != "s1" {
			n.Fatalf("the right password: %d %s", done.Status, done.Text)
		}
		token, err := n.redeem(done.AuthData.Code)
		if err != nil {
			n.Fatal(err)
		}
		if token.Extra("id_token") == nil {
			n.Error("no ID token")
		}
		if _, err := n.redeem(done.AuthData.Code); err == nil {
			n.Error("the code is good twice")
		}
		n.is(n.password(p.FlowID, "ann", idptest.Password), 400, "ABA-60009")
		subject, err := n.idp.Provider.Directory.SubjectOf(n.Context(), ann)
		if err != nil {
			n.Fatal(err)
		}
		sessions, err := n.idp.Provider.Directory.Sessions.ListBySubject(n.Context(), subject)
		if err != nil || len(sessions) != 1 {
			n.Errorf("%d sessions, %v", len(sessions), err)
		}
	})
}

func TestDirectSecondFactor(t *testing.T) {
	everyPlacement(t, func(n *native) {
		ann := n.idp.User("ann")
		phone := n.idp.EnrollTOTP(ann)
		flow := n.begin().FlowID
		p := n.password(flow, "ann", idptest.Password)
		if p.FlowStatus != "INCOMPLETE" || len(p.NextStep.Authenticators) != 1 || p.NextStep.Authenticators[0].ID != id("totp") {
			n.Fatalf("after the password: %s", p.Text)
		}
		// The answer to the password was lost, and it is sent once more: the prompt as it stands.
		if again := n.password(flow, "ann", idptest.Password); again.Text != p.Text {
			n.Errorf("the password once more: %s", again.Text)
		}
		if s := n.answer(flow, "totp", "token", "000000"); s.FlowStatus != "FAIL_INCOMPLETE" || s.context("reason") != "totp.wrong" {
			n.Errorf("a wrong code: %s", s.Text)
		}
		if s := n.answer(flow, "totp"); s.FlowStatus == "SUCCESS_COMPLETED" {
			n.Errorf("no code: %s", s.Text)
		}
		done := n.answer(flow, "totp", "token", phone.Code())
		if done.FlowStatus != "SUCCESS_COMPLETED" {
			n.Fatalf("the code: %s", done.Text)
		}
	})
}

// Every code has its cause and its status.
func TestDirectErrors(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.idp.User("ann")
		p := n.begin()
		flow := p.FlowID
		basic := `{"flowId":"` + flow + `","selectedAuthenticator":{"authenticatorId":"` + id("BasicAuthenticator") + `","params":`
		for what, body := range map[string]string{
			"not JSON":          `{`,
			"not an object":     `[]`,
			"twice":             `{"flowId":"a","flowId":"b","selectedAuthenticator":{}}`,
			"case":              `{"FlowID":"` + flow + `","selectedAuthenticator":{}}`,
			"no flow":           `{"selectedAuthenticator":{}}`,
			"no answer":         `{"flowId":"` + flow + `"}`,
			"null":              `{"flowId":"` + flow + `","selectedAuthenticator":null}`,
			"no authenticator":  `{"flowId":"` + flow + `","selectedAuthenticator":{}}`,
			"a number":          basic + `{"username":1,"password":"x"}}}`,
			"an object":         basic + `{"username":{},"password":"x"}}}`,
			"no password":       basic + `{"username":"ann"}}}`,
			"empty":             basic + `{"username":"ann","password":""}}}`,
			"unknown parameter": basic + `{"username":"ann","password":"x","admin":"true"}}}`,
			"two values":        basic + `{"username":["ann","bob"],"password":"x"}}}`,
			"deep":              basic + `{"username":[[[[["ann"]]]]],"password":"x"}}}`,
			"trailing":          basic + `{"username":"ann","password":"x"}}} {}`,
		} {
			if s := n.post(body); s.Status != 400 || s.Code != "ABA-60001" {
				n.Errorf("%s: %d %s", what, s.Status, s.Text)
			}
		}
		n.is(n.post(basic+`{"username":"`+strings.Repeat("x", 70_000)+`","password":"x"}}}`), 413, "ABA-60001")
		n.is(n.post(`{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), 415, "ABA-60001")
		n.is(n.begin(with("scope", "")), 400, "ABA-60001")
		n.is(n.begin(with("redirect_uri", "https://elsewhere.example/")), 400, "ABA-60001")
		n.is(n.begin(with("code_challenge", "")), 400, "ABA-60001")
		n.is(n.begin(with("response_type", "code id_token")), 400, "ABA-60001")
		n.is(n.begin(with("prompt", "none")), 400, "ABA-60002")
		n.is(n.answer(flow, "totp", "token", "000000"), 400, "ABA-60004")
		n.is(n.post(`{"flowId":"`+flow+`","selectedAuthenticator":{"authenticatorId":"!"}}`), 400, "ABA-60004")
		n.is(n.begin(with("client_id", "nobody")), 400, "ABA-60005")
		n.is(n.answer("no-such-flow", "totp"), 400, "ABA-60009")
		n.is(n.answer("0b7f2b1e-0000-4000-8000-000000000000", "totp"), 400, "ABA-60009")
		n.is(n.answer("\x01~", "totp"), 400, "ABA-60009")

		web := n.idp.App(callback)
		n.is(n.begin(with("client_id", web.ClientID)), 400, "ABA-60007")
		theirs := n.idp.App(callback, func(a *idptest.App) { a.Client.DirectAuthentication = true })
		n.is(n.begin(with("client_id", theirs.ClientID)), 400, "ABA-60007")

		n.idp.Advance(31 * time.Minute) // the flow has ended, the request waits a little longer
		n.is(n.password(flow, "ann", idptest.Password), 400, "ABA-60008")
		n.idp.Advance(10 * time.Minute)
		n.is(n.password(flow, "ann", idptest.Password), 400, "ABA-60009")

		flow = n.begin().FlowID
		n.idp.Advance(2 * time.Second)
		n.idp.Fail(nil)
		s := n.password(flow, "ann", idptest.Password)
		n.idp.Heal()
		n.is(s, 503, "ABA-65001")
		if s.Header.Get("Retry-After") == "" {
			n.Error("no Retry-After")
		}
		if s := n.password(flow, "ann", idptest.Password); s.FlowStatus != "SUCCESS_COMPLETED" {
			n.Errorf("when the store is back: %s", s.Text)
		}
	})
}

// A wrong password too often ends the sign-in, for somebody who exists as for nobody.
func TestAttackDirectEnumeration(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.idp.User("ann")
		talk := func(name string) (all []string) {
			flow := n.begin().FlowID
			for {
				s := n.password(flow, name, "wrong")
				if s.Code != "" {
					n.is(s, 400, "ABA-60013")
					return append(all, s.Code)
				}
				all = append(all, strings.ReplaceAll(s.Text, flow, "flow"))
			}
		}
		for range 2 { // the second time, the account is locked
			known, unknown := talk("ann"), talk("nobody")
			if len(known) != 5 || strings.Join(known, "\n") != strings.Join(unknown, "\n") {
				n.Errorf("known:\n%s\nunknown:\n%s", strings.Join(known, "\n"), strings.Join(unknown, "\n"))
			}
		}
		flow := n.begin().FlowID
		if s := n.password(flow, "ann", idptest.Password); s.FlowStatus != "FAIL_INCOMPLETE" {
			n.Errorf("the right password at a locked account: %s", s.Text)
		}
	})
}

// No page gets anywhere, whosever it is: what a browser sends with every request is refused.
func TestAttackDirectFromABrowser(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.idp.User("ann")
		flow := n.begin().FlowID
		for what, edit := range map[string]func(*http.Request){
			"an origin":        func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
			"the own origin":   func(r *http.Request) { r.Header.Set("Origin", n.idp.URL) },
			"no origin":        func(r *http.Request) { r.Header.Set("Origin", "null") },
			"fetch metadata":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") },
			"a navigation":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "navigate") },
			"a session cookie": func(r *http.Request) { r.AddCookie(n.sessionCookie("ann")) },
		} {
			if s := n.begin(func(_ url.Values, r *http.Request) { edit(r) }); s.Status != 400 || s.Code != "ABA-60001" {
				n.Errorf("%s: %d %s", what, s.Status, s.Text)
			}
			body := `{"flowId":"` + flow + `","selectedAuthenticator":{"authenticatorId":"` + id("BasicAuthenticator") + `","params":{"username":"ann","password":"` + idptest.Password + `"}}}`
			if s := n.post(body, edit); s.Status != 400 || s.Code != "ABA-60001" {
				n.Errorf("%s: %d %s", what, s.Status, s.Text)
			}
		}
		if s := n.password(flow, "ann", idptest.Password); s.FlowStatus != "SUCCESS_COMPLETED" {
			n.Errorf("afterwards: %s", s.Text)
		}
	})
}

// sessionCookie signs somebody in by a browser, and returns a cookie of ours that it has.
func (n *native) sessionCookie(name string) *http.Cookie {
	n.Helper()
	r := n.request("/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {n.app.ClientID}, "redirect_uri": {callback}, "scope": {"openid"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(n.pkce)}, "code_challenge_method": {"S256"},
	}.Encode(), "text/plain", "")
	r.Method = http.MethodGet
	client := *n.idp.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(r)
	if err != nil {
		n.Fatal(err)
	}
	defer response.Body.Close()
	if len(response.Cookies()) == 0 {
		n.Fatal("a browser gets no cookie")
	}
	return response.Cookies()[0]
}

// What is in the store, or in the URL of a browser's page, names no program's flow; and no browser can go on with one.
func TestAttackDirectFlowOfAnother(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.idp.User("ann")
		flow := n.begin().FlowID
		for _, guess := range n.idsInStore() {
			if guess == flow {
				n.Fatal("the store holds the name of a flow")
			}
			n.is(n.password(guess, "ann", idptest.Password), 400, "ABA-60009")
			for _, path := range []string{"/login?flow=", "/oauth2/authorize/resume?id="} {
				response, err := n.idp.Client().Get(n.idp.URL + path + url.QueryEscape(guess))
				if err != nil {
					n.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusBadRequest {
					n.Errorf("%s is %d", path, response.StatusCode)
				}
			}
		}
		changed := flow[:35] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", flow[35])+1)%16])
		n.is(n.password(changed, "ann", idptest.Password), 400, "ABA-60009")
		if s := n.password(flow, "ann", idptest.Password); s.FlowStatus != "SUCCESS_COMPLETED" {
			n.Errorf("afterwards: %s", s.Text)
		}
	})
}

// idsInStore are the ids of all records that were written.
func (n *native) idsInStore() (ids []string) {
	for _, call := range n.idp.Faults.Calls() {
		for _, op := range call.Ops {
			if op.Record.Kind.Name == "oidc.request" || op.Record.Kind.Name == "flow.execution" {
				ids = append(ids, op.Record.ID)
			}
		}
	}
	if len(ids) == 0 {
		n.Fatal("nothing was written")
	}
	return ids
}

// Who begins must be the app: by its secret, or by an attestation.
func TestAttackDirectWithoutTheApp(t *testing.T) {
	attest := func(c *signet.Config) { c.OIDC.Direct = &oidc.Direct{Attest: playIntegrity} }
	everyPlacement(t, func(n *native) {
		other := n.idp.App(callback, firstParty)
		public := func(a *idptest.App) {
			firstParty(a)
			a.Client.AuthMethod, a.Client.AndroidPackage = oidc.NoAuth, "com.example.app"
		}
		phone := n.idp.App("com.example.app:/cb", public)
		none := func(_ url.Values, r *http.Request) { r.Header.Del("Authorization") }
		for what, edit := range map[string]func(url.Values, *http.Request){
			"no secret":      none,
			"a wrong secret": func(_ url.Values, r *http.Request) { r.SetBasicAuth(n.app.ClientID, "wrong") },
			"another app's":  func(_ url.Values, r *http.Request) { r.SetBasicAuth(other.ClientID, other.ClientSecret) },
		} {
			s := n.begin(edit)
			if s.Status != 401 && s.Code != "ABA-60001" || s.FlowID != "" || s.Status == 401 && s.Header.Get("WWW-Authenticate") == "" {
				n.Errorf("%s: %d %s", what, s.Status, s.Text)
			}
		}
		inURL := n.first()
		inURL.URL.RawQuery = "client_secret=" + n.app.ClientSecret
		n.is(n.send(inURL), 400, "ABA-60001")

		mobile := func(attestations ...string) func(url.Values, *http.Request) {
			return func(form url.Values, r *http.Request) {
				form.Set("client_id", phone.ClientID)
				form.Set("redirect_uri", "com.example.app:/cb")
				r.Header.Del("Authorization")
				for _, a := range attestations {
					r.Header.Add("x-client-attestation", a)
				}
			}
		}
		for _, attestations := range [][]string{{}, {""}, {"forged"}, {"com.example.app", "com.example.app"}} {
			s := n.begin(mobile(attestations...))
			n.is(s, 401, "ABA-60001")
			if s.Header.Get("WWW-Authenticate") == "" {
				n.Error("no challenge")
			}
		}
		n.is(n.begin(mobile("down")), 503, "ABA-65001")
		if s := n.begin(mobile("com.example.app")); s.FlowStatus != "INCOMPLETE" {
			n.Errorf("with an attestation: %s", s.Text)
		}
	}, attest)
	t.Run("settings", func(t *testing.T) {
		t.Parallel()
		idp := idptest.New(t, withDirect)
		_, err := idp.Provider.Clients.Create(t.Context(), "x", &oidc.Client{
			RedirectURIs: []string{callback}, AuthMethod: oidc.NoAuth, DirectAuthentication: true,
		})
		if err == nil {
			t.Error("a public client without attestation may sign people in")
		}
	})
}

// playIntegrity is Attest as a fake of Google's: an attestation is the name of the package that it is about.
func playIntegrity(_ context.Context, a oidc.Attestation) error {
	switch a.Token.Reveal() {
	case "down":
		return errors.New("no answer")
	case a.AndroidPackage:
		return nil
	}
	return fmt.Errorf("not %s: %w", a.AndroidPackage, oidc.ErrAttestation)
}

// Attestations are judged far away, at a cost: whoever sends many that prove nothing is slowed down before.
func TestAttackDirectManyAttestations(t *testing.T) {
	everyPlacement(t, func(n *native) {
		phone := n.idp.App("com.example.app:/cb", func(a *idptest.App) {
			firstParty(a)
			a.Client.AuthMethod, a.Client.AndroidPackage = oidc.NoAuth, "com.example.app"
		})
		slowed := 0
		for range 20 {
			s := n.begin(func(form url.Values, r *http.Request) {
				form.Set("client_id", phone.ClientID)
				form.Set("redirect_uri", "com.example.app:/cb")
				r.Header.Del("Authorization")
				r.Header.Set("x-client-attestation", "forged")
				r.Header.Set("X-Forwarded-For", "203.0.113.7")
			})
			if s.Status == http.StatusTooManyRequests {
				slowed++
			}
		}
		if slowed == 0 {
			n.Error("nobody is slowed down")
		}
	}, func(c *signet.Config) {
		c.OIDC.Direct = &oidc.Direct{Attest: playIntegrity}
		c.Throttle = directory.ThrottlePolicy{Flow: []directory.Limit{{Count: 5, Per: time.Minute}}}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
}

// A request that was pushed for a browser, whose reference its address line shows, is no way to begin as the app without proving it, and
// is not used up by whoever tries.
func TestAttackDirectOfABrowsersRequest(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.idp.User("ann")
		push := n.first(with("response_mode", "query"))
		push.URL.Path = "/oauth2/par"
		var pushed struct {
			RequestURI string `json:"request_uri"`
		}
		if s := n.send(push); s.Status != 201 || json.Unmarshal([]byte(s.Text), &pushed) != nil {
			n.Fatalf("not pushed: %s", s.Text)
		}
		query := url.Values{"client_id": {n.app.ClientID}, "request_uri": {pushed.RequestURI}, "response_mode": {"direct"}}
		for range 2 { // the second time, too, it waits for a browser
			r, err := http.NewRequestWithContext(n.Context(), http.MethodGet, n.idp.URL+"/oauth2/authorize?"+query.Encode(), nil)
			if err != nil {
				n.Fatal(err)
			}
			response, err := n.idp.Client().Transport.RoundTrip(r)
			if err != nil {
				n.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || strings.Contains(string(body), "flowId") || response.StatusCode >= 400 {
				n.Errorf("%d %s %v", response.StatusCode, body, err)
			}
		}
	}, func(c *signet.Config) { c.OIDC.PAR = &oidc.PAR{} })
}

// A pushed request is answered without a browser too, once, and by who has pushed it.
func TestDirectPushed(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.idp.User("ann")
		push := n.first()
		push.URL.Path = "/oauth2/par"
		var pushed struct {
			RequestURI string `json:"request_uri"`
		}
		if s := n.send(push); s.Status != 201 || json.Unmarshal([]byte(s.Text), &pushed) != nil {
			n.Fatalf("got %d %s", s.Status, s.Text)
		}
		load := func(form url.Values, r *http.Request) {
			clear(form)
			form.Set("client_id", n.app.ClientID)
			form.Set("request_uri", pushed.RequestURI)
			r.Header.Del("Authorization")
		}
		p := n.begin(load)
		done := n.password(p.FlowID, "ann", idptest.Password)
		if done.FlowStatus != "SUCCESS_COMPLETED" {
			n.Fatalf("got %s then %s", p.Text, done.Text)
		}
		if _, err := n.redeem(done.AuthData.Code); err != nil {
			n.Error(err)
		}
		if s := n.plain(n.first(load)); s != 400 {
			n.Errorf("loaded again: %d", s)
		}
	}, func(c *signet.Config) { c.OIDC.PAR = &oidc.PAR{} })
}

// plain sends a request whose answer is a page, and returns its status.
func (n *native) plain(r *http.Request) int {
	n.Helper()
	response, err := n.idp.Client().Do(r)
	if err != nil {
		n.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// upstream adds a way to sign in that leads elsewhere.
func upstream(c *signet.Config) {
	c.Connections = []federated.Connection{{Name: "elsewhere", Provider: rp.Config{
		Issuer: "https://op.example", ClientID: "signet", ClientSecret: "secret",
	}}}
}

// A login with a step that can but lead elsewhere stops before anybody is asked anything.
func TestDirectUnsupported(t *testing.T) {
	everyPlacement(t, func(n *native) {
		n.is(n.begin(), 501, "ABA-60006")
	}, upstream, func(c *signet.Config) { c.Plans = map[string]flow.Plan{"login": flow.Login("elsewhere")} })
}

// Where there are other ways, they are offered alone.
func TestDirectLeavesOut(t *testing.T) {
	everyPlacement(t, func(n *native) {
		if s := n.begin(); s.Status != 200 || strings.Contains(s.Text, "elsewhere") {
			n.Errorf("beside a password: %d %s", s.Status, s.Text)
		}
	}, upstream)
}

// The providers that apps know of others' libraries have the names that these look for.
func TestDirectConnectionNames(t *testing.T) {
	everyPlacement(t, func(n *native) {
		s := n.begin()
		for _, want := range []string{"GoogleOIDCAuthenticator:google", "GithubAuthenticator:github", "OpenIDConnectAuthenticator:elsewhere", "Own:Bank"} {
			if !strings.Contains(s.Text, base64.RawURLEncoding.EncodeToString([]byte(want))) {
				n.Errorf("no %s in %s", want, s.Text)
			}
		}
	}, upstream, func(c *signet.Config) {
		c.Connections = append(c.Connections,
			federated.Connection{Name: "google", Provider: rp.Google("id", "secret", "")}, federated.Connection{Name: "github", Provider: rp.GitHub("id", "secret", "")},
			federated.Connection{Name: "bank", Provider: rp.Config{Issuer: "https://bank.example", ClientID: "signet", ClientSecret: "secret"}})
		for i := range c.Connections {
			c.Connections[i].ProgramURL = "https://app.example.com/" + c.Connections[i].Name
		}
		c.Authenticators = map[string]nativejson.Authenticator{"bank": {Name: "Own", IDP: "Bank"}}
	})
}
