package directory

// Observation is something that a security team counts and nobody may rely on being told: a protocol's or the flow engine's Observer
// hears of at most 100 a second. What must not get lost is an Event.
type Observation struct {
	// Type is "request.refused", "code.reused", "refresh_token.reused", or of an attempt at signing in "attempt.failed" and
	// "attempt.locked": the account took no attempts, so that nobody looked whether it was right. "plan.unavailable" is a flow of the name Code that
	// nobody is led into, as it needs a connection that was removed. Of a call that changes something at a management API or the Me API it is
	// "management.done", "management.refused" or, by a fault of ours, "management.failed".
	Type     string
	ClientID string
	// Subject is whose account it is, or who made the call; "" when nobody is known by the name that was typed.
	Subject string
	Grant   string
	// Code is the error code of a refusal, or the id of the message by which an attempt was answered: "password.wrong",
	// "totp.wrong", "totp.used". Of a call it is method and path, with names for what varies.
	Code string
	// Address is the client's, grouped for counting.
	Address string
	// Correlation is in the line of the log that belongs to it; "" is none.
	Correlation string
	// Missed is how many were left out before this one because there were too many.
	Missed int
}
