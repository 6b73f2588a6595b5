package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/jose"
)

// The examples of RFC 7516, appendix A.1 to A.3.
const (
	rfc7516A1 = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ." +
		"OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDb" +
		"Sv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je8" +
		"1860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg." +
		"48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ"
	rfc7516A1n = "oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-BVvxkeDNjbC4he8rUWcJoZmds2h7M70imEVhRU5djINXtqllXI4DFqcI1DgjT9LewND8MW2Krf3Spsk_ZkoFnila" +
		"kGygTwpZ3uesH-PFABNIUYpOiN15dsQRkgr0vEhxN92i2asbOenSZeyaxziK72UwxrrKoExv6kc5twXTq4h-QChLOln0_mtUZwfsRaMStPs6mS6XrgxnxbWhojf663tuE" +
		"QueGC-FCMfra36C9knDFGzKsNa7LZK2djYgyD3JR_MB_4NUJW_TqOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw"
	rfc7516A1p = "1r52Xk46c-LsfB5P442p7atdPUrxQSy4mti_tZI3Mgf2EuFVbUoDBvaRQ-SWxkbkmoEzL7JXroSBjSrK3YIQgYdMgyAEPTPjXv_hI2_1eTSPVZfzL0lffNn03IXqWF5M" +
		"DFuoUYE0hzb2vhrlN_rKrbfDIwUbTrjjgieRbwC6Cl0"

	rfc7516A2 = "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0." +
		"UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPLgNZ__deLKxGHZ7Pc" +
		"HALUzoOegEI-8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2Yw8kZqa2rMWI5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8" +
		"rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZZd9OHBv-B3oWh2TbqmScqXMR4gp_A." +
		"AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.9hH0vgRfYgPnAHOd8stkvw"
	rfc7516A2n = "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkh" +
		"slANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKj" +
		"TTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw"
	rfc7516A2p = "9gY2w6I6S6L0juEKsbeDAwpd9WMfgqFoeA9vEyEUuk4kLwBKcoe1x4HG68ik918hdDSE9vDQSccA3xXHOAFOPJ8R9EeIAbTi1VwBYnbTp87X-xcPWlEPkrdoUKW60tgs" +
		"1aNd_Nnc9LEVVPMS390zbFxt8TN_biaBgelNgbC95sM"

	rfc7516A3 = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ." +
		"KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ"
	rfc7516A3Key = "GawgguFyGrWKav7AX4VKUg"
)

// rsaFrom makes a private key of the modulus and one prime, for e = 65537.
func rsaFrom(t testing.TB, modulus, prime string) *rsa.PrivateKey {
	t.Helper()
	n, p := new(big.Int).SetBytes(b64(t, modulus)), new(big.Int).SetBytes(b64(t, prime))
	q, one := new(big.Int).Div(n, p), big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: n, E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi), Primes: []*big.Int{p, q},
	}
	if err := key.Validate(); err != nil {
		t.Fatal(err)
	}
	key.Precompute()
	return key
}

func TestDecryptRFC7516(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token, want string
		key         jose.PrivateKey
	}{
		"A.1": {rfc7516A1, "The true sign of intelligence is not knowledge but imagination.", jose.PrivateKey{Algorithm: jose.RSAOAEP, Key: rsaFrom(t, rfc7516A1n, rfc7516A1p)}},
		"A.2": {rfc7516A2, "Live long and prosper.", jose.PrivateKey{Algorithm: jose.InsecureRSA15, Key: rsaFrom(t, rfc7516A2n, rfc7516A2p)}},
		"A.3": {rfc7516A3, "Live long and prosper.", jose.PrivateKey{Algorithm: jose.A128KW, Key: b64(t, rfc7516A3Key)}},
	} {
		named := jose.Decrypter{Algorithms: []jose.KeyManagement{c.key.Algorithm}}
		h, plaintext, err := named.Decrypt(c.token, only(c.key))
		if err != nil || string(plaintext) != c.want || h.Alg != c.key.Algorithm {
			t.Errorf("%s: %q, %+v, error %v", name, plaintext, h, err)
		}
		_, _, err = jose.Decrypter{}.Decrypt(c.token, only(c.key))
		if (err == nil) != (name == "A.1") {
			t.Errorf("%s: without naming %s: %v", name, c.key.Algorithm, err)
		}
	}
}

