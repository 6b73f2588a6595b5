package me

import (
	"errors"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// changePassword gives the person another password. Everything that was issued to them ends, the token of the request too: whoever had the
// password before keeps nothing.
func (a *API) changePassword(c *call) (answer, error) {
	var body struct {
		Current secret.Text `json:"currentPassword"`
		New     secret.Text `json:"newPassword"`
	}
	if err := c.decode(&body, maxBody); err != nil {
		return answer{}, err
	}
	if body.Current == "" || body.New == "" {
		return answer{}, errMalformed
	}
	user, err := a.user(c)
	if err != nil {
		return answer{}, err
	}
	if !a.Directory.Capabilities(user).SetPassword {
		return answer{}, directory.ErrReadOnly
	}
	right, wait, err := a.Directory.ConfirmPassword(c.ctx(), c.Subject, body.Current.Reveal(), c.address)
	switch {
	case err != nil:
		return answer{}, err
	case wait > 0:
		return answer{}, throttled(wait)
	case !right:
		return answer{}, errWrongPass
	}
	return noContent, a.replacePassword(c, user, body.New.Reveal())
}

// replacePassword writes a new password over that which the call has confirmed, and over no other that was set meanwhile.
func (a *API) replacePassword(c *call, user *directory.User, password string) error {
	subject, b := *c.Subject, a.DB.Batch()
	err := a.Directory.RenewPassword(c.ctx(), b, user, &subject, password)
	switch problems := directory.Problems(err); {
	case len(problems) > 0:
		return violations(problems)
	case errors.Is(err, directory.ErrEnded):
		return errAbsent
	case err != nil:
		return err
	}
	if err := a.Directory.HoldSession(c.ctx(), b, c.Session); err != nil {
		return err
	}
	if err := b.Apply(c.ctx()); err != nil {
		return err
	}
	return a.Directory.Sessions.EndRevoked(c.ctx(), &subject, "password.changed")
}

// violations says what the policy has against a password, without saying the password.
func violations(problems []*directory.InvalidError) *web.ProblemError {
	var texts []string
	for _, p := range problems {
		texts = append(texts, "The "+p.Field+" "+p.Problem+".")
	}
	return errPassPolicy.Saying(strings.Join(texts, " "))
}
