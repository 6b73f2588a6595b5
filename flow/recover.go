package flow

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Recovery is the plan "recover": somebody says who they are, proves that they read the mail, or the text messages, of that account, and chooses a new
// password. Then the login goes on; where directory.RecoveryPolicy signs people in, with a proof that counts as the password does, and
// other factors are asked for as ever. Nothing that is shown, sent or done says whether the account exists. The plan is closed in
// organizations whose RecoveryPolicy has no way by mail or SMS. Where both are open, the person chooses; where RecoveryPolicy has
// one to the user name as well, the page leads there.
func Recovery() Plan {
	return gated{sequence{
		{Name: "recover", Options: []string{"recover"}, When: lacksTicket},
		{Name: "recover-code", Options: []string{"recover-code"}, When: lacksCode},
		{Name: "recover-password", Options: []string{"recover-password"}, When: lacksEnd},
	}, func(ctx context.Context, dir *directory.Directory, org string) (bool, error) {
		policy, err := directory.Resolve(ctx, dir.Settings, dir.Settings.Recovery, org, "")
		return policy.EmailLink || policy.EmailCode || policy.SMSCode, err
	}}
}

// Invitation is the plan "invite": somebody who came by the link of an invitation, or of a reset by an administrator, chooses their
// password, and is signed in by it. Where directory.InvitationPolicy or AdminResetPolicy has codes in place of links, whoever comes without one types
// their user name and the code. A program that has not brought what is in the link is asked for it.
func Invitation() Plan {
	return sequence{
		{Name: inviteLink, Options: []string{inviteLink, inviteCode}, Offer: inviteWays, When: lacksInvitation},
		{Name: "invite", Options: []string{"invite"}, When: lacksEnd},
	}
}

// endFact says that the plan has done what it is for.
const endFact = "account.done"

func lacksEnd(_ context.Context, s *State) (bool, error) { return s.Facts[endFact] == "", nil }

// recoverExecutor asks whose account it is, and sends a ticket to its address.
type recoverExecutor struct{ mailing }

var _ Executor = recoverExecutor{}

func (recoverExecutor) Prepare(context.Context, *State) error { return nil }

// The further actions of the page on which a recovery begins.
const (
	smsAction = "sms"
	namePlan  = "recover-username"
)

// ways are those to a new password that are open, lead to somebody, and are the plan's.
func (r recoverExecutor) ways(s *State, policy directory.RecoveryPolicy) (mail, sms bool) {
	mail = (policy.EmailLink || policy.EmailCode) && r.reaches(notify.Email)
	sms = policy.SMSCode && r.reaches(notify.SMS)
	only := notify.Channel(s.Params[ParamChannel])
	return mail && only != notify.SMS, sms && only != notify.Email
}

func (r recoverExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	policy, err := directory.Resolve(ctx, r.dir.Settings, r.dir.Settings.Recovery, s.Request.Organization, "")
	if err != nil {
		return Prompt{}, err
	}
	prompt := Prompt{
		Step: recoverPlan, Title: Message{ID: "recover.title"}, Intro: Message{ID: "recover.intro"},
		Fields: []Field{{
			Name: usernameField, Type: TextField, Label: "password.username", Value: cmp.Or(s.Person, s.Request.Hint),
			Autocomplete: "username", Required: true, Focus: true,
		}},
		Actions: []Action{{Name: continueAction, Label: "recover.send"}},
	}
	switch mail, sms := r.ways(s, policy); {
	case mail && sms:
		prompt.Channels = []notify.Channel{notify.Email, notify.SMS}
		prompt.Intro.ID = "recover.intro-any"
		prompt.Actions = append(prompt.Actions, Action{Name: smsAction, Label: "recover.send-sms", Kind: Secondary})
	case mail:
		prompt.Channels = []notify.Channel{notify.Email}
	case sms:
		prompt.Channels = []notify.Channel{notify.SMS}
		prompt.Intro.ID, prompt.Actions[0].Label = "recover.intro-sms", "recover.send-sms"
	}
	if s.Plan == recoverPlan && nameWays(r.mailing, policy) != nil {
		prompt.Actions = append(prompt.Actions, Action{Name: namePlan, Label: "action.recover-username", Kind: Quiet, Plan: namePlan})
	}
	return prompt, nil
}

