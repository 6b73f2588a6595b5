package flow_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// act is one thing that a person does, whatever they do it with.
type act struct {
	// option is the Executor by which it is done, or the action in a flow about an account; later does nothing until the flow is over.
	option string
	// fields are by the names of the pages; values with a "$" in front are what the person has by then.
	fields []string
}

const (
	later = "$later"
	// while is no longer than a session stays, and longer than a proof is fresh.
	while = "$while"
	// again has the application ask once more, for the one of demands that the first field names (RFC 9470).
	again = "$again"
	// ifAsked stands before the option of what a browser is not asked for whose session has shown it. A program has no session.
	ifAsked = "$if-asked "
	// lax is the application that asks nobody for a second factor.
	lax = "lax"
)

// demands are what an application asks for whom the first answer does not do.
var demands = map[string]func(*directory.Interaction){
	"two factors": func(in *directory.Interaction) { in.ACR, in.EssentialACR = []string{directory.ACR2}, true },
	"fresh":       func(in *directory.Interaction) { in.MaxAge = new(10 * time.Minute) },
	"fresh two factors": func(in *directory.Interaction) {
		in.ACR, in.EssentialACR, in.MaxAge = []string{directory.ACR2}, true, new(10*time.Minute)
	},
}

// meant is what an application asks for: lax has a reference in each world.
func (s *stage) meant(in directory.Interaction) directory.Interaction {
	s.Helper()
	if in.ApplicationName == lax {
		in.Application = s.app(directory.SecondFactorNever).Ref()
	}
	return in
}

// anew is what it asks for afterwards.
func anew(in directory.Interaction, a act) directory.Interaction {
	demands[a.fields[0]](&in)
	return in
}

