package flow

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The Executors that make an account, by how its owner will come in.
const (
	passwordEntrance = "register-password"
	passkeyEntrance  = "register-passkey"
	codesEntrance    = "register-codes"
)

// entrances are those of the options by which somebody who registers will come in: what the policy lets them choose, and sign-ins begin with.
func entrances(ctx context.Context, s *State, options []string) ([]string, error) {
	policy, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil || !policy.Lite {
		return []string{passwordEntrance}, err
	}
	usable, err := s.Usable(ctx, options)
	if err != nil || len(usable) < 2 {
		return usable, err
	}
	byPassword, err := s.opens(ctx, "password")
	if err == nil && !byPassword { // a password would be asked for nowhere
		usable = slices.DeleteFunc(usable, func(name string) bool { return name == passwordEntrance })
	}
	return usable, err
}

// opens reports whether a sign-in of the flow's application can begin with an Executor.
func (e *Engine) opens(ctx context.Context, x *execution, option string) (bool, error) {
	plan, _, err := e.planNamed(ctx, x.Request, loginPlan)
	if err != nil || plan == nil {
		return false, err
	}
	return slices.ContainsFunc(plan.Steps(), func(step Step) bool {
		return step.Passive == directory.LoginRequired && slices.Contains(step.Options, option)
	}), nil
}

// entering makes accounts for people who have proven their address. It is the part that all entrances share.
type entering struct{ mailing }

// enter adds to the batch the way in of somebody new.
type enter func(b *store.Batch, user *directory.User, subject *directory.Subject) error

// add adds to the batch that an account comes to be with a way in, for the ticket that is used up by it.
func (m mailing) add(
	ctx context.Context, b *store.Batch, s *State, ticket *directory.Ticket, user *directory.User, quiet bool, in enter,
) (*directory.Subject, error) {
	subject, err := m.dir.AddUser(ctx, b, user)
	if err != nil {
		return nil, err
	}
	m.dir.Tickets.Redeem(b, ticket)
	return subject, errors.Join(in(b, user, subject), m.out.Send(b, notify.Message{
		Template: notify.SelfSignUpSuccess, Channel: notify.Email, To: user.Email, Subject: subject.Ref(),
		Organization: s.Request.Organization, Application: s.Request.Application, Locales: s.Request.Locales, Decoy: quiet,
	}))
}

// admission is what an entrance has come to: a subject, or a verdict that says why there is none.
type admission struct {
	policy  directory.RegistrationPolicy
	subject *directory.Subject
	verdict *Verdict
	// before says that the account stood already, made by an answer to this very flow that did not get on.
	before bool
}

// admit makes the account. The way in is prepared for the person, once, before anything is written.
func (e entering) admit(ctx context.Context, s *State, prepare func(user *directory.User) (enter, error)) (admission, error) {
	policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil {
		return admission{}, err
	}
	a := admission{policy: policy}
	ticket, err := held(ctx, e.dir, s, directory.ConfirmRegistration)
	if errors.Is(err, directory.ErrTicket) {
		return e.standing(ctx, s, a)
	}
	if err != nil {
		return a, err
	}
	user, err := e.registered(ctx, s, ticket.Address)
	if err != nil {
		return a, err
	}
	if taken, err := e.occupied(ctx, s, user.Username, ticket.Address); err != nil {
		return a, err
	} else if taken {
		return e.named(ctx, s, a)
	}
	in, err := prepare(user)
	if err != nil {
		return a, err
	}
	err = e.apart(ctx, func(b *store.Batch) (err error) {
		a.subject, err = e.add(ctx, b, s, ticket, user, !s.said(ParamNotify, policy.Welcome), in)
		return err
	})
	what, taken := errors.AsType[*directory.TakenError](err)
	if taken && what.Name == usernameField && s.Facts[registerFacts+usernameField] != "" {
		return e.named(ctx, s, a)
	}
	if taken || store.ConflictOn(err, e.dir.Tickets.Kind()) != nil { // somebody else was faster with the same address, or a duplicate of this answer
		return e.standing(ctx, s, a)
	}
	return a, err
}

