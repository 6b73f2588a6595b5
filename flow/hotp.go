package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// hotpExecutor asks for the code of a token with a button. After a wrong one it asks for two in a row, by which a token is found again
// whose button was pressed in vain.
type hotpExecutor struct {
	dir  *directory.Directory
	hotp mfa.HOTP
}

var (
	_ Guarded   = hotpExecutor{}
	_ Immediate = hotpExecutor{}
	_ Selective = hotpExecutor{}
)

// Immediate implements Immediate.
func (hotpExecutor) Immediate() {}

const (
	hotpFactor   = "hotp"
	nextOTPField = "otp-next"
	// missed is what the step keeps once a code was wrong.
	missed = "missed"
)

// Verifying implements Verifying.
func (hotpExecutor) Verifying() {}

// Proves implements Prover.
func (hotpExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: hotpFactor, AMR: []string{"otp"}}}
}

// Usable implements Selective.
func (hotpExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	return s.Enrolled(ctx, directory.HOTPCredential)
}

func (hotpExecutor) Prepare(context.Context, *State) error { return nil }

func (hotpExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	prompt := Prompt{
		Step:    hotpFactor,
		Title:   Message{ID: "hotp.title"},
		Intro:   Message{ID: "hotp.intro"},
		Fields:  []Field{codeField("hotp.otp")},
		Actions: []Action{{Name: loginAction, Label: "hotp.login"}},
	}
	if string(s.Data) == missed {
		prompt.Intro = Message{ID: "hotp.resync"}
		prompt.Fields = append(prompt.Fields, Field{
			Name: nextOTPField, Type: CodeField, Label: "hotp.next", Autocomplete: "off",
		})
	}
	return prompt, nil
}

func (h hotpExecutor) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	return accountOf(ctx, h.dir, s, hotpFactor)
}

func (h hotpExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	credential, seed, err := h.dir.Credentials.HOTP(ctx, s.Subject)
	if errors.Is(err, store.ErrNotFound) { // removed meanwhile: the plan decides what that means
		return Verdict{Outcome: Proceed}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	var next int64
	if second := in.Value(nextOTPField); second != "" {
		next, err = h.hotp.Resync(seed, in.Value(otpField), second, credential.Step)
	} else {
		next, err = h.hotp.Verify(seed, in.Value(otpField), credential.Step)
	}
	if v, refused, err := refusedCode(in, err, hotpFactor); refused || err != nil {
		v.Data = []byte(missed)
		return v, err
	}
	return Verdict{
		Outcome: Proceed, Subject: in.Account.Subject, Evidence: []directory.Evidence{credentialEvidence(hotpFactor, "otp", credential, s)},
		Write: func(b *store.Batch) error {
			spent := *credential
			return h.dir.Credentials.AdvanceHOTP(b, &spent, next)
		},
	}, nil
}

// credentialEvidence is that the person has shown a credential.
func credentialEvidence(method, amr string, credential *directory.Credential, s *State) directory.Evidence {
	return directory.Evidence{
		Method: method, AMR: []string{amr}, Subject: credential.Subject.ID, Time: s.Now,
		Credential: credential.ID, CredentialEpoch: credential.Epoch,
	}
}
