package rp_test

import (
	"errors"
	"net/http"
	"slices"
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
	u.renewing("r2", func(c map[string]any) { c["acr"], c["amr"] = "gold", []string{"hwk"}; delete(c, "nonce") })
	renewed, err := p.Refresh(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if renewed.Token.AccessToken != "the second" || renewed.Token.RefreshToken != "r2" || renewed.ACR != "gold" || !slices.Equal(renewed.AMR, []string{"hwk"}) || renewed.Name != "Ann" || renewed.IDToken == id.IDToken {
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
	if _, err := p.Refresh(t.Context(), &rp.Identity{}); !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("without tokens: %v", err)
	}
	for name, edit := range map[string]func(*rp.Identity, map[string]any){ // §12.2: what is not there is not compared
		"no auth_time before": func(id *rp.Identity, _ map[string]any) { id.AuthTime = time.Time{} },
		"no auth_time now":    func(_ *rp.Identity, c map[string]any) { delete(c, "auth_time") },
		"no nonce before":     func(id *rp.Identity, _ map[string]any) { id.Claims = nil },
	} {
		before := *id
		u.renewing("r2", func(c map[string]any) { edit(&before, c) })
		edit(&before, map[string]any{})
		if _, err := p.Refresh(t.Context(), &before); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The tenants of a provider share subjects no more than people.
func TestAttackRefreshedInAnotherTenant(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	template := u.URL + "/{tenantid}"
	u.metadata["issuer"], u.config.Tenants = template, &rp.Tenants{Template: template}
	delete(u.metadata, "authorization_response_iss_parameter_supported")
	p := u.provider()
	id := &rp.Identity{Issuer: u.URL + "/a", Subject: "248289761001", Token: &oauth2.Token{RefreshToken: "r1"}}
	for tenant, same := range map[string]bool{"a": true, "b": false} {
		u.renewing("r2", func(c map[string]any) { c["iss"], c["tid"] = u.URL+"/"+tenant, tenant; delete(c, "nonce") })
		if _, err := p.Refresh(t.Context(), id); (err == nil) != same {
			t.Errorf("in %s: %v", tenant, err)
		}
	}
}
