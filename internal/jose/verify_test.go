package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/jose"
)

// refuse verifies token with the RS256 test key and expects want, also from Parse when the token's form is at fault.
func refuse(t *testing.T, token string, want error) {
	t.Helper()
	_, payload, err := jose.Verifier{}.Verify(token, pinned(jose.RS256, testKeys()[jose.RS256].Public()))
	wantError(t, err, want)
	if payload != nil {
		t.Errorf("payload %q came with error %v", payload, err)
	}
	if want != jose.ErrMalformed {
		return
	}
	_, err = jose.Parse(token)
	wantError(t, err, want)
}

func TestVerifyRefusesNone(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", "", "rs256", "RS256 ", "RS1", "HS1"} {
		header := `{"alg":"` + alg + `"}`
		refuse(t, compact(header, claims, nil), jose.ErrAlgorithm)
		refuse(t, signRaw(t, testKeys()[jose.RS256], header, claims), jose.ErrAlgorithm)
		_, err := jose.Parse(compact(header, claims, nil))
		wantError(t, err, jose.ErrAlgorithm)
	}
	refuse(t, signRaw(t, testKeys()[jose.RS256], `{}`, claims), jose.ErrAlgorithm)
	refuse(t, signRaw(t, testKeys()[jose.RS256], `{"alg":null}`, claims), jose.ErrAlgorithm)
}

// A public key, in whatever spelling, is no HMAC secret (CVE-2016-10555).
func TestVerifyRefusesPublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	public := testKeys()[jose.RS256].Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"PEM":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"DER":    der,
		"PKCS#1": x509.MarshalPKCS1PublicKey(public.(*rsa.PublicKey)),
	} {
		input := strings.TrimSuffix(compact(`{"alg":"HS256","kid":"k"}`, claims, nil), ".")
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		token := input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))

		everything := jose.Verifier{Algorithms: append(jose.Supported(), jose.HS256)}
		for _, pin := range []jose.Algorithm{jose.RS256, jose.PS256, ""} {
			_, _, err := everything.Verify(token, pinned(pin, public))
			if !errors.Is(err, jose.ErrAlgorithm) {
				t.Errorf("%s, key pinned to %q: %v", name, pin, err)
			}
		}
		_, _, err := everything.Verify(token, pinned(jose.HS256, public))
		if !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s, key wrongly pinned to HS256: %v", name, err)
		}
		_, _, err = jose.Verifier{}.Verify(token, pinned(jose.HS256, secret))
		if !errors.Is(err, jose.ErrAlgorithm) {
			t.Errorf("%s, zero Verifier: %v", name, err)
		}
	}
}

func TestVerifyKeepsAlgorithmsApart(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		token := signed(t, a, "", claims)
		for _, b := range jose.Supported() {
			_, _, err := jose.Verifier{}.Verify(token, pinned(b, testKeys()[b].Public()))
			if (err == nil) != (a == b) || err != nil && !errors.Is(err, jose.ErrAlgorithm) {
				t.Errorf("%s token, %s key: %v", a, b, err)
			}
		}
		_, _, err := jose.Verifier{Algorithms: []jose.Algorithm{}}.Verify(token, pinned(a, testKeys()[a].Public()))
		wantError(t, err, jose.ErrAlgorithm)
	}
	// The same RSA key, pinned to the other padding.
	_, _, err := jose.Verifier{}.Verify(signed(t, jose.PS256, "", claims), pinned(jose.RS256, testKeys()[jose.PS256].Public()))
	wantError(t, err, jose.ErrAlgorithm)
}

