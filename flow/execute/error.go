package execute

import (
	"net/http"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// errorCode is the machine-readable code of an error, as the product has it.
type errorCode string

// The codes. That somebody has a username (60003) is said where directory.RegistrationPolicy.ShowTaken is on, and nowhere else.
const (
	badFlow         errorCode = "FE-60001"
	usernameMissing errorCode = "FE-60002"
	usernameTaken   errorCode = "FE-60003"
	flowIDMissing   errorCode = "FE-60004"
	usernameNoMail  errorCode = "FE-60005"
	flowFailed      errorCode = "FE-60006"
	badRequest      errorCode = "FE-60007"
	badInputs       errorCode = "FE-60008"
	badAction       errorCode = "FE-60009"
	badCaptcha      errorCode = "FE-60010"
	flowTypeMissing errorCode = "FE-60011"
	unavailable     errorCode = "FE-65001"
)

// message is the text of a code for developers.
func (c errorCode) message() string {
	switch c {
	case badFlow:
		return "The flow is not known, or it is over."
	case usernameMissing:
		return "The username is missing."
	case usernameTaken:
		return "The username is taken."
	case usernameNoMail:
		return "The username must be an email address."
	case flowIDMissing:
		return "The flowId is missing."
	case flowFailed:
		return "The flow has failed."
	case badRequest:
		return "The request is invalid."
	case badInputs:
		return "The inputs are invalid."
	case badAction:
		return "The actionId is invalid."
	case badCaptcha:
		return "The captcha was not solved."
	case flowTypeMissing:
		return "The flowType is missing."
	}
	return "The service cannot answer at the moment."
}

// wireError is an error answer.
type wireError struct {
	code errorCode
	// status is the HTTP status; zero is 400, or 503 for unavailable.
	status      int
	description string
	trace       string
	retryAfter  time.Duration
}

func (e *wireError) write(w http.ResponseWriter) {
	status := e.status
	switch {
	case status != 0:
	case e.code == unavailable:
		status = http.StatusServiceUnavailable
	default:
		status = http.StatusBadRequest
	}
	web.RetryAfter(w.Header(), e.retryAfter)
	description := e.description
	if description == "" {
		description = e.code.message()
	}
	web.WriteValue(w, status, struct {
		Code        errorCode `json:"code"`
		Message     string    `json:"message"`
		Description string    `json:"description"`
		Trace       string    `json:"traceId,omitempty"`
	}{e.code, e.code.message(), description, e.trace})
}

// Fail implements [flow.Transport].
func (*Transport) Fail(w http.ResponseWriter, _ *http.Request, f flow.Failure) {
	e := &wireError{code: unavailable, status: f.Status, description: f.Detail, trace: f.Correlation, retryAfter: f.RetryAfter}
	switch f.Code {
	case "flow_expired", "flow_foreign": // which of them is nobody's business
		e.code, e.status = badFlow, 0
	case "too_many_answers", "unsupported":
		e.code = flowFailed
	case "captcha_failed":
		e.code = badCaptcha
	case string(badInputs), string(badAction), string(usernameMissing), string(badCaptcha):
		e.code = errorCode(f.Code)
	default:
		if f.Status < http.StatusInternalServerError {
			e.code = badRequest
		}
	}
	e.write(w)
}

// refused is the answer for a flow that has ended without success.
func refused(why directory.Refusal) *wireError {
	switch why {
	case directory.RegistrationUnavailable:
		return &wireError{code: flowFailed, description: "there is no such flow here"}
	case directory.TooManyAttempts:
		return &wireError{code: flowFailed, description: "there were too many wrong answers"}
	}
	return &wireError{code: flowFailed}
}
