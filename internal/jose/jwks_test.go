package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/jose"
)

func published() []jose.PublicKey {
	var keys []jose.PublicKey
	for _, a := range jose.Supported() {
		key := testKeys()[a].Public()
		keys = append(keys, jose.PublicKey{ID: "for " + string(a), Algorithm: a, Key: key})
	}
	return keys
}

func TestSetMembers(t *testing.T) {
	t.Parallel()
	document, err := jose.Set(published())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(document, &set); err != nil {
		t.Fatal(err)
	}
	const rsaMembers, ecMembers, edMembers = "alg e kid kty n use", "alg crv kid kty use x y", "alg crv kid kty use x"
	for i, want := range []string{
		rsaMembers, rsaMembers, ecMembers, ecMembers, edMembers, edMembers, rsaMembers, rsaMembers, rsaMembers, rsaMembers, ecMembers,
	} {
		got := strings.Join(slices.Sorted(maps.Keys(set.Keys[i])), " ")
		if got != want || set.Keys[i]["use"] != "sig" || set.Keys[i]["alg"] != string(jose.Supported()[i]) {
			t.Errorf("key %d: %v, want members %s", i, set.Keys[i], want)
		}
	}
}

func TestSetRoundTrip(t *testing.T) {
	t.Parallel()
	want := published()
	document, err := jose.Set(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jose.ParseSet(document)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d keys, error %v", len(got), err)
	}
	for i, k := range got {
		same := k.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(want[i].Key)
		if !same || k.ID != want[i].ID || k.Algorithm != want[i].Algorithm {
			t.Errorf("key %d: %v, want %v", i, k, want[i])
		}
	}
	var peer gojose.JSONWebKeySet
	if err := json.Unmarshal(document, &peer); err != nil || len(peer.Keys) != len(want) {
		t.Fatalf("go-jose read %d keys, error %v", len(peer.Keys), err)
	}
	for _, k := range peer.Keys {
		if !k.Valid() || !k.IsPublic() {
			t.Errorf("go-jose does not like %v", k)
		}
	}
}

func TestSetEmpty(t *testing.T) {
	t.Parallel()
	document, err := jose.Set(nil)
	if err != nil || string(document) != `{"keys":[]}` {
		t.Errorf("%s, error %v", document, err)
	}
	keys, err := jose.ParseSet(document)
	if err != nil || len(keys) != 0 {
		t.Errorf("%v, error %v", keys, err)
	}
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	good := published()[0]
	for name, c := range map[string]struct {
		keys []jose.PublicKey
		want error
	}{
		"private key":   {[]jose.PublicKey{{ID: "k", Algorithm: jose.RS256, Key: testKeys()[jose.RS256]}}, jose.ErrKey},
		"secret":        {[]jose.PublicKey{{ID: "k", Algorithm: jose.HS256, Key: make([]byte, 32)}}, jose.ErrAlgorithm},
		"no algorithm":  {[]jose.PublicKey{{ID: "k", Key: good.Key}}, jose.ErrAlgorithm},
		"no kid":        {[]jose.PublicKey{{Algorithm: good.Algorithm, Key: good.Key}}, jose.ErrKey},
		"one kid twice": {[]jose.PublicKey{good, good}, jose.ErrKey},
		"no key":        {[]jose.PublicKey{{ID: "k", Algorithm: jose.RS256}}, jose.ErrKey},
	} {
		document, err := jose.Set(c.keys)
		if !errors.Is(err, c.want) || document != nil {
			t.Errorf("%s: %s, error %v", name, document, err)
		}
	}
}

