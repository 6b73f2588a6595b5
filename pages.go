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
	o.provider.pages.Fail(w, r, flow.Failure{
		Status: page.Status, Code: page.Code, Message: flow.Message{ID: "failure." + page.Code, Level: flow.Error},
		Detail: page.Description, Correlation: page.Correlation, RetryAfter: page.RetryAfter,
		Branding: o.provider.config.Branding,
	})
}

// SignedOut implements oidc.Pages.
func (o oidcPages) SignedOut(w http.ResponseWriter, r *http.Request) {
	o.provider.flow.SignedOut(w, r, directory.Interaction{Purpose: directory.SignOut})
}
