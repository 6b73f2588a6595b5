package native

import (
	"encoding/base64"
	"maps"
	"slices"

	"github.com/signet-idp/signet/flow"
)

// Authenticator is how programs know an Executor.
type Authenticator struct {
	// Name is its name in ids and IDP who stands behind it; "" is "custom-" with the name of the option, and "LOCAL".
	Name string
	IDP  string
	// DisplayName is what a person is shown; "" is Name.
	DisplayName string
	// Key is the key of its name in a program's own texts, as "authenticator.basic"; "" is "authenticator." with Name.
	Key string
	// Internal says that the program answers by itself, and not the person: as with a passkey.
	Internal bool
	// Params are what the program sends, in their order, as far as the Prompt has the fields; nil are its fields by their names.
	Params []Param
	// Actions are parameters that stand for actions of the Prompt, as "resendCode": with any value but "" and "false" the answer is
	// that action, and nothing else is looked at.
	Actions map[string]string
}

// Param is one value that a program sends.
type Param struct {
	// Name is how programs call it, and Field how the Prompt does.
	Name  string
	Field string
	// Key and DisplayName are for the program's form.
	Key         string
	DisplayName string
	// Confidential values are not shown while they are typed.
	Confidential bool
	// Optional values need not be sent.
	Optional bool
	// Multiple is for a list of texts.
	Multiple bool
}

// local is whose authenticators are ours.
const local = "LOCAL"

// builtIn are the authenticators of the engine's own Executors.
func builtIn() map[string]Authenticator {
	resend := map[string]string{"resendCode": "resend"}
	username := Param{Name: "username", Field: "username", Key: "username.param", DisplayName: "Username"}
	code := func(name, field, key, shown string) Param {
		return Param{Name: name, Field: field, Key: key, DisplayName: shown}
	}
	return map[string]Authenticator{
		"password": {
			Name: "BasicAuthenticator", DisplayName: "Username & Password", Key: "authenticator.basic",
			Params: []Param{
				username, {Name: "password", Field: "password", Key: "password.param", DisplayName: "Password", Confidential: true},
			},
		},
		"identifier": {
			Name: "IdentifierExecutor", DisplayName: "Identifier First", Key: "authenticator.identifier", Params: []Param{username},
		},
		"totp": {
			Name: "totp", DisplayName: "TOTP", Key: "authenticator.totp",
			Params: []Param{code("token", "otp", "totp.authenticator", "Token")},
		},
		"hotp": {
			Name: "hotp", DisplayName: "HOTP", Key: "authenticator.hotp",
			Params: []Param{
				code("token", "otp", "hotp.authenticator", "Token"),
				{Name: "nextToken", Field: "otp-next", Key: "hotp.next", DisplayName: "Next token", Optional: true},
			},
		},
		"hotp-enroll": {
			Name: "hotp-enroll", DisplayName: "HOTP enrolment", Key: "authenticator.hotp.enroll",
			Params: []Param{code("token", "otp", "hotp.authenticator", "Token")},
		},
		"totp-enroll": {
			Name: "totp-enroll", DisplayName: "TOTP enrolment", Key: "authenticator.totp.enroll",
			Params: []Param{code("token", "otp", "totp.authenticator", "Token")},
		},
		"renew-password": {
			Name: "renew-password", DisplayName: "New password", Key: "authenticator.renew.password",
			Params: []Param{{Name: "newPassword", Field: "new_password", Key: "new.password.param", DisplayName: "New password", Confidential: true}},
		},
		sessionLimit: {Name: "SessionExecutor", DisplayName: "Active sessions", Key: "authenticator.session.limit", Params: limitParams()},
		"email-code": {
			Name: "email-otp-authenticator", DisplayName: "Email OTP", Key: "authenticator.email.otp",
			Params: []Param{username, code("OTPCode", "otp", "code.param", "Code")}, Actions: resend,
		},
		"sms-code": {
			Name: "sms-otp-authenticator", DisplayName: "SMS OTP", Key: "authenticator.sms.otp",
			Params: []Param{username, code("OTPcode", "otp", "code.param", "Code")}, Actions: resend,
		},
		"backup-code": {
			Name: "backup-code-authenticator", DisplayName: "Backup Code", Key: "authenticator.backup.code",
			Params: []Param{code("BackupCode", "backup-code", "backup.code.param", "Backup Code")},
		},
		"magic-link": {
			Name: "MagicLinkAuthenticator", DisplayName: "Magic Link", Key: "authenticator.magic.link",
			Params: []Param{username, code("mlt", "mlt", "mlt.param", "Token")}, Actions: resend,
		},
		"push": {
			Name: "push-notification-authenticator", DisplayName: "Push Notification", Key: "authenticator.push.notification", Internal: true,
			Params: []Param{scenarioParam}, Actions: resend,
		},
		"passkey": {
			Name: "FIDOAuthenticator", DisplayName: "Passkey", Key: "authenticator.Fido", Internal: true, Params: []Param{passkeyParam},
		},
		"passkey-enroll": {
			Name: "passkey-enroll", DisplayName: "Passkey enrolment", Key: "authenticator.Fido.enroll", Internal: true,
			Params: []Param{passkeyParam},
		},
	}
}

