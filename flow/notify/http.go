package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// HTTPConfig says how a service of any make is asked to deliver a message: the request that it wants. Only URL is required.
type HTTPConfig struct {
	// URL is https, or http on this machine.
	URL string
	// Method is POST, which "" is as well, or PUT.
	Method string
	// ContentType is JSON, which "" is as well, or Form.
	ContentType BodyType
	// Body is that of the request, with literals such as {{body}}: as JSON, within a string or in its place, or as a form, "to={{mobile}}".
	// The names are, for all channels, {{id}}, {{to}} and {{organization}}; {{mobile}} and {{body}} of a text message; {{from}}, {{reply-to}},
	// {{subject}}, {{text}}, {{html}}, {{locale}} of an e-mail; {{title}}, {{body}} and {{data}}, the text of a JSON object, of a notification. "" has all that
	// the message has, by these names.
	Body string
	// Header are further fields, the same for each message.
	Header map[string]string
	// Auth is what proves that it is the host who asks.
	Auth HTTPAuth
	// Client makes the requests; nil connects within 5 seconds, waits 20 for the answer, and follows no redirect.
	Client *http.Client
}

// BodyType is the form of a body.
type BodyType string

// The forms.
const (
	JSON BodyType = "JSON"
	Form BodyType = "FORM"
)

// HTTPAuth authenticates to a service. The zero value does not.
type HTTPAuth struct {
	Type AuthType
	// Username and Password are for Basic.
	Username string
	Password Secret
	// Token is for Bearer, and for APIKey the key, which goes into the field Header; "" is X-API-Key.
	Token  Secret
	Header string
	// TokenURL, ClientID, ClientSecret and Scopes are for ClientCredential (RFC 6749 §4.4).
	TokenURL     string
	ClientID     string
	ClientSecret Secret
	Scopes       []string
}

// AuthType is a way to authenticate.
type AuthType string

// The ways; "" is NoAuth.
const (
	NoAuth           AuthType = "NONE"
	Basic            AuthType = "BASIC"
	Bearer           AuthType = "BEARER"
	APIKey           AuthType = "API_KEY"
	ClientCredential AuthType = "CLIENT_CREDENTIAL"
)

// HTTPSender hands messages of every channel to a service. An answer of 2xx has taken the message; 400, 404, 410, 413 and 422 will never take
// it; after anything else it is sent again later. It is safe for concurrent use.
type HTTPSender struct {
	config HTTPConfig
	client *http.Client
	body   *bodyTemplate
	host   string
	tokens tokens
}

var (
	_ EmailSender = (*HTTPSender)(nil)
	_ SMSSender   = (*HTTPSender)(nil)
	_ PushSender  = (*HTTPSender)(nil)
)

