package flow_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/recovery"
	"github.com/signet-idp/signet/store/directory"
)

const claimMobile = "http://wso2.org/claims/mobile"

// recoverer recovers an account by the calls of flow/recovery.
type recoverer struct {
	*world
	org string
	// has is what the answers have brought last, by name.
	has map[string]string
}

func (w *world) recoverer() *recoverer { return &recoverer{world: w, has: map[string]string{}} }

// heard is an answer to a recoverer.
type heard struct {
	Status int
	Header http.Header
	Text   string
	// Channels are the ids of the channels with what is shown of them.
	Channels []string
	Code     string
}

// call makes a call: member, value, member, value. "claim" is a URI and a value with a blank between.
func (c *recoverer) call(path string, pairs ...string) heard {
	c.Helper()
	body := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if uri, value, ok := strings.Cut(pairs[i+1], " "); ok && pairs[i] == "claim" {
			body["claims"] = []map[string]string{{"uri": uri, "value": value}}
			continue
		}
		body[pairs[i]] = pairs[i+1]
	}
	text, err := json.Marshal(body)
	c.must(err)
	return c.post(path, string(text))
}

// post sends a body as it is.
func (c *recoverer) post(path, body string, edit ...func(*http.Request)) (h heard) {
	c.Helper()
	transport, ok := c.config.Recovery.(*recovery.Transport)
	if !ok {
		c.Fatal("the Recovery is another one")
	}
	routes := transport.Routes(c.org, c.engine.Interact)
	i := slices.IndexFunc(routes, func(r recovery.Route) bool { return r.Path == recovery.Path+path })
	if i < 0 {
		c.Fatalf("no %s", path)
	}
	r := httptest.NewRequest(http.MethodPost, "https://id.example.com/t"+recovery.Path+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	routes[i].Handler.ServeHTTP(rec, r)
	h.Status, h.Header, h.Text = rec.Code, rec.Header(), rec.Body.String()
	if len(rec.Result().Cookies()) > 0 {
		c.Errorf("cookies for a program: %v", rec.Result().Cookies())
	}
	var any any
	if err := json.Unmarshal(rec.Body.Bytes(), &any); err != nil {
		c.Fatalf("%s %s: %d %q", path, body, rec.Code, h.Text)
	}
	h.learn(c, any)
	return h
}

// learn keeps the codes of an answer.
func (h *heard) learn(c *recoverer, answer any) {
	switch answer := answer.(type) {
	case []any:
		for _, a := range answer {
			h.learn(c, a)
		}
	case map[string]any:
		for name, value := range answer {
			text, isText := value.(string)
			switch {
			case isText && strings.HasSuffix(name, "Code"):
				c.has[name] = text
			case isText && name == "code":
				h.Code = text
			case isText && name == "value":
				h.Channels = append(h.Channels, answer["id"].(string)+" "+text)
			default:
				h.learn(c, value)
			}
		}
	}
}

func (c *recoverer) init(claim string) heard {
	c.Helper()
	return c.call("/password/init", "claim", claim)
}

func (c *recoverer) recover(channel string) heard {
	c.Helper()
	return c.call("/password/recover", "recoveryCode", c.has["recoveryCode"], "channelId", channel)
}

func (c *recoverer) resend() heard {
	c.Helper()
	return c.call("/password/resend", "resendCode", c.has["resendCode"])
}

func (c *recoverer) confirm(otp string) heard {
	c.Helper()
	return c.call("/password/confirm", "confirmationCode", c.has["flowConfirmationCode"], "otp", otp)
}

func (c *recoverer) reset(pass string) heard {
	c.Helper()
	return c.call("/password/reset", "resetCode", c.has["resetCode"], "flowConfirmationCode", c.has["flowConfirmationCode"], "password", pass)
}

// is fails unless an answer has a status and a code.
func (h heard) is(t *testing.T, status int, code string) {
	t.Helper()
	if h.Status != status || h.Code != code {
		t.Fatalf("got %d %s, want %d %q", h.Status, h.Text, status, code)
	}
}

// allRecovery opens the ways by text messages, and those to user names.
func (w *world) allRecovery() {
	w.Helper()
	policy, err := directory.Resolve(w.Context(), w.Settings, w.Settings.Recovery, "", "")
	w.must(err)
	policy.SMSCode, policy.UsernameEmail, policy.UsernameSMS = true, true, true
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Recovery, "", "", policy))
	w.advance(2 * time.Second)
}

