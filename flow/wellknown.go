package flow

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// The documents that say which mobile applications may use the passkeys of the domain. The host serves them, or redirects, where the
// platforms look: /.well-known/assetlinks.json and /.well-known/apple-app-site-association.
const (
	trustedAndroid = "/.well-known/trusted-apps/android"
	trustedApple   = "/.well-known/trusted-apps/ios"
)

// WellKnown lists the documents about passkeys, which live at the root of the host, for anybody to GET; none without Config.Passkeys.
func (e *Engine) WellKnown() []Route {
	if e.relyingParty == nil {
		return nil
	}
	return []Route{
		{Path: trustedAndroid, Handler: http.HandlerFunc(e.serveAndroid)},
		{Path: trustedApple, Handler: http.HandlerFunc(e.serveApple)},
		{Path: mfa.RelatedOriginsPath, Handler: http.HandlerFunc(e.serveRelatedOrigins)},
	}
}

// serveRelatedOrigins answers browsers at other origins (WebAuthn §5.11).
func (e *Engine) serveRelatedOrigins(w http.ResponseWriter, r *http.Request) {
	document := e.relyingParty.RelatedOrigins()
	if document == nil {
		http.NotFound(w, r)
		return
	}
	writeDocument(w, document)
}

// assetLink is a statement of Digital Asset Links: the application may use the credentials of the site. For passkeys Android insists on
// the relation by which an application opens links to the site as well.
type assetLink struct {
	Relation []string `json:"relation"`
	Target   struct {
		Namespace    string   `json:"namespace"`
		Package      string   `json:"package_name"`
		Fingerprints []string `json:"sha256_cert_fingerprints"`
	} `json:"target"`
}

func (e *Engine) serveAndroid(w http.ResponseWriter, r *http.Request) {
	links := []assetLink{}
	e.serveTrusted(w, r, directory.Android, func(app *directory.TrustedApp) {
		link := assetLink{Relation: []string{"delegate_permission/common.get_login_creds", "delegate_permission/common.handle_all_urls"}}
		link.Target.Namespace, link.Target.Package, link.Target.Fingerprints = "android_app", app.AndroidPackage, app.AndroidFingerprints
		links = append(links, link)
	}, &links)
}

func (e *Engine) serveApple(w http.ResponseWriter, r *http.Request) {
	var association struct {
		Credentials struct {
			Apps []string `json:"apps"`
		} `json:"webcredentials"`
	}
	association.Credentials.Apps = []string{}
	e.serveTrusted(w, r, directory.Apple, func(app *directory.TrustedApp) {
		if !slices.Contains(association.Credentials.Apps, app.AppleAppID) {
			association.Credentials.Apps = append(association.Credentials.Apps, app.AppleAppID)
		}
	}, &association)
}

// serveTrusted adds each trusted application to a document and writes it.
func (e *Engine) serveTrusted(w http.ResponseWriter, r *http.Request, on directory.Platform, add func(*directory.TrustedApp), document any) {
	apps, err := e.dir.Applications.Trusted(r.Context(), "", on)
	if err != nil {
		e.log.ErrorContext(r.Context(), "trusted applications not listed", "error", err)
		web.RetryAfter(w.Header(), 5*time.Second)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	for _, app := range apps {
		add(app.TrustedApp)
	}
	text, err := json.Marshal(document)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	writeDocument(w, text)
}

func writeDocument(w http.ResponseWriter, document []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(document) // whoever went away is nobody's error
}