func (r recoverExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	return r.ask(ctx, s, sayable(in.Value(usernameField)), in.Action == smsAction)
}

// sayable is what somebody typed as their name in a form that can be kept and sent: names have up to 256 characters, none of them a control.
func sayable(name string) string {
	const limit = 256
	name = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(name, ""))
	if runes := []rune(name); len(runes) > limit {
		name = string(runes[:limit])
	}
	return name
}

// again sends another ticket, which takes the place of the one before.
func (r recoverExecutor) again(ctx context.Context, s *State) (Verdict, error) {
	return r.ask(ctx, s, s.Facts[askedFact], channelOf(s) == notify.SMS)
}

// ask sends a ticket to whoever the name is of. Who is nobody, cannot sign in, or has no address that was verified gets none.
func (r recoverExecutor) ask(ctx context.Context, s *State, name string, sms bool) (Verdict, error) {
	org := s.Request.Organization
	policy, err := directory.Resolve(ctx, r.dir.Settings, r.dir.Settings.Recovery, org, "")
	if err != nil {
		return Verdict{}, err
	}
	t := terms{life: policy.LinkLife, code: policy.Code, link: s.said(ParamLink, policy.EmailLink), tries: policy.Tries, resends: policy.Resends}
	if !t.link {
		t.life = policy.EmailCodeLife
	}
	address := verifiedEmail
	switch mail, may := r.ways(s, policy); {
	case !mail && !may: // closed since the flow began, or open to nothing that sends
		return Verdict{Outcome: Refuse}, nil
	case may && (sms || !mail):
		r.channel, r.template, address = notify.SMS, notify.PasswordReset, verifiedPhone
		t.life, t.link = policy.SMSCodeLife, false
	}
	to := addressee{holder: r.dir.Locks.Account(nil, org, name), address: name, decoy: true}
	to.whose = to.holder
	ref := store.Ref{Org: org, ID: to.whose}
	user, err := r.find(ctx, s, name)
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
	if err == nil && subject.State() == "" && !user.Disabled && address(user) != "" {
		to = addressee{holder: to.holder, whose: subject.ID, subject: subject, address: address(user)}
	}
	return r.dispatch(ctx, s, to, name, t)
}

// find is whom somebody means by what they typed.
func (r recoverExecutor) find(ctx context.Context, s *State, name string) (*directory.User, error) {
	if s.Request.HintBy == "" {
		return r.dir.FindUser(ctx, s.Request.Organization, name)
	}
	if number := spaces.Replace(name); s.Request.HintBy == directory.ByPhone && directory.IsPhone(number) {
		name = number
	}
	return r.dir.FindByAddress(ctx, s.Request.Organization, name)
}

// choosePassword takes the new password of somebody who has a ticket for it, which is used up by it. Everything that was issued to them
// ends.
type choosePassword struct {
	mailing
	step     string
	purposes []directory.TicketPurpose
	told     notify.Template
}

var _ Executor = choosePassword{}

func (choosePassword) Prepare(context.Context, *State) error { return nil }

func (c choosePassword) Prompt(ctx context.Context, s *State) (Prompt, error) {
	if s.Facts[linkFact] == "" && c.purposes[0] == directory.RecoverPassword {
		return newPasswordPrompt(ctx, s, c.step, s.Facts[askedFact])
	}
	name, err := c.invited(ctx, s)
	switch {
	case err == nil:
		return newPasswordPrompt(ctx, s, c.step, name)
	case !errors.Is(err, directory.ErrTicket):
		return Prompt{}, err
	case c.purposes[0] == directory.RecoverPassword: // whose answer leads to where another link can be had
		return newPasswordPrompt(ctx, s, c.step, "")
	default:
		return deadEnd(c.step), nil
	}
}

