package web

import (
	"cmp"
	"net/http"
	"time"
)

// ProblemError is an error answer of the APIs, in the JSON of WSO2 Identity Server: "code", "message", "description" and "traceId". It is
// an error for whoever makes the answer. It does not change.
type ProblemError struct {
	// Status is that of HTTP.
	Status int
	// Code and Message say what it is, and Description, which may be "", what is wrong with this request.
	Code, Message, Description string
	// RetryAfter is after what time another request may be answered; 0 says nothing of that.
	RetryAfter time.Duration
}

// Error implements error.
func (p *ProblemError) Error() string { return p.Code + ": " + cmp.Or(p.Description, p.Message) }

// Saying is the problem with a description of this request's.
func (p *ProblemError) Saying(description string) *ProblemError {
	said := *p
	said.Description = description
	return &said
}

// UnsupportedMediaType is the problem for a body that is of another media type than the description says (RFC 9110 §15.5.16).
func (p *ProblemError) UnsupportedMediaType(description string) *ProblemError {
	said := p.Saying(description)
	said.Status = http.StatusUnsupportedMediaType
	return said
}

// Write answers with the problem, uncached. The trace is what the log knows the request by.
func (p *ProblemError) Write(w http.ResponseWriter, trace string) {
	RetryAfter(w.Header(), p.RetryAfter)
	WriteValue(w, p.Status, struct {
		Code        string `json:"code"`
		Message     string `json:"message"`
		Description string `json:"description"`
		Trace       string `json:"traceId"`
	}{p.Code, p.Message, p.Description, trace})
}
