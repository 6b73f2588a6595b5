package federated_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func byToken(c *federated.Connection) {
	c.ProgramURL, c.NativeClients = programURL, []string{"server", "android"}
}

// asks begins a flow, and wants to be told the nonce of an ID token.
func (a *app) asks(answer []byte) (nonce string) {
	a.Helper()
	h := a.say(answer)
	nonce = h.additional("nonce")
	if len(nonce) < 43 || h.additional("clientId") != "server" || h.additional("scope") != "openid profile email" || h.NextStep.AcceptErrors ||
		h.NextStep.Authenticators[0].Metadata.PromptType != "INTERNAL_PROMPT" || strings.Join(h.NextStep.Authenticators[0].RequiredParams, " ") != "accessToken idToken" ||
		len(h.NextStep.Authenticators[0].Metadata.Additional) != 3 {
		a.Fatalf("not asked for an ID token: %d %s", h.status, h.text)
	}
	return nonce
}

// idToken is what the platform of somebody's device has from the provider: name, value, name, value.
func (u *upstream) idToken(nonce string, pairs ...any) string {
	claims := map[string]any{"aud": "server", "azp": "android", "nonce": nonce, "exp": u.now().Add(time.Minute).Unix()}
	maps.Copy(claims, u.claims)
	for i := 0; i+1 < len(pairs); i += 2 {
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return u.signed(claims, "JWT")
}

// An app brings an ID token for the nonce of its sign-in, and whoever that is about is signed in.
func TestAppNative(t *testing.T) {
	eachApp(t, byToken, func(a *app) {
		h := a.brings(url.Values{"idToken": {a.up.idToken(a.asks(nil))}, "accessToken": {"t"}})
		if !h.isIn() || len(h.result.Evidence) != 1 || h.result.Evidence[0].Issuer != a.up.URL || a.people() != 1 || a.sessions(h.result.Subject) != 1 {
			a.Fatalf("got %d %s %+v", h.status, h.text, h.result)
		}
		again := a.twin() // some platforms have no access token
		if h = again.brings(url.Values{"idToken": {a.up.idToken(again.asks(nil))}}); !h.isIn() || a.people() != 1 {
			a.Errorf("without an access token: %d %s", h.status, h.text)
		}
	})
}

// Where nobody has opted in, ID tokens are nothing that an app could bring.
func TestAppNativeOff(t *testing.T) {
	eachApp(t, byRedirect, func(a *app) {
		a.start()
		if h := a.brings(url.Values{"idToken": {a.up.idToken("x")}, "accessToken": {"t"}}); h.Code != "ABA-60001" {
			a.Errorf("got %d %s", h.status, h.text)
		}
	})
}

// An ID token counts that the provider has signed, for an app of ours, for this sign-in: no other does, and the sign-in goes on.
func TestAttackIDTokenInAnotherSignIn(t *testing.T) {
	eachApp(t, byToken, func(a *app) {
		other := newUpstream(t, a.Now)
		eve := a.twin()
		stolen := eve.asks(nil)
		encode := base64.RawURLEncoding.EncodeToString
		unsigned := func(header, token string) string {
			return encode([]byte(header)) + "." + strings.Split(token, ".")[1] + "."
		}
		for name, forge := range map[string]func(nonce string) string{
			"of another sign-in":      func(string) string { return a.up.idToken(stolen) },
			"without a nonce":         func(string) string { return a.up.idToken("", "nonce", nil) },
			"with an empty nonce":     func(string) string { return a.up.idToken("") },
			"for another client":      func(nonce string) string { return a.up.idToken(nonce, "aud", "evil", "azp", "evil") },
			"for the browsers":        func(nonce string) string { return a.up.idToken(nonce, "aud", "client", "azp", "client") },
			"issued to somebody else": func(nonce string) string { return a.up.idToken(nonce, "azp", "evil") },
			"for others too":          func(nonce string) string { return a.up.idToken(nonce, "aud", []string{"server", "evil"}) },
			"expired":                 func(nonce string) string { return a.up.idToken(nonce, "exp", a.Now().Add(-time.Hour).Unix()) },
			"of another provider":     func(nonce string) string { return other.idToken(nonce) },
			"in the name of ours":     func(nonce string) string { return other.idToken(nonce, "iss", a.up.URL) },
			"of another access token": func(nonce string) string { return a.up.idToken(nonce, "at_hash", "77QmUPtjPfzWtF2AnpK9RQ") },
			"unsigned":                func(nonce string) string { return unsigned(`{"alg":"none"}`, a.up.idToken(nonce)) },
			"signed with a public key": func(nonce string) string {
				der, err := x509.MarshalPKIXPublicKey(a.up.key.Public())
				a.must(err)
				input := strings.TrimSuffix(unsigned(`{"alg":"HS256","kid":"k"}`, a.up.idToken(nonce)), ".")
				mac := hmac.New(sha256.New, der)
				mac.Write([]byte(input))
				return input + "." + encode(mac.Sum(nil))
			},
			"no token": func(string) string { return "x" },
		} {
			victim := a.twin()
			nonce := victim.asks(nil)
			if h := victim.brings(url.Values{"idToken": {forge(nonce)}, "accessToken": {"t"}}); h.isIn() || h.reason() != "federated.failed" {
				a.Errorf("%s: %d %s", name, h.status, h.text)
			}
			if h := victim.brings(url.Values{"idToken": {a.up.idToken(nonce)}}); h.isIn() { // the nonce is gone with the wrong answer
				a.Errorf("%s: a nonce is good again", name)
			}
			if h := victim.brings(nil); h.additional("nonce") == "" || h.additional("nonce") == nonce {
				a.Errorf("%s: afterwards %s", name, h.text)
			}
		}
		for name, came := range map[string]url.Values{
			"no ID token": {"accessToken": {"t"}},
			"a code":      {"code": {"c"}, "state": {"s"}},
			"both":        {"idToken": {"x"}, "state": {"s"}},
		} {
			if h := eve.brings(came); h.Code != "ABA-60001" {
				a.Errorf("%s: %d %s", name, h.status, h.text)
			}
		}
		if n := a.people(); n != 0 {
			a.Errorf("%d accounts", n)
		}
	})
}

// An ID token is good once, also of several apps at once, and for nobody who has got hold of it.
func TestAttackIDTokenTwice(t *testing.T) {
	eachApp(t, byToken, func(a *app) {
		old := a.asks(nil)
		body, err := json.Marshal(map[string]string{"authenticatorId": base64.RawURLEncoding.EncodeToString([]byte("custom-up:LOCAL"))})
		a.must(err)
		nonce := a.asks(body)
		if old == nonce {
			a.Fatal("the nonce stays")
		}
		token := url.Values{"idToken": {a.up.idToken(nonce)}, "accessToken": {"t"}}
		var wg sync.WaitGroup
		in := make(chan store.Ref, 6)
		for range 6 {
			wg.Go(func() {
				if h := a.brings(token); h.isIn() {
					in <- h.result.Subject
				}
			})
		}
		wg.Wait()
		if len(in) == 0 || a.people() != 1 || a.sessions(<-in) != 1 {
			a.Errorf("%d answers, %d accounts", len(in), a.people())
		}
		thief := a.twin()
		thief.asks(nil)
		if h := thief.brings(token); h.isIn() || h.reason() != "federated.failed" {
			a.Errorf("replayed: %d %s", h.status, h.text)
		}
	})
}

// A store that fails at any call while an app brings an ID token is a failure, and makes no second account afterwards.
func TestFailingStoreWhileAppBringsIDToken(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		a := apps(t, storetest.Placement{Driver: memory.New()}, byToken, "up")
		token := a.up.idToken(a.asks(nil))
		a.faults.FailCall(n, nil)
		h := a.brings(url.Values{"idToken": {token}})
		reached := !a.faults.Waits()
		a.faults.Heal()
		if !reached {
			break
		}
		if !h.isIn() && h.status != http.StatusServiceUnavailable {
			t.Errorf("call %d: %d %s", n, h.status, h.text)
		}
		again := a.twin()
		if h = again.brings(url.Values{"idToken": {a.up.idToken(again.asks(nil))}}); !h.isIn() || a.people() != 1 {
			t.Errorf("call %d: afterwards %d accounts, %s", n, a.people(), h.text)
		}
	}
}

// ID tokens of apps are taken where a provider signs them with keys of its own.
func TestNativeClients(t *testing.T) {
	t.Parallel()
	a := apps(t, storetest.Placement{Driver: memory.New()}, byToken, "up")
	for want, c := range map[string]federated.Connection{
		"empty":         {NativeClients: []string{"server", ""}, Provider: rp.Config{Issuer: a.up.URL, ClientID: "client"}},
		"no ID tokens":  {NativeClients: []string{"app"}, Provider: rp.GitHub("id", "secret", "")},
		"client secret": {NativeClients: []string{"app"}, Provider: rp.Config{Issuer: a.up.URL, ClientID: "client", Algorithms: []string{"HS256"}}},
		"a Provider":    {NativeClients: []string{"app"}, Service: &service.Endpoint{URL: "https://face.example.com/"}},
	} {
		c.Name = "native"
		_, err := federated.New(federated.Config{DB: a.db, Directory: a.Directory, Issuer: a.URL, Connections: []federated.Connection{c}})
		if err == nil || !strings.Contains(err.Error(), "NativeClients") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