// scenarios are what people do, told once and played through every transport that has them: pages, app-native sign-in, flow execution.
var scenarios = []struct {
	name string
	// plan is the flow about an account, with the name of one of graphs behind a slash if that takes its place; "" is a sign-in, which begins by
	// one of first.
	plan  string
	first []string
	in    directory.Interaction
	acts  []act
}{
	{"password", "", nil, directory.Interaction{}, []act{{"password", []string{"username", "ann", "password", goodPassword}}}},
	{"wrong password", "", nil, directory.Interaction{}, []act{
		{"password", []string{"username", "ann", "password", "wrong"}},
		{"password", []string{"username", "nobody", "password", "wrong"}},
		{"password", []string{"username", "ann", "password", goodPassword}},
	}},
	{"disabled", "", nil, directory.Interaction{}, []act{
		{"password", []string{"username", "dee", "password", goodPassword}},
		{"password", []string{"username", "ann", "password", goodPassword}},
	}},
	{"TOTP", "", nil, directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}, []act{
		{"password", []string{"username", "bob", "password", goodPassword}},
		{"totp", []string{"otp", "000000"}},
		{"totp", []string{"otp", "$totp"}},
	}},
	{"code by mail", "", nil, directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}, []act{
		{"password", []string{"username", "eve", "password", goodPassword}},
		{"email-code", []string{"otp", "$wrong"}},
		{"email-code", []string{"otp", "$code"}},
	}},
	{"code by mail at first", "", []string{"email-code"}, directory.Interaction{}, []act{
		{"email-code", []string{"username", "eve"}},
		{"email-code", []string{"otp", "$code"}},
	}},
	{"code by mail among others", "", []string{"password", "email-code"}, directory.Interaction{}, []act{
		{"email-code", []string{"username", "eve"}},
		{"email-code", []string{"otp", "$wrong"}},
		{"email-code", []string{"otp", "$code"}},
	}},
	{"code by text message", "", nil, directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}, []act{
		{"password", []string{"username", "pam", "password", goodPassword}},
		{"sms-code", []string{"otp", "$wrong"}},
		{"sms-code", []string{"otp", "$code"}},
	}},
	{"backup code", "", nil, directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}, []act{
		{"password", []string{"username", "bob", "password", goodPassword}},
		{"backup-code", []string{"backup-code", "AAAAA-BBBBB-DDDDD"}},
		{"backup-code", []string{"backup-code", "AAAAA-BBBBB-CCCCC"}},
	}},
	{"backup code used before", "", nil, directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}, []act{
		{"password", []string{"username", "bob", "password", goodPassword}},
		{"backup-code", []string{"backup-code", "AAAAA-BBBBB-CCCCC"}},
		{while, nil},
		{again, []string{"fresh two factors"}},
		{"password", []string{"username", "bob", "password", goodPassword}},
		{"backup-code", []string{"backup-code", "AAAAA-BBBBB-CCCCC"}},
	}},
	{"step-up", "", nil, directory.Interaction{ApplicationName: lax}, []act{
		{"password", []string{"username", "eve", "password", goodPassword}},
		{again, []string{"two factors"}},
		{ifAsked + "password", []string{"username", "eve", "password", goodPassword}},
		{"email-code", []string{"otp", "$wrong"}},
		{"email-code", []string{"otp", "$code"}},
	}},
	{"step-up to an enrolled factor", "", nil, directory.Interaction{ApplicationName: lax}, []act{
		{"password", []string{"username", "bob", "password", goodPassword}},
		{again, []string{"fresh two factors"}},
		{ifAsked + "password", []string{"username", "bob", "password", goodPassword}},
		{"totp", []string{"otp", "000000"}},
		{"totp", []string{"otp", "$totp"}},
	}},
	{"step-up, of what was shown long ago", "", nil, directory.Interaction{ApplicationName: lax}, []act{
		{"password", []string{"username", "bob", "password", goodPassword}},
		{while, nil},
		{again, []string{"fresh two factors"}},
		{"password", []string{"username", "bob", "password", goodPassword}},
		{"totp", []string{"otp", "$totp"}},
	}},
	{"password shown long ago", "", nil, directory.Interaction{}, []act{
		{"password", []string{"username", "ann", "password", goodPassword}},
		{while, nil},
		{again, []string{"fresh"}},
		{"password", []string{"username", "ann", "password", "wrong"}},
		{"password", []string{"username", "ann", "password", goodPassword}},
	}},
	{"step-up that nobody can do", "", nil, directory.Interaction{}, []act{
		{"password", []string{"username", "ann", "password", goodPassword}},
		{again, []string{"two factors"}},
		{ifAsked + "password", []string{"username", "ann", "password", goodPassword}},
	}},
	{"passkey", "", []string{"passkey"}, directory.Interaction{}, []act{{"passkey", []string{"credential", "$passkey"}}}},
	{"passkey among others", "", []string{"email-code", "passkey", "password"}, directory.Interaction{}, []act{
		{"passkey", []string{"credential", "$passkey"}},
	}},
	{"expired password", "", nil, directory.Interaction{}, []act{
		{"password", []string{"username", "old", "password", goodPassword}},
		{"renew-password", []string{"new_password", "short"}},
		{"renew-password", []string{"new_password", newPassword}},
	}},
	{"locked", "", nil, directory.Interaction{}, []act{
		{"password", []string{"username", "ann", "password", "wrong"}},
		{"password", []string{"username", "ann", "password", "wrong"}},
		{"password", []string{"username", "ann", "password", "wrong"}},
		{"password", []string{"username", "ann", "password", "wrong"}},
		{"password", []string{"username", "ann", "password", "wrong"}},
	}},
	{"flow that is over", "", nil, directory.Interaction{}, []act{
		{later, nil},
		{"password", []string{"username", "ann", "password", goodPassword}},
	}},
	{"registration", "register", nil, directory.Interaction{}, []act{
		{"continue", []string{"email", "new@example.com", "given_name", "Ann"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$code"}},
		{"continue", []string{"new_password", "short"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"registration of somebody known", "register", nil, directory.Interaction{}, []act{
		{"continue", []string{"email", "ann@example.com"}},
		{"login", []string{"otp", "000000"}},
		{"resend", nil},
	}},
	{"registration that is over", "register", nil, directory.Interaction{}, []act{
		{"continue", []string{"email", "new@example.com"}},
		{later, nil},
		{"login", []string{"otp", "$code"}},
	}},
	{"registration with attributes", "register", nil, directory.Interaction{}, []act{
		{"continue", []string{"email", "new@example.com", "attributes.seats", "many"}},
		{"continue", []string{"email", "new@example.com", "attributes.seats", "3"}},
		{"login", []string{"otp", "$code"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"registration without a password", "register", nil, directory.Interaction{}, []act{
		{"continue", []string{"email", "new@example.com"}},
		{"login", []string{"otp", "$code"}},
		{"method_register-codes", nil},
		{"continue", nil},
	}},
	{"registration with a user name", "register/name", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "yan@example.com", "email", "new@example.com", "new_password", newPassword}},
		{"continue", []string{"username", "new", "email", "new@example.com", "new_password", newPassword}},
		{"login", []string{"otp", "$code"}},
	}},
	{"registration with somebody's user name", "register/name", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ann", "email", "new@example.com", "new_password", newPassword}},
		{"login", []string{"otp", "$code"}},
	}},
	{"registration with a number", "register/phone", nil, directory.Interaction{}, []act{
		{"continue", []string{"email", "new@example.com", "phone", "none", "new_password", newPassword}},
		{"continue", []string{"email", "new@example.com", "phone", "+4930765", "new_password", newPassword}},
		{"login", []string{"otp", "$code"}},
		{"login", []string{"otp", "$wrong"}},
		{"resend", nil},
		{"login", []string{"otp", "$code"}},
	}},
	{"invitation by a code", "invite/code", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ivy", "otp", "AAAAAA"}},
		{"continue", []string{"username", "nobody", "otp", "$invitation"}},
		{"continue", []string{"username", "ivy", "otp", "$invitation"}},
		{"continue", []string{"new_password", "short"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"invitation and a text message", "invite/number", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ivy", "otp", "$invitation"}},
		{"login", []string{"otp", "$wrong"}},
		{"resend", nil},
		{"login", []string{"otp", "$code"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"invitation and a code by mail", "invite/mail", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ivy", "otp", "$invitation"}},
		{"login", []string{"otp", "$wrong"}},
		{"resend", nil},
		{"login", []string{"otp", "$code"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"recovery", "recover", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ann"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$code"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"recovery of nobody", "recover", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "nobody"}},
		{"login", []string{"otp", "AAAAAA"}},
		{"login", []string{"otp", "AAAAAA"}},
	}},
	{"recovery by text message", "recover/sms", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ann"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$code"}},
		{"continue", []string{"new_password", newPassword}},
	}},
	{"recovery of nobody by text message", "recover/sms", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "nobody"}},
		{"login", []string{"otp", "AAAAAA"}},
		{"resend", nil},
	}},
	{"recovery, wrong to the limit", "recover", nil, directory.Interaction{}, []act{
		{"continue", []string{"username", "ann"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$wrong"}},
		{"login", []string{"otp", "$wrong"}},
	}},
}

// graphs are flows about accounts as flow/builder makes them of what was drawn.
var graphs = map[string]flow.Graph{
	"name": {Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"register"}, Params: map[string]string{flow.ParamFields: "username+ email+ new_password+", flow.ParamLink: "no"}, On: map[string]string{"ok": "code"}},
		{Name: "code", Options: []string{"register-code"}, Params: map[string]string{flow.ParamLink: "no"}, On: map[string]string{"ok": "account"}},
		{Name: "account", Options: []string{"register-account"}, On: map[string]string{"ok": "done", "failed": "who"}},
		{Name: "done", If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": "end", "no": "who"}},
		{Name: "end", End: flow.Succeeded},
	}},
	"phone": {Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"register"}, Params: map[string]string{flow.ParamFields: "email+ phone+ new_password+", flow.ParamLink: "no"}, On: map[string]string{"ok": "code"}},
		{Name: "code", Options: []string{"register-code"}, Params: map[string]string{flow.ParamLink: "no"}, On: map[string]string{"ok": "phone"}},
		{Name: "phone", Options: []string{"register-phone"}, On: map[string]string{"ok": "account"}},
		{Name: "account", Options: []string{"register-account"}, On: map[string]string{"ok": "done", "failed": "who"}},
		{Name: "done", If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": "end", "no": "who"}},
		{Name: "end", End: flow.Succeeded},
	}},
	"code": {Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"invite-code"}, On: map[string]string{"ok": "save"}},
		{Name: "save", Options: []string{"invite"}, On: map[string]string{"ok": "done"}},
		{Name: "done", If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": "end", "no": "who"}},
		{Name: "end", End: flow.Succeeded},
	}},
	"number": {Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"invite-code"}, On: map[string]string{"ok": "number"}},
		{Name: "number", Options: []string{"invite-sms"}, On: map[string]string{"ok": "save"}},
		{Name: "save", Options: []string{"invite"}, On: map[string]string{"ok": "done"}},
		{Name: "done", If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": "end", "no": "who"}},
		{Name: "end", End: flow.Succeeded},
	}},
	"mail": {Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"invite-code"}, On: map[string]string{"ok": "mail"}},
		{Name: "mail", Options: []string{"invite-mail"}, On: map[string]string{"ok": "save"}},
		{Name: "save", Options: []string{"invite"}, On: map[string]string{"ok": "done"}},
		{Name: "done", If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": "end", "no": "who"}},
		{Name: "end", End: flow.Succeeded},
	}},
	"sms": {Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"recover"}, Params: map[string]string{flow.ParamChannel: "sms"}, On: map[string]string{"ok": "code"}},
		{Name: "code", Options: []string{"recover-code"}, Params: map[string]string{flow.ParamChannel: "sms"}, On: map[string]string{"ok": "save"}},
		{Name: "save", Options: []string{"recover-password"}, On: map[string]string{"ok": "done"}},
		{Name: "done", If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": "end", "no": "who"}},
		{Name: "end", End: flow.Succeeded},
	}},
}

