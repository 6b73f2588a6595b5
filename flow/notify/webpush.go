package notify

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// WebPushConfig says who sends notifications to browsers (RFC 8030). Key and Contact are required.
type WebPushConfig struct {
	// Key identifies the sender to the push services (RFC 8292): a P-256 key that stays the same, since subscriptions hang on it.
	// GenerateWebPushKey makes one.
	Key Secret
	// Contact is a mailto: or https: URL of who answers for what is sent.
	Contact string
	// TTL is how long a push service keeps what it cannot deliver; zero is five minutes.
	TTL time.Duration
	// InsecureNetworks may be called although they are not public, and without TLS: a test's loopback.
	InsecureNetworks []netip.Prefix
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// WebPush is a PushSender; Alert.To is the JSON of the browser's PushSubscription. What the service worker gets is a JSON object with the
// members id, title, body and data. It is safe for concurrent use.
type WebPush struct {
	config WebPushConfig
	key    *ecdsa.PrivateKey
	public string
	fetch  *fetch.Client
}

var _ PushSender = (*WebPush)(nil)

// GenerateWebPushKey returns a new key for WebPushConfig: 32 bytes as unpadded base64url.
func GenerateWebPushKey() Secret {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil { // never: crypto/rand ends the program instead
		return ""
	}
	return Secret(base64.RawURLEncoding.EncodeToString(key.Bytes()))
}

// NewWebPush checks the configuration and returns a WebPush. It does not connect.
func NewWebPush(config WebPushConfig) (*WebPush, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.TTL == 0 {
		config.TTL = 5 * time.Minute
	}
	var problems []error
	raw, err := base64.RawURLEncoding.DecodeString(config.Key.Reveal())
	var key *ecdsa.PrivateKey
	if err == nil {
		key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	}
	if err != nil {
		problems = append(problems, errors.New("notify: WebPushConfig.Key must be 32 bytes as base64url: GenerateWebPushKey makes one"))
	}
	contact, err := url.Parse(config.Contact)
	if err != nil || contact.Scheme != "mailto" && contact.Scheme != "https" {
		problems = append(problems, errors.New("notify: WebPushConfig.Contact must be a mailto: or https: URL"))
	}
	if config.TTL < 0 || config.TTL > 28*24*time.Hour {
		problems = append(problems, errors.New("notify: WebPushConfig.TTL must be at most four weeks"))
	}
	// Whoever subscribes chooses the URL that is called, but nearly all of them are at one of a few services.
	client, err := fetch.New(fetch.Config{
		Now: config.Now, Timeout: connectTimeout + readTimeout, InsecureNetworks: config.InsecureNetworks, PerSecond: 200,
	})
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return &WebPush{config: config, key: key, public: base64.RawURLEncoding.EncodeToString(point), fetch: client}, nil
}

// PublicKey is what a page gives to PushManager.subscribe as applicationServerKey, as unpadded base64url.
func (s *WebPush) PublicKey() string { return s.public }

// subscription is what PushSubscription.toJSON returns (Push API §9).
type subscription struct {
	Endpoint string `json:"endpoint"`
	Keys     struct {
		P256DH string `json:"p256dh"`
		Auth   string `json:"auth"`
	} `json:"keys"`
}

// SendPush implements PushSender. That the subscription has ended is ErrUndeliverable.
func (s *WebPush) SendPush(ctx context.Context, a Alert) error {
	to, public, auth, err := parseSubscription(a.To)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	text, err := json.Marshal(map[string]any{"id": a.ID, "title": a.Title, "body": a.Text, "data": a.Data})
	if err != nil {
		return err
	}
	ours, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	body, err := encryptPush(text, public, auth, ours, salt)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	token, err := s.vapid(to)
	if err != nil {
		return err
	}
	answer, err := s.fetch.Post(ctx, fetch.Message{
		URL: to.String(), ContentType: "application/octet-stream", Body: body,
		Header: map[string]string{
			"Content-Encoding": "aes128gcm", "TTL": strconv.Itoa(int(s.config.TTL / time.Second)), "Urgency": "high", "Authorization": token,
		},
	})
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return fmt.Errorf("%w: the endpoint is none that is called", ErrUndeliverable)
	case err != nil:
		return fmt.Errorf("notify: the push service does not answer: %w", err)
	}
	return accepted("the push service", answer.Status)
}

// parseSubscription returns where to send to, and the keys of the browser.
func parseSubscription(text string) (*url.URL, *ecdh.PublicKey, []byte, error) {
	var sub subscription
	if err := strictjson.Unmarshal([]byte(text), &sub); err != nil {
		return nil, nil, nil, errors.New("notify: the subscription is malformed")
	}
	endpoint, errURL := url.Parse(sub.Endpoint)
	point, errPoint := base64.RawURLEncoding.DecodeString(sub.Keys.P256DH)
	auth, errAuth := base64.RawURLEncoding.DecodeString(sub.Keys.Auth)
	if errURL != nil || endpoint.Host == "" || errPoint != nil || errAuth != nil || len(auth) != 16 {
		return nil, nil, nil, errors.New("notify: the subscription is malformed")
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, nil, nil, errors.New("notify: the key of the subscription is none")
	}
	return endpoint, public, auth, nil
}

// vapidLifetime is how long a push service may take our word (RFC 8292 §2: at most a day).
const vapidLifetime = 12 * time.Hour

// vapid is the Authorization field that says who sends (RFC 8292 §3).
func (s *WebPush) vapid(to *url.URL) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"aud": to.Scheme + "://" + to.Host, "exp": s.config.Now().Add(vapidLifetime).Unix(), "sub": s.config.Contact,
	})
	if err != nil {
		return "", err
	}
	token, err := jose.Sign(claims, jose.Header{Alg: "ES256", Typ: "JWT"}, crypto.Signer(s.key))
	return "vapid t=" + token + ", k=" + s.public, err
}

// maxPush is how long a notification may be, in bytes: what a push service has to take (RFC 8030 §7.2), without what encryption adds
// (RFC 8291 §4).
const maxPush = 3993

// encryptPush is the body of a push message: one record of aes128gcm (RFC 8188 §2) under a key that the browser and nobody between can
// derive (RFC 8291 §3.4).
func encryptPush(text []byte, theirs *ecdh.PublicKey, auth []byte, ours *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	if len(text) > maxPush {
		return nil, errors.New("notify: the notification is too long")
	}
	shared, err := ours.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	info := "WebPush: info\x00" + string(theirs.Bytes()) + string(ours.PublicKey().Bytes())
	input, err := hkdf.Key(sha256.New, shared, auth, info, 32)
	if err != nil {
		return nil, err
	}
	key, errKey := hkdf.Key(sha256.New, input, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, errNonce := hkdf.Key(sha256.New, input, salt, "Content-Encoding: nonce\x00", 12)
	if err := errors.Join(errKey, errNonce); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	sender := ours.PublicKey().Bytes()
	body := append([]byte(nil), salt...)
	body = binary.BigEndian.AppendUint32(body, 4096)
	body = append(append(body, byte(len(sender))), sender...)
	return gcm.Seal(body, nonce, append(append([]byte(nil), text...), 2), nil), nil // 2 ends the last record (RFC 8188 §2)
}
