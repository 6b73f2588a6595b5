package signet_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/pushdevice"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// handset is a device that confirms sign-ins.
type handset struct {
	*self
	*pushdevice.Device
}

// handset registers a device by the QR code of the API.
func (s *self) handset() *handset {
	s.Helper()
	var d mfa.PushDiscovery
	s.want(200, "GET", "/push/discovery-data", nil).into(s, &d)
	if d.Username != s.user.Username || d.Host != s.idp.URL {
		s.Errorf("got %+v", d)
	}
	device, err := pushdevice.New("EdDSA")
	s.must(err)
	body, err := device.Register(d.DeviceID, d.Challenge, "secret token")
	s.must(err)
	r := s.request("POST", "/api/users/v1/me/push/devices", body)
	r.Header.Del("Authorization") // the device has no token
	if a := s.send(r); a.status != 201 {
		s.Fatalf("%d %s", a.status, a.text)
	}
	return &handset{s, device}
}

// remove takes the device off its account, by a token of its own.
func (h *handset) remove(id string) told {
	h.Helper()
	header := h.Header()
	header["deviceId"] = id
	token, err := h.Token(header, map[string]any{"exp": h.idp.Now().Add(time.Minute).Unix()})
	h.must(err)
	r := h.request("POST", "/api/users/v1/me/push/devices/"+id+"/remove", map[string]string{"token": token})
	r.Header.Del("Authorization")
	return h.send(r)
}

func TestMePush(t *testing.T) {
	everySelf(t, func(s *self) {
		first := s.handset()
		s.want(401, "GET", "/push/discovery-data", nil) // another one wants what the first has to say
		a := s.want(200, "GET", "/push/devices", nil)
		var list []map[string]string
		if a.into(t, &list); len(list) != 1 || list[0]["deviceId"] != first.ID || list[0]["name"] != "Phone" || strings.Contains(a.text, "secret token") {
			t.Errorf("got %s", a.text)
		}
		if a := s.want(200, "GET", "/push/devices/"+first.ID, nil); !strings.Contains(a.text, `"model":"Fair"`) {
			t.Errorf("got %s", a.text)
		}
		if a := first.remove(first.ID); a.status != 204 {
			t.Errorf("by itself: %d %s", a.status, a.text)
		}
		if a := first.remove(first.ID); a.status != 400 {
			t.Errorf("twice: %d", a.status)
		}
		second := s.handset()
		s.idp.EnrollTOTP(s.user)
		s.signIn()
		s.want(204, "DELETE", "/push/devices/"+second.ID, nil)
		s.want(404, "DELETE", "/push/devices/"+second.ID, nil)
	})
}

// A device is removed by itself, and by no other.
func TestAttackMeDeviceRemovedByAnother(t *testing.T) {
	everySelf(t, func(s *self) {
		victim, ann := s.handset(), s.ref()
		s.user = s.idp.User("eve")
		s.signIn()
		eves := s.handset()
		if a := eves.remove(victim.ID); a.status != 400 {
			t.Errorf("%d %s", a.status, a.text)
		}
		if devices, err := s.idp.Provider.Directory.Pushes.Devices(t.Context(), ann); err != nil || len(devices) != 1 {
			t.Errorf("%v, %v", devices, err)
		}
	})
}

