package me

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

var (
	errNoTOTP       = &web.ProblemError{Status: 404, Code: "ME-60002", Message: "Not found", Description: "No authenticator app is being set up. Begin with INIT or REFRESH."}
	errTOTPEnrolled = &web.ProblemError{
		Status: 409, Code: "ME-60003", Message: "Conflict", Description: "There is an authenticator app already. REFRESH sets up another in its place.",
	}
)

// totpAnswer is what is said of an authenticator app. The URL is base64 of the otpauth URI.
type totpAnswer struct {
	QRCodeURL string `json:"qrCodeUrl,omitempty"`
	Valid     *bool  `json:"isValid,omitempty"`
}

// code is a one-time password, which some clients send as a number: without the zeros in front.
type code string

// UnmarshalJSON takes a string, or a number of digits alone.
func (o *code) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(text) > 1 && text[0] == '"' {
		*o = code(text[1 : len(text)-1])
		return nil
	}
	if text == "null" {
		return nil
	}
	for _, digit := range text {
		if digit < '0' || digit > '9' || len(text) > 8 {
			return errMalformed
		}
	}
	*o = code(fmt.Sprintf("%06s", text))
	return nil
}

// postTOTP sets up an authenticator app: INIT for the first, REFRESH for one in the place of another, and VALIDATE with its first code. Until
// that was right nothing has changed: the app before stays in use.
func (a *API) postTOTP(c *call) (answer, error) {
	if a.TOTP == nil {
		return answer{}, errOff
	}
	var body struct {
		Action string `json:"action"`
		Code   code   `json:"verificationCode"`
	}
	if err := c.decode(&body, maxBody); err != nil {
		return answer{}, err
	}
	switch body.Action {
	case "INIT":
		_, _, err := a.Directory.Credentials.TOTP(c.ctx(), c.ref)
		if err == nil {
			return answer{}, errTOTPEnrolled
		}
		if !errors.Is(err, store.ErrNotFound) {
			return answer{}, err
		}
		return a.newTOTP(c)
	case "REFRESH":
		return a.newTOTP(c)
	case "VALIDATE":
		right, err := a.validateTOTP(c, string(body.Code))
		return answer{Body: totpAnswer{Valid: &right}}, err
	}
	return answer{}, errMalformed
}

// newTOTP draws a secret, in the place of one that was not validated.
func (a *API) newTOTP(c *call) (answer, error) {
	account, err := a.account(c)
	if err != nil {
		return answer{}, err
	}
	seed, err := a.TOTP.Enroll(account)
	if err != nil {
		return answer{}, err
	}
	if err := a.begin(c, pendingTOTP, "", seed.Bytes()); err != nil {
		return answer{}, err
	}
	return answer{Body: toTOTPAnswer(seed)}, nil
}

func toTOTPAnswer(seed mfa.Secret) totpAnswer {
	return totpAnswer{QRCodeURL: base64.StdEncoding.EncodeToString([]byte(seed.URI()))}
}

// account is the person's name as the app shows it.
func (a *API) account(c *call) (string, error) {
	user, err := a.user(c)
	if err != nil {
		return "", err
	}
	if len(user.Username) <= maxAccount {
		return user.Username, nil
	}
	return c.ref.ID, nil
}

// maxAccount is what fits into a key URI.
const maxAccount = 128

// validateTOTP completes the set-up with a code, which is spent by it, and reports whether it was right. Codes are counted with those at
// sign-in: while these are locked, none is right.
func (a *API) validateTOTP(c *call, typed string) (right bool, err error) {
	for clash := 0; clash < maxClashes; {
		right, err = a.tryTOTP(c, typed)
		conflict, ok := errors.AsType[*store.Conflict](err)
		if !ok {
			return right, err
		}
		if conflict.Kind != a.Directory.Locks.Kind() { // what was begun, or the app in use, is another by now
			return false, err
		}
		clash++
	}
	return false, err
}

// maxClashes bounds how often a code is judged again because another one for the account was faster.
const maxClashes = 200

func (a *API) tryTOTP(c *call, typed string) (bool, error) {
	p, seed, err := a.begun(c, pendingTOTP)
	if errors.Is(err, store.ErrNotFound) {
		return false, errNoTOTP
	}
	if err != nil {
		return false, err
	}
	attempt, err := a.Directory.Locks.Weigh(c.ctx(), directory.AttemptKey{
		Org: c.ref.Org, Account: a.Directory.Locks.Account(c.Subject, c.ref.Org, ""), Factor: string(directory.TOTPCredential),
	})
	if err != nil {
		return false, err
	}
	step, err := a.TOTP.Verify(seed, typed, 0, a.DB.Now())
	if err != nil && !errors.Is(err, mfa.ErrWrongCode) {
		return false, err
	}
	right := err == nil && attempt.Admitted()
	b := a.DB.Batch()
	if !right {
		if err := a.Directory.Locks.Fail(c.ctx(), b, attempt); err != nil {
			return false, err
		}
		return false, b.Apply(c.ctx())
	}
	a.pending.Delete(b, p)
	err = errors.Join(
		a.hold(b, c),
		a.Directory.Locks.Succeed(c.ctx(), b, attempt),
		a.Directory.Credentials.EnrollTOTP(c.ctx(), b, c.ref, "", seed, step),
	)
	if err != nil {
		return false, err
	}
	return true, b.Apply(c.ctx())
}

// showTOTP shows the QR code of an app that is being set up, and of no other: the secret of one in use is shown nowhere.
func (a *API) showTOTP(c *call) (answer, error) {
	seed, err := a.begunTOTP(c)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: toTOTPAnswer(seed)}, nil
}

// showTOTPSecret shows the same for those who type it.
func (a *API) showTOTPSecret(c *call) (answer, error) {
	seed, err := a.begunTOTP(c)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: map[string]string{"secret": seed.Base32()}}, nil
}

func (a *API) begunTOTP(c *call) (mfa.Secret, error) {
	if a.TOTP == nil {
		return mfa.Secret{}, errOff
	}
	_, seed, err := a.begun(c, pendingTOTP)
	if errors.Is(err, store.ErrNotFound) {
		return mfa.Secret{}, errNoTOTP
	}
	if err != nil {
		return mfa.Secret{}, err
	}
	account, err := a.account(c)
	if err != nil {
		return mfa.Secret{}, err
	}
	return a.TOTP.Secret(seed, account)
}

// removeTOTP removes the app in use, and what is being set up. One that is not there is no error.
func (a *API) removeTOTP(c *call) (answer, error) {
	return answer{Status: http.StatusOK}, again(func() error {
		credential, _, err := a.Directory.Credentials.TOTP(c.ctx(), c.ref)
		if err == nil {
			err = a.Directory.RemoveCredential(c.ctx(), c.Subject, c.Session, credential.ID)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		p, _, err := a.begun(c, pendingTOTP)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := a.DB.Batch()
		a.pending.Delete(b, p)
		return b.Apply(c.ctx())
	})
}