// outcome is what a scenario comes to.
type outcome struct {
	by string
	// result is nil while the person is being asked. Programs are told when there are no more attempts, and the others are asked on.
	result *directory.Result
	// over says that the flow was not there any more.
	over  bool
	facts []string
}

// proves is what the outcome proves, without what is of one world and one transport.
func (o outcome) proves() string {
	switch {
	case o.over:
		return "the flow is over"
	case o.result == nil || o.result.Refusal == directory.TooManyAttempts:
		return "nothing"
	case o.result.Refusal != "":
		return string(o.result.Refusal)
	}
	return worth(o.result)
}

// Whatever people do it with, it proves the same, and the same is told about it.
func TestScenarios(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, scene := range scenarios {
			t.Run(scene.name, func(t *testing.T) {
				t.Parallel()
				var all []outcome
				if scene.plan == "" {
					all = append(all, newStage(t, open, scene.first).byPages(scene.in, scene.acts), newStage(t, open, scene.first).byProgram(scene.in, scene.acts))
				} else {
					plan, graph, _ := strings.Cut(scene.plan, "/")
					all = append(
						all, accountStage(t, open, plan, graph).accountByPages(plan, scene.acts), accountStage(t, open, plan, graph).byExecution(plan, scene.acts),
					)
					if last := scene.acts[len(scene.acts)-1]; plan == "recover" && !slices.Contains(last.fields, "new_password") { // which signs in nobody here
						all = append(all, accountStage(t, open, plan, graph).byRecovery(graph, scene.acts))
					}
				}
				first := all[0]
				for _, o := range all[1:] {
					if o.proves() != first.proves() {
						t.Errorf("%s prove %q, %s %q", first.by, first.proves(), o.by, o.proves())
					}
					if !slices.Equal(o.facts, first.facts) {
						t.Errorf("%s tell\n%s\n%s\n%s", first.by, strings.Join(first.facts, "\n"), o.by, strings.Join(o.facts, "\n"))
					}
				}
			})
		}
	})
}

