package flow_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/pushdevice"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// phone is a device of somebody's.
type phone struct {
	*world
	*pushdevice.Device
}

// call sends JSON as the app of a device does: from nowhere in particular, without cookies.
func (w *world) call(method, path string, body any) (int, map[string]string) {
	w.Helper()
	text, err := json.Marshal(body)
	w.must(err)
	r := httptest.NewRequest(method, "https://id.example.com"+path, bytes.NewReader(text))
	r.RemoteAddr = "127.0.0.1:999"
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	answer := map[string]string{}
	if rec.Body.Len() > 0 {
		w.must(json.Unmarshal(rec.Body.Bytes(), &answer))
	}
	return rec.Code, answer
}

// register makes a phone and registers it by what a QR code says.
func (w *world) register(qr string, rsaKey bool, edit func(map[string]any)) (*phone, int) {
	w.Helper()
	var d mfa.PushDiscovery
	w.must(json.Unmarshal([]byte(qr), &d))
	algorithm := "EdDSA"
	if rsaKey {
		algorithm = "RS256"
	}
	device, err := pushdevice.New(algorithm)
	w.must(err)
	p := &phone{w, device}
	body, err := p.Register(d.DeviceID, d.Challenge, "token of "+d.DeviceID)
	w.must(err)
	if edit != nil {
		edit(body)
	}
	status, answer := w.call(http.MethodPost, "/t/api/users/v1/me/push/devices", body)
	if status == http.StatusCreated && answer["deviceId"] != d.DeviceID {
		w.Errorf("registered as %q", answer["deviceId"])
	}
	return p, status
}

// answer answers a message with a number.
func (p *phone) answer(m notify.Message, response, number string, edits ...any) int {
	p.Helper()
	claims := pushdevice.Answer(m.Params, response, number, p.Now().Add(time.Minute))
	for i := 0; i < len(edits); i += 2 {
		claims[edits[i].(string)] = edits[i+1]
	}
	token, err := p.Token(p.Header(), claims)
	p.must(err)
	status, _ := p.call(http.MethodPost, "/t/push-auth/authenticate", map[string]string{"authResponse": token})
	return status
}

// status is what the script of a page sees.
func (w *world) status(p page) string {
	w.Helper()
	if p.View == nil || p.View.Prompt.Poll == nil {
		return "no poll"
	}
	code, answer := w.call(http.MethodGet, p.View.Prompt.Poll.URL, nil)
	if code != http.StatusOK {
		w.Fatalf("status %d", code)
	}
	return answer["status"]
}

// enrolled is a world in which ann has a phone, and her browser after the enrolment.
func enrolled(t *testing.T, open opener, rsaKey bool) (*world, *outbox, *phone) {
	t.Helper()
	o := &outbox{}
	w := open(t, post(o, flow.LoginSteps{Enroll: []string{"push-enroll"}}))
	w.user("ann")
	b := w.browser()
	p := b.login(b.get(w.request(directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()})), "ann", goodPassword)
	if p.step() != "push-enroll" || w.status(p) != "PENDING" {
		t.Fatalf("got %v", p)
	}
	if p = b.submit(p); p.message() != "push-enroll.waiting" {
		t.Fatalf("before there is a phone: %v", p)
	}
	device, status := w.register(p.View.Prompt.QR, rsaKey, nil)
	if status != http.StatusCreated || w.status(p) != "COMPLETED" {
		t.Fatalf("register: %d, %s", status, w.status(p))
	}
	result := b.submit(p).answer(t)
	if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
		t.Errorf("%+v", a)
	}
	if _, again := w.register(p.View.Prompt.QR, rsaKey, nil); again != http.StatusBadRequest {
		t.Errorf("registered a second time: %d", again)
	}
	return w, o, device
}

// begin has ann's phone be asked.
func begin(w *world, o *outbox) (*browser, page, notify.Message) {
	w.Helper()
	b := w.browser()
	p := b.login(b.get(w.request(directory.Interaction{ApplicationName: "App"})), "ann", goodPassword)
	delivered, _ := o.all()
	if p.step() != "push" || len(delivered) == 0 {
		w.Fatalf("got %v, %d messages", p, len(delivered))
	}
	return b, p, delivered[len(delivered)-1]
}

func TestPush(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, rsaKey := range []bool{false, true} {
			w, o, device := enrolled(t, open, rsaKey)
			b, p, m := begin(w, o)
			number := p.View.Prompt.Intro.Params["number"]
			if m.To != "token of "+device.ID || m.Params["notificationScenario"] != "AUTHENTICATION" || m.Params["applicationName"] != "App" {
				t.Errorf("message %+v", m)
			}
			for name, value := range m.Params {
				if value == number || strings.Contains(name, "number") {
					t.Errorf("the message holds the number in %q", name)
				}
			}
			if w.status(p) != "PENDING" {
				t.Error("completed before it is")
			}
			if p = b.submit(p); p.message() != "push.waiting" {
				t.Errorf("too early: %v", p)
			}
			if status := device.answer(m, "APPROVED", number); status != http.StatusAccepted || w.status(p) != "COMPLETED" {
				t.Fatalf("approve: %d", status)
			}
			if again := b.get(p.View.Submit); again.View.Prompt.Poll != nil { // a page without scripts stops coming again
				t.Error("the page still waits")
			}
			result := b.submit(p).answer(t)
			if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
				t.Errorf("%+v", a)
			}
		}
	})
}

