package rp_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// Login CSRF, and a code of another login (RFC 6749 §10.12, RFC 9700 §4.5).
func TestAttackStateOfAnotherLogin(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	for name, edit := range map[string]func(url.Values){
		"other state": func(v url.Values) { v.Set("state", "x") },
		"no state":    func(v url.Values) { v.Del("state") },
		"two states":  func(v url.Values) { v.Add("state", "x") },
		"two codes":   func(v url.Values) { v.Add("code", "x") },
		"no code":     func(v url.Values) { v.Del("code") },
		"an error of another login": func(v url.Values) {
			v.Set("state", "x")
			v.Set("error", "access_denied")
		},
	} {
		t.Run(name, func(t *testing.T) { u.refused(u.login(rp.Request{}, edit)) })
	}
	if len(u.redeemed) > 0 {
		t.Error("a code was redeemed")
	}
	p := u.provider()
	pending := u.begin(p, rp.Request{})
	u.advance(2 * time.Hour)
	u.refused(p.Finish(t.Context(), pending, u.response()))
	u.refused(p.Finish(t.Context(), rp.Pending{Issuer: u.URL, Began: u.Now()}, url.Values{"code": {"x"}, "iss": {u.URL}}))
}

// Mix-up: a response of one provider is given to the login at another (RFC 9207 §2.4, RFC 9700 §4.4).
func TestAttackMixUpAtTheClient(t *testing.T) {
	t.Parallel()
	u, evil := newUpstream(t), newUpstream(t)
	u.refused(u.login(rp.Request{}, func(v url.Values) { v.Set("iss", evil.URL) }))
	u.refused(u.login(rp.Request{}, func(v url.Values) { v.Del("iss") }))
	u.refused(u.login(rp.Request{}, func(v url.Values) { v.Set("iss", u.URL+"/") }))
	u.refused(u.login(rp.Request{}, func(v url.Values) { v.Set("iss", evil.URL); v.Set("error", "access_denied"); v.Del("code") }))
	delete(u.metadata, "authorization_response_iss_parameter_supported") // also where it was not announced
	u.refused(u.login(rp.Request{}, func(v url.Values) { v.Set("iss", evil.URL) }))
	pending := evil.begin(evil.provider(), rp.Request{})
	u.asked = evil.asked
	u.refused(u.provider().Finish(t.Context(), pending, u.response()))
	if len(u.redeemed)+len(evil.redeemed) > 0 {
		t.Error("a code was redeemed")
	}
}

