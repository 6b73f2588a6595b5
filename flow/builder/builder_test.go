package builder_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

const (
	mail     = "http://wso2.org/claims/emailaddress"
	given    = "http://wso2.org/claims/givenname"
	family   = "http://wso2.org/claims/lastname"
	username = "http://wso2.org/claims/username"
)

// A drawn registration asks for what was drawn, in its order, makes one account of it, and tells who has one already the same.
func TestDrawnRegistration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("registration", "REGISTRATION")
	a := w.start("REGISTRATION")
	if a.asks() != mail+" password "+given || !strings.Contains(a.Text, `"actionId":"join"`) || !strings.Contains(a.Text, `"label":"Your mail"`) {
		t.Fatalf("got %s", a.Text)
	}
	if a = w.send("join", mail, "zoe@example.com", "password", newPassword, given, " "); a.asks() != mail+" password "+given || a.message() != "register.missing" {
		t.Fatalf("without a name: %s", a.Text)
	}
	if a = w.send("join", mail, "zoe@example.com", "password", "short", given, "Zoe"); a.asks() != mail+" password "+given || a.message() == "" {
		t.Fatalf("a weak password: %s", a.Text)
	}
	if w.letter().To != "" {
		t.Fatalf("a message was sent for a form that was refused: %+v", w.letter())
	}
	if a = w.send("join", mail, "zoe@example.com", "password", newPassword, given, "Zoe"); a.asks() != "otp" {
		t.Fatalf("got %s", a.Text)
	}
	sent := w.letter()
	if sent.Params[notify.Link] != "" {
		t.Error("the message has a link, which would begin another flow")
	}
	if a = w.send("confirm", "otp", "000000"); a.asks() != "otp" || a.message() != "code.wrong" {
		t.Fatalf("a wrong code: %s", a.Text)
	}
	if a = w.send("confirm", "otp", sent.Params[notify.Code]); a.FlowStatus != "INCOMPLETE" || !strings.Contains(a.Text, `"Family name"`) {
		t.Fatalf("got %s", a.Text)
	}
	if _, err := w.FindUser(t.Context(), "", "zoe@example.com"); err == nil {
		t.Error("there is an account before the flow is over")
	}
	if a = w.send("done", family, "Zed"); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "zoe@example.com")
	if err != nil || user.GivenName != "Zoe" || user.FamilyName != "Zed" || !user.EmailVerified {
		t.Fatalf("%v %+v", err, user)
	}
	if right, err := w.Users.VerifyPassword(t.Context(), user, newPassword); err != nil || !right {
		t.Errorf("the password is not theirs: %v", err)
	}
	w.advance(2 * time.Minute)
	w.start("REGISTRATION")
	if a = w.send("join", mail, "zoe@example.com", "password", newPassword, given, "Eve"); a.asks() != "otp" || a.message() != "" {
		t.Errorf("somebody known: %s", a.Text)
	}
	if w.letter().Template != notify.AccountExists {
		t.Errorf("somebody known is sent %+v", w.letter())
	}
}

// Whoever is overtaken by somebody with the same address makes no account, and is led back to where they began.
func TestDrawnRegistrationOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("registration", "REGISTRATION")
	w.start("REGISTRATION")
	w.send("join", mail, "zoe@example.com", "password", newPassword, given, "Zoe")
	w.send("confirm", "otp", w.letter().Params[notify.Code])
	w.must(w.CreateUser(t.Context(), &directory.User{Username: "zoe@example.com", Email: "zoe@example.com"}, "correct horse battery"))
	a := w.send("done", family, "Zed")
	if a.FlowStatus != "INCOMPLETE" || a.message() != "ticket.void" || a.asks() != mail+" password "+given {
		t.Errorf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "zoe@example.com")
	if err != nil || user.FamilyName != "" {
		t.Errorf("%v %+v", err, user)
	}
}

func TestDrawnRecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}
	w.must(w.CreateUser(t.Context(), user, "correct horse battery"))
	w.draw("recovery-code", "PASSWORD_RECOVERY")
	if a := w.start("PASSWORD_RECOVERY"); a.asks() != username {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("find", username, "ann"); a.asks() != "otp" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.asks() != "password" || w.letter().Params[notify.Link] != "" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("save", "password", newPassword); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "ann")
	w.must(err)
	if right, err := w.Users.VerifyPassword(t.Context(), user, newPassword); err != nil || !right {
		t.Errorf("the password is not theirs: %v", err)
	}
}