func TestRecoveryAPI(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.phoned("ann", "+4930123456")
		w.allRecovery()
		for _, way := range []struct {
			claim, channel string
			shown          []string
			to             string
		}{
			{claimUsername + " ann", "1", []string{"1 ***", "2 ***"}, "ann@example.com"},
			{claimEmail + " ann@example.com", "1", []string{"1 a***@example.com", "2 ***"}, "ann@example.com"},
			{claimMobile + " +4930123456", "2", []string{"1 ***", "2 ***3456"}, "+4930123456"},
			{claimMobile + " +49 (30) 123456", "1", []string{"1 ***", "2 ***3456"}, "ann@example.com"},
		} {
			w.advance(7 * time.Hour)
			elsewhere := w.browser()
			elsewhere.signIn("ann")
			c := w.recoverer()
			h := c.init(way.claim)
			if h.is(t, http.StatusOK, ""); !slices.Equal(h.Channels, way.shown) || !strings.Contains(h.Text, `"links":[{"rel":"next","href":"`+recovery.Path+`/password/recover","type":"POST"}]`) {
				t.Fatalf("%s: %s", way.claim, h.Text)
			}
			c.recover(way.channel).is(t, http.StatusAccepted, "PWR-02002")
			if sent := box.letter(); sent.To != way.to {
				t.Fatalf("%s: sent to %+v", way.claim, sent)
			}
			c.confirm(other(box.last())).is(t, http.StatusNotAcceptable, "UAR-10013")
			w.advance(61 * time.Second)
			if h = c.resend(); !strings.Contains(h.Text, `"notificationChannel":"`+map[string]string{"1": "EMAIL", "2": "SMS"}[way.channel]) {
				t.Fatalf("got %s", h.Text)
			}
			h.is(t, http.StatusAccepted, "PWR-02002")
			c.confirm(box.last()).is(t, http.StatusOK, "")
			c.reset("short").is(t, http.StatusPreconditionFailed, "PWR-10006")
			c.reset(newPassword+way.claim).is(t, http.StatusOK, "PWR-02005")
			if p := elsewhere.get(w.request(directory.Interaction{})); p.step() != "password" {
				t.Errorf("a session from before goes on: %v", p)
			}
			elsewhere.login(elsewhere.get(w.request(directory.Interaction{})), "ann", newPassword+way.claim).answer(t)
			ann := w.mustFind("ann")
			w.must(w.SetPassword(t.Context(), ann, goodPassword))
		}
	})
}

func TestRecoveryAPIHistory(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.PasswordHistory, "", "", directory.PasswordHistoryPolicy{Count: 3}))
		w.advance(2 * time.Second)
		c := w.recoverer()
		c.init(claimUsername + " ann")
		c.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		c.confirm(box.last()).is(t, http.StatusOK, "")
		code := c.has["resetCode"]
		c.reset(goodPassword).is(t, http.StatusPreconditionFailed, "PWR-10005")
		if c.has["resetCode"] != code {
			t.Error("the code has changed, with which it may be tried again")
		}
		c.reset(newPassword).is(t, http.StatusOK, "PWR-02005")
	})
}

// The code in the link of a mail is good without one that was typed, as the contract has it, once.
func TestRecoveryAPIByLink(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.recoverer()
		c.init(claimUsername + " ann")
		c.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		link := box.link(t)
		token := link[strings.LastIndex(link, "=")+1:]
		app, late := w.recoverer(), w.recoverer()
		app.call("/password/confirm", "confirmationCode", token).is(t, http.StatusOK, "")
		late.call("/password/confirm", "confirmationCode", token).is(t, http.StatusOK, "")
		app.reset(newPassword).is(t, http.StatusOK, "PWR-02005")
		late.reset("a password of somebody else").is(t, http.StatusNotAcceptable, "UAR-10013")
		late.call("/password/confirm", "confirmationCode", token).is(t, http.StatusNotAcceptable, "UAR-10013")
		late.call("/password/confirm", "confirmationCode", "rubbish").is(t, http.StatusNotAcceptable, "UAR-10013")
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", newPassword).answer(t)
	})
}

