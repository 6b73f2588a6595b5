package mfa_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/mfa"
)

// keys is a key ring of one key.
type keys string

func (k keys) MAC(words ...string) string {
	h := hmac.New(sha256.New, []byte(k))
	h.Write([]byte(strings.Join(words, "\x00")))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (k keys) MatchesMAC(mac string, words ...string) bool {
	return hmac.Equal([]byte(mac), []byte(k.MAC(words...)))
}

var (
	noon    = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	binding = mfa.Binding{Flow: "f", Purpose: "email", Destination: "a@example.com", Subject: "s"}
)

func issue(t *testing.T, c mfa.OneTimeCode) (string, mfa.SentCode) {
	t.Helper()
	code, sent, err := c.Issue(keys("k"), binding, noon)
	if err != nil {
		t.Fatal(err)
	}
	return code.Reveal(), sent
}

func TestCodeShape(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]mfa.OneTimeCode{
		`^[0-9]{6}$`:     {},
		`^[0-9]{8}$`:     {Length: 8},
		`^[2-9A-Z]{12}$`: {Length: 12, Alphabet: mfa.UpperAndDigits},
	} {
		seen := map[string]bool{}
		for range 200 {
			code, _ := issue(t, c)
			if !regexp.MustCompile(want).MatchString(code) || strings.ContainsAny(code, "IO") {
				t.Fatalf("%q does not match %s", code, want)
			}
			seen[code] = true
		}
		if len(seen) < 190 {
			t.Errorf("%s: 200 codes, %d of them different", want, len(seen))
		}
	}
	// Every character is as likely as another.
	drawn := map[rune]int{}
	for range 2000 {
		code, _ := issue(t, mfa.OneTimeCode{Length: 10})
		for _, r := range code {
			drawn[r]++
		}
	}
	for r, n := range drawn {
		if n < 1700 || n > 2300 {
			t.Errorf("%q was drawn %d times of 20000", r, n)
		}
	}
}

func TestCodeJudge(t *testing.T) {
	t.Parallel()
	code, sent := issue(t, mfa.OneTimeCode{})
	letters, lettered := issue(t, mfa.OneTimeCode{Alphabet: mfa.UpperAndDigits})
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	other := func(edit func(*mfa.Binding)) mfa.Binding {
		b := binding
		edit(&b)
		return b
	}
	for name, c := range map[string]struct {
		sent  mfa.SentCode
		b     mfa.Binding
		keys  mfa.Keys
		typed string
		after time.Duration
		want  error
	}{
		"right":               {sent, binding, keys("k"), code, 0, nil},
		"as it is read":       {sent, binding, keys("k"), " " + code[:3] + "-" + code[3:] + "\n", 0, nil},
		"in small letters":    {lettered, binding, keys("k"), strings.ToLower(letters), 0, nil},
		"last moment":         {sent, binding, keys("k"), code, 5*time.Minute - 1, nil},
		"expired":             {sent, binding, keys("k"), code, 5 * time.Minute, mfa.ErrExpired},
		"wrong":               {sent, binding, keys("k"), wrong, 0, mfa.ErrWrongCode},
		"empty":               {sent, binding, keys("k"), "", 0, mfa.ErrWrongCode},
		"giant":               {sent, binding, keys("k"), strings.Repeat(code, 1000), 0, mfa.ErrWrongCode},
		"another key":         {sent, binding, keys("l"), code, 0, mfa.ErrWrongCode},
		"another flow":        {sent, other(func(b *mfa.Binding) { b.Flow = "g" }), keys("k"), code, 0, mfa.ErrWrongCode},
		"another purpose":     {sent, other(func(b *mfa.Binding) { b.Purpose = "sms" }), keys("k"), code, 0, mfa.ErrWrongCode},
		"another destination": {sent, other(func(b *mfa.Binding) { b.Destination = "b@example.com" }), keys("k"), code, 0, mfa.ErrWrongCode},
		"another person":      {sent, other(func(b *mfa.Binding) { b.Subject = "t" }), keys("k"), code, 0, mfa.ErrWrongCode},
		"moved boundaries":    {sent, mfa.Binding{Flow: "femail", Destination: "a@example.com", Subject: "s"}, keys("k"), code, 0, mfa.ErrWrongCode},
		"nothing was sent":    {mfa.SentCode{}, binding, keys("k"), code, 0, mfa.ErrExhausted},
	} {
		left, err := c.sent.Judge(c.keys, c.b, c.typed, noon.Add(c.after))
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && left != (mfa.SentCode{}) {
			t.Errorf("%s: a code that is used up is kept", name)
		}
	}
}