// Attacks C 9: what no answer of the person's own device is, changes nothing; a denial and another number end the question.
func TestAttackPush(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, o, device := enrolled(t, open, false)
		b, p, m := begin(w, o)
		number := p.View.Prompt.Intro.Params["number"]
		another, err := pushdevice.New("EdDSA")
		w.must(err)
		another.ID = device.ID
		stranger := &phone{w, another}
		for name, status := range map[string]int{
			"another key":       stranger.answer(m, "APPROVED", number),
			"another challenge": device.answer(m, "APPROVED", number, "challenge", "x"),
			"another prompt":    device.answer(m, "APPROVED", number, "pushAuthId", "x"),
			"an hour ahead":     device.answer(m, "APPROVED", number, "exp", w.Now().Add(time.Hour).Unix()),
			"expired":           device.answer(m, "APPROVED", number, "exp", w.Now().Add(-time.Hour).Unix()),
		} {
			if status != http.StatusBadRequest {
				t.Errorf("%s: %d", name, status)
			}
		}
		if p = b.submit(p); p.message() != "push.waiting" {
			t.Fatalf("after forged answers: %v", p)
		}
		wrong := "1"
		if number == wrong {
			wrong = "2"
		}
		if status := device.answer(m, "APPROVED", wrong); status != http.StatusAccepted {
			t.Errorf("another number: %d", status)
		}
		if p = b.submit(p); p.message() != "push.mismatched" {
			t.Errorf("another number: %v", p)
		}
		if status := device.answer(m, "APPROVED", number); status != http.StatusBadRequest {
			t.Errorf("a second answer: %d", status)
		}
		p = b.submit(p, "action", "resend")
		delivered, _ := o.all()
		again := delivered[len(delivered)-1]
		if status := device.answer(m, "APPROVED", number); status != http.StatusBadRequest {
			t.Errorf("an answer to the question before: %d", status)
		}
		other := w.browser() // somebody else with the password
		if q := other.login(other.get(w.request(directory.Interaction{})), "ann", goodPassword); q.message() != "push.wait-long" {
			t.Errorf("a second question while one is open: %v", q)
		}
		if status := device.answer(again, "DENIED", ""); status != http.StatusAccepted {
			t.Errorf("deny: %d", status)
		}
		if p = b.submit(p); p.message() != "push.denied" {
			t.Errorf("deny: %v", p)
		}
		p = b.submit(p, "action", "resend")
		delivered, _ = o.all()
		device.answer(delivered[len(delivered)-1], "DENIED", "")
		if p = b.submit(p, "action", "resend"); p.message() != "push.wait-long" {
			t.Errorf("after three denials: %v", p)
		}
	})
}

// TestAttackPushApprovalOfAnotherFlow approves a question and goes on with another flow of the same person, and twice with its own.
func TestAttackPushApprovalOfAnotherFlow(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, o, device := enrolled(t, open, false)
		b, p, m := begin(w, o)
		other := w.browser()
		q := other.login(other.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if status := device.answer(m, "APPROVED", p.View.Prompt.Intro.Params["number"]); status != http.StatusAccepted {
			t.Fatalf("approve: %d", status)
		}
		if q = other.submit(q, "action", "resend"); q.Result != nil {
			t.Errorf("another flow: %v", q)
		}
		cookies := maps.Clone(b.cookies)
		if p = b.submit(p); p.Result != nil && p.Result.Refusal == "" {
			t.Error("an approval counts that another question has followed")
		}
		b.cookies = cookies
	})
}

// TestPushRegistrationRefused holds what is no registration.
func TestPushRegistrationRefused(t *testing.T) {
	t.Parallel()
	o := &outbox{}
	w := together(t, post(o, flow.LoginSteps{Enroll: []string{"push-enroll"}}))
	w.user("ann")
	b := w.browser()
	p := b.login(b.get(w.request(directory.Interaction{Application: w.app(directory.SecondFactorRequired).Ref()})), "ann", goodPassword)
	for name, edit := range map[string]func(map[string]any){
		"another challenge": func(m map[string]any) { m["signature"] = m["publicKey"] },
		"another token":     func(m map[string]any) { m["deviceToken"] = "elsewhere" },
		"another device":    func(m map[string]any) { m["deviceId"] = "x" },
		"no key":            func(m map[string]any) { delete(m, "publicKey") },
		"two of one":        func(m map[string]any) { m["DeviceId"] = m["deviceId"] },
	} {
		if _, status := w.register(p.View.Prompt.QR, false, edit); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	w.advance(3 * time.Minute)
	if _, status := w.register(p.View.Prompt.QR, false, nil); status != http.StatusBadRequest {
		t.Errorf("after three minutes: %d", status)
	}
	p = b.submit(p, "action", "resend")
	if _, status := w.register(p.View.Prompt.QR, false, nil); status != http.StatusCreated {
		t.Errorf("another code: %d", status)
	}
	w.faults.FailCall(1, nil)
	if _, status := w.register(p.View.Prompt.QR, false, nil); status != http.StatusServiceUnavailable {
		t.Errorf("with a failing store: %d", status)
	}
	b.submit(p).answer(t)
}

// A page that posts in the place of devices is not heard, and does not use up what its readers may ask for.
func TestAttackPushByAPage(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t)
		for _, path := range []string{"/t/push-auth/authenticate", "/t/api/users/v1/me/push/devices", "/t/api/users/v1/me/push/devices/x/remove"} {
			for range 61 {
				r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
				r.RemoteAddr = "192.0.2.1:999"
				r.Header.Set("Sec-Fetch-Dest", "empty")
				rec := httptest.NewRecorder()
				if w.mux.ServeHTTP(rec, r); rec.Code != http.StatusBadRequest {
					t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
				}
			}
		}
		if wait, err := w.Throttle.Admit(t.Context(), "", directory.ThrottleRequest, "192.0.2.1"); err != nil || wait != 0 {
			t.Errorf("the person waits %v: %v", wait, err)
		}
	})
}