// What is somebody else's is answered as what nobody has, in the same words.
func TestAttackMeForeignIDs(t *testing.T) {
	everySelf(t, func(s *self) {
		ann := *s
		session := ann.tokens.Claims["sid"]
		device := ann.handset()
		s.idp.App(callback, func(a *idptest.App) { a.Application.Name = "hidden" })
		s.user = s.idp.User("eve")
		s.signIn()
		for _, id := range []struct{ method, path, foreign string }{
			{"DELETE", "/sessions/", session.(string)},
			{"GET", "/push/devices/", device.ID},
			{"DELETE", "/push/devices/", device.ID},
			{"DELETE", "/federated-associations/", "x"},
			{"GET", "/applications/", s.app.Application.ID},
			{"GET", "/consents/", "x"},
		} {
			words := func(a told) string {
				var e map[string]string
				a.into(t, &e)
				return e["code"] + e["message"] + e["description"]
			}
			foreign, unknown := s.call(id.method, id.path+id.foreign, nil), s.call(id.method, id.path+"nobody", nil)
			if foreign.status != 404 || unknown.status != 404 || words(foreign) != words(unknown) {
				t.Errorf("%s %s: %d %s and %d %s", id.method, id.path, foreign.status, foreign.text, unknown.status, unknown.text)
			}
			for _, odd := range []string{"%00", "%20", strings.Repeat("x", 2000), "%ff", "..%2f"} {
				if a := s.call(id.method, id.path+odd, nil); a.status != 404 {
					t.Errorf("%s %s%.10s: %d", id.method, id.path, odd, a.status)
				}
			}
		}
		if a := ann.call("GET", "/sessions", nil); a.status != 200 {
			t.Errorf("ann's session: %d", a.status)
		}
	})
}

func TestMeConsents(t *testing.T) {
	everySelf(t, func(s *self) {
		other := s.idp.App(callback, func(a *idptest.App) { a.Application.Name = "Other" })
		theirs := s.idp.SignIn(s.user, other)
		var apps []struct {
			ID       string   `json:"id"`
			Name     string   `json:"name"`
			ClientID string   `json:"clientId"`
			Scopes   []string `json:"approvedScopes"`
		}
		list := func() int {
			s.Helper()
			a := s.send(s.request("GET", "/api/users/v2/me/authorized-apps", nil))
			a.into(s, &apps)
			return len(apps)
		}
		if list() != 2 || apps[1].Name != "Other" || apps[1].ID != other.Application.ID || apps[1].ClientID != other.ClientID || strings.Join(apps[1].Scopes, " ") != "email profile" && strings.Join(apps[1].Scopes, " ") != "profile email" {
			t.Fatalf("got %+v", apps)
		}
		one := s.request("GET", "/api/users/v2/me/authorized-apps/"+other.Application.ID, nil)
		if a := s.send(one); a.status != 200 || !strings.Contains(a.text, `"clientId":"`+other.ClientID) {
			t.Errorf("%d %s", a.status, a.text)
		}
		if a := s.send(s.request("DELETE", "/api/users/v2/me/authorized-apps/"+other.Application.ID, nil)); a.status != 204 {
			t.Fatalf("%d %s", a.status, a.text)
		}
		if _, err := theirs.Refresh(); err == nil || list() != 1 {
			t.Errorf("a revoked application refreshes its tokens: %v, %d left", err, len(apps))
		}
		if a := s.send(s.request("DELETE", "/api/users/v2/me/authorized-apps/"+other.Application.ID, nil)); a.status != 404 {
			t.Errorf("twice: %d", a.status)
		}

		var consents, receipts []map[string]any
		s.want(200, "GET", "/consents?state=ACTIVE", nil).into(t, &consents)
		if len(consents) != 1 || consents[0]["serviceId"] != "App 1" {
			t.Fatalf("got %v", consents)
		}
		id := consents[0]["id"].(string)
		if a := s.want(200, "GET", "/consents/"+id, nil); !strings.Contains(a.text, `"id":"internal_login"`) {
			t.Errorf("got %s", a.text)
		}
		if a := s.want(200, "GET", "/consents/"+id+"/validate", nil); !strings.Contains(a.text, `"state":"ACTIVE"`) {
			t.Errorf("got %s", a.text)
		}
		const older = "/api/identity/consent-mgt/v1.0/consents"
		s.send(s.request("GET", older, nil)).into(t, &receipts)
		if len(receipts) != 1 || receipts[0]["consentReceiptID"] != id || receipts[0]["piiPrincipalId"] != s.user.ID {
			t.Errorf("got %v", receipts)
		}
		if a := s.send(s.request("GET", older+"/"+id, nil)); a.status != 200 || !strings.Contains(a.text, `"piiCategoryName":"internal_login"`) {
			t.Errorf("%d %s", a.status, a.text)
		}
		for _, path := range []string{"/consents", "/associations"} {
			s.want(501, "POST", path, nil)
		}
		s.want(200, "POST", "/consents/"+id+"/revoke", nil)
		if a := s.call("GET", "/sessions", nil); a.status != 401 {
			t.Errorf("the token of a consent that was revoked: %d", a.status)
		}
	})
}

