package rp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// encrypting has the upstream encrypt its ID tokens to a key.
func (u *upstream) encrypting(alg jose.KeyManagement, kid string, key crypto.PublicKey) func(signed string) string {
	return func(signed string) string {
		token, err := jose.Encrypt([]byte(signed), jose.EncryptionHeader{Alg: alg, Enc: jose.A256GCM, Kid: kid, Cty: "JWT"}, key)
		if err != nil {
			u.Error(err)
		}
		return token
	}
}

func (u *upstream) plainly(claims []byte) string {
	token, err := jose.Sign(claims, jose.Header{Alg: u.alg, Kid: u.kid, Typ: "JWT"}, u.key)
	if err != nil {
		u.Error(err)
	}
	return token
}

func curveKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// remote is a key that is elsewhere.
type remote struct{ crypto.Decrypter }

// An ID token is decrypted with the client's keys and verified like any other; what is kept of it is a hint that the provider can read (OpenID
// Connect Core §3.1.3.7, §3.1.2.1).
func TestEncryptedIDToken(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	curve := curveKey(t)
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	u.config.DecryptionKeys = []rp.DecryptionKey{
		{ID: "old", Algorithm: "ECDH-ES", Key: curveKey(t)}, {ID: "c", Algorithm: "ECDH-ES", Key: curve}, {Algorithm: "RSA-OAEP-256", Key: remote{big}},
	}
	for name, encrypt := range map[string]func(string) string{
		"ECDH-ES":                u.encrypting(jose.ECDHES, "c", &curve.PublicKey),
		"ECDH-ES without a name": u.encrypting(jose.ECDHES, "", &curve.PublicKey),
		"RSA":                    u.encrypting(jose.RSAOAEP256, "whatever", &big.PublicKey),
	} {
		u.sign = func(claims []byte) string { return encrypt(u.plainly(claims)) }
		id, err := u.login(rp.Request{})
		if err != nil || id.Subject != "248289761001" {
			t.Errorf("%s: %v, %v", name, id, err)
			continue
		}
		if strings.Count(id.IDToken, ".") != 2 {
			t.Errorf("%s: the hint is still encrypted", name)
		}
	}
	info := func(w http.ResponseWriter, _ *http.Request) { // OpenID Connect Core §5.3.2
		w.Header().Set("Content-Type", "application/jwt")
		signed := u.plainly([]byte(`{"iss":"` + u.URL + `","aud":"client","sub":"248289761001","name":"Sealed"}`))
		_, _ = w.Write([]byte(u.encrypting(jose.ECDHES, "c", &curve.PublicKey)(signed)))
	}
	u.answer(nil, info)
	if id, err := u.login(rp.Request{}); err != nil || id.Name != "Sealed" {
		t.Errorf("UserInfo: %v, %v", id, err)
	}
}

// Anybody can encrypt to a public key: what comes out is judged as if it had never been encrypted, and neither a way of encrypting that was
// not agreed on nor a token in the clear is taken instead (RFC 7519 §11.2, RFC 8725 §3.1, §3.3, OpenID Connect Core §3.1.3.7).
func TestAttackEncryptedIDToken(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	curve, stranger := curveKey(t), curveKey(t)
	u.config.DecryptionKeys = []rp.DecryptionKey{{ID: "c", Algorithm: "ECDH-ES", Key: curve}}
	seal := u.encrypting(jose.ECDHES, "c", &curve.PublicKey)
	for name, forge := range map[string]func(claims []byte) string{
		"in the clear":           u.plainly,
		"claims without a name":  func(c []byte) string { return seal(string(c)) },
		"unsigned inside":        func([]byte) string { return seal("eyJhbGciOiJub25lIn0.e30.") },
		"twice encrypted":        func(c []byte) string { return seal(seal(u.plainly(c))) },
		"to another key":         func(c []byte) string { return u.encrypting(jose.ECDHES, "c", &stranger.PublicKey)(u.plainly(c)) },
		"by another name":        func(c []byte) string { return u.encrypting(jose.ECDHES, "d", &curve.PublicKey)(u.plainly(c)) },
		"by an unagreed way":     func(c []byte) string { return u.encrypting(jose.ECDHESA128KW, "c", &curve.PublicKey)(u.plainly(c)) },
		"cut off":                func(c []byte) string { token := seal(u.plainly(c)); return token[:len(token)-6] },
		"a text of five parts":   func([]byte) string { return "a.b.c.d.e" },
		"an endless one":         func([]byte) string { return seal(strings.Repeat("a", 200<<10)) },
		"signed by a stranger":   func(c []byte) string { return seal(signedBy(t, stranger, c)) },
		"signed by the own key":  func(c []byte) string { return seal(signedBy(t, curve, c)) },
		"signed for another use": func(c []byte) string { return seal(u.signedAs(c, "logout+jwt")) },
	} {
		t.Run(name, func(t *testing.T) {
			u.sign = forge
			u.refused(u.login(rp.Request{}))
		})
	}
	u.sign = func(c []byte) string { return seal(u.plainly(c)) }
	u.edit = func(c map[string]any) { c["nonce"] = "another login's" }
	u.refused(u.login(rp.Request{}))
	u.edit = nil
	if _, err := u.login(rp.Request{}); err != nil {
		t.Errorf("without an attack: %v", err)
	}
	u.config.DecryptionKeys = nil
	u.refused(u.login(rp.Request{})) // who has no key
}