// accountStage is one with flows about accounts, which sign people in. A graph, if any, takes the place of a plan.
func accountStage(t *testing.T, open opener, plan, graph string) *stage {
	t.Helper()
	s := &stage{seen: &witness{}}
	s.world, s.out = selfService(t, func(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
		t.Helper()
		return open(t, append(edit, func(c *flow.Config, _ *directory.Config) { c.Observer = s.seen.observe })...)
	})
	s.phoned("ann", "+4930123456")
	plans := maps.Clone(s.config.Plans)
	if graph != "" {
		compiled, err := graphs[graph].Compile()
		s.must(err)
		plans[plan] = compiled
	}
	plans["login"] = flow.Login("password", "email-code")
	s.engine = s.rebuild(func(c *flow.Config) { c.Plans = plans })
	s.serve()
	s.lite(true)
	if plan == "invite" {
		s.byCodes(true)
		s.invitation = s.invitedByCode("ivy", directory.CodeByEmail)
	}
	recovery, err := directory.Resolve(s.Context(), s.Settings, s.Settings.Recovery, "", "")
	s.must(err)
	recovery.SMSCode = true
	s.must(directory.Set(s.Context(), s.Settings, s.Settings.Recovery, "", "", recovery))
	s.must(directory.Set(s.Context(), s.Settings, s.Settings.Attributes, "", "", directory.AttributePolicy{Rules: []directory.AttributeRule{
		{Name: "seats", Type: directory.IntegerAttribute, Registration: directory.AttributeOptional},
	}}))
	return s
}

