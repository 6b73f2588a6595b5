package flow

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The paths at which devices speak: what they send is signed, and no cookie is looked at.
const (
	pushAnswerPath = "/push-auth/authenticate"
	pushStatusPath = "/push-auth/check-status"
	// PushDevicesPath is where devices register, and below it where they sign off. The APIs of people have the same path for other methods, so
	// both are moved together.
	PushDevicesPath = "/api/users/v1/me/push/devices"
)

// maxPushBody is what a device may send.
const maxPushBody = 16 << 10

// errDevice says that what a device has sent is not believed. Which part of it, it does not learn.
var errDevice = errors.New("flow: not believed")

func (e *Engine) pushRoutes() []Route {
	return []Route{
		e.pushRoute(http.MethodPost, pushAnswerPath, "", e.pushAnswer),
		e.pushRoute(http.MethodGet, pushStatusPath, "", e.pushStatus),
		e.pushRoute(http.MethodPost, PushDevicesPath, "", e.pushRegister),
		e.pushRoute(http.MethodPost, PushDevicesPath, "/{id}/remove", e.pushRemove),
	}
}

// pushRoute serves one method, at a path and what may stand behind it.
func (e *Engine) pushRoute(method, path, rest string, serve func(*http.Request) (status int, answer any, err error)) Route {
	return Route{Path: e.site.Path(path) + rest, Methods: []string{method}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.NoStore(w.Header())
		if r.Method != method {
			w.Header().Set("Allow", method)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if err := e.admitDevice(r); err != nil {
			e.failDevice(w, r, err)
			return
		}
		status, answer, err := serve(r)
		if err != nil {
			e.failDevice(w, r, err)
			return
		}
		if answer == nil {
			w.WriteHeader(status)
			return
		}
		body, err := json.Marshal(answer)
		if err != nil {
			e.failDevice(w, r, err)
			return
		}
		web.WriteJSON(w, status, body)
	})}
}

// admitDevice bounds what an address may send, in which there is a signature to be verified. A script of some page is no device, and does not
// use up what the address of its reader may send.
func (e *Engine) admitDevice(r *http.Request) error {
	switch {
	case r.Method != http.MethodPost:
		return nil
	case web.Embedded(r):
		return errDevice
	}
	wait, err := e.dir.Throttle.Admit(r.Context(), "", directory.ThrottleRequest, e.site.Address(r).String())
	if err == nil && wait > 0 {
		err = throttled(wait)
	}
	return err
}

// failDevice answers in JSON: 400 for what a device got wrong, 429 for too much of it, else 503.
func (e *Engine) failDevice(w http.ResponseWriter, r *http.Request, err error) {
	correlation := web.NewCorrelationID()
	status, code, level := http.StatusServiceUnavailable, "temporarily_unavailable", slog.LevelError
	if p, ok := errors.AsType[*Failure](err); ok {
		status, code, level = p.Status, p.Code, slog.LevelInfo
		web.RetryAfter(w.Header(), p.RetryAfter)
	} else if errors.Is(err, errDevice) {
		status, code, level = http.StatusBadRequest, errMalformed.Code, slog.LevelInfo
	}
	e.log.Log(r.Context(), level, "a device was refused", "correlation", correlation, "path", r.URL.Path, "error", err)
	if status == http.StatusServiceUnavailable {
		web.RetryAfter(w.Header(), 5*time.Second)
	}
	body, err := json.Marshal(map[string]string{"code": code, "message": http.StatusText(status), "description": "The request was not accepted.", "traceId": correlation})
	if err == nil {
		web.WriteJSON(w, status, body)
	}
}

// pushAnswer takes what a device says about a question.
func (e *Engine) pushAnswer(r *http.Request) (int, any, error) {
	var body struct {
		Response string `json:"authResponse"`
	}
	if strictjson.Decode(r.Body, maxPushBody, &body) != nil {
		return 0, nil, errDevice
	}
	for range maxTries {
		err := e.answerPush(r.Context(), body.Response)
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			return http.StatusAccepted, nil, err
		}
	}
	return 0, nil, errDevice // answered by another meanwhile
}