// A key is for the algorithm that it says and no other, or there is no Provider.
func TestNewNamesKeysThatDoNotDecrypt(t *testing.T) {
	t.Parallel()
	curve := curveKey(t)
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]rp.DecryptionKey{
		"no algorithm":                 {Key: curve},
		"an old one":                   {Algorithm: "RSA1_5", Key: big},
		"no key":                       {Algorithm: "ECDH-ES"},
		"a nil key":                    {Algorithm: "ECDH-ES", Key: (*ecdsa.PrivateKey)(nil)},
		"RSA for curves":               {Algorithm: "ECDH-ES", Key: big},
		"a curve for RSA":              {Algorithm: "RSA-OAEP-256", Key: curve},
		"a curve for the other RSA":    {Algorithm: "RSA-OAEP", Key: curve},
		"a remote one that is not RSA": {Algorithm: "RSA-OAEP-256", Key: strange{}},
	} {
		c := rp.Config{Issuer: "https://id.example", ClientID: "client", ClientSecret: longSecret, DecryptionKeys: []rp.DecryptionKey{{Algorithm: "RSA-OAEP", Key: big}, key}}
		if _, err := rp.New(c); err == nil || !strings.Contains(err.Error(), "Config.DecryptionKeys:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// strange is a Decrypter with a key of another kind.
type strange struct{ crypto.Decrypter }

func (strange) Public() crypto.PublicKey { return "a key" }

func signedBy(t *testing.T, key *ecdsa.PrivateKey, claims []byte) string {
	t.Helper()
	token, err := jose.Sign(claims, jose.Header{Alg: jose.ES256, Kid: "one", Typ: "JWT"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (u *upstream) signedAs(claims []byte, typ string) string {
	token, err := jose.Sign(claims, jose.Header{Alg: u.alg, Kid: u.kid, Typ: typ}, u.key)
	if err != nil {
		u.Error(err)
	}
	return token
}

// An encrypted ID token leads to somebody or to an error, and never to a panic.
func FuzzEncryptedIDToken(f *testing.F) {
	curve := curveKey(f)
	sealed, err := jose.Encrypt([]byte("eyJhbGciOiJub25lIn0.e30."), jose.EncryptionHeader{Alg: jose.ECDHES, Enc: jose.A128CBCHS256, Cty: "JWT"}, &curve.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c.d.e", "")
	f.Add(sealed, "a.b.c")
	f.Add("eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSJ9..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA", "e30")
	f.Fuzz(func(t *testing.T, token, inner string) {
		u := newUpstream(t)
		u.config.DecryptionKeys = []rp.DecryptionKey{{Algorithm: "ECDH-ES", Key: curve}}
		for _, token := range []string{token, u.encrypting(jose.ECDHES, "", &curve.PublicKey)(inner)} {
			u.sign = func([]byte) string { return token }
			if id, err := u.login(rp.Request{}); id != nil || !errors.Is(err, rp.ErrInvalid) {
				t.Errorf("%+v, %v", id, err)
			}
		}
	})
}

// What a pushed request is answered with leads somewhere or to an error.
func FuzzPushedRequestAnswer(f *testing.F) {
	f.Add(201, `{"request_uri":"urn:x:y","expires_in":60}`)
	f.Add(400, `{"error":"invalid_request","error_description":"x"}`)
	f.Add(201, `{"request_uri":1}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		u := newUpstream(t)
		u.pushes()
		u.config.PAR = true
		u.routes["/par"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = w.Write([]byte(body)) }
		to, _, err := u.provider().Begin(t.Context(), rp.Request{})
		if _, refused := errors.AsType[*rp.ResponseError](err); err != nil && !refused && !errors.Is(err, rp.ErrUnavailable) {
			t.Errorf("an error of no kind: %v", err)
		}
		if err == nil && (!strings.HasPrefix(to, u.URL+"/authorize?client_id=client&request_uri=") || strings.ContainsAny(to, "\r\n \"")) {
			t.Errorf("sent to %q", to)
		}
	})
}
