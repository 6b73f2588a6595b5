package recovery

import (
	"net/http"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// The errors of the contract. Whether a flow is unknown, of another organization, over or has moved on is nobody's business.
var (
	errRequest         = &web.ProblemError{Status: http.StatusBadRequest, Code: "UAR-10001", Message: "The request is invalid."}
	errRecoveryCode    = &web.ProblemError{Status: http.StatusNotAcceptable, Code: "UAR-10001", Message: "The recoveryCode is not valid, or not any more."}
	errChannel         = &web.ProblemError{Status: http.StatusBadRequest, Code: "UAR-10004", Message: "There is no such channel."}
	errNoChannel       = &web.ProblemError{Status: http.StatusNotFound, Code: "UAR-10009", Message: "There is no channel for what is known."}
	errResendCode      = &web.ProblemError{Status: http.StatusNotAcceptable, Code: "UAR-10012", Message: "The resendCode is not valid, or not any more."}
	errWrongCode       = &web.ProblemError{Status: http.StatusNotAcceptable, Code: "UAR-10013", Message: "The code is not valid, or not any more."}
	errTooMany         = &web.ProblemError{Status: http.StatusTooManyRequests, Code: "UAR-10014", Message: "There were too many requests."}
	errFlowCode        = &web.ProblemError{Status: http.StatusNotAcceptable, Code: "UAR-10015", Message: "The confirmation code is not valid, or not any more."}
	errOver            = &web.ProblemError{Status: http.StatusNotAcceptable, Code: "UAR-10016", Message: "The recovery is over."}
	errNoPassword      = &web.ProblemError{Status: http.StatusBadRequest, Code: "PWR-10003", Message: "There is no password."}
	errPasswordClosed  = &web.ProblemError{Status: http.StatusForbidden, Code: "PWR-10004", Message: "Passwords are not recovered here."}
	errPasswordUsed    = &web.ProblemError{Status: http.StatusPreconditionFailed, Code: "PWR-10005", Message: "The password was used before."}
	errPasswordRefused = &web.ProblemError{Status: http.StatusPreconditionFailed, Code: "PWR-10006", Message: "The password does not keep to the policy."}
	errUsernameClosed  = &web.ProblemError{Status: http.StatusForbidden, Code: "UNR-10001", Message: "User names are not recovered here."}
	errUnsupported     = &web.ProblemError{Status: http.StatusNotImplemented, Code: "UAR-10017", Message: "The recovery has a step that this API cannot do."}
	errUnavailable     = &web.ProblemError{Status: http.StatusServiceUnavailable, Code: "UAR-15004", Message: "The service cannot answer at the moment."}
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
	p := errUnavailable
	switch f.Code {
	case "flow_expired", "flow_foreign", spentCode:
		p = callOf(r).bad
	case confirmedCode:
		p = errFlowCode
	case channelCode:
		p = errChannel
	case passwordCode:
		p = errNoPassword
	case "too_many_answers":
		p = errOver
	case "unsupported":
		p = errUnsupported
	default:
		switch {
		case f.Status == http.StatusTooManyRequests:
			p = errTooMany
		case f.Status < http.StatusInternalServerError:
			p = errRequest
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
		return errOver.Saying("there were too many wrong answers")
	case o.plan == usernamePlan:
		return errUsernameClosed
	}
	return errPasswordClosed
}
