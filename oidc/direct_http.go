package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

func (p *Provider) directRoutes() []web.Route {
	return []web.Route{{Path: pathAuthn, Methods: []string{http.MethodPost}, Class: web.TokenAuthenticated, Handler: p.serveAuthn}}
}

// headerAttestation is where a public client proves that it is the app.
const headerAttestation = "X-Client-Attestation"

// serveDirect takes an authorization request that is to be answered without a browser: the first call of an app.
func (p *Provider) serveDirect(w http.ResponseWriter, r *http.Request, form web.Form, q *authorizationRequest, refusal *Error) {
	if err := p.beginDirect(r, form, q, refusal); err != nil {
		p.refuseDirect(w, r, err)
		return
	}
	flow, err := p.keepDirect(r.Context(), q)
	if err != nil {
		p.refuseDirect(w, r, err)
		return
	}
	q.native = &directory.Native{Flow: secret.Text(flow)}
	p.goOnDirect(w, r, q)
}

// beginDirect finds what speaks against the first call.
func (p *Provider) beginDirect(r *http.Request, form web.Form, q *authorizationRequest, refusal *Error) error {
	if err := p.refuseBrowser(r); err != nil {
		return err
	}
	if err := refuseQuerySecrets(r); err != nil {
		return err
	}
	clientID := form.Value("client_id")
	if clientID == "" && refusal != nil {
		return refusal
	}
	c, err := p.judgeDirect(r.Context(), clientID)
	if err != nil {
		return err
	}
	if err := p.admitted(r, c.Org); err != nil { // before anybody is asked, far away, what an attestation is worth
		return err
	}
	if len(r.Header.Values("Authorization")) > 1 {
		return invalidRequest("the Authorization header stands more than once")
	}
	sent := directRequest{
		clientRequest: clientRequest{form: form, authorization: r.Header.Get("Authorization"), path: r.URL.Path},
		attestation:   r.Header.Values(headerAttestation),
	}
	if sent.certificate, err = p.readCertificate(r); err != nil {
		return err
	}
	if err := p.provesApp(r.Context(), c, sent, q); err != nil {
		return err
	}
	if refusal != nil {
		return refusal
	}
	return nil
}

// refuseBrowser keeps pages out, of our own as of others: no script may ask people for their passwords in an app's name, and no
// cookie is looked at here. A program has neither an origin nor our cookies.
func (p *Provider) refuseBrowser(r *http.Request) error {
	for _, name := range []string{headerOrigin, "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
		if r.Header.Get(name) != "" {
			return invalidRequest("this is not for browsers: the header " + name + " is one of theirs")
		}
	}
	if p.site.HasCookies(r) {
		return invalidRequest("this is not for browsers: cookies of theirs are in the request")
	}
	return nil
}

// serveAuthn takes what an app answers.
func (p *Provider) serveAuthn(w http.ResponseWriter, r *http.Request) {
	q, err := p.readAnswer(w, r)
	if err != nil {
		p.refuseDirect(w, r, err)
		return
	}
	p.goOnDirect(w, r, q)
}

// readAnswer reads which flow an answer is for, and what it is.
func (p *Provider) readAnswer(w http.ResponseWriter, r *http.Request) (*authorizationRequest, error) {
	if err := p.refuseBrowser(r); err != nil {
		return nil, err
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != mediaJSON {
		refusal := invalidRequest("the body must be " + mediaJSON)
		refusal.Status = http.StatusUnsupportedMediaType
		return nil, refusal
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refusal := invalidRequest("the body is too large")
		refusal.Status = http.StatusRequestEntityTooLarge
		return nil, refusal
	} else if err != nil {
		return nil, invalidRequest("the body could not be read")
	}
	var sent struct {
		FlowID   string          `json:"flowId"`
		Selected json.RawMessage `json:"selectedAuthenticator"`
	}
	if err := strictjson.Unmarshal(body, &sent, strictjson.Depth(5)); err != nil {
		return nil, invalidRequest("the body is not well-formed").because(err)
	}
	if sent.FlowID == "" || len(sent.Selected) == 0 {
		return nil, invalidRequest("flowId or selectedAuthenticator is missing")
	}
	q, err := p.findDirect(r.Context(), sent.FlowID)
	if err != nil {
		return nil, err
	}
	q.native = &directory.Native{Flow: secret.Text(sent.FlowID), Answer: sent.Selected}
	return q, nil
}

// goOnDirect takes the request as far as it goes without the person, as advance does for a browser.
func (p *Provider) goOnDirect(w http.ResponseWriter, r *http.Request, q *authorizationRequest) {
	values, err := p.decide(w, r, q)
	switch {
	case err != nil:
		p.refuseDirect(w, r, err)
	case values != nil:
		web.WriteValue(w, http.StatusOK, q.directAnswer(values))
	}
}

// refuseDirect answers an app with an error.
func (p *Provider) refuseDirect(w http.ResponseWriter, r *http.Request, err error) {
	said, correlation := directErrorOf(err), web.NewCorrelationID()
	said.Trace = correlation
	e, challenge := asError(err), ""
	if own, ok := errors.AsType[*directError](err); ok {
		e, challenge = &Error{Code: string(own.code), Description: own.description, Status: own.status}, own.challenge
	} else if e.challenge != "" {
		for _, c := range p.challenges(e) {
			w.Header().Add("WWW-Authenticate", c)
		}
	}
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("%s realm=%q", challenge, p.site.Issuer()))
	}
	p.observeRefusal(r, "", correlation, e)
	p.log(r, e, correlation)
	said.Write(w)
}
