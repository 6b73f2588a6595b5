package notify_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
)

// service answers as it is told, and keeps what it was asked.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	answer string
	asked  []asked
}

type asked struct {
	method, path string
	header       http.Header
	body         string
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}`)
			return
		}
		s.asked = append(s.asked, asked{r.Method, r.URL.Path, r.Header.Clone(), string(body)})
		w.Header().Set("Location", "https://elsewhere.example")
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) answers(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.answer = status, body
}

func (s *service) last(t *testing.T) asked {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		t.Fatal("nothing was asked")
	}
	return s.asked[len(s.asked)-1]
}

// A value goes into a body as a value, whatever is in it.
func TestHTTPBodies(t *testing.T) {
	t.Parallel()
	s := newService(t)
	text := notify.Text{ID: "1", To: "+4917", Text: "a \"b\" & c=d\\ {{mobile}}\n<e>"}
	for _, c := range []struct {
		kind       notify.BodyType
		body, want string
	}{
		{notify.JSON, `{"to":["{{mobile}}"],"content":{"text":{{body}}},"n":1}`, `{"to":["+4917"],"content":{"text":"a \"b\" \u0026 c=d\\ {{mobile}}\n\u003ce\u003e"},"n":1}`},
		{notify.Form, `to={{mobile}}&m=%3e{{body}}&static=a+b`, `m=%3Ea+%22b%22+%26+c%3Dd%5C+%7B%7Bmobile%7D%7D%0A%3Ce%3E&static=a+b&to=%2B4917`},
		{notify.Form, ``, `body=a+%22b%22+%26+c%3Dd%5C+%7B%7Bmobile%7D%7D%0A%3Ce%3E&id=1&mobile=%2B4917&organization=&to=%2B4917`},
	} {
		sender, err := notify.NewHTTP(notify.HTTPConfig{URL: s.URL + "/sms", Method: "PUT", ContentType: c.kind, Body: c.body, Header: map[string]string{"X-Static": "y"}})
		must(t, err)
		must(t, sender.SendSMS(t.Context(), text))
		got := s.last(t)
		if c.kind == notify.JSON {
			var a, b any
			must(t, json.Unmarshal([]byte(got.body), &a))
			must(t, json.Unmarshal([]byte(c.want), &b))
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("got %s", got.body)
			}
		} else if got.body != c.want {
			t.Errorf("got %s, want %s", got.body, c.want)
		}
		if got.method != http.MethodPut || got.header.Get("X-Static") != "y" {
			t.Errorf("asked %+v", got)
		}
	}
	sender, err := notify.NewHTTP(notify.HTTPConfig{URL: s.URL})
	must(t, err)
	must(t, sender.SendEmail(t.Context(), notify.Mail{To: "ann@example.com", Subject: "s", Text: "t", HTML: "<p>"}))
	wants(t, s.last(t).body, `"to":"ann@example.com"`, `"subject":"s"`, `"html":"\u003cp\u003e"`)
	must(t, sender.SendPush(t.Context(), notify.Alert{To: "d", Title: "x", Data: map[string]string{"k": "v"}}))
	wants(t, s.last(t).body, `"title":"x"`, `{\"k\":\"v\"}`)
}