// Attacks C 2 (RFC 9700 has nothing on it; NIST SP 800-63B-4 §3.1.3.2): five wrong guesses kill a code, also for the right one.
func TestAttackCodeGuessed(t *testing.T) {
	t.Parallel()
	code, sent := issue(t, mfa.OneTimeCode{})
	var err error
	for range 5 {
		if sent, err = sent.Judge(keys("k"), binding, "x", noon); !errors.Is(err, mfa.ErrWrongCode) {
			t.Fatalf("a wrong guess: %v", err)
		}
	}
	if _, err = sent.Judge(keys("k"), binding, code, noon); !errors.Is(err, mfa.ErrExhausted) {
		t.Errorf("the right code after five wrong ones: %v", err)
	}
}

// Attacks C 3: what is kept of a code does not tell it.
func TestAttackCodeReadByItsHolder(t *testing.T) {
	t.Parallel()
	code, sent := issue(t, mfa.OneTimeCode{})
	plain := sha256.Sum256([]byte(code))
	if strings.Contains(sent.MAC, code) || sent.MAC == base64.RawURLEncoding.EncodeToString(plain[:]) {
		t.Error("the code can be found from what is kept of it")
	}
	_, again := issue(t, mfa.OneTimeCode{})
	if again.MAC == sent.MAC {
		t.Error("two codes have one hash")
	}
}

func TestCodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]mfa.OneTimeCode{
		"short": {Length: 5}, "long": {Length: 13}, "alphabet": {Alphabet: "emoji"}, "lifetime": {Lifetime: 11 * time.Minute},
		"brief": {Lifetime: time.Second}, "tries": {Tries: 11}, "negative": {Tries: -1},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: valid", name)
		}
		if _, _, err := c.Issue(keys("k"), binding, noon); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestMagicLink(t *testing.T) {
	t.Parallel()
	token, sent, err := (mfa.MagicLink{}).Issue(noon)
	if err != nil || len(token.Reveal()) < 32 || strings.Contains(sent.Hash, token.Reveal()) {
		t.Fatalf("Issue = %q, %+v, %v", token.Reveal(), sent, err)
	}
	for name, c := range map[string]struct {
		sent  mfa.SentLink
		token string
		after time.Duration
		want  error
	}{
		"right":            {sent, token.Reveal(), 0, nil},
		"expired":          {sent, token.Reveal(), 5 * time.Minute, mfa.ErrExpired},
		"wrong":            {sent, token.Reveal() + "x", 0, mfa.ErrWrongCode},
		"the hash":         {sent, sent.Hash, 0, mfa.ErrWrongCode},
		"empty":            {sent, "", 0, mfa.ErrWrongCode},
		"nothing was sent": {mfa.SentLink{}, "", -time.Hour, mfa.ErrWrongCode},
	} {
		if err := c.sent.Verify(c.token, noon.Add(c.after)); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if (mfa.MagicLink{Lifetime: time.Second}).Validate() == nil || (mfa.MagicLink{Lifetime: -time.Minute}).Validate() == nil {
		t.Error("a link for a second is valid")
	}
	if err := errors.Join((mfa.MagicLink{Lifetime: time.Minute}).Validate(), (mfa.MagicLink{Lifetime: time.Hour}).Validate()); err != nil {
		t.Error(err)
	}
	if (mfa.MagicLink{Lifetime: 2 * time.Hour}).Validate() == nil {
		t.Error("a link for two hours is valid")
	}
}

func TestBackupCodes(t *testing.T) {
	t.Parallel()
	set, err := mfa.BackupCodes{}.New()
	if err != nil || len(set) != 10 {
		t.Fatalf("New = %d codes, %v", len(set), err)
	}
	seen := map[string]bool{}
	for _, code := range set {
		text := code.Reveal()
		if !regexp.MustCompile(`^([2-9A-HJ-NP-Z]{5}-){2}[2-9A-HJ-NP-Z]{5}$`).MatchString(text) || seen[text] {
			t.Errorf("code %q", text)
		}
		seen[text] = true
		plain := strings.ReplaceAll(text, "-", "")
		for _, typed := range []string{text, plain, strings.ToLower(text), strings.ReplaceAll(text, "-", " ")} {
			if mfa.BackupCode(typed).Reveal() != plain {
				t.Errorf("BackupCode(%q) = %q", typed, mfa.BackupCode(typed).Reveal())
			}
		}
	}
	for _, typed := range []string{"", "123456", "7KQ2M-XB4TD", "7KQ2M-XB4TD-9WHZ0", strings.Repeat("A", 1000), "7KQ2M-XB4TD-9WHZ\x00"} {
		if mfa.BackupCode(typed) != "" {
			t.Errorf("BackupCode(%q) is one", typed)
		}
	}
	for name, b := range map[string]mfa.BackupCodes{"too many": {Count: 21}, "none": {Count: -1}, "short": {Groups: 2}, "long": {Groups: 7}} {
		if _, err := b.New(); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}
