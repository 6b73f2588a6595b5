package mfa

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// HOTP is the configuration of counter-based one-time passwords (RFC 4226), as of a token with a button. The zero value
// is valid for everything but enrolment, which needs the Issuer. Its methods are pure and safe for concurrent use. The
// parameters are part of every enrolment, as those of a [TOTP] are.
type HOTP struct {
	// Issuer is the provider's name as the app shows it. It may not contain a colon.
	Issuer string
	// Digits is the length of a code, 6 to 8. Zero is 6.
	Digits int
	// LookAhead is how many codes after the expected one are accepted too, at most 10, since somebody may have pressed the
	// button in vain. Zero is 5; -1 is none.
	LookAhead int
	// ResyncWindow is how far ahead [HOTP.Resync] searches, 10 to 1000. Zero is 100.
	ResyncWindow int
	// Algorithm is the hash function. Empty is [SHA1].
	Algorithm Algorithm
	// SecretSize is the length of new secrets in bytes, 16 to 64. Zero is 20.
	SecretSize int
}

// Validate reports every field that makes no sense. The other methods report the same.
func (h HOTP) Validate() error {
	_, err := h.complete()
	return err
}

// complete fills in defaults and judges the outcome. A LookAhead of -1 becomes 0.
func (h HOTP) complete() (HOTP, error) {
	if h.Digits == 0 {
		h.Digits = 6
	}
	switch h.LookAhead {
	case 0:
		h.LookAhead = 5
	case -1:
		h.LookAhead = 0
	}
	if h.ResyncWindow == 0 {
		h.ResyncWindow = 100
	}
	if h.Algorithm == "" {
		h.Algorithm = SHA1
	}
	if h.SecretSize == 0 {
		h.SecretSize = 20
	}
	return h, h.check()
}

func (h HOTP) check() error {
	var errs []error
	if strings.Contains(h.Issuer, ":") || len(h.Issuer) > maxLabel || !utf8.ValidString(h.Issuer) {
		errs = append(errs, fmt.Errorf("mfa: HOTP.Issuer contains a colon, is over %d bytes, or is not UTF-8", maxLabel))
	}
	if h.Digits < 6 || h.Digits > 8 {
		errs = append(errs, errors.New("mfa: HOTP.Digits is not between 6 and 8"))
	}
	if h.LookAhead < 0 || h.LookAhead > 10 {
		errs = append(errs, errors.New("mfa: HOTP.LookAhead is not between -1 and 10"))
	}
	if h.ResyncWindow < 10 || h.ResyncWindow > 1000 {
		errs = append(errs, errors.New("mfa: HOTP.ResyncWindow is not between 10 and 1000"))
	}
	if !slices.Contains([]Algorithm{SHA1, SHA256, SHA512}, h.Algorithm) {
		errs = append(errs, fmt.Errorf("mfa: HOTP.Algorithm %q is unknown", h.Algorithm))
	}
	if h.SecretSize < minNewSecret || h.SecretSize > maxSecret {
		errs = append(errs, fmt.Errorf("mfa: HOTP.SecretSize is not between %d and %d", minNewSecret, maxSecret))
	}
	return errors.Join(errs...)
}

// Enroll returns a new random secret for an account, whose counter begins at 0. The enrolment is complete when
// [HOTP.Verify] has accepted a first code.
func (h HOTP) Enroll(account string) (Secret, error) {
	full, err := h.complete()
	if err != nil {
		return Secret{}, err
	}
	key := make([]byte, full.SecretSize)
	rand.Read(key)
	return h.Secret(key, account, 0)
}

// Secret returns an existing key as Enroll did, with the counter at which a new token begins.
func (h HOTP) Secret(key []byte, account string, counter int64) (Secret, error) {
	h, err := h.complete()
	if err != nil {
		return Secret{}, err
	}
	if h.Issuer == "" {
		return Secret{}, errors.New("mfa: HOTP.Issuer is empty")
	}
	if account == "" || len(account) > maxLabel || !utf8.ValidString(account) {
		return Secret{}, fmt.Errorf("mfa: account is empty, over %d bytes, or not UTF-8", maxLabel)
	}
	if err := errors.Join(checkKey(key), checkCounter(counter)); err != nil {
		return Secret{}, err
	}
	return Secret{key: slices.Clone(key), uri: h.uri(key, account, counter)}, nil
}

