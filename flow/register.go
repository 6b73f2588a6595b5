package flow

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Registration is the plan "register": somebody gives their address and name, proves that they read the mail of that address, and chooses
// a password. The account comes to be with the last answer; where directory.RegistrationPolicy says so its owner is signed in. The
// address is the username. Who has an account already sees the same pages, and is told by mail. The plan is closed in organizations
// whose RegistrationPolicy is not Enabled.
func Registration() Plan {
	return gated{sequence{
		{Name: "register", Options: []string{"register"}, When: lacksTicket},
		{Name: "register-code", Options: []string{"register-code"}, When: lacksCode},
		{Name: "register-password", Options: []string{"register-password"}, When: lacksEnd},
	}, func(ctx context.Context, dir *directory.Directory, org string) (bool, error) {
		policy, err := directory.Resolve(ctx, dir.Settings, dir.Settings.Registration, org, "")
		return policy.Enabled, err
	}}
}

// The fields of a person who registers; facts of the same names, with "register." in front, hold what they typed.
const (
	emailField      = "email"
	givenNameField  = "given_name"
	familyNameField = "family_name"
	registerFacts   = "register."
)

// registerExecutor asks for the address and the name, and sends a ticket to the address.
type registerExecutor struct{ mailing }

var _ Executor = registerExecutor{}

func (registerExecutor) Prepare(context.Context, *State) error { return nil }

func (registerExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	fields, err := formFields(ctx, s)
	return Prompt{
		Step: "register", Title: Message{ID: "register.title"}, Intro: Message{ID: "register.intro"}, Fields: fields,
		Actions: []Action{{Name: continueAction, Label: "register.send"}},
	}, err
}

func (r registerExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if s.Params[ParamFields] != "" {
		if v := unfilled(s, in); len(v.Problems) > 0 {
			return v, nil
		}
	}
	user := newcomer(s, strings.TrimSpace(in.Value(emailField)), typed(s, in, givenNameField), typed(s, in, familyNameField))
	if err := user.Validate(); err != nil || !strings.Contains(user.Email, "@") {
		return refusedProfile(err, in), nil
	}
	v, err := r.ask(ctx, s, user.Email)
	if err != nil || v.Outcome != Proceed {
		return v, err
	}
	facts, err := r.learned(ctx, s, in, user) // a password is hashed for whoever has room for a message, and for nobody else
	if err != nil {
		return refusedForm(s, in, err)
	}
	maps.Copy(v.Facts, facts)
	return v, nil
}

// newcomer is the person that an account is to be made for.
func newcomer(s *State, address, given, family string) *directory.User {
	user := &directory.User{Username: address, Email: address, GivenName: given, FamilyName: family}
	user.Org = s.Request.Organization
	return user
}

// again sends another ticket, which takes the place of the one before.
func (r registerExecutor) again(ctx context.Context, s *State) (Verdict, error) {
	return r.ask(ctx, s, s.Facts[askedFact])
}

