package builder_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/builder"
)

// fixture is a flow of testdata with some of its text replaced: old, new, old, new.
func fixture(t testing.TB, name string, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text)
	for i := 0; i+1 < len(replace); i += 2 {
		if !strings.Contains(edited, replace[i]) {
			t.Fatalf("%s has no %q", name, replace[i])
		}
		edited = strings.ReplaceAll(edited, replace[i], replace[i+1])
	}
	return edited
}

// Each rule has a flow that breaks it, and is told.
func TestRules(t *testing.T) {
	t.Parallel()
	const claims = "http://wso2.org/claims/"
	for _, c := range []struct {
		flow string
		edit []string
		want string
	}{
		{"registration", []string{`"REGISTRATION"`, `"LOGIN"`}, "flowType must be"},
		{"registration", []string{`"id": "who",`, `"id": "",`}, "an id is 1 to 64"},
		{"registration", []string{`"id": "pass"`, `"id": "mail"`}, `"mail": the id stands twice`},
		{"registration", []string{`"id": "again"`, `"id": "COMPLETE"`}, `is the end and no id`},
		{"registration", []string{`"id": "provision", "type": "EXECUTION"`, `"id": "provision", "type": "REDIRECTION"`}, `a step of the type "REDIRECTION" is not supported`},
		{"registration", []string{`"type": "EXECUTOR", "executor": {"name": "UserProvisioningExecutor"}`, `"type": "NEXT"`}, "a step without a form needs an action"},
		{"registration", []string{`"next": "more"`, `"next": "nowhere"`}, `"nowhere": an action leads there, and there is no such step`},
		{"registration", []string{`"next": "COMPLETE"`, `"next": "who"`}, "never ends in COMPLETE"},
		{"registration", []string{`, "next": "COMPLETE"`, ``}, `"provision": leads nowhere`},
		{"registration", []string{`"next": "verify"`, `"next": "more"`}, `"verify": nothing leads to the step`},
		{"registration", []string{`"action": {"type": "NEXT", "next": "provision"}`, `"action": {"type": "RESEND"}`}, `"more": a view needs a button that leads on`},
		{"registration", []string{`"action": {"type": "RESEND"}`, `"action": {"type": "NEXT", "next": "more"}`}, `"provision": there is a way here on which no address was verified`},
		{"registration", []string{`"config": {"text": "Again"}, "action": {"type": "RESEND"}`, `"config": {"text": "Again"}`}, `"again": a button needs an action`},
		{"registration", []string{`{"type": "NEXT", "next": "provision"}`, `{"type": "JUMP", "next": "provision"}`}, "an action is NEXT, or EXECUTOR"},
		{"registration", []string{`"variant": "H3", `, `"variant": "H3", "action": {"type": "NEXT", "next": "more"}, `}, "only a button has an action"},
		{"registration", []string{`"id": "more-form", "type": "FORM"`, `"id": "more-form", "type": "BLOCK"`}, `"family": an input must be in a form`},
		{"registration", []string{`"identifier": "` + claims + `lastname", `, ``}, `"family": an input needs an identifier`},
		{"registration", []string{claims + "lastname", claims + "shoesize"}, "must map to an attribute of the profile"},
		{"recovery-code", []string{claims + "username", claims + "mobile"}, "must map to an attribute of the profile"},
		{"registration-phone", []string{`"SMSOTPExecutor"`, `"SMSOTPExecutor"`}, `"phone": SMSOTPExecutor needs text messages, and none can be sent here`},
		{"registration-phone", []string{`"SMSOTPExecutor"}, "next": "provision"`, `"EmailOTPExecutor"}, "next": "provision"`, `"EmailOTPExecutor"}, "next": "phone"`, `"SMSOTPExecutor"}, "next": "phone"`}, `"verify": SMSOTPExecutor needs an address that was verified before it`},
		{"provider", []string{claims + "lastname", claims + "username"}, "and no username"},
		{"registration-username", []string{claims + "emailaddress", claims + "mobile"}, "a registration needs an e-mail input"},
		{"registration-phone", []string{claims + "mobile", claims + "givenname"}, `"phone": SMSOTPExecutor needs a phone input before it`},
		{"registration", []string{claims + "lastname", claims + "givenname"}, "asks for what a view before it has asked for"},
		{"registration", []string{`"identifier": "password"`, `"identifier": "` + claims + `givenname"`}, "the view asks twice"},
		{"registration", []string{"EmailOTPExecutor", "SMSOTPExecutor"}, "SMSOTPExecutor needs a phone input before it"},
		{"registration", []string{"EmailOTPExecutor", "HTTPExecutor"}, `the executor "HTTPExecutor" is not supported`},
		{"provider", []string{`"idpName": "up"`, `"idpName": "other"`}, `"up": OIDCExecutor needs a connection that there is: idpName "other"`},
		{"provider", []string{`, "meta": {"idpName": "up"}`, ``}, `"up": OIDCExecutor needs a connection that there is`},
		{"provider", []string{`"OIDCExecutor", "meta": {"idpName": "up"}`, `"GoogleExecutor", "meta": {"idpName": 7}`}, `idpName "google" is none`},
		{"provider", []string{`{"idpName": "up"}}, "next": "more"`, `{"idpName": "up"}}, "next": "check"`}, `EmailOTPExecutor needs an e-mail input before it`},
		{"provider", []string{`"identifier": "http://wso2.org/claims/lastname"`, `"identifier": "password"`, `"password", "label": "Password"`, `"http://wso2.org/claims/lastname", "label": "Password"`}, "who is asked for no address and no password"},
		{"provider", []string{`"name": "EmailOTPExecutor"}, "next": "more"`, `"name": "EmailOTPExecutor"}, "next": "again"`, `"id": "more", "type": "VIEW"`, `"id": "again", "type": "EXECUTION", "data": {"action": {"type": "EXECUTOR", "executor": {"name": "OIDCExecutor", "meta": {"idpName": "up"}}, "next": "more"}}}, {"id": "more", "type": "VIEW"`}, "somebody goes to a provider once, before an address was asked for"},
		{"provider", []string{`"name": "PasswordOnboardExecutor"}, "next": "check"`, `"name": "PasswordOnboardExecutor"}, "next": "more"`}, "nothing leads to the step"},
		{"registration", []string{`"identifier": "otp"`, `"identifier": "` + claims + `lastname"`}, `EmailOTPExecutor needs an input "otp"`},
		{"registration", []string{`"type": "EXECUTOR", "executor": {"name": "EmailOTPExecutor"}, "next": "more"`, `"type": "NEXT", "next": "more"`}, `an input "otp" needs EmailOTPExecutor`},
		{"registration", []string{claims + "emailaddress", claims + "lastname", `"` + claims + `lastname", "label": "Family name"`, `"` + claims + `emailaddress", "label": "Mail"`}, "EmailOTPExecutor needs an e-mail input before it"},
		{"registration", []string{`"type": "EXECUTOR", "executor": {"name": "PasswordOnboardExecutor"}`, `"type": "NEXT"`}, "a form with a password needs a provisioning action"},
		{"registration", []string{`"identifier": "password"`, `"identifier": "` + claims + `lastname"`, `"` + claims + `lastname", "label": "Family name"`, `"` + claims + `givenname", "label": "Family name"`, `"` + claims + `givenname", "label": "Given name", "required": true`, `"otp"`}, "somebody needs a password"},
		{"recovery-code", []string{"EmailOTPExecutor", "UserResolveExecutor", `"identifier": "otp"`, `"identifier": "` + claims + `emailaddress"`}, "a recovery needs a verification"},
		{"recovery-code", []string{claims + "username", "password"}, "a recovery begins with a view that asks for the username"},
		{"recovery-code", []string{"PasswordProvisioningExecutor", "UserResolveExecutor"}, "a form with a password needs a provisioning action"},
		{"recovery-sms", []string{"SMSOTPExecutor", "SMSOTPExecutor"}, `"verify": SMSOTPExecutor needs text messages, and none can be sent here`},
		{"recovery-sms", []string{`"identifier": "otp"`, `"identifier": "` + claims + `mobile"`}, "must map to an attribute of the profile"},
		{"recovery-link", []string{"MagicLinkExecutor", "UserResolveExecutor"}, "a recovery needs a verification"},
		{"recovery-link", []string{"MagicLinkExecutor", "EmailOTPExecutor"}, `EmailOTPExecutor needs an input "otp"`},
		{"passkey", []string{`"EmailOTPExecutor"}, "next": "key"`, `"EmailOTPExecutor"}, "next": "provision"`, `"id": "key-title"`, `"id": "key-title"`}, "nothing leads to the step"},
		{"passkey", []string{`"EXECUTION", "data": {"action": {"type": "EXECUTOR", "executor": {"name": "UserProvisioningExecutor"}, "next": "COMPLETE"}}}`, `"END", "data": {}}`}, "FIDO2Executor is followed by UserProvisioningExecutor"},
		{"passkey", []string{`"NEXT", "next": "verify"`, `"NEXT", "next": "key"`}, "nothing leads to the step"},
		{"passkey", []string{`"identifier": "` + claims + `emailaddress", "label": "Mail", "required": true}},`, `"identifier": "` + claims + `emailaddress", "label": "Mail", "required": true}}, {"id": "pass", "type": "INPUT", "config": {"identifier": "password"}},`, `{"type": "NEXT", "next": "verify"}`, `{"type": "EXECUTOR", "executor": {"name": "PasswordOnboardExecutor"}, "next": "verify"}`}, "FIDO2Executor takes the place of a password"},
		{"branches", []string{`"EmailOTPExecutor"}, "next": "pass"`, `"UserProvisioningExecutor"}, "next": "pass"`, `"otp", "label": "Code", "required": true}},` + "\n" + `          {"id": "verified"`, `"` + claims + `givenname", "label": "x"}},` + "\n" + `          {"id": "verified"`}, "is the last that a registration does"},
		{"branches", []string{`"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "provision"}`, `"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "mail"}`}, `"mail": asks for what a view before it has asked for`},
		{"branches", []string{`"type": "NEXT", "next": "verify"`, `"type": "NEXT", "next": "pass"`}, `"verify": nothing leads to the step`},
		{"branches", []string{`"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "provision"}`, `"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "how"}`}, "goes round in a circle"},
		{"branches", []string{`"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "provision"}`, `"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "COMPLETE"}`}, "needs UserProvisioningExecutor at its end"},
		{"branches", []string{`"config": {"text": "Skip"}, "action": {"type": "NEXT", "next": "provision"}`, `"config": {"text": "Skip"}, "action": {"type": "EXECUTOR", "executor": {"name": "EmailOTPExecutor"}, "next": "provision"}`}, `"skip": a button that does not send the form cannot do "EmailOTPExecutor"`},
		{"branches", []string{`"id": "instead", "type": "BUTTON", "variant": "SECONDARY", "config": {"text": "Only the mail"}, "action": {"type": "NEXT", "next": "mail"}`, `"id": "instead", "type": "BUTTON", "variant": "SECONDARY", "config": {"text": "Only the mail"}, "action": {"type": "NEXT", "next": "more"}`}, `"provision": there is a way here on which no address was verified`},
		{"branches", []string{`"id": "instead", "type": "BUTTON", "variant": "SECONDARY", "config": {"text": "Only the mail"}, "action": {"type": "NEXT", "next": "mail"}`, `"id": "instead", "type": "BUTTON", "variant": "SECONDARY", "config": {"text": "Only the mail"}, "action": {"type": "NEXT", "next": "pass"}`}, `"pass": a password is asked for with the e-mail address or after it`},
		{"branches", []string{`{"text": "Only the mail"}, "action": {"type": "NEXT", "next": "mail"}`, `{"text": "Only the mail"}, "action": {"type": "NEXT"}`}, "leads nowhere"},
		{"recovery-choice", []string{`"variant": "TEXT", "config": {"text": "With a link"}, "action": {"type": "NEXT", "next": "link-who"}`, `"variant": "TEXT", "config": {"text": "With a link"}, "action": {"type": "NEXT", "next": "save"}`}, "leads to where somebody says who they are"},
		{"recovery-choice", []string{`"UserResolveExecutor"}, "next": "code"`, `"UserResolveExecutor"}, "next": "link-who"`, `"text": "With a code"}, "action": {"type": "NEXT", "next": "code-who"}`, `"text": "With a code"}, "action": {"type": "NEXT", "next": "code-who"}`}, "nothing leads to the step"},
		{"recovery-choice", []string{`"EmailOTPExecutor"}, "next": "save"`, `"EmailOTPExecutor"}, "next": "link"`}, "a recovery has three steps"},
		{"recovery-choice", []string{`{"text": "With a link"}, "action": {"type": "NEXT", "next": "link-who"}`, `{"text": "With a link"}, "action": {"type": "EXECUTOR", "executor": {"name": "PasswordProvisioningExecutor"}, "next": "link-who"}`}, "a button that does not send the form cannot do"},
		{"invited", []string{"ConfirmationCodeValidationExecutor", "EmailOTPExecutor"}, `EmailOTPExecutor needs an input "otp"`},
		{"invited", []string{"ConfirmationCodeValidationExecutor", "MagicLinkExecutor"}, `the executor "MagicLinkExecutor" is not supported`},
		{"invited-code", []string{"ConfirmationCodeValidationExecutor\"}, \"next\": \"verify\"", "ConfirmationCodeValidationExecutor\"}, \"next\": \"choose\""}, `"verify": nothing leads to the step`},
		{"invited-code", []string{`"identifier": "otp"`, `"identifier": "password"`}, `EmailOTPExecutor needs an input "otp"`},
		{"invited-code", []string{`"EmailOTPExecutor"}, "next": "choose"`, `"EmailOTPExecutor"}, "next": "COMPLETE"`}, `"choose": nothing leads to the step`},
		{"invited-sms", []string{`"PasswordProvisioningExecutor"}, "next": "COMPLETE"`, `"SMSOTPExecutor"}, "next": "COMPLETE"`, `"identifier": "password"`, `"identifier": "otp"`}, "SMSOTPExecutor comes once"},
		{"invited", []string{"ConfirmationCodeValidationExecutor", "SMSOTPExecutor"}, "SMSOTPExecutor needs a form"},
		{"invited", []string{"ConfirmationCodeValidationExecutor", "PasswordProvisioningExecutor"}, "an invitation has one view"},
		{"invited", []string{`"identifier": "password"`, `"identifier": "otp"`}, `an input "otp" needs EmailOTPExecutor`},
	} {
		text := fixture(t, c.flow, c.edit...)
		f, err := builder.Parse([]byte(text))
		if err == nil {
			_, err = builder.Compile(f, builder.Terms{Connections: []builder.Connection{{Name: "up", Title: "Upstream"}}})
		}
		if _, ok := errors.AsType[*builder.RuleError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %q: %v, want %s", c.flow, c.edit, err, c.want)
		}
	}
	for text, want := range map[string]string{
		`{"flowType":"REGISTRATION","steps":[]}`:                                                                           "1 to 32 steps",
		`{"flowType":"REGISTRATION","steps":[{"id":"a","type":"VIEW","data":{}}]}`:                                         "a view needs components",
		`{"flowType":"REGISTRATION","flowType":"REGISTRATION"}`:                                                            "not well-formed",
		`{"flowType":"REGISTRATION","steps":[{"id":"end","type":"END","data":{}}]}`:                                        "a flow needs a view",
		`{"flowType":"ASK_PASSWORD","steps":[{"id":"end","type":"END","data":{}}]}`:                                        "a flow needs a view",
		`{"flowType":"REGISTRATION","steps":[` + strings.Repeat(`{"id":"a","type":"END","data":{}},`, 40) + `{"id":"b"}]}`: "1 to 32 steps",

		strings.Repeat(" ", 70<<10): "larger than 64 KiB",
	} {
		f, err := builder.Parse([]byte(text))
		if err == nil {
			_, err = builder.Compile(f, builder.Terms{Connections: []builder.Connection{{Name: "up", Title: "Upstream"}}})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
}

// FuzzCompile holds that whatever is drawn either breaks a rule or is a plan whose steps all have what they need.
func FuzzCompile(f *testing.F) {
	for _, name := range []string{"registration", "registration-phone", "registration-username", "branches", "passkey", "provider", "recovery-code", "recovery-link", "recovery-sms", "recovery-choice", "invited", "invited-code", "invited-sms"} {
		f.Add([]byte(fixture(f, name)))
	}
	f.Add([]byte(`{"flowType":"REGISTRATION","steps":[{"id":"a","type":"EXECUTION","data":{"action":{"type":"EXECUTOR","executor":{"name":"UserProvisioningExecutor"},"next":"COMPLETE"}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		drawn, err := builder.Parse(text)
		if err != nil {
			return
		}
		plan, err := builder.Compile(drawn, builder.Terms{
			Attributes: func(string) bool { return true }, Connections: []builder.Connection{{Name: "up"}, {Name: "google"}}, SMS: true,
		})
		if err != nil {
			if _, ok := errors.AsType[*builder.RuleError](err); !ok {
				t.Errorf("%q is refused by no rule: %v", text, err)
			}
			return
		}
		password := false
		for _, step := range plan.Steps() {
			for _, option := range step.Options {
				password = password || strings.HasPrefix(option, "register") || option == "invite" || option == "recover-password"
			}
		}
		if !password {
			t.Errorf("%q leads to no password", text)
		}
	})
}