// OpenID Connect Core §3.1.3.7: each condition by itself.
func TestAttackForgedIDToken(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	ago := func(d time.Duration) int64 { return u.Now().Add(-d).Unix() }
	hour := time.Hour
	for name, test := range map[string]struct {
		request rp.Request
		edit    func(map[string]any)
	}{
		"other issuer":           {edit: func(c map[string]any) { c["iss"] = "https://evil.example" }},
		"issuer with a slash":    {edit: func(c map[string]any) { c["iss"] = u.URL + "/" }},
		"no issuer":              {edit: func(c map[string]any) { delete(c, "iss") }},
		"no subject":             {edit: func(c map[string]any) { delete(c, "sub") }},
		"endless subject":        {edit: func(c map[string]any) { c["sub"] = strings.Repeat("x", 256) }},
		"other audience":         {edit: func(c map[string]any) { c["aud"] = "another" }},
		"no audience":            {edit: func(c map[string]any) { delete(c, "aud") }},
		"further audience":       {edit: func(c map[string]any) { c["aud"] = []string{"client", "evil"}; c["azp"] = "client" }},
		"other authorized party": {edit: func(c map[string]any) { c["azp"] = "evil" }},
		"expired":                {edit: func(c map[string]any) { c["exp"] = ago(2 * time.Minute) }},
		"without end":            {edit: func(c map[string]any) { delete(c, "exp") }},
		"end as a text":          {edit: func(c map[string]any) { c["exp"] = "9999999999" }},
		"made tomorrow":          {edit: func(c map[string]any) { c["iat"] = ago(-time.Hour) }},
		"without a beginning":    {edit: func(c map[string]any) { delete(c, "iat") }},
		"good tomorrow":          {edit: func(c map[string]any) { c["nbf"] = ago(-time.Hour) }},
		"other nonce":            {edit: func(c map[string]any) { c["nonce"] = "x" }},
		"no nonce":               {edit: func(c map[string]any) { delete(c, "nonce") }},
		"empty nonce":            {edit: func(c map[string]any) { c["nonce"] = "" }},
		"other at_hash":          {edit: func(c map[string]any) { c["at_hash"] = "77QmUPtjPfzWtF2AnpK9RQ" }},
		"empty at_hash":          {edit: func(c map[string]any) { c["at_hash"] = "" }},
		"too old":                {rp.Request{MaxAge: &hour}, func(c map[string]any) { c["auth_time"] = ago(2 * time.Hour) }},
		"of unknown age":         {rp.Request{MaxAge: &hour}, func(c map[string]any) { delete(c, "auth_time") }},
		"authenticated tomorrow": {edit: func(c map[string]any) { c["auth_time"] = ago(-time.Hour) }},
		"weaker than demanded":   {rp.Request{ACR: []string{"gold"}, EssentialACR: true}, func(c map[string]any) { c["acr"] = "silver" }},
		"of unknown strength":    {rp.Request{ACR: []string{"gold"}, EssentialACR: true}, func(map[string]any) {}},
		"a logout token": {edit: func(c map[string]any) {
			delete(c, "nonce")
			c["events"] = map[string]any{rp.LogoutEvent: map[string]any{}}
		}},
		"several audiences without azp ": {edit: func(c map[string]any) { c["aud"] = []string{"client", "client"} }},
	} {
		t.Run(name, func(t *testing.T) {
			u.edit = test.edit
			u.refused(u.login(test.request))
			u.refused(u.native(test.request))
		})
	}
	u.edit = func(c map[string]any) { c["nonce"] = "" }
	p := u.provider()
	pending := u.begin(p, rp.Request{})
	pending.Nonce = "" // as of a host that has kept too little
	u.refused(p.Finish(t.Context(), pending, u.response()))
	u.edit = nil
	if _, err := u.login(rp.Request{MaxAge: &hour}); err != nil {
		t.Errorf("the same without the attack: %v", err)
	}
	u.edit = func(c map[string]any) { c["acr"] = "gold" }
	if _, err := u.login(rp.Request{ACR: []string{"platinum", "gold"}, EssentialACR: true}); err != nil {
		t.Errorf("as strong as demanded: %v", err)
	}
	u.edit = func(c map[string]any) { c["aud"], c["azp"] = []string{"client", "trusted"}, "client" }
	u.config.Audiences = []string{"trusted"}
	if _, err := u.login(rp.Request{}); err != nil {
		t.Errorf("for others too, who are trusted: %v", err)
	}
	u.config.Audiences, u.edit = nil, nil
	if _, err := u.native(rp.Request{MaxAge: &hour}); err != nil {
		t.Errorf("the same of an app without the attack: %v", err)
	}
}

// Signatures: none, another's key, a public key as a secret, an embedded key, another algorithm (RFC 8725 §3.1, §3.2, §3.10).
func TestAttackIDTokenSignature(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.alg = jose.RS256
	u.key = u.newKey(jose.RS256)
	u.keys = []jose.PublicKey{{ID: "one", Algorithm: jose.RS256, Key: u.key.Public()}}
	if _, err := u.login(rp.Request{}); err != nil {
		t.Fatalf("without the attack: %v", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	public := u.key.Public().(*rsa.PublicKey)
	der := x509.MarshalPKCS1PublicKey(public)
	hs := func(secret []byte) func([]byte) string {
		return func(claims []byte) string {
			input := encode([]byte(`{"alg":"HS256","kid":"one","typ":"JWT"}`)) + "." + encode(claims)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			return input + "." + encode(mac.Sum(nil))
		}
	}
	stranger := u.newKey(jose.ES256)
	for name, sign := range map[string]func([]byte) string{
		"none":              func(c []byte) string { return encode([]byte(`{"alg":"none"}`)) + "." + encode(c) + "." },
		"nOnE":              func(c []byte) string { return encode([]byte(`{"alg":"nOnE"}`)) + "." + encode(c) + "." },
		"HS/RS, DER":        hs(der),
		"HS/RS, PEM":        hs(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der})),
		"the client secret": hs([]byte("s3cr3t of the client, which is long enough")),
		"a stranger's key": func(c []byte) string {
			token, _ := jose.Sign(c, jose.Header{Alg: jose.ES256, Kid: "one"}, stranger)
			return token
		},
		"another algorithm": func(c []byte) string {
			token, _ := jose.Sign(c, jose.Header{Alg: jose.PS256, Kid: "one"}, u.key)
			return token
		},
		"an embedded key": func(c []byte) string {
			input := encode([]byte(`{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}`)) + "." + encode(c)
			return input + "." + encode(make([]byte, 64))
		},
		"cut off": func(c []byte) string {
			token, _ := jose.Sign(c, jose.Header{Alg: jose.RS256, Kid: "one"}, u.key)
			return token[:len(token)-4]
		},
	} {
		t.Run(name, func(t *testing.T) {
			u.sign = sign
			u.refused(u.login(rp.Request{}))
			u.refused(u.native(rp.Request{}))
		})
	}
}

