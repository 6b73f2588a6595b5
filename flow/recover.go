package flow

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Recovery is the plan "recover": somebody says who they are, proves that they read the mail of that account, and chooses a new
// password. Then the login goes on, with a proof that counts as the password does; other factors are asked for as ever. Nothing that
// is shown, sent or done says whether the account exists.
func Recovery() Plan {
	return sequence{
		{Name: "recover", Options: []string{"recover"}, When: lacksTicket},
		{Name: "recover-code", Options: []string{"recover-code"}, When: lacksProof},
		{Name: "recover-password", Options: []string{"recover-password"}, When: func(_ context.Context, s *State) (bool, error) {
			return s.Subject.IsZero(), nil
		}},
	}
}

// recoverExecutor asks whose account it is, and sends a ticket to its address.
type recoverExecutor struct{ mailing }

var _ Executor = recoverExecutor{}

func (recoverExecutor) Prepare(context.Context, *State) error { return nil }

func (recoverExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	name := s.Person
	if name == "" {
		name = s.Request.Hint
	}
	return Prompt{
		Step: "recover", Title: Message{ID: "recover.title"}, Intro: Message{ID: "recover.intro"},
		Fields: []Field{{
			Name: usernameField, Type: TextField, Label: "password.username", Value: name, Autocomplete: "username", Required: true,
			Focus: true,
		}},
		Actions: []Action{{Name: continueAction, Label: "recover.send"}},
	}, nil
}

func (r recoverExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	return r.ask(ctx, s, in.Value(usernameField))
}

// again sends another ticket, which takes the place of the one before.
func (r recoverExecutor) again(ctx context.Context, s *State) (Verdict, error) {
	v, err := r.ask(ctx, s, s.Facts[askedFact])
	return resent(v), err
}

// resent stays on the page from which another message was asked for.
func resent(v Verdict) Verdict {
	if v.Outcome == Proceed {
		v.Outcome, v.Messages = Again, []Message{{ID: "code.resent", Level: Success}}
	}
	v.Blameless = true
	return v
}

// ask sends a ticket to whoever the name is of. Who is nobody, cannot sign in, or has no address that was verified gets none.
func (r recoverExecutor) ask(ctx context.Context, s *State, name string) (Verdict, error) {
	org := s.Request.Organization
	to := addressee{holder: r.dir.Locks.Account(nil, org, name), address: name, decoy: true}
	ref := store.Ref{Org: org, ID: to.holder}
	user, err := r.dir.FindUser(ctx, org, name)
	switch {
	case err == nil:
		ref = r.dir.SubjectRef(user)
	case !errors.Is(err, store.ErrNotFound):
		return Verdict{}, err
	}
	subject, err := r.dir.Subjects.Get(ctx, ref)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Verdict{}, err
	}
	if err == nil && subject.Status == directory.Active && !user.Disabled && user.Email != "" && user.EmailVerified {
		to = addressee{holder: subject.ID, subject: subject, address: user.Email}
	}
	return r.dispatch(ctx, s, to, name)
}

// dispatch sends the ticket and remembers whom it was for.
func (m mailing) dispatch(ctx context.Context, s *State, to addressee, asked string) (Verdict, error) {
	write, wait, err := m.send(ctx, s, to, asked)
	if err != nil {
		return Verdict{}, err
	}
	if wait > 0 {
		return Verdict{Outcome: Again, Blameless: true, Messages: []Message{waitMessage(wait)}, Keep: map[string]string{usernameField: asked}}, nil
	}
	return Verdict{Outcome: Proceed, Write: write, Facts: map[string]string{holderFact: to.holder, askedFact: asked}}, nil
}

// recoverPassword takes the new password of somebody who has proven that the account's address is theirs. Everything that was issued
// to them ends with it.
type recoverPassword struct {
	dir *directory.Directory
	out notify.Outbox
}

var _ Executor = recoverPassword{}

func (recoverPassword) Prepare(context.Context, *State) error { return nil }

func (recoverPassword) Prompt(context.Context, *State) (Prompt, error) {
	return newPasswordPrompt("recover-password", ""), nil
}

const newPasswordField = "new_password"