// A key in the header is the attacker's (CVE-2018-0114): it is neither used nor a reason to accept.
func TestVerifyIgnoresKeysInHeader(t *testing.T) {
	t.Parallel()
	attacker, err := jose.GenerateKey(jose.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := gojose.JSONWebKey{Key: attacker.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{
		`"jwk":` + string(jwk), `"jku":"https://attacker.example/keys"`, `"x5u":"https://attacker.example/cert"`, `"x5c":["AAAA"]`,
	} {
		token := signRaw(t, attacker, `{"alg":"EdDSA","kid":"k",`+member+`}`, claims)
		// The token is genuine for the attacker's own key, so only the choice of the key refuses it.
		_, _, err := jose.Verifier{}.Verify(token, pinned(jose.EdDSA, attacker.Public()))
		wantError(t, err, nil)
		_, _, err = jose.Verifier{}.Verify(token, pinned(jose.EdDSA, testKeys()[jose.EdDSA].Public()))
		wantError(t, err, jose.ErrSignature)
	}
}

func TestVerifyRefusesHeaders(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"unknown crit":         `{"alg":"RS256","crit":["exp"],"exp":1}`,
		"empty crit":           `{"alg":"RS256","crit":[]}`,
		"null crit":            `{"alg":"RS256","crit":null}`,
		"crit of another type": `{"alg":"RS256","crit":"exp"}`,
		"b64 false":            `{"alg":"RS256","b64":false,"crit":["b64"]}`,
		"b64 without crit":     `{"alg":"RS256","b64":false}`,
		"b64 true":             `{"alg":"RS256","b64":true}`,
		"duplicate alg":        `{"alg":"RS256","alg":"RS256"}`,
		"alg in two cases":     `{"alg":"RS256","Alg":"none"}`,
		"crit in capitals":     `{"alg":"RS256","CRIT":["exp"]}`,
		"nested duplicate":     `{"alg":"RS256","x":{"y":{"z":1,"z":2}}}`,
		"escaped duplicate":    `{"alg":"RS256","\u0061lg":"RS256"}`,
		"trailing data":        `{"alg":"RS256"}{}`,
		"trailing comma":       `{"alg":"RS256",}`,
		"not an object":        `["RS256"]`,
		"a string":             `"RS256"`,
		"alg of another type":  `{"alg":["RS256"]}`,
		"kid of another type":  `{"alg":"RS256","kid":7}`,
		"typ of another type":  `{"alg":"RS256","typ":{}}`,
		"empty":                ``,
		"not UTF-8":            "{\"alg\":\"RS256\",\"kid\":\"\xff\"}",
		"deep":                 `{"alg":"RS256","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse(t, signRaw(t, testKeys()[jose.RS256], header, claims), jose.ErrMalformed)
		})
	}
}

func TestVerifyAcceptsHarmlessHeaders(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		`{"alg":"RS256","kid":"k","cty":"JWT","x":{"y":[1]}}`,
		" {\r\n\"typ\" : \"jwt\", \"alg\":\"RS256\"} ",
	} {
		_, _, err := jose.Verifier{}.Verify(signRaw(t, testKeys()[jose.RS256], header, claims), pinned(jose.RS256, testKeys()[jose.RS256].Public()))
		if err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
}

func TestVerifyRefusesSegments(t *testing.T) {
	t.Parallel()
	token := signed(t, jose.RS256, "JWT", claims)
	part := strings.Split(token, ".")
	// A signature of 256 bytes leaves four spare bits in its last character: its successor spells the same bytes.
	spare := part[2][:len(part[2])-1] + string(part[2][len(part[2])-1]+1)
	for name, bad := range map[string]string{
		"empty":             "",
		"dots":              "..",
		"one segment":       part[0],
		"two segments":      part[0] + "." + part[1],
		"four segments":     token + ".",
		"five segments":     part[0] + ".." + part[1] + "." + part[2] + ".",
		"JWE":               `eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA`,
		"padded header":     part[0] + "=." + part[1] + "." + part[2],
		"padded payload":    part[0] + "." + part[1] + "=." + part[2],
		"padded signature":  token + "==",
		"standard alphabet": part[0] + "." + part[1] + "." + "+/" + part[2][2:],
		"spare bits":        part[0] + "." + part[1] + "." + spare,
		"line break":        part[0] + "." + part[1] + "." + part[2][:5] + "\n" + part[2][5:],
		"trailing CRLF":     token + "\r\n",
		"header line break": part[0][:2] + "\r" + token[2:],
		"space":             " " + token,
		"NUL":               token + "\x00",
		"JSON form":         `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse(t, bad, jose.ErrMalformed)
		})
	}
}

func TestVerifyRefusesEveryFlippedBit(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			key := pinned(a, testKeys()[a].Public())
			token := []byte(signed(t, a, "JWT", `{"sub":"7"}`))
			for i := range token {
				for bit := range 8 {
					token[i] ^= 1 << bit
					if _, _, err := (jose.Verifier{}).Verify(string(token), key); err == nil {
						t.Errorf("accepted with bit %d of byte %d flipped: %s", bit, i, token)
					}
					token[i] ^= 1 << bit
				}
			}
		})
	}
}

func TestVerifyRefusesEveryTruncation(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		key := pinned(a, testKeys()[a].Public())
		token := signed(t, a, "JWT", `{"sub":"7"}`)
		for i := range token {
			if _, _, err := (jose.Verifier{}).Verify(token[:i], key); err == nil {
				t.Errorf("%s: accepted %s", a, token[:i])
			}
			if _, _, err := (jose.Verifier{}).Verify(token[i+1:], key); err == nil {
				t.Errorf("%s: accepted %s", a, token[i+1:])
			}
		}
	}
}

