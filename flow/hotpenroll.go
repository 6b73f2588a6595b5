package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// hotpEnrolExecutor has a person without a second factor set up a token that counts, in an app or a device that takes a seed. The seed
// lies sealed in the flow until the token's first code has proven that it has it; that code is spent by the enrolment.
type hotpEnrolExecutor struct {
	dir  *directory.Directory
	hotp mfa.HOTP
}

var _ Guarded = hotpEnrolExecutor{}

// Proves implements Prover.
func (hotpEnrolExecutor) Proves() []directory.Evidence { return hotpExecutor{}.Proves() }

func (h hotpEnrolExecutor) Prepare(ctx context.Context, s *State) error {
	account, err := enrolExecutor{}.label(ctx, s)
	if err != nil {
		return err
	}
	seed, err := h.hotp.Enroll(account)
	if err != nil {
		return err
	}
	s.Data = seed.Bytes()
	return nil
}

func (h hotpEnrolExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	account, err := enrolExecutor{}.label(ctx, s)
	if err != nil {
		return Prompt{}, err
	}
	seed, err := h.hotp.Secret(s.Data, account, 0)
	if err != nil {
		return Prompt{}, err
	}
	return Prompt{
		Step: "hotp-enroll", Title: Message{ID: "hotp-enroll.title"}, Intro: Message{ID: "hotp-enroll.intro"},
		QR: seed.URI(), QRText: seed.Base32(), Fields: []Field{codeField("hotp-enroll.otp")},
		Actions: []Action{{Name: loginAction, Label: "hotp-enroll.login"}},
	}, nil
}

func (h hotpEnrolExecutor) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	return accountOf(ctx, h.dir, s, hotpFactor)
}

func (h hotpEnrolExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	_, _, err := h.dir.Credentials.HOTP(ctx, s.Subject)
	if err == nil { // enrolled in another tab: the plan asks for its code
		return Verdict{Outcome: Proceed}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Verdict{}, err
	}
	next, err := h.hotp.Verify(s.Data, in.Value(otpField), 0)
	if v, refused, err := refusedCode(in, err, "hotp-enroll"); refused || err != nil {
		return v, err
	}
	credential := h.dir.Credentials.NewHOTP(s.Subject, "", s.Data, next)
	return Verdict{
		Outcome: Proceed, Subject: in.Account.Subject, Evidence: []directory.Evidence{credentialEvidence(hotpFactor, "otp", credential, s)},
		Write: func(b *store.Batch) error { // never over one that another tab has enrolled meanwhile
			h.dir.Credentials.AddHOTP(b, credential)
			return nil
		},
	}, nil
}
