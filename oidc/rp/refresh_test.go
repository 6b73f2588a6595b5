package rp_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/oidc/rp"
)

// renewing has the upstream answer a refresh with an ID token of these claims; nil sends none.
func (u *upstream) renewing(refreshToken string, edit func(idToken map[string]any)) {
	u.answer(func(w http.ResponseWriter, r *http.Request) {
		said := map[string]any{"access_token": "the second", "token_type": "Bearer", "expires_in": 60}
		if r.PostForm.Get("grant_type") != "refresh_token" || r.PostForm.Get("refresh_token") != "r1" {
			u.Errorf("asked with %v", r.PostForm)
		}
		if refreshToken != "" {
			said["refresh_token"] = refreshToken
		}
		if edit != nil {
			u.edit = edit
			said["id_token"] = u.idToken()
		}
		writeJSON(w, said)
	}, nil)
}

// A login is renewed, with a new refresh token or the old one, and about the same person (RFC 6749 §6, OpenID Connect Core §12.2).
func TestRefresh(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	id, err := p.Finish(t.Context(), u.begin(p, rp.Request{}), u.response())
	if err != nil {
		t.Fatal(err)
	}
	id.Token.RefreshToken = "r1"
	u.renewing("r2", func(c map[string]any) { c["acr"] = "gold"; delete(c, "nonce") })
	renewed, err := p.Refresh(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if renewed.Token.AccessToken != "the second" || renewed.Token.RefreshToken != "r2" || renewed.ACR != "gold" || renewed.Name != "Ann" || renewed.IDToken == id.IDToken {
		t.Errorf("renewed %+v", renewed)
	}
	if id.Token.RefreshToken != "r1" || id.ACR != "" {
		t.Error("what was renewed has changed")
	}
	u.renewing("", nil)
	bare := &rp.Identity{Issuer: id.Issuer, Subject: id.Subject, Token: &oauth2.Token{RefreshToken: "r1"}}
	if renewed, err = p.Refresh(t.Context(), bare); err != nil || renewed.Token.RefreshToken != "r1" {
		t.Errorf("without another refresh token: %+v, %v", renewed, err)
	}
	u.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "invalid_grant"})
	}, nil)
	_, err = p.Refresh(t.Context(), id)
	if refused, ok := errors.AsType[*rp.ResponseError](err); !ok || refused.Code != "invalid_grant" {
		t.Error(err)
	}
}

// A refresh that is answered with somebody else, or with another login (OpenID Connect Core §12.2).
func TestAttackRefreshedAsSomebodyElse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	id, err := p.Finish(t.Context(), u.begin(p, rp.Request{}), u.response())
	if err != nil {
		t.Fatal(err)
	}
	id.Token.RefreshToken = "r1"
	for name, edit := range map[string]func(map[string]any){
		"somebody else":    func(c map[string]any) { c["sub"] = "victim" },
		"another issuer":   func(c map[string]any) { c["iss"] = "https://evil.example" },
		"another client":   func(c map[string]any) { c["aud"] = "evil" },
		"another login":    func(c map[string]any) { c["nonce"] = "x" },
		"another time":     func(c map[string]any) { c["auth_time"] = u.Now().Add(-time.Hour).Unix() },
		"expired":          func(c map[string]any) { c["exp"] = u.Now().Add(-time.Hour).Unix() },
		"the wrong tokens": func(c map[string]any) { c["at_hash"] = "77QmUPtjPfzWtF2AnpK9RQ" },
	} {
		u.renewing("r2", edit)
		renewed, err := p.Refresh(t.Context(), id)
		if renewed != nil || !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, renewed, err)
		}
	}
	u.renewing("r2", func(map[string]any) {})
	if _, err := p.Refresh(t.Context(), id); err != nil {
		t.Errorf("without an attack: %v", err)
	}
	if _, err := p.Refresh(t.Context(), &rp.Identity{Token: &oauth2.Token{}}); !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("without a refresh token: %v", err)
	}
}