func TestMeApplications(t *testing.T) {
	everySelf(t, func(s *self) {
		for _, name := range []string{"Wiki", "mail", "Market"} {
			s.must(s.idp.Provider.Directory.Applications.Create(t.Context(), &directory.Application{
				Name: name, URL: "https://" + strings.ToLower(name) + ".example", Description: "About " + name, Logo: "https://logo.example/" + name, Discoverable: true,
			}))
		}
		off := &directory.Application{Name: "Off", URL: "https://off.example", Discoverable: true}
		s.must(s.idp.Provider.Directory.Applications.Create(t.Context(), off))
		s.must(s.idp.Provider.Directory.Applications.Disable(t.Context(), off.Ref()))
		if err := s.idp.Provider.Directory.Applications.Create(t.Context(), &directory.Application{Name: "Nowhere", Discoverable: true}); err == nil {
			t.Error("an application without a URL can be found")
		}
		for query, want := range map[string]string{
			"": "mail Market Wiki", "?limit=1&offset=1": "Market", "?offset=9": "", "?limit=0": "",
			"?filter=" + url.QueryEscape("name sw MA"): "mail Market", "?filter=" + url.QueryEscape("name co ark"): "Market",
			"?filter=" + url.QueryEscape("name eq wiki"): "Wiki", "?filter=" + url.QueryEscape("name ew il"): "mail",
		} {
			var page struct {
				Total        int `json:"totalResults"`
				Start        int `json:"startIndex"`
				Count        int `json:"count"`
				Applications []struct {
					ID, Name, Description, Image string
					AccessURL                    string `json:"accessUrl"`
				} `json:"applications"`
				Links []struct{ Href, Rel string } `json:"links"`
			}
			s.want(200, "GET", "/applications"+query, nil).into(t, &page)
			var names []string
			for _, app := range page.Applications {
				names = append(names, app.Name)
				if app.AccessURL == "" || app.Image == "" || app.Description != "About "+app.Name {
					t.Errorf("got %+v", app)
				}
				s.want(200, "GET", "/applications/"+app.ID, nil)
			}
			if strings.Join(names, " ") != want || page.Count != len(names) {
				t.Errorf("%q: got %+v, want %s", query, page, want)
			}
			if query == "?limit=1&offset=1" && (page.Total != 3 || page.Start != 2 || len(page.Links) != 2 || page.Links[0].Href != "/api/users/v1/me/applications?limit=1&offset=2") {
				t.Errorf("got %+v", page)
			}
		}
		for _, query := range []string{"?limit=x", "?offset=-1", "?filter=name", "?filter=" + url.QueryEscape("id eq x"), "?filter=" + url.QueryEscape("name gt x")} {
			s.want(400, "GET", "/applications"+query, nil)
		}
		s.want(404, "GET", "/applications/"+off.ID, nil)
	})
}

