package mfa_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/pushdevice"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/mfa"
)

// phone is a device with a key of its own.
type phone struct{ *pushdevice.Device }

func newPhone(t testing.TB, alg string) phone {
	t.Helper()
	device, err := pushdevice.New(alg)
	if err != nil {
		t.Fatal(err)
	}
	device.ID = "4b7e4b36-1f3e-4c5e-9f44-000000000001"
	return phone{device}
}

func (p phone) key(t testing.TB) mfa.PushKey {
	t.Helper()
	key, err := mfa.ParsePushKey(p.PublicKey)
	if err != nil || key.Algorithm() != p.Algorithm {
		t.Fatalf("ParsePushKey = %v, %v", key.Algorithm(), err)
	}
	return key
}

// token is a JWT as the device signs it.
func (p phone) token(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	token, err := p.Token(header, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func approval() map[string]any {
	return pushdevice.Answer(map[string]string{"pushId": "prompt-1", "challenge": "chal"}, "APPROVED", "42", noon.Add(time.Minute))
}

func TestPushAnswer(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		p := newPhone(t, alg)
		token := p.token(t, p.Header(), approval())
		unverified, err := mfa.ReadPushAnswer(token)
		if err != nil || unverified.Device != p.ID || unverified.Prompt != "prompt-1" {
			t.Errorf("%s: ReadPushAnswer = %+v, %v", alg, unverified, err)
		}
		answer, err := mfa.VerifyPushAnswer(token, p.key(t), noon)
		if err != nil || !answer.Approves() || answer.Number.Reveal() != "42" || !answer.Repeats(secret.Text("chal").Hash()) || answer.Repeats("") {
			t.Errorf("%s: VerifyPushAnswer = %+v, %v", alg, answer, err)
		}
	}
	p := newPhone(t, "EdDSA")
	number := approval()
	number["numberChallenge"] = 42
	if answer, err := mfa.VerifyPushAnswer(p.token(t, p.Header(), number), p.key(t), noon); err != nil || answer.Number.Reveal() != "42" {
		t.Errorf("a number that is one: %v, %v", answer.Number.Reveal(), err)
	}
	denial := approval()
	denial["response"], denial["numberChallenge"] = "DENIED", nil
	if answer, err := mfa.VerifyPushAnswer(p.token(t, p.Header(), denial), p.key(t), noon); err != nil || answer.Approves() || answer.Number != "" {
		t.Errorf("a denial with no number: %+v, %v", answer, err)
	}
	delete(denial, "numberChallenge")
	if answer, err := mfa.VerifyPushAnswer(p.token(t, p.Header(), denial), p.key(t), noon); err != nil || answer.Approves() || answer.Number != "" {
		t.Errorf("a denial: %+v, %v", answer, err)
	}
}

// Attacks C 9; product §1.5: a token counts only by the key and the algorithm of its device, for ten minutes at the most.
func TestAttackPushAnswerForged(t *testing.T) {
	t.Parallel()
	rsaPhone, ec, ed := newPhone(t, "RS256"), newPhone(t, "ES256"), newPhone(t, "EdDSA")
	with := func(base map[string]any, edits ...any) map[string]any {
		for i := 0; i < len(edits); i += 2 {
			if name := edits[i].(string); edits[i+1] == nil {
				delete(base, name)
			} else {
				base[name] = edits[i+1]
			}
		}
		return base
	}
	good := ec.token(t, ec.Header(), approval())
	segments := strings.Split(good, ".")
	der, errDER := ec.Sign(segments[0] + "." + segments[1])
	hmacKey, errHMAC := base64.StdEncoding.DecodeString(rsaPhone.PublicKey)
	if err := errors.Join(errDER, errHMAC); err != nil {
		t.Fatal(err)
	}
	hs := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","deviceId":"`+rsaPhone.ID+`"}`)) + "." + segments[1]
	for name, c := range map[string]struct {
		token string
		key   mfa.PushKey
		want  error
	}{
		"another device's key":  {good, newPhone(t, "ES256").key(t), mfa.ErrForged},
		"a key of another kind": {good, ed.key(t), mfa.ErrForged},
		"no key":                {good, mfa.PushKey{}, mfa.ErrForged},
		"alg none": {
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","deviceId":"x"}`)) + "." + segments[1] + ".", ec.key(t), mfa.ErrForged,
		},
		"HMAC with the public key": {hs + "." + base64.RawURLEncoding.EncodeToString(hmacSHA256(hmacKey, hs)), rsaPhone.key(t), mfa.ErrForged},
		"RS512 where RS256 is":     {rsaPhone.token(t, with(rsaPhone.Header(), "alg", "RS512"), approval()), rsaPhone.key(t), mfa.ErrForged},
		"a signature in ASN.1":     {segments[0] + "." + segments[1] + "." + base64.RawURLEncoding.EncodeToString(der), ec.key(t), mfa.ErrForged},
		"altered": {
			segments[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"pushAuthId":"x","challenge":"c","response":"APPROVED","exp":9999999999}`)) + "." + segments[2],
			ec.key(t), mfa.ErrForged,
		},
		"no device":                {ed.token(t, with(ed.Header(), "deviceId", nil), approval()), ed.key(t), mfa.ErrForged},
		"a device like a URL":      {ed.token(t, with(ed.Header(), "deviceId", "../x"), approval()), ed.key(t), mfa.ErrForged},
		"another type":             {ed.token(t, with(ed.Header(), "typ", "at+jwt"), approval()), ed.key(t), mfa.ErrForged},
		"critical header":          {ed.token(t, with(ed.Header(), "crit", []string{"x"}), approval()), ed.key(t), mfa.ErrForged},
		"no prompt":                {ed.token(t, ed.Header(), with(approval(), "pushAuthId", nil)), ed.key(t), mfa.ErrForged},
		"no challenge":             {ed.token(t, ed.Header(), with(approval(), "challenge", nil)), ed.key(t), mfa.ErrForged},
		"another response":         {ed.token(t, ed.Header(), with(approval(), "response", "approved")), ed.key(t), mfa.ErrForged},
		"a number in pieces":       {ed.token(t, ed.Header(), with(approval(), "numberChallenge", "4 2")), ed.key(t), mfa.ErrForged},
		"a number too long":        {ed.token(t, ed.Header(), with(approval(), "numberChallenge", strings.Repeat("4", 17))), ed.key(t), mfa.ErrForged},
		"a number with a sign":     {ed.token(t, ed.Header(), with(approval(), "numberChallenge", "4;")), ed.key(t), mfa.ErrForged},
		"a number that is no text": {ed.token(t, ed.Header(), with(approval(), "numberChallenge", []int{4})), ed.key(t), mfa.ErrForged},
		"an endless prompt":        {ed.token(t, ed.Header(), with(approval(), "pushAuthId", strings.Repeat("x", 65))), ed.key(t), mfa.ErrForged},
		"no end":                   {ed.token(t, ed.Header(), with(approval(), "exp", nil)), ed.key(t), mfa.ErrForged},
		"a late end":               {ed.token(t, ed.Header(), with(approval(), "exp", noon.Add(11*time.Minute).Unix())), ed.key(t), mfa.ErrForged},
		"past its end":             {ed.token(t, ed.Header(), with(approval(), "exp", noon.Add(-time.Minute).Unix())), ed.key(t), mfa.ErrExpired},
		"giant":                    {ed.token(t, ed.Header(), with(approval(), "x", strings.Repeat("x", 10_000))), ed.key(t), mfa.ErrForged},
		"empty":                    {"", ed.key(t), mfa.ErrForged},
	} {
		if answer, err := mfa.VerifyPushAnswer(c.token, c.key, noon); !errors.Is(err, c.want) || answer != (mfa.PushAnswer{}) {
			t.Errorf("%s: %+v, %v; want %v", name, answer, err, c.want)
		}
	}
}

func TestPushRegistration(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		p := newPhone(t, alg)
		body, err := p.Register(p.ID, "chal", "token")
		if err != nil {
			t.Fatal(err)
		}
		body["provider"] = map[string]any{"name": "FCM", "metadata": map[string]string{"a": "b"}}
		encode := func() []byte {
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		r, key, err := mfa.ParsePushRegistration(encode())
		if err != nil || r.DeviceID != p.ID || r.Provider.Name != "FCM" || r.Provider.Metadata["a"] != "b" {
			t.Fatalf("%s: ParsePushRegistration = %+v, %v", alg, r, err)
		}
		if err := r.Verify(key, "chal"); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for _, challenge := range []string{"", "cha", "chal.", "chal2"} {
			if err := r.Verify(key, challenge); !errors.Is(err, mfa.ErrForged) {
				t.Errorf("%s: challenge %q: %v", alg, challenge, err)
			}
		}
		if err := r.Verify(newPhone(t, alg).key(t), "chal"); !errors.Is(err, mfa.ErrForged) {
			t.Errorf("%s: by another's key: %v", alg, err)
		}
		for name, edit := range map[string]func(){
			"no device":  func() { body["deviceId"] = "" },
			"no token":   func() { body["deviceToken"] = "" },
			"long name":  func() { body["name"] = strings.Repeat("x", 257) },
			"weak key":   func() { body["publicKey"] = weakKey(t) },
			"broken key": func() { body["publicKey"] = "!" },
		} {
			kept := map[string]any{}
			for k, v := range body {
				kept[k] = v
			}
			edit()
			if _, _, err := mfa.ParsePushRegistration(encode()); err == nil {
				t.Errorf("%s: %s was read", alg, name)
			}
			body = kept
		}
	}
}

// Product §1.5: keys are RSA of 2048 to 4096 bits, P-256 or Ed25519. With an exponent of 1 anybody signs.
func TestPushKeySizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bits, exponent int
		good           bool
	}{
		{1024, 65537, false}, {2047, 65537, false}, {2048, 65537, true}, {2048, 3, true}, {2048, 1, false}, {4096, 65537, true}, {4097, 65537, false},
	} {
		modulus := new(big.Int).SetBit(big.NewInt(1), c.bits-1, 1)
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: modulus, E: c.exponent})
		if err != nil {
			t.Fatal(err)
		}
		if key, err := mfa.ParsePushKey(base64.StdEncoding.EncodeToString(der)); (err == nil) != c.good || !c.good && key.Algorithm() != "" {
			t.Errorf("%d bits, exponent %d: %q, %v", c.bits, c.exponent, key.Algorithm(), err)
		}
	}
}

func TestPushRegistrationBounds(t *testing.T) {
	t.Parallel()
	p := newPhone(t, "EdDSA")
	const id = "device_Az-09"
	for name, c := range map[string]struct {
		id, token, name string
		padding         int
		good            bool
	}{
		"as it should be":           {id: id, token: "t", good: true},
		"an id as long as it may":   {id: strings.Repeat("x", 64), token: "t", good: true},
		"an id that is longer":      {id: strings.Repeat("x", 65), token: "t"},
		"an id with a brace":        {id: "a{", token: "t"},
		"an id with a bracket":      {id: "a[", token: "t"},
		"an id with a colon":        {id: "a:", token: "t"},
		"a token as long as it may": {id: id, token: strings.Repeat("t", 4<<10), good: true},
		"a token that is longer":    {id: id, token: strings.Repeat("t", 4<<10+1)},
		"a name as long as it may":  {id: id, token: "t", name: strings.Repeat("n", 256), good: true},
		"as long as it may be":      {id: id, token: "t", padding: 16 << 10, good: true},
		"longer":                    {id: id, token: "t", padding: 16<<10 + 1},
	} {
		said, err := p.Register(c.id, "", c.token)
		if err != nil {
			t.Fatal(err)
		}
		said["name"] = c.name
		body, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, strings.Repeat(" ", max(0, c.padding-len(body)))...)
		r, key, err := mfa.ParsePushRegistration(body)
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if c.good && !errors.Is(r.Verify(key, ""), mfa.ErrForged) {
			t.Errorf("%s: a signature over no challenge counts where there is none", name)
		}
	}
}

func weakKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func hmacSHA256(key []byte, text string) []byte {
	mac, err := base64.RawURLEncoding.DecodeString(keys(key).MAC(text))
	if err != nil {
		return nil
	}
	return mac
}

func TestPushRemoval(t *testing.T) {
	t.Parallel()
	p := newPhone(t, "RS256")
	claims := map[string]any{"exp": noon.Add(time.Minute).Unix()}
	token := p.token(t, p.Header(), claims)
	if err := mfa.VerifyPushRemoval(token, p.ID, p.key(t), noon); err != nil {
		t.Error(err)
	}
	if err := mfa.VerifyPushRemoval(token, "another", p.key(t), noon); !errors.Is(err, mfa.ErrForged) {
		t.Errorf("of another device: %v", err)
	}
	if err := mfa.VerifyPushRemoval(token, p.ID, p.key(t), noon.Add(time.Hour)); !errors.Is(err, mfa.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	if err := mfa.VerifyPushRemoval(p.token(t, p.Header(), approval()), p.ID, p.key(t), noon); !errors.Is(err, mfa.ErrForged) {
		t.Errorf("an answer to a prompt: %v", err)
	}
	if err := mfa.VerifyPushRemoval(p.token(t, p.Header(), map[string]any{}), p.ID, p.key(t), noon); !errors.Is(err, mfa.ErrForged) {
		t.Errorf("without an end: %v", err)
	}
	for name, prompt := range map[string]any{"a prompt that is a number": 5, "a prompt that is a list": []string{}} {
		token := p.token(t, p.Header(), map[string]any{"exp": noon.Add(time.Minute).Unix(), "pushAuthId": prompt})
		if err := mfa.VerifyPushRemoval(token, p.ID, p.key(t), noon); !errors.Is(err, mfa.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	late := p.token(t, p.Header(), map[string]any{"exp": noon.Add(11 * time.Minute).Unix()})
	if err := mfa.VerifyPushRemoval(late, p.ID, p.key(t), noon); !errors.Is(err, mfa.ErrForged) {
		t.Errorf("with a late end: %v", err)
	}
}

func TestPushPrompt(t *testing.T) {
	t.Parallel()
	for digits, bounds := range map[int][2]int{0: {1, 99}, 2: {1, 99}, 6: {100_000, 999_999}, 8: {10_000_000, 99_999_999}} {
		seen := map[string]bool{}
		for range 300 {
			p, err := mfa.Push{Digits: digits}.New(noon)
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(p.Number.Reveal())
			if err != nil || n < bounds[0] || n > bounds[1] || strings.HasPrefix(p.Number.Reveal(), "0") {
				t.Fatalf("%d digits: number %q", digits, p.Number.Reveal())
			}
			if seen[p.ID] || seen[p.Challenge.Reveal()] || p.Expires != noon.Add(3*time.Minute) {
				t.Fatalf("prompt %+v", p)
			}
			seen[p.ID], seen[p.Challenge.Reveal()] = true, true
		}
	}
	for name, p := range map[string]mfa.Push{"one digit": {Digits: 1}, "nine": {Digits: 9}, "an hour": {Lifetime: time.Hour}, "a second": {Lifetime: time.Second}} {
		if _, err := p.New(noon); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func FuzzPushAnswer(f *testing.F) {
	p := newPhone(f, "EdDSA")
	key := p.key(f)
	f.Add(p.token(f, p.Header(), approval()))
	f.Add("")
	f.Add("e30.e30.e30")
	f.Add("eyJhbGciOiJFZERTQSIsImRldmljZUlkIjoieCJ9.eyJwdXNoQXV0aElkIjp7fX0.AA")
	genuine := p.token(f, p.Header(), approval())
	f.Fuzz(func(t *testing.T, token string) {
		_, _ = mfa.ReadPushAnswer(token)
		if _, err := mfa.VerifyPushAnswer(token, key, noon); err == nil && token != genuine && !strings.HasPrefix(token, genuine[:strings.LastIndex(genuine, ".")]) {
			t.Errorf("accepted %q", token)
		}
	})
}

func FuzzPushRegistration(f *testing.F) {
	f.Add([]byte(`{"deviceId":"a","model":"m","name":"n","deviceToken":"t","publicKey":"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=","signature":"AA=="}`))
	f.Add([]byte(`{"deviceId":"a","provider":{"name":"x","metadata":{}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, key, err := mfa.ParsePushRegistration(data)
		if err == nil && r.Verify(key, "a challenge that nobody has signed") == nil {
			t.Error("verified")
		}
	})
}
