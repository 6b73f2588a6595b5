package mfa

import (
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
)

var (
	// ErrExpired says that what was sent is too old.
	ErrExpired = errors.New("mfa: expired")
	// ErrExhausted says that a code takes no more guesses.
	ErrExhausted = errors.New("mfa: guessed at too often")
)

// Alphabet is what a code that is sent to people consists of.
type Alphabet string

// The alphabets.
const (
	// Digits are 0 to 9.
	Digits Alphabet = "digits"
	// UpperAndDigits are capital letters and digits, without the four that are taken for one another: 0 and O, 1 and I.
	UpperAndDigits Alphabet = "upper+digits"
)

// letters are those of UpperAndDigits. Thirty-two divide 256, so that no byte makes one of them likelier.
const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// OneTimeCode is the configuration of codes that are sent to people, by mail or SMS. The zero value is valid. Its methods are
// pure and safe for concurrent use.
type OneTimeCode struct {
	// Length is 6 to 12 characters. Zero is 6.
	Length int
	// Alphabet is "" for Digits.
	Alphabet Alphabet
	// Lifetime is how long a code is good for, a minute to ten minutes (NIST SP 800-63B-4 §3.1.3.2). Zero is five minutes.
	Lifetime time.Duration
	// Tries is how many wrong guesses kill a code, 1 to 10. Zero is 5.
	Tries int
}

// Binding says what a code is good for. Whatever is sent for one thing opens no other: for another flow, another step, another
// address, somebody else.
type Binding struct {
	Flow        string
	Purpose     string
	Destination string
	// Subject is whom it proves; "" for a code to somebody unknown.
	Subject string
}

// Keys makes and compares keyed hashes. The hash of a short code without a key can be turned back in an instant. A key ring of
// the package store is one: HMAC-SHA-256, compared in constant time.
type Keys interface {
	// MAC returns the keyed hash of the words, whose boundaries count.
	MAC(words ...string) string
	// MatchesMAC reports in constant time whether mac is that of the words.
	MatchesMAC(mac string, words ...string) bool
}

// SentCode is what to keep of a code that was sent: nothing from which somebody without the keys could learn it.
type SentCode struct {
	MAC     string    `json:"mac"`
	Expires time.Time `json:"expires"`
	// Left is how many wrong guesses it still takes.
	Left int `json:"left"`
}

// Validate reports every field that makes no sense. Issue reports the same.
func (c OneTimeCode) Validate() error {
	_, err := c.complete()
	return err
}

func (c OneTimeCode) complete() (OneTimeCode, error) {
	if c.Length == 0 {
		c.Length = 6
	}
	if c.Alphabet == "" {
		c.Alphabet = Digits
	}
	if c.Lifetime == 0 {
		c.Lifetime = 5 * time.Minute
	}
	if c.Tries == 0 {
		c.Tries = 5
	}
	var errs []error
	if c.Length < 6 || c.Length > 12 {
		errs = append(errs, errors.New("mfa: OneTimeCode.Length is not between 6 and 12"))
	}
	if c.Alphabet != Digits && c.Alphabet != UpperAndDigits {
		errs = append(errs, errors.New("mfa: OneTimeCode.Alphabet is unknown"))
	}
	if c.Lifetime < time.Minute || c.Lifetime > 10*time.Minute {
		errs = append(errs, errors.New("mfa: OneTimeCode.Lifetime is not between one minute and ten"))
	}
	if c.Tries < 1 || c.Tries > 10 {
		errs = append(errs, errors.New("mfa: OneTimeCode.Tries is not between 1 and 10"))
	}
	return c, errors.Join(errs...)
}

// Issue makes a code: the text to send, and what to keep of it. The code before, for the same thing, dies by being kept no more.
func (c OneTimeCode) Issue(keys Keys, b Binding, now time.Time) (secret.Text, SentCode, error) {
	c, err := c.complete()
	if err != nil {
		return "", SentCode{}, err
	}
	code := randomText(c.Length, "0123456789")
	if c.Alphabet == UpperAndDigits {
		code = randomText(c.Length, letters)
	}
	return secret.Text(code), SentCode{MAC: keys.MAC(b.words(code)...), Expires: now.Add(c.Lifetime), Left: c.Tries}, nil
}

// Judge decides about a code as it was typed: its case, blanks and dashes do not matter. It returns what to keep from here on,
// which the caller writes before anybody learns the error; with nil the code is used up, and nothing is kept of it.
//
// Errors are [ErrWrongCode], [ErrExpired] and [ErrExhausted], all of them the user's. Guesses have to be counted for the account as
// well: a code that was sent anew takes as many as the one before.
func (s SentCode) Judge(keys Keys, b Binding, typed string, now time.Time) (SentCode, error) {
	right := keys.MatchesMAC(s.MAC, b.words(typedLetters(typed))...)
	switch {
	case s.MAC == "" || s.Left <= 0:
		return s, ErrExhausted
	case !now.Before(s.Expires):
		return s, ErrExpired
	case !right:
		s.Left--
		return s, ErrWrongCode
	}
	return SentCode{}, nil
}

func (b Binding) words(code string) []string {
	return []string{"mfa.code", b.Flow, b.Purpose, b.Destination, b.Subject, code}
}

// typedLetters undoes what people do to a code or what they read it from does: blanks, dashes, small letters.
func typedLetters(typed string) string {
	if len(typed) > maxCode {
		return ""
	}
	return strings.ToUpper(strings.ReplaceAll(withoutSpaces(typed), "-", ""))
}

// randomText draws each character from the alphabet, of at most 256, with equal chances.
func randomText(length int, alphabet string) string {
	text, bytes := make([]byte, 0, length), make([]byte, 2*length)
	limit := 256 - 256%len(alphabet) // a byte from here on would favour the first characters
	for len(text) < length {
		rand.Read(bytes)
		for _, b := range bytes {
			if int(b) < limit && len(text) < length {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}
