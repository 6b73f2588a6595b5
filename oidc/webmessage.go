package oidc

import (
	"encoding/json"
	"net/url"
)

// WebMessage turns on the response mode web_message (OAuth 2.0 Web Message Response Mode, draft-sakimura-oauth-wmrm): the response is
// posted to the window that opened the page, or to the one around its frame. It goes to the origin of the redirect URI and
// to no other, and only a request with prompt=none may be answered inside a frame, and that of this origin alone.
type WebMessage struct{}

func (WebMessage) part(*Provider) (part, error) {
	return part{responseModes: []string{modeWebMessage}}, nil
}

// webMessage is what the script of the page posts.
type webMessage struct {
	Type     string            `json:"type"`
	Response map[string]string `json:"response"`
}

// encodeWebMessage writes the message of the draft's §4.1.
func encodeWebMessage(values url.Values) (string, error) {
	m := webMessage{Type: "authorization_response", Response: map[string]string{}}
	for name := range values {
		m.Response[name] = values.Get(name)
	}
	encoded, err := json.Marshal(m)
	return string(encoded), err
}

// messageOrigin is the origin that a message for the redirect URI goes to; "" where there is none: behind a scheme of an
// application's own.
func messageOrigin(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
