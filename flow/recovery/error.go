package recovery

import (
	"net/http"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

func problem(status int, code, message string) *web.ProblemError {
	return &web.ProblemError{Status: status, Code: code, Message: message}
}

// The errors of the contract. Whether a flow is unknown, of another organization, over or has moved on is nobody's business.
var (
	badRequest      = problem(http.StatusBadRequest, "UAR-10001", "The request is invalid.")
	badRecoveryCode = problem(http.StatusNotAcceptable, "UAR-10001", "The recoveryCode is not valid, or not any more.")
	badChannel      = problem(http.StatusBadRequest, "UAR-10004", "There is no such channel.")
	noChannel       = problem(http.StatusNotFound, "UAR-10009", "There is no channel for what is known.")
	badResendCode   = problem(http.StatusNotAcceptable, "UAR-10012", "The resendCode is not valid, or not any more.")
	wrongCode       = problem(http.StatusNotAcceptable, "UAR-10013", "The code is not valid, or not any more.")
	tooMany         = problem(http.StatusTooManyRequests, "UAR-10014", "There were too many requests.")
	badFlowCode     = problem(http.StatusNotAcceptable, "UAR-10015", "The confirmation code is not valid, or not any more.")
	flowOver        = problem(http.StatusNotAcceptable, "UAR-10016", "The recovery is over.")
	noPassword      = problem(http.StatusBadRequest, "PWR-10003", "There is no password.")
	passwordClosed  = problem(http.StatusForbidden, "PWR-10004", "Passwords are not recovered here.")
	passwordUsed    = problem(http.StatusPreconditionFailed, "PWR-10005", "The password was used before.")
	passwordRefused = problem(http.StatusPreconditionFailed, "PWR-10006", "The password does not keep to the policy.")
	usernameClosed  = problem(http.StatusForbidden, "UNR-10001", "User names are not recovered here.")
	unsupported     = problem(http.StatusNotImplemented, "UAR-10017", "The recovery has a step that this API cannot do.")
	unavailable     = problem(http.StatusServiceUnavailable, "UAR-15004", "The service cannot answer at the moment.")
)

// The Codes of Read's errors.
const (
	spentCode     = "spent"
	channelCode   = "channel"
	passwordCode  = "password"
	confirmedCode = "confirmation"
)

// Fail implements [flow.Transport].
func (*Transport) Fail(w http.ResponseWriter, r *http.Request, f flow.Failure) {
	p := unavailable
	switch f.Code {
	case "flow_expired", "flow_foreign", spentCode:
		p = callOf(r).bad
	case confirmedCode:
		p = badFlowCode
	case channelCode:
		p = badChannel
	case passwordCode:
		p = noPassword
	case "too_many_answers":
		p = flowOver
	case "unsupported":
		p = unsupported
	default:
		switch {
		case f.Status == http.StatusTooManyRequests:
			p = tooMany
		case f.Status < http.StatusInternalServerError:
			p = badRequest
		}
	}
	if f.Detail != "" {
		p = p.Saying(f.Detail)
	}
	later := *p
	later.RetryAfter = f.RetryAfter
	later.Write(w, f.Correlation)
}

// refused is the answer for a flow that has ended without success.
func (o *operation) refused(why directory.Refusal) *web.ProblemError {
	switch {
	case why == directory.TooManyAttempts:
		return flowOver.Saying("there were too many wrong answers")
	case o.plan == usernamePlan:
		return usernameClosed
	}
	return passwordClosed
}
