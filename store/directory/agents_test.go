package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// robot makes an agent and returns it with its secret.
func (w *world) robot(t *testing.T, a *directory.Agent) (*directory.Agent, secret.Text) {
	t.Helper()
	fresh, err := w.Agents.Create(t.Context(), a)
	is(t, "create", err, nil)
	return a, fresh
}

// An agent is an identity of its own: it proves itself by its secret, under its id and under the name that WSO2 gives it.
func TestAgent(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		a, fresh := w.robot(t, &directory.Agent{DisplayName: "Travel Helper", Description: "books trains", Owner: ann.Ref()})
		for _, login := range []string{a.ID, "AGENT/" + a.ID} {
			s, err := w.Agents.Authenticate(ctx, "", login, fresh)
			if err != nil || s.Ref() != a.Ref() || s.Kind != directory.AgentKind || s.Store != directory.AgentStore {
				t.Errorf("%q: %+v, %v", login, s, err)
			}
		}
		read, err := w.Agents.Get(ctx, a.Ref())
		if err != nil || read.DisplayName != "Travel Helper" || read.Owner != ann.Ref() || strings.Contains(read.SecretHash, fresh.Reveal()) {
			t.Errorf("agent = %+v, %v", read, err)
		}
		read.DisplayName, read.SecretHash = "Planner", secret.Hash("mine")
		is(t, "replace", w.Agents.Replace(ctx, read), nil)
		if _, err := w.Agents.Authenticate(ctx, "", a.ID, fresh); err != nil {
			t.Errorf("after a change of the name: %v", err)
		}
		page, err := w.Agents.List(ctx, store.Query{Filter: store.And{
			store.Equals("name", store.Text("PLANNER")), store.Equals("owner", store.Text(ann.ID)),
		}})
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != a.ID {
			t.Errorf("list = %+v, %v", page, err)
		}
		if _, err := w.UserOf(ctx, w.subject(t, a.Ref())); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the user behind an agent: %v", err)
		}
		if _, stale := errors.AsType[*store.Conflict](w.Agents.Replace(ctx, a)); !stale {
			t.Error("an older version was written")
		}
	})
}

// The old secret is dead once there is another, and so is what was issued for it.
func TestAgentRegenerateSecret(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, old := w.robot(t, &directory.Agent{DisplayName: "helper"})
		before := w.subject(t, a.Ref())
		fresh, err := w.Agents.RegenerateSecret(ctx, a.Ref())
		is(t, "regenerate", err, nil)
		if _, err := w.Agents.Authenticate(ctx, "", a.ID, old); !errors.Is(err, directory.ErrAgent) {
			t.Errorf("the old secret: %v", err)
		}
		if s, err := w.Agents.Authenticate(ctx, "", a.ID, fresh); err != nil || s.Epoch == before.Epoch {
			t.Errorf("the new secret: %+v, %v", s, err)
		}
		if _, err := w.Agents.RegenerateSecret(ctx, store.Ref{ID: store.NewID()}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

// Whoever is disabled or deleted has neither a way in nor roles; it is the same error as for a wrong secret.
func TestAgentBlockedAndDeleted(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, fresh := w.robot(t, &directory.Agent{DisplayName: "helper"})
		role := &directory.Role{Name: "reader", Permissions: []string{"read"}}
		is(t, "role", errors.Join(w.Roles.Create(ctx, role), w.Roles.Assign(ctx, role.Ref(), a.Ref())), nil)
		is(t, "disable", w.Subjects.Disable(ctx, a.Ref()), nil)
		if _, err := w.Agents.Authenticate(ctx, "", a.ID, fresh); !errors.Is(err, directory.ErrAgent) {
			t.Errorf("disabled: %v", err)
		}
		is(t, "enable", w.Subjects.Enable(ctx, a.Ref()), nil)
		if s, err := w.Agents.Authenticate(ctx, "", a.ID, fresh); err != nil || s.Epoch == 0 {
			t.Errorf("enabled: %+v, %v", s, err)
		}
		for range 2 {
			is(t, "delete", w.Agents.Delete(ctx, a.Ref()), nil)
		}
		if _, err := w.Agents.Authenticate(ctx, "", a.ID, fresh); !errors.Is(err, directory.ErrAgent) {
			t.Errorf("deleted: %v", err)
		}
		if s := w.subject(t, a.Ref()); s.Status != directory.Ended {
			t.Errorf("subject = %+v", s)
		}
		if roles, err := w.Roles.RolesOf(ctx, a.Ref()); err != nil || len(roles) != 0 {
			t.Errorf("roles = %v, %v", roles, err)
		}
		want := []string{"agent.created", "agent.deleted", "role.assigned", "role.created", "subject.disabled", "subject.enabled"}
		got := w.events(t)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("events = %v, want %v", got, want)
		}
	})
}

