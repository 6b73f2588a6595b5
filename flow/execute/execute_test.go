package execute_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/store/directory"
)

// view is one of a registration whose step has a prompt.
func view(p flow.Prompt) flow.View {
	return flow.View{Flow: "f1", Plan: "register", Prompt: p, Choices: []flow.Choice{{Option: p.Step, Prompt: &p, Begun: true}}}
}

// answer is what a program is told of a view.
func answer(t *testing.T, v flow.View) (text string, all map[string]any) {
	t.Helper()
	rec := httptest.NewRecorder()
	execute.New(execute.Config{}).Show(rec, httptest.NewRequest(http.MethodPost, "/", nil), v)
	if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.String(), all
}

// A passkey is asked of the platform, and what answers it goes to the action that takes it.
func TestWebAuthn(t *testing.T) {
	t.Parallel()
	v := view(flow.Prompt{
		Step: "passkey-enroll", Actions: []flow.Action{{Name: "create"}, {Name: "later"}},
		WebAuthn: &flow.WebAuthn{Ceremony: flow.WebAuthnCreate, Options: json.RawMessage(`{"challenge":"AAAA"}`), Action: "created"},
	})
	text, all := answer(t, v)
	if all["type"] != "WEBAUTHN" || !strings.Contains(text, `"requiredParams":["tokenResponse"]`) {
		t.Fatalf("got %s", text)
	}
	data, _ := all["data"].(map[string]any)
	asked, _ := data["webAuthnData"].(string)
	challenge, err := base64.RawURLEncoding.DecodeString(asked)
	var c struct {
		RequestID string `json:"requestId"`
	}
	if err == nil {
		err = json.Unmarshal(challenge, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	response := base64.RawURLEncoding.EncodeToString([]byte(`{"requestId":"` + c.RequestID + `","credential":{"id":"x"}}`))
	reply, err := execute.New(execute.Config{}).Read(v, []byte(`{"flowId":"f1","inputs":{"tokenResponse":"`+response+`"}}`))
	if err != nil || reply.Action != "created" || reply.Fields.Get("credential") != `{"id":"x","rawId":"x"}` || reply.Option != "passkey-enroll" {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := execute.New(execute.Config{}).Read(v, []byte(`{"flowId":"f1","inputs":{"tokenResponse":"e30"}}`)); err == nil {
		t.Error("an answer to nothing is taken")
	}
}

// What was drawn is shown as it was drawn, with what the engine holds to; and it is read by the names in the drawing.
func TestDrawing(t *testing.T) {
	t.Parallel()
	v := view(flow.Prompt{
		Step:    "recover",
		Fields:  []flow.Field{{Name: "username", Required: true, Value: "ann"}},
		Actions: []flow.Action{{Name: "continue"}, {Name: "resend"}},
		Drawing: &flow.Drawing{Components: []flow.Drawn{{ID: "form", Type: "FORM", Components: []flow.Drawn{
			{ID: "mail", Type: "INPUT", Field: "username", Identifier: "urn:mail", Config: json.RawMessage(`{"identifier":"urn:mail","required":false,"hint":"h"}`)},
			{ID: "go", Type: "BUTTON", Action: flow.MainAction},
			{ID: "again", Type: "BUTTON", Action: "resend"},
			{ID: "text", Type: "TYPOGRAPHY"},
		}}}},
	})
	if text, _ := answer(t, v); !strings.Contains(text, `{"defaultValue":"ann","hint":"h","identifier":"urn:mail","required":true}`) ||
		!strings.Contains(text, `"requiredParams":["urn:mail"]`) || !strings.Contains(text, `"actionId":"go"`) {
		t.Errorf("got %s", text)
	}
	for body, want := range map[string]string{
		`{"actionId":"go","inputs":{"urn:mail":"ann"}}`:                                "continue",
		`{"actionId":"again"}`:                                                         "resend",
		`{"actionId":"continue","inputs":{"urn:mail":"ann"}}`:                          "FE-60009",
		`{"actionId":"text","inputs":{"urn:mail":"ann"}}`:                              "FE-60009",
		`{"actionId":"go","inputs":{"http://wso2.org/claims/username":"ann"}}`:         "FE-60008",
		`{"actionId":"go"}`:                                                            "FE-60002",
		`{"actionId":"go","flowType":"PASSWORD_RECOVERY","inputs":{"urn:mail":"ann"}}`: "FE-60007",
		`{"actionId":"go","inputs":{"urn:mail":["ann"]}}`:                              "FE-60008",
	} {
		reply, err := execute.New(execute.Config{}).Read(v, []byte(body))
		switch {
		case err == nil && reply.Action != want, err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %+v, %v, want %s", body, reply, err, want)
		}
	}
}

// The rules of a password are told beforehand.
func TestValidations(t *testing.T) {
	t.Parallel()
	text, _ := answer(t, view(flow.Prompt{
		Step: "register-password", Actions: []flow.Action{{Name: "continue"}},
		Fields: []flow.Field{{Name: "new_password", Type: flow.PasswordField, Policy: &directory.PasswordPolicy{
			MinLength: 8, MaxLength: 64, Digits: 1, Upper: 2, Repeats: 3,
		}}},
	}))
	for _, rule := range []string{
		`{"type":"RULE","name":"LengthValidator","conditions":[{"key":"min.length","value":"8"},{"key":"max.length","value":"64"}]}`,
		`{"type":"RULE","name":"NumeralValidator","conditions":[{"key":"min.length","value":"1"}]}`,
		`{"type":"RULE","name":"UpperCaseValidator","conditions":[{"key":"min.length","value":"2"}]}`,
		`{"type":"RULE","name":"RepeatedCharacterValidator","conditions":[{"key":"max.consecutive.character","value":"3"}]}`,
	} {
		if !strings.Contains(text, rule) {
			t.Errorf("no %s in %s", rule, text)
		}
	}
	if strings.Contains(text, "LowerCaseValidator") {
		t.Errorf("a rule that there is not: %s", text)
	}
}

// What a program cannot do is not offered to it.
func TestSupports(t *testing.T) {
	t.Parallel()
	transport := execute.New(execute.Config{})
	for _, option := range []string{"consent", "logout", "push"} {
		if transport.Supports(option, flow.Act(nil)) {
			t.Errorf("%s is supported", option)
		}
	}
	if !transport.Supports("register", flow.Act(nil)) || transport.Supports("register", nil) {
		t.Error("a registration is not supported, or what is not there is")
	}
}

// FuzzRead holds that what is read fits the view, whatever a program has sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"flowId":"f","actionId":"continue","inputs":{"otp":"1"}}`))
	f.Add([]byte(`{"inputs":{"otp":true}}`))
	f.Add([]byte(`{"actionId":"method_x"}`))
	v := view(flow.Prompt{
		Step: "register-code", Fields: []flow.Field{{Name: "otp", Required: true}}, Actions: []flow.Action{{Name: "login"}, {Name: "resend"}},
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		reply, err := execute.New(execute.Config{}).Read(v, body)
		if err != nil {
			return
		}
		if reply.Option != "register-code" || reply.Action != "login" && reply.Action != "resend" {
			t.Errorf("%q is %+v", body, reply)
		}
		for name := range reply.Fields {
			if name != "otp" {
				t.Errorf("%q has the field %q", body, name)
			}
		}
	})
}