func TestRecoveryAPIUsername(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.phoned("ann", "+4930123456")
		w.allRecovery()
		for _, way := range []struct{ claim, channel, to string }{
			{claimEmail + " ann@example.com", "1", "ann@example.com"},
			{claimMobile + " +4930123456", "2", "+4930123456"},
		} {
			w.advance(61 * time.Second)
			c := w.recoverer()
			if h := c.call("/username/init", "claim", way.claim); h.Status != http.StatusOK || len(h.Channels) != 1 || !strings.HasPrefix(h.Channels[0], way.channel+" ") {
				t.Fatalf("%s: %s", way.claim, h.Text)
			}
			ask := func() heard {
				return c.call("/username/recover", "recoveryCode", c.has["recoveryCode"], "channelId", way.channel)
			}
			ask().is(t, http.StatusAccepted, "UNR-02001")
			if sent := box.letter(); sent.Template != notify.AccountIDRecovery || sent.To != way.to || sent.Decoy {
				t.Errorf("%s: got %+v", way.claim, sent)
			}
			ask().is(t, http.StatusNotAcceptable, "UAR-10001")
		}
	})
}

// What an organization does not have is not begun, and says nothing about anybody.
func TestRecoveryAPIClosed(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		w.verified("ann")
		set := func(open directory.RecoveryPolicy) {
			policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Recovery, "", "")
			w.must(err)
			policy.EmailLink, policy.SMSCode, policy.UsernameSMS = open.EmailLink, open.SMSCode, open.UsernameSMS
			w.must(directory.Set(t.Context(), w.Settings, w.Settings.Recovery, "", "", policy))
			w.advance(2 * time.Second)
		}
		set(directory.RecoveryPolicy{UsernameSMS: true})
		c := w.recoverer()
		c.init(claimUsername+" ann").is(t, http.StatusForbidden, "PWR-10004")
		c.call("/username/init", "claim", claimEmail+" ann@example.com").is(t, http.StatusNotFound, "UAR-10009")
		set(directory.RecoveryPolicy{EmailLink: true})
		c.call("/username/init", "claim", claimEmail+" ann@example.com").is(t, http.StatusForbidden, "UNR-10001")
		c.init(claimUsername+" ann").is(t, http.StatusOK, "")
		c.recover("2").is(t, http.StatusBadRequest, "UAR-10004")
		set(directory.RecoveryPolicy{SMSCode: true})
		c.recover("1").is(t, http.StatusBadRequest, "UAR-10004")
		c.recover("2").is(t, http.StatusAccepted, "PWR-02002")
	})
}

// A plan of the host's own that asks for what no call of the contract answers is refused at the beginning.
func TestRecoveryAPIUnsupported(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		plan, err := flow.Graph{Start: "who", Nodes: []flow.Node{
			{Name: "who", Options: []string{"recover"}, On: map[string]string{"ok": "link"}},
			{Name: "link", Options: []string{"recover-link"}, On: map[string]string{"ok": "end"}},
			{Name: "end", End: flow.Succeeded},
		}}.Compile()
		w.must(err)
		plans := maps.Clone(w.config.Plans)
		plans["recover"] = plan
		w.engine = w.rebuild(func(c *flow.Config) { c.Plans = plans })
		w.recoverer().init(claimUsername+" ann").is(t, http.StatusNotImplemented, "UAR-10017")
	})
}