// A drawn recovery by text message sends its code to the number and nowhere else, and tells of nobody, who has no number, the same.
func TestDrawnRecoveryBySMS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recovers(func(p *directory.RecoveryPolicy) { p.SMSCode, p.SignIn = true, true })
	w.must(w.CreateUser(t.Context(), &directory.User{
		Username: "ann", Email: "ann@example.com", EmailVerified: true, Phone: "+4930123456", PhoneVerified: true,
	}, "correct horse battery"))
	w.must(w.CreateUser(t.Context(), &directory.User{Username: "bob", Email: "bob@example.com", EmailVerified: true}, "correct horse battery"))
	w.draw("recovery-sms", "PASSWORD_RECOVERY")
	w.app()
	for _, name := range []string{"nobody", "bob", "ann"} {
		if a := w.start("PASSWORD_RECOVERY"); a.asks() != username {
			t.Fatalf("%s: %s", name, a.Text)
		}
		if a := w.send("find", username, name); a.asks() != "otp" || a.message() != "" || !strings.Contains(a.Text, `"actionId":"again"`) {
			t.Fatalf("%s: %s", name, a.Text)
		}
		if name != "ann" && w.letter().To != "" {
			t.Errorf("%s: sent %+v", name, w.letter())
		}
	}
	w.advance(61 * time.Second)
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.message() != "code.wrong" {
		t.Errorf("a code of more than a minute: %s", a.Text)
	}
	w.send("again")
	if sent := w.letter(); sent.Channel != notify.SMS || sent.To != "+4930123456" || sent.Params[notify.Link] != "" {
		t.Errorf("sent %+v", sent)
	}
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.asks() != "password" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("save", "password", newPassword); a.FlowStatus != "COMPLETE" || a.Data.Assertion == "" {
		t.Fatalf("got %s", a.Text)
	}
}

// A drawn recovery gives way to the engine's where the policy has closed one of its ways, and whoever has begun with it is not let go on by that.
func TestAttackDrawnRecoveryByAClosedWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.CreateUser(t.Context(), &directory.User{
		Username: "ann", Email: "ann@example.com", EmailVerified: true, Phone: "+4930123456", PhoneVerified: true,
	}, "correct horse battery"))
	w.draw("recovery-sms", "PASSWORD_RECOVERY")
	if a := w.start("PASSWORD_RECOVERY"); strings.Contains(a.Text, "Find me") {
		t.Errorf("closed: %s", a.Text)
	}
	w.recovers(func(p *directory.RecoveryPolicy) { p.SMSCode = true })
	if a := w.start("PASSWORD_RECOVERY"); !strings.Contains(a.Text, "Find me") {
		t.Fatalf("open: %s", a.Text)
	}
	w.recovers(func(p *directory.RecoveryPolicy) { p.SMSCode = false })
	if a := w.send("find", username, "ann"); a.Code != "FE-60006" || w.letter().To != "" {
		t.Errorf("closed meanwhile: %s, sent %+v", a.Text, w.letter())
	}
	w.draw("recovery-code", "PASSWORD_RECOVERY")
	w.recovers(func(p *directory.RecoveryPolicy) { p.EmailLink, p.SMSCode = false, true })
	if a := w.start("PASSWORD_RECOVERY"); strings.Contains(a.Text, "Find me") {
		t.Errorf("by mail, closed: %s", a.Text)
	}
}

func TestDrawnRecoveryByLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.CreateUser(t.Context(), &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}, "correct horse battery"))
	w.draw("recovery-link", "PASSWORD_RECOVERY")
	if a := w.start("PASSWORD_RECOVERY"); a.asks() != mail {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("find", mail, "ann@example.com"); a.asks() != "confirmationCode" {
		t.Fatalf("got %s", a.Text)
	}
	_, ticket, _ := strings.Cut(w.letter().Params[notify.Link], "?ticket=")
	if a := w.send("", "confirmationCode", ticket+"x"); a.asks() != "confirmationCode" || a.message() != "ticket.void-for-good" {
		t.Fatalf("another link: %s", a.Text)
	}
	waiting := w.flow
	if a := w.execute(map[string]any{"flowType": "PASSWORD_RECOVERY", "inputs": map[string]string{"confirmationCode": ticket}}); a.asks() != "password" {
		t.Errorf("who comes by the link: %s", a.Text)
	}
	w.flow = waiting
	if a := w.send("", "confirmationCode", ticket); a.asks() != "password" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("save", "password", newPassword); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
}

func TestDrawnInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.db.Batch()
	_, issued, err := w.Invite(t.Context(), b, &directory.User{Username: "ann", Email: "ann@example.com"}, directory.LinkByEmail)
	w.must(err)
	w.must(b.Apply(t.Context()))
	w.draw("invited", "INVITED_USER_REGISTRATION")
	if a := w.start("ASK_PASSWORD"); a.asks() != "confirmationCode" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("", "confirmationCode", issued.Token.Reveal()); a.asks() != "password" || !strings.Contains(a.Text, `"actionId":"save"`) {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("save", "password", newPassword); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
}