// invited is the name of whoever holds the link, who has not typed it here: for them to see whose password it is, and for their password
// manager. directory.ErrTicket is a link that is good no more.
func (c choosePassword) invited(ctx context.Context, s *State) (string, error) {
	ticket, err := held(ctx, c.dir, s, c.purposes...)
	if err != nil {
		return "", err
	}
	subject, err := c.dir.Subjects.Get(ctx, ticket.Subject)
	if err == nil {
		var user *directory.User
		if user, err = c.dir.UserOf(ctx, subject); err == nil {
			return user.Username, nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", directory.ErrTicket
	}
	return "", err
}

// deadEnd says that a link is good no more for which nobody can ask here.
func deadEnd(step string) Prompt {
	return Prompt{
		Step: step, Title: Message{ID: step + ".title"}, Messages: []Message{{ID: "ticket.void-for-good", Level: Error}},
		Actions: []Action{{Name: continueAction, Label: "action.continue"}},
	}
}

// void goes on after a ticket that is good no more: to where another can be had, or with the login. Where none follows, that is the end.
func (c choosePassword) void(s *State) Verdict {
	switch {
	case c.purposes[0] == directory.RecoverPassword:
		return void()
	case s.Request.Purpose == directory.ManageAccount:
		return Verdict{Outcome: Refuse}
	}
	return Verdict{Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "ticket.void-for-good", Level: Error}}}
}

func (c choosePassword) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	policy, err := directory.Resolve(ctx, c.dir.Settings, c.dir.Settings.Recovery, s.Request.Organization, "")
	if err != nil {
		return Verdict{}, err
	}
	ticket, err := held(ctx, c.dir, s, c.purposes...)
	if errors.Is(err, directory.ErrTicket) {
		return c.repeat(ctx, s, in.Value(newPasswordField), policy)
	}
	if err != nil {
		return Verdict{}, err
	}
	var subject *directory.Subject
	err = c.apart(ctx, func(b *store.Batch) (err error) {
		if subject, err = c.dir.ChoosePassword(ctx, b, ticket, in.Value(newPasswordField)); err != nil || ticket.Address == "" {
			return err
		}
		return c.tell(ctx, b, subject, notify.Message{
			Template: c.told, Channel: channelOf(s), To: ticket.Address, Subject: subject.Ref(), Organization: s.Request.Organization,
			Application: s.Request.Application, Locales: s.Request.Locales, Decoy: !policy.Notify && !s.said(ParamNotify, false),
		})
	})
	switch {
	case errors.Is(err, directory.ErrTicket), store.ConflictOn(err, c.dir.Tickets.Kind()) != nil:
		return c.void(s), nil
	case err != nil:
		return refusedPassword(err)
	}
	if err := c.dir.Sessions.EndRevoked(ctx, subject, "password changed"); err != nil {
		return Verdict{}, err
	}
	return c.end(ctx, s, subject.Ref(), policy)
}

// tell sends word of a new password the way its ticket went, and by mail too where that was another: whoever has taken over a telephone number
// must not be the only one to hear of it.
func (c choosePassword) tell(ctx context.Context, b *store.Batch, subject *directory.Subject, letter notify.Message) error {
	if err := c.out.Send(b, letter); err != nil || letter.Channel == notify.Email || !c.reaches(notify.Email) {
		return err
	}
	user, err := c.dir.UserOf(ctx, subject)
	if err != nil || verifiedEmail(user) == "" {
		return err
	}
	letter.Channel, letter.To = notify.Email, user.Email
	return c.out.Send(b, letter)
}

// end is the verdict on a password that was chosen.
func (c choosePassword) end(ctx context.Context, s *State, who store.Ref, policy directory.RecoveryPolicy) (Verdict, error) {
	v := Verdict{Outcome: Proceed, Facts: done(), Messages: []Message{{ID: c.step + ".done", Level: Success}}}
	if (policy.SignIn || c.purposes[0] != directory.RecoverPassword) && s.said(ParamSignIn, true) {
		return c.prove(ctx, s, v, who)
	}
	return v, nil
}

// repeat takes an answer once more whose password stands already, while the flow did not get on: the code was right then, as nobody
// comes here without. Otherwise the ticket is good no more.
func (c choosePassword) repeat(ctx context.Context, s *State, pass string, policy directory.RecoveryPolicy) (Verdict, error) {
	if s.Facts[codeFact] == "" {
		return c.void(s), nil
	}
	subject, err := c.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: s.Facts[whoseFact]})
	if errors.Is(err, store.ErrNotFound) {
		return c.void(s), nil
	}
	if err != nil {
		return Verdict{}, err
	}
	right, err := verifies(ctx, c.dir, subject, pass)
	if err != nil || !right {
		return c.void(s), err
	}
	return c.end(ctx, s, subject.Ref(), policy)
}

