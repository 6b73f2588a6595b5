package me

import (
	"errors"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
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
	err = a.Directory.SetPassword(c.ctx(), user, body.New.Reveal())
	if problems := directory.Problems(err); len(problems) > 0 {
		return answer{}, violations(problems)
	}
	if errors.Is(err, directory.ErrEnded) {
		return answer{}, errAbsent
	}
	return noContent, err
}

// violations says what the policy has against a password, without saying the password.
func violations(problems []*directory.InvalidError) problem {
	var texts []string
	for _, p := range problems {
		texts = append(texts, "The "+p.Field+" "+p.Problem+".")
	}
	refused := errPassPolicy
	refused.description = strings.Join(texts, " ")
	return refused
}