// ask sends a ticket to an address, and to one that has an account a word about that instead.
func (r registerExecutor) ask(ctx context.Context, s *State, address string) (Verdict, error) {
	policy, err := directory.Resolve(ctx, r.dir.Settings, r.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil {
		return Verdict{}, err
	}
	to := addressee{holder: directory.Fold(address), whose: directory.Fold(address), address: address}
	user, err := r.dir.FindUser(ctx, s.Request.Organization, address)
	if err == nil {
		to.decoy, to.address = true, cmp.Or(user.Email, address)
	} else if !errors.Is(err, store.ErrNotFound) {
		return Verdict{}, err
	}
	return r.dispatch(ctx, s, to, address, terms{life: policy.LinkLife, code: policy.Code, link: s.said(ParamLink, true)})
}

// refusedProfile shows what is wrong with what somebody typed about themselves.
func refusedProfile(err error, in Input) Verdict {
	v := Verdict{Outcome: Again, Problems: map[string]Message{}, Keep: map[string]string{}}
	for _, field := range []string{emailField, givenNameField, familyNameField} {
		v.Keep[field] = in.Value(field)
	}
	fields := map[string]string{"username": emailField, "email": emailField, "givenName": givenNameField, "familyName": familyNameField}
	for _, problem := range directory.Problems(err) {
		if field := fields[problem.Field]; field != "" {
			v.Problems[field] = inWords(problem, "register.refused")
		}
	}
	if len(v.Problems) == 0 {
		v.Problems[emailField] = Message{ID: "register.no-email", Level: Error}
	}
	return v
}

// registerPassword takes the password of somebody who has proven their address, and makes the account.
type registerPassword struct{ mailing }

var _ Executor = registerPassword{}

func (registerPassword) Prepare(context.Context, *State) error { return nil }

func (registerPassword) Prompt(ctx context.Context, s *State) (Prompt, error) {
	return newPasswordPrompt(ctx, s, "register-password", s.Facts[askedFact])
}

func (r registerPassword) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	policy, err := directory.Resolve(ctx, r.dir.Settings, r.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil {
		return Verdict{}, err
	}
	ticket, err := held(ctx, r.dir, s, directory.ConfirmRegistration)
	if errors.Is(err, directory.ErrTicket) {
		return r.repeat(ctx, s, in.Value(newPasswordField), policy)
	}
	if err != nil {
		return Verdict{}, err
	}
	user := newcomer(s, ticket.Address, s.Facts[registerFacts+givenNameField], s.Facts[registerFacts+familyNameField])
	user.EmailVerified, user.ID = true, accountOfFlow(s)
	hash, err := r.dir.HashPassword(ctx, user, in.Value(newPasswordField))
	if err != nil {
		return refusedPassword(err)
	}
	var subject *directory.Subject
	err = r.apart(ctx, func(b *store.Batch) (err error) {
		if subject, err = r.dir.AddUser(ctx, b, user); err != nil {
			return err
		}
		r.dir.Tickets.Redeem(b, ticket)
		return errors.Join(r.dir.PutPassword(ctx, b, user, hash), r.out.Send(b, notify.Message{
			Template: notify.SelfSignUpSuccess, Channel: notify.Email, To: user.Email, Subject: subject.Ref(),
			Organization: s.Request.Organization, Application: s.Request.Application, Locales: s.Request.Locales, Decoy: !policy.Welcome,
		}))
	})
	_, taken := errors.AsType[*directory.TakenError](err)
	switch {
	case taken, store.ConflictOn(err, r.dir.Tickets.Kind()) != nil: // somebody else was faster with the same address
		return void(), nil
	case err != nil:
		return refusedPassword(err)
	}
	return r.end(ctx, s, subject.Ref(), policy)
}

// end is the verdict on an account that was made.
func (r registerPassword) end(ctx context.Context, s *State, who store.Ref, policy directory.RegistrationPolicy) (Verdict, error) {
	v := Verdict{Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "register-password.done", Level: Success}}}
	if policy.SignIn {
		return r.prove(ctx, s, v, who)
	}
	return v, nil
}

// accountOfFlow is the id of the account that a flow makes, so that an answer which is repeated finds its own work done.
func accountOfFlow(s *State) string { return directory.ImportedID("registration", s.Flow) }

// repeat takes an answer once more whose account stands already, while the flow did not get on.
func (r registerPassword) repeat(ctx context.Context, s *State, pass string, policy directory.RegistrationPolicy) (Verdict, error) {
	subject, err := r.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: accountOfFlow(s)})
	if errors.Is(err, store.ErrNotFound) {
		return void(), nil
	}
	if err != nil {
		return Verdict{}, err
	}
	right, err := verifies(ctx, r.dir, subject, pass)
	if err != nil || !right {
		return void(), err
	}
	return r.end(ctx, s, subject.Ref(), policy)
}
