package flow_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// withAttributes has people asked for attributes of the host's own.
func (w *world) withAttributes() {
	w.Helper()
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.Attributes, "", "", directory.AttributePolicy{Rules: []directory.AttributeRule{
		{Name: "department", Label: "Department", MinLength: 2, Registration: directory.AttributeRequired},
		{Name: "seats", Type: directory.IntegerAttribute, Registration: directory.AttributeOptional},
		{Name: "terms", Label: "I agree", Hint: "to all of it", Type: directory.BooleanAttribute, Registration: directory.AttributeRequired},
		{Name: "size", Type: directory.ChoiceAttribute, Choices: []directory.AttributeChoice{{Value: "S"}, {Value: "L", Label: "Large"}}, Registration: directory.AttributeOptional},
		{Name: "rank", Account: directory.AttributeReadOnly},
	}}))
}

func TestRegistrationWithAttributes(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.withAttributes()
		b := w.browser()
		p := b.get(w.request(directory.Interaction{CreateAccount: true}))
		var names []string
		for _, f := range p.View.Prompt.Fields {
			names = append(names, fmt.Sprintf("%s/%s/%v", f.Name, f.Type, f.Required))
		}
		want := "email/email/true given_name/text/false family_name/text/false attributes.department/text/true " +
			"attributes.seats/number/false attributes.terms/checkbox/true attributes.size/choice/false"
		if got := strings.Join(names, " "); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		if f := p.View.Prompt.Fields[5]; f.Label != "attributes.terms|I agree" || f.Hint.ID != "attributes.terms.hint|to all of it" {
			t.Errorf("got %+v", f)
		}
		if f := p.View.Prompt.Fields[6]; len(f.Choices) != 2 || f.Choices[1].Label != "attributes.size.choice.L|Large" {
			t.Errorf("got %+v", f)
		}
		p = b.submit(p, "email", "ann@example.com", "attributes.department", "x", "attributes.seats", "many", "attributes.size", "XXL")
		problems := map[string]string{}
		for _, f := range p.View.Prompt.Fields {
			if f.Problem.ID != "" {
				problems[f.Name] = f.Problem.ID
			}
		}
		if !maps.Equal(problems, map[string]string{
			"attributes.department": "attribute.min_length", "attributes.seats": "attribute.number",
			"attributes.terms": "attribute.missing", "attributes.size": "attribute.choice",
		}) || p.View.Prompt.Fields[0].Value != "ann@example.com" {
			t.Fatalf("got %v, and %v", problems, p)
		}
		if delivered, decoys := box.all(); len(delivered)+len(decoys) != 0 {
			t.Fatalf("messages %+v", delivered)
		}
		p = b.submit(p, "email", "ann@example.com", "attributes.department", "sales", "attributes.seats", "3", "attributes.terms", "true", "attributes.size", "L")
		p = b.submit(p, "otp", box.last())
		b.submit(p, "new_password", newPassword).answer(t)
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		w.must(err)
		if got := fmt.Sprint(user.Attributes); got != "map[department:sales seats:3 size:L terms:true]" {
			t.Errorf("got %s", got)
		}
	})
}

// What nobody is asked for cannot be said of oneself: not by a field of one's own, and not by one that was drawn.
func TestAttackRegistrationAttributes(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.withAttributes()
		good := []string{"email", "ann@example.com", "attributes.department", "sales", "attributes.terms", "true"}
		b := w.browser()
		p := b.get(w.request(directory.Interaction{CreateAccount: true}))
		for _, name := range []string{"attributes.rank", "attributes.accountLocked", "attributes.emailVerified", "attributes.", "rank", "emailVerified", "attributes.other"} {
			if bad := b.submit(p, append(good, name, "true")...); bad.Failure == nil || bad.Failure.Code != "invalid_request" {
				t.Errorf("%s: got %v", name, bad)
			}
		}
		drawn := compiledGraph(t, flow.Graph{Start: "ask", Nodes: []flow.Node{
			{Name: "ask", Options: []string{"register"}, On: map[string]string{"ok": "code"}, Params: map[string]string{
				flow.ParamFields: "email+ new_password+ attributes.rank+ attributes.gone+ attributes.accountLocked attributes.seats+",
			}},
			{Name: "code", Options: []string{"register-code"}, On: map[string]string{"ok": "make"}},
			{Name: "make", Options: []string{"register-account"}, On: map[string]string{"ok": "done", "failed": "ask"}},
			{Name: "done", End: flow.Succeeded},
		}})
		w.engine = w.rebuild(func(c *flow.Config) {
			c.Plans = map[string]flow.Plan{"register": drawn}
		})
		w.serve()
		p = b.get(w.request(directory.Interaction{CreateAccount: true}))
		var names []string
		for _, f := range p.View.Prompt.Fields {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != "email new_password attributes.seats" {
			t.Fatalf("asks for %s", got)
		}
		p = b.submit(p, "email", "ann@example.com", "new_password", newPassword, "attributes.seats", "2")
		p = b.submit(p, "otp", box.last())
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		if err != nil || fmt.Sprint(user.Attributes) != "map[seats:2]" {
			t.Errorf("%v %+v, and %v", err, user, p)
		}
	})
}
