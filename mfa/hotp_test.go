package mfa_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/signet-idp/signet/mfa"
)

// RFC 4226, appendix D.
var rfc4226 = []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}

func TestHOTPVectors(t *testing.T) {
	t.Parallel()
	for counter, want := range rfc4226 {
		if got, err := (mfa.HOTP{}).Code(secret20, int64(counter)); err != nil || got != want {
			t.Errorf("counter %d: %q, %v; want %q", counter, got, err, want)
		}
	}
}

func TestHOTPLookAhead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lookAhead, reach int64 }{{0, 5}, {-1, 0}, {10, 10}} {
		hotp := mfa.HOTP{LookAhead: int(c.lookAhead)}
		for offset := int64(-5); offset <= 12; offset++ {
			code, err := hotp.Code(secret20, 100+offset)
			if err != nil {
				t.Fatal(err)
			}
			next, err := hotp.Verify(secret20, code[:3]+" "+code[3:], 100)
			if offset < 0 || offset > c.reach {
				if !errors.Is(err, mfa.ErrWrongCode) || next != 0 {
					t.Errorf("look-ahead %d, offset %d: %d, %v; want ErrWrongCode", c.lookAhead, offset, next, err)
				}
			} else if err != nil || next != 100+offset+1 {
				t.Errorf("look-ahead %d, offset %d: %d, %v", c.lookAhead, offset, next, err)
			}
		}
	}
}

func TestHOTPResync(t *testing.T) {
	t.Parallel()
	hotp := mfa.HOTP{}
	code := func(counter int64) string {
		text, err := hotp.Code(secret20, counter)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const present = 50
	for _, c := range []struct {
		first, second, next int64
	}{
		{present, present + 1, present + 2},
		{present + 60, present + 61, present + 62},
		{present + 99, present + 100, present + 101},
		{present + 100, present + 101, 0}, // too far
		{present - 1, present, 0},         // the first was used
		{present - 2, present - 1, 0},
		{present + 61, present + 60, 0}, // not in order
		{present + 60, present + 62, 0}, // one between them
		{present + 60, present + 60, 0},
	} {
		next, err := hotp.Resync(secret20, code(c.first), code(c.second), present)
		if next != c.next || (err == nil) != (c.next != 0) || (err != nil && !errors.Is(err, mfa.ErrWrongCode)) {
			t.Errorf("codes of %d and %d: %d, %v; want %d", c.first, c.second, next, err, c.next)
		}
	}
}

func TestHOTPRefuses(t *testing.T) {
	t.Parallel()
	for field, list := range map[string][]mfa.HOTP{
		"Issuer": {{Issuer: "a:b"}, {Issuer: "\xff"}, {Issuer: strings.Repeat("x", 257)}}, "Digits": {{Digits: 5}, {Digits: 9}, {Digits: -6}},
		"LookAhead": {{LookAhead: -2}, {LookAhead: 11}}, "ResyncWindow": {{ResyncWindow: 9}, {ResyncWindow: 1001}},
		"Algorithm": {{Algorithm: "MD5"}, {Algorithm: "sha1"}}, "SecretSize": {{SecretSize: 15}, {SecretSize: 65}, {SecretSize: -1}},
	} {
		for _, h := range list {
			if err := h.Validate(); err == nil || !strings.Contains(err.Error(), "HOTP."+field) {
				t.Errorf("%+v: %v", h, err)
			}
			if _, err := h.Verify(secret20, "755224", 0); err == nil || errors.Is(err, mfa.ErrWrongCode) {
				t.Errorf("%+v: Verify: %v", h, err)
			}
		}
	}
	for _, h := range []mfa.HOTP{
		{Digits: 8, LookAhead: 10, ResyncWindow: 1000, SecretSize: 64, Issuer: strings.Repeat("x", 256)}, {LookAhead: -1, ResyncWindow: 10, SecretSize: 16},
	} {
		if err := h.Validate(); err != nil {
			t.Errorf("%+v: %v", h, err)
		}
	}
	for name, err := range map[string]error{
		"empty key":        second((mfa.HOTP{}).Verify(nil, "755224", 0)),
		"negative counter": second((mfa.HOTP{}).Verify(secret20, "755224", -1)),
		"last counter":     second((mfa.HOTP{}).Verify(secret20, "755224", 1<<63-1)),
	} {
		if err == nil || errors.Is(err, mfa.ErrWrongCode) {
			t.Errorf("%s: %v, want an error that is not the user's", name, err)
		}
	}
	for _, code := range []string{"", "75522", "7552244", strings.Repeat("7", 1000), "75522\x00"} {
		if _, err := (mfa.HOTP{}).Verify(secret20, code, 0); !errors.Is(err, mfa.ErrWrongCode) {
			t.Errorf("code of %d bytes: %v", len(code), err)
		}
	}
}

func second(_ int64, err error) error { return err }

func TestHOTPEnroll(t *testing.T) {
	t.Parallel()
	hotp := mfa.HOTP{Issuer: "Ex ample"}
	one, err := hotp.Enroll("ann")
	if err != nil {
		t.Fatal(err)
	}
	two, err := hotp.Secret(one.Bytes(), "ann", 7)
	if err != nil || two.Base32() != one.Base32() || len(one.Bytes()) != 20 {
		t.Errorf("Secret = %v, %v", two, err)
	}
	want := "otpauth://hotp/Ex%20ample:ann?secret=" + one.Base32() + "&issuer=Ex%20ample&algorithm=SHA1&digits=6&counter=7"
	if two.URI() != want {
		t.Errorf("URI = %s\nwant  %s", two.URI(), want)
	}
	if _, err := (mfa.HOTP{}).Enroll("ann"); err == nil {
		t.Error("enrolled without an issuer")
	}
	for _, account := range []string{"", "\xff", strings.Repeat("x", 257)} {
		if _, err := hotp.Enroll(account); err == nil {
			t.Errorf("enrolled for %.10q", account)
		}
	}
}