// What was drawn comes back as it was sent, also what nobody here knows.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, flowType := range map[string]string{
		"branches": "REGISTRATION", "passkey": "REGISTRATION", "provider": "REGISTRATION", "recovery-choice": "PASSWORD_RECOVERY",
		"registration": "REGISTRATION", "registration-phone": "REGISTRATION", "registration-username": "REGISTRATION", "recovery-code": "PASSWORD_RECOVERY", "recovery-link": "PASSWORD_RECOVERY", "recovery-sms": "PASSWORD_RECOVERY", "invited": "ASK_PASSWORD", "invited-code": "ASK_PASSWORD", "invited-sms": "ASK_PASSWORD",
	} {
		w := newWorld(t)
		if status, answer := w.call(http.MethodGet, builder.Path+"?flowType="+flowType, ""); status != http.StatusNotFound {
			t.Errorf("%s: before, %d %s", name, status, answer)
		}
		text, err := os.ReadFile("testdata/" + name + ".json")
		w.must(err)
		w.draw(name, flowType)
		status, answer := w.call(http.MethodGet, builder.Path+"?flowType="+flowType, "")
		var sent, got any
		w.must(json.Unmarshal(text, &sent))
		w.must(json.Unmarshal([]byte(answer), &got))
		if status != http.StatusOK || !reflect.DeepEqual(sent, got) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

// A flow that is disabled, or deleted, gives the place back to the plan of the engine; one that is under way ends as it began.
func TestEnabling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stock := w.start("REGISTRATION").asks()
	w.draw("registration", "REGISTRATION")
	drawn := w.start("REGISTRATION").asks()
	under := w.flow
	w.enable("REGISTRATION", false)
	if a := w.start("REGISTRATION"); a.asks() != stock || drawn == stock {
		t.Errorf("disabled: %s", a.Text)
	}
	w.flow = under
	if a := w.send("join", mail, "zoe@example.com", "password", newPassword, given, "Zoe"); a.asks() != "otp" || !strings.Contains(a.Text, `"actionId":"confirm"`) {
		t.Errorf("under way: %s", a.Text)
	}
	w.enable("REGISTRATION", true)
	if a := w.start("REGISTRATION"); a.asks() != drawn {
		t.Errorf("enabled again: %s", a.Text)
	}
	if status, answer := w.call(http.MethodDelete, builder.Path+"?flowType=REGISTRATION", ""); status != http.StatusNoContent {
		t.Errorf("%d %s", status, answer)
	}
	w.advance(2 * time.Second)
	if a := w.start("REGISTRATION"); a.asks() != stock {
		t.Errorf("deleted: %s", a.Text)
	}
}

// Drawn or not: what the policies have closed is closed.
func TestAttackDrawnFlowIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("registration", "REGISTRATION")
	policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Registration, "", "")
	w.must(err)
	policy.Enabled = false
	w.must(directory.Set(t.Context(), w.Settings, w.Settings.Registration, "", "", policy))
	w.advance(2 * time.Second)
	if a := w.start("REGISTRATION"); a.Code != "FE-60006" {
		t.Errorf("got %s", a.Text)
	}
}

// Nobody draws flows without the scope for it, nor reads them.
func TestAttackManagementWithoutScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for scope, calls := range map[string][]string{
		"":                {"GET ", "GET /meta", "GET /configs", "GET /config", "PUT ", "DELETE ", "PATCH /config"},
		builder.ScopeView: {"PUT ", "DELETE ", "PATCH /config"},
	} {
		w.scopes = scope
		for _, call := range calls {
			method, path, _ := strings.Cut(call, " ")
			if status, answer := w.call(method, builder.Path+path+"?flowType=REGISTRATION", "{}"); status != http.StatusForbidden {
				t.Errorf("%s with %q: %d %s", call, scope, status, answer)
			}
		}
	}
}

func TestManagementErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ method, path, body, code string }{
		{"GET", "", "", "FM-60001"},
		{"GET", "?flowType=LOGIN", "", "FM-60001"},
		{"GET", "?flowType=REGISTRATION", "", "FM-60003"},
		{"PUT", "", `{"flowType":"REGISTRATION"`, "FM-60004"},
		{"PUT", "", `{"flowType":"REGISTRATION","steps":[]}`, "FM-60004"},
		{"PUT", "", strings.Repeat(" ", 70<<10), "FM-60002"},
		{"PATCH", "/config", `{"flowType":"LOGIN"}`, "FM-60001"},
		{"PATCH", "/config", `{"flowType":"REGISTRATION","isEnabled":true}`, "FM-60003"},
		{"PATCH", "/config?flowType=PASSWORD_RECOVERY", `{"flowType":"REGISTRATION"}`, "FM-60001"},
		{"PATCH", "/config", `{"flowType":"REGISTRATION","flowCompletionConfigs":{"isAccountLockOnCreationEnabled":"true"}}`, "FM-60004"},
		{"PATCH", "/config", `[`, "FM-60002"},
	} {
		if status, answer := w.call(c.method, builder.Path+c.path, c.body); status < 400 || !strings.Contains(answer, c.code) {
			t.Errorf("%s %s %.60s: %d %s, want %s", c.method, c.path, c.body, status, answer, c.code)
		}
	}
	told := func(name, claim string, required bool) string {
		return fmt.Sprintf(`{"name":%q,"claimURI":"http://wso2.org/claims/%s","required":%t,"readOnly":false,"validators":[]}`, name, claim, required)
	}
	for _, c := range []struct{ path, want string }{
		{"/meta?flowType=REGISTRATION", `"supportedExecutors":["PasswordOnboardExecutor","PasswordProvisioningExecutor","UserProvisioningExecutor","EmailOTPExecutor",`},
		// A registration may do without a name to sign in with, and not without an address; people are found by either.
		{"/meta?flowType=REGISTRATION", `"attributeMetadata":[` + told("username", "username", false) + "," + told("email", "emailaddress", true) + "," + told("given_name", "givenname", false)},
		{"/meta?flowType=PASSWORD_RECOVERY", `"attributeMetadata":[` + told("username", "username", false) + "," + told("email", "emailaddress", false) + "]"},
		{"/meta?flowType=ASK_PASSWORD", `"flowType":"INVITED_USER_REGISTRATION"`},
		{"/configs", `[{"flowType":"REGISTRATION","isEnabled":false,"flowCompletionConfigs":{}},{"flowType":"PASSWORD_RECOVERY"`},
		{"/config?flowType=REGISTRATION", `{"flowType":"REGISTRATION","isEnabled":false,"flowCompletionConfigs":{}}`},
	} {
		if status, answer := w.call("GET", builder.Path+c.path, ""); status != http.StatusOK || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", c.path, status, answer)
		}
	}
}

// Whether somebody is told at the end is for the flow to say.
func TestCompletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.CreateUser(t.Context(), &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}, "correct horse battery"))
	w.draw("recovery-code", "PASSWORD_RECOVERY")
	body := `{"flowType":"PASSWORD_RECOVERY","flowCompletionConfigs":{"isFlowCompletionNotificationEnabled":"true"}}`
	if status, answer := w.call("PATCH", builder.Path+"/config", body); status != http.StatusOK || !strings.Contains(answer, `"isEnabled":true`) {
		t.Fatalf("%d %s", status, answer)
	}
	w.advance(2 * time.Second)
	w.start("PASSWORD_RECOVERY")
	w.send("find", username, "ann")
	w.send("confirm", "otp", w.letter().Params[notify.Code])
	w.send("save", "password", newPassword)
	if w.letter().Template != notify.PasswordResetSuccess {
		t.Errorf("the last message is %+v", w.letter())
	}
}

// Pages ask what was drawn, too.
func TestDrawnPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("registration", "REGISTRATION")
	r := httptest.NewRequest(http.MethodGet, issuer+"/register", nil)
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	if rec.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	r = httptest.NewRequest(http.MethodGet, issuer+rec.Header().Get("Location"), nil)
	for _, cookie := range rec.Result().Cookies() {
		r.AddCookie(cookie)
	}
	rec = httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	for _, field := range []string{`name="email"`, `name="new_password"`, `name="given_name"`} {
		if !strings.Contains(rec.Body.String(), field) {
			t.Errorf("the page has no %s: %d %s", field, rec.Code, rec.Body)
		}
	}
}

// A store that fails is a failure: for administrators, and for those whose flow was drawn.
func TestFaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/registration.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body string }{
		{"PUT", builder.Path, string(text)},
		{"PATCH", builder.Path + "/config", `{"flowType":"REGISTRATION","isEnabled":true}`},
		{"DELETE", builder.Path + "?flowType=REGISTRATION", ""},
		{"POST", "/api/server/v1/flow/execute", `{"flowType":"REGISTRATION"}`},
	} {
		failures := 0
		for call := 1; ; call++ {
			w := newWorld(t)
			w.draw("registration", "REGISTRATION")
			w.enable("REGISTRATION", c.method == "POST")
			w.advance(time.Hour)
			w.faults.FailCall(call, nil)
			status, answer := w.call(c.method, c.path, c.body)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if status >= 300 {
					t.Errorf("%s %s: %d %s", c.method, c.path, status, answer)
				}
				break
			}
			failures++
			if status != http.StatusServiceUnavailable || !strings.Contains(answer, "-65001") {
				t.Errorf("%s %s, call %d: %d %s", c.method, c.path, call, status, answer)
			}
		}
		if failures == 0 {
			t.Errorf("%s %s: no call could fail", c.method, c.path)
		}
	}
}
