package mfa_test

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"

	"github.com/signet-idp/signet/mfa"
)

var (
	secret20 = []byte("12345678901234567890")
	secret32 = []byte("12345678901234567890123456789012")
	secret64 = []byte("1234567890123456789012345678901234567890123456789012345678901234")
)

// RFC 6238 appendix B, with the secrets of the lengths its erratum 2866 gives.
func TestRFC6238AppendixB(t *testing.T) {
	t.Parallel()
	secrets := map[mfa.Algorithm][]byte{mfa.SHA1: secret20, mfa.SHA256: secret32, mfa.SHA512: secret64}
	for _, v := range []struct {
		unix  int64
		step  int64
		codes map[mfa.Algorithm]string
	}{
		{59, 0x1, map[mfa.Algorithm]string{mfa.SHA1: "94287082", mfa.SHA256: "46119246", mfa.SHA512: "90693936"}},
		{1111111109, 0x23523EC, map[mfa.Algorithm]string{mfa.SHA1: "07081804", mfa.SHA256: "68084774", mfa.SHA512: "25091201"}},
		{1111111111, 0x23523ED, map[mfa.Algorithm]string{mfa.SHA1: "14050471", mfa.SHA256: "67062674", mfa.SHA512: "99943326"}},
		{1234567890, 0x273EF07, map[mfa.Algorithm]string{mfa.SHA1: "89005924", mfa.SHA256: "91819424", mfa.SHA512: "93441116"}},
		{2000000000, 0x3F940AA, map[mfa.Algorithm]string{mfa.SHA1: "69279037", mfa.SHA256: "90698825", mfa.SHA512: "38618901"}},
		{20000000000, 0x27BC86AA, map[mfa.Algorithm]string{mfa.SHA1: "65353130", mfa.SHA256: "77737706", mfa.SHA512: "47863826"}},
	} {
		for algorithm, want := range v.codes {
			totp := mfa.TOTP{Digits: 8, Algorithm: algorithm}
			now := time.Unix(v.unix, 0)
			if got, err := totp.Code(secrets[algorithm], now); err != nil || got != want {
				t.Errorf("%s at %d: Code = %q, %v; want %q", algorithm, v.unix, got, err, want)
			}
			if step, err := totp.Verify(secrets[algorithm], want, 0, now); err != nil || step != v.step {
				t.Errorf("%s at %d: Verify = %#x, %v; want %#x", algorithm, v.unix, step, err, v.step)
			}
		}
	}
}

// RFC 4226 appendix D: the counter is the step.
func TestRFC4226AppendixD(t *testing.T) {
	t.Parallel()
	for step, want := range []string{
		"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
	} {
		for _, second := range []int64{0, 29} {
			if got, err := (mfa.TOTP{}).Code(secret20, time.Unix(int64(step)*30+second, 0)); err != nil || got != want {
				t.Errorf("step %d: Code = %q, %v; want %q", step, got, err, want)
			}
		}
	}
}

func TestVerifyWindow(t *testing.T) {
	t.Parallel()
	const present = 1000
	now := time.Unix(present*30+15, 0)
	for _, c := range []struct {
		skew, reach int
	}{{0, 1}, {1, 1}, {-1, 0}, {3, 3}, {10, 10}} {
		totp := mfa.TOTP{Skew: c.skew}
		for offset := -12; offset <= 12; offset++ {
			code := codeAt(t, totp, present+int64(offset))
			step, err := totp.Verify(secret20, code, 0, now)
			if offset < -c.reach || offset > c.reach {
				if !errors.Is(err, mfa.ErrWrongCode) || step != 0 {
					t.Errorf("skew %d, offset %d: %d, %v; want ErrWrongCode", c.skew, offset, step, err)
				}
			} else if err != nil || step != present+int64(offset) {
				t.Errorf("skew %d, offset %d: %d, %v; want %d", c.skew, offset, step, err, present+offset)
			}
		}
	}
}

