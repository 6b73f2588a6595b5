package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

func withWSO2(c *oidc.Config) {
	c.Features.Registration = &oidc.Registration{WSO2: true, Open: true, GrantTypes: []oidc.GrantType{
		oidc.AuthorizationCode, oidc.RefreshToken, oidc.ClientCredentials,
	}}
}

const wso2Document = `{"client_name":"shop","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","client_credentials"],
	"ext_param_client_id":"elsewhere","ext_param_client_secret":"a secret that was made elsewhere, long ago","ext_param_sp_template":"standard",
	"ext_application_display_name":"Shop","ext_application_owner":"ann","token_type_extension":"Default","ext_allowed_audience":"application",
	"ext_application_token_lifetime":300,"ext_user_token_lifetime":600,"ext_refresh_token_lifetime":864000000,"ext_id_token_lifetime":900,
	"ext_pkce_mandatory":false,"ext_pkce_support_plain":true}`

// Registration by the members of WSO2: they are taken as far as they weaken nothing, told again (RFC 7591 §3.2.1), and the registration is found by its
// name.
func TestRegisterByWSO2(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.registered(h.manage(http.MethodPost, pathRegister, h.initialAccess(oidc.InitialAccess{}), wso2Document))
		if got.ClientID != "elsewhere" || got.Secret != "a secret that was made elsewhere, long ago" || got.Name != "shop" {
			t.Errorf("registered as %s", got.Body)
		}
		for member, want := range map[string]string{
			"ext_application_display_name": `"Shop"`, "ext_application_owner": `"ann"`, "ext_param_sp_template": `"standard"`, "token_type_extension": `"Default"`,
			"ext_allowed_audience": `"application"`, "ext_application_token_lifetime": "300", "ext_user_token_lifetime": "600",
			"ext_refresh_token_lifetime": "86400", "ext_id_token_lifetime": "900", "ext_pkce_mandatory": "true", "ext_pkce_support_plain": "false",
			"ext_public_client": "false",
		} {
			if !strings.Contains(got.Body, `"`+member+`":`+want) {
				t.Errorf("%s is not %s: %s", member, want, got.Body)
			}
		}
		r := h.request(http.MethodPost, pathToken, values("grant_type", "client_credentials"))
		r.SetBasicAuth(got.ClientID, url.QueryEscape(got.Secret))
		if own := h.issued(h.send(r)); own.ExpiresIn != 300 || !strings.HasPrefix(own.AccessToken, "sgat_") {
			t.Errorf("its own token: %+v", own)
		}
		app, err := h.people.Applications.Get(t.Context(), h.client(got.ClientID).Application)
		if err != nil || app.Name != "Shop" {
			t.Errorf("people see %+v, %v", app, err)
		}
		found := h.registered(h.manage(http.MethodGet, pathRegister+"?client_name=shop", got.Token, ""))
		if found.ClientID != got.ClientID || found.member("client_secret") != "" {
			t.Errorf("found %s", found.Body)
		}
		public := h.registered(h.manage(http.MethodPost, pathRegister, "", `{"redirect_uris":["https://app.example/cb"],"ext_public_client":true}`))
		if public.Method != "none" || public.Secret != "" {
			t.Errorf("public: %s", public.Body)
		}
		for _, wrong := range []string{
			`"token_type_extension":"SAML"`, `"ext_allowed_audience":"everybody"`, `"ext_user_token_lifetime":-1`, `"ext_user_token_lifetime":"long"`,
			`"ext_application_owner":"a\u202eb"`, `"ext_public_client":true,"token_endpoint_auth_method":"client_secret_post"`,
		} {
			if a := h.manage(http.MethodPost, pathRegister, "", `{"redirect_uris":["https://app.example/cb"],`+wrong+`}`); a.errorCode() != "invalid_client_metadata" {
				t.Errorf("%s: %s", wrong, a)
			}
		}
		if a := h.manage(http.MethodPost, pathRegister, h.initialAccess(oidc.InitialAccess{}), `{"redirect_uris":["https://app.example/cb"],"ext_param_client_secret":"short"}`); a.errorCode() != "invalid_client_metadata" {
			t.Errorf("a short secret: %s", a)
		}
	}, withWSO2)
}

// Registration: a stranger chooses neither id nor secret, an id is given once, and the registration of a name is found by its own token alone.
func TestAttackRegisterByWSO2(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		stranger := h.registered(h.manage(http.MethodPost, pathRegister, "", wso2Document))
		if stranger.ClientID == "elsewhere" || stranger.Secret == "a secret that was made elsewhere, long ago" {
			t.Errorf("a stranger registers %s", stranger.Body)
		}
		token := h.initialAccess(oidc.InitialAccess{Uses: 32})
		var won atomic.Int32
		var racing sync.WaitGroup
		for range 32 {
			racing.Go(func() {
				switch a := h.manage(http.MethodPost, pathRegister, token, wso2Document); {
				case a.Status == http.StatusCreated:
					won.Add(1)
				case a.errorCode() != "invalid_client_metadata":
					t.Errorf("%s", a)
				}
			})
		}
		if racing.Wait(); won.Load() != 1 {
			t.Errorf("%d have registered the id", won.Load())
		}
		other := h.registered(h.manage(http.MethodPost, pathRegister, "", goodDocument))
		for name, token := range map[string]string{"another's": other.Token, "no": "", "a made up": "sgra_" + strings.Repeat("A", 43)} {
			if a := h.manage(http.MethodGet, pathRegister+"?client_name=shop", token, ""); a.Status != http.StatusUnauthorized {
				t.Errorf("found by %s token: %s", name, a)
			}
		}
		if a := h.manage(http.MethodGet, pathRegister+"?client_name=nobody", stranger.Token, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("a name that there is not: %s", a)
		}
		if a := h.manage(http.MethodGet, pathRegister, stranger.Token, ""); a.errorCode() != "invalid_request" {
			t.Errorf("no name: %s", a)
		}
	}, withWSO2)
}

// TestFindRegistrationFaults breaks the store under the search for a name.
func TestFindRegistrationFaults(t *testing.T) {
	t.Parallel()
	faults(t, []door{
		{name: "find", done: gotOK, open: func(h *harness) attempt {
			mine := h.registered(h.manage(http.MethodPost, pathRegister, h.initialAccess(oidc.InitialAccess{}), goodDocument))
			return attempt{send: func() *answer { return h.manage(http.MethodGet, pathRegister+"?client_name=Shop", mine.Token, "") }}
		}},
	}, registering(oidc.Registration{WSO2: true}))
}