func TestRecoveryAPIBadRequests(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		w.verified("ann")
		w.allRecovery()
		c := w.recoverer()
		long := strings.Repeat("x", 257)
		for _, test := range []struct {
			path, body string
			status     int
			code       string
		}{
			{"/password/init", ``, 400, "UAR-10001"},
			{"/password/init", `[]`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[],"claims":[]}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[[[[[]]]]]}`, 400, "UAR-10001"},
			{"/password/init", `{}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[{"uri":"http://wso2.org/claims/givenname","value":"Ann"}]}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[{"uri":"` + claimUsername + `","value":""}]}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[{"uri":"` + claimUsername + `","value":"` + long + `"}]}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[{"uri":"` + claimUsername + `","value":"a"},{"uri":"` + claimEmail + `","value":"a@b"}]}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[{"uri":"` + claimEmail + `","value":"ann"}]}`, 400, "UAR-10001"},
			{"/password/init", `{"claims":[{"uri":"` + claimMobile + `","value":"ann@example.com"}]}`, 400, "UAR-10001"},
			{"/password/init", strings.Repeat(" ", 70<<10), 413, "UAR-10001"},
			{"/username/init", `{"claims":[{"uri":"` + claimUsername + `","value":"ann"}]}`, 400, "UAR-10001"},
			{"/password/recover", `{}`, 400, "UAR-10001"},
			{"/password/recover", `{"recoveryCode":"x","channelId":"1"}`, 406, "UAR-10001"},
			{"/password/recover", `{"recoveryCode":"` + strings.Repeat("x", 86) + `","channelId":"1"}`, 406, "UAR-10001"},
			{"/password/recover", `{"recoveryCode":"` + strings.Repeat("*", 86) + `","channelId":"1"}`, 406, "UAR-10001"},
			{"/username/recover", `{"recoveryCode":"` + strings.Repeat("x", 86) + `","channelId":"1"}`, 406, "UAR-10001"},
			{"/password/resend", `{"resendCode":"` + strings.Repeat("x", 86) + `"}`, 406, "UAR-10012"},
			{"/password/confirm", `{"confirmationCode":"` + strings.Repeat("x", 86) + `","otp":"1"}`, 406, "UAR-10015"},
			{"/password/confirm", `{"confirmationCode":"x","otp":"1"}`, 406, "UAR-10015"},
			{"/password/reset", `{"resetCode":"` + strings.Repeat("x", 86) + `","password":"x"}`, 406, "UAR-10013"},
		} {
			h := c.post(test.path, test.body)
			if h.Status != test.status || h.Code != test.code || !strings.Contains(h.Text, `"traceId":"`) || h.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %.80s: got %d %s", test.path, test.body, h.Status, h.Text)
			}
		}
		c.post("/password/init", `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }).is(t, http.StatusUnsupportedMediaType, "UAR-10001")
	})
}

// Nothing that is answered, asked of the store or sent says whether there is an account, whether it may sign in and whether its address was
// verified: by none of the claims, however often codes are asked for and guessed.
func TestAttackRecoveryAPIEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(uri, name, value string) (seen []string) {
			w, box := selfService(t, open)
			w.user("bob") // whose address was never verified
			w.phoned("ann", "+4930111111")
			cid := w.phoned("cid", "+4930222222")
			w.must(w.Subjects.Disable(t.Context(), w.SubjectRef(cid)))
			w.allRecovery()
			c := w.recoverer()
			note := func(h heard) {
				text := h.Text
				for _, code := range c.has {
					text = strings.ReplaceAll(text, code, "CODE")
				}
				if before, _, ok := strings.Cut(text, `"traceId":"`); ok {
					text = before
				}
				if uri != claimUsername {
					text = strings.ReplaceAll(text, `"value":"`+masked(value)+`"`, `"value":"MASKED"`) // which is of what was typed
				}
				headers := strings.Join(slices.Sorted(maps.Keys(h.Header)), ",")
				seen = append(seen, strings.Join([]string{http.StatusText(h.Status), text, headers, strings.Join(calls(w), "\n")}, "|")+strings.Repeat("!", box.count()))
				w.faults.Forget()
			}
			w.faults.Forget()
			if uri == "username" {
				note(c.call("/username/init", "claim", claimEmail+" "+value))
				note(c.call("/username/recover", "recoveryCode", c.has["recoveryCode"], "channelId", "1"))
				return seen
			}
			note(c.init(uri + " " + value))
			note(c.recover("1"))
			for range 7 {
				w.advance(61 * time.Second)
				note(c.resend())
			}
			for range 7 {
				note(c.confirm("000000"))
			}
			return seen
		}
		for uri, values := range map[string]map[string]string{
			claimUsername: {"ann": "ann", "bob": "bob", "cid": "cid", "nobody": "nobody"},
			claimEmail:    {"ann": "ann@example.com", "bob": "bob@example.com", "cid": "cid@example.com", "nobody": "nob@example.com"},
			claimMobile:   {"ann": "+4930111111", "cid": "+4930222222", "nobody": "+4930333333"},
			"username":    {"ann": "ann@example.com", "bob": "bob@example.com", "cid": "cid@example.com", "nobody": "nob@example.com"},
		} {
			want := attempts(uri, "ann", values["ann"])
			for name, value := range values {
				got := attempts(uri, name, value)
				for i := range want {
					if got[i] != want[i] {
						t.Errorf("%s %s, answer %d:\n%s\nbut for ann\n%s", uri, name, i, got[i], want[i])
						break
					}
				}
			}
		}
	})
}

