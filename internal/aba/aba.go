// Package aba is the error answer of app-native authentication: the wire form that the protocol, which begins and ends a sign-in,
// and the flow, which asks in between, write alike. The codes are those of WSO2 Identity Server, so that its clients understand them.
package aba

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/web"
)

// Code is the machine-readable code of an error.
type Code string

// The codes.
const (
	BadRequest       Code = "ABA-60001"
	Failed           Code = "ABA-60002" // and the sign-in is over
	Retry            Code = "ABA-60003" // in a message of a prompt
	BadAuthenticator Code = "ABA-60004"
	UnknownClient    Code = "ABA-60005"
	Unsupported      Code = "ABA-60006"
	Off              Code = "ABA-60007"
	TimedOut         Code = "ABA-60008"
	BadFlow          Code = "ABA-60009"
	TooManyAttempts  Code = "ABA-60013"
	TooManyResends   Code = "ABA-60014"
	Unavailable      Code = "ABA-65001"
)

// kind is what a code stands for.
type kind struct {
	status  int
	message string
}

// kinds has every code: the HTTP status unless an Error says otherwise, and the text for developers.
func (c Code) kind() kind {
	switch c {
	case BadRequest:
		return kind{http.StatusBadRequest, "The request is invalid."}
	case Failed:
		return kind{http.StatusBadRequest, "The authentication has failed."}
	case Retry:
		return kind{http.StatusBadRequest, "The authentication has failed. It may be tried again."}
	case BadAuthenticator:
		return kind{http.StatusBadRequest, "The authenticator is none of this step."}
	case UnknownClient:
		return kind{http.StatusBadRequest, "The application is not known."}
	case Unsupported:
		return kind{http.StatusNotImplemented, "An authenticator of the application is not supported here."}
	case Off:
		return kind{http.StatusBadRequest, "App-native authentication is not enabled for the application."}
	case TimedOut:
		return kind{http.StatusBadRequest, "The flow has timed out."}
	case BadFlow:
		return kind{http.StatusBadRequest, "The flow is not known."}
	case TooManyAttempts:
		return kind{http.StatusBadRequest, "There were too many attempts."}
	case TooManyResends:
		return kind{http.StatusBadRequest, "The code was sent too often."}
	}
	return kind{http.StatusServiceUnavailable, "The service cannot answer at the moment."}
}

// Error is an error answer.
type Error struct {
	Code Code
	// Status is the HTTP status; zero is that of the Code.
	Status int
	// Description is safe text for developers.
	Description string
	// Trace is the id in the log.
	Trace string
	// RetryAfter is when to come back; zero says nothing.
	RetryAfter time.Duration
}

// Write answers with the error. Headers of the caller's stay.
func (e Error) Write(w http.ResponseWriter) {
	k := e.Code.kind()
	if e.Status != 0 {
		k.status = e.Status
	}
	web.RetryAfter(w.Header(), e.RetryAfter)
	if e.Description == "" {
		e.Description = k.message
	}
	body, err := json.Marshal(struct {
		Code        Code   `json:"code"`
		Message     string `json:"message"`
		Description string `json:"description"`
		Trace       string `json:"traceId"`
	}{e.Code, k.message, e.Description, e.Trace})
	if err != nil { // strings are always encodable
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	web.WriteJSON(w, k.status, body)
}
