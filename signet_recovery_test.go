package signet_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// recoverBy makes a call of the recovery API, and returns its answer with the texts that it has.
func recoverBy(t *testing.T, idp *idptest.Server, path, body string, edit ...func(*http.Request)) (status int, has map[string]string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, idp.URL+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	idp.Provider.ServeHTTP(rec, r)
	has = map[string]string{"text": rec.Body.String()}
	var learn func(any)
	learn = func(answer any) {
		switch answer := answer.(type) {
		case []any:
			for _, a := range answer {
				learn(a)
			}
		case map[string]any:
			for name, value := range answer {
				if text, ok := value.(string); ok {
					has[name] = text
				}
				learn(value)
			}
		}
	}
	var answer any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %d %q", path, rec.Code, rec.Body)
	}
	learn(answer)
	return rec.Code, has
}

// A whole provider, with the calls where the host wants them: the links in the answers lead there.
func TestRecoveryAPI(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		for _, at := range []string{"/api/users/v2/recovery", "/api/forgotten"} {
			idp := idptest.New(t, placed(p), func(c *signet.Config) {
				c.RecoveryAPI = true
				if at != "/api/users/v2/recovery" {
					c.Paths = map[string]string{"/api/users/v2/recovery": at}
				}
				c.Accounts.Recovery = directory.RecoveryPolicy{EmailLink: true, UsernameEmail: true}
			})
			name := "ann" + at[len(at)-1:]
			idp.User(name)
			address := name + "@example.com"
			status, begun := recoverBy(t, idp, at+"/password/init", `{"claims":[{"uri":"http://wso2.org/claims/username","value":"`+name+`"}]}`)
			if status != http.StatusOK || begun["href"] != at+"/password/recover" {
				t.Fatalf("init: %d %v", status, begun)
			}
			status, sent := recoverBy(t, idp, begun["href"], `{"recoveryCode":"`+begun["recoveryCode"]+`","channelId":"1"}`)
			if status != http.StatusAccepted || sent["notificationChannel"] != "EMAIL" {
				t.Fatalf("recover: %d %v", status, sent)
			}
			otp := idp.Mailbox().Code(address)
			status, confirmed := recoverBy(t, idp, at+"/password/confirm", `{"confirmationCode":"`+sent["flowConfirmationCode"]+`","otp":"`+otp+`"}`)
			if status != http.StatusOK || confirmed["href"] != at+"/password/reset" {
				t.Fatalf("confirm: %d %v", status, confirmed)
			}
			again := func(pass string) (int, map[string]string) {
				return recoverBy(t, idp, confirmed["href"], `{"resetCode":"`+confirmed["resetCode"]+`","flowConfirmationCode":"`+sent["flowConfirmationCode"]+`","password":"`+pass+`"}`)
			}
			if status, refused := again("short"); status != http.StatusPreconditionFailed || refused["code"] != "PWR-10006" || !strings.Contains(refused["description"], "characters") {
				t.Errorf("reset to a short one: %d %v", status, refused)
			}
			if status, done := again("a much better horse"); status != http.StatusOK || done["code"] != "PWR-02005" {
				t.Errorf("reset: %d %v", status, done)
			}
			user, err := idp.Provider.Directory.FindUser(t.Context(), "", name)
			if err != nil {
				t.Fatal(err)
			}
			if right, err := idp.Provider.Directory.Users.VerifyPassword(t.Context(), user, "a much better horse"); err != nil || !right {
				t.Errorf("the new password: %v %v", right, err)
			}
		}
	})
}

// Without anything that sends, nobody could recover anything.
func TestRecoveryAPIWithoutMessages(t *testing.T) {
	t.Parallel()
	if _, err := newProvider(signet.Config{RecoveryAPI: true}); err == nil || !strings.Contains(err.Error(), "Config.RecoveryAPI") {
		t.Errorf("got %v", err)
	}
}

// A page elsewhere cannot use what a browser has here: no cookie is read or set, a form is refused, and scripts of origins that are no
// application's are not let read anything.
func TestAttackRecoveryAPIFromAnotherOrigin(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) {
		c.RecoveryAPI = true
		c.OIDC.CORS = &oidc.CORS{Origins: []string{"https://portal.example"}}
		c.Accounts.Recovery = directory.RecoveryPolicy{EmailLink: true}
	})
	idp.User("ann")
	const body = `{"claims":[{"uri":"http://wso2.org/claims/username","value":"ann"}]}`
	for origin, want := range map[string]string{"https://portal.example": "https://portal.example", "https://evil.example": "", "null": ""} {
		for _, kind := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			r := httptest.NewRequest(http.MethodPost, idp.URL+"/api/users/v2/recovery/password/init", strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.AddCookie(&http.Cookie{Name: "__Host-signet-session", Value: "x"})
			rec := httptest.NewRecorder()
			idp.Provider.ServeHTTP(rec, r)
			h := rec.Header()
			if got := h.Get("Access-Control-Allow-Origin"); got != want || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Set-Cookie") != "" {
				t.Errorf("from %s: %d %v", origin, rec.Code, h)
			}
			if kind != "application/json" && rec.Code != http.StatusUnsupportedMediaType {
				t.Errorf("%s: %d %s", kind, rec.Code, rec.Body)
			}
		}
	}
	if sent := len(idp.Mailbox().All()); sent != 0 {
		t.Errorf("%d messages were sent", sent)
	}
}
