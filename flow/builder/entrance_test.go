package builder_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/store/directory"
)

// toTheEnd brings a drawn registration to its last step.
func (w *world) toTheEnd(address string) {
	w.Helper()
	w.start("REGISTRATION")
	w.send("join", mail, address, "password", newPassword, given, "Zoe")
	w.send("confirm", "otp", w.letter().Params[notify.Code])
}

// Who registers is signed in at the end where the policy says so, and what was drawn does not say otherwise.
func TestDrawnSignIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy bool
		auto   string
		want   bool
	}{{false, "", false}, {true, "", true}, {true, "true", true}, {true, "false", false}, {false, "true", false}} {
		w := newWorld(t)
		w.registers(func(p *directory.RegistrationPolicy) { p.SignIn = c.policy })
		w.draw("registration", "REGISTRATION")
		if c.auto != "" {
			body := `{"flowType":"REGISTRATION","flowCompletionConfigs":{"isAutoLoginEnabled":"` + c.auto + `"}}`
			if status, answer := w.call(http.MethodPatch, builder.Path+"/config", body); status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
			w.advance(2 * time.Second)
		}
		w.app()
		w.toTheEnd("zoe@example.com")
		if a := w.send("done", family, "Zed"); a.FlowStatus != "COMPLETE" || (a.Data.Assertion != "") != c.want {
			t.Errorf("%+v: %s", c, a.Text)
		}
		user, err := w.FindUser(t.Context(), "", "zoe@example.com")
		w.must(err)
		if right, err := w.Users.VerifyPassword(t.Context(), user, newPassword); err != nil || !right {
			t.Errorf("%+v: the password is not theirs: %v", c, err)
		}
	}
}

// An account whose flow did not get on, as the store failed after it, is found by the next answer: there is one, and its owner is signed in.
func TestFailingStoreAtTheEnd(t *testing.T) {
	t.Parallel()
	for call := 1; ; call++ {
		w := newWorld(t)
		w.registers(func(p *directory.RegistrationPolicy) { p.SignIn = true })
		w.draw("registration", "REGISTRATION")
		w.app()
		w.toTheEnd("zoe@example.com")
		w.faults.FailCall(call, nil)
		a := w.send("done", family, "Zed")
		ended := w.faults.Waits()
		w.faults.Heal()
		if ended {
			if a.FlowStatus != "COMPLETE" || call < 5 {
				t.Errorf("%d calls could fail, then %s", call-1, a.Text)
			}
			return
		}
		if a.Status != http.StatusServiceUnavailable {
			t.Fatalf("call %d: %d %s", call, a.Status, a.Text)
		}
		a = w.send("done", family, "Zed")
		over := a.Code == "FE-60001" // it was only the answer that was lost
		if _, err := w.FindUser(t.Context(), "", "zoe@example.com"); err != nil || !over && a.Data.Assertion == "" {
			t.Errorf("call %d: %v, afterwards %d %s", call, err, a.Status, a.Text)
		}
	}
}