// verifies reports whether a password is somebody's who may sign in, and one that they may keep.
func verifies(ctx context.Context, dir *directory.Directory, subject *directory.Subject, pass string) (bool, error) {
	user, err := dir.UserOf(ctx, subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && (user.Disabled || subject.State() != "") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	right, err := dir.Users.VerifyPassword(ctx, user, pass)
	if _, refused := errors.AsType[*directory.AccountError](err); refused {
		return false, nil
	}
	if err != nil || !right {
		return false, err
	}
	expired, err := dir.PasswordExpired(ctx, user)
	return !expired, err
}

// prove adds what somebody has shown who has chosen a password by a ticket: that they read the mail or the text messages, which is no more than a
// password. They have shown it when they brought the ticket, and are held to that by a request's max_age (OpenID Connect Core §2, auth_time).
// Of a flow that does not know when that was, nothing counts as shown.
func (m mailing) prove(ctx context.Context, s *State, v Verdict, who store.Ref) (Verdict, error) {
	at, err := time.Parse(time.RFC3339Nano, s.Facts[provenFact])
	if err != nil {
		return v, nil //nolint:nilerr // who chose the password signs in with it
	}
	subject, err := m.dir.Subjects.Get(ctx, who)
	if err != nil {
		return Verdict{}, err
	}
	v.Messages = nil
	v.Subject = subject
	method, amr := directory.EmailSignIn, "otp"
	if channelOf(s) == notify.SMS {
		method, amr = directory.SMSSignIn, "sms"
	}
	v.Evidence = []directory.Evidence{{Method: method, AMR: []string{amr}, Subject: subject.ID, Time: at}}
	return v, nil
}

// done forgets the ticket.
func done() map[string]string {
	facts := forgotten()
	facts[endFact] = "true"
	return facts
}

// accounts are the steps of Recovery, Registration, Invitation and Verification.
func (c *Config) accounts(site *web.Site) map[string]Executor {
	mail := mailing{db: c.DB, dir: c.Directory, out: c.Messages, site: site}
	recovery := recoverExecutor{mail}
	recovery.purpose, recovery.template, recovery.path = directory.RecoverPassword, notify.InitiateRecovery, "/recover"
	registration := registerExecutor{mail}
	registration.purpose, registration.template, registration.path = directory.ConfirmRegistration, notify.EmailConfirm, "/register"
	registration.taken = notify.AccountExists
	forgotten := nameExecutor{mail}
	forgotten.purpose, forgotten.template = directory.RecoverUsername, notify.AccountIDRecovery
	invitations := []directory.TicketPurpose{directory.AcceptInvitation, directory.ResetPassword}
	return map[string]Executor{
		namePlan:       forgotten,
		"recover":      recovery,
		"recover-code": ticketExecutor{dir: c.Directory, step: "recover-code", purpose: recovery.purpose, again: recovery.again, letters: true},
		"recover-password": choosePassword{
			mailing: mail, step: "recover-password", purposes: []directory.TicketPurpose{directory.RecoverPassword}, told: notify.PasswordResetSuccess,
		},
		"recover-link": linkExecutor{
			mailing: mail, step: "recover-link", purposes: []directory.TicketPurpose{directory.RecoverPassword}, again: recovery.again,
		},
		inviteLink:     linkExecutor{mailing: mail, step: inviteLink, purposes: invitations},
		inviteMailStep: inviteMail(c, site, invitations),
		inviteSMSStep:  inviteSMS(c, site, invitations),
		inviteCode:     inviteCodeExecutor{c.Directory, invitations},
		"invite": choosePassword{
			mailing: mail, step: "invite", purposes: invitations,
			told: notify.PasswordResetSuccess,
		},
		"register":         registration,
		"register-code":    ticketExecutor{dir: c.Directory, step: "register-code", purpose: registration.purpose, again: registration.again},
		"register-profile": profileExecutor{mail},
		phoneStep:          registerPhone(c, site),
		"register-account": Act(entering{mail}.makeAccount),
		"verify":           verifyExecutor{mail},
		choiceStep:         choiceExecutor{},
	}
}