// accountByPages plays a scenario about an account in a browser, which an application has sent there.
func (s *stage) accountByPages(plan string, acts []act) outcome {
	s.Helper()
	b := s.browser()
	p := b.get(s.request(directory.Interaction{Application: s.app("").Ref(), Plan: plan}))
	for _, a := range acts {
		if a.option == later {
			s.advance(31 * time.Minute)
			continue
		}
		if p.View == nil {
			s.Fatalf("no page for %v: %v", a, p)
		}
		p = b.submit(p, append(s.pairs(a, nil), "action", a.option)...)
	}
	return outcome{"pages", p.Result, p.Failure != nil, s.facts()}
}

// byExecution plays one in an application of its own, which trades what it gets at the end.
func (s *stage) byExecution(plan string, acts []act) outcome {
	s.Helper()
	claims := map[string]string{"email": claimEmail, "given_name": claimGivenName, "username": claimUsername, "new_password": "password", "phone": "http://wso2.org/claims/mobile", "attributes.seats": "http://wso2.org/claims/seats"}
	app, c := s.app(""), s.caller()
	t := c.begin(map[string]string{"register": "REGISTRATION", "recover": "PASSWORD_RECOVERY", "invite": "INVITED_USER_REGISTRATION"}[plan], app)
	for _, a := range acts {
		if a.option == later {
			s.advance(31 * time.Minute)
			continue
		}
		if t.Status != http.StatusOK {
			s.Fatalf("before %v: %s", a, t.Text)
		}
		t = c.send(a.option, s.pairs(a, claims)...)
	}
	o := outcome{by: "flow execution", over: t.Code == "FE-60001"}
	switch {
	case t.FlowStatus == "COMPLETE":
		o.result = s.browser().get(s.trade(t.Data.UserAssertion, app)).answer(s.T)
	case t.Code == "FE-60006":
		o.result = &directory.Result{Refusal: directory.TooManyAttempts}
	}
	o.facts = s.facts()
	return o
}

// byRecovery plays one by the calls of the recovery API.
func (s *stage) byRecovery(graph string, acts []act) outcome {
	s.Helper()
	s.app("") // which asks for nothing here
	c, channel, h := s.recoverer(), "1", heard{}
	if graph == "sms" {
		channel = "2"
	}
	for _, a := range acts {
		switch {
		case a.option == "resend":
			h = c.resend()
		case a.option == "login":
			h = c.confirm(s.value(a.fields[1]))
		default:
			c.init(claimUsername + " " + s.value(a.fields[1]))
			h = c.recover(channel)
		}
	}
	o := outcome{by: "the recovery API", over: h.Code == "UAR-10015"}
	if h.Code == "UAR-10016" {
		o.result = &directory.Result{Refusal: directory.TooManyAttempts}
	}
	o.facts = s.facts()
	return o
}

// pairs are the fields of an act, by other names where there are any.
func (s *stage) pairs(a act, names map[string]string) (pairs []string) {
	s.Helper()
	for i := 0; i+1 < len(a.fields); i += 2 {
		name := a.fields[i]
		if other, ok := names[name]; ok {
			name = other
		}
		pairs = append(pairs, name, s.value(a.fields[i+1]))
	}
	return pairs
}