// newPasswordPrompt asks for a new password. The name, if any, is for password managers.
func newPasswordPrompt(step, name string) Prompt {
	p := Prompt{
		Step: step, Title: Message{ID: step + ".title"}, Intro: Message{ID: step + ".intro"},
		Fields: []Field{{
			Name: newPasswordField, Type: PasswordField, Label: "new-password.password", Autocomplete: "new-password", Required: true, Focus: true,
		}},
		Actions: []Action{{Name: continueAction, Label: step + ".save"}},
	}
	if name != "" {
		p.Fields = append([]Field{{
			Name: usernameField, Type: TextField, Label: "password.username", Value: name, Autocomplete: "username",
		}}, p.Fields...)
	}
	return p
}

// Judge sets the password in a step of its own, before the flow moves: the sign-in that follows rests on the Subject as that leaves it.
// When the flow does not move then, the same answer finds its work done.
func (r recoverPassword) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	subject, user, err := r.owner(ctx, s)
	if errors.Is(err, store.ErrNotFound) {
		return Verdict{Outcome: Refuse}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	pass := in.Value(newPasswordField)
	if strconv.FormatInt(subject.Epoch, 10) != s.Facts[epochFact] {
		done, err := r.dir.Users.VerifyPassword(ctx, user, pass)
		if err != nil || !done { // something else has ended all that was issued to them since
			return Verdict{Outcome: Refuse}, err
		}
	} else if err := r.dir.SetPassword(ctx, user, pass); err != nil {
		return refusedPassword(err)
	}
	if subject, err = r.dir.Subjects.Get(ctx, subject.Ref()); err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Outcome: Proceed, Subject: subject,
		Evidence: []directory.Evidence{{Method: directory.EmailSignIn, AMR: []string{"otp"}, Subject: subject.ID, Time: s.Now}},
		Write: func(b *store.Batch) error {
			return r.out.Send(b, notify.Message{
				Template: notify.PasswordResetSuccess, Channel: notify.Email, To: user.Email, Subject: subject.Ref(),
				Organization: s.Request.Organization, Application: s.Request.Application, Locales: s.Request.Locales,
			})
		},
	}, nil
}

// owner is the person whose address was proven, store.ErrNotFound when they cannot sign in any more.
func (r recoverPassword) owner(ctx context.Context, s *State) (*directory.Subject, *directory.User, error) {
	subject, err := r.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: s.Facts[provenFact]})
	if err != nil {
		return nil, nil, err
	}
	user, err := r.dir.UserOf(ctx, subject)
	if err == nil && (subject.Status != directory.Active || user.Disabled || user.Email != s.Facts[addressFact]) {
		err = store.ErrNotFound
	}
	return subject, user, err
}

// refusedPassword shows why the policy refuses a password. Any other error is a failure.
func refusedPassword(err error) (Verdict, error) {
	invalid, ok := errors.AsType[*directory.InvalidError](err)
	if !ok {
		return Verdict{}, err
	}
	return Verdict{Outcome: Again, Problems: map[string]Message{
		newPasswordField: {ID: "new-password.refused", Level: Error, Params: map[string]string{"problem": invalid.Problem}},
	}}, nil
}

// recoveryLife is how long a message of a recovery is good.
const recoveryLife = 30 * time.Minute

// accounts are the steps of Recovery and Registration.
func (c *Config) accounts(site *web.Site) map[string]Executor {
	recovery := recoverExecutor{mailing{
		db: c.DB, dir: c.Directory, out: c.Messages, site: site, purpose: directory.RecoverPassword, template: notify.InitiateRecovery,
		path: "/recover", life: recoveryLife,
	}}
	registration := registerExecutor{mailing{
		db: c.DB, dir: c.Directory, out: c.Messages, site: site, purpose: directory.ConfirmRegistration, template: notify.EmailConfirm,
		taken: notify.AccountExists, path: "/register", life: registrationLife,
	}}
	return map[string]Executor{
		"recover":           recovery,
		"recover-code":      ticketExecutor{dir: c.Directory, step: "recover-code", purpose: recovery.purpose, again: recovery.again},
		"recover-password":  recoverPassword{c.Directory, c.Messages},
		"register":          registration,
		"register-code":     ticketExecutor{dir: c.Directory, step: "register-code", purpose: registration.purpose, again: registration.again},
		"register-password": registerPassword{c.Directory, c.Messages},
	}
}
