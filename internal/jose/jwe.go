package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"

	gojose "github.com/go-jose/go-jose/v4"
)

// KeyManagement is a value of the "alg" header of a JWE (RFC 7518 §4.1): how the content's key reaches the recipient.
type KeyManagement string

// The key management algorithms. PBES2 is not among them: the sender would say how long we must compute.
const (
	RSAOAEP      KeyManagement = "RSA-OAEP"
	RSAOAEP256   KeyManagement = "RSA-OAEP-256"
	ECDHES       KeyManagement = "ECDH-ES"
	ECDHESA128KW KeyManagement = "ECDH-ES+A128KW"
	ECDHESA256KW KeyManagement = "ECDH-ES+A256KW"
	A128KW       KeyManagement = "A128KW"
	A256KW       KeyManagement = "A256KW"
	Direct       KeyManagement = "dir"

	// InsecureRSA15 has been the way into many programs that told apart how a decryption failed (RFC 8725 §3.2). A
	// Decrypter accepts it only where its Algorithms name it.
	InsecureRSA15 KeyManagement = "RSA1_5"
)

// KeyManagements returns the algorithms that encrypt to a public key, in the order in which metadata should list them.
func KeyManagements() []KeyManagement {
	return []KeyManagement{RSAOAEP256, RSAOAEP, ECDHES, ECDHESA128KW, ECDHESA256KW}
}

// SymmetricKeyManagements returns the algorithms that encrypt to a shared secret; for the size of the secret see
// KeyManagement.SecretSize.
func SymmetricKeyManagements() []KeyManagement { return []KeyManagement{A128KW, A256KW, Direct} }

// Encryption is a value of the "enc" header (RFC 7518 §5.1): how the content is encrypted.
type Encryption string

// The content encryption algorithms.
const (
	A128GCM      Encryption = "A128GCM"
	A192GCM      Encryption = "A192GCM"
	A256GCM      Encryption = "A256GCM"
	A128CBCHS256 Encryption = "A128CBC-HS256" // the default wherever OpenID Connect names one
	A256CBCHS512 Encryption = "A256CBC-HS512"
)

// Encryptions returns the content encryption algorithms in the order in which metadata should list them.
func Encryptions() []Encryption {
	return []Encryption{A128CBCHS256, A256GCM, A128GCM, A192GCM, A256CBCHS512}
}

// sizes are lengths in bytes.
type sizes struct{ key, iv, tag int }

func (e Encryption) sizes() (sizes, error) {
	switch e {
	case A128GCM:
		return sizes{16, 12, 16}, nil
	case A192GCM:
		return sizes{24, 12, 16}, nil
	case A256GCM:
		return sizes{32, 12, 16}, nil
	case A128CBCHS256:
		return sizes{32, 16, 16}, nil
	case A256CBCHS512:
		return sizes{64, 16, 32}, nil
	}
	return sizes{}, fmt.Errorf("%w: unsupported content encryption", ErrAlgorithm)
}

// SecretSize is the length in bytes of the shared secret for one of SymmetricKeyManagements with e; anything else is
// ErrAlgorithm.
func (a KeyManagement) SecretSize(e Encryption) (int, error) {
	content, err := e.sizes()
	if err != nil {
		return 0, err
	}
	switch a {
	case A128KW:
		return 16, nil
	case A256KW:
		return 32, nil
	case Direct:
		return content.key, nil
	}
	return 0, fmt.Errorf("%w: no secret is for it", ErrAlgorithm)
}

func (a KeyManagement) known() bool {
	return a == InsecureRSA15 || slices.Contains(KeyManagements(), a) || slices.Contains(SymmetricKeyManagements(), a)
}

// agrees reports whether the key of the content is agreed on rather than sent, which leaves nothing to send (RFC 7516 §5.2).
func (a KeyManagement) agrees() bool { return a == ECDHES || a == Direct }

func (a KeyManagement) overCurve() bool { return a == ECDHES || a == ECDHESA128KW || a == ECDHESA256KW }

// admit judges whether key is of a's kind and strong enough. It takes public keys and secrets.
func (a KeyManagement) admit(e Encryption, key any) error {
	content, err := e.sizes()
	if err != nil {
		return err
	}
	if !a.known() {
		return fmt.Errorf("%w: unsupported key management", ErrAlgorithm)
	}
	fits := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		fits = (a == RSAOAEP || a == RSAOAEP256 || a == InsecureRSA15) && strongRSA(key)
	case *ecdsa.PublicKey:
		fits = a.overCurve() && key != nil && isAgreementCurve(key.Curve) && isPoint(key)
	case []byte:
		size := map[KeyManagement]int{A128KW: 16, A256KW: 32, Direct: content.key}[a]
		fits = size > 0 && len(key) == size
	}
	if !fits {
		return fmt.Errorf("%w: %T is no key for %s, or of the wrong size", ErrKey, key, a)
	}
	return nil
}

// admitPublic is admit without secrets, and without a content: the key of a pair serves them all.
func (a KeyManagement) admitPublic(key crypto.PublicKey) error {
	if slices.Contains(SymmetricKeyManagements(), a) {
		return fmt.Errorf("%w: %s is symmetric", ErrAlgorithm, a)
	}
	return a.admit(A256GCM, key)
}

func isAgreementCurve(c elliptic.Curve) bool {
	return c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521()
}

// EncryptionHeader holds the members of a JWE header that mean something here. Kid, Typ and Cty are empty when absent.
type EncryptionHeader struct {
	Alg KeyManagement
	Enc Encryption
	Kid string
	Typ string
	// Cty is "JWT" when the content is itself a signed token (RFC 7519 §5.2).
	Cty string
}

// Encrypt returns the compact serialization (RFC 7516 §7.1) of plaintext for the holder of key: an *rsa.PublicKey, an
// *ecdsa.PublicKey, or for one of SymmetricKeyManagements a []byte of its SecretSize. It never compresses. What does not fit is
// ErrAlgorithm or ErrKey.
func Encrypt(plaintext []byte, h EncryptionHeader, key crypto.PublicKey) (string, error) {
	if err := h.Alg.admit(h.Enc, key); err != nil {
		return "", err
	}
	options := &gojose.EncrypterOptions{}
	if h.Typ != "" {
		options = options.WithType(gojose.ContentType(h.Typ))
	}
	if h.Cty != "" {
		options = options.WithContentType(gojose.ContentType(h.Cty))
	}
	encrypter, err := gojose.NewEncrypter(
		gojose.ContentEncryption(h.Enc),
		gojose.Recipient{Algorithm: gojose.KeyAlgorithm(h.Alg), Key: key, KeyID: h.Kid},
		options,
	)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrKey, err)
	}
	message, err := encrypter.Encrypt(plaintext)
	if err != nil {
		return "", fmt.Errorf("jose: encrypt: %v", err)
	}
	token, err := message.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("jose: encrypt: %v", err)
	}
	return token, nil
}
