package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// Each kind of service looks at somebody, sends them back, and says who they are.
func TestEveryKindRedirectsAndConfirms(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		ann := w.user("ann")

		w.remote.sendsBack(w.services.RedirectURL("who"), `{"actionStatus":"SUCCESS","data":{"user":{"id":"`+ann.ID+`"}}}`)
		b := w.browser()
		// The service stands in for a password; a second one is asked for as ever.
		second := b.follow(b.press(b.begin(), "method_who"))
		if !strings.Contains(second.body, "Face Ltd.") || len(w.remote.questions()) != 2 {
			t.Fatalf("got %d at %s after %v\n%s", second.status, second.at, w.remote.questions(), second.body)
		}
		w.remote.sendsBack(w.services.RedirectURL("face"), `{"actionStatus":"SUCCESS"}`)
		r := b.isIn(b.follow(b.press(second, "federated")))
		reached := directory.Assess(r.Evidence)
		if r.Subject.ID != ann.ID || reached.ACR != directory.ACR2 || !slices.Equal(reached.AMR, []string{"face", "mfa"}) {
			t.Errorf("got %+v", r)
		}

		w.remote.sendsBack(w.links.RedirectURL("ext"), `{"actionStatus":"SUCCESS","data":{"user":{"id":"x-1","claims":[
			{"uri":"http://wso2.org/claims/username","value":"xaver"},{"uri":"http://wso2.org/claims/givenname","value":"Xaver"},
			{"uri":"http://wso2.org/claims/emailaddress","value":"x@example.com"},{"uri":"http://wso2.org/claims/identity/emailVerified","value":true}]}}}`)
		b = w.browser()
		second = b.follow(b.press(b.begin(), "method_ext"))
		w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS"}`)
		r = b.isIn(b.follow(b.press(second, "federated")))
		user, err := w.FindUser(t.Context(), "", "xaver")
		w.must(err)
		if r.Subject.ID != user.ID || user.GivenName != "Xaver" || user.Email != "x@example.com" || !user.EmailVerified {
			t.Errorf("got %+v", user)
		}
		links, err := w.links.Links(t.Context(), r.Subject)
		if err != nil || len(links) != 1 || links[0].ExternalID != "x-1" {
			t.Errorf("links %v, %v", links, err)
		}
	})
}

// What the service is asked, to the letter, and once for each time that somebody comes by.
func TestContract(t *testing.T) {
	t.Parallel()
	w := alone(t, func(c *service.Endpoint) { c.Parameters = []string{"session", "other"} })
	ann := w.user("ann")
	app := &directory.Application{Name: "App"}
	w.must(w.Applications.Create(t.Context(), app))
	w.in.Application, w.in.ApplicationName = app.Ref(), "App"
	w.remote.sendsBack(w.services.RedirectURL("face"), `{"actionStatus":"SUCCESS"}`)
	b := w.browser()
	b.isIn(b.follow(b.press(b.typed(b.begin(), "ann"), "federated")))
	asked := w.remote.questions()
	if len(asked) != 2 {
		t.Fatalf("asked %d times", len(asked))
	}
	flowID, _ := asked[0]["flowId"].(string)
	if flowID == "" || asked[1]["flowId"] != flowID || asked[0]["requestId"] == asked[1]["requestId"] || asked[0]["requestId"] == "" {
		t.Errorf("ids %v", asked)
	}
	for i, more := range []string{``, `,"request":{"additionalParameters":[{"name":"session","value":["7"]}]}`} {
		delete(asked[i], "flowId")
		delete(asked[i], "requestId")
		want := map[string]any{}
		text := `{"actionType":"AUTHENTICATION","allowedOperations":[{"op":"redirect"}],"event":{
			"tenant":{"id":"` + w.URL + `","name":"127.0.0.1"},"application":{"id":"` + app.ID + `","name":"App"},
			"currentStepIndex":2,"authenticatedSteps":[{"index":1,"name":"password"}],
			"user":{"id":"` + ann.ID + `","sub":"` + ann.ID + `","userIdentitySource":"LOCAL"},
			"userStore":{"id":"` + directory.DefaultStore + `","name":"` + directory.DefaultStore + `"}` + more + `}}`
		w.must(json.Unmarshal([]byte(text), &want))
		if !reflect.DeepEqual(asked[i], want) {
			t.Errorf("asked %v\nwant  %v", asked[i], want)
		}
	}
}