func (e *Engine) answerPush(ctx context.Context, token string) error {
	claimed, err := mfa.ReadPushAnswer(token)
	if err != nil {
		return errDevice
	}
	push, err := e.dir.Pushes.Find(ctx, claimed.Prompt)
	if err != nil {
		return refusedDevice(err)
	}
	device, err := e.dir.Pushes.Device(ctx, push.Subject, claimed.Device)
	if err != nil {
		return refusedDevice(err)
	}
	key, err := mfa.ParsePushKey(device.Push.PublicKey)
	if err != nil {
		return err
	}
	answer, err := mfa.VerifyPushAnswer(token, key, e.db.Now())
	if err != nil || !answer.Repeats(push.ChallengeHash) {
		return errDevice
	}
	b := e.db.Batch()
	if err := e.dir.Pushes.Answer(ctx, b, push, device, answer.Approves(), answer.Number); err != nil {
		return refusedDevice(err)
	}
	return b.Apply(ctx)
}

// refusedDevice is err, where it is about what a device has sent.
func refusedDevice(err error) error {
	for _, known := range []error{
		directory.ErrPushOver, directory.ErrNotInvited, directory.ErrTooManyDevices, store.ErrNotFound, mfa.ErrForged, mfa.ErrExpired,
	} {
		if errors.Is(err, known) {
			return errDevice
		}
	}
	return err
}

// pushStatus says whether there is an answer, or a device. Its id is known to the page and the device alone.
func (e *Engine) pushStatus(r *http.Request) (int, any, error) {
	id, open := r.URL.Query().Get("pushAuthId"), false
	push, err := e.dir.Pushes.Find(r.Context(), id)
	if err == nil {
		open = push.Open(e.db.Now())
	} else if errors.Is(err, directory.ErrPushOver) {
		_, _, err = e.dir.Pushes.Invitation(r.Context(), id)
		open = err == nil
	}
	if err != nil && !errors.Is(err, directory.ErrNotInvited) {
		return 0, nil, err
	}
	status := "COMPLETED"
	if open {
		status = "PENDING"
	}
	return http.StatusOK, map[string]string{"status": status}, nil
}

// pushRegister takes a device for the person whose QR code it has scanned.
func (e *Engine) pushRegister(r *http.Request) (int, any, error) {
	var raw json.RawMessage
	if strictjson.Decode(r.Body, maxPushBody, &raw) != nil {
		return 0, nil, errDevice
	}
	registration, key, err := mfa.ParsePushRegistration(raw)
	if err != nil {
		return 0, nil, errDevice
	}
	for range maxTries {
		err = e.registerPush(r.Context(), registration, key)
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			return http.StatusCreated, map[string]string{"deviceId": registration.DeviceID}, err
		}
	}
	return 0, nil, errDevice // registered by another meanwhile
}

func (e *Engine) registerPush(ctx context.Context, r mfa.PushRegistration, key mfa.PushKey) error {
	_, challenge, err := e.dir.Pushes.Invitation(ctx, r.DeviceID)
	if err == nil {
		err = r.Verify(key, challenge.Reveal())
	}
	if err != nil {
		return refusedDevice(err)
	}
	about := directory.PushDevice{Model: r.Model, PublicKey: r.PublicKey}
	if r.Provider != nil {
		about.Provider, about.Metadata = r.Provider.Name, r.Provider.Metadata
	}
	b := e.db.Batch()
	if _, err := e.dir.Pushes.Register(ctx, b, r.DeviceID, r.Name, about, secret.Text(r.DeviceToken)); err != nil {
		return refusedDevice(err)
	}
	return b.Apply(ctx)
}

// pushRemove takes a device off an account, as the device itself wants, which signs that. One that is not there is refused as one that
// has not signed.
func (e *Engine) pushRemove(r *http.Request) (int, any, error) {
	var body struct {
		Token string `json:"token"`
	}
	if strictjson.Decode(r.Body, maxPushBody, &body) != nil {
		return 0, nil, errDevice
	}
	id := r.PathValue("id")
	for range maxTries {
		err := e.removePush(r.Context(), id, body.Token)
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			return http.StatusNoContent, nil, err
		}
	}
	return 0, nil, errDevice // removed by another meanwhile
}

func (e *Engine) removePush(ctx context.Context, id, token string) error {
	device, err := e.dir.Pushes.Named(ctx, id)
	if err != nil {
		return refusedDevice(err)
	}
	key, err := mfa.ParsePushKey(device.Push.PublicKey)
	if err != nil {
		return err
	}
	if err := mfa.VerifyPushRemoval(token, device.ID, key, e.db.Now()); err != nil {
		return refusedDevice(err)
	}
	return e.dir.Credentials.Delete(ctx, device)
}
