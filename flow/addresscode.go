package flow

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	// phoneStep is the Executor that confirms the telephone number of somebody who registers.
	phoneStep = "register-phone"
	// inviteMailStep and inviteSMSStep are the Executors that have somebody who came by the link of an invitation type a code that is mailed to them,
	// or sent to their telephone.
	inviteMailStep = "invite-mail"
	inviteSMSStep  = "invite-sms"
	// inviteMailFact and inviteSMSFact are the address and the number at which they have read it.
	inviteMailFact = "invite.mail"
	inviteSMSFact  = "invite.sms"
)

// addressCode sends a code to an address that the flow has learned, when it comes to the step, and asks for it. It signs nobody in, and is no
// evidence: it leaves a fact. The same is read, counted and shown for an address that has an account.
type addressCode struct {
	codeExecutor codeExecutor
	checked      Checked
	// to is where the code goes, and fact what holds that it was right.
	to   func(ctx context.Context, s *State) (pending, error)
	fact string
	// life is how long a code is good, and how it looks.
	form func(ctx context.Context, s *State) (mfa.OneTimeCode, error)
}

var _ Guarded = addressCode{}

// registerPhone confirms the number of somebody who registers, by the terms of RegistrationPolicy.
func registerPhone(c *Config, site *web.Site) addressCode {
	sms := smsCode(c, site)
	sms.name, sms.template, sms.again = phoneStep, notify.SMSOTPVerification, notify.SMSOTPVerification
	sms.masked = func(number string) string { return number } // whoever reads it has typed it
	return addressCode{
		codeExecutor: sms, checked: CheckedRegistration, fact: phoneProvenFact,
		to: func(_ context.Context, s *State) (pending, error) {
			number := s.Facts[registerFacts+phoneField]
			if number == "" {
				return pending{}, errors.New("flow: a registration that was drawn confirms a number that it has not asked for")
			}
			return pending{Address: number}, nil
		},
		form: func(ctx context.Context, s *State) (mfa.OneTimeCode, error) {
			policy, err := directory.Resolve(ctx, c.Directory.Settings, c.Directory.Settings.Registration, s.Request.Organization, "")
			return oneTime(policy.Code, policy.CodeLife), err
		},
	}
}

// inviteMail mails a code to whom an invitation, or a reset by an administrator, is for. Where the link was handed over, that goes to the address
// of the account.
func inviteMail(c *Config, site *web.Site, purposes []directory.TicketPurpose) addressCode {
	mail := emailCode(c, site)
	mail.name = inviteMailStep
	return inviteCodeBy(c, mail, inviteMailFact, purposes, func(u *directory.User) string { return u.Email })
}

// inviteSMS sends the code to the number of the account, as its administrator has entered it.
func inviteSMS(c *Config, site *web.Site, purposes []directory.TicketPurpose) addressCode {
	sms := smsCode(c, site)
	sms.name = inviteSMSStep
	return inviteCodeBy(c, sms, inviteSMSFact, purposes, func(u *directory.User) string { return u.Phone })
}

// inviteCodeBy sends a code to whom the ticket of the flow is for. It confirms no address: whoever has the link and reads the code goes on.
func inviteCodeBy(
	c *Config, by codeExecutor, fact string, purposes []directory.TicketPurpose, address func(*directory.User) string,
) addressCode {
	return addressCode{
		codeExecutor: by, checked: CheckedRecovery, fact: fact,
		to: func(ctx context.Context, s *State) (pending, error) {
			ticket, err := held(ctx, c.Directory, s, purposes...)
			if err != nil {
				return pending{}, err
			}
			subject, err := c.Directory.Subjects.Get(ctx, ticket.Subject)
			if err == nil {
				var user *directory.User
				if user, err = c.Directory.UserOf(ctx, subject); err == nil && address(user) != "" {
					return pending{Subject: subject.ID, Address: address(user)}, nil
				}
			}
			if err == nil || errors.Is(err, store.ErrNotFound) { // nobody, or somebody whom no such message reaches
				err = directory.ErrTicket
			}
			return pending{}, err
		},
		form: func(context.Context, *State) (mfa.OneTimeCode, error) { return by.code, nil },
	}
}

// oneTime is a code of a policy. It is good for ten minutes at most (NIST SP 800-63B-4 §3.1.3.2).
func oneTime(form directory.CodeForm, life time.Duration) mfa.OneTimeCode {
	code := mfa.OneTimeCode{Length: max(form.Length, 6), Lifetime: min(life, 10*time.Minute)}
	if form.Letters {
		code.Alphabet = mfa.UpperAndDigits
	}
	return code
}

func (a addressCode) checks(_ *State, action string) Checked {
	if action == resendAction {
		return a.checked
	}
	return ""
}

// executor is that which sends by the policy of the organization.
func (a addressCode) executor(ctx context.Context, s *State) (c codeExecutor, err error) {
	c = a.codeExecutor
	c.code, err = a.form(ctx, s)
	return c, err
}

func (a addressCode) Prepare(ctx context.Context, s *State) error {
	c, err := a.executor(ctx, s)
	if err != nil {
		return err
	}
	p, err := a.to(ctx, s)
	if errors.Is(err, directory.ErrTicket) { // for which nothing is sent, and which leads nowhere
		return nil
	}
	if err != nil {
		return err
	}
	p, write, err := c.send(ctx, s, p, c.template)
	if err != nil {
		return err
	}
	s.Write(write)
	s.Data, err = p.keep()
	return err
}

func (a addressCode) Prompt(ctx context.Context, s *State) (Prompt, error) {
	if len(s.Data) == 0 {
		return deadEnd("invite"), nil
	}
	c, err := a.executor(ctx, s)
	if err != nil {
		return Prompt{}, err
	}
	return c.Prompt(ctx, s)
}

// Account implements Guarded: guesses are counted for the person, or for the address where that is nobody yet.
func (a addressCode) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	account := Account{Factor: a.codeExecutor.name, Quick: true}
	p, err := pendingOf(s)
	if err != nil || p == nil {
		return account, err
	}
	account.Person = p.Address
	if p.Subject == "" {
		return account, nil
	}
	account.Subject, err = a.codeExecutor.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: p.Subject})
	if errors.Is(err, store.ErrNotFound) {
		account.Subject, err = nil, nil
	}
	return account, err
}

func (a addressCode) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	c, err := a.executor(ctx, s)
	if err != nil {
		return Verdict{}, err
	}
	p, err := pendingOf(s)
	if err != nil {
		return Verdict{}, err
	}
	if p == nil {
		return Verdict{Outcome: Refuse}, nil
	}
	if in.Action == resendAction {
		return c.resend(ctx, s, *p)
	}
	left, err := c.weighAnswer(s, in, *p)
	if err != nil || in.Locked {
		return c.wrong(*p, left, err)
	}
	return Verdict{Outcome: Proceed, Facts: map[string]string{a.fact: p.Address}}, nil
}
