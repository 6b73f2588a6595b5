package rp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// pushes serves pushed requests, and returns those that came.
func (u *upstream) pushes() *[]*http.Request {
	var pushed []*http.Request
	u.metadata["pushed_authorization_request_endpoint"] = u.URL + "/par"
	u.routes["/par"] = func(w http.ResponseWriter, r *http.Request) {
		pushed = append(pushed, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"request_uri":"urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c","expires_in":60}`))
	}
	return &pushed
}

// A request that is pushed does not pass through the browser, and its client is authenticated (RFC 9126 §2, §4).
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	pushed := u.pushes()
	demanded := u.login
	if _, err := demanded(rp.Request{}); err != nil || len(*pushed) > 0 {
		t.Fatalf("pushed where nobody asked for it: %v", err)
	}
	for name, on := range map[string]func(){
		"the host asks":        func() { u.config.PAR = true },
		"the provider demands": func() { u.config.PAR = false; u.metadata["require_pushed_authorization_requests"] = true },
	} {
		on()
		*pushed = nil
		if _, err := u.login(rp.Request{LoginHint: "ann"}); err != nil {
			t.Fatal(name, err)
		}
		if want := (url.Values{"client_id": {"client"}, "request_uri": {"urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"}}); u.sent.Encode() != want.Encode() {
			t.Errorf("%s: the browser carries %v", name, u.sent)
		}
		r := (*pushed)[0]
		if id, _, _ := r.BasicAuth(); id != "client" || r.PostForm.Get("nonce") != u.asked.Get("nonce") || r.PostForm.Get("login_hint") != "ann" ||
			r.PostForm.Get("redirect_uri") != u.config.RedirectURL || r.PostForm.Get("code_challenge_method") != "S256" || r.PostForm.Has("request_uri") {
			t.Errorf("%s: pushed %v", name, r.PostForm)
		}
	}
}

// What a pushed request is answered with is a reference or nobody is sent anywhere: above all the request does not go through the browser
// instead (RFC 9126 §2.2, §2.3, §5).
func TestAttackAnswerToPushedRequest(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.pushes()
	u.config.PAR = true
	begin := func() error {
		to, _, err := u.provider().Begin(t.Context(), rp.Request{})
		if to != "" && err != nil {
			t.Error("somewhere to go to, and an error")
		}
		return err
	}
	for name, said := range map[string]struct {
		status int
		body   string
	}{
		"status":             {200, `{"request_uri":"urn:x:y","expires_in":60}`},
		"no reference":       {201, `{"expires_in":60}`},
		"no lifetime":        {201, `{"request_uri":"urn:x:y"}`},
		"a past":             {201, `{"request_uri":"urn:x:y","expires_in":-1}`},
		"two references":     {201, `{"request_uri":"urn:x:y","request_uri":"urn:x:z","expires_in":60}`},
		"endless":            {201, `{"request_uri":"urn:x:` + strings.Repeat("y", 4096) + `","expires_in":60}`},
		"a line of a header": {201, `{"request_uri":"urn:x:y\r\nSet-Cookie: a=b","expires_in":60}`},
		"a redirect":         {302, ``},
		"HTML":               {201, `<html>`},
		"a failure":          {503, `{"error":"temporarily_unavailable"}`},
	} {
		u.routes["/par"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "https://evil.example")
			w.WriteHeader(said.status)
			_, _ = w.Write([]byte(said.body))
		}
		if err := begin(); !errors.Is(err, rp.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	u.routes["/par"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "invalid_request"})
	}
	if refused, ok := errors.AsType[*rp.ResponseError](begin()); !ok || refused.Code != "invalid_request" {
		t.Error(refused)
	}
	delete(u.metadata, "pushed_authorization_request_endpoint")
	if err := begin(); !errors.Is(err, rp.ErrUnavailable) {
		t.Errorf("no endpoint, and the host asks: %v", err)
	}
	u.config.PAR, u.metadata["require_pushed_authorization_requests"] = false, true
	if err := begin(); !errors.Is(err, rp.ErrUnavailable) {
		t.Errorf("no endpoint, and the provider demands: %v", err)
	}
	u.metadata["pushed_authorization_request_endpoint"] = "http://par.example"
	if err := begin(); !errors.Is(err, rp.ErrUnavailable) {
		t.Errorf("clear text: %v", err)
	}
}

// opened verifies a request object and returns its header and claims.
func opened(t *testing.T, object string, key jose.PublicKey) map[string]any {
	t.Helper()
	_, payload, err := jose.Verifier{Types: []string{"oauth-authz-req+jwt"}}.Verify(object, func(jose.Header) (jose.PublicKey, error) { return key, nil })
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A signed request object says all, is for this provider and is good for minutes (RFC 9101 §4, §5, OpenID Connect Core §6.1). What is beside it
// are the parameters that OAuth 2.0 demands.
func TestRequestObject(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	key := u.newKey(jose.ES256)
	u.config.RequestKey = &rp.ClientKey{ID: "r", Algorithm: "ES256", Signer: key}
	hour := time.Hour
	request := rp.Request{MaxAge: &hour, Parameters: url.Values{"claims": {`{"id_token":{"acr":{"essential":true}}}`}, "display": {"7"}}}
	if _, err := u.login(request); err != nil {
		t.Fatal(err)
	}
	if len(u.sent) != 4 || u.sent.Get("client_id") != "client" || u.sent.Get("response_type") != "code" || u.sent.Get("scope") != "openid profile email" {
		t.Errorf("beside the object stands %v", u.sent)
	}
	claims := opened(t, u.sent.Get("request"), jose.PublicKey{Algorithm: jose.ES256, Key: key.Public()})
	now := float64(u.Now().Unix())
	for name, want := range map[string]any{
		"iss": "client", "aud": u.URL, "iat": now, "nbf": now, "exp": now + 300, "client_id": "client", "response_type": "code", "max_age": 3600.0,
		"redirect_uri": u.config.RedirectURL, "state": u.asked.Get("state"), "nonce": u.asked.Get("nonce"), "code_challenge_method": "S256", "display": "7",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if _, ok := claims["claims"].(map[string]any); !ok || claims["jti"] == "" {
		t.Errorf("object %v", claims)
	}
	if _, named := claims["sub"]; named { // RFC 9101 §10.8: it is no client assertion
		t.Error("the object has a subject")
	}

	pushed := u.pushes()
	u.config.PAR = true
	if _, err := u.login(request); err != nil {
		t.Fatal(err)
	}
	form := (*pushed)[0].Form // RFC 9126 §3
	if opened(t, form.Get("request"), jose.PublicKey{Algorithm: jose.ES256, Key: key.Public()})["nonce"] != u.asked.Get("nonce") || form.Has("nonce") || form.Has("redirect_uri") {
		t.Errorf("pushed %v", form)
	}
}

// A provider that demands signed requests gets no others (RFC 9101 §10.5).
func TestAttackSignedRequestIsDemanded(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.metadata["require_signed_request_object"] = true
	if _, _, err := u.provider().Begin(t.Context(), rp.Request{}); !errors.Is(err, rp.ErrUnavailable) {
		t.Errorf("unsigned: %v", err)
	}
	u.config.RequestKey = &rp.ClientKey{Algorithm: "ES256", Signer: u.newKey(jose.ES256)}
	if _, err := u.login(rp.Request{}); err != nil {
		t.Errorf("signed: %v", err)
	}
}

// Parameters of the host take the place of none that guards the login (RFC 6749 §10.12, RFC 7636 §4.3).
func TestAttackParametersReplaceNothing(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	evil := url.Values{}
	for _, name := range []string{"client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method"} {
		evil.Set(name, "evil")
	}
	p := u.provider()
	u.begin(p, rp.Request{Parameters: evil})
	for name := range evil {
		if u.sent.Get(name) == "evil" || len(u.sent[name]) != 1 {
			t.Errorf("%s is %v", name, u.sent[name])
		}
	}
}

// What the provider's metadata say of its endpoints holds: one with a query keeps it (RFC 6749 §3.1), and one that wants requests to be pushed
// and does not say where is not available (RFC 9126 §5).
func TestAuthorizationEndpoint(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.metadata["authorization_endpoint"] = u.URL + "/authorize?tenant=1"
	to, _, err := u.provider().Begin(t.Context(), rp.Request{})
	if err != nil || !strings.HasPrefix(to, u.URL+"/authorize?tenant=1&") {
		t.Errorf("%s, %v", to, err)
	}
	u.metadata["require_pushed_authorization_requests"] = true
	if to, _, err := u.provider().Begin(t.Context(), rp.Request{}); !errors.Is(err, rp.ErrUnavailable) || to != "" {
		t.Errorf("%s, %v", to, err)
	}
}
