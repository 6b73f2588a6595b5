package flow

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// enrolExecutor has a person without a second factor set up an authenticator app. The seed lies sealed in the flow until a code
// has proven that the app has it; that code is spent by the enrolment.
type enrolExecutor struct {
	dir  *directory.Directory
	totp mfa.TOTP
}

var _ Guarded = enrolExecutor{}

// Proves implements Prover.
func (enrolExecutor) Proves() []directory.Evidence { return totpExecutor{}.Proves() }

func (t enrolExecutor) Prepare(ctx context.Context, s *State) error {
	account, err := t.label(ctx, s)
	if err != nil {
		return err
	}
	seed, err := t.totp.Enroll(account)
	if err != nil {
		return err
	}
	s.Data = seed.Bytes()
	return nil
}

// label is how the authenticator app calls the account.
func (t enrolExecutor) label(ctx context.Context, s *State) (string, error) {
	user, err := s.User(ctx)
	if err != nil {
		return "", err
	}
	return shortened(cmp.Or(user.Email, user.Username)), nil
}

// shortened is the beginning of a name, as much of it as fits into a key URI: names are bounded in characters, and that in bytes.
func shortened(name string) string {
	const limit = 128
	if len(name) > limit {
		name = strings.ToValidUTF8(name[:limit], "")
	}
	return name
}

func (t enrolExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	account, err := t.label(ctx, s)
	if err != nil {
		return Prompt{}, err
	}
	seed, err := t.totp.Secret(s.Data, account)
	if err != nil {
		return Prompt{}, err
	}
	return Prompt{
		Step:    "totp-enroll",
		Title:   Message{ID: "totp-enroll.title"},
		Intro:   Message{ID: "totp-enroll.intro"},
		QR:      seed.URI(),
		QRText:  seed.Base32(),
		Fields:  []Field{codeField("totp-enroll.otp")},
		Actions: []Action{{Name: loginAction, Label: "totp-enroll.login"}},
	}, nil
}

func (t enrolExecutor) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	return accountOf(ctx, t.dir, s, totpFactor)
}

func (t enrolExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	_, _, err := t.dir.Credentials.TOTP(ctx, s.Subject)
	if err == nil { // enrolled in another tab: the plan asks for its code
		return Verdict{Outcome: Proceed}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Verdict{}, err
	}
	step, err := t.totp.Verify(s.Data, in.Value(otpField), 0, s.Now)
	if v, refused, err := refusedCode(in, err, "totp-enroll"); refused || err != nil {
		return v, err
	}
	credential := t.dir.Credentials.NewTOTP(s.Subject, "", s.Data, step)
	return Verdict{
		Outcome: Proceed, Subject: in.Account.Subject,
		Evidence: []directory.Evidence{totpEvidence(in.Account.Subject, credential, s)},
		Write: func(b *store.Batch) error { // never over one that another tab has enrolled meanwhile
			t.dir.Credentials.AddTOTP(b, credential)
			return nil
		},
	}, nil
}