// The copy has all that is known, and nothing that proves who somebody is.
func TestAttackMeExportHoldsNoSecrets(t *testing.T) {
	everySelf(t, func(s *self) {
		s.idp.EnrollTOTP(s.user)
		s.signIn()
		var drawn struct {
			Codes []string `json:"backupCodes"`
		}
		s.want(201, "POST", "/backup-codes", nil).into(t, &drawn)
		s.handset()
		a := s.send(s.request("GET", "/api/identity/user/v1.0/me", nil))
		var copied struct {
			Basic struct {
				ID      string `json:"id"`
				Profile struct {
					Email string `json:"email"`
				} `json:"profile"`
			} `json:"basic"`
			Consents []map[string]any `json:"consents"`
			Security struct {
				Credentials []map[string]any `json:"credentials"`
				Sessions    []map[string]any `json:"sessions"`
				Events      []map[string]any `json:"events"`
			} `json:"security"`
		}
		a.into(t, &copied)
		if a.status != 200 || copied.Basic.ID != s.user.ID || copied.Basic.Profile.Email != "ann@example.com" || len(copied.Consents) != 1 ||
			len(copied.Security.Credentials) < 4 || len(copied.Security.Sessions) != 2 || len(copied.Security.Events) == 0 {
			t.Errorf("%d %s", a.status, a.text)
		}
		_, seed, err := s.idp.Provider.Directory.Credentials.TOTP(t.Context(), s.ref())
		s.must(err)
		for _, secret := range append(drawn.Codes, base64.StdEncoding.EncodeToString(seed), "secret token", "$argon2", "secretHash", "epoch", s.tokens.AccessToken, idptest.Password) {
			if strings.Contains(strings.ToLower(a.text), strings.ToLower(secret)) {
				t.Errorf("the copy holds %s", secret)
			}
		}
	})
}

// Nothing but a good token of the person opens the API.
func TestAttackMeTokens(t *testing.T) {
	everySelf(t, func(s *self) {
		bare := s.request("GET", "/api/users/v1/me/sessions", nil)
		bare.Header.Del("Authorization")
		if a := s.send(bare); a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer realm=") || strings.Contains(a.header.Get("WWW-Authenticate"), "error") {
			t.Errorf("without a token: %d %q", a.status, a.header.Get("WWW-Authenticate"))
		}
		query := s.request("GET", "/api/users/v1/me/sessions?access_token="+s.tokens.AccessToken, nil)
		query.Header.Del("Authorization")
		if a := s.send(query); a.status != 400 && a.status != 401 {
			t.Errorf("in the query: %d", a.status)
		}
		for name, token := range map[string]string{"an ID token": s.tokens.IDToken, "a refresh token": s.tokens.RefreshToken, "garbage": "x", "a forged one": s.tokens.AccessToken + "x"} {
			r := s.request("GET", "/api/users/v1/me/sessions", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			if a := s.send(r); a.status != 401 {
				t.Errorf("%s: %d %s", name, a.status, a.text)
			}
		}
		plain := s.idp.App(callback)
		if a := s.as(s.idp.SignIn(s.user, plain)).call("GET", "/sessions", nil); a.status != 403 || a.code() != "insufficient_scope" || !strings.Contains(a.header.Get("WWW-Authenticate"), `scope="internal_login"`) {
			t.Errorf("without the scope: %d %s %q", a.status, a.text, a.header.Get("WWW-Authenticate"))
		}
		api := s.idp.App(callback, mine, func(a *idptest.App) { a.Client.Audience = []string{"https://api.example"} })
		for scope, want := range map[string]int{me.Scope: 401, "openid " + me.Scope: 200} { // with openid it is for the issuer too
			tokens := s.idp.SignIn(s.user, api, oauth2.SetAuthURLParam("scope", scope))
			if a := s.as(tokens).call("GET", "/sessions", nil); a.status != want {
				t.Errorf("for another API, with %q: %d %s", scope, a.status, a.text)
			}
		}
		machine := s.idp.App(callback, func(a *idptest.App) {
			a.Client.Scopes, a.Client.GrantTypes = []string{me.Scope}, []oidc.GrantType{oidc.ClientCredentials}
			a.Client.RedirectURIs = nil
		})
		if a := s.as(s.ownToken(machine)).call("GET", "/sessions", nil); a.status != 401 || a.code() != "invalid_token" {
			t.Errorf("of a client that acts for itself: %d %s", a.status, a.text)
		}
		s.must(s.idp.Provider.Directory.Subjects.Disable(t.Context(), s.ref()))
		if a := s.call("GET", "/sessions", nil); a.status != 401 {
			t.Errorf("of somebody who was disabled: %d", a.status)
		}
	})
}

