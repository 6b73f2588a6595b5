package resource

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/web"
)

// refusal is why a request does not reach its handler. Text and code are safe to send; the cause is for the log.
type refusal struct {
	status            int
	code, description string
	cause             error
	// token is the one that is good and not enough; nil is none.
	token *Token
}

// Error implements error.
func (e *refusal) Error() string { return "resource: " + e.code + ": " + e.description }

// Unwrap returns the hidden cause.
func (e *refusal) Unwrap() error { return e.cause }

// about is the refusal of a good token.
func (e *refusal) about(t *Token) error {
	c := *e
	c.token = t
	return &c
}

func (e *refusal) because(cause error) error {
	c := *e
	c.cause = cause
	return &c
}

var (
	errNoToken = &refusal{status: http.StatusUnauthorized} // RFC 6750 §3.1: no error code when nothing was presented
	errScope   = &refusal{status: http.StatusForbidden, code: "insufficient_scope", description: "the access token does not permit this"}
	errProof   = &refusal{
		status: http.StatusUnauthorized, code: "invalid_dpop_proof", description: "the DPoP proof is missing, wrong, used, or for another request",
	}
	errNonce = &refusal{
		status: http.StatusUnauthorized, code: "use_dpop_nonce", description: "the DPoP proof must have the nonce of this answer",
	}
	// errAuthentication is that of RFC 9470 §3.
	errAuthentication = &refusal{
		status: http.StatusUnauthorized, code: "insufficient_user_authentication", description: "the person must sign in again, or more strongly",
	}
	errToken = &refusal{
		status: http.StatusUnauthorized, code: "invalid_token", description: "the access token is wrong, expired, revoked, or for another resource",
	}
)

func invalidToken(cause error) error { return errToken.because(cause) }

func invalidRequest(description string) error {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

// unavailable is what a failing issuer, store or memory is to a client: not "no", but "not now".
func unavailable(cause error) error {
	return &refusal{
		status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
		description: "the access token cannot be judged at the moment, try again", cause: cause,
	}
}

const retryAfter = 5 * time.Second

// refuse answers a client with an error, and with the challenges that tell how to come back (RFC 6750 §3, RFC 9728 §5.1).
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, q Requirement, err error) {
	e, ok := errors.AsType[*refusal](err)
	if !ok {
		e = &refusal{status: http.StatusInternalServerError, code: "server_error", description: "the request failed", cause: err}
	}
	g.log(r, e)
	g.observe(r, e)
	h := w.Header()
	switch {
	case e.status == http.StatusServiceUnavailable:
		web.RetryAfter(h, retryAfter)
	case e.status < http.StatusInternalServerError:
		if g.config.RequireNonce && h.Get("DPoP-Nonce") == "" {
			h.Set("DPoP-Nonce", g.nonces.Current(g.config.Now()))
		}
		for _, challenge := range g.challenges(e, q) {
			h.Add("WWW-Authenticate", challenge)
		}
	}
	if e.code == "" {
		web.NoStore(h)
		w.WriteHeader(e.status)
		return
	}
	web.WriteValue(w, e.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.code, e.description})
}

// challenges are one for each scheme that is understood. The error stands in those schemes in which it can be mended.
func (g *Guard) challenges(e *refusal, q Requirement) []string {
	var common []string
	add := func(name, value string) {
		if value != "" {
			common = append(common, fmt.Sprintf("%s=%q", name, value))
		}
	}
	add("error", e.code)
	add("error_description", e.description)
	add("scope", strings.Join(q.Scopes, " "))
	if e.code == errAuthentication.code { // RFC 9470 §3
		add("acr_values", strings.Join(q.ACR, " "))
		if q.MaxAge > 0 {
			add("max_age", strconv.FormatInt(int64(q.MaxAge/time.Second), 10))
		}
	}
	add("resource_metadata", g.metadataURL())
	about := strings.Join(common, ", ")
	withDPoP := fmt.Sprintf("%s %s, algs=%q", schemeDPoP, about, strings.Join(g.proofs.AlgorithmNames(), " "))
	if g.config.RequireDPoP || e.code == errProof.code || e.code == errNonce.code {
		return []string{withDPoP}
	}
	return []string{schemeBearer + " " + about, withDPoP}
}

func (g *Guard) log(r *http.Request, e *refusal) {
	level := slog.LevelInfo
	if e.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("code", e.code), slog.String("method", r.Method), slog.String("path", r.URL.Path), // never the query or a header
	}
	if e.cause != nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	g.config.Logger.LogAttrs(r.Context(), level, "resource: request refused", attrs...)
}
