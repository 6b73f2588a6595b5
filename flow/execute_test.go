package flow_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// caller makes and recovers accounts by flow execution, without a browser.
type caller struct {
	*world
	org     string
	address string
	flow    string
}

func (w *world) caller() *caller { return &caller{world: w, address: "192.0.2.1"} }

// told is an answer to a caller.
type told struct {
	Status int
	Header http.Header
	Text   string

	FlowID     string `json:"flowId"`
	FlowType   string `json:"flowType"`
	FlowStatus string `json:"flowStatus"`
	Type       string `json:"type"`
	Data       struct {
		Components     []drawn  `json:"components"`
		RequiredParams []string `json:"requiredParams"`
		UserAssertion  string   `json:"userAssertion"`
		Messages       []struct {
			Type string `json:"type"`
			Key  string `json:"i18nKey"`
		} `json:"messages"`
	} `json:"data"`
	Code string `json:"code"`
}

// drawn is a component of a form.
type drawn struct {
	Type       string         `json:"type"`
	ActionID   string         `json:"actionId"`
	Config     map[string]any `json:"config"`
	Components []drawn        `json:"components"`
}

// message is the key of the first message; "" is none.
func (t told) message() string {
	if len(t.Data.Messages) == 0 {
		return ""
	}
	return t.Data.Messages[0].Key
}

// asks are the identifiers of what is asked.
func (t told) asks() string { return strings.Join(t.Data.RequiredParams, " ") }

// post sends a body as it is.
func (c *caller) post(body string, edit ...func(*http.Request)) (t told) {
	c.Helper()
	transport, ok := c.config.Execution.(*execute.Transport)
	if !ok {
		c.Fatal("the Execution is another one")
	}
	r := httptest.NewRequest(http.MethodPost, "https://id.example.com/t"+execute.Path, strings.NewReader(body))
	r.RemoteAddr = c.address + ":1234"
	r.Header.Set("Content-Type", "application/json")
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	transport.Handler(c.org, c.engine.Interact).ServeHTTP(rec, r)
	t.Status, t.Header, t.Text = rec.Code, rec.Header(), rec.Body.String()
	if err := json.Unmarshal(rec.Body.Bytes(), &t); err != nil {
		c.Fatalf("%s: %d %q", body, rec.Code, t.Text)
	}
	if len(rec.Result().Cookies()) > 0 {
		c.Errorf("cookies for a program: %v", rec.Result().Cookies())
	}
	return t
}

// start begins a flow. A link may have brought somebody.
func (c *caller) start(flowType, link string) told {
	c.Helper()
	body := map[string]any{"flowType": flowType}
	if link != "" {
		body["inputs"] = map[string]string{"confirmationCode": link}
	}
	text, err := json.Marshal(body)
	c.must(err)
	t := c.post(string(text))
	c.flow = t.FlowID
	return t
}

// send goes on with the flow: identifier, value, identifier, value.
func (c *caller) send(action string, pairs ...string) told {
	c.Helper()
	text, err := json.Marshal(c.body(action, pairs...))
	c.must(err)
	return c.post(string(text))
}

func (c *caller) body(action string, pairs ...string) map[string]any {
	inputs := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		inputs[pairs[i]] = pairs[i+1]
	}
	return map[string]any{"flowId": c.flow, "actionId": action, "inputs": inputs}
}

// The identifiers of what stock flows ask.
const (
	claimEmail      = "http://wso2.org/claims/emailaddress"
	claimGivenName  = "http://wso2.org/claims/givenname"
	claimFamilyName = "http://wso2.org/claims/lastname"
	claimUsername   = "http://wso2.org/claims/username"
)

