package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const newPasswordField = "new_password"

// newPasswordPrompt asks for a new password. The name, if any, is for password managers.
func newPasswordPrompt(ctx context.Context, s *State, step, name string) (Prompt, error) {
	policy, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.Password, s.Request.Organization, "")
	p := Prompt{
		Step: step, Title: Message{ID: step + ".title"}, Intro: Message{ID: step + ".intro"},
		Fields: []Field{{
			Name: newPasswordField, Type: PasswordField, Label: "new-password.password", Autocomplete: "new-password", Required: true, Focus: true,
			Policy: &policy,
		}},
		Actions: []Action{{Name: continueAction, Label: step + ".save"}},
	}
	if name != "" {
		p.Fields = append([]Field{{
			Name: usernameField, Type: TextField, Label: "password.username", Value: name, Autocomplete: "username", ReadOnly: true,
		}}, p.Fields...)
	}
	return p, err
}

// refusedPassword shows why a password will not do. Any other error is a failure.
func refusedPassword(err error) (Verdict, error) {
	problems := directory.Problems(err)
	if len(problems) == 0 {
		return Verdict{}, err
	}
	return Verdict{Outcome: Again, Problems: map[string]Message{newPasswordField: inWords(problems[0], "new-password.refused")}}, nil
}

// inWords is what is wrong with a value, by the id of its text if it has one.
func inWords(problem *directory.InvalidError, otherwise string) Message {
	if problem.ID != "" {
		return Message{ID: problem.ID, Level: Error, Params: problem.Params}
	}
	return Message{ID: otherwise, Level: Error, Params: map[string]string{"problem": problem.Problem}}
}

// apart does what has to stand before the flow moves on it, in a batch of its own: the sign-in that follows rests on the Subject as that
// leaves it. What was changed by another meanwhile is done anew, but for a ticket: one that was used up or replaced stays so, and nobody
// has passwords hashed in vain with it.
func (m mailing) apart(ctx context.Context, do func(b *store.Batch) error) (err error) {
	for range maxTries {
		b := m.db.Batch()
		if err = do(b); err != nil {
			return err
		}
		err = b.Apply(ctx)
		if conflict, ok := errors.AsType[*store.Conflict](err); !ok || conflict.Kind == m.dir.Tickets.Kind() {
			return err
		}
	}
	return err
}
