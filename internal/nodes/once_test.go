package nodes_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// features are what all nodes offer.
func features() oidc.Features {
	return oidc.Features{
		ClientAssertions: &oidc.ClientAssertions{}, DPoP: &oidc.DPoP{}, Device: &oidc.Device{},
		CIBA: &oidc.CIBA{
			Notify:    func(context.Context, oidc.CIBARequest) error { return nil },
			PerPerson: directory.Limit{Count: 1000, Per: time.Minute},
		},
	}
}

// once makes things that can be used once.
type once struct {
	name string
	// fresh makes one, and returns the token request that uses it.
	fresh func(t *testing.T) tokenRequest
	// loser is what everybody is told who did not use it first.
	loser string
	// deadly is set where a second use takes down what came of the first.
	deadly bool
}

// tokenRequest is a token request of an application, with headers beside its own.
type tokenRequest struct {
	app    *idptest.App
	header http.Header
	form   url.Values
}

// Attack class: one assertion, one proof, one device code, one auth_req_id that arrives at two nodes at the same instant is used by one of
// them (RFC 7523 §3, RFC 9449 §11.1, RFC 8628 §3.5, CIBA Core §11).
func TestAttackOnceAtTwoNodesAtOnce(t *testing.T) { everyPlace(t, onceAtTwoNodesAtOnce) }

func onceAtTwoNodesAtOnce(t *testing.T, p place) {
	here, there := newPair(t, p)
	w := newWorkshop(t, here)
	for _, o := range []once{
		{name: "client assertion", fresh: w.assertion, loser: "invalid_client"},
		{name: "DPoP proof", fresh: w.proof, loser: "invalid_dpop_proof"},
		{name: "device code", fresh: w.deviceCode, loser: "invalid_grant", deadly: true},
		{name: "auth_req_id", fresh: w.authReqID, loser: "invalid_grant", deadly: true},
	} {
		t.Run(o.name, func(t *testing.T) {
			const rounds = 5
			for range rounds {
				request := o.fresh(t)
				o.judge(t, request, []string{here.URL, there}, everywhere([]string{here.URL, there, here.URL, there}, func(node string) answer {
					return request.post(t, node)
				}))
			}
		})
	}
}

// judge: one has won, and all others were refused for the right reason.
func (o once) judge(t *testing.T, request tokenRequest, nodes []string, answers []answer) {
	t.Helper()
	var won []answer
	for _, a := range answers {
		if a.status == http.StatusOK {
			won = append(won, a)
		} else if a.Error != o.loser {
			t.Errorf("a loser got %d %s, want %s", a.status, a.Error, o.loser)
		}
	}
	switch {
	case len(won) > 1 || len(won) == 0 && !o.deadly: // where a loser takes the winner down, it may do so before its answer
		t.Fatalf("used %d times", len(won))
	case len(won) == 0 || !o.deadly:
		return
	}
	for _, node := range nodes {
		if active(t, node, request.app, won[0].AccessToken) {
			t.Error("what came of a second use is alive")
		}
	}
}

func (r tokenRequest) post(t *testing.T, node string) answer {
	return send(t, node, "/oauth2/token", r.app, r.header, r.form)
}

// workshop makes what can be used once at a provider.
type workshop struct {
	here                        *idptest.Server
	ann                         *directory.User
	sign                        func(claims map[string]any) (string, error)
	prove                       func() (string, error)
	signer, holder, tv, cashier *idptest.App
}

func newWorkshop(t *testing.T, here *idptest.Server) *workshop {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.Set([]jose.PublicKey{{ID: "key", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	register := func(c *oidc.Client) *idptest.App {
		value, err := here.Provider.Clients.Create(t.Context(), c.ClientID, c)
		if err != nil {
			t.Fatal(err)
		}
		return &idptest.App{ClientID: c.ClientID, ClientSecret: value}
	}
	own := []oidc.GrantType{oidc.ClientCredentials}
	return &workshop{
		here: here, ann: here.User("ann"),
		sign: func(claims map[string]any) (string, error) {
			payload, err := json.Marshal(claims)
			if err != nil {
				return "", err
			}
			return jose.Sign(payload, jose.Header{Alg: jose.ES256, Kid: "key"}, key)
		},
		prove: func() (string, error) {
			return dpop.Sign(key, jose.ES256, dpop.Request{Method: "POST", URL: here.URL + "/oauth2/token"}, "", time.Now())
		},
		signer:  register(&oidc.Client{ClientID: "signer", GrantTypes: own, AuthMethod: oidc.PrivateKeyJWT, JWKS: set}),
		holder:  register(&oidc.Client{ClientID: "holder", GrantTypes: own}),
		tv:      register(&oidc.Client{ClientID: "tv", GrantTypes: []oidc.GrantType{oidc.DeviceCode}}),
		cashier: register(&oidc.Client{ClientID: "cashier", GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}}),
	}
}

func (w *workshop) assertion(t *testing.T) tokenRequest {
	text, err := w.sign(map[string]any{
		"iss": w.signer.ClientID, "sub": w.signer.ClientID, "aud": w.here.URL, "jti": secret.Short().Reveal(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokenRequest{app: w.signer, form: url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {text},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}}
}

func (w *workshop) proof(t *testing.T) tokenRequest {
	text, err := w.prove()
	if err != nil {
		t.Fatal(err)
	}
	return tokenRequest{app: w.holder, header: http.Header{"Dpop": {text}}, form: url.Values{"grant_type": {"client_credentials"}}}
}

// deviceCode is one that the person has allowed.
func (w *workshop) deviceCode(t *testing.T) tokenRequest {
	a := post(t, w.here.URL, "/oauth2/device_authorization", w.tv, url.Values{"scope": {"openid"}})
	w.here.Browser().Open(w.here.URL+"/oauth2/device").Fill("user_code", a.UserCode).Submit("login").SignIn(w.ann)
	return tokenRequest{app: w.tv, form: url.Values{"grant_type": {string(oidc.DeviceCode)}, "device_code": {a.DeviceCode}}}
}

// authReqID is one that the person has allowed.
func (w *workshop) authReqID(t *testing.T) tokenRequest {
	a := post(t, w.here.URL, "/oauth2/ciba", w.cashier, url.Values{"scope": {"openid"}, "login_hint": {w.ann.Username}})
	proven := []directory.Evidence{{Method: "app", AMR: []string{"hwk"}, Subject: w.ann.ID, Time: time.Now()}}
	if err := w.here.Provider.OIDC.ApproveCIBA(t.Context(), a.AuthReqID, proven, nil); err != nil {
		t.Fatal(err)
	}
	return tokenRequest{app: w.cashier, form: url.Values{"grant_type": {string(oidc.BackchannelAuthentication)}, "auth_req_id": {a.AuthReqID}}}
}

// send posts a form to a path of a node: as the application, if that has a secret.
func send(t *testing.T, node, path string, app *idptest.App, header http.Header, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app.ClientSecret != "" {
		r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret))
	}
	response, err := new(http.Client).Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	got := answer{status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Error(err)
	}
	return got
}
