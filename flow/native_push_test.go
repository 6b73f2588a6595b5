package flow_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// pushed is a program's sign-in that waits for ann's phone.
func pushed(w *world, o *outbox) (p *program, asked spoken, m notify.Message) {
	w.Helper()
	w.engine = w.rebuild(func(c *flow.Config) {
		c.Plans = map[string]flow.Plan{"login": flow.LoginSteps{Second: []string{"push"}}.Plan()}
	})
	p = w.program(directory.Interaction{ApplicationName: "App"})
	p.say(nil)
	asked = p.answer("BasicAuthenticator", "username", "ann", "password", goodPassword)
	delivered, _ := o.all()
	if len(asked.NextStep.Authenticators) != 1 || len(delivered) == 0 {
		w.Fatalf("got %s, %d messages", asked.Text, len(delivered))
	}
	return p, asked, delivered[len(delivered)-1]
}

// told is what a program is told of the only authenticator.
func (s spoken) told(name string) string {
	return s.NextStep.Authenticators[0].Metadata.Additional[name]
}

// pushStatus is what a program sees that asks at the endpoint which it was told.
func (p *program) pushStatus(asked spoken) string {
	p.Helper()
	at, err := url.Parse(asked.told("statusEndpoint"))
	if err != nil || at.Host != "id.example.com" || at.Path != "/t/push-auth/check-status" {
		p.Fatalf("the status is at %s: %v", at, err)
	}
	code, answer := p.call(http.MethodGet, at.RequestURI(), nil)
	if code != http.StatusOK || len(answer) != 1 {
		p.Fatalf("status %d %v", code, answer)
	}
	return answer["status"]
}

const (
	pushName = "push-notification-authenticator"
	proceed  = "PROCEED_PUSH_AUTHENTICATION"
)

// A program shows the number, asks whether the device has answered, and goes on.
func TestProgramPush(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, o, device := enrolled(t, open, false)
		p, asked, m := pushed(w, o)
		if required := asked.NextStep.Authenticators[0].RequiredParams; len(required) != 1 || required[0] != "scenario" || asked.told("numberChallenge") == "" {
			t.Fatalf("got %s", asked.Text)
		}
		if got := p.pushStatus(asked); got != "PENDING" {
			t.Errorf("before there is an answer: %s", got)
		}
		if s := p.answer(pushName, "scenario", proceed); s.FlowStatus != "INCOMPLETE" || s.told("numberChallenge") != asked.told("numberChallenge") {
			t.Errorf("too early: %s", s.Text)
		}
		if status := device.answer(m, "APPROVED", asked.told("numberChallenge")); status != http.StatusAccepted || p.pushStatus(asked) != "COMPLETED" {
			t.Fatalf("approve: %d", status)
		}
		s := p.answer(pushName, "scenario", proceed)
		if s.Result == nil || directory.Assess(s.Result.Evidence).ACR != directory.ACR2 {
			t.Errorf("got %d %s", s.Status, s.Text)
		}
	})
}

// An approval is for the sign-in that has asked; a denial, another number, another scenario and a question that was asked again sign nobody in.
func TestAttackProgramPush(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, o, device := enrolled(t, open, false)
		p, asked, m := pushed(w, o)
		for _, scenario := range []string{"INIT_PUSH_ENROLL", "x"} {
			if s := p.answer(pushName, "scenario", scenario); s.Code != "ABA-60001" {
				t.Errorf("%s: %s", scenario, s.Text)
			}
		}
		eve := w.program(directory.Interaction{})
		eve.say(nil)
		waits := eve.answer("BasicAuthenticator", "username", "ann", "password", goodPassword)
		if len(waits.NextStep.Authenticators) != 1 || waits.told("numberChallenge") != "" || len(waits.NextStep.Authenticators[0].RequiredParams) != 0 {
			t.Errorf("a second question while one is open: %s", waits.Text)
		}
		wrong := "1"
		if asked.told("numberChallenge") == wrong {
			wrong = "2"
		}
		device.answer(m, "APPROVED", wrong)
		if s := p.answer(pushName, "scenario", proceed); s.FlowStatus != "FAIL_INCOMPLETE" {
			t.Errorf("another number: %d %s", s.Status, s.Text)
		}
		asked = p.answer(pushName, "resendCode", "true")
		delivered, _ := o.all()
		if status := device.answer(delivered[len(delivered)-1], "APPROVED", asked.told("numberChallenge")); status != http.StatusAccepted {
			t.Fatalf("approve: %d", status)
		}
		if s := eve.answer(pushName, "scenario", proceed); s.Result != nil {
			t.Errorf("an approval in another sign-in: %s", s.Text)
		}
		if s := p.answer(pushName, "scenario", proceed); s.Result == nil || s.Result.Refusal != "" {
			t.Errorf("afterwards: %d %s", s.Status, s.Text)
		}
	})
}