// ownToken is one of a client that acts for itself.
func (s *self) ownToken(app *idptest.App) *idptest.Tokens {
	s.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {me.Scope}}
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.idp.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	s.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(app.ClientID, app.ClientSecret)
	var token oauth2.Token
	s.send(r).into(s, &token)
	if token.AccessToken == "" {
		s.Fatal("no token")
	}
	return &idptest.Tokens{Token: &token}
}

// A new password that was on its way from a stolen token when the person chose one of their own is not written over that.
func TestAttackMePasswordOverTheOwners(t *testing.T) {
	everySelf(t, func(s *self) {
		s.idp.Faults.Hook(func(c storetest.Call) error {
			if !slices.ContainsFunc(c.Ops, func(op store.Op) bool { return op.Record.Kind.Name == "directory.subject" }) {
				return nil
			}
			s.idp.Heal()
			return s.idp.Provider.Directory.SetPassword(s.Context(), s.user, "chosen by the owner")
		})
		a := s.call("POST", "/change-password", map[string]string{"currentPassword": idptest.Password, "newPassword": "chosen by the thief"})
		if a.status != 409 {
			s.Errorf("the thief: %d %s", a.status, a.text)
		}
		if right, err := s.idp.Provider.Directory.Users.VerifyPassword(s.Context(), s.user, "chosen by the owner"); !right || err != nil {
			s.Errorf("the owner's: %v, %v", right, err)
		}
	})
}

// What adds to how somebody signs in, replaces it or takes it away, is nobody's when their session has ended while it was on its way.
func TestAttackMeAfterTheSessionEnded(t *testing.T) {
	everySelf(t, func(s *self) {
		s.link("theirs", s.ref())
		s.want(201, "POST", "/backup-codes", nil)
		s.idp.EnrollPasskey(s.user)
		s.idp.EnrollTOTP(s.user)
		var keys []madePasskey
		s.want(200, "GET", "/webauthn", nil).into(t, &keys)
		had := s.ways()
		for _, c := range []struct{ method, path string }{
			{"POST", "/backup-codes"},
			{"DELETE", "/backup-codes"},
			{"DELETE", "/totp"},
			{"DELETE", "/webauthn/" + keys[0].Credential.ID},
			{"DELETE", "/federated-associations/theirs"},
			{"DELETE", "/federated-associations"},
		} {
			s.idp.Advance(time.Minute) // to the next code of the app
			s.signInWith(s.idp.Browser(), oauth2.SetAuthURLParam("acr_values", directory.ACR2))
			s.endSessionsOnWrite()
			if a := s.call(c.method, c.path, nil); a.status != 401 || a.code() != "ME-60010" {
				s.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.text)
			}
			s.idp.Heal()
			if got := s.ways(); !slices.Equal(got, had) {
				s.Errorf("%s %s: there are %v, and were %v", c.method, c.path, got, had)
			}
		}
	}, withPasskeys, onLocalhost, withGoogle)
}

