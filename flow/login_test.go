package flow_test

import (
	"testing"

	"github.com/signet-idp/signet/store/directory"
)

func TestPasswordSignsIn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, b := w.user("ann"), w.browser()
		p := b.get(w.request(directory.Interaction{ApplicationName: "App"}))
		if p.step() != "password" || p.View.ApplicationName != "App" {
			t.Fatalf("got %v", p)
		}
		if b.cookie("session") != "" {
			t.Error("a session cookie before anybody has signed in")
		}
		result := b.login(p, "Ann", goodPassword).answer(t)
		if result.Subject != ann.Ref() || len(result.Evidence) != 1 || result.Evidence[0].Method != "password" {
			t.Errorf("result: %+v", result)
		}
		if b.cookie("session") == "" || b.cookie("device") == "" {
			t.Error("no session or device cookie")
		}
		again := b.get(w.request(directory.Interaction{})).answer(t)
		if again.Session != result.Session {
			t.Errorf("single sign-on: got session %v, want %v", again.Session, result.Session)
		}
	})
}

func TestWrongPassword(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", "wrong")
		if p.Status != 422 || p.message() != "password.wrong" {
			t.Fatalf("got %v", p)
		}
		if got := p.View.Prompt.Fields[0].Value; got != "ann" {
			t.Errorf("the name that was typed: %q", got)
		}
		b.login(p, "ann", goodPassword).answer(t)
	})
}