// The ASN.1 form of a genuine ECDSA signature is not a JWS (RFC 7518 §3.4), nor is a zero one (CVE-2022-21449).
func TestVerifyRefusesECDSAForms(t *testing.T) {
	t.Parallel()
	token := signed(t, jose.ES256, "", claims)
	input := token[:strings.LastIndexByte(token, '.')+1]
	raw := b64(t, token[len(input):])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		t.Fatal(err)
	}
	for name, signature := range map[string][]byte{
		"ASN.1": der, "zero": make([]byte, 64), "empty": nil, "padded": append([]byte{0}, raw...), "long": append(raw[:64:64], 0),
		"zero before S": slices.Insert(slices.Clone(raw), 32, 0),
	} {
		_, _, err := jose.Verifier{}.Verify(input+base64.RawURLEncoding.EncodeToString(signature), pinned(jose.ES256, testKeys()[jose.ES256].Public()))
		if !errors.Is(err, jose.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// RFC 7518 §3.5 fixes the length of the salt; go-jose and others would take any.
func TestVerifyRefusesOtherSalt(t *testing.T) {
	t.Parallel()
	input := strings.TrimSuffix(compact(`{"alg":"PS256"}`, claims, nil), ".")
	digest := sha256.Sum256([]byte(input))
	signature, err := testKeys()[jose.PS256].Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = jose.Verifier{}.Verify(input+"."+base64.RawURLEncoding.EncodeToString(signature), pinned(jose.PS256, testKeys()[jose.PS256].Public()))
	wantError(t, err, jose.ErrSignature)
}

func TestVerifyMeasuresFirst(t *testing.T) {
	t.Parallel()
	key := pinned(jose.EdDSA, testKeys()[jose.EdDSA].Public())
	token := signed(t, jose.EdDSA, "", claims)
	for _, c := range []struct {
		max  int
		want error
	}{{len(token), nil}, {len(token) - 1, jose.ErrMalformed}, {0, nil}, {-1, nil}} {
		_, _, err := jose.Verifier{MaxSize: c.max}.Verify(token, key)
		wantError(t, err, c.want)
	}
	large := signed(t, jose.EdDSA, "", `{"x":"`+strings.Repeat("x", jose.DefaultMaxSize)+`"}`)
	_, _, err := jose.Verifier{}.Verify(large, key)
	wantError(t, err, jose.ErrMalformed)
	_, err = jose.Parse(large)
	wantError(t, err, jose.ErrMalformed)
	_, _, err = jose.Verifier{MaxSize: len(large)}.Verify(large, key)
	wantError(t, err, nil)
	parsed, err := jose.Parse(token)
	wantError(t, err, nil)
	_, _, err = jose.Verifier{MaxSize: len(token) - 1}.VerifyParsed(parsed, key)
	wantError(t, err, jose.ErrMalformed)
}

func TestVerifyTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allowed []string
		typ     string
		ok      bool
	}{
		{nil, "", true},
		{nil, "JWT", true},
		{nil, "jwt", true},
		{nil, "application/jwt", true},
		{nil, "at+jwt", false},
		{nil, "logout+jwt", false},
		{[]string{}, "", false},
		{[]string{"at+jwt"}, "", false},
		{[]string{"at+jwt"}, "JWT", false},
		{[]string{"at+jwt"}, "at+jwt", true},
		{[]string{"at+jwt"}, "AT+JWT", true},
		{[]string{"at+jwt"}, "application/at+jwt", true},
		{[]string{"at+jwt"}, "APPLICATION/at+JWT", true},
		{[]string{"application/at+jwt"}, "at+jwt", true},
		{[]string{"at+jwt", ""}, "", true},
		{[]string{"at+jwt"}, "at+jwt ", false},
		{[]string{"at+jwt"}, "xat+jwt", false},
		{[]string{"at+jwt"}, "text/at+jwt", false},
		{[]string{"x/y"}, "application/x/y", false},
		{[]string{"k+jwt"}, "\u212a+jwt", false}, // KELVIN SIGN folds to k
		{[]string{"application/x"}, "appl\u0131cation/x", false},
		{[]string{""}, "application/", false},
	} {
		_, _, err := jose.Verifier{Types: c.allowed}.Verify(
			signed(t, jose.EdDSA, c.typ, claims), pinned(jose.EdDSA, testKeys()[jose.EdDSA].Public()))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, jose.ErrType) {
			t.Errorf("typ %q where %q are allowed: %v", c.typ, c.allowed, err)
		}
	}
}

func TestVerifyPassesKeyErrors(t *testing.T) {
	t.Parallel()
	token := signed(t, jose.EdDSA, "", claims)
	down := errors.New("store is down")
	for _, want := range []error{down, jose.ErrKey} {
		_, _, err := jose.Verifier{}.Verify(token, func(jose.Header) (jose.PublicKey, error) { return jose.PublicKey{}, want })
		wantError(t, err, want)
	}
}