// The same on the pages: whoever was signed out by then is asked to sign in, and nothing is done.
func TestAttackAccountAfterTheSessionEnded(t *testing.T) {
	everySelf(t, func(s *self) {
		s.link("theirs", s.ref())
		s.want(201, "POST", "/backup-codes", nil)
		s.idp.EnrollPasskey(s.user)
		passkeys, err := s.idp.Provider.Directory.Credentials.Passkeys(s.Context(), s.ref(), "")
		s.must(err)
		had := s.ways()
		for _, c := range []struct {
			path string
			form url.Values
		}{
			{"/account/security", url.Values{"action": {"draw_codes"}}},
			{"/account/security", url.Values{"action": {"remove_codes"}}},
			{"/account/security", url.Values{"action": {"remove"}, "id": {s.ref().ID + "/" + string(directory.BackupCodesCredential)}}},
			{"/account/security", url.Values{"action": {"unlink"}, "id": {"theirs"}}},
			{"/account/security", url.Values{"action": {"rename"}, "id": {passkeys[0].ID}, "label": {"mine"}}},
			{"/account/contact", url.Values{"action": {"save"}, "email": {"mallory@example.com"}}},
		} {
			v := newVisitor(t, s.idp, s.user)
			s.endSessionsOnWrite()
			if got := v.post(c.path, c.form); got.status != http.StatusSeeOther || got.location != c.path {
				t.Errorf("%v: %d %s", c.form, got.status, got.location)
			}
			s.idp.Heal()
			if page := v.get(c.path); page.status != http.StatusSeeOther {
				t.Errorf("%v: still signed in: %d", c.form, page.status)
			}
			if got := s.ways(); !slices.Equal(got, had) {
				t.Errorf("%v: there are %v, and were %v", c.form, got, had)
			}
			if u := s.find(); u.Email == "mallory@example.com" || u.PendingEmail != "" {
				t.Errorf("%v: the address is %q, or to be %q", c.form, u.Email, u.PendingEmail)
			}
		}
	}, withAccount, withGoogle)
}

// endSessionsOnWrite ends the person's sessions just before something is written of how they sign in.
func (s *self) endSessionsOnWrite() {
	s.idp.Faults.Hook(func(c storetest.Call) error {
		if !slices.ContainsFunc(c.Ops, func(op store.Op) bool {
			return slices.Contains([]string{"directory.credential", "federated.link", "directory.user"}, op.Record.Kind.Name)
		}) {
			return nil
		}
		s.idp.Heal()
		list, err := s.idp.Provider.Directory.ActiveSessions(s.Context(), s.subject())
		for _, session := range list {
			err = errors.Join(err, s.idp.Provider.Directory.EndOwnSession(s.Context(), s.subject(), session.ID))
		}
		return err
	})
}

// ways are by what the person signs in.
func (s *self) ways() (list []string) {
	s.Helper()
	credentials, err := s.idp.Provider.Directory.Credentials.List(s.Context(), s.ref())
	s.must(err)
	for _, c := range credentials {
		list = append(list, c.ID+c.Set+c.Label)
	}
	links, err := s.idp.Provider.Connections.Links(s.Context(), s.ref())
	s.must(err)
	for _, l := range links {
		list = append(list, l.ID)
	}
	slices.Sort(list)
	return list
}

