package password_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/signet-idp/signet/internal/password"
)

// foreign are hashes that others have published, or that their programs have printed.
var foreign = []struct{ source, encoded, plain string }{
	{"Django 4.1, tests/auth_tests/test_hashers.py", "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=", "lètmein"},
	{"Django 4.1", "pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I=", "lètmein"},
	{"Django 4.1", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==", "lètmein"},
	{"Django 4.1", "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "secret"},
	{"Django 4.1", "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw", "secret"},
	{"passlib 1.7, django_bcrypt_sha256", "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC", "l\u00e8tmein"},
	{"passlib 1.7, scrypt", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "password"},
	{"passlib 1.7, pbkdf2_sha256", "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M", "password"},
	{"passlib 1.7, pbkdf2_sha256", "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44", "password"},
	{"passlib 1.7, pbkdf2_sha512", "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww", "password"},
	{"passlib 1.7, ldap_salted_sha1", "{SSHA}pKqkNr1tq3wtQqk+UcPyA3HnA2NsU5NJ", "password"},
	{"passlib 1.7, ldap_sha1", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password"},
	{"passlib 1.7, ldap_salted_sha256", "{SSHA256}x1tymSTVjozxQ2PtT46ysrzhZxbcskK0o2f8hEFx7fAQQmhtDSEkJA==", "password"},
	{"RFC 7914 §12", "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw", "pleaseletmein"},
	{"RFC 7914 §11", "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ", "Password"},
	{"RFC 6070 §2", "$pbkdf2-sha1$4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE", "password"},
	{"RFC 6070 §2, in OpenLDAP's form", "{PBKDF2}4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE", "password"},
	{"Python's hashlib", "{SSHA384}5p6w67a9t0xiyNCQnbNtJgjIDrfdIbXIRQiFz+1jTCpTbT7lAfPWOVLVBY9GhNB+AQIDBAUGBwg=", "password"},
	{"Python's hashlib", "{ssha512}cwNVhOuAAA1oPn+CL+wS1f0tPZracezN0yYU0xqYornXQBQ9qBELs44UJoU10/Tk7xHjUDA1r9zldrcPUqHBNAECAwQFBgcI", "password"},
	{"Python's hashlib", "{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", "password"},
	{"Python's hashlib", "{SHA512}sQnzu7wkTrgkQZF+0G1hi5AI3Qmzvv0bXgc5THBqi7mAsdd4Xll27ASbRt9fEyavWi6m0QP9B8lThf+rDKy8hg==", "password"},
	{"github.com/firebase/scrypt, README", "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==", "user1password"},
	{"Ory Kratos, hash/hasher_test.go", "$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/k4SsbOu73wlKe1A==$Bw==$YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==", "8x4WjoDbSxJZdR"},
	{"SHA-crypt 0.6, test vectors", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
	{"SHA-crypt 0.6, test vectors", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", "Hello world!"},
	{"SHA-crypt 0.6, test vectors", "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5", "This is just a test"},
	{"SHA-crypt 0.6, test vectors", "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1", "a very much longer text to encrypt.  This one even stretches over morethan one line."},
	{"SHA-crypt 0.6, test vectors", "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/", "we have a short salt string but not a short password"},
	{"SHA-crypt 0.6, test vectors", "$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD", "a short string"},
	{"SHA-crypt 0.6, test vectors", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "Hello world!"},
	{"SHA-crypt 0.6, test vectors", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.", "Hello world!"},
	{"SHA-crypt 0.6, test vectors", "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0", "This is just a test"},
	{"SHA-crypt 0.6, test vectors", "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1", "a very much longer text to encrypt.  This one even stretches over morethan one line."},
	{"SHA-crypt 0.6, test vectors", "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0", "we have a short salt string but not a short password"},
	{"SHA-crypt 0.6, test vectors", "$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1", "a short string"},
	{"SHA-crypt 0.6, test vectors", "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC", "the minimum number is still observed"},
	{"SHA-crypt 0.6, test vectors", "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.", "the minimum number is still observed"},
	{"glibc, a password longer than two blocks", "$6$rounds=1000$x$o9WRxTsUkb.eqQ1GmcP.kQMLMWVddk7kmGhCwQMtAcNPUPUeurmnsDr8GRk7vkUCM2sW7irKARiqO/HcuvjyA1", strings.Repeat("0123456789", 30)},
	{"glibc", "{CRYPT}$6$saltstring$qiw7KMjuG9Wq7.zNNvxGNPfvmhYcSMIyiIXuCJWZDGnfA8vJeQyYWJ5dmV0qno2OLCpOlAyvMrADAup35NOQg0", "pi\u00f1a"},
	{"glibc", "$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0", "0.s0.l33t"},
	{"glibc", "$1$deadbeef$/mnyJuKq4u1H3AURZkwqo0", ""},
	{"glibc, a password longer than a block", "$1$deadbeef$dYyIcCd35CeNw4gbP2RMJ/", strings.Repeat("0123456789", 7)},
	{"openssl passwd -apr1", "$apr1$myDcUQ91$IAAgkNffJDuHFA1WULXK00", "secret"},
}

// TestForeignHashes checks each hash against its password and against others.
func TestForeignHashes(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{MaxMemory: 256 << 20})
	for _, v := range foreign {
		if err := h.Check(v.encoded); err != nil {
			t.Errorf("%s: Check(%s): %v", v.source, v.encoded, err)
		}
		got, err := h.Verify(t.Context(), v.encoded, v.plain)
		if want := (password.Result{OK: true, Rehash: true}); err != nil || got != want {
			t.Errorf("%s: Verify(%s) = %+v, %v; want %+v", v.source, v.encoded, got, err, want)
		}
		if got, err := h.Verify(t.Context(), v.encoded, v.plain+"x"); err != nil || got != (password.Result{}) {
			t.Errorf("%s: Verify(%s) of another password = %+v, %v", v.source, v.encoded, got, err)
		}
	}
}

// TestForeignSpellings: a hash that was made of the bytes as they were typed is found with them and with NFC.
func TestForeignSpellings(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{MaxMemory: 64 << 20})
	const composed, decomposed = "pi\u00f1a", "pin\u0303a"
	ofComposed := "{SHA256}" + digest256(composed)
	ofDecomposed := "{SHA256}" + digest256(decomposed)
	for _, c := range []struct {
		encoded, plain string
		want           bool
	}{
		{ofComposed, composed, true},
		{ofComposed, decomposed, true},
		{ofDecomposed, decomposed, true},
		{ofDecomposed, composed, false}, // its owner resets it: decompositions are not guessed at
		{ofComposed, "pina", false},
	} {
		if got, err := h.Verify(t.Context(), c.encoded, c.plain); err != nil || got.OK != c.want || got.Rehash != c.want {
			t.Errorf("Verify(%q, %+q) = %+v, %v; want %v", c.encoded, c.plain, got, err, c.want)
		}
	}
	raw := argon2Of(decomposed)
	if got, err := h.Verify(t.Context(), raw, decomposed); err != nil || got != (password.Result{OK: true, Rehash: true}) {
		t.Errorf("argon2id of what was typed, at our costs = %+v, %v; want a rehash", got, err)
	}
}

// TestLongPasswordsAreCheap: what somebody sends cannot make an expensive hash more expensive still.
func TestLongPasswordsAreCheap(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{MaxMemory: 64 << 20})
	// Both spellings of what is short, and one of what is long.
	for _, c := range []struct {
		repeat int
		want   bool
	}{{42, true}, {43, false}} {
		decomposed := strings.Repeat("n\u0303", c.repeat) // 3 bytes each
		if got, err := h.Verify(t.Context(), "{SHA256}"+digest256(decomposed), decomposed); err != nil || got.OK != c.want {
			t.Errorf("%d bytes as they were typed = %+v, %v; want %v", len(decomposed), got, err, c.want)
		}
		composed := strings.Repeat("\u00f1", c.repeat)
		if got, err := h.Verify(t.Context(), "{SHA256}"+digest256(composed), decomposed); err != nil || !got.OK {
			t.Errorf("%d bytes in NFC = %+v, %v", len(decomposed), got, err)
		}
	}
	// SHA-crypt hashes all of the password in every round: what takes too much is wrong, however right (glibc).
	plain := strings.Repeat("0123456789", 30)
	for encoded, want := range map[string]bool{
		"$5$rounds=280000$saltstring$c8L9kyOJow5gSTGE0.WsyIZO03Yt2CQJHPnyK5XWFb9": true,
		"$5$rounds=300000$saltstring$srMB0KAA3kyU3LCjgb8IuO6fJU75m1aYE9M/Ie8Rve3": false,
	} {
		if got, err := h.Verify(t.Context(), encoded, plain); err != nil || got.OK != want {
			t.Errorf("%s of %d bytes = %+v, %v; want %v", encoded, len(plain), got, err, want)
		}
	}
}

func digest256(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// argon2Of is an argon2id hash of the cheap costs over the bytes as they are.
func argon2Of(plain string) string {
	salt := []byte("sixteen bytes ..")
	key := argon2.IDKey([]byte(plain), salt, cheap.Time, cheap.Memory, cheap.Threads, 32)
	return "$argon2id$v=19$m=64,t=1,p=1$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(key)
}

func TestForeignBounds(t *testing.T) {
	t.Parallel()
	const (
		salt  = "c2FsdHNhbHQ"
		key   = "YC9+jJCrQhs5R6db7LlN8Q" // 16 bytes
		sum5  = "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
		bc    = "XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"
		salty = salt + "$" + key
	)
	h := newHasher(t, password.Config{MaxMemory: 64 << 20})
	for _, c := range []struct {
		encoded string
		want    error
	}{
		{"$scrypt$ln=15,r=8,p=10$" + salty, nil},
		{"$scrypt$ln=17,r=8,p=1$" + salty, password.ErrBounds}, // 128 MiB do not fit
		{"$scrypt$ln=16,r=4,p=10$" + salty, nil},
		{"$scrypt$ln=16,r=5,p=10$" + salty, password.ErrBounds}, // 40 MiB do, ten times over
		{"scrypt$65536$salt$5$10$" + key, password.ErrBounds},
		{"$scrypt$ln=18,r=1,p=1$" + salty, password.ErrBounds},
		{"$scrypt$ln=14,r=9,p=1$" + salty, password.ErrBounds},
		{"$scrypt$ln=14,r=8,p=11$" + salty, password.ErrBounds},
		{"$scrypt$ln=14,r=8,p=99999999999999999999$" + salty, password.ErrBounds},
		{"$scrypt$ln=0,r=8,p=1$" + salty, password.ErrBounds},
		{"$scrypt$ln=14,r=8$" + salty, password.ErrFormat},
		{"$scrypt$ln=014,r=8,p=1$" + salty, password.ErrFormat},
		{"$scrypt$ln=14,r=8,p=1$" + salt, password.ErrFormat},
		{"$scrypt$ln=14,r=8,p=1$$" + key, password.ErrFormat},
		{"scrypt$16384$salt$8$1$" + key, nil},
		{"scrypt$16383$salt$8$1$" + key, password.ErrFormat},
		{"scrypt$262144$salt$8$1$" + key, password.ErrBounds},
		{"$firescrypt$ln=14,r=8,p=1$" + salty + "$Bw==$" + key, nil},
		{"$firescrypt$ln=14,r=8,p=1$" + salty + "$$" + key, nil},
		{"$firescrypt$ln=31,r=8,p=1$" + salty + "$Bw==$" + key, password.ErrBounds},
		{"$firescrypt$ln=14,r=8,p=1$" + salty + "$Bw==$" + key + "AAAA", password.ErrFormat},
		{"$firescrypt$ln=14,r=8,p=1$" + salty + "$Bw==", password.ErrFormat},
		{"$pbkdf2-sha256$1$" + salty, nil},
		{"$pbkdf2-sha256$2000000$" + salty, nil},
		{"$pbkdf2-sha256$2000001$" + salty, password.ErrBounds},
		{"$pbkdf2-sha1$2000000$" + salty, nil},
		{"$pbkdf2-sha1$1000001$" + salt + "$" + strings.Repeat("A", 43), password.ErrBounds}, // two keys in one
		{"$pbkdf2-sha256$0$" + salty, password.ErrBounds},
		{"$pbkdf2-sha256$-1$" + salty, password.ErrFormat},
		{"$pbkdf2-sha256$i=1000,l=16$" + salty, nil},
		{"$pbkdf2-sha256$i=1000,l=17$" + salty, password.ErrFormat},
		{"$pbkdf2-md5$1000$" + salty, password.ErrFormat},
		{"$pbkdf2-sha256$1000$" + salt + "$c2FsdHNhbHQ", password.ErrFormat},
		{"pbkdf2_sha256$2000000$salt$" + key, nil},
		{"pbkdf2_sha256$2000001$salt$" + key, password.ErrBounds},
		{"pbkdf2_md5$1000$salt$" + key, password.ErrFormat},
		{"$5$rounds=1000000$saltstring$" + sum5, nil},
		{"$5$rounds=1000001$saltstring$" + sum5, password.ErrBounds},
		{"$5$rounds=999$saltstring$" + sum5, password.ErrBounds},
		{"$5$saltstringsaltstr$" + sum5, password.ErrFormat},
		{"$6$saltstring$" + sum5, password.ErrFormat},
		{"$5$saltstring$" + sum5[1:] + "-", password.ErrFormat},
		{"{CRYPT}ab1Hv2Lg7ltQo", password.ErrFormat}, // DES
		{"ab1Hv2Lg7ltQo", password.ErrFormat},
		{"{CRYPT}", password.ErrFormat},
		{"{MD5}X03MO1qnZdYdgyfeuILPmQ==", password.ErrFormat},
		{"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", password.ErrFormat}, // no salt
		{"{SHA}pKqkNr1tq3wtQqk+UcPyA3HnA2NsU5NJ", password.ErrFormat},
		{"{HA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", password.ErrFormat},
		{"{SSHA", password.ErrFormat},
		{"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", password.ErrFormat},
		{"bcrypt$$2b$10$" + bc, nil},
		{"bcrypt_sha256$$2b$10$" + bc, nil},
		{"bcrypt_sha256$$2b$15$" + bc, password.ErrBounds},
		{"argon2$bcrypt$$2b$10$" + bc, password.ErrFormat},
		{"!" + strings.Repeat("x", 40), password.ErrFormat}, // Django's unusable password
		{"$", password.ErrFormat},
		{"$5", password.ErrFormat},
	} {
		if err := h.Check(c.encoded); !errors.Is(err, c.want) {
			t.Errorf("Check(%q) = %v, want %v", c.encoded, err, c.want)
		} else if err != nil && (strings.Contains(err.Error(), key) || strings.Contains(err.Error(), salt)) {
			t.Errorf("Check(%q) tells the hash: %v", c.encoded, err)
		}
	}
}

// TestReplacedHashCostsOneOfOurs: a fast old hash passes the gate with the weight of one of ours, once.
func TestReplacedHashCostsOneOfOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, password.Config{Parallel: 1, MaxWait: time.Hour})
		finish := occupy(t, h)
		answer := make(chan error, 1)
		go func() {
			_, err := h.Verify(t.Context(), "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "wrong")
			answer <- err
		}()
		synctest.Wait()
		if got, want := h.Waiting(), []int64{64 << 10}; !slices.Equal(got, want) {
			t.Errorf("waits for %v, want %v", got, want)
		}
		again := occupy(t, h) // would block a second pass
		finish()
		if err := <-answer; err != nil {
			t.Error(err)
		}
		again()
	})
}