func only(keys ...jose.PrivateKey) func(jose.EncryptionHeader) ([]jose.PrivateKey, error) {
	return func(jose.EncryptionHeader) ([]jose.PrivateKey, error) { return keys, nil }
}

// recipients are a key for each algorithm; what fits the content is chosen by its size.
var recipients = sync.OnceValue(func() map[jose.KeyManagement]jose.PrivateKey {
	keys := map[jose.KeyManagement]jose.PrivateKey{}
	curves := map[jose.KeyManagement]elliptic.Curve{
		jose.ECDHES: elliptic.P256(), jose.ECDHESA128KW: elliptic.P384(), jose.ECDHESA256KW: elliptic.P521(),
	}
	for _, a := range append(jose.KeyManagements(), jose.InsecureRSA15) {
		keys[a] = jose.PrivateKey{Algorithm: a, Key: testKeys()[jose.RS256]}
		if curve := curves[a]; curve != nil {
			key, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				panic(err)
			}
			keys[a] = jose.PrivateKey{Algorithm: a, Key: key}
		}
	}
	return keys
})

func recipient(t testing.TB, a jose.KeyManagement, e jose.Encryption) (jose.PrivateKey, crypto.PublicKey) {
	t.Helper()
	if k, ok := recipients()[a]; ok {
		return k, k.Key.(crypto.Signer).Public()
	}
	size, err := a.SecretSize(e)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte{7}, size)
	return jose.PrivateKey{Algorithm: a, Key: secret}, secret
}

func allKeyManagements() []jose.KeyManagement {
	return append(append(jose.KeyManagements(), jose.SymmetricKeyManagements()...), jose.InsecureRSA15)
}

func TestEncryptThenDecrypt(t *testing.T) {
	t.Parallel()
	for _, a := range allKeyManagements() {
		for _, e := range jose.Encryptions() {
			private, public := recipient(t, a, e)
			want := jose.EncryptionHeader{Alg: a, Enc: e, Kid: "k", Typ: "JWT"}
			token, err := jose.Encrypt([]byte(claims), want, public)
			if err != nil {
				t.Fatalf("%s %s: %v", a, e, err)
			}
			if !jose.IsEncrypted(token) {
				t.Errorf("%s %s: not seen to be encrypted", a, e)
			}
			one := jose.Decrypter{Algorithms: []jose.KeyManagement{a}, Encryptions: []jose.Encryption{e}}
			h, plaintext, err := one.Decrypt(token, only(private))
			if err != nil || string(plaintext) != claims || h != want {
				t.Errorf("%s %s: %q, %+v, error %v", a, e, plaintext, h, err)
			}
			for name, other := range map[string]jose.Decrypter{
				"another alg": {Algorithms: []jose.KeyManagement{"A192KW"}}, "another enc": {Algorithms: []jose.KeyManagement{a}, Encryptions: []jose.Encryption{}},
			} {
				if _, _, err := other.Decrypt(token, only(private)); !errors.Is(err, jose.ErrAlgorithm) {
					t.Errorf("%s %s, %s: %v", a, e, name, err)
				}
			}
		}
	}
}

// A KMS shows no more than crypto.Decrypter.
func TestDecryptRemotely(t *testing.T) {
	t.Parallel()
	key := testKeys()[jose.RS256].(*rsa.PrivateKey)
	for _, a := range []jose.KeyManagement{jose.RSAOAEP, jose.RSAOAEP256, jose.InsecureRSA15} {
		token, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: a, Enc: jose.A256GCM}, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		d := jose.Decrypter{Algorithms: []jose.KeyManagement{a}}
		_, plaintext, err := d.Decrypt(token, only(jose.PrivateKey{Algorithm: a, Key: struct{ crypto.Decrypter }{key}}))
		if err != nil || string(plaintext) != claims {
			t.Errorf("%s: %q, error %v", a, plaintext, err)
		}
	}
}

