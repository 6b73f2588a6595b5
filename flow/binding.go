package flow

import (
	"github.com/signet-idp/signet/internal/secret"
)

// The purposes of the cookies.
const (
	// bindingCookie ties flows to a browser. It signs nobody in.
	bindingCookie = "flow"
	// flowsCookie names the flows that the browser has under way. It proves nothing.
	flowsCookie = "flows"
	// sessionCookie is set by the answer to the post that completes a login, or to its duplicate, and by nothing else.
	sessionCookie = "session"
	// trustCookie spares a second factor.
	trustCookie = "trust"
	// deviceCookie says that somebody has signed in from here before.
	deviceCookie = "device"
)

// browser returns the secret of the binding cookie, "" when the browser has none; for a program, that by which it names the flow.
func (e *Engine) browser(r *visit) string {
	if r.program != nil {
		return r.program.Flow.Reveal()
	}
	value := e.site.Cookie(r.Request, bindingCookie)
	if !isHash(value) { // which has the form of a secret as well
		return ""
	}
	return value
}

// bind returns the binding secret, and gives the browser one if it has none.
func (e *Engine) bind(r *visit) string {
	if value := e.browser(r); value != "" {
		return value
	}
	value := secret.New().Reveal()
	e.site.SetCookie(r.w, bindingCookie, value, 0)
	return value
}