// A failing store is never an answer, whichever of its calls fails.
func TestMeFaults(t *testing.T) {
	t.Parallel()
	calls := []struct {
		method, path string
		body         any
	}{
		{"GET", "/api/users/v1/me/sessions", nil},
		{"GET", "/api/users/v1/me/totp", nil},
		{"POST", "/api/users/v1/me/totp", `{"action":"INIT"}`},
		{"POST", "/api/users/v1/me/totp", `{"action":"VALIDATE","verificationCode":"000000"}`},
		{"DELETE", "/api/users/v1/me/totp", nil},
		{"GET", "/api/users/v1/me/backup-codes", nil},
		{"POST", "/api/users/v1/me/backup-codes", nil},
		{"DELETE", "/api/users/v1/me/backup-codes", nil},
		{"GET", "/api/users/v1/me/federated-associations", nil},
		{"DELETE", "/api/users/v1/me/federated-associations", nil},
		{"DELETE", "/api/users/v1/me/federated-associations/absent", nil},
		{"GET", "/api/users/v1/me/mfa/authenticators", nil},
		{"GET", "/api/users/v1/me/push/discovery-data", nil},
		{"GET", "/api/users/v1/me/push/devices", nil},
		{"GET", "/api/users/v1/me/webauthn", nil},
		{"GET", "/api/users/v1/me/webauthn/start-registration", nil},
		{"GET", "/api/users/v1/me/applications", nil},
		{"GET", "/api/users/v1/me/consents", nil},
		{"GET", "/api/users/v2/me/authorized-apps", nil},
		{"GET", "/api/identity/user/v1.0/me", nil},
		{"POST", "/api/users/v1/me/change-password", map[string]string{"currentPassword": "wrong", "newPassword": "x"}},
	}
	for _, c := range calls {
		t.Run(c.method+c.path, func(t *testing.T) {
			t.Parallel()
			s := newSelf(t, storetest.Placement{Driver: memory.New()}, withPasskeys, onLocalhost, withGoogle)
			s.send(s.request(c.method, c.path, c.body)) // what is cached from here on
			s.idp.Faults.Forget()
			s.send(s.request(c.method, c.path, c.body))
			n := len(s.idp.Faults.Calls())
			if n == 0 {
				t.Fatal("the store was not asked")
			}
			for i := 1; i <= n; i++ {
				s.idp.Faults.FailCall(i, nil)
				a := s.send(s.request(c.method, c.path, c.body))
				if a.status != 503 || a.header.Get("Retry-After") == "" {
					t.Errorf("call %d of %d failed: %d %s", i, n, a.status, a.text)
				}
				s.idp.Heal()
			}
		})
	}
}

// Scripts of the origins that may call the token endpoint may call the API, by its methods, and no others.
func TestMeCORS(t *testing.T) {
	t.Parallel()
	s := newSelf(t, storetest.Placement{Driver: memory.New()}, func(c *signet.Config) {
		c.OIDC.CORS = &oidc.CORS{Origins: []string{"https://portal.example"}}
	})
	for origin, want := range map[string]string{"https://portal.example": "https://portal.example", "https://evil.example": ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.idp.URL+"/api/users/v1/me/sessions", nil)
		s.must(err)
		r.Header.Set("Origin", origin)
		response, err := s.idp.Client().Do(r)
		s.must(err)
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Origin"); got != want || want != "" && response.Header.Get("Access-Control-Allow-Methods") != "DELETE, GET" {
			t.Errorf("%s: %d %v", origin, response.StatusCode, response.Header)
		}
		call := s.request("GET", "/api/users/v1/me/sessions", nil)
		call.Header.Set("Origin", origin)
		if a := s.send(call); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s: %d %v", origin, a.status, a.header)
		}
	}
	put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.idp.URL+"/api/users/v1/me/sessions", nil)
	s.must(err)
	response, err := s.idp.Client().Do(put)
	s.must(err)
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(response.Header.Get("Allow"), "DELETE") {
		t.Errorf("PUT: %d %v", response.StatusCode, response.Header)
	}
}

// A token that is bound to a key is nobody's bearer token here either.
func TestAttackMeBoundToken(t *testing.T) {
	t.Parallel()
	s := newSelf(t, storetest.Placement{Driver: memory.New()}, func(c *signet.Config) { c.OIDC.DPoP = &oidc.DPoP{} })
	r := s.request("GET", "/api/users/v1/me/sessions", nil)
	r.Header.Set("Authorization", "DPoP "+s.tokens.AccessToken)
	a := s.send(r)
	if a.status != 401 || a.code() != "invalid_dpop_proof" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "DPoP ") {
		t.Errorf("the scheme without a proof: %d %s %q", a.status, a.text, a.header.Get("WWW-Authenticate"))
	}
}