func TestVerifyRefusesReplay(t *testing.T) {
	t.Parallel()
	const present = 1000
	now := time.Unix(present*30, 0)
	totp := mfa.TOTP{}
	for _, c := range []struct {
		of, last int64
		want     error
	}{
		{present, present - 1, nil},
		{present, present, mfa.ErrReplayed},
		{present, present + 1, mfa.ErrReplayed},
		{present - 1, present - 1, mfa.ErrReplayed},
		{present - 1, present, mfa.ErrReplayed}, // never used itself, but older than one that was
		{present + 1, present, nil},
		{present + 1, present + 1, mfa.ErrReplayed},
		{present + 5, present, mfa.ErrWrongCode},
		{present - 5, present, mfa.ErrWrongCode}, // a stale code is wrong, not replayed
	} {
		step, err := totp.Verify(secret20, codeAt(t, totp, c.of), c.last, now)
		if !errors.Is(err, c.want) {
			t.Errorf("code of %d after %d: %v, want %v", c.of, c.last, err, c.want)
		}
		if want := map[bool]int64{true: c.of}[c.want == nil]; step != want {
			t.Errorf("code of %d after %d: step %d, want %d", c.of, c.last, step, want)
		}
	}
	if errors.Is(mfa.ErrReplayed, mfa.ErrWrongCode) {
		t.Error("ErrReplayed is ErrWrongCode")
	}
}

// Two steps of one window that share a code: the code counts for the later one, so that it
// cannot be used for each of them.
func TestVerifyCollision(t *testing.T) {
	t.Parallel()
	totp := mfa.TOTP{Skew: 10}
	seen := map[string]int64{}
	for step := int64(1); ; step++ {
		if step > 1_000_000 {
			t.Fatal("no collision found")
		}
		code := codeAt(t, totp, step)
		earlier, ok := seen[code]
		seen[code] = step
		if !ok || step-earlier > 20 {
			continue
		}
		now := time.Unix((earlier+step)/2*30, 0)
		got, err := totp.Verify(secret20, code, 0, now)
		if err != nil || got != step {
			t.Errorf("code of %d and %d: %d, %v", earlier, step, got, err)
		}
		if _, err := totp.Verify(secret20, code, got, now); !errors.Is(err, mfa.ErrReplayed) {
			t.Errorf("second use: %v", err)
		}
		return
	}
}

func TestVerifyNormalizes(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0) // 755224
	for code, want := range map[string]error{
		"755224":                           nil,
		"755 224":                          nil,
		" 7 5 5 2 2 4\t\r\n":               nil,
		"755\u00a0224":                     nil, // no-break space
		"755224" + strings.Repeat(" ", 58): nil,
		"755224" + strings.Repeat(" ", 59): mfa.ErrWrongCode,
		"755225":                           mfa.ErrWrongCode,
		"75522":                            mfa.ErrWrongCode,
		"7552240":                          mfa.ErrWrongCode,
		"0755224":                          mfa.ErrWrongCode,
		"755-224":                          mfa.ErrWrongCode,
		"７５５２２４":                           mfa.ErrWrongCode, // full-width digits
		"75522\x00":                        mfa.ErrWrongCode,
		"":                                 mfa.ErrWrongCode,
		"      ":                           mfa.ErrWrongCode,
		strings.Repeat("7", 1<<20):         mfa.ErrWrongCode,
	} {
		if _, err := (mfa.TOTP{}).Verify(secret20, code, -1, now); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", code, err, want)
		}
	}
}

func TestVerifyBefore1970(t *testing.T) {
	t.Parallel()
	for _, now := range []time.Time{{}, time.Unix(-1, 0)} {
		if _, err := (mfa.TOTP{}).Verify(secret20, "755224", -1, now); !errors.Is(err, mfa.ErrWrongCode) {
			t.Errorf("Verify at %v: %v", now, err)
		}
		if code, err := (mfa.TOTP{}).Code(secret20, now); err == nil {
			t.Errorf("Code at %v = %q", now, code)
		}
	}
}