// occupied reports whether a user name that was chosen is another's, or is what somebody signs in with already, as an attribute, whom whoever has
// the name would keep from it.
func (e entering) occupied(ctx context.Context, s *State, name, address string) (bool, error) {
	if name == address {
		return false, nil
	}
	if another, err := e.anothers(ctx, s, name, address); another || err != nil {
		return another, err
	}
	_, err := e.dir.FindUser(ctx, s.Request.Organization, name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// named is the verdict where somebody else has the user name that was chosen: unless an answer to this flow has made the account.
func (e entering) named(ctx context.Context, s *State, a admission) (admission, error) {
	a, err := e.standing(ctx, s, a)
	if a.verdict != nil {
		a.verdict.Messages = []Message{nameTaken}
	}
	return a, err
}

// standing is the account that an answer to this flow has made before, while the flow did not get on: the ticket was used up by it, and
// nobody else's answer can have made one under this id.
func (e entering) standing(ctx context.Context, s *State, a admission) (admission, error) {
	subject, err := e.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: accountOfFlow(s)})
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && subject.State() != "":
		v := void()
		a.verdict = &v
		return a, nil
	case err != nil:
		return a, err
	}
	a.subject, a.before = subject, true
	return a, nil
}

// end is the verdict on an account that was made.
func (e entering) end(ctx context.Context, s *State, a admission) (Verdict, error) {
	if a.verdict != nil {
		return *a.verdict, nil
	}
	v := Verdict{Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "register-password.done", Level: Success}}}
	if a.policy.SignIn && s.said(ParamSignIn, true) {
		return e.prove(ctx, s, v, a.subject.Ref())
	}
	return v, nil
}

// accountOfFlow is the id of the account that a flow makes of a proof, so that an answer which is repeated finds its own work done, and somebody who
// registers in the same tab as another before them does not.
func accountOfFlow(s *State) string {
	return directory.ImportedID("registration", s.Flow+"\x00"+cmp.Or(s.Facts[introducedFact], s.Facts[linkFact], s.Facts[holderFact]))
}

// registerPassword takes the password of somebody who has proven their address, and makes the account.
type registerPassword struct{ entering }

var _ Immediate = registerPassword{}

// Immediate implements Immediate.
func (registerPassword) Immediate() {}

func (registerPassword) Prepare(context.Context, *State) error { return nil }

func (registerPassword) Prompt(ctx context.Context, s *State) (Prompt, error) {
	return newPasswordPrompt(ctx, s, passwordEntrance, s.Facts[askedFact])
}

func (r registerPassword) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	pass := in.Value(newPasswordField)
	a, err := r.admit(ctx, s, func(user *directory.User) (enter, error) {
		hash, err := r.dir.HashPassword(ctx, user, pass)
		return func(b *store.Batch, user *directory.User, _ *directory.Subject) error {
			return r.dir.PutPassword(ctx, b, user, hash)
		}, err
	})
	if err != nil {
		return refusedPassword(err)
	}
	if a.before {
		right, err := verifies(ctx, r.dir, a.subject, pass)
		if err != nil || !right {
			return void(), err
		}
	}
	return r.end(ctx, s, a)
}

// registerCodes makes an account without anything but its address: its owner signs in by what is sent there.
type registerCodes struct{ entering }

var _ Selective = registerCodes{}

func (registerCodes) Prepare(context.Context, *State) error { return nil }

// Usable implements Selective: codes let somebody in where sign-ins begin with them, and messages go out.
func (r registerCodes) Usable(ctx context.Context, s *State) (bool, error) {
	if !r.reaches(notify.Email) {
		return false, nil
	}
	for _, option := range []string{emailFactor, linkMethod} {
		if opens, err := s.opens(ctx, option); opens || err != nil {
			return opens, err
		}
	}
	return false, nil
}

func (registerCodes) Prompt(_ context.Context, s *State) (Prompt, error) {
	return Prompt{
		Step: codesEntrance, Title: Message{ID: "register-codes.title"},
		Intro:   Message{ID: "register-codes.intro", Params: map[string]string{"address": s.Facts[askedFact]}},
		Actions: []Action{{Name: continueAction, Label: "register-password.save"}},
	}, nil
}

func (r registerCodes) Judge(ctx context.Context, s *State, _ Input) (Verdict, error) {
	if open, err := s.entrance(ctx, codesEntrance); err != nil || !open {
		return Verdict{Outcome: Refuse}, err
	}
	a, err := r.admit(ctx, s, func(*directory.User) (enter, error) {
		return func(*store.Batch, *directory.User, *directory.Subject) error { return nil }, nil
	})
	if err != nil {
		return Verdict{}, err
	}
	return r.end(ctx, s, a)
}

