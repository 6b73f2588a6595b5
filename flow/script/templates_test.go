package script_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/signet-idp/signet/flow/script"
)

// town is a fake of everything that the functions of scripts reach.
type town struct {
	groups, roles []string
	claims        map[string]string
	cookies       map[string]string
	score         any
	mails         []string
	password      string
}

func (w *town) functions() map[string]script.Function {
	anyOf := func(list *[]string) script.Function {
		return func(_ context.Context, c *script.Call) (any, error) {
			wanted, err := c.Texts(1)
			return slices.ContainsFunc(*list, func(s string) bool { return slices.Contains(wanted, s) }), err
		}
	}
	scored := func(context.Context, *script.Call) (any, error) {
		if w.score == nil {
			return nil, &script.RefusalError{Problem: "down"}
		}
		return w.score, nil
	}
	return map[string]script.Function{
		"isMemberOfAnyOfGroups": anyOf(&w.groups),
		"hasAnyOfTheRolesV2":    anyOf(&w.roles),
		"user.localClaims": func(_ context.Context, c *script.Call) (any, error) {
			if v, ok := w.claims[c.Args[1].(string)]; ok {
				return v, nil
			}
			return nil, nil
		},
		"user.localClaims=": func(_ context.Context, c *script.Call) (any, error) {
			w.claims[c.Args[1].(string)] = fmt.Sprint(c.Args[2])
			return nil, nil
		},
		"sendEmail": func(_ context.Context, c *script.Call) (any, error) {
			w.mails = append(w.mails, c.Args[1].(string)+" "+c.Map(2)["ip"].(string))
			return true, nil
		},
		"setCookie": func(_ context.Context, c *script.Call) (any, error) {
			w.cookies[c.Args[1].(string)] = c.Args[2].(string)
			return true, nil
		},
		"getCookieValue": func(_ context.Context, c *script.Call) (any, error) {
			if v, ok := w.cookies[c.Args[1].(string)]; ok {
				return v, nil
			}
			return nil, nil
		},
		"getUsersWithClaimValues": func(_ context.Context, c *script.Call) (any, error) {
			if c.Map(0)["http://wso2.org/claims/username"] == "ann" {
				return []*script.Person{ann}, nil
			}
			return []*script.Person{}, nil
		},
		"updateUserPassword": func(_ context.Context, c *script.Call) (any, error) {
			w.password = c.Args[1].(string)
			if len(w.password) < 8 {
				return nil, &script.RefusalError{Problem: "too short"}
			}
			return true, nil
		},
		"secrets.get":             func(_ context.Context, c *script.Call) (any, error) { return "the " + c.Args[0].(string), nil },
		"callElastic":             scored,
		"verifyUserWithTypingDNA": scored,
	}
}

