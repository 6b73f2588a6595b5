package flow

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Registration is the plan "register": somebody gives their address and name, proves that they read the mail of that address, and chooses
// a password. The account comes to be with the last answer, and its owner is signed in. The address is the username. Who has an account
// already sees the same pages, and is told by mail.
func Registration() Plan {
	return sequence{
		{Name: "register", Options: []string{"register"}, When: lacksTicket},
		{Name: "register-code", Options: []string{"register-code"}, When: lacksProof},
		{Name: "register-password", Options: []string{"register-password"}, When: func(_ context.Context, s *State) (bool, error) {
			return s.Subject.IsZero(), nil
		}},
	}
}

// The fields of a person who registers; facts of the same names, with "register." in front, hold what they typed.
const (
	emailField      = "email"
	givenNameField  = "given_name"
	familyNameField = "family_name"
	registerFacts   = "register."
	// newUserFact is the id that the account will have.
	newUserFact = registerFacts + "id"
)

// registerExecutor asks for the address and the name, and sends a ticket to the address.
type registerExecutor struct{ mailing }

var _ Executor = registerExecutor{}

func (registerExecutor) Prepare(context.Context, *State) error { return nil }

func (registerExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	return Prompt{
		Step: "register", Title: Message{ID: "register.title"}, Intro: Message{ID: "register.intro"},
		Fields: []Field{
			{
				Name: emailField, Type: EmailField, Label: "register.email", Value: s.Request.Hint, Autocomplete: "email", Required: true,
				Focus: true,
			},
			{Name: givenNameField, Type: TextField, Label: "register.given-name", Autocomplete: "given-name"},
			{Name: familyNameField, Type: TextField, Label: "register.family-name", Autocomplete: "family-name"},
		},
		Actions: []Action{{Name: continueAction, Label: "register.send"}},
	}, nil
}

func (r registerExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	user := &directory.User{
		Username: strings.TrimSpace(in.Value(emailField)), GivenName: in.Value(givenNameField), FamilyName: in.Value(familyNameField),
	}
	user.Email = user.Username
	user.Org = s.Request.Organization
	if err := user.Validate(); err != nil || !strings.Contains(user.Email, "@") {
		return refusedProfile(err, in), nil
	}
	v, err := r.ask(ctx, s, user.Email)
	if err != nil || v.Outcome != Proceed {
		return v, err
	}
	v.Facts[newUserFact] = store.NewID()
	v.Facts[registerFacts+givenNameField], v.Facts[registerFacts+familyNameField] = user.GivenName, user.FamilyName
	return v, nil
}

// ask sends a ticket to an address, and to one that has an account a word about that instead.
func (r registerExecutor) ask(ctx context.Context, s *State, address string) (Verdict, error) {
	to := addressee{holder: directory.Fold(address), address: address}
	user, err := r.dir.FindUser(ctx, s.Request.Organization, address)
	if err == nil {
		to.decoy, to.address = true, user.Email
		if user.Email == "" {
			to.address = address
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return Verdict{}, err
	}
	return r.dispatch(ctx, s, to, address)
}

// again sends another ticket, which takes the place of the one before.
func (r registerExecutor) again(ctx context.Context, s *State) (Verdict, error) {
	v, err := r.ask(ctx, s, s.Facts[askedFact])
	return resent(v), err
}

// refusedProfile shows what is wrong with what somebody typed about themselves.
func refusedProfile(err error, in Input) Verdict {
	v := Verdict{Outcome: Again, Problems: map[string]Message{}, Keep: map[string]string{}}
	for _, field := range []string{emailField, givenNameField, familyNameField} {
		v.Keep[field] = in.Value(field)
	}
	fields := map[string]string{"username": emailField, "email": emailField, "givenName": givenNameField, "familyName": familyNameField}
	for _, invalid := range invalids(err) {
		if field := fields[invalid.Field]; field != "" {
			v.Problems[field] = Message{ID: "register.refused", Level: Error, Params: map[string]string{"problem": invalid.Problem}}
		}
	}
	if len(v.Problems) == 0 {
		v.Problems[emailField] = Message{ID: "register.no-email", Level: Error}
	}
	return v
}

// invalids are the *directory.InvalidErrors that were joined.
func invalids(err error) (all []*directory.InvalidError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // it is the tree that is walked
		for _, part := range joined.Unwrap() {
			all = append(all, invalids(part)...)
		}
		return all
	}
	if invalid, ok := errors.AsType[*directory.InvalidError](err); ok {
		all = append(all, invalid)
	}
	return all
}

// registerPassword takes the password of somebody who has proven their address, and makes the account.
type registerPassword struct {
	dir *directory.Directory
	out notify.Outbox
}

var _ Executor = registerPassword{}

func (registerPassword) Prepare(context.Context, *State) error { return nil }

func (registerPassword) Prompt(_ context.Context, s *State) (Prompt, error) {
	return newPasswordPrompt("register-password", s.Facts[addressFact]), nil
}

// Judge makes the account in a step of its own, before the flow moves: the sign-in that follows rests on the Subject. Its id was chosen
// before, so that an answer that is repeated finds its own work done.
func (r registerPassword) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	address := s.Facts[addressFact]
	user := &directory.User{
		Username: address, Email: address, EmailVerified: true,
		GivenName: s.Facts[registerFacts+givenNameField], FamilyName: s.Facts[registerFacts+familyNameField],
	}
	user.Org, user.ID = s.Request.Organization, s.Facts[newUserFact]
	if user.ID == "" { // the link was opened in another browser, which knows the address alone
		user.ID = directory.ImportedID("registration", s.Flow)
	}
	err := r.dir.CreateUser(ctx, user, in.Value(newPasswordField))
	if _, taken := errors.AsType[*directory.TakenError](err); taken {
		if user, err = r.dir.FindUser(ctx, s.Request.Organization, address); err == nil && user.ID != s.Facts[newUserFact] {
			return Verdict{Outcome: Refuse}, nil
		}
	}
	if err != nil {
		return refusedPassword(err)
	}
	subject, err := r.dir.SubjectOf(ctx, user)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Outcome: Proceed, Subject: subject,
		Evidence: []directory.Evidence{{Method: directory.EmailSignIn, AMR: []string{"otp"}, Subject: subject.ID, Time: s.Now}},
		Write: func(b *store.Batch) error {
			return r.out.Send(b, notify.Message{
				Template: notify.SelfSignUpSuccess, Channel: notify.Email, To: address, Subject: subject.Ref(),
				Organization: s.Request.Organization, Application: s.Request.Application, Locales: s.Request.Locales,
			})
		},
	}, nil
}

// registrationLife is how long a message of a registration is good.
const registrationLife = 24 * time.Hour
