package me

import (
	"errors"
	"net/http"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
)

// countBackupCodes says how many codes are left. Which they are, nobody can say.
func (a *API) countBackupCodes(c *call) (answer, error) {
	left := 0
	credential, err := a.Directory.Credentials.BackupCodes(c.ctx(), c.ref)
	switch {
	case err == nil:
		left = len(credential.Codes)
	case !errors.Is(err, store.ErrNotFound):
		return answer{}, err
	}
	return answer{Body: map[string]int{"remainingBackupCodesCount": left}}, nil
}

// drawBackupCodes makes a set, in the place of any before, and shows it this once.
func (a *API) drawBackupCodes(c *call) (answer, error) {
	if a.BackupCodes == nil {
		return answer{}, errOff
	}
	codes, err := a.BackupCodes.New()
	if err != nil {
		return answer{}, err
	}
	shown, typed := make([]string, len(codes)), make([]secret.Text, len(codes))
	for i, one := range codes {
		shown[i], typed[i] = one.Reveal(), mfa.BackupCode(one.Reveal())
	}
	err = again(func() error {
		b := a.DB.Batch()
		if err := errors.Join(a.hold(b, c), a.Directory.Credentials.SetBackupCodes(c.ctx(), b, c.ref, typed)); err != nil {
			return err
		}
		return b.Apply(c.ctx())
	})
	return answer{Status: http.StatusCreated, Body: map[string][]string{"backupCodes": shown}}, err
}

// removeBackupCodes removes the set. None is no error.
func (a *API) removeBackupCodes(c *call) (answer, error) {
	return noContent, again(func() error {
		credential, err := a.Directory.Credentials.BackupCodes(c.ctx(), c.ref)
		if err == nil {
			err = a.Directory.RemoveCredential(c.ctx(), c.Subject, c.Session, credential.ID)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
}