// masked is what is shown of an address that was typed.
func masked(value string) string {
	if strings.Contains(value, "@") {
		return notify.Email.Mask(value)
	}
	return notify.SMS.Mask(value)
}

// The guesses at an account are counted as on pages: a flow ends with the last that it may have, and the right code is refused then.
func TestAttackRecoveryAPIGuessed(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.recoverer()
		c.init(claimUsername + " ann")
		c.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		code := box.last()
		for range 4 {
			c.confirm("999999x").is(t, http.StatusNotAcceptable, "UAR-10013")
		}
		c.confirm("999999x").is(t, http.StatusNotAcceptable, "UAR-10016")
		c.confirm(code).is(t, http.StatusNotAcceptable, "UAR-10015")
		w.advance(61 * time.Second)
		again := w.recoverer() // another flow finds the account locked
		again.init(claimUsername + " ann")
		again.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		again.confirm(box.last()).is(t, http.StatusNotAcceptable, "UAR-10013")
		w.advance(6 * time.Minute)
		again.confirm(box.last()).is(t, http.StatusOK, "")
	})
}

// Messages are bounded as on pages, and the code is good still when there is room again.
func TestAttackRecoveryAPIResent(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.recoverer()
		c.init(claimUsername + " ann")
		c.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		h := c.resend()
		if h.is(t, http.StatusTooManyRequests, "UAR-10014"); h.Header.Get("Retry-After") == "" {
			t.Errorf("got %v", h.Header)
		}
		for range 7 {
			w.advance(61 * time.Second)
			h = c.resend()
		}
		h.is(t, http.StatusTooManyRequests, "UAR-10014")
		if sent := box.count(); sent < 3 || sent > 6 {
			t.Errorf("%d were sent", sent)
		}
		c.confirm(box.last()).is(t, http.StatusOK, "")
	})
}

// A code is good for its call, in its organization and flow, at its stage, once, and for nothing else.
func TestAttackRecoveryAPICodeOfAnotherStep(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		w.allRecovery()
		codes := map[string]string{} // every one that there was, by its name
		try := func(c *recoverer, good ...string) {
			t.Helper()
			for _, call := range [][]string{
				{"/password/recover", "recoveryCode", "channelId", "1"},
				{"/password/resend", "resendCode"},
				{"/password/confirm", "confirmationCode", "otp", "999999x"},
				{"/password/reset", "resetCode", "password", newPassword},
				{"/username/recover", "recoveryCode", "channelId", "1"},
			} {
				for name, code := range codes {
					if slices.Contains(good, call[0]+" "+name) {
						continue
					}
					w.advance(3 * time.Second) // what an address may ask is bounded
					h := c.call(call[0], append([]string{call[1], code}, call[2:]...)...)
					if h.Status != http.StatusNotAcceptable || h.Code == "UAR-10016" {
						t.Errorf("%s with %s: %d %s", call[0], name, h.Status, h.Text)
					}
				}
			}
		}
		keep := func(c *recoverer, suffix string) {
			for name, code := range c.has {
				codes[name+suffix] = code
			}
		}
		c := w.recoverer()
		c.init(claimUsername + " ann")
		keep(c, "")
		try(c, "/password/recover recoveryCode")
		foreign := w.recoverer()
		foreign.org = "acme"
		try(foreign)
		c.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		keep(c, " 2")
		try(c, "/password/resend resendCode 2", "/password/confirm flowConfirmationCode", "/password/confirm flowConfirmationCode 2")
		w.advance(61 * time.Second)
		c.resend().is(t, http.StatusAccepted, "PWR-02002")
		keep(c, " 3")
		c.confirm(box.last()).is(t, http.StatusOK, "")
		keep(c, " 4")
		try(c, "/password/reset resetCode 4")
		other := w.recoverer()
		other.init(claimUsername + " ann")
		c.call("/password/reset", "resetCode", c.has["resetCode"], "flowConfirmationCode", other.has["flowConfirmationCode"], "password", newPassword).
			is(t, http.StatusNotAcceptable, "UAR-10015")
		c.call("/password/reset", "resetCode", c.has["resetCode"]).is(t, http.StatusBadRequest, "PWR-10003")
		c.reset(newPassword).is(t, http.StatusOK, "PWR-02005")
		try(c)
		w.browser().login(w.browser().get(w.request(directory.Interaction{})), "ann", newPassword)
	})
}