func (h HOTP) uri(key []byte, account string, counter int64) string {
	return "otpauth://hotp/" + url.PathEscape(h.Issuer) + ":" + url.PathEscape(account) +
		"?secret=" + encodeKey(key) +
		"&issuer=" + strings.ReplaceAll(url.QueryEscape(h.Issuer), "+", "%20") +
		"&algorithm=" + string(h.Algorithm) +
		"&digits=" + strconv.Itoa(h.Digits) +
		"&counter=" + strconv.FormatInt(counter, 10)
}

// Verify judges a code, which may contain spaces, against the counter that is expected next and LookAhead more (RFC 4226
// §7.4). It returns the counter to expect from then on, which is always greater. The caller stores that by
// compare-and-swap before believing in the user (§7.2: the counter only ever moves on).
//
// The error that is the user's is [ErrWrongCode], also for a code that was used before; any other is a secret, a counter or
// a configuration that cannot be used. The time taken does not depend on which counter matched, if any.
func (h HOTP) Verify(secret []byte, code string, counter int64) (next int64, err error) {
	h, err = h.ready(secret, counter)
	if err != nil {
		return 0, err
	}
	matched, err := h.match(secret, counter, h.LookAhead+1, code)
	if err != nil {
		return 0, err
	}
	return matched + 1, nil
}

// Resync finds a token again whose button was pressed more often than LookAhead allows: by two codes that follow one another,
// within ResyncWindow of the counter that is expected (RFC 4226 §7.4). It returns what Verify returns, and the same errors. Ask for
// it only when one code was wrong, and count it as an attempt.
func (h HOTP) Resync(secret []byte, first, second string, counter int64) (next int64, err error) {
	h, err = h.ready(secret, counter)
	if err != nil {
		return 0, err
	}
	given := [2][]byte{typedCode(first), typedCode(second)}
	found, before := -1, 0 // before: the first code was that of the counter just before this one
	for i := range h.ResyncWindow + 1 {
		want, err := codeAt(secret, counter+int64(i), h.Digits, h.Algorithm)
		if err != nil {
			return 0, err
		}
		is := subtle.ConstantTimeCompare(given[1], []byte(want))
		found = subtle.ConstantTimeSelect(before&is, i, found)
		before = subtle.ConstantTimeCompare(given[0], []byte(want))
	}
	if found < 0 {
		return 0, ErrWrongCode
	}
	return counter + int64(found) + 1, nil
}

// Code returns the code of a counter. It is for tests and tools; a server has no use for it.
func (h HOTP) Code(secret []byte, counter int64) (string, error) {
	h, err := h.ready(secret, counter)
	if err != nil {
		return "", err
	}
	return codeAt(secret, counter, h.Digits, h.Algorithm)
}

func (h HOTP) ready(secret []byte, counter int64) (HOTP, error) {
	h, err := h.complete()
	if err == nil {
		err = errors.Join(checkKey(secret), checkCounter(counter))
	}
	return h, err
}

// match returns the counter, of width many from first on, that has the code. When two share it the later one counts: the code
// could not be used again.
func (h HOTP) match(secret []byte, first int64, width int, code string) (int64, error) {
	given, matched := typedCode(code), -1
	for i := range width {
		want, err := codeAt(secret, first+int64(i), h.Digits, h.Algorithm)
		if err != nil {
			return 0, err
		}
		matched = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(given, []byte(want)), i, matched)
	}
	if matched < 0 {
		return 0, ErrWrongCode
	}
	return first + int64(matched), nil
}

// typedCode is a code as it was typed, without blanks; nothing that is too long to be one.
func typedCode(code string) []byte {
	if len(code) > maxCode {
		return nil
	}
	return []byte(withoutSpaces(code))
}

func checkCounter(counter int64) error {
	if counter < 0 || counter > math.MaxInt64/2 {
		return errors.New("mfa: counter is negative or past its end")
	}
	return nil
}
