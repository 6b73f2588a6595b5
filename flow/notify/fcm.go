package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/signet-idp/signet/internal/strictjson"
)

// FCMConfig is a project at Firebase Cloud Messaging (HTTP v1). ServiceAccount is required.
type FCMConfig struct {
	// ServiceAccount is the JSON file of a service account that may send messages.
	ServiceAccount Secret
	// Project is the id of the project; "" is that of the service account.
	Project string
	// URL is where the API is; "" is https://fcm.googleapis.com.
	URL string
	// Client is as in HTTPConfig.
	Client *http.Client
}

// FCM is a PushSender; Alert.To is the registration token of the device. It is safe for concurrent use.
type FCM struct {
	client  *http.Client
	url     string
	account jwt.Config
	tokens  tokens
}

var _ PushSender = (*FCM)(nil)

// NewFCM checks the configuration and returns an FCM. It does not connect.
func NewFCM(config FCMConfig) (*FCM, error) {
	var account struct {
		Type     string `json:"type"`
		Project  string `json:"project_id"`
		KeyID    string `json:"private_key_id"`
		Key      string `json:"private_key"`
		Email    string `json:"client_email"`
		TokenURL string `json:"token_uri"`
	}
	if err := strictjson.Unmarshal([]byte(config.ServiceAccount.Reveal()), &account); err != nil || account.Type != "service_account" ||
		account.Key == "" || account.Email == "" {
		return nil, errors.New("notify: FCMConfig.ServiceAccount must be the JSON file of a service account")
	}
	if config.Project == "" {
		config.Project = account.Project
	}
	if config.URL == "" {
		config.URL = "https://fcm.googleapis.com"
	}
	base, errURL := serviceURL("FCMConfig.URL", config.URL)
	_, errToken := serviceURL("token_uri of FCMConfig.ServiceAccount", account.TokenURL)
	var errProject error
	if config.Project == "" {
		errProject = errors.New("notify: FCMConfig.Project is required: the service account names none")
	}
	if err := errors.Join(errURL, errToken, errProject); err != nil {
		return nil, err
	}
	return &FCM{
		client: newClient(config.Client), url: base.JoinPath("v1", "projects", config.Project, "messages:send").String(),
		account: jwt.Config{
			Email: account.Email, PrivateKey: []byte(account.Key), PrivateKeyID: account.KeyID, TokenURL: account.TokenURL,
			Scopes: []string{"https://www.googleapis.com/auth/firebase.messaging"},
		},
	}, nil
}

type fcmRequest struct {
	Message fcmMessage `json:"message"`
}

type fcmMessage struct {
	Token        string            `json:"token"`
	Notification fcmNotification   `json:"notification"`
	Data         map[string]string `json:"data,omitempty"`
	Android      fcmAndroid        `json:"android"`
	APNS         fcmAPNS           `json:"apns"`
}

type fcmNotification struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

type fcmAndroid struct {
	Priority string `json:"priority"`
}

type fcmAPNS struct {
	Headers map[string]string `json:"headers"`
}

// SendPush implements PushSender. That the device is no longer registered is ErrUndeliverable.
func (s *FCM) SendPush(ctx context.Context, a Alert) error {
	token, err := s.tokens.token(ctx, s.client, func(ctx context.Context) (*oauth2.Token, error) { return s.account.TokenSource(ctx).Token() })
	if err != nil {
		return err
	}
	body, err := json.Marshal(fcmRequest{fcmMessage{
		Token: a.To, Notification: fcmNotification{a.Title, a.Text}, Data: a.Data,
		Android: fcmAndroid{"high"}, APNS: fcmAPNS{map[string]string{"apns-priority": "10"}}, // somebody is waiting
	}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	status, _, err := exchange(s.client, r)
	if err != nil {
		return err
	}
	switch status {
	case http.StatusUnauthorized:
		s.tokens.forget()
	case http.StatusForbidden: // the device belongs to another project
		return fmt.Errorf("%w: FCM answered %d", ErrUndeliverable, status)
	}
	return accepted("FCM", status)
}
