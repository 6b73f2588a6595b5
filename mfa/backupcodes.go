package mfa

import (
	"errors"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
)

// BackupCodes is the configuration of a set of codes that people keep for the day on which they have nothing else. The zero value
// is valid. Its methods are pure and safe for concurrent use.
type BackupCodes struct {
	// Count is how many codes a set has, 1 to 20. Zero is 10.
	Count int
	// Groups is of how many groups of five characters each code consists, 3 to 6: of 25 random bits each, so that the least has
	// more than the 64 that NIST SP 800-63B-4 asks of a saved recovery code. Zero is 3.
	Groups int
}

const groupSize = 5

// Validate reports every field that makes no sense. New reports the same.
func (b BackupCodes) Validate() error {
	_, err := b.complete()
	return err
}

func (b BackupCodes) complete() (BackupCodes, error) {
	if b.Count == 0 {
		b.Count = 10
	}
	if b.Groups == 0 {
		b.Groups = 3
	}
	var errs []error
	if b.Count < 1 || b.Count > 20 {
		errs = append(errs, errors.New("mfa: BackupCodes.Count is not between 1 and 20"))
	}
	if b.Groups < 3 || b.Groups > 6 {
		errs = append(errs, errors.New("mfa: BackupCodes.Groups is not between 3 and 6"))
	}
	return b, errors.Join(errs...)
}

// New returns a set of codes, all different, as in "7KQ2M-XB4TD-9WHZF". They are shown once; what is kept of each is a hash of its
// [BackupCode] under a key, as that of a store.KeyRing.
func (b BackupCodes) New() ([]secret.Text, error) {
	b, err := b.complete()
	if err != nil {
		return nil, err
	}
	set, seen := make([]secret.Text, 0, b.Count), map[string]bool{}
	for len(set) < b.Count {
		text := randomText(b.Groups*groupSize, letters)
		if !seen[text] {
			seen[text] = true
			set = append(set, secret.Text(grouped(text)))
		}
	}
	return set, nil
}

// BackupCode returns a code as it was typed in the form in which it is hashed: case, blanks and dashes do not matter. It is "" for
// what can be none.
func BackupCode(typed string) secret.Text {
	text := typedLetters(typed)
	if len(text) < 3*groupSize || len(text)%groupSize != 0 || strings.Trim(text, letters) != "" {
		return ""
	}
	return secret.Text(text)
}

func grouped(text string) string {
	var groups []string
	for ; len(text) > groupSize; text = text[groupSize:] {
		groups = append(groups, text[:groupSize])
	}
	return strings.Join(append(groups, text), "-")
}
