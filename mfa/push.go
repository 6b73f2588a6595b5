package mfa

import (
	"crypto/rand"
	"errors"
	"math/big"
	"strconv"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
)

// ErrForged says that what claims to come from a device does not: it is not signed by the device's key, is an answer to
// something else, or is not even well-formed.
var ErrForged = errors.New("mfa: not from the device, or not an answer to this")

// Push is the configuration of sign-ins that are confirmed on a person's own device. A page shows a number, the device gets a
// message, and the person types the number into the device, which signs the answer: so that nobody who is asked out of the blue
// can agree. The zero value is valid. Its methods are pure and safe for concurrent use.
type Push struct {
	// Digits is how many digits the number has, 2 to 8. Zero is 2: 1 to 99. NIST SP 800-63B-4 §3.1.3 asks for 6.
	Digits int
	// Lifetime is how long a prompt is open, 30 seconds to ten minutes. Zero is three minutes.
	Lifetime time.Duration
}

// PushPrompt is one question to a person's devices.
type PushPrompt struct {
	// ID names it towards devices and pages. It proves nothing.
	ID string
	// Challenge is what the answer has to repeat: 122 random bits that go to the devices alone.
	Challenge secret.Text
	// Number goes to the page alone, and comes back through the person. It is never 0, and has no leading zeros.
	Number  secret.Text
	Expires time.Time
}

// Validate reports every field that makes no sense. New reports the same.
func (p Push) Validate() error {
	_, err := p.complete()
	return err
}

func (p Push) complete() (Push, error) {
	if p.Digits == 0 {
		p.Digits = 2
	}
	if p.Lifetime == 0 {
		p.Lifetime = 3 * time.Minute
	}
	var errs []error
	if p.Digits < 2 || p.Digits > 8 {
		errs = append(errs, errors.New("mfa: Push.Digits is not between 2 and 8"))
	}
	if p.Lifetime < 30*time.Second || p.Lifetime > 10*time.Minute {
		errs = append(errs, errors.New("mfa: Push.Lifetime is not between 30 seconds and ten minutes"))
	}
	return p, errors.Join(errs...)
}

// New makes a prompt. Who keeps it keeps hashes of the challenge and, under a key, of the number.
func (p Push) New(now time.Time) (PushPrompt, error) {
	p, err := p.complete()
	if err != nil {
		return PushPrompt{}, err
	}
	number, err := randomNumber(p.Digits)
	if err != nil {
		return PushPrompt{}, err
	}
	return PushPrompt{
		ID: secret.UUID(), Challenge: secret.Text(secret.UUID()), Number: secret.Text(number), Expires: now.Add(p.Lifetime),
	}, nil
}

// randomNumber is 1 to 99 for two digits; longer ones use all their digits, so that everybody types as many.
func randomNumber(digits int) (string, error) {
	least, end := int64(1), int64(1)
	for range digits {
		end *= 10
	}
	if digits > 2 {
		least = end / 10
	}
	n, err := rand.Int(rand.Reader, big.NewInt(end-least))
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(least+n.Int64(), 10), nil
}

// The values of PushAnswer.Response.
const (
	PushApproved = "APPROVED"
	PushDenied   = "DENIED"
)

// PushAnswer is what a device says about a prompt.
type PushAnswer struct {
	// Device is the id of the device, from the header of the token.
	Device string
	// Prompt is the id of the prompt.
	Prompt    string
	Challenge secret.Text
	// Response is PushApproved or PushDenied.
	Response string
	// Number is what the person has typed, "" when that was nothing.
	Number secret.Text
}

// Approves reports whether the answer agrees; anything but PushApproved and PushDenied was refused before.
func (a PushAnswer) Approves() bool { return a.Response == PushApproved }

const (
	// maxPushToken is in bytes.
	maxPushToken = 8 << 10
	// maxPushLife is how far ahead an answer may expire, and pushSkew what the clock of a device may be off.
	maxPushLife = 10 * time.Minute
	pushSkew    = 30 * time.Second
)

// ReadPushAnswer reads a token without verifying it, to learn which device and prompt to look up: nothing of it is true before
// VerifyPushAnswer says so. The error is ErrForged.
func ReadPushAnswer(token string) (PushAnswer, error) {
	answer, _, err := readAnswer(token)
	return answer, err
}

