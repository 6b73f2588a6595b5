package rp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// signedResponse is a good answer to the login, signed (JARM §2.1), as edit leaves its claims.
func (u *upstream) signedResponse(edit func(claims map[string]any)) url.Values {
	claims := map[string]any{
		"iss": u.URL, "aud": u.config.ClientID, "exp": u.Now().Add(time.Minute).Unix(), "code": "the code", "state": u.asked.Get("state"),
	}
	edit(claims)
	return url.Values{"response": {u.signed(claims, "JWT")}}
}

func asItIs(map[string]any) {}

// What a provider has signed is taken, in either mode, and nothing that is not in it, or that was signed for somebody else, long ago, by
// another or for another login (JARM §2.4).
func TestSignedResponse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.SignedResponse = true
	p := u.provider()
	for _, form := range []bool{false, true} {
		u.config.FormPost = form
		u.begin(u.provider(), rp.Request{})
		if mode := u.sent.Get("response_mode"); mode != map[bool]string{false: "jwt", true: "form_post.jwt"}[form] {
			t.Errorf("response_mode %q", mode)
		}
	}
	finish := func(response func() url.Values) (*rp.Identity, error) {
		pending := u.begin(p, rp.Request{})
		return p.Finish(t.Context(), pending, response())
	}
	id, err := finish(func() url.Values { return u.signedResponse(asItIs) })
	if err != nil || id.Subject == "" {
		t.Fatalf("%+v, %v", id, err)
	}
	_, err = finish(func() url.Values {
		return u.signedResponse(func(c map[string]any) { delete(c, "code"); c["error"] = "access_denied" })
	})
	if refused, ok := errors.AsType[*rp.ResponseError](err); !ok || !refused.Denied() {
		t.Errorf("a refusal: %v", err)
	}
	set := func(name string, value any) func() url.Values {
		return func() url.Values { return u.signedResponse(func(c map[string]any) { c[name] = value }) }
	}
	for name, response := range map[string]func() url.Values{
		"in the clear": u.response,
		"a code beside": func() url.Values {
			v := u.signedResponse(func(c map[string]any) { delete(c, "code") })
			v.Set("code", "x")
			return v
		},
		"a state beside":      func() url.Values { v := set("state", "another")(); v.Set("state", u.asked.Get("state")); return v },
		"twice":               func() url.Values { v := u.signedResponse(asItIs); v.Add("response", v.Get("response")); return v },
		"empty":               func() url.Values { return url.Values{"response": {""}} },
		"for somebody else":   set("aud", "another"),
		"for others too":      set("aud", []string{"client", "another"}),
		"for nobody":          set("aud", nil),
		"of another issuer":   set("iss", "https://other.example.com"),
		"of another login":    set("state", "another"),
		"expired":             set("exp", u.Now().Add(-time.Hour).Unix()),
		"without expiry":      set("exp", nil),
		"a code of no string": set("code", 7),
		"unsigned": func() url.Values {
			signed := u.signedResponse(asItIs).Get("response")
			return url.Values{"response": {"eyJhbGciOiJub25lIn0." + strings.Split(signed, ".")[1] + "."}}
		},
		"changed": func() url.Values {
			return url.Values{"response": {u.signedResponse(asItIs).Get("response") + "A"}}
		},
		"an ID token": func() url.Values { return url.Values{"response": {u.idToken()}} },
	} {
		t.Run(name, func(t *testing.T) {
			before := u.fetched("/token")
			id, err := finish(response)
			if id != nil || !errors.Is(err, rp.ErrInvalid) {
				t.Errorf("%+v, %v", id, err)
			}
			if u.fetched("/token") != before {
				t.Error("a code was sent to the provider")
			}
		})
	}
}

// A response that is encrypted too is opened with the client's keys, and the signature inside counts (JARM §2.4, step 1).
func TestEncryptedResponse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	key := curveKey(t)
	encrypted := u.encrypting(jose.ECDHES, "c", key.Public())
	u.config.SignedResponse = true
	u.config.DecryptionKeys = []rp.DecryptionKey{{ID: "c", Algorithm: "ECDH-ES", Key: key}}
	p := u.provider()
	pending := u.begin(p, rp.Request{})
	response := url.Values{"response": {encrypted(u.signedResponse(asItIs).Get("response"))}}
	u.sign = func(claims []byte) string { return encrypted(u.plainly(claims)) } // the ID token
	if id, err := p.Finish(t.Context(), pending, response); err != nil || id.Subject == "" {
		t.Fatalf("%+v, %v", id, err)
	}
	u.sign = nil
	other := u.encrypting(jose.ECDHES, "c", curveKey(t).Public())
	pending = u.begin(p, rp.Request{})
	_, err := p.Finish(t.Context(), pending, url.Values{"response": {other(u.signedResponse(asItIs).Get("response"))}})
	if !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("encrypted to another key: %v", err)
	}
}

// Callback finds the login of a signed response by the state in it, in a query and in a form; that of another browser is refused.
func TestCallbackOfSignedResponse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.SignedResponse, u.config.FormPost = true, true
	p := u.provider()
	started := httptest.NewRecorder()
	if err := p.Start(started, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), rp.Request{}); err != nil {
		t.Fatal(err)
	}
	to, err := started.Result().Location()
	if err != nil {
		t.Fatal(err)
	}
	u.asked = to.Query()
	response := u.signedResponse(asItIs).Encode()
	posted := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callback", strings.NewReader(response))
	posted.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	if id, err := p.Callback(w, posted); id != nil || err != nil || w.Header().Get("Location") != "/callback?"+response {
		t.Fatalf("%+v, %v, to %q", id, err, w.Header().Get("Location"))
	}
	again := func(cookies []*http.Cookie) (*rp.Identity, error) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/callback?"+response, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		return p.Callback(httptest.NewRecorder(), r)
	}
	if id, err := again(nil); id != nil || !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("another browser: %+v, %v", id, err)
	}
	if id, err := again(started.Result().Cookies()); err != nil || id.Subject == "" {
		t.Errorf("%+v, %v", id, err)
	}
}

// The text of a signed response, whatever it is, leads to somebody or to an error.
func FuzzSignedResponse(f *testing.F) {
	f.Add("a.b.c", `{}`)
	f.Add("", `{"code":"c","aud":["client"],"exp":1e9}`)
	f.Add("eyJhbGciOiJub25lIn0.e30.", `{"code":{},"state":null}`)
	f.Fuzz(func(t *testing.T, token, claims string) {
		u := newUpstream(t)
		u.config.SignedResponse = true
		p := u.provider()
		pending := u.begin(p, rp.Request{})
		if token == "" {
			token = u.plainly([]byte(claims))
		}
		id, err := p.Finish(t.Context(), pending, url.Values{"response": {token}})
		if id != nil || !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("%+v, %v", id, err)
		}
	})
}