// TestDecryptUniformly: whatever is wrong behind the header, the answer is one and the same (RFC 7516 §11.5).
func TestDecryptUniformly(t *testing.T) {
	t.Parallel()
	for _, a := range allKeyManagements() {
		for _, e := range []jose.Encryption{jose.A128CBCHS256, jose.A256GCM} {
			private, public := recipient(t, a, e)
			token, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: a, Enc: e}, public)
			if err != nil {
				t.Fatal(err)
			}
			segment := strings.Split(token, ".")
			d := jose.Decrypter{Algorithms: []jose.KeyManagement{a}}
			for i := 1; i < 5; i++ {
				raw := b64(t, segment[i])
				for at := 0; at < len(raw); at += 1 + len(raw)/8 {
					flipped := bytes.Clone(raw)
					flipped[at] ^= 1
					damaged := append([]string{}, segment...)
					damaged[i] = base64.RawURLEncoding.EncodeToString(flipped)
					_, plaintext, err := d.Decrypt(strings.Join(damaged, "."), only(private))
					if err != jose.ErrDecryption || plaintext != nil {
						t.Fatalf("%s %s, segment %d byte %d: %v", a, e, i, at, err)
					}
				}
			}
		}
	}
}

func TestDecryptRefusesHeaders(t *testing.T) {
	t.Parallel()
	private, public := recipient(t, jose.ECDHES, jose.A256GCM)
	good, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: jose.ECDHES, Enc: jose.A256GCM}, public)
	if err != nil {
		t.Fatal(err)
	}
	segment := strings.SplitN(good, ".", 2)
	header := strings.TrimSuffix(string(b64(t, segment[0])), "}")
	epk := header[strings.Index(header, `"epk"`):]
	epk = epk[:strings.Index(epk, "}")+1]
	with := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + segment[1]
	}
	for name, c := range map[string]struct {
		header string
		want   error
	}{
		"zip":               {header + `,"zip":"DEF"}`, jose.ErrMalformed},
		"zip null":          {header + `,"zip":null}`, jose.ErrMalformed},
		"crit":              {header + `,"crit":["exp"],"exp":1}`, jose.ErrMalformed},
		"p2c":               {header + `,"p2c":1000000,"p2s":"AAAA"}`, jose.ErrMalformed},
		"PBES2":             {`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2s":"AAAAAAAAAAA"}`, jose.ErrMalformed},
		"PBES2 plainly":     {`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM"}`, jose.ErrAlgorithm},
		"GCM key wrapping":  {`{"alg":"A128GCMKW","enc":"A256GCM","iv":"AA","tag":"AA"}`, jose.ErrMalformed},
		"alg twice":         {`{"alg":"dir",` + header[1:] + `}`, jose.ErrMalformed},
		"alg none":          {`{"alg":"none","enc":"A256GCM"}`, jose.ErrAlgorithm},
		"a signature's alg": {`{"alg":"RS256","enc":"A256GCM"}`, jose.ErrAlgorithm},
		"enc of old":        {`{"alg":"ECDH-ES","enc":"A128CBC+HS256",` + epk + `}`, jose.ErrAlgorithm},
		"no enc":            {`{"alg":"ECDH-ES",` + epk + `}`, jose.ErrAlgorithm},
		"no epk":            {`{"alg":"ECDH-ES","enc":"A256GCM"}`, jose.ErrMalformed},
		"epk without need":  {`{"alg":"RSA-OAEP","enc":"A256GCM",` + epk + `}`, jose.ErrMalformed},
		"epk private":       {`{"alg":"ECDH-ES","enc":"A256GCM","epk":{"d":"AQ",` + ecMembers + `}}`, jose.ErrKey},
		"epk of a curve 25": {`{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"OKP","crv":"X25519","x":"AAAA"}}`, jose.ErrKey},
		"epk a number":      {`{"alg":"ECDH-ES","enc":"A256GCM","epk":1}`, jose.ErrMalformed},
		"cty of something":  {header + `,"cty":"zip"}`, jose.ErrType},
		"not JSON":          {`alg`, jose.ErrMalformed},
	} {
		_, plaintext, err := jose.Decrypter{}.Decrypt(with(c.header), only(private))
		if !errors.Is(err, c.want) || plaintext != nil {
			t.Errorf("%s: %q, error %v, want %v", name, plaintext, err, c.want)
		}
	}
	// Points that are not on the recipient's curve teach its key to whoever may send many (the invalid curve attack).
	for name, members := range map[string]string{
		"off the curve": `"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"`,
		"another curve": p384Members(t),
	} {
		_, plaintext, err := jose.Decrypter{}.Decrypt(with(`{"alg":"ECDH-ES","enc":"A256GCM","epk":{`+members+`}}`), only(private))
		if !errors.Is(err, jose.ErrDecryption) || plaintext != nil {
			t.Errorf("%s: %q, error %v", name, plaintext, err)
		}
	}
}