// The secret in a code names no flow of flow execution, and a flowId none of this API.
func TestAttackRecoveryAPIOfAnotherProgram(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		w.verified("ann")
		c, x := w.recoverer(), w.caller()
		c.init(claimUsername + " ann")
		x.flow = c.has["recoveryCode"][:43]
		if a := x.send("continue", claimUsername, "ann"); a.Code != "FE-60001" {
			t.Errorf("got %s", a.Text)
		}
		x.start("PASSWORD_RECOVERY", "")
		c.call("/password/recover", "recoveryCode", x.flow+c.has["recoveryCode"][43:], "channelId", "1").is(t, http.StatusNotAcceptable, "UAR-10001")
	})
}

// A code counts in the flow in which it was asked for, and nowhere else.
func TestAttackRecoveryAPICodeOfAnotherFlow(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		mallory, ann := w.recoverer(), w.recoverer()
		mallory.init(claimUsername + " ann")
		mallory.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		w.advance(61 * time.Second)
		ann.init(claimUsername + " ann")
		ann.recover("1").is(t, http.StatusAccepted, "PWR-02002")
		mallory.confirm(box.last()).is(t, http.StatusNotAcceptable, "UAR-10013")
		ann.confirm(box.last()).is(t, http.StatusOK, "")
	})
}

// A code that has set a password sets no other, and an old one ends nothing once everything of the person was revoked.
func TestAttackRecoveryAPIReplay(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		ann := w.verified("ann")
		c := w.recoverer()
		c.init(claimUsername + " ann")
		c.recover("1")
		c.confirm(box.last()).is(t, http.StatusOK, "")
		c.reset(newPassword).is(t, http.StatusOK, "PWR-02005")
		c.reset("a password of somebody else").is(t, http.StatusNotAcceptable, "UAR-10013")
		c.confirm(box.last()).is(t, http.StatusNotAcceptable, "UAR-10015")
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", newPassword).answer(t)

		w.advance(61 * time.Second)
		c.init(claimUsername + " ann")
		c.recover("1")
		c.confirm(box.last()).is(t, http.StatusOK, "")
		w.must(w.Subjects.Revoke(t.Context(), w.SubjectRef(ann)))
		c.reset("a password of somebody else").is(t, http.StatusNotAcceptable, "UAR-10013")
		c.reset("a password of somebody else").is(t, http.StatusNotAcceptable, "UAR-10013")
	})
}

// Of many who reset with one code at once, at most one is told that it was done; the password is theirs.
func TestAttackRecoveryAPIResetTwice(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		c := w.recoverer()
		c.init(claimUsername + " ann")
		c.recover("1")
		c.confirm(box.last()).is(t, http.StatusOK, "")
		var wait sync.WaitGroup
		won := make(chan string, 16)
		for i := range 16 {
			mine := w.recoverer()
			mine.has = maps.Clone(c.has)
			pass := strings.Repeat("password of its own ", 2) + string(rune('a'+i))
			wait.Go(func() {
				if h := mine.reset(pass); h.Status == http.StatusOK {
					won <- pass
				} else if h.Status != http.StatusNotAcceptable && h.Status != http.StatusServiceUnavailable {
					t.Errorf("got %d %s", h.Status, h.Text)
				}
			})
		}
		wait.Wait()
		if len(won) > 1 {
			t.Fatalf("%d were told that it was done", len(won))
		}
		b := w.browser()
		if len(won) == 1 {
			b.login(b.get(w.request(directory.Interaction{})), "ann", <-won).answer(t)
		}
		if p := b.login(w.browser().get(w.request(directory.Interaction{})), "ann", goodPassword); p.Result != nil {
			t.Error("the old password is good still")
		}
	})
}

