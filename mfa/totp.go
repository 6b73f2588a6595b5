package mfa

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

var (
	// ErrWrongCode says that a code is not that of any step in the window.
	ErrWrongCode = errors.New("mfa: wrong code")
	// ErrReplayed says that a code is right, but for a step not after the last accepted
	// one: it, or a later one, was used before.
	ErrReplayed = errors.New("mfa: code was used before")
)

// Algorithm is the hash function under the HMAC of a one-time password (RFC 6238 §1.2).
// The zero value is [SHA1].
type Algorithm string

// The algorithms of RFC 6238. Apps that ignore the parameter, and there are many, compute
// with SHA1; the collisions found in it do not weaken HMAC.
const (
	SHA1   Algorithm = "SHA1"
	SHA256 Algorithm = "SHA256"
	SHA512 Algorithm = "SHA512"
)

const (
	minNewSecret = 16 // RFC 4226 §4 R6: 128 bits
	minSecret    = 10 // what widespread apps used to issue; imported users have it
	maxSecret    = 64
	maxLabel     = 256
	maxCode      = 64
)

// TOTP is the configuration of time-based one-time passwords (RFC 6238). The zero value is
// valid for everything but enrolment, which needs the Issuer. Its methods are pure and
// safe for concurrent use. The parameters are part of every enrolment: after a change,
// credentials that were enrolled before verify under their old values only.
type TOTP struct {
	// Issuer is the provider's name as the app shows it. It may not contain a colon.
	Issuer string
	// Digits is the length of a code, 6 to 8. Zero is 6.
	Digits int
	// Period is the length of a step in whole seconds, at most ten minutes. Zero is 30 s.
	Period time.Duration
	// Skew is how many steps before and after the present one are accepted, at most 10.
	// Zero is 1, as RFC 6238 §5.2 recommends; -1 is none.
	Skew int
	// Algorithm is the hash function. Empty is [SHA1].
	Algorithm Algorithm
	// SecretSize is the length of new secrets in bytes, 16 to 64. Zero is 20, the length
	// that RFC 4226 §4 recommends.
	SecretSize int
}

// Validate reports every field that makes no sense. The other methods report the same.
func (t TOTP) Validate() error {
	_, err := t.complete()
	return err
}

// complete fills in defaults and judges the outcome. A Skew of -1 becomes 0.
func (t TOTP) complete() (TOTP, error) {
	if t.Digits == 0 {
		t.Digits = 6
	}
	if t.Period == 0 {
		t.Period = 30 * time.Second
	}
	switch t.Skew {
	case 0:
		t.Skew = 1
	case -1:
		t.Skew = 0
	}
	if t.Algorithm == "" {
		t.Algorithm = SHA1
	}
	if t.SecretSize == 0 {
		t.SecretSize = 20
	}
	return t, t.check()
}

func (t TOTP) check() error {
	var errs []error
	if strings.Contains(t.Issuer, ":") || len(t.Issuer) > maxLabel || !utf8.ValidString(t.Issuer) {
		errs = append(errs, fmt.Errorf("mfa: TOTP.Issuer contains a colon, is over %d bytes, or is not UTF-8", maxLabel))
	}
	if t.Digits < 6 || t.Digits > 8 {
		errs = append(errs, errors.New("mfa: TOTP.Digits is not between 6 and 8"))
	}
	if t.Period < time.Second || t.Period > 10*time.Minute || t.Period%time.Second != 0 {
		errs = append(errs, errors.New("mfa: TOTP.Period is not in whole seconds up to ten minutes"))
	}
	if t.Skew < 0 || t.Skew > 10 {
		errs = append(errs, errors.New("mfa: TOTP.Skew is not between -1 and 10"))
	}
	if !slices.Contains([]Algorithm{SHA1, SHA256, SHA512}, t.Algorithm) {
		errs = append(errs, fmt.Errorf("mfa: TOTP.Algorithm %q is unknown", t.Algorithm))
	}
	if t.SecretSize < minNewSecret || t.SecretSize > maxSecret {
		errs = append(errs, fmt.Errorf("mfa: TOTP.SecretSize is not between %d and %d", minNewSecret, maxSecret))
	}
	return errors.Join(errs...)
}

// Secret is the key that a user's app and the server share, with the URI that hands it to
// the app. However it is formatted or logged, it does not show: only its methods give it
// away.
type Secret struct {
	key []byte
	uri string
}

// Bytes returns the key, which is what to store, sealed.
func (s Secret) Bytes() []byte { return slices.Clone(s.key) }

// URI returns the otpauth URI. It contains the key.
func (s Secret) URI() string { return s.uri }

// Base32 returns the key for those who type it into their app.
func (s Secret) Base32() string { return encodeKey(s.key) }

const redacted = "REDACTED"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// Format writes a placeholder for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Enroll returns a new random secret for an account, which is the user's name as the app
// shows it. The enrolment is complete when [TOTP.Verify] has accepted a first code.
func (t TOTP) Enroll(account string) (Secret, error) {
	full, err := t.complete()
	if err != nil {
		return Secret{}, err
	}
	key := make([]byte, full.SecretSize)
	rand.Read(key)
	return t.Secret(key, account)
}

