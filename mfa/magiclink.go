package mfa

import (
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
)

// MagicLink is the configuration of links that are sent to people and sign them in where they were asked for. The zero value is
// valid. Its methods are pure and safe for concurrent use.
type MagicLink struct {
	// Lifetime is how long a link is good for, a minute to an hour. Zero is five minutes.
	Lifetime time.Duration
}

// SentLink is what to keep of a link that was sent: the hash of its token, of 256 random bits.
type SentLink struct {
	Hash    string    `json:"hash"`
	Expires time.Time `json:"expires"`
}

// Validate reports every field that makes no sense. Issue reports the same.
func (l MagicLink) Validate() error {
	if l.Lifetime != 0 && (l.Lifetime < time.Minute || l.Lifetime > time.Hour) {
		return errors.New("mfa: MagicLink.Lifetime is not between a minute and an hour")
	}
	return nil
}

// Issue makes a token: what to put into the link, and what to keep of it.
func (l MagicLink) Issue(now time.Time) (secret.Text, SentLink, error) {
	if err := l.Validate(); err != nil {
		return "", SentLink{}, err
	}
	if l.Lifetime == 0 {
		l.Lifetime = 5 * time.Minute
	}
	token := secret.New()
	return token, SentLink{Hash: token.Hash(), Expires: now.Add(l.Lifetime)}, nil
}

// Verify judges a token. It is good once: the caller forgets the SentLink in the step that lets the user in, which is the answer to
// a POST and never to a GET, as programs that look through mail follow links. Errors are [ErrWrongCode] and [ErrExpired].
func (s SentLink) Verify(token string, now time.Time) error {
	switch {
	case !secret.Matches(s.Hash, token):
		return ErrWrongCode
	case !now.Before(s.Expires):
		return ErrExpired
	}
	return nil
}
