package flow

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// passwordExecutor asks for a name and a password on one page. Whether the name, the password or the state of the account was
// the matter shows nowhere: not in the text, nor in what is asked of the store, nor in the time that it takes.
//
// Where the step may be done by a passkey too, the page asks for that as well, in the field for the name.
type passwordExecutor struct {
	dir     *directory.Directory
	passkey *passkeyExecutor // nil without
}

var (
	_ Guarded   = passwordExecutor{}
	_ Immediate = passwordExecutor{}
)

// Immediate implements Immediate.
func (passwordExecutor) Immediate() {}

// Proves implements Prover.
func (passwordExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: "password", AMR: []string{"pwd"}}}
}

const (
	usernameField = "username"
	passwordField = "password"
	rememberField = "remember"
	loginAction   = "login"
)

func (p passwordExecutor) Prepare(ctx context.Context, s *State) error {
	if p.besidePasskey(s) {
		return p.passkey.Prepare(ctx, s)
	}
	return nil
}

// besidePasskey reports whether the step may be done by a passkey too.
func (p passwordExecutor) besidePasskey(s *State) bool {
	return p.passkey != nil && slices.Contains(s.options, passkeyOption)
}

func (p passwordExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	name := cmp.Or(s.Person, s.Request.Hint)
	prompt := Prompt{
		Step:  "password",
		Title: Message{ID: "password.title"},
		Fields: []Field{
			{
				Name: usernameField, Type: TextField, Label: "password.username", Value: name,
				Autocomplete: "username", Required: true, Focus: name == "" && s.Keep[usernameField] == "",
			},
			{
				Name: passwordField, Type: PasswordField, Label: "password.password",
				Autocomplete: "current-password", Required: true, Focus: name != "" || s.Keep[usernameField] != "",
			},
			{Name: rememberField, Type: CheckboxField, Label: "password.remember"},
		},
		Actions: []Action{{Name: loginAction, Label: "password.login"}},
	}
	if !p.besidePasskey(s) {
		return prompt, nil
	}
	var err error
	if prompt.WebAuthn, err = p.passkey.part(s, methodAction+passkeyOption, true); prompt.WebAuthn != nil {
		prompt.Fields[0].Autocomplete = "username webauthn"
	}
	return prompt, err
}

// Account finds the person. Who is not found costs the same reads, and nobody costs a write: a person of a foreign store who
// has never been here gets their Subject when the password was right.
func (p passwordExecutor) Account(ctx context.Context, s *State, in Input) (Account, error) {
	return accountNamed(ctx, p.dir, s, "password", in.Value(usernameField))
}

// accountNamed is the account of the person of a name; see passwordExecutor.Account.
func accountNamed(ctx context.Context, dir *directory.Directory, s *State, factor, person string) (Account, error) {
	account := Account{Factor: factor, Person: person}
	ref := store.Ref{Org: s.Request.Organization, ID: store.NewID()}
	user, err := dir.FindUser(ctx, s.Request.Organization, account.Person)
	switch {
	case err == nil:
		account.User, ref = user, dir.SubjectRef(user)
	case !errors.Is(err, store.ErrNotFound):
		return Account{}, err
	}
	subject, err := dir.Subjects.Get(ctx, ref)
	switch {
	case err == nil:
		account.Subject = subject
	case !errors.Is(err, store.ErrNotFound):
		return Account{}, err
	case user != nil:
		account.Subject = &directory.Subject{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Status: directory.Active}
	}
	return account, nil
}

// Judge hashes before it looks at anything else. The password of a person who may not sign in is not even compared with theirs:
// what a store does about a right one, as to hash it anew, would tell in time what the answer does not say. Only for a name that
// nobody has is the system asked that people may come from (directory.Config.Verifier), and not while that name is locked.
func (p passwordExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if in.free {
		return p.passkey.Judge(ctx, s, in)
	}
	user, subject := in.Account.User, in.Account.Subject
	unknown := user == nil && !in.Locked
	if in.Locked || subject == nil || subject.Status != directory.Active || user.Disabled {
		user = nil
	}
	right, err := p.dir.Users.VerifyPassword(ctx, user, in.Value(passwordField))
	facts := map[string]string{}
	if account, refused := errors.AsType[*directory.AccountError](err); refused {
		// Why is not for whoever types: it would tell that the account exists. Only who may not keep their password has typed the right one.
		if right, err = p.renewable(user, account), nil; right {
			facts[renewFact] = string(account.State)
		}
	}
	if err != nil {
		return Verdict{}, err
	}
	if unknown {
		if user, subject, err = p.adopt(ctx, s, in); err != nil {
			return Verdict{}, err
		}
		right = user != nil
	}
	if !right || user == nil {
		keep := map[string]string{usernameField: in.Account.Person, rememberField: in.Value(rememberField)}
		return Verdict{Outcome: Again, Messages: []Message{{ID: "password.wrong", Level: Error}}, Keep: keep}, nil
	}
	if subject.Version == 0 {
		if subject, err = p.dir.SubjectOf(ctx, user); err != nil {
			return Verdict{}, err
		}
	}
	if slices.Contains(strings.Fields(in.Value(capabilitiesField)), upgradeCapability) {
		facts[canUpgrade] = "true"
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Remember: in.Value(rememberField) != "", Rehash: p.dir.RehashOf(user), Facts: facts,
		Evidence: []directory.Evidence{{Method: "password", AMR: []string{"pwd"}, Subject: subject.ID, Time: s.Now}},
	}, nil
}

// renewable reports whether the password was right of somebody whose store lets them in no more before they have another, and whether
// they can have that here.
func (p passwordExecutor) renewable(user *directory.User, refused *directory.AccountError) bool {
	demanded := refused.State == directory.PasswordExpired || refused.State == directory.PasswordMustChange
	return demanded && user != nil && p.dir.Capabilities(user).SetPassword
}

// adopt returns somebody who has come over with this answer, nil when it was wrong.
func (p passwordExecutor) adopt(ctx context.Context, s *State, in Input) (*directory.User, *directory.Subject, error) {
	user, err := p.dir.Adopt(ctx, s.Request.Organization, in.Account.Person, in.Value(passwordField))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	subject, err := p.dir.SubjectOf(ctx, user)
	if err != nil || user.Disabled || subject.Status != directory.Active {
		return nil, nil, err
	}
	return user, subject, nil
}
