package oidc

import (
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// refuse answers a client with an error as JSON (RFC 6749 §5.2), or by a challenge alone where there is no code to give.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	p.observeRefusal(r, "", "", e)
	p.log(r, e, "")
	h := w.Header()
	web.RetryAfter(h, e.RetryAfter)
	for _, challenge := range p.challenges(e) {
		h.Add("WWW-Authenticate", challenge)
	}
	if e.Code == "" {
		web.NoStore(h)
		w.WriteHeader(e.Status)
		return
	}
	web.WriteValue(w, e.status(), struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, e.Description})
}

// challenges are the WWW-Authenticate headers of an error: one in its own scheme and, where a bearer token was missing or no good,
// one that says that DPoP is understood (RFC 9449 §7.1, §7.2).
func (p *Provider) challenges(e *Error) []string {
	if e.challenge == "" {
		return nil
	}
	parameters := []string{fmt.Sprintf("realm=%q", p.site.Issuer())}
	if e.challenge != "Basic" && e.Code != "" { // RFC 6750 §3
		parameters = append(parameters, fmt.Sprintf("error=%q", e.Code), fmt.Sprintf("error_description=%q", e.Description))
	}
	if e.scope != "" {
		parameters = append(parameters, fmt.Sprintf("scope=%q", e.scope))
	}
	if a := e.again; a != nil && a.ACR != "" { // RFC 9470 §3
		parameters = append(parameters, fmt.Sprintf("acr_values=%q", a.ACR))
	}
	if a := e.again; a != nil && a.MaxAge > 0 {
		parameters = append(parameters, "max_age="+strconv.FormatInt(int64(a.MaxAge/time.Second), 10))
	}
	algs := ""
	if p.proofs != nil {
		algs = fmt.Sprintf("algs=%q", strings.Join(p.proofs.verifier.AlgorithmNames(), " "))
	}
	if e.challenge == schemeDPoP && algs != "" {
		parameters = append(parameters, algs)
	}
	challenges := []string{e.challenge + " " + strings.Join(parameters, ", ")}
	if e.challenge == schemeBearer && e.status() == http.StatusUnauthorized && algs != "" {
		challenges = append(challenges, schemeDPoP+" "+algs)
	}
	return challenges
}

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// showError answers a person with a page: for errors that no client can be told, because nothing proves where it is.
func (p *Provider) showError(w http.ResponseWriter, r *http.Request, e *Error) {
	correlation := web.NewCorrelationID()
	p.observeRefusal(r, "", correlation, e)
	p.log(r, e, correlation)
	p.config.Pages.Error(w, r, ErrorPage{
		Status: e.status(), Code: e.Code, Description: e.Description, Correlation: correlation, RetryAfter: e.RetryAfter,
		Application: e.application,
	})
}

// log writes the cause of an error. Refusals are the clients' business and stay below the level that wakes somebody.
func (p *Provider) log(r *http.Request, e *Error, correlation string) {
	level := slog.LevelInfo
	if e.status() >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !p.config.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("code", e.Code), slog.String("description", e.Description),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), // never the query: it may hold secrets
	}
	if correlation != "" {
		attrs = append(attrs, slog.String("correlation", correlation))
	}
	if e.cause != nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	p.config.Logger.LogAttrs(r.Context(), level, "oidc: request refused", attrs...)
}

func (p *Provider) observeRefusal(r *http.Request, clientID, correlation string, e *Error) {
	p.observe(r.Context(), directory.Observation{
		Type: "request.refused", ClientID: clientID, Code: e.Code, Address: p.site.AddressGroup(r), Correlation: correlation,
	})
}

// plainPages is Pages for those who bring none.
type plainPages struct{}

var plainPage = template.Must(template.New("plain").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title></head>
<body><main><h1 id="{{.ID}}">{{.Title}}</h1>{{with .Page.Code}}<p>{{$.Page.Description}}</p><p id="error"><code>{{.}}</code> {{$.Page.Correlation}}</p>{{end}}{{with .Page.Application}}<p><a id="application" href="{{.}}">Back to the application</a></p>{{end}}</main></body></html>
`))

// Error implements Pages.
func (plainPages) Error(w http.ResponseWriter, _ *http.Request, page ErrorPage) {
	web.RetryAfter(w.Header(), page.RetryAfter)
	writePlain(w, page.Status, "This did not work", "title", page)
}

// SignedOut implements Pages.
func (plainPages) SignedOut(w http.ResponseWriter, _ *http.Request) {
	writePlain(w, http.StatusOK, "You are signed out", "logged_out", ErrorPage{})
}

// Device implements Pages.
func (plainPages) Device(w http.ResponseWriter, _ *http.Request, page DevicePage) {
	status := http.StatusOK
	switch {
	case page.RetryAfter > 0:
		status = http.StatusTooManyRequests
		web.RetryAfter(w.Header(), page.RetryAfter)
	case page.Wrong:
		status = http.StatusUnprocessableEntity
	}
	web.Policy{}.Set(w.Header())
	w.WriteHeader(status)
	_ = plainDevice.Execute(w, page) // a browser that went away is nobody's error
}

// Done implements Pages.
func (plainPages) Done(w http.ResponseWriter, _ *http.Request, page DonePage) {
	title := "You have allowed it"
	if page.Refused {
		title = "You did not allow it"
	}
	writePlain(w, http.StatusOK, title, "done", ErrorPage{})
}

var plainDevice = template.Must(template.New("device").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Connect a device</title></head>
<body><main><h1>Connect a device</h1>{{if .RetryAfter}}<p role="alert">Those were too many codes. Wait a little and try again.</p>{{else if .Wrong}}<p role="alert">That code is wrong or too old.</p>{{end}}
<form action="{{.Submit}}" method="post"><label for="user_code">Code from the device</label>
<input id="user_code" name="user_code" value="{{.UserCode}}" required autofocus autocomplete="off" autocapitalize="characters" spellcheck="false"><button id="login" type="submit">Continue</button></form></main></body></html>
`))

func writePlain(w http.ResponseWriter, status int, title, id string, page ErrorPage) {
	web.Policy{}.Set(w.Header())
	w.WriteHeader(status)
	_ = plainPage.Execute(w, struct { // a browser that went away is nobody's error
		Title, ID string
		Page      ErrorPage
	}{title, id, page})
}
