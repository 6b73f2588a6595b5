package native_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/native"
)

func id(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// view asks for a card's number, beside a code by SMS that is out.
func view(options ...string) flow.View {
	prompts := map[string]flow.Prompt{
		"card": {Step: "card", Fields: []flow.Field{
			{Name: "number", Type: flow.TextField, Label: "card.number", Required: true}, {Name: "pin", Type: flow.PasswordField, Label: "card.pin"},
		}},
		"sms-code": {Step: "sms-code", Fields: []flow.Field{{Name: "otp", Required: true}}},
	}
	v := flow.View{Flow: "f", Submit: "https://id.example.com/oauth2/authn"}
	for _, option := range options {
		prompt := prompts[option]
		v.Choices = append(v.Choices, flow.Choice{Option: option, Prompt: &prompt})
	}
	return v
}

// Every Failure of the flow has its code, its status and when to come back.
func TestFail(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"invalid_request":         {400, "ABA-60001"},
		"unknown_option":          {400, "ABA-60004"},
		"unsupported":             {501, "ABA-60006"},
		"flow_expired":            {400, "ABA-60008"},
		"flow_foreign":            {400, "ABA-60009"},
		"slow_down":               {429, "ABA-60013"},
		"too_many_resends":        {400, "ABA-60014"},
		"temporarily_unavailable": {503, "ABA-65001"},
		"something new":           {500, "ABA-65001"},
	} {
		rec := httptest.NewRecorder()
		status := want.status
		native.New(native.Config{}).Fail(rec, nil, flow.Failure{
			Status: status, Code: code, Correlation: "trace", RetryAfter: 1500 * time.Millisecond,
		})
		var got map[string]string
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != want.status || got["code"] != want.code || got["traceId"] != "trace" || got["message"] == "" || rec.Header().Get("Retry-After") != "2" {
			t.Errorf("%s: %d %s %v", code, rec.Code, rec.Body, rec.Header())
		}
	}
}

// A host's Executor is an authenticator with the fields of its Prompt, or what the host says.
func TestHostsAuthenticators(t *testing.T) {
	t.Parallel()
	words := func(_ *http.Request, _ []string, m flow.Message) string { return "<" + m.ID + ">" }
	for _, c := range []struct {
		config native.Config
		answer string
		want   []string
	}{
		{
			native.Config{Text: words},
			`{"authenticatorId":"` + id("custom-card:LOCAL") + `","params":{"number":"7","pin":"1"}}`,
			[]string{`"authenticator":"custom-card"`, `"param":"pin","type":"STRING","order":1,"i18nKey":"card.pin","displayName":"\u003ccard.pin\u003e","confidential":true`, `"requiredParams":["number"]`},
		},
		{
			native.Config{Authenticators: map[string]native.Authenticator{"card": {
				Name: "CardAuthenticator", IDP: "Bank", DisplayName: "Card", Params: []native.Param{{Name: "cardNumber", Field: "number"}, {Name: "pin", Field: "pin", Optional: true}},
			}}},
			`{"authenticatorId":"` + id("CardAuthenticator:Bank") + `","params":{"cardNumber":["7"],"pin":"1"}}`,
			[]string{`"authenticator":"Card"`, `"idp":"Bank"`, `"param":"cardNumber"`, `"requiredParams":["cardNumber"]`},
		},
	} {
		transport, rec := native.New(c.config), httptest.NewRecorder()
		transport.Show(rec, httptest.NewRequest(http.MethodPost, "/", nil), view("card"))
		for _, want := range c.want {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("no %s in %s", want, rec.Body)
			}
		}
		reply, err := transport.Read(view("card"), []byte(c.answer))
		if err != nil || reply.Option != "card" || reply.Fields.Get("number") != "7" || reply.Fields.Get("pin") != "1" {
			t.Errorf("%s: %+v, %v", c.answer, reply, err)
		}
	}
}

// The product spells the parameter of a code in two ways, and leaves out the provider in some ids: both are taken, and not twice.
func TestSpellings(t *testing.T) {
	t.Parallel()
	transport := native.New(native.Config{})
	for _, authenticator := range []string{"sms-otp-authenticator:LOCAL", "sms-otp-authenticator"} {
		for _, name := range []string{"OTPCode", "OTPcode"} {
			reply, err := transport.Read(view("card", "sms-code"), []byte(`{"authenticatorId":"`+id(authenticator)+`","params":{"`+name+`":"123456"}}`))
			if err != nil || reply.Option != "sms-code" || reply.Fields.Get("otp") != "123456" {
				t.Errorf("%s %s: %+v, %v", authenticator, name, reply, err)
			}
		}
	}
	both := `{"authenticatorId":"` + id("sms-otp-authenticator") + `","params":{"OTPCode":"1","OTPcode":"2"}}`
	if _, err := transport.Read(view("sms-code"), []byte(both)); err == nil {
		t.Error("a code in both spellings is taken")
	}
	resend := `{"authenticatorId":"` + id("sms-otp-authenticator:LOCAL") + `","params":{"resendCode":"true"}}`
	if reply, err := transport.Read(view("sms-code"), []byte(resend)); err != nil || reply.Action != "resend" {
		t.Errorf("%+v, %v", reply, err)
	}
}

// Consent is never shown as something that an app may answer.
func TestNoConsent(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	native.New(native.Config{}).Show(rec, nil, flow.View{Prompt: flow.Prompt{Step: "consent"}})
	if rec.Code != http.StatusNotImplemented || !strings.Contains(rec.Body.String(), "ABA-60006") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// FuzzRead holds that what is read fits the view, whatever an app has sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"authenticatorId":"` + id("custom-card:LOCAL") + `","params":{"number":"7"}}`))
	f.Add([]byte(`{"authenticatorId":"` + id("sms-otp-authenticator") + `","params":{"OTPcode":["1"]}}`))
	f.Add([]byte(`{"authenticatorId":"` + id("sms-otp-authenticator") + `","params":{"resendCode":false}}`))
	f.Add([]byte(`{"authenticatorId":null,"params":[]}`))
	f.Add([]byte(`{"AuthenticatorId":"x"}`))
	transport := native.New(native.Config{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		reply, err := transport.Read(view("card", "sms-code"), answer)
		if err != nil {
			return
		}
		fields := map[string][]string{"card": {"number", "pin"}, "sms-code": {"otp"}}[reply.Option]
		if fields == nil {
			t.Fatalf("%q is about %q", answer, reply.Option)
		}
		for name := range reply.Fields {
			if !strings.Contains(strings.Join(fields, " "), name) {
				t.Errorf("%q has the field %q", answer, name)
			}
		}
	})
}