func TestExecuteRegistration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		c := w.caller()
		if a := c.start("REGISTRATION", ""); a.Type != "VIEW" || a.FlowType != "REGISTRATION" || a.FlowStatus != "INCOMPLETE" || a.asks() != claimEmail {
			t.Fatalf("got %s", a.Text)
		}
		a := c.send("continue", claimEmail, "ann@example.com", claimGivenName, "Ann", claimFamilyName, "Lee")
		if a.asks() != "otp" {
			t.Fatalf("got %s", a.Text)
		}
		code := box.letter().Params[notify.Code]
		if a = c.send("login", "otp", other(code)); a.Status != http.StatusOK || a.asks() != "otp" || a.message() != "code.wrong" || a.Data.Messages[0].Type != "ERROR" {
			t.Fatalf("a wrong code: %s", a.Text)
		}
		if a = c.send("login", "otp", code); a.asks() != "password" || !strings.Contains(a.Text, `"name":"LengthValidator","conditions":[{"key":"min.length","value":"8"}]`) {
			t.Fatalf("got %s", a.Text)
		}
		if a = c.send("continue", "password", "short"); a.asks() != "password" || a.message() == "" {
			t.Fatalf("a password that the policy refuses: %s", a.Text)
		}
		if a = c.send("continue", "password", newPassword); a.Text != `{"flowStatus":"COMPLETE","data":{}}` {
			t.Fatalf("got %s", a.Text)
		}
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		if err != nil || !user.EmailVerified || user.GivenName != "Ann" || user.FamilyName != "Lee" {
			t.Errorf("%v %+v", err, user)
		}
		if n := w.sessions(user); n != 0 {
			t.Errorf("%d sessions of somebody who was signed in nowhere", n)
		}
		if a = c.send("continue", "password", newPassword); a.Status != http.StatusBadRequest || a.Code != "FE-60001" {
			t.Errorf("a flow that is over: %s", a.Text)
		}
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann@example.com", newPassword).answer(t)
	})
}

func TestExecuteRecovery(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.caller()
		if a := c.start("PASSWORD_RECOVERY", ""); a.asks() != claimUsername {
			t.Fatalf("got %s", a.Text)
		}
		if a := c.send("continue", claimUsername, "ann"); a.asks() != "otp" {
			t.Fatalf("got %s", a.Text)
		}
		w.advance(2 * time.Minute)
		if a := c.send("resend"); a.asks() != "otp" || a.message() != "code.resent" {
			t.Fatalf("got %s", a.Text)
		}
		sent := box.letter()
		if a := c.send("login", "otp", sent.Params[notify.Code]); a.asks() != "password" {
			t.Fatalf("got %s", a.Text)
		}
		if a := c.send("continue", "password", newPassword); a.FlowStatus != "COMPLETE" {
			t.Fatalf("got %s", a.Text)
		}
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", newPassword).answer(t)
		if a := c.start("PASSWORD_RECOVERY", ticketOf(sent)); a.asks() != "password" {
			t.Fatalf("got %s", a.Text)
		}
		if a := c.send("", "password", goodPassword+" 2"); a.asks() != claimUsername || a.message() != "ticket.void" {
			t.Errorf("a link whose code was used: %s", a.Text)
		}
	})
}

// ticketOf is what the link of a message holds.
func ticketOf(m notify.Message) string {
	_, ticket, _ := strings.Cut(m.Params[notify.Link], "?ticket=")
	return ticket
}

func TestExecuteRecoveryByLink(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.caller()
		c.start("PASSWORD_RECOVERY", "")
		c.send("continue", claimUsername, "ann")
		other := w.caller() // the link was opened elsewhere
		if a := other.start("PASSWORD_RECOVERY", ticketOf(box.letter())); a.asks() != "password" {
			t.Fatalf("got %s", a.Text)
		}
		if a := other.send("continue", "password", newPassword); a.FlowStatus != "COMPLETE" {
			t.Fatalf("got %s", a.Text)
		}
	})
}