// HS256 with the client secret is taken when it was agreed on, and nothing else is then.
func TestAttackSymmetricIDToken(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.Algorithms, u.config.ClientSecret = []string{"HS256"}, "a client secret of thirty-two bytes or more"
	u.refused(u.login(rp.Request{})) // ES256
	u.sign = func(claims []byte) string {
		encode := base64.RawURLEncoding.EncodeToString
		input := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(claims)
		mac := hmac.New(sha256.New, []byte(u.config.ClientSecret))
		mac.Write([]byte(input))
		return input + "." + encode(mac.Sum(nil))
	}
	if _, err := u.login(rp.Request{}); err != nil {
		t.Error(err)
	}
	u.refused(u.native(rp.Request{})) // whoever has the secret could sign for anybody, and an app has it
}

// UserInfo about somebody else (OpenID Connect Core §5.3.4), and an address that borrows the verdict on another.
func TestAttackUserInfoOfSomebodyElse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.userInfo = map[string]any{"sub": "victim", "name": "Victim"}
	u.refused(u.login(rp.Request{}))
	u.userInfo = map[string]any{"name": "Nobody"}
	u.refused(u.login(rp.Request{}))
	u.userInfo = map[string]any{"sub": "248289761001", "email": "mine@evil.example", "email_verified": true}
	u.claims["email"] = "victim@example.com"
	id, err := u.login(rp.Request{})
	if err != nil || id.Email != "victim@example.com" || id.EmailVerified {
		t.Errorf("got %q, verified %v, %v", id.Email, id.EmailVerified, err)
	}
	delete(u.claims, "email")
	u.claims["email_verified"] = true
	u.userInfo = map[string]any{"sub": "248289761001", "email": "victim@example.com"}
	if id, err = u.login(rp.Request{}); err != nil || id.EmailVerified {
		t.Errorf("got %q, verified %v, %v", id.Email, id.EmailVerified, err)
	}
	u.userInfo["email_verified"] = "true"
	delete(u.claims, "email_verified")
	if id, err = u.login(rp.Request{}); err != nil || id.EmailVerified {
		t.Errorf("a text for a verdict: %v, %v", id.EmailVerified, err)
	}
}

// Metadata of another issuer, or that leads into clear text (OpenID Connect Discovery §4.3).
func TestAttackForeignMetadata(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	good := maps.Clone(u.metadata)
	for name, edit := range map[string]func(){
		"other issuer":        func() { u.metadata["issuer"] = "https://evil.example" },
		"issuer with a slash": func() { u.metadata["issuer"] = u.URL + "/" },
		"no issuer":           func() { delete(u.metadata, "issuer") },
		"clear text":          func() { u.metadata["token_endpoint"] = "http://token.example" },
		"a file":              func() { u.metadata["jwks_uri"] = "file:///etc/passwd" },
		"no key set":          func() { delete(u.metadata, "jwks_uri") },
		"with credentials":    func() { u.metadata["userinfo_endpoint"] = "https://a:b@userinfo.example" },
	} {
		u.metadata = maps.Clone(good)
		edit()
		if _, _, err := u.provider().Begin(t.Context(), rp.Request{}); !errors.Is(err, rp.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A provider that is slow, endless, redirects, or answers with something else.
func TestAttackHostileUpstream(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.Client.Timeout = 200 * time.Millisecond
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	endless := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`)
		chunk := strings.Repeat("a", 64<<10)
		for range 40 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `"}`)
	}
	stolen := newUpstream(t)
	for name, answer := range map[string]http.HandlerFunc{
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) { endless(w) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, stolen.URL+"/token", http.StatusTemporaryRedirect)
		},
		"HTML":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") },
		"failure": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		u.answer(answer, nil)
		if _, err := u.login(rp.Request{}); !errors.Is(err, rp.ErrUnavailable) {
			t.Errorf("token endpoint, %s: %v", name, err)
		}
		u.answer(nil, answer)
		if id, err := u.login(rp.Request{}); id != nil && err == nil || !errors.Is(err, rp.ErrUnavailable) && !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("UserInfo endpoint, %s: %v", name, err)
		}
	}
	if len(stolen.redeemed) > 0 {
		t.Error("the code went where the redirect pointed")
	}
	u.answer(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"access_token": "x", "token_type": "Bearer"})
	}, nil)
	u.refused(u.login(rp.Request{})) // no ID token
	u.answer(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"access_token": "x", "token_type": "mac", "id_token": u.idToken()})
	}, nil)
	u.refused(u.login(rp.Request{}))
}

