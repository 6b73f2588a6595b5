package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// passwordExecutor asks for a name and a password on one page. Whether the name, the password or the state of the account was
// the matter shows nowhere: not in the text, nor in what is asked of the store, nor in the time that it takes.
type passwordExecutor struct{ dir *directory.Directory }

var _ Guarded = passwordExecutor{}

const (
	usernameField = "username"
	passwordField = "password"
	rememberField = "remember"
	loginAction   = "login"
)

func (passwordExecutor) Prepare(context.Context, *State) error { return nil }

func (passwordExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	return Prompt{
		Step:  "password",
		Title: Message{ID: "password.title"},
		Fields: []Field{
			{
				Name: usernameField, Type: TextField, Label: "password.username", Value: s.Request.Hint,
				Autocomplete: "username", Required: true, Focus: s.Request.Hint == "" && s.Keep[usernameField] == "",
			},
			{
				Name: passwordField, Type: PasswordField, Label: "password.password",
				Autocomplete: "current-password", Required: true, Focus: s.Request.Hint != "" || s.Keep[usernameField] != "",
			},
			{Name: rememberField, Type: CheckboxField, Label: "password.remember"},
		},
		Actions: []Action{{Name: loginAction, Label: "password.login"}},
	}, nil
}

// Account finds the person. Who is not found costs the same reads.
func (p passwordExecutor) Account(ctx context.Context, s *State, in Input) (Account, error) {
	account := Account{Factor: "password", Person: in.Value(usernameField)}
	user, err := p.dir.FindUser(ctx, s.Request.Organization, account.Person)
	if errors.Is(err, store.ErrNotFound) {
		_, err = p.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: store.NewID()})
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return account, err
	}
	if err != nil {
		return Account{}, err
	}
	account.User = user
	account.Subject, err = p.dir.SubjectOf(ctx, user)
	return account, err
}

// Judge hashes before it looks at anything else.
func (p passwordExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	right, err := p.dir.Users.VerifyPassword(ctx, in.Account.User, in.Value(passwordField))
	if err != nil {
		return Verdict{}, err
	}
	keep := map[string]string{usernameField: in.Account.Person, rememberField: in.Value(rememberField)}
	subject := in.Account.Subject
	if !right || in.Locked || subject == nil || subject.Status != directory.Active || in.Account.User.Disabled {
		return Verdict{Outcome: Again, Messages: []Message{{ID: "password.wrong", Level: Error}}, Keep: keep}, nil
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Remember: in.Value(rememberField) != "",
		Evidence: []directory.Evidence{{Method: "password", AMR: []string{"pwd"}, Subject: subject.ID, Time: s.Now}},
	}, nil
}