func TestExecuteInvitation(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		_, link, _ := strings.Cut(w.invited("ann"), "?ticket=")
		for i, flowType := range []string{"INVITED_USER_REGISTRATION", "ASK_PASSWORD"} {
			c := w.caller()
			a := c.start(flowType, "")
			if a.Type != "INTERNAL_PROMPT" || a.asks() != "confirmationCode" || a.FlowType != "INVITED_USER_REGISTRATION" {
				t.Fatalf("got %s", a.Text)
			}
			if a = c.send("", "confirmationCode", link+"x"); a.asks() != "confirmationCode" || a.message() != "ticket.void-for-good" {
				t.Fatalf("another link: %s", a.Text)
			}
			if a = c.send("", "confirmationCode", link); i == 1 {
				if a.asks() != "confirmationCode" || a.message() != "ticket.void-for-good" {
					t.Errorf("a link that was used: %s", a.Text)
				}
				return
			}
			if a.asks() != "password" {
				t.Fatalf("got %s", a.Text)
			}
			if a = c.send("continue", "password", newPassword); a.FlowStatus != "COMPLETE" {
				t.Fatalf("got %s", a.Text)
			}
		}
	})
}

// An invitation that is good no more is no success, whatever is sent.
func TestExecuteVoidInvitation(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		_, link, _ := strings.Cut(w.invited("ann"), "?ticket=")
		w.advance(365 * 24 * time.Hour)
		c := w.caller()
		if a := c.start("ASK_PASSWORD", link); a.message() != "ticket.void-for-good" || a.asks() != "" {
			t.Fatalf("got %s", a.Text)
		}
		if a := c.send("continue"); a.Status != http.StatusBadRequest || a.Code != "FE-60006" {
			t.Errorf("got %s", a.Text)
		}
	})
}

// Every code of the catalogue that can be had has its cause.
func TestExecuteErrors(t *testing.T) {
	t.Parallel()
	w, _ := selfService(t, together)
	c := w.caller()
	c.start("REGISTRATION", "")
	id := c.flow
	for body, want := range map[string]string{
		`{}`:                         "FE-60011",
		`{"inputs":{"otp":"1"}}`:     "FE-60004",
		`{"flowType":"LOGIN"}`:       "FE-60007",
		`{"flowType":"REGISTRATION"`: "FE-60007",
		`{"flowId":"` + strings.Repeat("a", 43) + `"}`:                                   "FE-60001",
		`{"flowId":"x","flowType":"REGISTRATION"}`:                                       "FE-60001",
		`{"flowId":"` + id + `","flowType":"ASK_PASSWORD"}`:                              "FE-60007",
		`{"flowId":"` + id + `","actionId":"none"}`:                                      "FE-60009",
		`{"flowId":"` + id + `","actionId":"continue"}`:                                  "FE-60008",
		`{"flowId":"` + id + `","inputs":{"` + claimEmail + `":"a@b.c","role":"admin"}}`: "FE-60008",
		`{"flowId":"` + id + `","inputs":{"` + claimEmail + `":7}}`:                      "FE-60008",
		`{"flowId":"` + id + `","flowid":"` + id + `"}`:                                  "FE-60007",
		`{"flowType":"REGISTRATION","inputs":{"otp":"1"}}`:                               "FE-60008",
		`{"flowType":"REGISTRATION","applicationId":"none"}`:                             "FE-60007",
		`{"flowType":"` + strings.Repeat("R", 300) + `"}`:                                "FE-60007",
	} {
		if a := c.post(body); a.Code != want || a.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s, want %s", body, a.Status, a.Text, want)
		}
	}
	recovery := w.caller()
	recovery.start("PASSWORD_RECOVERY", "")
	if a := recovery.send("continue"); a.Code != "FE-60002" {
		t.Errorf("no username: %s", a.Text)
	}
	if a := c.post(`{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }); a.Status != http.StatusUnsupportedMediaType {
		t.Errorf("another media type: %s", a.Text)
	}
	if a := c.post(`{"flowType":"` + strings.Repeat("R", 70<<10) + `"}`); a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %s", a.Text)
	}
	if a := c.send("continue", claimEmail, "ann@example.com"); a.asks() != "otp" {
		t.Errorf("after all that: %s", a.Text)
	}
}

// A flow that the organization has closed is not there.
func TestExecuteClosed(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Registration, "", "")
		w.must(err)
		policy.Enabled = false
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Registration, "", "", policy))
		w.advance(2 * time.Second)
		if a := w.caller().start("REGISTRATION", ""); a.Status != http.StatusBadRequest || a.Code != "FE-60006" {
			t.Errorf("got %s", a.Text)
		}
	})
}