// Secret returns an existing key as Enroll did, to show an enrolment that was not completed
// once more.
func (t TOTP) Secret(key []byte, account string) (Secret, error) {
	t, err := t.complete()
	if err != nil {
		return Secret{}, err
	}
	if t.Issuer == "" {
		return Secret{}, errors.New("mfa: TOTP.Issuer is empty")
	}
	if account == "" || len(account) > maxLabel || !utf8.ValidString(account) {
		return Secret{}, fmt.Errorf("mfa: account is empty, over %d bytes, or not UTF-8", maxLabel)
	}
	if err := checkKey(key); err != nil {
		return Secret{}, err
	}
	return Secret{key: slices.Clone(key), uri: t.uri(key, account)}, nil
}

// uri is the Key URI Format of Google Authenticator, which all apps read. Some of them show
// the plus sign that a form would have for a space.
func (t TOTP) uri(key []byte, account string) string {
	return "otpauth://totp/" + url.PathEscape(t.Issuer) + ":" + url.PathEscape(account) +
		"?secret=" + encodeKey(key) +
		"&issuer=" + strings.ReplaceAll(url.QueryEscape(t.Issuer), "+", "%20") +
		"&algorithm=" + string(t.Algorithm) +
		"&digits=" + strconv.Itoa(t.Digits) +
		"&period=" + strconv.Itoa(int(t.Period/time.Second))
}

// Verify judges a code, which may contain spaces, and returns the step it belongs to.
// lastStep is the last step accepted for this credential, 0 if there was none; the step
// returned is always later (RFC 6238 §5.2: never accept the same one twice). The caller
// stores it by compare-and-swap before believing in the user.
//
// The errors that are the user's are [ErrWrongCode] and [ErrReplayed]; any other is a
// secret or a configuration that cannot be used. The time taken does not depend on which
// step of the window matched, if any.
func (t TOTP) Verify(secret []byte, code string, lastStep int64, now time.Time) (step int64, err error) {
	t, err = t.complete()
	if err != nil {
		return 0, err
	}
	if err := checkKey(secret); err != nil {
		return 0, err
	}
	if len(code) > maxCode {
		return 0, ErrWrongCode
	}
	given := []byte(withoutSpaces(code))
	first, width := t.step(now)-int64(t.Skew), 2*t.Skew+1
	// When two steps share a code, the later one counts: it could not be used again.
	matched := -1
	for i := range width {
		if first+int64(i) < 0 {
			continue
		}
		want, err := t.code(secret, first+int64(i))
		if err != nil {
			return 0, err
		}
		matched = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(given, []byte(want)), i, matched)
	}
	if matched < 0 {
		return 0, ErrWrongCode
	}
	if step = first + int64(matched); step <= lastStep {
		return 0, ErrReplayed
	}
	return step, nil
}

// Code returns the code that the user's app shows at a time. It is for tests and tools; a
// server has no use for it.
func (t TOTP) Code(secret []byte, now time.Time) (string, error) {
	t, err := t.complete()
	if err != nil {
		return "", err
	}
	if err := checkKey(secret); err != nil {
		return "", err
	}
	step := t.step(now)
	if step < 0 {
		return "", errors.New("mfa: time before 1970")
	}
	return t.code(secret, step)
}

// step is the number of whole periods since 1970 (RFC 6238 §4.2), negative before.
func (t TOTP) step(now time.Time) int64 {
	seconds := now.Unix()
	if seconds < 0 {
		return -1 << 32
	}
	return seconds / int64(t.Period/time.Second)
}

func (t TOTP) code(secret []byte, step int64) (string, error) {
	return codeAt(secret, step, t.Digits, t.Algorithm)
}

// codeAt is the computation of RFC 4226 §5.3.
func codeAt(secret []byte, counter int64, digits int, algorithm Algorithm) (string, error) {
	under := map[Algorithm]otp.Algorithm{SHA1: otp.AlgorithmSHA1, SHA256: otp.AlgorithmSHA256, SHA512: otp.AlgorithmSHA512}[algorithm]
	code, err := hotp.GenerateCodeCustom(encodeKey(secret), uint64(counter), hotp.ValidateOpts{Digits: otp.Digits(digits), Algorithm: under})
	if err != nil {
		return "", fmt.Errorf("mfa: computing a code: %v", err)
	}
	return code, nil
}

// checkKey refuses above all the empty key, whose codes everybody can compute.
func checkKey(key []byte) error {
	if len(key) < minSecret || len(key) > maxSecret {
		return fmt.Errorf("mfa: secret is not between %d and %d bytes long", minSecret, maxSecret)
	}
	return nil
}

func encodeKey(key []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)
}

// withoutSpaces undoes the grouping in which apps show a code.
func withoutSpaces(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, code)
}
