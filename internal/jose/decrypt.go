package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/strictjson"
)

// PrivateKey is a key that decrypts. It is for one algorithm.
type PrivateKey struct {
	ID        string
	Algorithm KeyManagement
	// Key is a [crypto.Decrypter] with an RSA key behind it (an *rsa.PrivateKey, a KMS), an *ecdsa.PrivateKey, or a secret as a
	// []byte.
	Key crypto.PrivateKey
}

// Decrypter says which encrypted tokens are acceptable in one place. The zero value accepts KeyManagements, Encryptions, no cty
// or "JWT", and up to DefaultMaxSize. It is a value without state: copy and share it freely, but do not change its slices.
type Decrypter struct {
	// Algorithms that may be used; nil means KeyManagements. A key's own algorithm must match besides.
	Algorithms []KeyManagement
	// Encryptions that may be used; nil means all.
	Encryptions []Encryption
	// MaxSize is the largest token in bytes, judged before anything is read. 0 means DefaultMaxSize.
	MaxSize int
	// Nested demands that the content is a signed token. Without it that is still demanded of a token that says so in
	// "cty", and the caller judges what else comes out.
	Nested bool
}

// maxCandidates is how many keys are tried for a token that does not name one: the current and the retired of one algorithm.
const maxCandidates = 4

// Decrypt returns the header and the content of token, neither of which says anything about who sent it.
//
// keys finds the keys for a header that is well-formed and allowed; at most four are tried. It must return ErrKey when there is
// none; any other error is returned wrapped. Whatever fails from there on is ErrDecryption, without a reason.
//
// Other errors are ErrMalformed, ErrAlgorithm, ErrKey, and ErrType for a "cty" that is not "JWT".
func (d Decrypter) Decrypt(token string, keys func(EncryptionHeader) ([]PrivateKey, error)) (EncryptionHeader, []byte, error) {
	h, err := d.peek(token)
	if err != nil {
		return EncryptionHeader{}, nil, err
	}
	candidates, err := keys(h)
	if err != nil {
		return EncryptionHeader{}, nil, fmt.Errorf("jose: find key: %w", err)
	}
	message, err := gojose.ParseEncryptedCompact(token,
		[]gojose.KeyAlgorithm{gojose.KeyAlgorithm(h.Alg)}, []gojose.ContentEncryption{gojose.ContentEncryption(h.Enc)})
	if err != nil {
		return EncryptionHeader{}, nil, fmt.Errorf("%w: not a compact JWE", ErrMalformed)
	}
	plaintext, err := open(message, h, candidates)
	if err != nil {
		return EncryptionHeader{}, nil, err
	}
	if d.Nested || h.Cty != "" {
		if _, err := parse(string(plaintext), len(plaintext)); err != nil {
			return EncryptionHeader{}, nil, fmt.Errorf("%w: the content is not a signed token", ErrMalformed)
		}
	}
	return h, plaintext, nil
}

// IsEncrypted reports whether token has the five segments of a compact JWE (RFC 7516 §9).
func IsEncrypted(token string) bool { return strings.Count(token, ".") == 4 }

// open tries the candidates that are for the token's algorithm.
func open(message *gojose.JSONWebEncryption, h EncryptionHeader, candidates []PrivateKey) ([]byte, error) {
	content, err := h.Enc.sizes()
	if err != nil {
		return nil, err
	}
	tried := 0
	for _, k := range candidates {
		public, ok := k.public()
		if k.Algorithm != h.Alg || !ok || h.Alg.admit(h.Enc, public) != nil || tried == maxCandidates {
			continue
		}
		tried++
		if plaintext, err := message.Decrypt(k.decrypter(h.Alg, content.key)); err == nil {
			return plaintext, nil
		}
	}
	if tried == 0 {
		return nil, fmt.Errorf("%w: none fits", ErrKey)
	}
	return nil, ErrDecryption
}

// public returns the half of the key that KeyManagement.admit judges.
func (k PrivateKey) public() (crypto.PublicKey, bool) {
	switch key := k.Key.(type) {
	case []byte:
		return key, true
	case *ecdsa.PrivateKey:
		if key == nil || key.PublicKey.Curve == nil {
			return nil, false
		}
		return &key.PublicKey, true
	case *rsa.PrivateKey:
		if key == nil {
			return nil, false
		}
		return &key.PublicKey, true
	case crypto.Decrypter:
		public, ok := key.Public().(*rsa.PublicKey)
		return public, ok
	}
	return nil, false
}

// decrypter returns the key as go-jose takes it.
func (k PrivateKey) decrypter(alg KeyManagement, keySize int) any {
	if key, ok := k.Key.(crypto.Decrypter); ok {
		return rsaDecrypter{key: key, alg: alg, size: keySize}
	}
	return k.Key
}

// rsaDecrypter unwraps with any RSA key, be it in memory or in a KMS.
type rsaDecrypter struct {
	key  crypto.Decrypter
	alg  KeyManagement
	size int // of the content's key
}

