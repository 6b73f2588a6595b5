package flow

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	// sightingLifetime is how long the way back may take.
	sightingLifetime = 2 * time.Minute
	// maxState is longer than any state of ours.
	maxState = 128
)

// sighting is what was seen of a certificate where it was shown: it has been judged there, and whose it is remains to be found out. It
// travels through the browser, sealed for the state that the browser came with.
type sighting struct {
	Time time.Time `json:"time"`
	// Problem is why it will not do, as a message; with one there is nothing else.
	Problem    string    `json:"problem,omitempty"`
	Thumbprint string    `json:"thumbprint,omitempty"`
	Name       string    `json:"name,omitempty"`
	Label      string    `json:"label,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
	Card       bool      `json:"card,omitempty"`
}

// showCertificate is where browsers show certificates. It may be on another host than the pages, where it knows nobody and asks nothing:
// it writes down what it has seen, for the one flow that the state names, and sends the browser there. GET changes nothing.
func (e *Engine) showCertificate(w http.ResponseWriter, r *http.Request) {
	v := e.visit(w, r)
	query, err := web.ReadQuery(r)
	if err != nil {
		e.fail(v, err, "")
		return
	}
	state := query.Value("state")
	if state == "" || len(state) > maxState {
		e.fail(v, errMalformed, "")
		return
	}
	seen, cause := e.certificates.look(r)
	if cause != nil {
		e.log.WarnContext(r.Context(), "a certificate was not accepted", "message", seen.Problem, "error", cause)
	}
	text, err := json.Marshal(seen)
	if err != nil {
		e.fail(v, err, "")
		return
	}
	sealed := e.db.Seal(executionKind, store.Ref{ID: state}, certificateField, text)
	v.goTo(e.site.URL(CallbackPath+certificateOption) + "?" + url.Values{"state": {state}, certificateField: {string(sealed)}}.Encode())
}

// look judges what a browser shows. The error is for the log.
func (c *certificates) look(r *http.Request) (*sighting, error) {
	now := c.db.Now()
	refused := func(problem string, cause error) (*sighting, error) {
		return &sighting{Time: now, Problem: problem}, cause
	}
	presented, err := c.source.Find(r)
	switch {
	case err != nil:
		return refused("x509.refused", err)
	case presented == nil:
		return refused("x509.missing", nil)
	}
	chain, err := c.chain(presented, now)
	if err != nil {
		return refused("x509.refused", err)
	}
	if c.Revoked != nil {
		err := c.Revoked(r.Context(), slices.Clone(chain))
		switch {
		case errors.Is(err, ErrCertificateRevoked):
			return refused("x509.refused", err)
		case err != nil:
			return refused("x509.unchecked", err)
		}
	}
	leaf := chain[0]
	seen := &sighting{Time: now, Thumbprint: clientcert.Thumbprint(leaf), Label: label(leaf), Expires: leaf.NotAfter}
	if c.Name != "" {
		seen.Name, _ = c.Name.Of(leaf)
	}
	if len(c.CardPolicies) > 0 {
		_, err := c.authority.Chain(presented, now, c.CardPolicies...)
		seen.Card = err == nil
	}
	return seen, nil
}

// chain holds a certificate against who may have issued it. That it may authenticate clients must be said: without an extended key usage it
// may do anything, and was meant for something else (RFC 5280 §4.2.1.12).
func (c *certificates) chain(presented *clientcert.Presented, now time.Time) ([]*x509.Certificate, error) {
	if !slices.Contains(presented.Leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return nil, errors.New("the certificate is not for the authentication of clients")
	}
	return c.authority.Chain(presented, now, c.Policies...)
}

// label is how a person knows a certificate again: by the name in it, as far as a label may be long.
func label(leaf *x509.Certificate) string {
	name, ok := clientcert.CommonName.Of(leaf)
	if ok && utf8.RuneCountInString(name) <= 64 && utf8.ValidString(name) { // what a credential can be called
		return name
	}
	return ""
}

// seen opens what the browser has brought back; a message says why it is nothing. It opens for the state with which this flow has sent the
// browser away, and for no other; the flow takes it once.
func (c *certificates) seen(s *State, answer url.Values) (*sighting, string, error) {
	state := answer.Get("state")
	if !secret.Equal(state, string(s.Data)) {
		return nil, "x509.stale", nil
	}
	text, err := c.db.Unseal(executionKind, store.Ref{ID: state}, certificateField, store.Sealed(answer.Get(certificateField)))
	if errors.Is(err, store.ErrSealed) {
		return nil, "x509.stale", nil
	}
	if err != nil {
		return nil, "", err
	}
	seen := new(sighting)
	if err := strictjson.Unmarshal(text, seen); err != nil {
		return nil, "", err
	}
	if s.Now.Sub(seen.Time).Abs() > sightingLifetime {
		return nil, "x509.stale", nil
	}
	return seen, seen.Problem, nil
}

// evidence is what a certificate has proven (RFC 8176 §2): that the person holds its key, in software for all that is known. Nobody can pass
// the proof on, which is a signature over this very connection.
func (v *sighting) evidence(subject *directory.Subject, credential *directory.Credential) directory.Evidence {
	e := directory.Evidence{
		Method: directory.ByCertificate, AMR: []string{"swk"}, Subject: subject.ID, Time: v.Time, PhishingResistant: true,
	}
	if v.Card {
		e.AMR, e.UserVerified = []string{"hwk", "sc", "pin"}, true
	}
	if credential != nil {
		e.Credential, e.CredentialEpoch = credential.ID, credential.Epoch
	}
	return e
}