// A store that fails while a program goes on with a push is a failure, and nothing is lost by it.
func TestProgramPushFaults(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, o, device := enrolled(t, open, false)
		p, asked, m := pushed(w, o)
		device.answer(m, "APPROVED", asked.told("numberChallenge"))
		body, err := json.Marshal(map[string]any{"authenticatorId": asked.NextStep.Authenticators[0].ID, "params": map[string]string{"scenario": proceed}})
		w.must(err)
		w.advance(2e9)
		for call := 1; call <= 4; call++ { // reads, before anything is written
			w.faults.FailCall(call, nil)
			if result, err := p.try(body); err == nil || result != nil {
				t.Errorf("call %d: %+v", call, result)
			}
			w.faults.Heal()
		}
		if s := p.say(body); s.Result == nil || s.Result.Refusal != "" {
			t.Errorf("afterwards: %d %s", s.Status, s.Text)
		}
	})
}

// Somebody with too many sessions says in a program which of them end: those of the prompt, and as many as have to.
func TestProgramSessionLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		w.limitSessions(2)
		phone, laptop := w.browser(), w.browser()
		phone.signIn("ann")
		laptop.signIn("ann")
		p := w.program(directory.Interaction{})
		p.say(nil)
		s := p.answer("BasicAuthenticator", "username", "ann", "password", goodPassword)
		var list []struct {
			ID          string `json:"sessionId"`
			Description string `json:"description"`
		}
		if err := json.Unmarshal([]byte(s.told("sessions")), &list); err != nil || len(list) != 2 || s.told("minimumToTerminate") != "1" || list[0].Description == "" {
			t.Fatalf("got %s: %v", s.Text, err)
		}
		chooses := func(action, prompt string, ids ...string) spoken {
			params := map[string]any{"promptResp": "true", "promptId": prompt, "ActiveSessionsLimitAction": action}
			if ids != nil {
				params["sessionsToTerminate"] = ids
			}
			body, err := json.Marshal(map[string]any{"authenticatorId": s.NextStep.Authenticators[0].ID, "params": params})
			w.must(err)
			return p.say(body)
		}
		const deny, refresh, terminate = "denyLimitActiveSessionsAction", "refreshActiveSessionsAction", "terminateActiveSessionsAction"
		for name, bad := range map[string]spoken{
			"another prompt":    chooses(terminate, "0", list[0].ID),
			"another session":   chooses(terminate, s.told("promptId"), "session_x"),
			"one twice":         chooses(terminate, s.told("promptId"), list[0].ID, list[0].ID),
			"no action":         chooses("", s.told("promptId")),
			"an action of ours": chooses("leave", s.told("promptId")),
			"a password":        p.answer("SessionExecutor", "password", "x"),
		} {
			if bad.Code != "ABA-60001" {
				t.Errorf("%s: %s", name, bad.Text)
			}
		}
		if again := chooses(refresh, s.told("promptId")); again.Text != s.Text {
			t.Errorf("refreshed: %s", again.Text)
		}
		few := chooses(terminate, s.told("promptId"))
		if few.FlowStatus != "FAIL_INCOMPLETE" || few.told("promptId") == s.told("promptId") {
			t.Errorf("none: %s", few.Text)
		}
		if old := chooses(terminate, s.told("promptId"), list[0].ID); old.Code != "ABA-60001" {
			t.Errorf("a list from before: %s", old.Text)
		}
		if w.sessions(ann) != 2 {
			t.Error("a session has ended before the other begins")
		}
		other := *p // which will not have any of them end
		p = w.program(directory.Interaction{})
		p.say(nil)
		s = p.answer("BasicAuthenticator", "username", "ann", "password", goodPassword)
		if denied := chooses(deny, s.told("promptId")); denied.Result == nil || denied.Result.Refusal == "" || w.sessions(ann) != 2 {
			t.Errorf("denied: %+v %s", denied.Result, denied.Text)
		}
		p = &other
		if done := chooses(terminate, few.told("promptId"), list[0].ID, list[1].ID); done.Result == nil || done.Result.Refusal != "" {
			t.Errorf("both: %s", done.Text)
		}
		if phone.alive() || laptop.alive() {
			t.Error("a session goes on that was to end")
		}
	})
}
