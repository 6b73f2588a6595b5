package flow

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// hashFact is the hash of the password of somebody who registers, in a plan that asks for it before it makes the account.
const hashFact = registerFacts + "hash"

// stockFields are what the plan "register" asks for.
const stockFields = emailField + "+ " + givenNameField + " " + familyNameField

// formNames are the names of the fields that a step of a registration asks for, and whether each must be filled.
func formNames(s *State) (names []string, required map[string]bool) {
	text := s.Params[ParamFields]
	if text == "" {
		text = stockFields
	}
	required = map[string]bool{}
	for _, name := range strings.Fields(text) {
		name, must := strings.CutSuffix(name, "+")
		names, required[name] = append(names, name), must
	}
	return names, required
}

// formFields are the fields of such a step.
func formFields(ctx context.Context, s *State) ([]Field, error) {
	names, required := formNames(s)
	var fields []Field
	for i, name := range names {
		f := Field{Name: name, Type: TextField, Required: required[name], Focus: i == 0}
		switch name {
		case emailField:
			f.Type, f.Label, f.Value, f.Autocomplete = EmailField, "register.email", s.Request.Hint, "email"
		case givenNameField:
			f.Label, f.Autocomplete = "register.given-name", "given-name"
		case familyNameField:
			f.Label, f.Autocomplete = "register.family-name", "family-name"
		case newPasswordField:
			policy, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.Password, s.Request.Organization, "")
			if err != nil {
				return nil, err
			}
			f.Type, f.Label, f.Autocomplete, f.Required, f.Policy = PasswordField, "new-password.password", "new-password", true, &policy
		default:
			return nil, errors.New("flow: a registration has no field " + name)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// unfilled are the problems of fields that must be filled and are not.
func unfilled(s *State, in Input) Verdict {
	v := Verdict{Outcome: Again, Problems: map[string]Message{}, Keep: map[string]string{}}
	names, required := formNames(s)
	for _, name := range names {
		if name != newPasswordField {
			v.Keep[name] = in.Value(name)
		}
		if required[name] && strings.TrimSpace(in.Value(name)) == "" {
			v.Problems[name] = Message{ID: "register.missing", Level: Error}
		}
	}
	return v
}

// learned are the facts that a form of a registration leaves, with the hash of the password if it asks for one.
func (m mailing) learned(ctx context.Context, s *State, in Input, user *directory.User) (map[string]string, error) {
	facts := map[string]string{}
	names, _ := formNames(s)
	for _, name := range names {
		switch name {
		case givenNameField:
			facts[registerFacts+name] = user.GivenName
		case familyNameField:
			facts[registerFacts+name] = user.FamilyName
		case newPasswordField:
			hash, err := m.dir.HashPassword(ctx, user, in.Value(newPasswordField))
			if err != nil {
				return nil, err
			}
			facts[hashFact] = string(hash)
		}
	}
	return facts, nil
}

// typed is what somebody has typed in a field now or before.
func typed(s *State, in Input, name string) string {
	if names, _ := formNames(s); slices.Contains(names, name) {
		return in.Value(name)
	}
	return s.Facts[registerFacts+name]
}

// refusedForm is the verdict on a form whose password will not do.
func refusedForm(s *State, in Input, err error) (Verdict, error) {
	v, err := refusedPassword(err)
	v.Keep = unfilled(s, in).Keep
	return v, err
}

// profileExecutor asks somebody who registers for more, and sends nothing.
type profileExecutor struct{ mailing }

var _ Executor = profileExecutor{}

func (profileExecutor) Prepare(context.Context, *State) error { return nil }

func (profileExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	fields, err := formFields(ctx, s)
	return Prompt{
		Step: "register-profile", Title: Message{ID: "register.title"}, Fields: fields,
		Actions: []Action{{Name: continueAction, Label: "action.continue"}},
	}, err
}

func (p profileExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if v := unfilled(s, in); len(v.Problems) > 0 {
		return v, nil
	}
	user := newcomer(s, s.Facts[askedFact], typed(s, in, givenNameField), typed(s, in, familyNameField))
	if user.Username == "" { // the address is asked for later
		user.Username = "-"
	}
	if err := user.Validate(); err != nil {
		return refusedProfile(err, in), nil
	}
	facts, err := p.learned(ctx, s, in, user)
	if err != nil {
		return refusedForm(s, in, err)
	}
	return Verdict{Outcome: Proceed, Facts: facts}, nil
}

// makeAccount is the Act "register-account": it makes the account of somebody who has proven their address and chosen a password before,
// in the very step that moves the flow. It fails when the proof is good no more, or somebody else was faster with the same address.
func (m mailing) makeAccount(ctx context.Context, s *State) (Verdict, error) {
	failed := void()
	failed.Outcome = Again
	ticket, err := held(ctx, m.dir, s, directory.ConfirmRegistration)
	if errors.Is(err, directory.ErrTicket) {
		return failed, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	policy, err := directory.Resolve(ctx, m.dir.Settings, m.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil {
		return Verdict{}, err
	}
	add := func(b *store.Batch) error {
		user := newcomer(s, ticket.Address, s.Facts[registerFacts+givenNameField], s.Facts[registerFacts+familyNameField])
		user.EmailVerified, user.ID = true, accountOfFlow(s)
		subject, err := m.dir.AddUser(ctx, b, user)
		if err != nil {
			return err
		}
		m.dir.Tickets.Redeem(b, ticket)
		return errors.Join(m.dir.PutPassword(ctx, b, user, directory.PasswordHash(s.Facts[hashFact])), m.out.Send(b, notify.Message{
			Template: notify.SelfSignUpSuccess, Channel: notify.Email, To: user.Email, Subject: subject.Ref(),
			Organization: s.Request.Organization, Application: s.Request.Application, Locales: s.Request.Locales,
			Decoy: !s.said(ParamNotify, policy.Welcome),
		}))
	}
	err = add(m.db.Batch()) // whether it can be done
	if _, taken := errors.AsType[*directory.TakenError](err); taken {
		return failed, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	facts := done()
	facts[hashFact] = ""
	return Verdict{
		Outcome: Proceed, Facts: facts, Messages: []Message{{ID: "register-password.done", Level: Success}}, Write: add,
	}, nil
}
