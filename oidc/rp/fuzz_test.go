package rp_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/signet-idp/signet/oidc/rp"
)

// What the browser comes back with, and the ID token that a provider answers with, lead to somebody or to an error, and never to a panic.
func FuzzFinish(f *testing.F) {
	f.Add("code=c&state=s&iss=x", "a.b.c")
	f.Add("error=access_denied&state=s", "")
	f.Add("code=c&code=d&state=%00", `eyJhbGciOiJub25lIn0.e30.`)
	f.Fuzz(func(t *testing.T, query, token string) {
		u := newUpstream(t)
		p := u.provider()
		pending := u.begin(p, rp.Request{})
		u.sign = func([]byte) string { return token }
		response, _ := url.ParseQuery(query)
		if response == nil {
			response = url.Values{}
		}
		if response.Get("state") == "s" {
			response["state"], response["iss"] = []string{pending.State}, []string{u.URL}
		}
		id, err := p.Finish(t.Context(), pending, response)
		if id != nil || err == nil {
			t.Errorf("signed in: %+v", id)
		}
		if _, ok := errors.AsType[*rp.ResponseError](err); !ok && !errors.Is(err, rp.ErrInvalid) && !errors.Is(err, rp.ErrUnavailable) {
			t.Errorf("an error of no kind: %v", err)
		}
		if id, err = p.FinishNative(t.Context(), p.BeginNative(rp.Request{}), []string{"client"}, token, query); id != nil || !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("of an app: %+v, %v", id, err)
		}
	})
}

// A logout token is refused or holds.
func FuzzLogoutToken(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSJ9.e30.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		u := newUpstream(t)
		err := u.provider().ReceiveLogout(t.Context(), token, nil)
		if !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}
