package me

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// passkey is one of the person's.
type passkey struct {
	SignatureCount uint32            `json:"signatureCount"`
	UserIdentity   passkeyUser       `json:"userIdentity"`
	Credential     passkeyCredential `json:"credential"`
	DisplayName    string            `json:"displayName"`
	Registered     time.Time         `json:"registrationTime"`
	Usernameless   bool              `json:"isUsernamelessSupported"`
}

type passkeyUser struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	ID          string `json:"id"`
}

type passkeyCredential struct {
	ID             string `json:"credentialId"`
	UserHandle     string `json:"userHandle"`
	PublicKey      string `json:"publicKeyCose"`
	SignatureCount uint32 `json:"signatureCount"`
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func toPasskey(user *directory.User, c *directory.Credential) passkey {
	handle := encoded(c.Passkey.UserHandle)
	return passkey{
		SignatureCount: c.Passkey.Counter, DisplayName: c.Label, Registered: c.Created,
		Usernameless: c.Passkey.Discoverable != nil && *c.Passkey.Discoverable,
		UserIdentity: passkeyUser{Name: user.Username, DisplayName: user.Name, ID: handle},
		Credential: passkeyCredential{
			ID: encoded(c.Passkey.ID), UserHandle: handle, PublicKey: encoded(c.Passkey.PublicKey), SignatureCount: c.Passkey.Counter,
		},
	}
}

// listPasskeys lists the person's passkeys.
func (a *API) listPasskeys(c *call) (answer, error) {
	if a.Passkeys == nil {
		return answer{}, errOff
	}
	user, err := a.user(c)
	if err != nil {
		return answer{}, err
	}
	all, err := a.Passkeys.List(c.ctx(), c.ref)
	list := make([]passkey, 0, len(all))
	for _, one := range all {
		list = append(list, toPasskey(user, one))
	}
	return answer{Body: list}, err
}

// startPasskey begins to make a passkey. What the client calls itself (appId) is not looked at: the relying party is ours.
func (a *API) startPasskey(c *call) (answer, error) {
	if a.Passkeys == nil {
		return answer{}, errOff
	}
	user, err := a.user(c)
	if err != nil {
		return answer{}, err
	}
	ceremony, err := a.Passkeys.Begin(c.ctx(), c.ref, user)
	if err != nil {
		return answer{}, err
	}
	request := secret.New().Reveal()
	if err := a.begin(c, pendingPasskey, request, ceremony.Session); err != nil {
		return answer{}, err
	}
	return answer{Status: http.StatusCreated, Body: struct {
		Username string          `json:"username"`
		Request  string          `json:"requestId"`
		Options  json.RawMessage `json:"publicKeyCredentialCreationOptions"`
	}{user.Username, request, ceremony.Options}}, nil
}

var errPasskey = &web.ProblemError{Status: 400, Code: "ME-60009", Message: "Passkey refused", Description: "The answer of the authenticator is not accepted."}

// passkeyProblem is how an answer of an authenticator is refused, and whether it is.
func passkeyProblem(err error) (*web.ProblemError, bool) {
	refused, ok := errors.AsType[*mfa.PasskeyError](err)
	if !ok {
		return nil, false
	}
	p := *errPasskey
	switch refused.Reason {
	case mfa.PasskeyRestart:
		p.Description = "The registration is over, or was begun elsewhere. Begin again."
	case mfa.PasskeyUntrusted, mfa.PasskeyDisallowed:
		p.Code, p.Description = "50013", "The attestation of the authenticator is not accepted."
	case mfa.PasskeyForeign:
		p.Status, p.Description = http.StatusConflict, "The passkey is registered already."
	}
	return &p, true
}

// finishPasskey takes the answer of the authenticator: {requestId, credential}. Whatever comes of it, the registration is over.
func (a *API) finishPasskey(c *call) (answer, error) {
	if a.Passkeys == nil {
		return answer{}, errOff
	}
	var body struct {
		Request    secret.Text     `json:"requestId"`
		Credential json.RawMessage `json:"credential"`
	}
	if err := c.decode(&body, maxPasskeyBody); err != nil {
		return answer{}, err
	}
	user, err := a.user(c)
	if err != nil {
		return answer{}, err
	}
	made, err := a.completePasskey(c, body.Request, body.Credential)
	if p, refused := passkeyProblem(err); refused {
		return answer{}, p
	}
	if err != nil {
		return answer{}, err
	}
	return answer{Status: http.StatusCreated, Body: toPasskey(user, made)}, nil
}

func (a *API) completePasskey(c *call, request secret.Text, credential []byte) (*directory.Credential, error) {
	p, session, err := a.begun(c, pendingPasskey)
	if errors.Is(err, store.ErrNotFound) || err == nil && !secret.Matches(p.Request, request.Reveal()) {
		return nil, &mfa.PasskeyError{Reason: mfa.PasskeyRestart}
	}
	if err != nil {
		return nil, err
	}
	b := a.DB.Batch()
	made, err := a.Passkeys.Finish(c.ctx(), b, c.ref, session, credential)
	if _, refused := passkeyProblem(err); refused {
		if failed := a.abandon(c, p); failed != nil {
			return nil, failed
		}
	}
	if err != nil {
		return nil, err
	}
	a.pending.Delete(b, p)
	if err := a.hold(b, c); err != nil {
		return nil, err
	}
	return made, b.Apply(c.ctx())
}

// abandon ends a ceremony that came to nothing: its challenge is good for one answer.
func (a *API) abandon(c *call, p *pending) error {
	b := a.DB.Batch()
	a.pending.Delete(b, p)
	if err := b.Apply(c.ctx()); !isConflict(err) {
		return err
	}
	return nil
}

// removePasskey removes one of the person's passkeys, unless they would have no other way to sign in.
func (a *API) removePasskey(c *call) (answer, error) {
	if a.Passkeys == nil {
		return answer{}, errOff
	}
	all, err := a.Passkeys.List(c.ctx(), c.ref)
	if err != nil {
		return answer{}, err
	}
	var others []directory.WayIn
	if a.Connections != nil {
		others = append(others, a.Connections.WayIn)
	}
	for _, one := range all {
		if encoded(one.Passkey.ID) == c.r.PathValue("credentialId") {
			return answer{Status: http.StatusOK}, a.Directory.RemoveCredential(c.ctx(), c.Subject, c.Session, one.ID, others...)
		}
	}
	return answer{}, store.ErrNotFound
}