// NewHTTP checks the configuration and returns an HTTPSender. It does not connect.
func NewHTTP(config HTTPConfig) (*HTTPSender, error) {
	s := &HTTPSender{config: config, client: newClient(config.Client)}
	u, errURL := serviceURL("HTTPConfig.URL", config.URL)
	var errBody error
	s.body, errBody = parseBody(config.ContentType, config.Body)
	problems := []error{errURL, errBody, config.Auth.Check()}
	switch s.config.Method {
	case "":
		s.config.Method = http.MethodPost
	case http.MethodPost, http.MethodPut:
	default:
		problems = append(problems, errors.New("notify: HTTPConfig.Method must be POST or PUT"))
	}
	for name, v := range config.Header {
		if !fieldName.MatchString(name) || strings.ContainsAny(v, "\r\n\x00") {
			problems = append(problems, fmt.Errorf("notify: HTTPConfig.Header: %q is no field", name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	s.host = u.Hostname()
	return s, nil
}

// fieldName is a token (RFC 9110 §5.6.2).
var fieldName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// Check returns what is missing.
func (a HTTPAuth) Check() error {
	missing := func(when bool, fields string) error {
		if !when {
			return nil
		}
		return fmt.Errorf("notify: HTTPAuth of type %s needs %s", a.Type, fields)
	}
	switch a.Type {
	case "", NoAuth:
		return nil
	case Basic:
		return missing(a.Username == "" || a.Password == "", "Username and Password")
	case Bearer, APIKey:
		return missing(a.Token == "", "Token")
	case ClientCredential:
		_, err := serviceURL("HTTPAuth.TokenURL", a.TokenURL)
		return errors.Join(err, missing(a.ClientID == "" || a.ClientSecret == "", "ClientID and ClientSecret"))
	}
	return fmt.Errorf("notify: HTTPAuth.Type %q is none", a.Type)
}

// SendEmail implements EmailSender.
func (s *HTTPSender) SendEmail(ctx context.Context, m Mail) error {
	return s.send(ctx, map[string]string{
		"id": m.ID, "from": m.From, "reply-to": m.ReplyTo, "to": m.To, "subject": m.Subject, "text": m.Text, "html": m.HTML, "locale": m.Locale,
		"organization": m.Organization,
	})
}

// SendSMS implements SMSSender.
func (s *HTTPSender) SendSMS(ctx context.Context, t Text) error {
	return s.send(ctx, map[string]string{"id": t.ID, "to": t.To, "mobile": t.To, "body": t.Text, "organization": t.Organization})
}

// SendPush implements PushSender.
func (s *HTTPSender) SendPush(ctx context.Context, a Alert) error {
	data, err := json.Marshal(a.Data)
	if err != nil {
		return err
	}
	return s.send(ctx, map[string]string{
		"id": a.ID, "to": a.To, "title": a.Title, "body": a.Text, "data": string(data), "organization": a.Organization,
	})
}

func (s *HTTPSender) send(ctx context.Context, values map[string]string) error {
	body, contentType, err := s.body.write(values)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, s.config.Method, s.config.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("notify: the request cannot be made") // the error would name the URL
	}
	r.Header.Set("Content-Type", contentType)
	for name, v := range s.config.Header {
		r.Header.Set(name, v)
	}
	if err := s.authenticate(ctx, r); err != nil {
		return err
	}
	status, _, err := exchange(s.client, r)
	if err != nil {
		return err
	}
	if status == http.StatusUnauthorized {
		s.tokens.forget()
	}
	return accepted(s.host, status)
}

func (s *HTTPSender) authenticate(ctx context.Context, r *http.Request) error {
	a := s.config.Auth
	if a.Type != ClientCredential {
		a.Set(r.Header)
		return nil
	}
	token, err := s.tokens.token(ctx, s.client, func(ctx context.Context) (*oauth2.Token, error) {
		return (&clientcredentials.Config{
			ClientID: a.ClientID, ClientSecret: a.ClientSecret.Reveal(), TokenURL: a.TokenURL, Scopes: a.Scopes,
		}).Token(ctx)
	})
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// Set adds to the header of a request what authenticates it; for ClientCredential, whose token has to be fetched, and NoAuth, nothing.
func (a HTTPAuth) Set(h http.Header) {
	switch a.Type {
	case Basic:
		r := http.Request{Header: h}
		r.SetBasicAuth(a.Username, a.Password.Reveal())
	case Bearer:
		h.Set("Authorization", "Bearer "+a.Token.Reveal())
	case APIKey:
		name := a.Header
		if name == "" {
			name = "X-API-Key"
		}
		h.Set(name, a.Token.Reveal())
	}
}

// bodyTemplate is a body whose strings have literals. They are filled in before it is encoded, so that no value can become a part of
// its structure.
type bodyTemplate struct {
	kind  BodyType
	json  any         // nil writes all values
	pairs [][2]pieces // of a form
}

func parseBody(kind BodyType, body string) (*bodyTemplate, error) {
	t := &bodyTemplate{kind: kind}
	switch kind {
	case "":
		t.kind = JSON
	case JSON, Form:
	default:
		return nil, fmt.Errorf("notify: HTTPConfig.ContentType %q is none", kind)
	}
	if body == "" {
		return t, nil
	}
	if t.kind == Form {
		for pair := range strings.SplitSeq(strings.TrimSpace(body), "&") {
			name, v, _ := strings.Cut(pair, "=")
			parts := [2]pieces{}
			for i, raw := range []string{name, v} {
				text, err := url.QueryUnescape(raw)
				if err == nil {
					parts[i], err = compile(text, false)
				}
				if err != nil {
					return nil, fmt.Errorf("notify: HTTPConfig.Body: %w", err)
				}
			}
			t.pairs = append(t.pairs, parts)
		}
		return t, nil
	}
	if err := json.Unmarshal([]byte(quoteBare(body)), &t.json); err != nil {
		return nil, fmt.Errorf("notify: HTTPConfig.Body: %w", err)
	}
	_, err := fillJSON(t.json, func(string) string { return "" })
	return t, err
}

// quoteBare puts quotes around literals that stand in the place of a string, as {"to": {{mobile}}}.
func quoteBare(body string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\' && i+1 < len(body):
			b.WriteByte(c)
			i++
			b.WriteByte(body[i])
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(body[i:], "{{"):
			if end := strings.Index(body[i:], "}}"); end > 0 {
				b.WriteString(`"` + body[i:i+end+2] + `"`)
				i += end + 1
				continue
			}
		}
		b.WriteByte(body[i])
	}
	return b.String()
}

// fillJSON returns the value with the literals of its strings filled in.
func fillJSON(v any, values func(string) string) (any, error) {
	switch v := v.(type) {
	case string:
		t, err := compile(v, false)
		if err != nil {
			return nil, fmt.Errorf("notify: HTTPConfig.Body: %w", err)
		}
		return t.exactly(values), nil
	case []any:
		filled := make([]any, len(v))
		var problems []error
		for i := range v {
			var err error
			filled[i], err = fillJSON(v[i], values)
			problems = append(problems, err)
		}
		return filled, errors.Join(problems...)
	case map[string]any:
		filled := make(map[string]any, len(v))
		var problems []error
		for name := range v {
			var err error
			filled[name], err = fillJSON(v[name], values)
			problems = append(problems, err)
		}
		return filled, errors.Join(problems...)
	}
	return v, nil
}

// write returns the body and its media type.
func (t *bodyTemplate) write(values map[string]string) ([]byte, string, error) {
	value := func(name string) string { return values[name] }
	if t.kind == Form {
		form := make(url.Values, len(values))
		for _, pair := range t.pairs {
			form.Add(pair[0].exactly(value), pair[1].exactly(value))
		}
		if t.pairs == nil {
			for name, v := range values {
				form.Set(name, v)
			}
		}
		return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
	}
	var content any = values
	if t.json != nil {
		var err error
		if content, err = fillJSON(t.json, value); err != nil {
			return nil, "", err
		}
	}
	body, err := json.Marshal(content)
	return body, "application/json", err
}
