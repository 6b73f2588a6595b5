package pages

import (
	"net/http"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// DeviceView is the page on which a person enters the code that their device shows (RFC 8628 §3.3).
type DeviceView struct {
	// Submit is the path that takes the post: the field "user_code".
	Submit string
	// UserCode is what stands in the field at first.
	UserCode string
	// Wrong says that the code was wrong, and RetryAfter that there were too many and when to come back.
	Wrong      bool
	RetryAfter time.Duration
	Branding   directory.Branding
}

// Device writes the page, with status 422 when the code was wrong and 429 when there were too many. It is not a step of a flow:
// the person has proven nothing yet, and need not.
func (p *Pages) Device(w http.ResponseWriter, r *http.Request, v DeviceView) {
	prompt := flow.Prompt{
		Step: "device", Title: flow.Message{ID: "device.title"}, Intro: flow.Message{ID: "device.intro"},
		Fields: []flow.Field{{
			Name: "user_code", Type: flow.LettersField, Label: "device.user_code", Value: v.UserCode, Autocomplete: "off", Required: true, Focus: true,
		}},
		Actions: []flow.Action{{Name: "login", Label: "device.login"}},
	}
	status := http.StatusOK
	switch {
	case v.RetryAfter > 0:
		status = http.StatusTooManyRequests
		web.RetryAfter(w.Header(), v.RetryAfter)
		prompt.Messages = []flow.Message{{ID: "throttle.wait", Level: flow.Error}}
	case v.Wrong:
		status = http.StatusUnprocessableEntity
		prompt.Fields[0].Problem = flow.Message{ID: "device.wrong"}
	}
	p.write(w, r, status, p.prompt(r, flow.View{Prompt: prompt, Submit: v.Submit, Branding: v.Branding}), nil)
}

// Done writes the page that ends what was begun on another device: Prompt.Title says what has become of it.
func (p *Pages) Done(w http.ResponseWriter, r *http.Request, v flow.View) {
	p.write(w, r, http.StatusOK, p.done(r, v), v.RedirectOrigins)
}
