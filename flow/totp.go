package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// totpExecutor asks for the code of an authenticator app. A code is spent by the step that lets the person in, so that of
// two posts with one code one is let in.
type totpExecutor struct {
	dir  *directory.Directory
	totp mfa.TOTP
}

var (
	_ Guarded   = totpExecutor{}
	_ Immediate = totpExecutor{}
	_ Selective = totpExecutor{}
)

// Immediate implements Immediate.
func (totpExecutor) Immediate() {}

const (
	otpField   = "otp"
	totpFactor = "totp"
)

// Verifying implements Verifying.
func (totpExecutor) Verifying() {}

// Proves implements Prover.
func (totpExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: totpFactor, AMR: []string{"otp"}}}
}

// Usable implements Selective.
func (totpExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	return s.Enrolled(ctx, directory.TOTPCredential)
}

func (totpExecutor) Prepare(context.Context, *State) error { return nil }

func (totpExecutor) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{
		Step:    "totp",
		Title:   Message{ID: "totp.title"},
		Intro:   Message{ID: "totp.intro"},
		Fields:  []Field{codeField("totp.otp")},
		Actions: []Action{{Name: loginAction, Label: "totp.login"}},
	}, nil
}

func codeField(label string) Field {
	return Field{Name: otpField, Type: CodeField, Label: label, Autocomplete: "one-time-code", Required: true, Focus: true}
}

func (t totpExecutor) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	return accountOf(ctx, t.dir, s, totpFactor)
}

// accountOf is the account of the person whom the flow is about. A code is judged in an instant.
func accountOf(ctx context.Context, dir *directory.Directory, s *State, factor string) (Account, error) {
	subject, err := dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return Account{}, err
	}
	return Account{Factor: factor, Subject: subject, Person: s.Person, Quick: true}, nil
}

func (t totpExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	credential, seed, err := t.dir.Credentials.TOTP(ctx, s.Subject)
	if errors.Is(err, store.ErrNotFound) { // removed meanwhile: the plan decides what that means
		return Verdict{Outcome: Proceed}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	step, err := t.totp.Verify(seed, in.Value(otpField), credential.Step, s.Now)
	if v, refused, err := refusedCode(in, err, "totp"); refused || err != nil {
		return v, err
	}
	return Verdict{
		Outcome: Proceed, Subject: in.Account.Subject,
		Evidence: []directory.Evidence{totpEvidence(in.Account.Subject, credential, s)},
		Write: func(b *store.Batch) error {
			spent := *credential
			return t.dir.Credentials.AdvanceTOTP(b, &spent, step)
		},
	}, nil
}

func totpEvidence(subject *directory.Subject, credential *directory.Credential, s *State) directory.Evidence {
	return directory.Evidence{
		Method: "totp", AMR: []string{"otp"}, Subject: subject.ID, Time: s.Now,
		Credential: credential.ID, CredentialEpoch: credential.Epoch,
	}
}

// refusedCode is the verdict on a code that will not do. A code that was right, but used, is no guess.
func refusedCode(in Input, err error, step string) (v Verdict, refused bool, failure error) {
	switch {
	case in.Locked || errors.Is(err, mfa.ErrWrongCode):
		return Verdict{Outcome: Again, Messages: []Message{{ID: step + ".wrong", Level: Error}}}, true, nil
	case errors.Is(err, mfa.ErrReplayed):
		return Verdict{Outcome: Again, Messages: []Message{{ID: "totp.used", Level: Error}}, Blameless: true}, true, nil
	}
	return Verdict{}, false, err
}
