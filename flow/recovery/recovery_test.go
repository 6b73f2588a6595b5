package recovery_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/recovery"
	"github.com/signet-idp/signet/store/directory"
)

// begin is what a Transport tells a program whose flow has begun with a prompt.
func begin(t *testing.T, config recovery.Config, path string, p flow.Prompt) *httptest.ResponseRecorder {
	t.Helper()
	transport := recovery.New(config)
	for _, route := range transport.Routes("acme", func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error) {
		if in.Organization != "acme" || in.Purpose != directory.ManageAccount || in.Native.Program != flow.RecoveryProgram {
			t.Errorf("got %+v", in)
		}
		transport.Show(w, r, flow.View{Flow: in.Native.Flow.Reveal(), Plan: in.Plan, Prompt: p})
		return nil, nil
	}) {
		if route.Path != recovery.Path+path {
			continue
		}
		body := `{"claims":[{"uri":"http://wso2.org/claims/emailaddress","value":"ann@example.com"}]}`
		r := httptest.NewRequest(http.MethodPost, route.Path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		rec := httptest.NewRecorder()
		route.Handler.ServeHTTP(rec, r)
		return rec
	}
	t.Fatal("no such call")
	return nil
}

// A puzzle that a step wants solved is told of at the beginning, and the links lead to where the calls are.
func TestInit(t *testing.T) {
	t.Parallel()
	rec := begin(t, recovery.Config{Locate: func(path string) string { return "/t" + path }}, "/password/init", flow.Prompt{
		Step: "recover", Channels: []notify.Channel{notify.SMS, notify.Email},
		Captcha: &flow.Widget{Kind: "TURNSTILE", SiteKey: "key", Script: "https://captcha.example/s.js"},
	})
	for _, part := range []string{
		`"channels":[{"id":"1","type":"EMAIL","value":"a***@example.com","preferred":true},{"id":"2","type":"SMS","value":"***","preferred":false}]`,
		`"captcha":{"type":"TURNSTILE","siteKey":"key","url":"https://captcha.example/s.js"}`,
		`"href":"/t/api/users/v2/recovery/password/recover"`,
	} {
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), part) {
			t.Errorf("%d %s lacks %s", rec.Code, rec.Body, part)
		}
	}
	if rec = begin(t, recovery.Config{}, "/username/init", flow.Prompt{Step: "recover-username", Channels: []notify.Channel{notify.SMS}}); rec.Code != http.StatusNotFound {
		t.Errorf("a way that is closed: %d %s", rec.Code, rec.Body)
	}
	if rec = begin(t, recovery.Config{}, "/password/init", flow.Prompt{Step: "recover-password"}); rec.Code != http.StatusNotImplemented {
		t.Errorf("another step: %d %s", rec.Code, rec.Body)
	}
}

// FuzzRead holds that what a program sends is an answer or an error, and moves no flow whose code it has not.
func FuzzRead(f *testing.F) {
	f.Add("/password/recover\n" + `{"recoveryCode":"` + strings.Repeat("x", 86) + `","channelId":"1"}`)
	f.Add("/password/reset\n" + `{"resetCode":"","password":"x"}`)
	f.Add("/username/recover\n{}")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, answer string) {
		for plan, steps := range map[string][]string{"recover": {"recover", "recover-code", "recover-password"}, "recover-username": {"recover-username"}} {
			for _, step := range steps {
				reply, err := recovery.New(recovery.Config{}).Read(flow.View{Plan: plan, Prompt: flow.Prompt{Step: step}}, []byte(answer))
				if err == nil {
					t.Errorf("%s %q: %+v", step, answer, reply)
				}
			}
		}
	})
}
