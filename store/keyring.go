package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// KeyRing seals what the store must give back and keys what is too short to be hashed. The first key works for new
// values; the others still open old ones. It is immutable and safe for concurrent use.
//
// The ring is the one secret that lies outside the store: whoever has a dump but not the ring gets in nowhere, and
// without the ring the sealed values are lost.
type KeyRing struct {
	keys []ringKey
}

type ringKey struct {
	id   string
	root []byte
	seal cipher.AEAD
	mac  []byte
}

// RingKey is one key of a KeyRing.
type RingKey struct {
	// ID is 1 to 32 letters, digits, dashes or underscores; it stands in clear before what was sealed.
	ID string
	// Secret is 32 random bytes.
	Secret []byte
}

// String implements fmt.Stringer without revealing the secret.
func (k RingKey) String() string { return k.ID + ":[redacted]" }

// GoString implements fmt.GoStringer without revealing the secret.
func (k RingKey) GoString() string { return k.String() }

// LogValue implements slog.LogValuer without revealing the secret.
func (k RingKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// GenerateRingKey returns a new key with a random id.
func GenerateRingKey() RingKey {
	id, key := make([]byte, 6), make([]byte, 32)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(key)
	return RingKey{ID: base64.RawURLEncoding.EncodeToString(id), Secret: key}
}

// NewKeyRing makes a ring of the keys, the working one first.
func NewKeyRing(keys ...RingKey) (*KeyRing, error) {
	if len(keys) == 0 {
		return nil, errors.New("store: a key ring needs at least one key")
	}
	ring := &KeyRing{}
	for _, k := range keys {
		if !validRingKeyID(k.ID) {
			return nil, fmt.Errorf("store: key id %q must be 1 to 32 letters, digits, dashes or underscores", k.ID)
		}
		if ring.find(k.ID) != nil {
			return nil, fmt.Errorf("store: key id %q stands twice in the ring", k.ID)
		}
		if len(k.Secret) != 32 {
			return nil, fmt.Errorf("store: key %q has %d bytes, want 32", k.ID, len(k.Secret))
		}
		key, err := deriveRingKey(k)
		if err != nil {
			return nil, err
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

// deriveRingKey gives each use its own key, so that a fault in one use says nothing about another (RFC 5869).
func deriveRingKey(k RingKey) (ringKey, error) {
	sealKey, err := hkdf.Key(sha256.New, k.Secret, nil, "signet store seal v1", 32)
	if err != nil {
		return ringKey{}, fmt.Errorf("store: deriving key %q: %w", k.ID, err)
	}
	macKey, err := hkdf.Key(sha256.New, k.Secret, nil, "signet store mac v1", 32)
	if err != nil {
		return ringKey{}, fmt.Errorf("store: deriving key %q: %w", k.ID, err)
	}
	aead, err := newGCM(sealKey)
	if err != nil {
		return ringKey{}, fmt.Errorf("store: deriving key %q: %w", k.ID, err)
	}
	return ringKey{id: k.ID, root: bytes.Clone(k.Secret), seal: aead, mac: macKey}, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func validRingKeyID(id string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(id) >= 1 && len(id) <= 32 && strings.Trim(id, alphabet) == ""
}

func (r *KeyRing) find(id string) *ringKey {
	for i := range r.keys {
		if r.keys[i].id == id {
			return &r.keys[i]
		}
	}
	return nil
}

// String implements fmt.Stringer with the ids alone.
func (r *KeyRing) String() string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return "keyring(" + strings.Join(ids, " ") + ")"
}

// GoString implements fmt.GoStringer with the ids alone.
func (r *KeyRing) GoString() string { return r.String() }

// LogValue implements slog.LogValuer with the ids alone.
func (r *KeyRing) LogValue() slog.Value { return slog.StringValue(r.String()) }

// ParseKeyRing reads the text form: one "id:secret" a line, the secret as unpadded base64url, the working key first.
// Empty lines and lines that begin with "#" are skipped.
func ParseKeyRing(text []byte) (*KeyRing, error) {
	var keys []RingKey
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, encoded, ok := strings.Cut(line, ":")
		key, err := base64.RawURLEncoding.DecodeString(encoded)
		if !ok || err != nil {
			return nil, fmt.Errorf("store: key ring line %d is not id:secret with an unpadded base64url secret", n+1)
		}
		keys = append(keys, RingKey{ID: id, Secret: key})
	}
	return NewKeyRing(keys...)
}

// Reveal returns the text form that ParseKeyRing reads. It holds the secrets.
func (r *KeyRing) Reveal() []byte {
	var out bytes.Buffer
	for _, k := range r.keys {
		fmt.Fprintf(&out, "%s:%s\n", k.id, base64.RawURLEncoding.EncodeToString(k.root))
	}
	return out.Bytes()
}

// OpenKeyFile reads the ring from a file, and makes the file with one new key when there is none. The file must be
// readable by its owner alone (mode 0600). Two processes that start at once get the same ring.
func OpenKeyFile(path string) (*KeyRing, error) {
	ring, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := createKeyFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("store: creating the key ring: %w", err)
	}
	return readKeyFile(path)
}

func readKeyFile(path string) (*KeyRing, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("store: opening the key ring: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("store: key ring %s can be read by others (mode %o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("store: opening the key ring: %w", err)
	}
	return ParseKeyRing(text)
}

// createKeyFile writes beside the path and links into place, so that nobody ever reads half a ring and one of two
// processes wins.
func createKeyFile(path string) error {
	ring, err := NewKeyRing(GenerateRingKey())
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keyring-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(ring.Reveal())
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// Sealed is a value that only the key ring opens: "v1.<key id>.<base64url>" (AES-256-GCM, random nonce). A field of this
// type in a stored value is sealed under the name that it has in JSON: so DB.Reseal finds it.
type Sealed string

// ErrSealed says that a sealed value does not open: it was altered, moved to another place, or its key is not in the
// ring. The text of the error says which; none of it is secret.
var ErrSealed = errors.New("store: sealed value does not open")

// Seal encrypts plaintext for one place. The same place must be named to open it, so that a value moved to another
// record or field is refused. A place is a list of words; their boundaries count.
func (r *KeyRing) Seal(plaintext []byte, place ...string) Sealed {
	k := &r.keys[0]
	box := k.seal.Seal(nil, nil, plaintext, joinWords(place))
	return Sealed("v1." + k.id + "." + base64.RawURLEncoding.EncodeToString(box))
}

// Open decrypts a value that was sealed for the place. Errors wrap ErrSealed.
func (r *KeyRing) Open(s Sealed, place ...string) ([]byte, error) {
	parts := strings.SplitN(string(s), ".", 3)
	if len(parts) != 3 || parts[0] != "v1" {
		return nil, fmt.Errorf("%w: not a sealed value", ErrSealed)
	}
	k := r.find(parts[1])
	if k == nil {
		return nil, fmt.Errorf("%w: the ring has no key %q", ErrSealed, parts[1])
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || strings.ContainsAny(parts[2], "\r\n") { // which the decoder skips
		return nil, fmt.Errorf("%w: not base64url", ErrSealed)
	}
	plaintext, err := k.seal.Open(nil, nil, box, joinWords(place))
	if err != nil {
		return nil, fmt.Errorf("%w: altered or moved", ErrSealed)
	}
	return plaintext, nil
}

// KeyID returns the id of the key that sealed s, for reports on which keys are in use.
func (s Sealed) KeyID() string {
	parts := strings.SplitN(string(s), ".", 3)
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

// MAC returns the form in which a short secret may be stored: HMAC-SHA-256 under the working key, the key's id in front.
// The words that lead to it (purpose, record, value) are authenticated with their boundaries.
func (r *KeyRing) MAC(words ...string) string { return r.keys[0].sum(words) }

// MACs returns the form of MAC under every key, the working one first, for finding a record by a short secret.
func (r *KeyRing) MACs(words ...string) []string {
	sums := make([]string, len(r.keys))
	for i := range r.keys {
		sums[i] = r.keys[i].sum(words)
	}
	return sums
}

// MatchesMAC reports, in constant time, whether mac was made of the same words by a key of the ring.
func (r *KeyRing) MatchesMAC(mac string, words ...string) bool {
	id, _, _ := strings.Cut(mac, ".")
	k := r.find(id)
	return k != nil && hmac.Equal([]byte(mac), []byte(k.sum(words)))
}

func (k *ringKey) sum(words []string) string {
	h := hmac.New(sha256.New, k.mac)
	_, _ = h.Write(joinWords(words)) // a hash never fails
	return k.id + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// joinWords encodes a list of words so that no two lists have one encoding.
func joinWords(words []string) []byte {
	var out []byte
	for _, w := range words {
		out = binary.BigEndian.AppendUint32(out, uint32(len(w)))
		out = append(out, w...)
	}
	return out
}