// Whichever call of the store fails: 503, and never a word about the code or the person; the recovery is done all the same when asked again.
func TestAttackRecoveryAPIStoreFails(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		failed := map[string]int{}
		for n := 1; ; n++ {
			w.advance(7 * time.Hour)
			c, failures := w.recoverer(), 0
			w.faults.FailCall(n, nil)
			pass := newPassword + strings.Repeat("x", n)
			insist := func(what string, do func() heard) heard {
				for range 10 {
					h := do()
					if h.Status != http.StatusServiceUnavailable {
						return h
					}
					if h.Code != "UAR-15004" {
						t.Errorf("call %d: %s", n, h.Text)
					}
					failures++
					failed[what]++
					w.advance(lease)
				}
				return do()
			}
			insist("init", func() heard { return c.init(claimUsername + " ann") }).is(t, http.StatusOK, "")
			sent := func() {
				h := insist("recover", func() heard { return c.recover("1") })
				for range 3 {
					if h.Status != http.StatusTooManyRequests { // the durable half of a step whose other half has failed
						break
					}
					w.advance(2 * time.Minute)
					h = insist("recover", func() heard { return c.recover("1") })
				}
				h.is(t, http.StatusAccepted, "PWR-02002")
			}
			sent()
			h := insist("confirm", func() heard { return c.confirm(box.last()) })
			if h.Status == http.StatusNotAcceptable {
				w.advance(2 * time.Minute)
				insist("resend", c.resend).is(t, http.StatusAccepted, "PWR-02002")
				h = insist("confirm", func() heard { return c.confirm(box.last()) })
			}
			h.is(t, http.StatusOK, "")
			before := failures
			if h = insist("reset", func() heard { return c.reset(pass) }); failures == before || h.Status != http.StatusNotAcceptable { // else it was done, and the answer lost
				h.is(t, http.StatusOK, "PWR-02005")
			}
			over := w.faults.Waits()
			w.faults.Heal()
			b := w.browser()
			b.login(b.get(w.request(directory.Interaction{})), "ann", pass).answer(t)
			if over {
				break
			}
			if failures == 0 {
				t.Fatalf("call %d: its failure was not reported", n)
			}
		}
		for _, what := range []string{"init", "recover", "confirm", "reset"} {
			if failed[what] == 0 {
				t.Errorf("nothing has failed at %s: %v", what, failed)
			}
		}
	})
}

// FuzzRecoveryAPI holds that no body of a program is a failure of ours, nor sets a password.
func FuzzRecoveryAPI(f *testing.F) {
	f.Add("/password/init", `{"claims":[{"uri":"http://wso2.org/claims/username","value":"ann"}],"properties":[{"key":"k","value":"v"}]}`)
	f.Add("/password/recover", `{"recoveryCode":"$recoveryCode","channelId":"1"}`)
	f.Add("/password/resend", `{"resendCode":"$recoveryCode"}`)
	f.Add("/password/confirm", `{"confirmationCode":"$flowConfirmationCode","otp":"000000"}`)
	f.Add("/password/confirm", `{"confirmationCode":"x"}`)
	f.Add("/password/reset", `{"resetCode":"$recoveryCode","flowConfirmationCode":"$flowConfirmationCode","password":"a much better horse"}`)
	f.Add("/username/init", `{"claims":[{"uri":"http://wso2.org/claims/mobile","value":"+4930123456"}]}`)
	f.Add("/username/recover", `{"recoveryCode":"$recoveryCode","channelId":"2"}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		w, _ := selfService(t, together)
		w.verified("ann")
		c := w.recoverer()
		if !slices.ContainsFunc(recovery.New(recovery.Config{}).Routes("", nil), func(r recovery.Route) bool { return r.Path == recovery.Path+path }) {
			return
		}
		c.init(claimUsername + " ann")
		for name, code := range c.has {
			body = strings.ReplaceAll(body, "$"+name, code)
		}
		if h := c.post(path, body); h.Status >= 500 || h.Code == "PWR-02005" {
			t.Errorf("%s %q: %d %s", path, body, h.Status, h.Text)
		}
		if n := w.events("password.changed"); n != 0 {
			t.Errorf("%s %q: a password was set", path, body)
		}
	})
}