// Whoever invents keys does not have the key set read at will.
func TestAttackUnknownKeyFlood(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	finish := func() error {
		_, err := p.Finish(t.Context(), u.begin(p, rp.Request{}), u.response())
		return err
	}
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	u.advance(2 * time.Minute)
	good := u.kid
	for _, u.kid = range []string{"a", "b", "c", "d", "e"} {
		if err := finish(); !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("kid %s: %v", u.kid, err)
		}
	}
	if n := u.fetched("/jwks"); n != 2 {
		t.Errorf("the key set was read %d times", n)
	}
	u.kid = good
	if err := finish(); err != nil {
		t.Errorf("a known key meanwhile: %v", err)
	}
}

// The logout token that does not hold (OpenID Connect Back-Channel Logout §2.6).
func TestAttackForgedLogoutToken(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	good := func() map[string]any {
		return map[string]any{
			"iss": u.URL, "aud": "client", "iat": u.Now().Unix(), "exp": u.Now().Add(2 * time.Minute).Unix(), "jti": "one",
			"sid": "s1", "sub": "248289761001", "events": map[string]any{rp.LogoutEvent: map[string]any{}},
		}
	}
	receive := func(token string) (got *rp.LogoutToken, err error) {
		err = p.ReceiveLogout(t.Context(), token, func(_ context.Context, l rp.LogoutToken) error { got = &l; return nil })
		return got, err
	}
	for name, edit := range map[string]func(map[string]any){
		"other issuer":   func(c map[string]any) { c["iss"] = "https://evil.example" },
		"other audience": func(c map[string]any) { c["aud"] = "another" },
		"too old":        func(c map[string]any) { c["iat"] = u.Now().Add(-7 * time.Minute).Unix(); delete(c, "exp") },
		"expired":        func(c map[string]any) { c["exp"] = u.Now().Add(-2 * time.Minute).Unix() },
		"of tomorrow":    func(c map[string]any) { c["iat"] = u.Now().Add(time.Hour).Unix() },
		"without time":   func(c map[string]any) { delete(c, "iat") },
		"without id":     func(c map[string]any) { delete(c, "jti") },
		"about nobody":   func(c map[string]any) { delete(c, "sub"); delete(c, "sid") },
		"no event":       func(c map[string]any) { delete(c, "events") },
		"another event":  func(c map[string]any) { c["events"] = map[string]any{"x": map[string]any{}} },
		"a bare event":   func(c map[string]any) { c["events"] = map[string]any{rp.LogoutEvent: true} },
		"a nonce":        func(c map[string]any) { c["nonce"] = "x" },
		"an empty nonce": func(c map[string]any) { c["nonce"] = nil },
		"an endless id":  func(c map[string]any) { c["jti"] = strings.Repeat("x", 256) },
		"endless names":  func(c map[string]any) { c["sid"] = strings.Repeat("x", 256) },
		"endless person": func(c map[string]any) { c["sub"] = strings.Repeat("x", 256) },
		"an ID token": func(c map[string]any) {
			delete(c, "events")
			c["nonce"], c["auth_time"] = "n", u.Now().Unix()
		},
	} {
		c := good()
		edit(c)
		if got, err := receive(u.signed(c, "logout+jwt")); got != nil || !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := receive(u.signed(good(), "at+jwt")); !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("an access token: %v", err)
	}
	forged, _ := jose.Sign([]byte(`{}`), jose.Header{Alg: jose.ES256, Kid: "one"}, u.newKey(jose.ES256))
	if _, err := receive(forged); !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("another key: %v", err)
	}

	token := u.signed(good(), "logout+jwt")
	failed := errors.New("the store is away")
	err := p.ReceiveLogout(t.Context(), token, func(context.Context, rp.LogoutToken) error { return failed })
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	got, err := receive(token) // which the provider sends again after a failure
	if err != nil || got.SessionID != "s1" || got.Subject != "248289761001" || got.Issuer != u.URL {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := receive(token); got != nil || !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("a replay: %v, %v", got, err)
	}
	for without, want := range map[string]rp.LogoutToken{ // §2.4: one of the first two is enough; the last was not always demanded
		"sub": {SessionID: "s1"}, "sid": {Subject: "248289761001"}, "exp": {SessionID: "s1", Subject: "248289761001"},
	} {
		c := good()
		c["jti"] = "without " + without
		delete(c, without)
		if got, err := receive(u.signed(c, "logout+jwt")); err != nil || got.SessionID != want.SessionID || got.Subject != want.Subject {
			t.Errorf("without %s: %+v, %v", without, got, err)
		}
	}
}