func p384Members(t testing.TB) string {
	t.Helper()
	jwk, err := gojose.JSONWebKey{Key: testKeys()[jose.ES384].Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(jwk), "{}")
}

func TestDecryptRefusesShapes(t *testing.T) {
	t.Parallel()
	private, public := recipient(t, jose.Direct, jose.A256GCM)
	d := jose.Decrypter{Algorithms: []jose.KeyManagement{jose.Direct}}
	good, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: jose.Direct, Enc: jose.A256GCM}, public)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty": "", "dots": "....", "four segments": strings.Join(s[:4], "."), "six segments": good + ".", "a JWS": rfc7515RSA,
		"padded": good + "=", "line break": good + "\n", "long IV": s[0] + ".." + s[2] + "AAAA." + s[3] + "." + s[4],
		"short tag": s[0] + ".." + s[2] + "." + s[3] + "." + s[4][:4], "long tag": good + "AAAAAAA", "key where none belongs": s[0] + ".AAAA." + strings.Join(s[2:], "."),
		"too long": strings.Repeat("A", jose.DefaultMaxSize+1),
	} {
		_, plaintext, err := d.Decrypt(token, only(private))
		if !errors.Is(err, jose.ErrMalformed) || plaintext != nil {
			t.Errorf("%s: %q, error %v", name, plaintext, err)
		}
	}
	if _, _, err := (jose.Decrypter{Algorithms: d.Algorithms, MaxSize: len(good) - 1}).Decrypt(good, only(private)); !errors.Is(err, jose.ErrMalformed) {
		t.Errorf("beyond MaxSize: %v", err)
	}
}

func TestDecryptRefusesKeys(t *testing.T) {
	t.Parallel()
	private, public := recipient(t, jose.RSAOAEP, jose.A256GCM)
	token, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: jose.RSAOAEP, Enc: jose.A256GCM}, public)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	foreign := jose.PrivateKey{Algorithm: jose.RSAOAEP, Key: other}
	for name, c := range map[string]struct {
		keys []jose.PrivateKey
		want error
	}{
		"none":                 {nil, jose.ErrKey},
		"pinned to another":    {[]jose.PrivateKey{{Algorithm: jose.RSAOAEP256, Key: private.Key}}, jose.ErrKey},
		"not pinned":           {[]jose.PrivateKey{{Key: private.Key}}, jose.ErrKey},
		"no key in it":         {[]jose.PrivateKey{{Algorithm: jose.RSAOAEP}}, jose.ErrKey},
		"nil":                  {[]jose.PrivateKey{{Algorithm: jose.RSAOAEP, Key: (*rsa.PrivateKey)(nil)}}, jose.ErrKey},
		"a curve":              {[]jose.PrivateKey{{Algorithm: jose.RSAOAEP, Key: testKeys()[jose.ES256]}}, jose.ErrKey},
		"a secret":             {[]jose.PrivateKey{{Algorithm: jose.RSAOAEP, Key: make([]byte, 32)}}, jose.ErrKey},
		"of somebody else":     {[]jose.PrivateKey{foreign}, jose.ErrDecryption},
		"the second":           {[]jose.PrivateKey{foreign, private}, nil},
		"behind too many keys": {[]jose.PrivateKey{foreign, foreign, foreign, foreign, private}, jose.ErrDecryption},
	} {
		_, plaintext, err := jose.Decrypter{}.Decrypt(token, only(c.keys...))
		if !errors.Is(err, c.want) || (plaintext != nil) != (c.want == nil) {
			t.Errorf("%s: %q, error %v, want %v", name, plaintext, err, c.want)
		}
	}
	down := errors.New("the store is down")
	_, _, err = jose.Decrypter{}.Decrypt(token, func(jose.EncryptionHeader) ([]jose.PrivateKey, error) { return nil, down })
	wantError(t, err, down)
}