// authenticators are those that a host has told of, over the built-in ones.
func authenticators(hosts map[string]Authenticator) map[string]Authenticator {
	all := builtIn()
	maps.Copy(all, hosts)
	for option, a := range all {
		all[option] = a.filled(option)
	}
	return all
}

// filled is the authenticator with what it leaves open.
func (a Authenticator) filled(option string) Authenticator {
	if a.Name == "" {
		a.Name = "custom-" + option
	}
	if a.IDP == "" {
		a.IDP = local
	}
	if a.DisplayName == "" {
		a.DisplayName = a.Name
	}
	if a.Key == "" {
		a.Key = "authenticator." + a.Name
	}
	return a
}

// id is what programs send to choose the authenticator. They are to take it as it is.
func (a Authenticator) id() string {
	return base64.RawURLEncoding.EncodeToString([]byte(a.Name + ":" + a.IDP))
}

// bareID is the id as some of the product's documents spell it, without the provider.
func (a Authenticator) bareID() string { return base64.RawURLEncoding.EncodeToString([]byte(a.Name)) }

// captchaParam is how programs call the solution of a captcha, whatever its service calls it.
const captchaParam = "captchaResponse"

// params are what the program sends for a prompt.
func (a Authenticator) params(prompt flow.Prompt) []Param {
	if prompt.Step == sessionLimit {
		return a.Params
	}
	var params []Param
	for _, p := range a.Params { // of which a step may ask one after the other
		if p == passkeyParam && prompt.WebAuthn != nil || p == scenarioParam && proceeds(prompt) || slices.ContainsFunc(prompt.Fields, func(f flow.Field) bool { return f.Name == p.Field }) {
			params = append(params, p)
		}
	}
	captcha := func(f flow.Field) bool { return f.Type == flow.CaptchaField }
	if i := slices.IndexFunc(prompt.Fields, captcha); i >= 0 {
		f := prompt.Fields[i]
		params = append(params, Param{Name: captchaParam, Field: f.Name, Key: f.Label, Optional: !f.Required})
	}
	if a.Params != nil {
		return params
	}
	for _, f := range slices.DeleteFunc(slices.Clone(prompt.Fields), captcha) {
		params = append(params, Param{
			Name: f.Name, Field: f.Name, Key: f.Label, Confidential: f.Type == flow.PasswordField, Optional: !f.Required,
		})
	}
	return params
}

// authenticator is how programs know an option.
func (t *Transport) authenticator(option string) Authenticator {
	if a, ok := t.known[option]; ok {
		return a
	}
	return Authenticator{}.filled(option)
}