const (
	ecMembers  = `"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	edMembers  = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	goodMember = `{"kid":"good",` + edMembers + `}`
)

func TestParseSetRefusesPrivateKeys(t *testing.T) {
	t.Parallel()
	for _, member := range []string{
		`{"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",` + ecMembers + `}`,
		`{"d":null,` + ecMembers + `}`,
		`{"d":"",` + ecMembers + `}`,
		`{"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",` + edMembers + `}`,
		`{"kty":"oct","k":"AAAA"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB","p":"AQ"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB","q":"AQ"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB","dp":"AQ"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB","dq":"AQ"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB","qi":"AQ"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB","oth":[]}`,
		`{"kty":"AKP","alg":"ML-DSA-44","pub":"AQ","priv":"AQ"}`,
		`{"use":"enc","d":"AQ",` + ecMembers + `}`,
	} {
		keys, err := jose.ParseSet([]byte(`{"keys":[` + goodMember + `,` + member + `]}`))
		if !errors.Is(err, jose.ErrKey) || keys != nil {
			t.Errorf("%s: %v, error %v", member, keys, err)
		}
	}
}

// What cannot verify is left out beside a good key (RFC 7517 §5), and reported when it is all there is.
func TestParseSetLeavesOut(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakJWK, err := gojose.JSONWebKey{Key: weak.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, member := range map[string]string{
		"use enc":                `{"use":"enc",` + ecMembers + `}`,
		"use in capitals":        `{"use":"SIG",` + ecMembers + `}`,
		"key_ops encrypt":        `{"key_ops":["encrypt"],` + ecMembers + `}`,
		"key_ops empty":          `{"key_ops":[],` + ecMembers + `}`,
		"weak RSA":               string(weakJWK),
		"RSA exponent 1":         `{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"AQ"}`,
		"RSA exponent even":      `{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"AQAA"}`,
		"RSA exponent large":     `{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"AQAAAAE"}`,
		"RSA huge":               `{"kty":"RSA","n":"` + strings.Repeat("_", 12000) + `","e":"AQAB"}`,
		"RSA without members":    `{"kty":"RSA"}`,
		"alg for encryption":     `{"alg":"ECDH-ES",` + ecMembers + `}`,
		"alg none":               `{"alg":"none",` + ecMembers + `}`,
		"alg HS256":              `{"alg":"HS256",` + ecMembers + `}`,
		"alg of another curve":   `{"alg":"ES384",` + ecMembers + `}`,
		"unknown kty":            `{"kty":"new"}`,
		"no kty":                 `{}`,
		"P-521":                  `{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}`,
		"secp256k1":              `{"kty":"EC","crv":"secp256k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"off the curve":          `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}`,
		"coordinate of zero":     `{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		"padded coordinate":      `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"short Ed25519":          `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`,
		"X25519":                 `{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"certificate as the key": `{"kty":"RSA","x5c":["AAAA"]}`,
	} {
		keys, err := jose.ParseSet([]byte(`{"keys":[` + member + `,` + goodMember + `]}`))
		if err != nil || len(keys) != 1 || keys[0].ID != "good" {
			t.Errorf("%s: %v, error %v", name, keys, err)
		}
		keys, err = jose.ParseSet([]byte(`{"keys":[` + member + `]}`))
		if !errors.Is(err, jose.ErrKey) || keys != nil {
			t.Errorf("%s alone: %v, error %v", name, keys, err)
		}
	}
}

// A certificate beside a key says whose it is (RFC 7517 §4.7): one of another key spoils it, and one that nobody can read says nothing.
func TestParseSetCertificates(t *testing.T) {
	t.Parallel()
	key := testKeys()[jose.ES256]
	certificate := func(key crypto.Signer) string {
		template := &x509.Certificate{SerialNumber: big.NewInt(1)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return `["` + base64.StdEncoding.EncodeToString(der) + `"]`
	}
	document, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	with := func(chain string) []byte {
		return []byte(strings.Replace(string(document), `"kty"`, `"x5u":"https://attacker.example","x5c":`+chain+`,"kty"`, 1))
	}
	if keys, err := jose.ParseSet(with(certificate(key))); err != nil || len(keys) != 1 || keys[0].Certificate == nil {
		t.Errorf("its own: %v, %v", keys, err)
	}
	for _, other := range []jose.Algorithm{jose.ES384, jose.RS256, jose.EdDSA} {
		keys, err := jose.ParseSet(with(certificate(testKeys()[other])))
		if !errors.Is(err, jose.ErrKey) || len(keys) != 0 {
			t.Errorf("of another key, for %s: %v, %v", other, keys, err)
		}
	}
	for _, chain := range []string{`[]`, `["not a certificate"]`, `["AAAA"]`, `"AAAA"`, `5`, `[5]`} {
		keys, err := jose.ParseSet(with(chain))
		if err != nil || len(keys) != 1 || keys[0].Certificate != nil {
			t.Errorf("%s: %v, %v", chain, keys, err)
		}
	}
}

// A key has one spelling (RFC 7518 §6.2.1.2, §6.3.1.2; RFC 8037 §2), or it would have several thumbprints.
func TestParseSetRefusesSpellings(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	public, ok := testKeys()[jose.ES256].Public().(*ecdsa.PublicKey)
	if !ok {
		t.Fatal("no elliptic curve")
	}
	point, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, ok := testKeys()[jose.RS256].Public().(*rsa.PublicKey)
	if !ok {
		t.Fatal("no RSA")
	}
	ec := func(x, y []byte) string {
		return `"kty":"EC","crv":"P-256","x":"` + encode(x) + `","y":"` + encode(y) + `"`
	}
	exponent := func(e ...byte) string {
		return `"kty":"RSA","n":"` + encode(rsaKey.N.Bytes()) + `","e":"` + encode(e) + `"`
	}
	ed := func(kty, x string) string { return `"kty":"` + kty + `","crv":"Ed25519","x":"` + x + `"` }
	whole := encode(make([]byte, 32))
	for name, c := range map[string]struct {
		key  string
		good bool
	}{
		"a point":                       {ec(point[1:33], point[33:]), true},
		"coordinates that are shifted":  {ec(point[1:32], point[32:]), false},
		"no x":                          {ec(nil, point[1:]), false},
		"an exponent":                   {exponent(1, 0, 1), true},
		"an exponent of 33 bits":        {exponent(1, 0, 0, 0, 1), false},
		"an exponent that wraps around": {exponent(1, 0, 0, 0, 0, 0, 1, 0, 1), false},
		"Ed25519":                       {ed("OKP", whole), true},
		"Ed25519 of another kind":       {ed("oct", whole), false},
		"Ed25519 that is too short":     {ed("OKP", encode(make([]byte, 31))), false},
		"Ed25519 that is no base64url":  {ed("OKP", "!"), false},
	} {
		keys, err := jose.ParseSet([]byte(`{"keys":[{` + c.key + `}]}`))
		if c.good != (err == nil) || c.good != (len(keys) == 1) || !c.good && !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}

func TestParseSetRefusesDocuments(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"empty":              ``,
		"null":               `null`,
		"no keys":            `{}`,
		"null keys":          `{"keys":null}`,
		"keys is an object":  `{"keys":{}}`,
		"keys in capitals":   `{"KEYS":[` + goodMember + `]}`,
		"keys twice":         `{"keys":[],"keys":[]}`,
		"member twice":       `{"keys":[{"kid":"a","kid":"b",` + edMembers + `}]}`,
		"private in capital": `{"keys":[{"D":"AQ",` + ecMembers + `}]}`,
		"trailing data":      `{"keys":[]} x`,
		"a bare key":         goodMember,
		"kid is a number":    `{"keys":[{"kid":1,` + edMembers + `}]}`,
		"too many":           `{"keys":[` + strings.Repeat(`{},`, 256) + `{}]}`,
		"too long":           `{"keys":[]}` + strings.Repeat(" ", 256<<10),
	} {
		keys, err := jose.ParseSet([]byte(document))
		if !errors.Is(err, jose.ErrMalformed) || keys != nil {
			t.Errorf("%s: %v, error %v", name, keys, err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	rsaKey, ecKey, edKey := testKeys()[jose.RS256].Public(), testKeys()[jose.ES256].Public(), testKeys()[jose.EdDSA].Public()
	keys := []jose.PublicKey{
		{ID: "a", Algorithm: jose.RS256, Key: rsaKey},
		{ID: "b", Key: rsaKey},
		{ID: "c", Algorithm: jose.ES256, Key: ecKey},
		{ID: "d", Algorithm: jose.EdDSA, Key: edKey},
		{ID: "d", Algorithm: jose.EdDSA, Key: edKey},
		{ID: "e", Algorithm: jose.HS256, Key: make([]byte, 32)},
		{ID: "f", Key: make([]byte, 32)},
	}
	for _, c := range []struct {
		header jose.Header
		want   string // the kid, or "" for none
	}{
		{jose.Header{Alg: jose.RS256, Kid: "a"}, "a"},
		{jose.Header{Alg: jose.PS256, Kid: "a"}, ""},
		{jose.Header{Alg: jose.RS256, Kid: "b"}, "b"},
		{jose.Header{Alg: jose.PS256, Kid: "b"}, "b"},
		{jose.Header{Alg: jose.ES256, Kid: "b"}, ""},
		{jose.Header{Alg: jose.ES256}, "c"},
		{jose.Header{Alg: jose.RS256}, ""}, // a and b
		{jose.Header{Alg: jose.EdDSA, Kid: "d"}, ""},
		{jose.Header{Alg: jose.HS256, Kid: "e"}, ""},
		{jose.Header{Alg: jose.HS256, Kid: "f"}, ""},
		{jose.Header{Alg: jose.RS256, Kid: "A"}, ""},
		{jose.Header{Alg: "", Kid: "b"}, ""},
	} {
		got, err := jose.Find(keys, c.header)
		if got.ID != c.want || (err == nil) != (c.want != "") || err != nil && !errors.Is(err, jose.ErrKey) {
			t.Errorf("%v: %v, error %v, want %q", c.header, got, err, c.want)
		}
		if err == nil && got.Algorithm != c.header.Alg {
			t.Errorf("%v: pinned to %s", c.header, got.Algorithm)
		}
	}
}

func TestThumbprintRefuses(t *testing.T) {
	t.Parallel()
	for _, key := range []crypto.PublicKey{
		nil, testKeys()[jose.RS256], make([]byte, 32), (*rsa.PublicKey)(nil), (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}, &ecdsa.PublicKey{Curve: elliptic.P256()}, ed25519.PublicKey{1}, "key",
	} {
		thumbprint, err := jose.Thumbprint(key)
		if !errors.Is(err, jose.ErrKey) || thumbprint != "" {
			t.Errorf("%T: %q, error %v", key, thumbprint, err)
		}
	}
}

// ExampleSet shows what jwks_uri answers.
func ExampleSet() {
	keys, err := jose.ParseSet([]byte(`{"keys":[{"kid":"2026-01","alg":"EdDSA",` + edMembers + `}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	document, err := jose.Set(keys)
	fmt.Println(string(document), err)
	// Output: {"keys":[{"use":"sig","kid":"2026-01","alg":"EdDSA","crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]} <nil>
}