func TestWeakSecretIsAnError(t *testing.T) {
	t.Parallel()
	totp := mfa.TOTP{Issuer: "Example"}
	for _, key := range [][]byte{nil, {}, make([]byte, 9), make([]byte, 65)} {
		_, errVerify := totp.Verify(key, "123456", 0, time.Unix(0, 0))
		_, errCode := totp.Code(key, time.Unix(0, 0))
		_, errSecret := totp.Secret(key, "alice")
		for name, err := range map[string]error{"Verify": errVerify, "Code": errCode, "Secret": errSecret} {
			if err == nil || errors.Is(err, mfa.ErrWrongCode) {
				t.Errorf("%s with %d bytes: %v", name, len(key), err)
			}
		}
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		totp          mfa.TOTP
		account, want string // %s is the secret
		size          int
	}{
		{
			mfa.TOTP{Issuer: "Example"},
			"alice@example.com",
			"otpauth://totp/Example:alice@example.com?secret=%s&issuer=Example&algorithm=SHA1&digits=6&period=30", 20,
		},
		{
			mfa.TOTP{Issuer: "Größe & Co", Digits: 8, Period: time.Minute, Algorithm: mfa.SHA512, SecretSize: 64},
			"a/b?c d%+",
			"otpauth://totp/Gr%%C3%%B6%%C3%%9Fe%%20&%%20Co:a%%2Fb%%3Fc%%20d%%25+?secret=%s&issuer=Gr%%C3%%B6%%C3%%9Fe%%20%%26%%20Co&algorithm=SHA512&digits=8&period=60", 64,
		},
		{
			mfa.TOTP{Issuer: "A+B"},
			"DOMAIN:bob",
			"otpauth://totp/A+B:DOMAIN:bob?secret=%s&issuer=A%%2BB&algorithm=SHA1&digits=6&period=30", 20,
		},
	} {
		secret, err := c.totp.Enroll(c.account)
		if err != nil {
			t.Errorf("%s: %v", c.totp.Issuer, err)
			continue
		}
		if want := fmt.Sprintf(c.want, secret.Base32()); secret.URI() != want {
			t.Errorf("URI = %s\nwant  %s", secret.URI(), want)
		}
		if len(secret.Bytes()) != c.size {
			t.Errorf("%s: secret of %d bytes, want %d", c.totp.Issuer, len(secret.Bytes()), c.size)
		}
		checkURI(t, c.totp, secret, c.account)

		again, err := c.totp.Secret(secret.Bytes(), c.account)
		if err != nil || again.URI() != secret.URI() {
			t.Errorf("Secret = %s, %v", again.URI(), err)
		}
		other, err := c.totp.Enroll(c.account)
		if err != nil || bytes.Equal(other.Bytes(), secret.Bytes()) {
			t.Errorf("two enrolments share a secret, %v", err)
		}
	}
}

// checkURI reads the URI as an app would.
func checkURI(t *testing.T, totp mfa.TOTP, secret mfa.Secret, account string) {
	t.Helper()
	key, err := otp.NewKeyFromURL(secret.URI())
	if err != nil {
		t.Fatal(err)
	}
	bytesOfKey, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key.Secret())
	if err != nil || !bytes.Equal(bytesOfKey, secret.Bytes()) {
		t.Errorf("app reads secret %x, %v", bytesOfKey, err)
	}
	if key.Type() != "totp" || key.Issuer() != totp.Issuer || key.AccountName() != account {
		t.Errorf("app reads %q, %q, %q", key.Type(), key.Issuer(), key.AccountName())
	}
	u, err := url.Parse(secret.URI())
	if err != nil || !strings.HasPrefix(u.Path, "/"+totp.Issuer+":") {
		t.Errorf("label %q, %v", u.Path, err)
	}
}