// The ways to authenticate at a service.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		auth        notify.HTTPAuth
		field, want string
	}{
		{notify.HTTPAuth{}, "Authorization", ""},
		{notify.HTTPAuth{Type: notify.Basic, Username: "u", Password: "p"}, "Authorization", "Basic dTpw"},
		{notify.HTTPAuth{Type: notify.Bearer, Token: "t"}, "Authorization", "Bearer t"},
		{notify.HTTPAuth{Type: notify.APIKey, Token: "t", Header: "X-Key"}, "X-Key", "t"},
		{notify.HTTPAuth{Type: notify.APIKey, Token: "t"}, "X-API-Key", "t"},
	} {
		w := alone(t, func(c *service.Endpoint) { c.Auth = test.auth })
		ann := w.user("ann")
		w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS","data":{"user":{"id":"`+ann.ID+`"}}}`)
		b := w.browser()
		b.follow(b.press(b.begin(), "method_who"))
		if got := w.remote.header.Get(test.field); got != test.want || len(w.remote.questions()) != 1 {
			t.Errorf("%s: %q", test.auth.Type, got)
		}
	}
}

// What is wrong with the configuration is told at once, and a sign-in does not begin with what merely verifies.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	w := alone(t)
	end := service.Endpoint{URL: "https://service.example"}
	_, err := service.New(service.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Services: []service.Service{
		{Name: "Big", Kind: service.Identifies, Endpoint: end},
		{Name: "none", Endpoint: end},
		{Name: "nothing", Kind: service.Verifies, Endpoint: end},
		{Name: "known", Kind: service.Verifies, AMR: []string{"kba"}, Endpoint: end},
		{Name: "plain", Kind: service.Identifies, Endpoint: service.Endpoint{URL: "http://service.example"}},
		{Name: "inside", Kind: service.Identifies, Endpoint: service.Endpoint{URL: "https://127.0.0.1"}},
		{Name: "slow", Kind: service.Identifies, Endpoint: service.Endpoint{URL: "https://service.example", Timeout: 9e9}},
		{Name: "auth", Kind: service.Identifies, Endpoint: service.Endpoint{URL: "https://service.example", Auth: notify.HTTPAuth{Type: notify.Bearer}}},
		{Name: "token", Kind: service.Identifies, Endpoint: service.Endpoint{URL: "https://service.example", Auth: notify.HTTPAuth{
			Type: notify.ClientCredential, TokenURL: "https://service.example/token", ClientID: "i", ClientSecret: "s",
		}}},
		{Name: "leads", Kind: service.Identifies, Endpoint: service.Endpoint{URL: "https://service.example", Redirects: []string{"https://a.example/path"}}},
		{Name: "fine", Kind: service.Identifies, Endpoint: end},
		{Name: "fine", Kind: service.Identifies, Endpoint: end},
		{Name: "password", Kind: service.Verifies, AMR: []string{"face"}, Endpoint: end},
	}})
	for i := range 13 {
		if has := err != nil && strings.Contains(err.Error(), fmt.Sprintf("Services[%d]", i)); has != (i != 10) {
			t.Errorf("Services[%d] in %v: %v", i, err, has)
		}
	}
	if strings.Contains(err.Error(), "Services[10]") {
		t.Errorf("got %v", err)
	}
	if err := w.engine.CheckPlan(flow.Login("password", "who")); err != nil {
		t.Error(err)
	}
	for _, second := range []string{"face", "totp", "backup-code"} {
		if err := w.engine.CheckPlan(flow.Login("password", second)); err == nil || !strings.Contains(err.Error(), second) {
			t.Errorf("begins with %s: %v", second, err)
		}
	}
}

// A store that fails anywhere on the way back is 503, and signs nobody in; whoever tries again gets in.
func TestFailingStore(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()})
		w.in.Application = w.never().Ref()
		ann := w.user("ann")
		w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS","data":{"user":{"id":"`+ann.ID+`"}}}`)
		b := w.browser()
		out := b.press(b.begin(), "method_who")
		w.faults.FailCall(n, nil)
		p := b.follow(out)
		reached := !w.faults.Waits()
		w.faults.Heal()
		if reached && p.result() == nil && p.status != http.StatusServiceUnavailable {
			t.Errorf("call %d: %d at %s", n, p.status, p.at)
		}
		again := w.browser()
		again.isIn(again.follow(again.press(again.begin(), "method_who")))
		if !reached {
			break
		}
	}
}

// never is an application that asks for no second factor.
func (w *world) never() *directory.Application {
	w.Helper()
	app := &directory.Application{Name: "App", SecondFactor: directory.SecondFactorNever}
	w.must(w.Applications.Create(w.Context(), app))
	return app
}
