package dpop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
)

var now = time.Unix(1_900_000_000, 0)

const target = "https://api.example/v1/orders"

// byGoJOSE makes a proof as other people's clients do.
func byGoJOSE(t testing.TB, alg jose.Algorithm, claims map[string]any) string {
	t.Helper()
	key, err := jose.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	options := (&gojose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.SignatureAlgorithm(alg), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(encode(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// forger signs whatever it is told to by ES256.
type forger struct{ key *ecdsa.PrivateKey }

func newForger(t testing.TB) forger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return forger{key}
}

func (f forger) jwk(t testing.TB, key crypto.PublicKey) json.RawMessage {
	t.Helper()
	text, err := (&gojose.JSONWebKey{Key: key}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// proof has a header as it should be, changed by header; a nil takes a member away.
func (f forger) proof(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	whole := map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": f.jwk(t, f.key.Public())}
	maps.Copy(whole, header)
	maps.DeleteFunc(whole, func(_ string, v any) bool { return v == nil })
	return f.sign(t, encode(t, whole), encode(t, claims))
}

func (f forger) sign(t testing.TB, header, claims []byte) string {
	t.Helper()
	enc := base64.RawURLEncoding
	input := enc.EncodeToString(header) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, f.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + enc.EncodeToString(signature)
}

// claims are good ones, with pairs of names and values that replace them; a nil takes a claim away.
func claims(changes ...any) map[string]any {
	c := map[string]any{"jti": "one", "htm": "GET", "htu": target, "iat": now.Unix()}
	for i := 0; i < len(changes); i += 2 {
		if c[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(c, changes[i].(string))
		}
	}
	return c
}

var request = dpop.Request{Method: "GET", URL: target}

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, alg := range jose.Supported() {
		if alg == jose.Ed25519 { // go-jose does not know it
			continue
		}
		proof, err := dpop.Verifier{}.Verify([]string{byGoJOSE(t, alg, claims("nonce", "n"))}, request, now)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if len(proof.JKT) != 43 || len(proof.ID) != 43 || proof.Nonce != "n" || !proof.Until.Equal(now.Add(dpop.DefaultAge)) {
			t.Errorf("%s: %+v", alg, proof)
		}
	}
}

// TestVerifyVector holds the examples of RFC 9449 §4.1 and §7.1.
func TestVerifyVector(t *testing.T) {
	t.Parallel()
	const (
		atToken = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
			"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiU" +
			"E9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg" +
			"4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
		jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" // RFC 9449 §6.1
	)
	at := time.Unix(1562262616, 0)
	proof, err := dpop.Verifier{}.Verify([]string{atToken}, dpop.Request{Method: "POST", URL: "https://server.example.com/token"}, at)
	if err != nil || proof.JKT != jkt {
		t.Errorf("%+v, %v", proof, err)
	}
}

// TestAttackProofs holds RFC 9449 §4.3 number by number: each proof lacks one thing.
func TestAttackProofs(t *testing.T) {
	t.Parallel()
	f, other := newForger(t), newForger(t)
	private, err := (&gojose.JSONWebKey{Key: f.key}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	good := f.proof(t, nil, claims())
	head, rest, _ := strings.Cut(good, ".")
	for name, headers := range map[string][]string{
		"1 no header":                nil,
		"1 two headers":              {good, good},
		"1 an empty one":             {""},
		"1 an empty and a good one":  {"", good},
		"1 two in one":               {good + ", " + good},
		"2 no JWT":                   {"proof"},
		"2 with blanks":              {" " + good},
		"2 cut short":                {good[:len(good)-1]},
		"2 a member twice":           {f.sign(t, []byte(`{"alg":"ES256","typ":"dpop+jwt","jwk":`+string(f.jwk(t, f.key.Public()))+`}`), []byte(`{"jti":"one","jti":"two","htm":"GET","htu":"`+target+`","iat":1900000000}`))},
		"2 null":                     {f.sign(t, []byte(`{"alg":"ES256","typ":"dpop+jwt","jwk":`+string(f.jwk(t, f.key.Public()))+`}`), []byte(`null`))},
		"2 critical":                 {f.proof(t, map[string]any{"crit": []string{"x"}, "x": 1}, claims())},
		"3 no jti":                   {f.proof(t, nil, claims("jti", nil))},
		"3 jti is a number":          {f.proof(t, nil, claims("jti", 1))},
		"3 no htm":                   {f.proof(t, nil, claims("htm", nil))},
		"3 no htu":                   {f.proof(t, nil, claims("htu", nil))},
		"3 htu is a list":            {f.proof(t, nil, claims("htu", []string{target}))},
		"3 no iat":                   {f.proof(t, nil, claims("iat", nil))},
		"3 iat is text":              {f.proof(t, nil, claims("iat", "1900000000"))},
		"4 another type":             {f.proof(t, map[string]any{"typ": "JWT"}, claims())},
		"4 no type":                  {f.proof(t, map[string]any{"typ": nil}, claims())},
		"5 none":                     {f.proof(t, map[string]any{"alg": "none"}, claims())},
		"5 symmetric":                {f.proof(t, map[string]any{"alg": "HS256"}, claims())},
		"5 symmetric by its own key": {f.proof(t, map[string]any{"alg": "HS256", "jwk": map[string]string{"kty": "oct", "k": "c2VjcmV0"}}, claims())},
		"5 of another curve":         {f.proof(t, map[string]any{"alg": "ES384"}, claims())},
		"6 by another key":           {f.proof(t, map[string]any{"jwk": f.jwk(t, other.key.Public())}, claims())},
		"6 over other claims":        {head + "." + strings.Replace(rest, "A", "B", 1)},
		"7 no key":                   {f.proof(t, map[string]any{"jwk": nil}, claims())},
		"7 a private key":            {f.proof(t, map[string]any{"jwk": json.RawMessage(private)}, claims())},
		"7 a key for encryption":     {f.proof(t, map[string]any{"jwk": json.RawMessage(strings.Replace(string(f.jwk(t, f.key.Public())), "{", `{"use":"enc",`, 1))}, claims())},
		"8 another method":           {f.proof(t, nil, claims("htm", "POST"))},
		"8 the method in lower case": {f.proof(t, nil, claims("htm", "get"))},
		"9 another URL":              {f.proof(t, nil, claims("htu", target+"/1"))},
		"11 too old":                 {f.proof(t, nil, claims("iat", now.Add(-dpop.DefaultAge).Unix()))},
		"11 too young":               {f.proof(t, nil, claims("iat", now.Add(dpop.DefaultSkew+time.Second).Unix()))},
		"11 expired":                 {f.proof(t, nil, claims("exp", now.Unix()))},
		"11 not yet":                 {f.proof(t, nil, claims("nbf", now.Add(time.Hour).Unix()))},
	} {
		if proof, err := (dpop.Verifier{}).Verify(headers, request, now); !errors.Is(err, dpop.ErrProof) {
			t.Errorf("%s: %+v, %v", name, proof, err)
		}
	}
	for name, c := range map[string]map[string]any{
		"good":                  claims(),
		"within its own times":  claims("nbf", now.Unix(), "exp", now.Add(5*time.Minute).Unix()),
		"nbf within the skew":   claims("nbf", now.Add(dpop.DefaultSkew).Unix()),
		"ath where no token is": claims("ath", secret.Hash("token")),
		"as old as it may be":   claims("iat", now.Add(-dpop.DefaultAge+time.Second).Unix()),
		"as young as it may be": claims("iat", now.Add(dpop.DefaultSkew).Unix()),
	} {
		if _, err := (dpop.Verifier{}).Verify([]string{f.proof(t, nil, c)}, request, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	narrow := dpop.Verifier{Algorithms: []jose.Algorithm{jose.PS256}}
	if _, err := narrow.Verify([]string{good}, request, now); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("5 an algorithm that is not acceptable: %v", err)
	}
}

// TestAttackProofForAnotherToken holds RFC 9449 §4.3 number 12.
func TestAttackProofForAnotherToken(t *testing.T) {
	t.Parallel()
	f, with := newForger(t), dpop.Request{Method: "GET", URL: target, Token: "token"}
	for name, c := range map[string]map[string]any{
		"no ath":             claims(),
		"of another token":   claims("ath", secret.Hash("other")),
		"the token itself":   claims("ath", "token"),
		"ath is not a text":  claims("ath", 1),
		"with padding added": claims("ath", secret.Hash("token")+"="),
	} {
		if _, err := (dpop.Verifier{}).Verify([]string{f.proof(t, nil, c)}, with, now); !errors.Is(err, dpop.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (dpop.Verifier{}).Verify([]string{f.proof(t, nil, claims("ath", secret.Hash("token")))}, with, now); err != nil {
		t.Error(err)
	}
}

// TestTarget holds RFC 9449 §4.3 number 9: query and fragment do not count, and spelling does not where RFC 3986 §6.2 says so.
func TestTarget(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for htu, same := range map[string]bool{
		target:                                      true,
		target + "?a=b":                             true,
		target + "#f":                               true,
		"HTTPS://API.example:443/v1/orders":         true,
		"https://api.example/v1/./x/../orders":      true,
		"https://api.example/v1/%6frders":           true,
		"https://api.example/v1/orders/":            false,
		"https://api.example/V1/orders":             false,
		"https://api.example/v1%2forders":           false,
		"http://api.example/v1/orders":              false,
		"https://api.example:8443/v1/orders":        false,
		"https://user@api.example/v1/orders":        false,
		"https://api.example.evil.example/v1/order": false,
		"/v1/orders":                                false,
		"//api.example/v1/orders":                   false,
		"https:api.example/v1/orders":               false,
		"https://api.example/v1/orders%":            false,
		"https://api.example:/v1/orders":            true,
		"https://api.example/v1/orders%6":           false,
		"https:///v1/orders":                        false,
		"ftp://api.example/v1/orders":               false,
		"":                                          false,
	} {
		_, err := dpop.Verifier{}.Verify([]string{f.proof(t, nil, claims("htu", htu))}, request, now)
		if (err == nil) != same {
			t.Errorf("%q: %v, want acceptance %v", htu, err, same)
		}
	}
	root := dpop.Request{Method: "GET", URL: "https://api.example"}
	if _, err := (dpop.Verifier{}).Verify([]string{f.proof(t, nil, claims("htu", "https://api.example/"))}, root, now); err != nil {
		t.Errorf("an empty path is the root: %v", err)
	}
	known := dpop.Request{Method: "GET", URL: "https://mtls.api.example/v1/orders", Aliases: []string{"https://other.example/", target}}
	for htu, same := range map[string]bool{target: true, known.URL: true, "https://third.example/v1/orders": false} {
		if _, err := (dpop.Verifier{}).Verify([]string{f.proof(t, nil, claims("htu", htu))}, known, now); (err == nil) != same {
			t.Errorf("%q, which has aliases: %v", htu, err)
		}
	}
}

func TestNonces(t *testing.T) {
	t.Parallel()
	keys := []string{"new", "old"}
	n := dpop.Nonces{Period: time.Minute, MACs: func(text string) (macs []string) {
		for _, k := range keys {
			macs = append(macs, secret.Hash(k+text))
		}
		return macs
	}}
	start := now.Truncate(time.Minute)
	nonce := n.Current(start)
	for after, want := range map[time.Duration][2]bool{
		0: {true, true}, 59 * time.Second: {true, true}, time.Minute: {true, false}, 119 * time.Second: {true, false},
		2 * time.Minute: {false, false}, -time.Second: {false, false},
	} {
		if good, current := n.Known(nonce, start.Add(after)); [2]bool{good, current} != want {
			t.Errorf("after %v: %v %v, want %v", after, good, current, want)
		}
	}
	for _, bad := range []string{"", "x", nonce + "x", nonce[1:], strings.ToLower(nonce)} {
		if good, _ := n.Known(bad, start); good {
			t.Errorf("%q is known", bad)
		}
	}
	keys = []string{"newest", "new"} // the ring has moved on
	if good, _ := n.Known(nonce, start); !good {
		t.Error("a nonce under the key before is unknown")
	}
	keys = []string{"newest"}
	if good, _ := n.Known(nonce, start); good {
		t.Error("a nonce under a key that is gone is known")
	}
}

// TestAttackReplayMemory: a proof counts once, and one that is alive is not forgotten to make room (CVE-2026-41707).
func TestAttackReplayMemory(t *testing.T) {
	t.Parallel()
	at := now
	m := dpop.NewMemory(3, func() time.Time { return at })
	use := func(id string, first bool, failure error) {
		t.Helper()
		got, err := m.Use(t.Context(), id, at.Add(time.Minute))
		if got != first || !errors.Is(err, failure) {
			t.Errorf("%s: %v, %v, want %v, %v", id, got, err, first, failure)
		}
	}
	use("a", true, nil)
	use("a", false, nil)
	use("b", true, nil)
	use("c", true, nil)
	use("d", false, dpop.ErrFull)
	use("a", false, nil)
	at = at.Add(time.Minute)
	use("d", true, nil)
	use("a", true, nil) // no proof is acceptable for so long
}

func TestAttackReplayInParallel(t *testing.T) {
	t.Parallel()
	m := dpop.NewMemory(1000, func() time.Time { return now })
	var wins atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if first, err := m.Use(context.Background(), "one", now.Add(time.Minute)); first && err == nil {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d winners", wins.Load())
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	r := dpop.Request{Method: "POST", URL: target, Token: "token"}
	text, err := dpop.Sign(newForger(t).key, jose.ES256, r, "n", now)
	if err != nil {
		t.Fatal(err)
	}
	if proof, err := (dpop.Verifier{}).Verify([]string{text}, r, now); err != nil || proof.Nonce != "n" {
		t.Errorf("%+v, %v", proof, err)
	}
}

func FuzzVerify(f *testing.F) {
	forge := newForger(f)
	f.Add(forge.proof(f, nil, claims()), target)
	f.Add(forge.proof(f, nil, claims("htu", "https://api.example/%zz")), "https://api.example/%25")
	f.Add("", "")
	f.Add("e30.e30.", "https://x/..")
	f.Fuzz(func(t *testing.T, text, url string) {
		proof, err := dpop.Verifier{}.Verify([]string{text}, dpop.Request{Method: "GET", URL: url}, now)
		if (err == nil) != (proof != nil) || err != nil && !errors.Is(err, dpop.ErrProof) {
			t.Errorf("%+v, %v", proof, err)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{target, "https://a/%2e%2E/b", "HTTP://A:80", "https://[::1]:443/x", "https://a/%", "https://a//b/../c"} {
		f.Add(seed)
	}
	forge := newForger(f)
	f.Fuzz(func(t *testing.T, url string) {
		_, err := dpop.Verifier{}.Verify([]string{forge.proof(t, nil, claims("htu", url))}, request, now)
		if err == nil && !strings.HasPrefix(strings.ToLower(url), "https://api.example") {
			t.Errorf("%q passed for %s", url, target)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	headers := []string{newForger(b).proof(b, nil, claims())}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (dpop.Verifier{}).Verify(headers, request, now); err != nil {
			b.Fatal(err)
		}
	}
}
