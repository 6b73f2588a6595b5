package flow

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Registration is the plan "register": somebody gives their address and name, and what directory.AttributePolicy asks for, proves that they
// read the mail of that address, and chooses a password. Where directory.RegistrationPolicy is Lite they may do without one, if there is
// another way in: a passkey that they make, or codes that are sent to the address, where sign-ins begin with them. The account comes to be
// with the last answer, and never without a way in; where RegistrationPolicy says so its owner is signed in. The address is the username.
// Who has an account already sees the same pages, and is told by mail. The plan is closed in organizations whose RegistrationPolicy is not
// Enabled.
func Registration() Plan {
	return gated{sequence{
		{Name: "register", Options: []string{"register"}, When: lacksTicket},
		{Name: "register-code", Options: []string{"register-code"}, When: lacksCode},
		{Name: "register-password", Options: []string{passwordEntrance, passkeyEntrance, codesEntrance}, Offer: entrances, When: lacksEnd},
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
	phoneField      = "phone"
	registerFacts   = "register."
	// phoneProvenFact is the number that the person has shown to be theirs.
	phoneProvenFact = registerFacts + "phone-proven"
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
	asked, err := form(ctx, s)
	if err != nil {
		return Verdict{}, err
	}
	wrong := unfilled(asked, in)
	if s.Params[ParamFields] == "" { // an address that is not there is none that can be written to
		delete(wrong.Problems, emailField)
	}
	if len(wrong.Problems) > 0 {
		return wrong, nil
	}
	if problem, err := r.judgeName(ctx, s, asked, in); err != nil || problem.ID != "" {
		return refusedName(asked, in, problem), err
	}
	user := newcomer(s, strings.TrimSpace(in.Value(emailField)), typed(s, asked, in, givenNameField), typed(s, asked, in, familyNameField))
	user.Username = cmp.Or(strings.TrimSpace(typed(s, asked, in, usernameField)), user.Username)
	if another, err := r.anothers(ctx, s, user.Username, user.Email); err != nil || another && user.Username != user.Email { // asked for before
		return Verdict{Outcome: Again, Problems: map[string]Message{emailField: nameOfAnother}, Keep: wrong.Keep}, err
	}
	if err := user.Validate(); err != nil || !strings.Contains(user.Email, "@") {
		return refusedProfile(err, asked, in), nil
	}
	v, err := r.ask(ctx, s, user.Email)
	if err != nil || v.Outcome != Proceed {
		return v, err
	}
	facts, err := r.learned(ctx, asked, in, user) // a password is hashed for whoever has room for a message, and for nobody else
	if err != nil {
		return refusedForm(asked, in, err)
	}
	maps.Copy(v.Facts, facts)
	v.Facts[introducedFact] = "" // of a way that was left
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
func refusedProfile(err error, asked []asking, in Input) Verdict {
	v := Verdict{Outcome: Again, Problems: map[string]Message{}, Keep: unfilled(asked, in).Keep}
	fields := map[string]string{"username": emailField, "email": emailField, "givenName": givenNameField, "familyName": familyNameField}
	if slices.ContainsFunc(asked, func(a asking) bool { return a.name == usernameField }) {
		fields["username"] = usernameField
	}
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
