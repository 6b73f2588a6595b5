package oidc

import (
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/web"
)

func (g *deviceGrant) routes() []web.Route {
	return []web.Route{
		{Path: pathDeviceAuthorization, Methods: []string{http.MethodPost}, Class: web.TokenAuthenticated, Handler: g.serveAuthorization},
		{Path: pathDevice, Methods: []string{http.MethodGet, http.MethodPost}, Class: web.SameOrigin, Handler: g.servePage},
		{Path: pathDeviceResume, Methods: []string{http.MethodGet}, Class: web.SameOrigin, Handler: g.serveVisit(DoneDevice)},
	}
}

// serveAuthorization is the device authorization endpoint (RFC 8628 §3.1).
func (g *deviceGrant) serveAuthorization(w http.ResponseWriter, r *http.Request) {
	sent, client, _, err := g.readClientRequest(w, r)
	if err == nil {
		if refusal := g.admit(r, client.Org); refusal != nil { // what is kept here waits for somebody, as at the authorization endpoint
			err = refusal
		}
	}
	var response *deviceResponse
	if err == nil {
		response, err = g.authorize(r.Context(), client, sent.form, g.site.Address(r))
	}
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	web.WriteValue(w, http.StatusOK, response)
}

// servePage is where a person enters the code (RFC 8628 §3.3). A GET looks nothing up, whatever code is in its URL (§3.3.1): it
// fills in the field, and the person compares and goes on.
func (g *deviceGrant) servePage(w http.ResponseWriter, r *http.Request) {
	form, bad := readBrowserForm(w, r)
	if bad != nil {
		g.showError(w, r, formError(bad))
		return
	}
	browser := g.browser(w, r)
	typed := form.Value("user_code")
	if r.Method != http.MethodPost {
		g.showDevice(w, r, DevicePage{UserCode: typed})
		return
	}
	wait, err := g.try(r.Context(), browser, g.site.Address(r))
	if err != nil {
		g.showError(w, r, unavailable(err))
		return
	}
	if wait > 0 {
		g.refuseCode(w, r, DevicePage{UserCode: typed, RetryAfter: wait}, "slow_down")
		return
	}
	q, err := g.find(r.Context(), typed)
	switch {
	case err != nil:
		g.showError(w, r, unavailable(err))
	case q == nil:
		g.refuseCode(w, r, DevicePage{UserCode: typed, Wrong: true}, "user_code_wrong")
	default:
		web.SeeOther(w, g.visitPath(g.newVisit(q, browser)))
	}
}

// refuseCode shows the page again, and tells the Observer and the log.
func (g *deviceGrant) refuseCode(w http.ResponseWriter, r *http.Request, page DevicePage, code string) {
	refusal := &Error{Code: code, Status: http.StatusUnprocessableEntity}
	g.observeRefusal(r, "", "", refusal)
	g.log(r, refusal, "")
	g.showDevice(w, r, page)
}

func (g *deviceGrant) showDevice(w http.ResponseWriter, r *http.Request, page DevicePage) {
	page.Submit = g.site.Path(pathDevice)
	if len(page.UserCode) > maxTyped {
		page.UserCode = ""
	}
	g.config.Pages.Device(w, r, page)
}

// DevicePage is what the page shows on which a person enters the code of a device (RFC 8628 §3.3).
type DevicePage struct {
	// Submit is the path that takes the post of "user_code".
	Submit string
	// UserCode is what stands in the field at first: anything that somebody put into a URL.
	UserCode string
	// Wrong says that there is no request of that code, RetryAfter that too many were tried and when to come back.
	Wrong      bool
	RetryAfter time.Duration
}