// DecryptKey implements gojose.OpaqueKeyDecrypter.
func (d rsaDecrypter) DecryptKey(encrypted []byte, _ gojose.Header) ([]byte, error) {
	switch d.alg {
	case RSAOAEP:
		return d.key.Decrypt(rand.Reader, encrypted, &rsa.OAEPOptions{Hash: crypto.SHA1})
	case RSAOAEP256:
		return d.key.Decrypt(rand.Reader, encrypted, &rsa.OAEPOptions{Hash: crypto.SHA256})
	case InsecureRSA15:
		// A session key of the right size comes out whatever went in, and fails like any wrong one (RFC 7516 §11.5).
		//lint:ignore SA1019 only where a caller has asked for it by a name that says Insecure
		return d.key.Decrypt(rand.Reader, encrypted, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: d.size})
	}
	return nil, errors.New("jose: no RSA algorithm")
}

// peek judges all that can be judged of a token without a key.
func (d Decrypter) peek(token string) (EncryptionHeader, error) {
	if limit := d.maxSize(); len(token) > limit {
		return EncryptionHeader{}, fmt.Errorf("%w: token longer than %d bytes", ErrMalformed, limit)
	}
	segment := strings.Split(token, ".")
	if len(segment) != 5 {
		return EncryptionHeader{}, fmt.Errorf("%w: not five segments", ErrMalformed)
	}
	var decoded [5][]byte
	for i := range segment {
		var err error
		if decoded[i], err = decodeSegment(segment[i]); err != nil {
			return EncryptionHeader{}, err
		}
	}
	h, err := parseEncryptionHeader(decoded[0])
	if err != nil {
		return EncryptionHeader{}, err
	}
	if !slices.Contains(d.algorithms(), h.Alg) || !slices.Contains(d.encryptions(), h.Enc) {
		return EncryptionHeader{}, fmt.Errorf("%w: not allowed here", ErrAlgorithm)
	}
	content, err := h.Enc.sizes()
	switch {
	case err != nil:
		return EncryptionHeader{}, err
	case len(decoded[2]) != content.iv || len(decoded[4]) != content.tag:
		return EncryptionHeader{}, fmt.Errorf("%w: initialization vector or tag of another size", ErrMalformed)
	case h.Alg.agrees() != (len(decoded[1]) == 0): // RFC 7516 §5.2 step 10
		return EncryptionHeader{}, fmt.Errorf("%w: encrypted key missing, or where none belongs", ErrMalformed)
	case h.Cty != "" && !sameType(h.Cty, "JWT"):
		return EncryptionHeader{}, ErrType
	}
	return h, nil
}

func (d Decrypter) maxSize() int {
	if d.MaxSize <= 0 {
		return DefaultMaxSize
	}
	return d.MaxSize
}

func (d Decrypter) algorithms() []KeyManagement {
	if d.Algorithms == nil {
		return KeyManagements()
	}
	return d.Algorithms
}

func (d Decrypter) encryptions() []Encryption {
	if d.Encryptions == nil {
		return Encryptions()
	}
	return d.Encryptions
}

// parseEncryptionHeader refuses, besides what parseHeader refuses, compression, whose output nobody can foretell (RFC 8725 §3.6), and the
// members of algorithms that are not supported.
func parseEncryptionHeader(data []byte) (EncryptionHeader, error) {
	var h struct {
		Alg  KeyManagement   `json:"alg"`
		Enc  Encryption      `json:"enc"`
		Kid  string          `json:"kid"`
		Typ  string          `json:"typ"`
		Cty  string          `json:"cty"`
		EPK  json.RawMessage `json:"epk"`
		Apu  string          `json:"apu"`
		Apv  string          `json:"apv"`
		Crit json.RawMessage `json:"crit"`
		Zip  json.RawMessage `json:"zip"`
		P2s  json.RawMessage `json:"p2s"`
		P2c  json.RawMessage `json:"p2c"`
		IV   json.RawMessage `json:"iv"`
		Tag  json.RawMessage `json:"tag"`
		B64  json.RawMessage `json:"b64"`
	}
	if err := strictjson.Unmarshal(data, &h); err != nil {
		return EncryptionHeader{}, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	for _, member := range []json.RawMessage{h.Crit, h.Zip, h.P2s, h.P2c, h.IV, h.Tag, h.B64} {
		if member != nil {
			return EncryptionHeader{}, fmt.Errorf("%w: header that may not be ignored", ErrMalformed)
		}
	}
	if !h.Alg.known() {
		return EncryptionHeader{}, fmt.Errorf("%w: unsupported key management", ErrAlgorithm)
	}
	if _, err := h.Enc.sizes(); err != nil {
		return EncryptionHeader{}, err
	}
	if err := checkEphemeral(h.Alg, h.EPK); err != nil {
		return EncryptionHeader{}, err
	}
	return EncryptionHeader{Alg: h.Alg, Enc: h.Enc, Kid: h.Kid, Typ: h.Typ, Cty: h.Cty}, nil
}

// checkEphemeral judges the sender's key of an agreement (RFC 7518 §4.6.1.1). That it is a point of the recipient's curve is
// go-jose's to check, which does the agreement.
func checkEphemeral(alg KeyManagement, epk json.RawMessage) error {
	if (epk != nil) != alg.overCurve() {
		return fmt.Errorf("%w: epk missing, or where none belongs", ErrMalformed)
	}
	if epk == nil {
		return nil
	}
	var k jwk
	if err := strictjson.Unmarshal(epk, &k); err != nil {
		return fmt.Errorf("%w: epk: %v", ErrMalformed, err)
	}
	if k.private() || k.Kty != "EC" {
		return fmt.Errorf("%w: epk", ErrKey)
	}
	return nil
}