// Tenants share keys and metadata, and not their people.
func TestAttackTenantOfAnother(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	template := u.URL + "/{tenantid}/v2.0"
	u.metadata["issuer"] = template
	delete(u.metadata, "authorization_response_iss_parameter_supported")
	u.config.Tenants = &rp.Tenants{Template: template, Allowed: []string{tenant}}
	login := func() (*rp.Identity, error) { return u.login(rp.Request{}, func(v url.Values) { v.Del("iss") }) }

	u.claims["iss"], u.claims["tid"] = u.URL+"/"+tenant+"/v2.0", tenant
	id, err := login()
	if err != nil || id.Issuer != u.URL+"/"+tenant+"/v2.0" {
		t.Fatal(id, err)
	}
	other := [2]string{u.URL + "/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "9188040d-6c67-4c5b-b112-36a304b66dad"}
	long := strings.Repeat("a", 65)
	forged := map[string][2]string{
		"not allowed":            other,
		"one without end":        {u.URL + "/" + long + "/v2.0", long},
		"tid differs":            {u.URL + "/" + tenant + "/v2.0", "9188040d-6c67-4c5b-b112-36a304b66dad"},
		"template as issuer":     {template, "{tenantid}"},
		"path for a tenant":      {u.URL + "/a/b/v2.0", "a/b"},
		"the base itself":        {u.URL, tenant},
		"elsewhere":              {"https://evil.example/" + tenant + "/v2.0", tenant},
		"no tenant":              {u.URL + "//v2.0", ""},
		"tenant with a fragment": {u.URL + "/#/v2.0", "#"},
	}
	refuses := func() {
		for name, claims := range forged {
			u.claims["iss"], u.claims["tid"] = claims[0], claims[1]
			got, err := login()
			if got != nil || !errors.Is(err, rp.ErrInvalid) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	}
	refuses()
	// The response says whose it is, too (RFC 9207 §2.4): the template, a tenant that may be, and no other.
	u.claims["iss"], u.claims["tid"] = u.URL+"/"+tenant+"/v2.0", tenant
	for iss, good := range map[string]bool{
		u.URL: true, template: true, u.URL + "/" + tenant + "/v2.0": true, other[0]: false, u.URL + "/a/b/v2.0": false, u.URL + "/" + tenant: false,
		u.URL + "/" + tenant + "/v2.0/": false, "https://evil.example/" + tenant + "/v2.0": false, "": false, u.URL + "//v2.0": false,
	} {
		id, err := u.login(rp.Request{}, func(v url.Values) { v.Set("iss", iss) })
		if good && err != nil || !good && (id != nil || !errors.Is(err, rp.ErrInvalid)) {
			t.Errorf("a response of %q: %v, %v", iss, id, err)
		}
		if p := u.provider(); p.Issues(iss) != (good && iss != template) {
			t.Errorf("Issues(%q) is %v", iss, p.Issues(iss))
		}
	}
	u.config.Tenants.Allowed = nil // all tenants, and still nothing but tenants
	u.claims["iss"], u.claims["tid"] = other[0], other[1]
	if id, err := login(); err != nil || id.Issuer != other[0] {
		t.Error(id, err)
	}
	delete(forged, "not allowed")
	refuses()
	// A key that the set says is of one tenant signs for no other, as Microsoft has it.
	for issuer, other := range map[string]bool{u.URL + "/" + tenant + "/v2.0": false, template: true} {
		u.routes["/jwks"] = func(w http.ResponseWriter, _ *http.Request) {
			set, err := jose.Set(u.keys)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(bytes.Replace(set, []byte(`"kid"`), []byte(`"issuer":"`+issuer+`","kid"`), 1))
		}
		for _, tid := range []string{tenant, "9188040d-6c67-4c5b-b112-36a304b66dad"} {
			u.claims["iss"], u.claims["tid"] = u.URL+"/"+tid+"/v2.0", tid
			if id, err := login(); (err == nil) != (other || tid == tenant) {
				t.Errorf("by a key of %s for %s: %v, %v", issuer, tid, id, err)
			}
		}
	}
}

// Of many logins at once each is its own, and the documents are read once.
func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, _, err := p.Begin(t.Context(), rp.Request{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := u.fetched("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("metadata was read %d times", n)
	}
}
