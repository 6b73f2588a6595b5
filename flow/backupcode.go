package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// backupExecutor asks for one of the codes that a person has put away. It is taken by the step that lets the person in.
type backupExecutor struct{ dir *directory.Directory }

var (
	_ Guarded   = backupExecutor{}
	_ Immediate = backupExecutor{}
	_ Selective = backupExecutor{}
)

// Immediate implements Immediate.
func (backupExecutor) Immediate() {}

const (
	backupFactor = "backup-code"
	backupField  = "backup-code"
)

// Verifying implements Verifying.
func (backupExecutor) Verifying() {}

// Proves implements Prover.
func (backupExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: backupFactor, AMR: []string{"otp"}}}
}

// Usable implements Selective.
func (b backupExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	credentials, err := s.credentials(ctx)
	if err != nil {
		return false, err
	}
	for _, credential := range credentials {
		if credential.Type == directory.BackupCodesCredential && len(credential.Codes) > 0 {
			return true, nil
		}
	}
	return false, nil
}

func (backupExecutor) Prepare(context.Context, *State) error { return nil }

func (backupExecutor) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{
		Step:  backupFactor,
		Title: Message{ID: "backup-code.title"},
		Intro: Message{ID: "backup-code.intro"},
		Fields: []Field{
			{Name: backupField, Type: LettersField, Label: "backup-code.code", Autocomplete: "off", Required: true, Focus: true},
		},
		Actions: []Action{{Name: loginAction, Label: "backup-code.login"}},
	}, nil
}

func (b backupExecutor) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	return accountOf(ctx, b.dir, s, backupFactor)
}

func (b backupExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	credential, err := b.dir.Credentials.BackupCodes(ctx, s.Subject)
	if errors.Is(err, store.ErrNotFound) { // removed meanwhile: the plan decides what that means
		return Verdict{Outcome: Proceed}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	code := mfa.BackupCode(in.Value(backupField))
	if !b.dir.Credentials.HasBackupCode(credential, code) || in.Locked {
		return Verdict{Outcome: Again, Messages: []Message{{ID: "backup-code.wrong", Level: Error}}}, nil
	}
	return Verdict{
		Outcome: Proceed, Subject: in.Account.Subject, Evidence: []directory.Evidence{credentialEvidence(backupFactor, "otp", credential, s)},
		Write: func(batch *store.Batch) error {
			taken := *credential
			b.dir.Credentials.TakeBackupCode(batch, &taken, code)
			return nil
		},
	}, nil
}
