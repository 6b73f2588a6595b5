package flow

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// echo is what the answer that completed a login has set, for a duplicate of the very post: the browser of somebody who clicks twice
// drops the first answer, and with it the cookie. It opens for the same browser and the same form alone, password and all, so that
// whoever can have it could have had the answer.
type echo struct {
	Session  string        `json:"session"`
	Lifetime time.Duration `json:"lifetime,omitempty"`
	Device   string        `json:"device,omitempty"`
}

// echoLife is how long a post may be repeated.
const echoLife = time.Minute

// echoPlace is what the echo of a post is sealed for.
func (e *Engine) echoPlace(r *visit, x *execution, form web.Form) []string {
	return []string{executionKind.Name, x.ID, "echo", secret.Hash(e.browser(r) + "\x00" + form.Encode())}
}

// keepEcho leaves the echo of a post in the flow that it has completed.
func (e *Engine) keepEcho(r *visit, x *execution, in *signIn, form web.Form) error {
	text, err := json.Marshal(echo{Session: in.cookie.Reveal(), Lifetime: in.lifetime, Device: in.device.Reveal()})
	if err != nil {
		return err
	}
	x.Echo, x.EchoUntil = e.db.Keys().Seal(text, e.echoPlace(r, x, form)...), e.db.Now().Add(echoLife)
	return nil
}

// repeat sets once more what the answer to the post has set that completed the flow, if this is the same post. A browser that is
// signed in, to whatever it is, is left alone.
func (e *Engine) repeat(r *visit, x *execution, form web.Form) error {
	if !x.Done || x.Echo == "" || !e.db.Now().Before(x.EchoUntil) {
		return nil
	}
	text, err := e.db.Keys().Open(x.Echo, e.echoPlace(r, x, form)...)
	if errors.Is(err, store.ErrSealed) {
		return nil
	}
	var again echo
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil {
		return err
	}
	if _, err := e.CurrentSession(r.Request); !errors.Is(err, directory.ErrNoSession) {
		return err
	}
	e.site.SetCookie(r.w, sessionCookie, again.Session, again.Lifetime)
	if again.Device != "" {
		e.site.SetCookie(r.w, deviceCookie, again.Device, deviceLifetime)
	}
	return nil
}