// byPages plays a scene in a browser.
func (s *stage) byPages(in directory.Interaction, acts []act) outcome {
	s.Helper()
	in = s.meant(in)
	b := s.browser()
	p := b.get(s.request(in))
	for _, a := range acts {
		switch option, conditional := strings.CutPrefix(a.option, ifAsked); {
		case a.option == later:
			s.advance(31 * time.Minute)
			continue
		case a.option == while:
			s.advance(11 * time.Minute)
			continue
		case a.option == again:
			p.answer(s.T)
			p = b.get(s.request(anew(in, a)))
			continue
		case conditional && p.step() != option:
			continue
		default:
			a.option = option
		}
		if p.View == nil {
			s.Fatalf("no page for %v: %v", a, p)
		}
		if i := slices.IndexFunc(p.View.Prompt.Actions, func(way flow.Action) bool { return way.Name == "method_"+a.option }); i >= 0 {
			p = b.submit(p, "action", "method_"+a.option)
		}
		if a.option == "passkey" {
			p = b.show(p, s.phone)
			continue
		}
		var pairs []string // the first action of the page
		for i, text := range a.fields {
			if i%2 == 1 {
				text = s.value(text)
			}
			pairs = append(pairs, text)
		}
		p = b.submit(p, pairs...)
	}
	return outcome{"pages", p.Result, p.Failure != nil, s.facts()}
}

// byProgram plays a scene without a browser.
func (s *stage) byProgram(in directory.Interaction, acts []act) outcome {
	s.Helper()
	names := map[string]string{
		"password": "BasicAuthenticator", "totp": "totp", "email-code": "email-otp-authenticator", "passkey": "FIDOAuthenticator",
		"renew-password": "renew-password", "sms-code": "sms-otp-authenticator", "backup-code": "backup-code-authenticator",
	}
	params := map[string]string{"otp totp": "token", "otp email-code": "OTPCode", "otp sms-code": "OTPcode", "backup-code backup-code": "BackupCode", "new_password renew-password": "newPassword"}
	in = s.meant(in)
	p, sessions := s.program(in), 0
	answer := p.say(nil)
	for _, a := range acts {
		switch a.option {
		case later:
			s.advance(31 * time.Minute)
			continue
		case while:
			s.advance(11 * time.Minute)
			continue
		case again:
			if answer.Result == nil || answer.Result.Refusal != "" {
				s.Fatalf("before %v: %s", a, answer.Text)
			}
			p, sessions = s.program(anew(in, a)), sessions+1
			answer = p.say(nil)
			continue
		}
		a.option = strings.TrimPrefix(a.option, ifAsked)
		if answer.Result != nil || answer.Code != "" {
			s.Fatalf("nothing asked for %v: %s", a, answer.Text)
		}
		if answer.NextStep.StepType == "MULTI_OPTIONS_PROMPT" && !answer.takes(names[a.option]) {
			if answer = p.answer(names[a.option]); answer.NextStep.StepType != "AUTHENTICATOR_PROMPT" {
				s.Fatalf("choosing %s: %s", a.option, answer.Text)
			}
		}
		if a.option == "passkey" {
			id, options := answer.challenge(s.T)
			credential, err := s.phone.Get(options)
			s.must(err)
			answer = p.answer(names[a.option], "tokenResponse", tokenResponse(s.T, id, credential))
			continue
		}
		var pairs []string
		for i := 0; i+1 < len(a.fields); i += 2 {
			name := a.fields[i]
			if other, ok := params[name+" "+a.option]; ok {
				name = other
			}
			pairs = append(pairs, name, s.value(a.fields[i+1]))
		}
		answer = p.answer(names[a.option], pairs...)
	}
	facts := s.facts()
	if answer.Result == nil || answer.Result.Refusal != "" {
		sessions = 0
	}
	for range sessions { // of a program that asks again: a browser has the one
		facts = slices.Delete(facts, slices.Index(facts, "session.started"), slices.Index(facts, "session.started")+1)
	}
	return outcome{"programs", answer.Result, answer.Code == "ABA-60009" || answer.Code == "ABA-60008", facts}
}