// What says that it is a signed token must be one (CVE-2026-29000), and so must whatever comes where one is demanded.
func TestDecryptNested(t *testing.T) {
	t.Parallel()
	private, public := recipient(t, jose.RSAOAEP256, jose.A256GCM)
	for name, c := range map[string]struct {
		content, cty string
		nested       bool
		want         error
	}{
		"signed":                  {signed(t, jose.ES256, "JWT", claims), "JWT", true, nil},
		"signed, in a long word":  {signed(t, jose.ES256, "JWT", claims), "application/jwt", false, nil},
		"signed, without a word":  {signed(t, jose.ES256, "JWT", claims), "", true, nil},
		"claims":                  {claims, "", false, nil},
		"claims that say JWT":     {claims, "JWT", false, jose.ErrMalformed},
		"claims where not":        {claims, "", true, jose.ErrMalformed},
		"unsigned":                {rfc7515None, "JWT", false, jose.ErrMalformed},
		"unsigned where not":      {rfc7515None, "", true, jose.ErrMalformed},
		"encrypted once more":     {rfc7516A1, "JWT", false, jose.ErrMalformed},
		"nothing":                 {"", "JWT", false, jose.ErrMalformed},
		"of an unknown algorithm": {compact(`{"alg":"XS256"}`, claims, nil), "JWT", true, jose.ErrMalformed},
	} {
		token, err := jose.Encrypt([]byte(c.content), jose.EncryptionHeader{Alg: jose.RSAOAEP256, Enc: jose.A256GCM, Cty: c.cty}, public)
		if err != nil {
			t.Fatal(err)
		}
		_, plaintext, err := jose.Decrypter{Nested: c.nested}.Decrypt(token, only(private))
		if !errors.Is(err, c.want) || err == nil && string(plaintext) != c.content {
			t.Errorf("%s: %q, error %v", name, plaintext, err)
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alg  jose.KeyManagement
		enc  jose.Encryption
		key  crypto.PublicKey
		want error
	}{
		"weak RSA":          {jose.RSAOAEP, jose.A256GCM, weak.Public(), jose.ErrKey},
		"a private key":     {jose.RSAOAEP, jose.A256GCM, testKeys()[jose.RS256], jose.ErrKey},
		"a curve":           {jose.RSAOAEP, jose.A256GCM, testKeys()[jose.ES256].Public(), jose.ErrKey},
		"Ed25519":           {jose.ECDHES, jose.A256GCM, testKeys()[jose.EdDSA].Public(), jose.ErrKey},
		"X25519":            {jose.ECDHES, jose.A256GCM, x25519.PublicKey(), jose.ErrKey},
		"no key":            {jose.ECDHES, jose.A256GCM, nil, jose.ErrKey},
		"nil":               {jose.ECDHES, jose.A256GCM, (*ecdsa.PublicKey)(nil), jose.ErrKey},
		"a secret for RSA":  {jose.RSAOAEP, jose.A256GCM, make([]byte, 32), jose.ErrKey},
		"a long secret":     {jose.A128KW, jose.A256GCM, make([]byte, 32), jose.ErrKey},
		"a secret between":  {jose.A256KW, jose.A256GCM, make([]byte, 24), jose.ErrKey},
		"no secret":         {jose.RSAOAEP, jose.A256GCM, []byte{}, jose.ErrKey},
		"P-224":             {jose.ECDHES, jose.A256GCM, p224.Public(), jose.ErrKey},
		"no point":          {jose.ECDHES, jose.A256GCM, &ecdsa.PublicKey{Curve: elliptic.P256()}, jose.ErrKey},
		"a short secret":    {jose.Direct, jose.A256GCM, make([]byte, 16), jose.ErrKey},
		"PBES2":             {"PBES2-HS256+A128KW", jose.A256GCM, make([]byte, 16), jose.ErrAlgorithm},
		"none":              {"none", jose.A256GCM, nil, jose.ErrAlgorithm},
		"an unknown cipher": {jose.RSAOAEP, "A192CBC-HS384", testKeys()[jose.RS256].Public(), jose.ErrAlgorithm},
	} {
		token, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: c.alg, Enc: c.enc}, c.key)
		if !errors.Is(err, c.want) || token != "" {
			t.Errorf("%s: %q, error %v", name, token, err)
		}
	}
}