// A drawn registration may end with a passkey in the place of a password, where the policy lets people in without one.
func TestDrawnPasskey(t *testing.T) {
	t.Parallel()
	for _, lite := range []bool{true, false} {
		w := newWorld(t)
		w.registers(func(p *directory.RegistrationPolicy) { p.Lite = lite })
		w.draw("passkey", "REGISTRATION")
		w.start("REGISTRATION")
		w.send("go", mail, "zoe@example.com")
		a := w.send("confirm", "otp", w.letter().Params[notify.Code])
		if a.asks() != "tokenResponse" || a.Data.WebAuthn == "" || !strings.Contains(a.Text, "Make a passkey") {
			t.Fatalf("got %s", a.Text)
		}
		if lite {
			if b := w.send("make"); b.asks() != "tokenResponse" || b.message() != "passkey.script" {
				t.Fatalf("without a passkey: %s", b.Text)
			}
		}
		text, err := base64.RawURLEncoding.DecodeString(a.Data.WebAuthn)
		w.must(err)
		var asked struct {
			ID      string          `json:"requestId"`
			Options json.RawMessage `json:"publicKeyCredentialCreationOptions"`
		}
		w.must(json.Unmarshal(text, &asked))
		made, err := authenticator.New(issuer).Create(asked.Options)
		w.must(err)
		answer, err := json.Marshal(map[string]any{"requestId": asked.ID, "credential": json.RawMessage(made)})
		w.must(err)
		a = w.send("make", "tokenResponse", base64.RawURLEncoding.EncodeToString(answer))
		user, err := w.FindUser(t.Context(), "", "zoe@example.com")
		if !lite {
			if a.Code != "FE-60006" || err == nil {
				t.Errorf("where everybody has a password: %s", a.Text)
			}
			continue
		}
		if a.FlowStatus != "COMPLETE" || err != nil || !user.EmailVerified {
			t.Fatalf("%v, %s", err, a.Text)
		}
		if keys, err := w.Credentials.List(t.Context(), w.SubjectRef(user)); err != nil || len(keys) != 1 {
			t.Errorf("%v %v", keys, err)
		}
	}
}

// Attributes of the host's own are drawn by their claims, as the organization asks for them.
func TestDrawnAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const department, shoe = "http://wso2.org/claims/department", "urn:example:shoe"
	text := fixture(t, "registration", family, department, `"id": "done"`, `"id": "shoe", "type": "INPUT", "config": {"identifier": "`+shoe+`"}},
          {"id": "done"`)
	if status, answer := w.call(http.MethodPut, builder.Path, text); status != http.StatusBadRequest || !strings.Contains(answer, "must map to an attribute of the profile") {
		t.Fatalf("before anybody is asked for it: %d %s", status, answer)
	}
	set := func(rules ...directory.AttributeRule) {
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Attributes, "", "", directory.AttributePolicy{Rules: rules}))
		w.advance(2 * time.Second)
	}
	rule := directory.AttributeRule{Name: "department", Registration: directory.AttributeRequired, MaxLength: 5}
	set(rule, directory.AttributeRule{Name: shoe, Type: directory.IntegerAttribute, Registration: directory.AttributeOptional}, directory.AttributeRule{Name: "salary"})
	if status, answer := w.call(http.MethodPut, builder.Path, text); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if status, answer := w.call(http.MethodPut, builder.Path, strings.ReplaceAll(text, shoe, "http://wso2.org/claims/salary")); status != http.StatusBadRequest {
		t.Errorf("an attribute that is not for people who register: %d %s", status, answer)
	}
	if _, answer := w.call(http.MethodGet, builder.Path+"/meta?flowType=REGISTRATION", ""); !strings.Contains(answer, department) || !strings.Contains(answer, shoe) || strings.Contains(answer, "salary") {
		t.Errorf("got %s", answer)
	}
	w.enable("REGISTRATION", true)
	w.toTheEnd("zoe@example.com")
	if a := w.send("done"); a.Code != "FE-60008" {
		t.Errorf("without what is required: %s", a.Text)
	}
	if a := w.send("done", department, "marketing"); a.message() != "attribute.max_length" {
		t.Errorf("too long: %s", a.Text)
	}
	if a := w.send("done", department, "sales", shoe, "42"); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "zoe@example.com")
	if err != nil || user.Attributes["department"] != "sales" || user.Attributes[shoe] != 42.0 {
		t.Errorf("%v %+v", err, user)
	}
	set(rule)
	w.toTheEnd("yan@example.com")
	if a := w.send("done", department, "sales", shoe, "42"); a.Code != "FE-60008" {
		t.Errorf("an attribute of which nobody is asked any more: %s", a.Text)
	}
	if a := w.send("done", department, "sales"); a.FlowStatus != "COMPLETE" {
		t.Errorf("got %s", a.Text)
	}
}
