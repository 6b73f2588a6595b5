package flow

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// phoneStep is the Executor that confirms the telephone number of somebody who registers.
const phoneStep = "register-phone"

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
	c, err := a.executor(ctx, s)
	if err != nil {
		return Prompt{}, err
	}
	return c.Prompt(ctx, s)
}

// Account implements Guarded: guesses are counted for the person, or for the address where that is nobody yet.
func (a addressCode) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	p, err := pendingOf(s)
	if err != nil {
		return Account{}, err
	}
	return Account{Factor: a.codeExecutor.name, Person: p.Address, Quick: true}, nil
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
	if in.Action == resendAction {
		return c.resend(ctx, s, *p)
	}
	left, err := c.weighAnswer(s, in, *p)
	if err != nil || in.Locked {
		return c.wrong(*p, left, err)
	}
	return Verdict{Outcome: Proceed, Facts: map[string]string{a.fact: p.Address}}, nil
}