// No key is looked up for a token that is refused anyway: a look-up may be a fetch.
func TestVerifyLooksUpLast(t *testing.T) {
	t.Parallel()
	for _, token := range []string{
		compact(`{"alg":"none","kid":"k"}`, claims, nil),
		compact(`{"alg":"HS256","kid":"k"}`, claims, nil),
		compact(`{"alg":"RS256","kid":"k","typ":"at+jwt"}`, claims, nil),
		compact(`{"alg":"RS256","kid":"k"}`, claims, nil) + "=",
	} {
		_, _, err := jose.Verifier{}.Verify(token, func(jose.Header) (jose.PublicKey, error) {
			t.Errorf("key looked up for %s", token)
			return jose.PublicKey{}, nil
		})
		if err == nil {
			t.Errorf("accepted %s", token)
		}
	}
}

// A key that is half filled, weak or of another kind is refused, and nothing panics.
func TestVerifyRefusesKeys(t *testing.T) {
	t.Parallel()
	n := testKeys()[jose.RS256].Public().(*rsa.PublicKey).N
	for name, c := range map[string]struct {
		alg jose.Algorithm
		key crypto.PublicKey
	}{
		"nil":                 {jose.RS256, nil},
		"typed nil RSA":       {jose.RS256, (*rsa.PublicKey)(nil)},
		"empty RSA":           {jose.RS256, &rsa.PublicKey{}},
		"RSA exponent 1":      {jose.RS256, &rsa.PublicKey{N: n, E: 1}},
		"RSA even exponent":   {jose.PS256, &rsa.PublicKey{N: n, E: 65536}},
		"RSA 2047 bits":       {jose.RS256, &rsa.PublicKey{N: new(big.Int).Rsh(n, 1), E: 65537}},
		"RSA 8193 bits":       {jose.RS256, &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537}},
		"private RSA":         {jose.RS256, testKeys()[jose.RS256]},
		"typed nil ECDSA":     {jose.ES256, (*ecdsa.PublicKey)(nil)},
		"empty ECDSA":         {jose.ES256, &ecdsa.PublicKey{}},
		"ECDSA without point": {jose.ES256, &ecdsa.PublicKey{Curve: elliptic.P256()}},
		"other curve":         {jose.ES256, testKeys()[jose.ES384].Public()},
		"short Ed25519":       {jose.EdDSA, ed25519.PublicKey("short")},
		"nil Ed25519":         {jose.EdDSA, ed25519.PublicKey(nil)},
		"bytes as Ed25519":    {jose.EdDSA, make([]byte, 32)},
		"Ed25519 as secret":   {jose.HS256, testKeys()[jose.EdDSA].Public()},
		"short secret":        {jose.HS256, make([]byte, 31)},
		"string secret":       {jose.HS256, strings.Repeat("s", 32)},
	} {
		token := compact(`{"alg":"`+string(c.alg)+`"}`, claims, make([]byte, 64))
		_, _, err := jose.Verifier{Algorithms: []jose.Algorithm{c.alg}}.Verify(token, pinned(c.alg, c.key))
		if !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was read is judged as what is verified at once, and it can be read and verified by different keys.
func TestParse(t *testing.T) {
	t.Parallel()
	want := jose.Header{Alg: jose.ES256, Kid: "k", Typ: "JWT"}
	forged, err := jose.Parse(compact(`{"alg":"ES256","kid":"k","typ":"JWT"}`, claims, []byte("no signature")))
	if err != nil || string(forged.Payload()) != claims || forged.Header() != want {
		t.Errorf("header %v, payload %q, error %v", forged.Header(), forged.Payload(), err)
	}
	genuine, err := jose.Parse(signed(t, jose.ES256, "JWT", claims))
	wantError(t, err, nil)
	right, other := pinned(jose.ES256, testKeys()[jose.ES256].Public()), pinned(jose.ES384, testKeys()[jose.ES384].Public())
	for name, c := range map[string]struct {
		parsed jose.Unverified
		v      jose.Verifier
		keys   func(jose.Header) (jose.PublicKey, error)
		want   error
	}{
		"genuine":   {genuine, jose.Verifier{}, right, nil},
		"forged":    {forged, jose.Verifier{}, right, jose.ErrSignature},
		"key":       {genuine, jose.Verifier{}, other, jose.ErrAlgorithm},
		"algorithm": {genuine, jose.Verifier{Algorithms: []jose.Algorithm{jose.RS256}}, right, jose.ErrAlgorithm},
		"type":      {genuine, jose.Verifier{Types: []string{"at+jwt"}}, right, jose.ErrType},
		"nothing":   {jose.Unverified{}, jose.Verifier{}, right, jose.ErrAlgorithm},
	} {
		_, payload, err := c.v.VerifyParsed(c.parsed, c.keys)
		if !errors.Is(err, c.want) || err != nil && payload != nil || err == nil && string(payload) != claims {
			t.Errorf("%s: payload %q, error %v, want %v", name, payload, err, c.want)
		}
	}
}