// entrance reports whether an entrance that was chosen is open still.
func (s *State) entrance(ctx context.Context, name string) (bool, error) {
	open, err := entrances(ctx, s, s.options)
	return slices.Contains(open, name), err
}

// registerPasskey has somebody who has proven their address make a passkey, and makes the account with it.
type registerPasskey struct {
	entering
	// keys is nil where there are no passkeys.
	keys *passkeys
}

var _ Selective = registerPasskey{}

// Usable implements Selective.
func (r registerPasskey) Usable(ctx context.Context, s *State) (bool, error) {
	if r.keys == nil {
		return false, nil
	}
	return s.opens(ctx, passkeyOption)
}

func (r registerPasskey) Prepare(ctx context.Context, s *State) (err error) {
	s.Data, err = r.begin(ctx, s)
	return err
}

func (r registerPasskey) begin(ctx context.Context, s *State) ([]byte, error) {
	user, err := r.registered(ctx, s, s.Facts[askedFact])
	if err != nil {
		return nil, err
	}
	c, err := r.keys.enrolment().begin(ctx, user.Ref(), user, nil, mfa.Registration{Lifetime: r.keys.lifetime}, s.Now)
	if err != nil {
		return nil, err
	}
	return ceremony{Options: c.Options, Session: c.Session}.keep()
}

func (registerPasskey) Prompt(_ context.Context, s *State) (Prompt, error) {
	c, err := kept(s)
	return Prompt{
		Step: passkeyEntrance, Title: Message{ID: "register-passkey.title"},
		Intro:    Message{ID: "register-passkey.intro", Params: map[string]string{"address": s.Facts[askedFact]}},
		Actions:  []Action{{Name: createAction, Label: "passkey.create"}},
		WebAuthn: &WebAuthn{Ceremony: WebAuthnCreate, Options: c.Options, Button: createAction, Action: createAction},
	}, err
}

func (r registerPasskey) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if open, err := s.entrance(ctx, passkeyEntrance); err != nil || !open {
		return Verdict{Outcome: Refuse}, err
	}
	answer := []byte(in.Value(credentialField))
	if len(answer) == 0 {
		return Verdict{Outcome: Again, Messages: []Message{{ID: "passkey.script", Level: Error}}}, nil
	}
	c, err := kept(s)
	if err != nil {
		return Verdict{}, err
	}
	key, err := r.keys.rp.FinishRegistration(c.Session, answer, s.Now)
	if err == nil && !key.UserVerified { // which might let nobody in: sign-ins demand it
		err = &mfa.PasskeyError{Reason: mfa.PasskeyUnverified}
	}
	if err != nil {
		return r.again(ctx, s, err)
	}
	var made *directory.Credential
	a, err := r.admit(ctx, s, func(*directory.User) (enter, error) {
		return func(b *store.Batch, _ *directory.User, subject *directory.Subject) error {
			name, credential, err := r.keys.enrolment().credential(ctx, subject.Ref(), key, false)
			if err != nil {
				return err
			}
			made = credential
			return r.dir.Credentials.AddPasskey(ctx, b, name, credential)
		}, nil
	})
	if err != nil {
		return r.again(ctx, s, err)
	}
	v, err := r.end(ctx, s, a)
	if err == nil && made != nil && !a.before && len(v.Evidence) > 0 { // not of one that stands already, whose passkey is another
		v.Evidence = append(v.Evidence, passkeyEvidence(made, key, key.UserVerified, s))
	}
	return v, err
}

// again is the verdict on an answer that came to nothing, with a new challenge.
func (r registerPasskey) again(ctx context.Context, s *State, cause error) (Verdict, error) {
	message := Message{ID: "passkey.refused", Level: Error} // somebody was faster with it
	if store.ConflictOn(cause, r.dir.Credentials.Kind()) == nil {
		var err error
		if message, err = passkeyProblem(cause); err != nil {
			return Verdict{}, err
		}
	}
	data, err := r.begin(ctx, s)
	return Verdict{Outcome: Again, Messages: []Message{message}, Data: data}, err
}

// entranceExecutors are the Executors that make accounts.
func (c *Config) entranceExecutors(site *web.Site, keys *passkeys) map[string]Executor {
	all := entering{mailing{db: c.DB, dir: c.Directory, out: c.Messages, site: site}}
	return map[string]Executor{
		passwordEntrance: registerPassword{all},
		passkeyEntrance:  registerPasskey{all, keys},
		codesEntrance:    registerCodes{all},
	}
}