// Accounts upstream are listed and unlinked, but for somebody else's, and for the last way in.
func TestMeLinks(t *testing.T) {
	everySelf(t, func(s *self) {
		bob := &directory.User{Username: "bob"}
		s.must(s.idp.Provider.Directory.CreateUser(t.Context(), bob, ""))
		s.link("anns", s.ref())
		s.link("bobs", bob.Ref())
		a := s.want(200, "GET", "/federated-associations", nil)
		if a.text != `[{"id":"anns","idpId":"google","federatedUserId":"at anns"}]` {
			t.Errorf("got %s", a.text)
		}
		s.want(404, "DELETE", "/federated-associations/bobs", nil)
		s.want(204, "DELETE", "/federated-associations/anns", nil)
		s.want(404, "DELETE", "/federated-associations/anns", nil)
		s.want(204, "DELETE", "/federated-associations", nil)

		s.idp.EnrollPasskey(bob)
		s.user = bob
		s.signIn()
		var keys []madePasskey
		s.want(200, "GET", "/webauthn", nil).into(t, &keys)
		s.want(200, "DELETE", "/webauthn/"+keys[0].Credential.ID, nil) // beside the link
		for _, path := range []string{"/federated-associations/bobs", "/federated-associations"} {
			if a := s.want(409, "DELETE", path, nil); a.code() != "ME-60004" {
				t.Errorf("%s: %s", path, a.text)
			}
		}
	}, withPasskeys, onLocalhost, withGoogle)
}

func withGoogle(c *signet.Config) {
	c.Connections = []federated.Connection{{Name: "google", Title: "Google", Provider: rp.Google("id", "secret", "")}}
}

// link links an account at Google with somebody.
func (s *self) link(id string, subject store.Ref) {
	s.Helper()
	db := s.idp.Provider.DB
	all := store.NewCollection(db, store.Type[federated.Link]{
		Kind: store.Kind{Name: "federated.link"},
		Index: func(l *federated.Link) []store.Entry {
			return []store.Entry{{Field: "subject", Value: store.Text(l.Subject.Org + "|" + l.Subject.ID)}}
		},
	})
	b := db.Batch()
	all.Insert(b, &federated.Link{Meta: store.Meta{ID: id}, Connection: "google", Issuer: "https://accounts.google.com", ExternalID: "at " + id, Subject: subject})
	s.must(b.Apply(s.Context()))
}

// The class that a host demands of everybody is the least, and takes nobody's second factor out of the demand (attacks.md C).
func TestAttackMeBelowTheEnrolled(t *testing.T) {
	t.Parallel()
	s := newSelf(t, storetest.Placement{Driver: memory.New()}, withAccount, func(c *signet.Config) {
		c.Me, c.Account = &me.Settings{ACR: directory.ACR1}, &account.Settings{ACR: directory.ACR1}
	})
	v := newVisitor(t, s.idp, s.user)
	s.want(201, "POST", "/backup-codes", nil)
	s.idp.EnrollTOTP(s.user)
	s.want(401, "DELETE", "/totp", nil)
	if got := v.post("/account/security", url.Values{"action": {"draw_codes"}}); got.status != http.StatusSeeOther {
		t.Errorf("on the page: %d", got.status)
	}
}

// A password that is typed once more does not make the second factor of hours ago a fresh one: who has the browser and knows the password
// takes nothing away. The challenge leads to where both are asked (attacks.md C, RFC 9470).
func TestAttackMeOldSecondFactor(t *testing.T) {
	everySelf(t, func(s *self) {
		s.idp.EnrollTOTP(s.user)
		b := s.signIn()
		s.idp.Advance(11 * time.Minute)
		maxAge := oauth2.SetAuthURLParam("max_age", "600")
		s.signInWith(b, maxAge)
		a := s.want(401, "DELETE", "/totp", nil)
		if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `acr_values="aal2", max_age=600`) {
			t.Errorf("%q", challenge)
		}
		s.want(401, "GET", "/webauthn/start-registration", nil)
		s.signInWith(b, maxAge, oauth2.SetAuthURLParam("acr_values", "aal2"))
		s.want(200, "DELETE", "/totp", nil)
	})
}
