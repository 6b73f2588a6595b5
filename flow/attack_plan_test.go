package flow_test

import (
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// A plan that another has called is due: nobody gets past it by going back.
func TestAttackBackPastACalledPlan(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, _ *directory.Config) {
			c.Plans = map[string]flow.Plan{
				"login": compiledGraph(t, flow.Graph{Start: "password", Nodes: []flow.Node{
					{Name: "password", Options: []string{"password"}, On: map[string]string{"ok": "second"}},
					{Name: "second", Call: "second", On: map[string]string{"ok": "done"}},
					{Name: "done", End: flow.Succeeded},
				}}),
				"second": compiledGraph(t, flow.Graph{Start: "totp", Nodes: []flow.Node{
					{Name: "totp", Options: []string{"totp"}, On: map[string]string{"ok": "done"}},
					{Name: "done", End: flow.Succeeded},
				}}),
			}
		})
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "totp" {
			t.Fatalf("got %v", p)
		}
		if back := b.clone().submit(p, "action", "back"); back.Result != nil || b.cookie("session") != "" || back.Status != 400 {
			t.Fatalf("back: got %v", back)
		}
		b.submit(p, "otp", w.code(seed)).answer(t)
	})
}

// Who does another plan at a step, and proves nothing by it, comes back to that step.
func TestAttackStepLeftForAnotherPlan(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		box := &outbox{}
		w := open(t, func(c *flow.Config, d *directory.Config) {
			c.Messages = box
			c.Plans = map[string]flow.Plan{
				"login": compiledGraph(t, flow.Graph{Start: "password", Target: directory.ACR2, Nodes: []flow.Node{
					{Name: "password", Options: []string{"password"}, On: map[string]string{"ok": "code"}},
					{Name: "code", Options: []string{"sms-code"}, On: map[string]string{"ok": "done"}},
					{Name: "done", End: flow.Succeeded},
				}}),
				"register": flow.Registration(),
			}
			d.Accounts = directory.AccountPolicies{Registration: directory.RegistrationPolicy{Enabled: true}}
		})
		w.reachable("ann")
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "action", "register")
		p = b.submit(p, "email", "eve@example.org")
		p = b.submit(p, "otp", box.last())
		if p = b.submit(p, "new_password", newPassword); p.step() != "password" {
			t.Fatalf("after an account was made: got %v", p)
		}
		p = b.login(p, "ann", goodPassword)
		b.submit(p, "otp", box.last()).answer(t)
	})
}

// A graph with a target does not succeed with less, whatever has stood in for its steps.
func TestAttackGraphTargetAtRunTime(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		box := &outbox{}
		w := open(t, func(c *flow.Config, d *directory.Config) {
			c.Messages = box
			c.Plans = map[string]flow.Plan{
				"login": compiledGraph(t, flow.Graph{Start: "password", Target: directory.ACR2, Nodes: []flow.Node{
					{Name: "password", Options: []string{"password"}, On: map[string]string{"ok": "code"}},
					{Name: "code", Options: []string{"email-code"}, On: map[string]string{"ok": "done"}},
					{Name: "done", End: flow.Succeeded},
				}}),
				"recover": flow.Recovery(),
			}
			d.Accounts = directory.AccountPolicies{Recovery: directory.RecoveryPolicy{EmailCode: true, SignIn: true}}
		})
		w.reachable("ann")
		b := w.browser()
		p := b.toRecovery("ann")
		p = b.submit(p, "otp", box.last())
		if p = b.submit(p, "new_password", newPassword); p.step() != "email-code" {
			t.Fatalf("got %v", p)
		}
		p = b.submit(p, "otp", box.last())
		if p.Result == nil || p.Result.Refusal != directory.Unmet || b.cookie("session") != "" {
			t.Errorf("by the mail alone: got %v", p)
		}
	})
}