func TestHTTPAuth(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for want, auth := range map[string]notify.HTTPAuth{
		"":                   {},
		"Basic dTpwdw==":     {Type: notify.Basic, Username: "u", Password: "pw"},
		"Bearer s3cret":      {Type: notify.Bearer, Token: "s3cret"},
		"X-Key: s3cret":      {Type: notify.APIKey, Token: "s3cret", Header: "X-Key"},
		"X-API-Key: the-key": {Type: notify.APIKey, Token: "the-key"},
		"Bearer t0ken":       {Type: notify.ClientCredential, TokenURL: s.URL + "/token", ClientID: "c", ClientSecret: "s"},
	} {
		sender, err := notify.NewHTTP(notify.HTTPConfig{URL: s.URL, Auth: auth})
		must(t, err)
		must(t, sender.SendSMS(t.Context(), notify.Text{To: "1"}))
		h := s.last(t).header
		got := h.Get("Authorization")
		if name, v, ok := strings.Cut(want, ": "); ok {
			got, want = h.Get(name), v
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", auth.Type, got, want)
		}
	}
	for _, c := range []notify.HTTPConfig{
		{},
		{URL: "http://sms.example.com"},
		{URL: "https://u:p@sms.example.com"},
		{URL: s.URL, Method: "GET"},
		{URL: s.URL, Body: "{"},
		{URL: s.URL, Body: `{"a":"{{"}`},
		{URL: s.URL, ContentType: "XML"},
		{URL: s.URL, Header: map[string]string{"a b": "c"}},
		{URL: s.URL, Header: map[string]string{"a": "c\r\nd: e"}},
		{URL: s.URL, Auth: notify.HTTPAuth{Type: notify.Basic}},
		{URL: s.URL, Auth: notify.HTTPAuth{Type: notify.ClientCredential, TokenURL: "http://x.example"}},
		{URL: s.URL, Auth: notify.HTTPAuth{Type: "DIGEST"}},
	} {
		if _, err := notify.NewHTTP(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// What a service answers decides whether the message is sent again; and no redirect is followed, which would take the keys elsewhere.
func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	s := newService(t)
	sender, err := notify.NewHTTP(notify.HTTPConfig{URL: s.URL, Auth: notify.HTTPAuth{Type: notify.Bearer, Token: "s3cret-token"}})
	must(t, err)
	for status, want := range map[int]string{200: "", 204: "", 302: "again", 400: "final", 401: "again", 404: "final", 410: "final", 422: "final", 429: "again", 500: "again", 503: "again"} {
		s.answers(status, "you said 493027 with s3cret-token")
		got := ""
		if err := sender.SendSMS(t.Context(), notify.Text{To: "1", Text: "493027"}); err != nil {
			if got = "again"; errors.Is(err, notify.ErrUndeliverable) {
				got = "final"
			}
			lacks(t, err.Error(), "493027", "s3cret", s.URL)
		}
		if got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
	s.Close()
	if err := sender.SendSMS(t.Context(), notify.Text{}); err == nil || errors.Is(err, notify.ErrUndeliverable) {
		t.Errorf("got %v", err)
	}
}

func TestTwilio(t *testing.T) {
	t.Parallel()
	s := newService(t)
	sender, err := notify.NewTwilio(notify.TwilioConfig{AccountSID: "AC1", AuthToken: "tok", From: "+1555", URL: s.URL})
	must(t, err)
	s.answers(201, `{"sid":"SM1"}`)
	must(t, sender.SendSMS(t.Context(), notify.Text{To: "4917", Text: "493027 is it"}))
	got := s.last(t)
	form, err := url.ParseQuery(got.body)
	must(t, err)
	if got.path != "/2010-04-01/Accounts/AC1/Messages.json" || got.header.Get("Authorization") != "Basic QUMxOnRvaw==" ||
		form.Get("To") != "+4917" || form.Get("From") != "+1555" || form.Get("Body") != "493027 is it" {
		t.Errorf("asked %+v", got)
	}
	for answer, final := range map[string]bool{
		`{"code":21211,"message":"no number"}`: true, `{"code":21610}`: true, `{"code":20003}`: false, `{"code":21606}`: false, `nonsense`: false,
	} {
		s.answers(400, answer)
		if err := sender.SendSMS(t.Context(), notify.Text{To: "1"}); err == nil || errors.Is(err, notify.ErrUndeliverable) != final {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if _, err := notify.NewTwilio(notify.TwilioConfig{From: "1", MessagingService: "2"}); err == nil {
		t.Error("an account without a name was taken")
	}
}

func TestVonage(t *testing.T) {
	t.Parallel()
	s := newService(t)
	sender, err := notify.NewVonage(notify.VonageConfig{APIKey: "k", APISecret: "s", From: "Signet", URL: s.URL})
	must(t, err)
	s.answers(200, `{"message-count":"1","messages":[{"to":"4917","status":"0"}]}`)
	must(t, sender.SendSMS(t.Context(), notify.Text{To: "+4917", Text: "493027 für dich"}))
	form, err := url.ParseQuery(s.last(t).body)
	must(t, err)
	if s.last(t).path != "/sms/json" || form.Get("to") != "4917" || form.Get("type") != "unicode" || form.Get("api_secret") != "s" || form.Get("text") != "493027 für dich" {
		t.Errorf("asked %+v", s.last(t))
	}
	for answer, final := range map[string]bool{
		`{"messages":[{"status":"7"}]}`: true, `{"messages":[{"status":"1"}]}`: false, `{"messages":[{"status":"4"}]}`: false, `{"messages":[]}`: false, `nonsense`: false,
	} {
		s.answers(200, answer)
		if err := sender.SendSMS(t.Context(), notify.Text{To: "1"}); err == nil || errors.Is(err, notify.ErrUndeliverable) != final {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestFCM(t *testing.T) {
	t.Parallel()
	s := newService(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p1", "client_email": "a@p1.example", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	must(t, err)
	sender, err := notify.NewFCM(notify.FCMConfig{ServiceAccount: notify.Secret(account), URL: s.URL})
	must(t, err)
	must(t, sender.SendPush(t.Context(), notify.Alert{To: "device", Title: "T", Text: "B", Data: map[string]string{"pushId": "p"}}))
	got := s.last(t)
	if got.path != "/v1/projects/p1/messages:send" || got.header.Get("Authorization") != "Bearer t0ken" {
		t.Errorf("asked %+v", got)
	}
	wants(t, got.body, `"token":"device"`, `"title":"T"`, `"pushId":"p"`, `"priority":"high"`)
	for status, final := range map[int]bool{404: true, 400: true, 403: true, 401: false, 429: false, 500: false} {
		s.answers(status, "")
		if err := sender.SendPush(t.Context(), notify.Alert{To: "device"}); err == nil || errors.Is(err, notify.ErrUndeliverable) != final {
			t.Errorf("%d: %v", status, err)
		}
	}
	for _, bad := range []notify.Secret{"", "{}", "nonsense", notify.Secret(strings.Replace(string(account), "http://", "http://fcm.example", 1))} {
		if _, err := notify.NewFCM(notify.FCMConfig{ServiceAccount: bad}); err == nil || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("got %v", err)
		}
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	must(t, err)
	return b
}

// The example of RFC 8291 §5 and appendix A.
func TestWebPushExample(t *testing.T) {
	t.Parallel()
	theirs, err := ecdh.P256().NewPublicKey(decode(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"))
	must(t, err)
	ours, err := ecdh.P256().NewPrivateKey(decode(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	must(t, err)
	got, err := notify.EncryptPush([]byte("When I grow up, I want to be a watermelon"), theirs, decode(t, "BTBZMqHH6r4Tts7J_aSIgg"), ours, decode(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	must(t, err)
	want := "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if base64.RawURLEncoding.EncodeToString(got) != want {
		t.Errorf("got %s", base64.RawURLEncoding.EncodeToString(got))
	}
}

// A browser reads what was sent to it, and the push service who has sent it.
func TestWebPush(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser, err := ecdh.P256().GenerateKey(rand.Reader)
	must(t, err)
	auth := make([]byte, 16)
	_, _ = rand.Read(auth)
	subscribed := func(endpoint string) string {
		return fmt.Sprintf(`{"endpoint":%q,"expirationTime":null,"keys":{"p256dh":%q,"auth":%q}}`, endpoint,
			base64.RawURLEncoding.EncodeToString(browser.PublicKey().Bytes()), base64.RawURLEncoding.EncodeToString(auth))
	}
	sender, err := notify.NewWebPush(notify.WebPushConfig{
		Key: notify.GenerateWebPushKey(), Contact: "mailto:a@example.com", InsecureNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	must(t, err)
	s.answers(201, "")
	must(t, sender.SendPush(t.Context(), notify.Alert{ID: "1", To: subscribed(s.URL + "/push/x"), Title: "T", Text: "B", Data: map[string]string{"k": "v"}}))
	got := s.last(t)
	if got.path != "/push/x" || got.header.Get("Content-Encoding") != "aes128gcm" || got.header.Get("TTL") != "300" || got.header.Get("Urgency") != "high" {
		t.Errorf("asked %+v", got)
	}
	authorization := got.header.Get("Authorization")
	wants(t, authorization, "vapid t=", ", k="+sender.PublicKey())
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(authorization, ".")[1])
	must(t, err)
	wants(t, string(claims), `"aud":"`+s.URL+`"`, `"sub":"mailto:a@example.com"`, `"exp":`)
	if text := decrypt(t, []byte(got.body), browser, auth); !strings.Contains(text, `"title":"T"`) || !strings.HasSuffix(text, "\x02") {
		t.Errorf("the browser reads %q", text)
	}

	for to, final := range map[string]bool{
		subscribed(s.URL): true, `{}`: true, "": true, subscribed("http://192.0.2.1/"): true, subscribed("file:///etc/passwd"): true,
	} {
		s.answers(410, "")
		if err := sender.SendPush(t.Context(), notify.Alert{To: to}); err == nil || errors.Is(err, notify.ErrUndeliverable) != final {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// decrypt is the browser's half of RFC 8291.
func decrypt(t *testing.T, body []byte, browser *ecdh.PrivateKey, auth []byte) string {
	t.Helper()
	salt, sender := body[:16], body[21:21+65]
	public, err := ecdh.P256().NewPublicKey(sender)
	must(t, err)
	shared, err := browser.ECDH(public)
	must(t, err)
	derive := func(secret, salt []byte, info string, n int) []byte {
		key, err := hkdf.Key(sha256.New, secret, salt, info, n)
		must(t, err)
		return key
	}
	input := derive(shared, auth, "WebPush: info\x00"+string(browser.PublicKey().Bytes())+string(sender), 32)
	block, err := aes.NewCipher(derive(input, salt, "Content-Encoding: aes128gcm\x00", 16))
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	must(t, err)
	text, err := gcm.Open(nil, derive(input, salt, "Content-Encoding: nonce\x00", 12), body[86:], nil)
	must(t, err)
	return string(text)
}

// Whoever subscribes chooses the URL that is called: no push reaches the inside.
func TestAttackWebPushInside(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser, err := ecdh.P256().GenerateKey(rand.Reader)
	must(t, err)
	sender, err := notify.NewWebPush(notify.WebPushConfig{Key: notify.GenerateWebPushKey(), Contact: "mailto:a@example.com"})
	must(t, err)
	for _, endpoint := range []string{s.URL, "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data"} {
		to := fmt.Sprintf(`{"endpoint":%q,"keys":{"p256dh":%q,"auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`, endpoint, base64.RawURLEncoding.EncodeToString(browser.PublicKey().Bytes()))
		if err := sender.SendPush(t.Context(), notify.Alert{To: to}); !errors.Is(err, notify.ErrUndeliverable) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	if len(s.asked) != 0 {
		t.Error("the inside was called")
	}
}

// A service that answers nothing holds nobody longer than the context.
func TestHTTPHangs(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer s.Close()
	defer close(held)
	sender, err := notify.NewHTTP(notify.HTTPConfig{URL: s.URL})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := sender.SendSMS(ctx, notify.Text{}); err == nil || errors.Is(err, notify.ErrUndeliverable) {
		t.Errorf("got %v", err)
	}
}
