package signet

import (
	"net/http"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// oidcPages shows the dead ends of the protocol in the look of the flow.
type oidcPages struct{ provider *Provider }

// Error implements oidc.Pages.
func (o oidcPages) Error(w http.ResponseWriter, r *http.Request, page oidc.ErrorPage) {
	// A page about a broken store must not need the store: the look is the configured one.
	f := flow.Failure{
		Status: page.Status, Code: page.Code, Detail: page.Description, Correlation: page.Correlation, RetryAfter: page.RetryAfter,
		Branding: o.provider.config.Branding,
	}
	if p, ok := plights[page.Code]; ok {
		f.Message, f.Detail = flow.Message{ID: p.message, Level: flow.Error}, ""
		if p.harmless {
			f.Status = http.StatusOK
		}
	}
	o.provider.pages.Fail(w, r, f)
}

// plight is where a person got to by their own doing, so that they are told in their language; all else is a matter
// between the application and us.
type plight struct {
	message  string
	harmless bool
}

// plights are by the code of the protocol.
var plights = map[string]plight{
	"request_expired":         {message: "flow.expired"},
	"request_foreign":         {message: "flow.foreign"},
	"request_finished":        {message: "flow.finished", harmless: true}, // back from the application, by the browser's button
	"logout_canceled":         {message: "logout.canceled", harmless: true},
	"temporarily_unavailable": {message: "error.unavailable"},
}

// SignedOut implements oidc.Pages.
func (o oidcPages) SignedOut(w http.ResponseWriter, r *http.Request) {
	o.provider.flow.SignedOut(w, r, directory.Interaction{Purpose: directory.SignOut})
}
