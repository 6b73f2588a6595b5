package jose_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
)

const (
	rfc7515Payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfc7515Claims  = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"

	rfc7515HMACKey = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	rfc7515HMAC    = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfc7515Payload + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

	rfc7515RSAKey = `{"keys":[{"kty":"RSA","e":"AQAB",` +
		`"n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_` +
		`YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qC` +
		`o5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}`
	rfc7515RSA = "eyJhbGciOiJSUzI1NiJ9." + rfc7515Payload +
		".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4" +
		"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv" +
		"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"

	rfc7515ECKey = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	rfc7515EC    = "eyJhbGciOiJFUzI1NiJ9." + rfc7515Payload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

	rfc7515None = "eyJhbGciOiJub25lIn0." + rfc7515Payload + "."

	rfc8037Seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	rfc8037Key  = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	rfc8037     = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

func TestVerifyRFCExamples(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ set, token, payload string }{
		"RFC 7515 A.2": {rfc7515RSAKey, rfc7515RSA, rfc7515Claims},
		"RFC 7515 A.3": {rfc7515ECKey, rfc7515EC, rfc7515Claims},
		"RFC 8037 A.5": {rfc8037Key, rfc8037, "Example of Ed25519 signing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := jose.ParseSet([]byte(c.set))
			if err != nil {
				t.Fatal(err)
			}
			_, payload, err := jose.Verifier{}.Verify(c.token, func(h jose.Header) (jose.PublicKey, error) { return jose.Find(keys, h) })
			if err != nil || string(payload) != c.payload {
				t.Errorf("payload %q, error %v", payload, err)
			}
		})
	}
}

func TestVerifyRFC7515HMAC(t *testing.T) {
	t.Parallel()
	key := pinned(jose.HS256, b64(t, rfc7515HMACKey))
	h, payload, err := jose.Verifier{Algorithms: []jose.Algorithm{jose.HS256}}.Verify(rfc7515HMAC, key)
	if err != nil || string(payload) != rfc7515Claims || h != (jose.Header{Alg: jose.HS256, Typ: "JWT"}) {
		t.Errorf("header %v, payload %q, error %v", h, payload, err)
	}
	_, _, err = jose.Verifier{}.Verify(rfc7515HMAC, key)
	wantError(t, err, jose.ErrAlgorithm)
}

func TestVerifyRFC7515None(t *testing.T) {
	t.Parallel()
	_, _, err := jose.Verifier{}.Verify(rfc7515None, pinned(jose.RS256, testKeys()[jose.RS256].Public()))
	wantError(t, err, jose.ErrAlgorithm)
}

func TestSignRFC8037(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(b64(t, rfc8037Seed))
	token, err := jose.Sign([]byte("Example of Ed25519 signing"), jose.Header{Alg: jose.EdDSA}, key)
	if err != nil || token != rfc8037 {
		t.Errorf("token %q, error %v", token, err)
	}
}

func TestThumbprintRFCExamples(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ set, want string }{
		"RFC 7638 3.1": {`{"keys":[{"kty":"RSA","e":"AQAB","alg":"RS256","kid":"2011-04-29","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		"RFC 8037 A.3": {rfc8037Key, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		keys, err := jose.ParseSet([]byte(c.set))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := jose.Thumbprint(keys[0].Key); err != nil || got != c.want {
			t.Errorf("%s: %q, error %v", name, got, err)
		}
	}
}

// The values are those of OpenID Connect Core, appendix A.4 and A.6.
func TestHalfHashOpenIDExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, want string }{
		{"jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"},
		{"Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"},
	} {
		if got, err := jose.HalfHash(jose.RS256, c.value); err != nil || got != c.want {
			t.Errorf("%q, error %v, want %q", got, err, c.want)
		}
	}
}

func TestHalfHashLengths(t *testing.T) {
	t.Parallel()
	for a, size := range map[jose.Algorithm]int{jose.PS256: 16, jose.ES256: 16, jose.HS256: 16, jose.ES384: 24, jose.RS384: 24, jose.PS384: 24, jose.HS384: 24, jose.ES512: 32, jose.RS512: 32, jose.EdDSA: 32} {
		got, err := jose.HalfHash(a, "value")
		if err != nil || len(b64(t, got)) != size {
			t.Errorf("%s: %q, error %v, want %d bytes", a, got, err, size)
		}
	}
	_, err := jose.HalfHash("none", "value")
	wantError(t, err, jose.ErrAlgorithm)
}