func TestEncryptionSet(t *testing.T) {
	t.Parallel()
	rsaKey, ecKey := testKeys()[jose.RS256].Public(), testKeys()[jose.ES256].Public()
	want := []jose.EncryptionKey{{ID: "e1", Algorithm: jose.RSAOAEP256, Key: rsaKey}, {ID: "e2", Algorithm: jose.ECDHES, Key: ecKey}}
	document, err := jose.Set(published(), want...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jose.ParseEncryptionSet(document)
	if err != nil || len(got) != 2 || got[0].ID != "e1" || got[1].Algorithm != jose.ECDHES {
		t.Fatalf("%v, error %v", got, err)
	}
	// A key for encryption does not verify, nor the other way round (RFC 7517 §4.2).
	signing, err := jose.ParseSet(document)
	if err != nil || len(signing) != len(published()) {
		t.Errorf("%d keys for signatures, error %v", len(signing), err)
	}
	for name, keys := range map[string][]jose.EncryptionKey{
		"a kid of the others": {{ID: published()[0].ID, Algorithm: jose.RSAOAEP, Key: rsaKey}},
		"no algorithm":        {{ID: "e", Key: rsaKey}}, "a secret": {{ID: "e", Algorithm: jose.A256KW, Key: make([]byte, 32)}},
		"a private key": {{ID: "e", Algorithm: jose.RSAOAEP, Key: testKeys()[jose.RS256]}},
	} {
		if document, err := jose.Set(published(), keys...); err == nil {
			t.Errorf("%s: %s", name, document)
		}
	}
}

func TestParseEncryptionSetLeavesOut(t *testing.T) {
	t.Parallel()
	good := `{"use":"enc",` + ecMembers + `}`
	for name, c := range map[string]struct {
		member string
		kept   bool
	}{
		"no use":              {`{` + ecMembers + `}`, true},
		"no use, an alg":      {`{"alg":"ECDH-ES+A128KW",` + ecMembers + `}`, true},
		"key_ops":             {`{"key_ops":["deriveKey"],` + ecMembers + `}`, true},
		"for signatures":      {`{"use":"sig",` + ecMembers + `}`, false},
		"key_ops verify":      {`{"key_ops":["verify"],` + ecMembers + `}`, false},
		"alg of a signature":  {`{"alg":"ES256",` + ecMembers + `}`, false},
		"alg of another kind": {`{"alg":"RSA-OAEP",` + ecMembers + `}`, false},
		"PBES2":               {`{"alg":"PBES2-HS256+A128KW",` + ecMembers + `}`, false},
		"Ed25519":             {`{` + edMembers + `}`, false},
		"unknown":             {`{"kty":"new"}`, false},
	} {
		keys, err := jose.ParseEncryptionSet([]byte(`{"keys":[` + c.member + `,` + good + `]}`))
		if err != nil || (len(keys) == 2) != c.kept {
			t.Errorf("%s: %v, error %v", name, keys, err)
		}
	}
	_, err := jose.ParseEncryptionSet([]byte(`{"keys":[{"use":"enc","d":"AQ",` + ecMembers + `}]}`))
	wantError(t, err, jose.ErrKey)
}

func TestFindEncryption(t *testing.T) {
	t.Parallel()
	rsaKey, ecKey := testKeys()[jose.RS256].Public(), testKeys()[jose.ES256].Public()
	keys := []jose.EncryptionKey{
		{ID: "a", Key: rsaKey}, {ID: "b", Algorithm: jose.RSAOAEP256, Key: rsaKey}, {ID: "c", Algorithm: jose.ECDHES, Key: ecKey},
	}
	for alg, want := range map[jose.KeyManagement]string{
		jose.RSAOAEP: "a", jose.RSAOAEP256: "b", jose.ECDHES: "c", jose.ECDHESA128KW: "", jose.A256KW: "", "none": "", "": "",
	} {
		key, err := jose.FindEncryption(keys, alg)
		if key.ID != want || (err == nil) != (want != "") || err == nil && key.Algorithm != alg {
			t.Errorf("%s: %v, error %v", alg, key, err)
		}
	}
}

// The ephemeral key of a message must not be the recipient's, nor be used twice.
func TestEncryptIsFresh(t *testing.T) {
	t.Parallel()
	_, public := recipient(t, jose.ECDHES, jose.A256GCM)
	seen := map[string]bool{}
	for range 8 {
		token, err := jose.Encrypt([]byte(claims), jose.EncryptionHeader{Alg: jose.ECDHES, Enc: jose.A256GCM}, public)
		if err != nil {
			t.Fatal(err)
		}
		var h struct{ EPK struct{ X string } }
		if err := json.Unmarshal(b64(t, strings.SplitN(token, ".", 2)[0]), &h); err != nil || seen[h.EPK.X] {
			t.Fatalf("%q again, error %v", h.EPK.X, err)
		}
		seen[h.EPK.X] = true
	}
}