// VerifyPushAnswer reads a token that the device with the key has signed: a JWT by the one algorithm that the key is for, whose
// header has "deviceId", and whose claims are pushAuthId, challenge, response, numberChallenge and exp, at most ten minutes ahead.
// The caller compares challenge and number with those of the prompt, with PushAnswer.Repeats and the store's keyed hash, and
// takes one answer for each prompt. The error is ErrForged, or ErrExpired.
func VerifyPushAnswer(token string, key PushKey, now time.Time) (PushAnswer, error) {
	if err := key.verifyToken(token); err != nil {
		return PushAnswer{}, err
	}
	answer, expires, err := readAnswer(token)
	switch {
	case err != nil:
		return PushAnswer{}, err
	case expires.After(now.Add(maxPushLife + pushSkew)):
		return PushAnswer{}, ErrForged
	case !now.Before(expires.Add(pushSkew)):
		return PushAnswer{}, ErrExpired
	}
	return answer, nil
}

// Repeats reports in constant time whether the answer has the challenge of which hash is the SHA-256, as secret.Text.Hash makes it.
func (a PushAnswer) Repeats(hash string) bool { return secret.Matches(hash, a.Challenge.Reveal()) }

// answerClaims are the claims of an answer. What else a device says is not looked at.
type answerClaims struct {
	Prompt    string           `json:"pushAuthId"`
	Challenge string           `json:"challenge"`
	Response  string           `json:"response"`
	Number    typedNumber      `json:"numberChallenge"`
	Expires   jose.NumericDate `json:"exp"`
}

func readAnswer(token string) (PushAnswer, time.Time, error) {
	device, payload, err := readToken(token)
	if err != nil {
		return PushAnswer{}, time.Time{}, err
	}
	var c answerClaims
	if err := strictjson.Unmarshal(payload, &c); err != nil {
		return PushAnswer{}, time.Time{}, ErrForged
	}
	if !validPushID(c.Prompt) || c.Challenge == "" || c.Expires.IsZero() || c.Response != PushApproved && c.Response != PushDenied {
		return PushAnswer{}, time.Time{}, ErrForged
	}
	return PushAnswer{
		Device: device, Prompt: c.Prompt, Challenge: secret.Text(c.Challenge), Response: c.Response, Number: secret.Text(c.Number),
	}, c.Expires.Time, nil
}

// VerifyPushRemoval reads the token by which a device takes itself off an account: signed as an answer is, of at most the same age,
// with the device's own id as its "deviceId". The error is ErrForged, or ErrExpired.
func VerifyPushRemoval(token, device string, key PushKey, now time.Time) error {
	if err := key.verifyToken(token); err != nil {
		return err
	}
	from, payload, err := readToken(token)
	if err != nil {
		return err
	}
	var c struct {
		// Prompt stands in an answer, which is no wish to be removed.
		Prompt  string           `json:"pushAuthId"`
		Expires jose.NumericDate `json:"exp"`
	}
	switch err := strictjson.Unmarshal(payload, &c); {
	case err != nil, from != device, c.Prompt != "", c.Expires.IsZero(), c.Expires.After(now.Add(maxPushLife + pushSkew)):
		return ErrForged
	case !now.Before(c.Expires.Add(pushSkew)):
		return ErrExpired
	}
	return nil
}

// typedNumber is a number that some apps write as a string.
type typedNumber string

// UnmarshalJSON takes a string or a number of digits alone; null is none.
func (n *typedNumber) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		return nil
	}
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	if len(text) > 16 {
		return ErrForged
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return ErrForged
		}
	}
	*n = typedNumber(text)
	return nil
}

// validPushID bounds what is used as an id in a look-up.
func validPushID(id string) bool {
	if len(id) < 1 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// publicOf is the key as jose pins it.
func (k PushKey) publicOf() jose.PublicKey { return jose.PublicKey{Algorithm: k.algorithm, Key: k.key} }

// verifyToken judges the signature alone.
func (k PushKey) verifyToken(token string) error {
	if k.key == nil {
		return ErrForged
	}
	verifier := jose.Verifier{Algorithms: []jose.Algorithm{k.algorithm}, MaxSize: maxPushToken}
	if _, _, err := verifier.Verify(token, func(jose.Header) (jose.PublicKey, error) { return k.publicOf(), nil }); err != nil {
		return ErrForged
	}
	return nil
}