func TestEnrollRefuses(t *testing.T) {
	t.Parallel()
	good := mfa.TOTP{Issuer: "Example"}
	for name, c := range map[string]struct {
		totp    mfa.TOTP
		account string
	}{
		"no issuer":         {mfa.TOTP{}, "alice"},
		"colon":             {mfa.TOTP{Issuer: "a:b"}, "alice"},
		"long issuer":       {mfa.TOTP{Issuer: strings.Repeat("a", 257)}, "alice"},
		"no account":        {good, ""},
		"long account":      {good, strings.Repeat("a", 257)},
		"account not UTF-8": {good, "\xff"},
	} {
		if _, err := c.totp.Enroll(c.account); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := (mfa.TOTP{}).Validate(); err != nil {
		t.Errorf("zero value: %v", err)
	}
	for field, list := range map[string][]mfa.TOTP{
		"Digits":     {{Digits: 5}, {Digits: 9}, {Digits: -6}},
		"Period":     {{Period: time.Millisecond}, {Period: -time.Second}, {Period: 1500 * time.Millisecond}, {Period: time.Hour}},
		"Skew":       {{Skew: -2}, {Skew: 11}},
		"Algorithm":  {{Algorithm: "MD5"}, {Algorithm: "sha1"}},
		"SecretSize": {{SecretSize: 10}, {SecretSize: 65}, {SecretSize: -1}},
		"Issuer":     {{Issuer: "a:b"}, {Issuer: "\xff"}},
	} {
		for _, totp := range list {
			err := totp.Validate()
			if err == nil || !strings.Contains(err.Error(), "TOTP."+field) {
				t.Errorf("%+v: %v", totp, err)
			}
			if _, err := totp.Verify(secret20, "755224", 0, time.Unix(0, 0)); err == nil || errors.Is(err, mfa.ErrWrongCode) {
				t.Errorf("%+v: Verify: %v", totp, err)
			}
		}
	}
	for name, totp := range map[string]mfa.TOTP{
		"a second": {Period: time.Second}, "ten minutes": {Period: 10 * time.Minute}, "a skew of 10": {Skew: 10}, "a long secret": {SecretSize: 64},
		"a long issuer": {Issuer: strings.Repeat("a", 256)},
	} {
		if err := totp.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := mfa.TOTP{Digits: 1, Skew: 99}.Validate()
	if err == nil || !strings.Contains(err.Error(), "Digits") || !strings.Contains(err.Error(), "Skew") {
		t.Errorf("not all problems at once: %v", err)
	}
}

func TestSecretDoesNotShow(t *testing.T) {
	t.Parallel()
	secret, err := mfa.TOTP{Issuer: "Example"}.Secret(secret20, "alice")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", secret, &secret, struct{ S mfa.Secret }{secret})
	}
	fmt.Fprintln(&out, secret.String(), secret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "secret", secret, "pointer", &secret, "in", []mfa.Secret{secret})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "secret", secret, "pointer", &secret, "in", []mfa.Secret{secret})
	//lint:ignore SA9005 that nothing of it is encoded is the point
	encoded, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	for _, leak := range []string{secret.Base32(), string(secret20), fmt.Sprintf("%x", secret20), "49 50 51", "0x31", "MTIzNDU2", "otpauth"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q shows in\n%s", leak, out.String())
		}
	}
	// Its bytes are a copy.
	clear(secret.Bytes())
	if !bytes.Equal(secret.Bytes(), secret20) {
		t.Error("Bytes gives away the inside")
	}
}

func codeAt(t *testing.T, totp mfa.TOTP, step int64) string {
	t.Helper()
	code, err := totp.Code(secret20, time.Unix(step*30, 0))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Whatever is accepted is one of the window's codes with spaces in it.
func FuzzVerify(f *testing.F) {
	f.Add("755224", int64(0), int64(0))
	f.Add("287 082", int64(30), int64(1))
	f.Add("", int64(-1), int64(-1))
	f.Add("\u2003755224\xff", int64(1)<<62, int64(5))
	f.Fuzz(func(t *testing.T, code string, unix, last int64) {
		totp := mfa.TOTP{}
		step, err := totp.Verify(secret20, code, last, time.Unix(unix, 0))
		switch {
		case err == nil:
			if step <= last || step < unix/30-1 || step > unix/30+1 || strings.Join(strings.Fields(code), "") != codeAt(t, totp, step) {
				t.Fatalf("%q at %d after %d is accepted for %d", code, unix, last, step)
			}
		case !errors.Is(err, mfa.ErrWrongCode) && !errors.Is(err, mfa.ErrReplayed):
			t.Fatal(err)
		case step != 0:
			t.Fatalf("step %d with %v", step, err)
		}
	})
}