// What is no agent's name or secret is one error, whoever there is.
func TestAgentAuthenticateRefuses(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		u, ann := w.person(t, "ann")
		a, fresh := w.robot(t, &directory.Agent{DisplayName: "helper"})
		other, _ := w.robot(t, &directory.Agent{DisplayName: "other"})
		for login, presented := range map[string]secret.Text{
			a.ID: fresh + "x", "AGENT/" + a.ID: "", other.ID: fresh, ann.ID: fresh, u.Username: fresh, "": fresh, "AGENT/": fresh,
			"agent/" + a.ID: fresh, strings.ToUpper(a.ID): fresh, "AGENT/AGENT/" + a.ID: fresh, a.ID + "\n": fresh, store.NewID(): "",
		} {
			if s, err := w.Agents.Authenticate(t.Context(), "", login, presented); !errors.Is(err, directory.ErrAgent) || s != nil {
				t.Errorf("%q: %+v, %v", login, s, err)
			}
		}
	})
}

func TestAgentValidate(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, _ := w.robot(t, &directory.Agent{DisplayName: "helper"})
		for field, bad := range map[string]*directory.Agent{
			"displayName": {},
			"description": {DisplayName: "x", Description: strings.Repeat("x", 1025)},
			"owner":       {DisplayName: "x", Owner: store.Ref{ID: store.NewID()}},
		} {
			_, err := w.Agents.Create(ctx, bad)
			if problems := directory.Problems(err); len(problems) != 1 || problems[0].Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		owned := &directory.Agent{DisplayName: "owned by an agent", Owner: a.Ref()}
		if _, err := w.Agents.Create(ctx, owned); len(directory.Problems(err)) != 1 {
			t.Errorf("an agent as owner: %v", err)
		}
		if _, err := w.Agents.Create(ctx, &directory.Agent{Meta: store.Meta{Org: "elsewhere"}, DisplayName: "x"}); !errors.Is(err, directory.ErrOrganization) {
			t.Errorf("in another organization: %v", err)
		}
	})
}

// Nobody answers for an agent of another organization.
func TestAttackOwnerOfAnotherOrganization(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		record, err := w.faults.Get(ctx, w.Now(), w.Subjects.Kind(), "", ann.ID)
		is(t, "read", err, nil)
		record.Org, record.Version = "elsewhere", 0
		_, err = w.faults.Apply(ctx, w.Now(), store.Insert(record))
		is(t, "write", err, nil)
		foreign := store.Ref{Org: "elsewhere", ID: ann.ID}
		if _, err := w.Subjects.Get(ctx, foreign); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Agents.Create(ctx, &directory.Agent{DisplayName: "helper", Owner: foreign}); len(directory.Problems(err)) != 1 {
			t.Errorf("created: %v", err)
		}
		a, _ := w.robot(t, &directory.Agent{DisplayName: "helper", Owner: ann.Ref()})
		a.Owner = foreign
		if err := w.Agents.Replace(ctx, a); len(directory.Problems(err)) != 1 {
			t.Errorf("replaced: %v", err)
		}
	})
}

func FuzzAgentID(f *testing.F) {
	for _, s := range []string{"AGENT/3b241101-e2bb-4255-8caf-4136c566a962", "3b241101-e2bb-4255-8caf-4136c566a962", "AGENT/", "ann", "3b241101-e2bb-4255-8caf-4136c566a96G"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, login string) {
		id := directory.AgentID(login)
		if id == "" {
			return
		}
		if len(id) != 36 || directory.AgentID(id) != id || (login != id && login != directory.AgentStore+"/"+id) {
			t.Errorf("%q is the agent %q", login, id)
		}
	})
}