// in begins a login by a template in a town.
func (w *town) in(t *testing.T, template string, edits ...func(*script.Login)) *visit {
	t.Helper()
	if w.claims == nil {
		w.claims = map[string]string{}
	}
	if w.cookies == nil {
		w.cookies = map[string]string{}
	}
	source := script.Templates()[template]
	if source == "" {
		t.Fatalf("there is no template %q", template)
	}
	e := newEngine(t, script.Config{Functions: w.functions()})
	p, err := e.Compile(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{t: t, engine: e, program: p, login: oneStep}
	v.login.Browser.Address = "192.168.1.7"
	v.login.Steps = [][]script.Option{
		{{Authenticator: "BasicAuthenticator"}, {Authenticator: "FIDOAuthenticator"}, {IDP: "Google", Authenticator: "GoogleOIDCAuthenticator"}},
		{{Authenticator: "totp"}, {Authenticator: "email-otp-authenticator"}, {Authenticator: "SessionExecutor"}},
		{{Authenticator: "FIDOAuthenticator"}},
	}
	for _, edit := range edits {
		edit(&v.login)
	}
	v.run()
	return v
}

func by(authenticator, idp string) script.Outcome {
	return script.Outcome{Result: script.Succeeded, Person: ann, Option: script.Option{Authenticator: authenticator, IDP: idp}}
}

var failure = script.Outcome{Result: script.Failed, Person: &script.Person{Username: "ann"}}

func with(o script.Outcome, params ...string) script.Outcome {
	o.Params = map[string][]string{}
	for i := 0; i < len(params); i += 2 {
		o.Params[params[i]] = []string{params[i+1]}
	}
	return o
}

func answered(data map[string]any) script.Outcome {
	return script.Outcome{Result: script.Succeeded, Data: data}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	const dob = "http://wso2.org/claims/dob"
	from := func(ip string) func(*script.Login) { return func(l *script.Login) { l.Browser.Address = ip } }
	acr := func(values ...string) func(*script.Login) { return func(l *script.Login) { l.ACR = values } }
	const failures = "http://wso2.org/claims/identity/failedLoginAttemptsBeforeSuccess"
	const preference = "http://wso2.org/claims/identity/preferredMFAOption"
	all := map[string]map[string]func(t *testing.T){
		"user-age": {
			"of age": func(t *testing.T) {
				(&town{claims: map[string]string{dob: "2008-11-23"}}).in(t, "user-age").wants("step 1").succeed(ann).wants("complete")
			},
			"a day too young": func(t *testing.T) {
				(&town{claims: map[string]string{dob: "2008-11-24"}}).in(t, "user-age").succeed(ann).wants("fail access_denied")
			},
			"without a birthday": func(t *testing.T) { (&town{}).in(t, "user-age").succeed(ann).wants("fail access_denied") },
			"with nonsense": func(t *testing.T) {
				(&town{claims: map[string]string{dob: "long ago"}}).in(t, "user-age").succeed(ann).wants("fail access_denied")
			},
		},
		"group-access": {
			"member": func(t *testing.T) {
				(&town{groups: []string{"manager"}}).in(t, "group-access").succeed(ann).wants("complete")
			},
			"stranger": func(t *testing.T) { (&town{}).in(t, "group-access").succeed(ann).wants("fail access_denied") },
		},
		"concurrent-session": {
			"admin": func(t *testing.T) {
				v := (&town{roles: []string{"admin"}}).in(t, "concurrent-session").succeed(ann).wants("step 2")
				if v.out.Next.Params.For(script.Option{Authenticator: "SessionExecutor"})["MaxSessionCount"] != "1" {
					t.Errorf("%+v", v.out.Next)
				}
				v.succeed(ann).wants("complete")
			},
			"nobody special": func(t *testing.T) { (&town{}).in(t, "concurrent-session").succeed(ann).wants("complete") },
		},
		"role-mfa": {
			"admin":          func(t *testing.T) { (&town{roles: []string{"admin"}}).in(t, "role-mfa").succeed(ann).wants("step 2") },
			"nobody special": func(t *testing.T) { (&town{roles: []string{"x"}}).in(t, "role-mfa").succeed(ann).wants("complete") },
		},
		"acr": {
			"none": func(t *testing.T) { (&town{}).in(t, "acr").wants("step 1").succeed(ann).wants("complete") },
			"acr2": func(t *testing.T) {
				v := (&town{}).in(t, "acr", acr("acr2", "acr1")).wants("step 1").succeed(ann).wants("step 2").succeed(ann).wants("complete")
				if v.out.SelectedACR != "acr2" {
					t.Errorf("%+v", v.out)
				}
			},
			"acr3": func(t *testing.T) { (&town{}).in(t, "acr", acr("acr1", "acr3")).succeed(ann).wants("step 3") },
		},
		"user-store-mfa": {
			"employee": func(t *testing.T) {
				(&town{}).in(t, "user-store-mfa").succeed(&script.Person{Username: "ann", Store: "EMPLOYEES"}).wants("step 2")
			},
			"somebody": func(t *testing.T) { (&town{}).in(t, "user-store-mfa").succeed(ann).wants("complete") },
		},
		"login-attempts-mfa": {
			"three": func(t *testing.T) {
				w := &town{claims: map[string]string{failures: "3"}}
				w.in(t, "login-attempts-mfa").succeed(ann).wants("step 2").succeed(ann).wants("complete")
				if w.claims[failures] != "0" {
					t.Error(w.claims)
				}
			},
			"two": func(t *testing.T) {
				(&town{claims: map[string]string{failures: "2"}}).in(t, "login-attempts-mfa").succeed(ann).wants("complete")
			},
			"none": func(t *testing.T) { (&town{}).in(t, "login-attempts-mfa").succeed(ann).wants("complete") },
		},
		"group-mfa": {
			"member":   func(t *testing.T) { (&town{groups: []string{"admin"}}).in(t, "group-mfa").succeed(ann).wants("step 2") },
			"stranger": func(t *testing.T) { (&town{}).in(t, "group-mfa").succeed(ann).wants("complete") },
		},
		"sign-in-option-mfa": {
			"password": func(t *testing.T) {
				(&town{}).in(t, "sign-in-option-mfa").answer(by("BasicAuthenticator", "")).wants("step 2")
			},
			"provider": func(t *testing.T) {
				(&town{}).in(t, "sign-in-option-mfa").answer(by("GoogleOIDCAuthenticator", "Google")).wants("complete")
			},
			"passkey": func(t *testing.T) {
				(&town{}).in(t, "sign-in-option-mfa").answer(by("FIDOAuthenticator", "")).wants("complete")
			},
		},
		"device-mfa": {
			"known": func(t *testing.T) {
				(&town{cookies: map[string]string{"deviceAuth": "ann-id"}}).in(t, "device-mfa").succeed(ann).wants("complete")
			},
			"another person's": func(t *testing.T) {
				(&town{cookies: map[string]string{"deviceAuth": "bob-id"}}).in(t, "device-mfa").succeed(ann).wants("step 2")
			},
			"new": func(t *testing.T) {
				w := &town{}
				w.in(t, "device-mfa").succeed(ann).wants("step 2").succeed(ann).wants("complete")
				if w.cookies["deviceAuth"] != "ann-id" || len(w.mails) != 1 || w.mails[0] != "UnseenDeviceLogin 192.168.1.7" {
					t.Errorf("%+v", w)
				}
			},
		},
		"ip-mfa": {
			"inside":       func(t *testing.T) { (&town{}).in(t, "ip-mfa").succeed(ann).wants("complete") },
			"inside 10":    func(t *testing.T) { (&town{}).in(t, "ip-mfa", from("10.100.200.1")).succeed(ann).wants("complete") },
			"outside":      func(t *testing.T) { (&town{}).in(t, "ip-mfa", from("192.168.2.7")).succeed(ann).wants("step 2") },
			"outside IPv6": func(t *testing.T) { (&town{}).in(t, "ip-mfa", from("2001:db8::1")).succeed(ann).wants("step 2") },
			"nonsense":     func(t *testing.T) { (&town{}).in(t, "ip-mfa", from("invalid IP")).succeed(ann).wants("step 2") },
		},
		"advanced-conditions": {
			"safe": func(t *testing.T) {
				v := (&town{}).in(t, "advanced-conditions").succeed(ann).wants("http")
				q := v.out.Next.Request
				if q.URL != "https://risk.example.com/score" || string(q.Body) != `{"ip":"192.168.1.7","user":"ann-id"}` ||
					q.Auth.Properties["consumerSecret"] != "the riskSecret" {
					t.Errorf("%+v", q)
				}
				v.answer(answered(map[string]any{"risk": false})).wants("complete")
			},
			"risky": func(t *testing.T) {
				(&town{}).in(t, "advanced-conditions").succeed(ann).answer(answered(map[string]any{"risk": true})).wants("step 2")
			},
			"down": func(t *testing.T) {
				(&town{}).in(t, "advanced-conditions").succeed(ann).answer(script.Outcome{Result: script.Failed}).wants("step 2")
			},
			"quiet": func(t *testing.T) {
				(&town{}).in(t, "advanced-conditions").succeed(ann).answer(script.Outcome{Result: script.TimedOut}).wants("step 2")
			},
		},
		"elk-risk": {
			"safe": func(t *testing.T) {
				(&town{score: map[string]any{"riskScore": 0}}).in(t, "elk-risk").succeed(ann).wants("complete")
			},
			"risky": func(t *testing.T) {
				(&town{score: map[string]any{"riskScore": 1}}).in(t, "elk-risk").succeed(ann).wants("step 2")
			},
			"down": func(t *testing.T) { (&town{}).in(t, "elk-risk").succeed(ann).wants("step 2") },
		},
		"typingdna": {
			"right": func(t *testing.T) {
				(&town{score: map[string]any{"isTypingPatternReceived": true, "result": true, "comparedPatterns": 3}}).in(t, "typingdna").succeed(ann).wants("complete")
			},
			"wrong": func(t *testing.T) {
				(&town{score: map[string]any{"isTypingPatternReceived": true, "result": false, "comparedPatterns": 3}}).in(t, "typingdna").succeed(ann).wants("step 2")
			},
		},
		"passkey-enrolment": {
			"has one": func(t *testing.T) {
				(&town{}).in(t, "passkey-enrolment").answer(by("FIDOAuthenticator", "")).wants("complete")
			},
			"makes one": func(t *testing.T) {
				v := (&town{}).in(t, "passkey-enrolment").answer(with(failure, "scenario", "INIT_FIDO_ENROLL")).
					wants("step 1 BasicAuthenticatorLOCAL GoogleOIDCAuthenticatorGoogle").succeed(ann).wants("step 1 FIDOAuthenticator")
				if !v.out.Next.ForceAuth {
					t.Error("not forced")
				}
				v.succeed(ann).wants("complete")
			},
			"fails": func(t *testing.T) { (&town{}).in(t, "passkey-enrolment").answer(failure).wants("fail access_denied") },
		},
		"push-enrolment": {
			"makes one": func(t *testing.T) {
				(&town{}).in(t, "push-enrolment").answer(with(failure, "scenario", "INIT_PUSH_ENROLL")).wants("step 2").succeed(ann).
					wants("step 1 push-notification-authenticator").succeed(ann).wants("complete")
			},
			"fails": func(t *testing.T) { (&town{}).in(t, "push-enrolment").answer(failure).wants("fail access_denied") },
		},
		"password-migration": {
			"migrates": func(t *testing.T) {
				w := &town{}
				v := w.in(t, "password-migration").answer(with(failure, "username", "ann", "password", "correct horse")).wants("http")
				if string(v.out.Next.Request.Body) != `{"password":"correct horse","username":"ann"}` {
					t.Errorf("%s", v.out.Next.Request.Body)
				}
				v.answer(answered(map[string]any{"message": "Received", "contextId": "c1"})).wants("prompt internalWait").
					answer(script.Outcome{Result: script.Succeeded}).wants("http").answer(answered(map[string]any{"status": "SUCCESS"})).wants("step 1")
				if w.password != "correct horse" || w.claims["http://wso2.org/claims/is_migrated"] != "true" || !v.out.Next.ForceAuth {
					t.Errorf("%+v", w)
				}
				v.succeed(ann).wants("complete")
			},
			"wrong there too": func(t *testing.T) {
				w := &town{}
				w.in(t, "password-migration").answer(with(failure, "username", "ann", "password", "wrong")).
					answer(answered(map[string]any{"message": "Received", "contextId": "c1"})).answer(script.Outcome{Result: script.Succeeded}).
					answer(answered(map[string]any{"status": "FAIL"})).wants("step 1")
				if w.password != "" {
					t.Error("a wrong password was taken over")
				}
			},
			"was migrated": func(t *testing.T) {
				(&town{claims: map[string]string{"http://wso2.org/claims/is_migrated": "true"}}).in(t, "password-migration").
					answer(with(failure, "username", "ann", "password", "x")).wants("step 1")
			},
			"stranger": func(t *testing.T) {
				(&town{}).in(t, "password-migration").answer(with(failure, "username", "eve", "password", "x")).wants("step 1").succeed(ann).wants("complete")
			},
			"too weak here": func(t *testing.T) {
				(&town{}).in(t, "password-migration").answer(with(failure, "username", "ann", "password", "short")).
					answer(answered(map[string]any{"message": "Received", "contextId": "c1"})).answer(script.Outcome{Result: script.Succeeded}).
					answer(answered(map[string]any{"status": "SUCCESS"})).wants("step 1")
			},
		},
		"otp-limits": {
			"too many": func(t *testing.T) {
				v := (&town{}).in(t, "otp-limits").succeed(ann).wants("step 2")
				if v.out.Next.Params.For(script.Option{Authenticator: "email-otp-authenticator"})["maximumAllowedFailureAttempts"] != "3" {
					t.Errorf("%+v", v.out.Next)
				}
				v.answer(failure).wants("fail access_denied")
			},
			"right": func(t *testing.T) { (&town{}).in(t, "otp-limits").succeed(ann).succeed(ann).wants("complete") },
		},
		"preferred-mfa": {
			"known": func(t *testing.T) {
				(&town{claims: map[string]string{preference: `{"authenticationOption":"totp"}`}}).in(t, "preferred-mfa").succeed(ann).wants("step 2 totpLOCAL")
			},
			"none": func(t *testing.T) { (&town{}).in(t, "preferred-mfa").succeed(ann).wants("step 2") },
			"nonsense": func(t *testing.T) {
				(&town{claims: map[string]string{preference: `{`}}).in(t, "preferred-mfa").succeed(ann).wants("step 2")
			},
		},
	}
	for template := range script.Templates() {
		if all[template] == nil {
			t.Errorf("nobody has tried %q", template)
		}
	}
	for template, users := range all {
		for user, test := range users {
			t.Run(template+"/"+user, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	}
}
