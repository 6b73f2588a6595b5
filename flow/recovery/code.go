package recovery

import (
	"strconv"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
)

// purpose is what a code is for.
type purpose string

const (
	// anyOfFlow is of flowConfirmationCode, which names the flow at every point of it.
	anyOfFlow  purpose = "flow"
	toSend     purpose = "send"
	toResend   purpose = "resend"
	toPassword purpose = "password"
)

// secretLen is how long the secret of a flow is, and a digest: 256 bits in base64url.
const secretLen = 43

// codeFor is a code of the contract: the secret of the flow, and a digest that binds it to what it is for. So it is as hard to guess as the flow, a
// code for one call is none for another, and one of an earlier stage is good no more; nothing has to be kept of it.
func codeFor(flow, plan string, p purpose, stage int64) string {
	return flow + secret.Hash(binding(flow, plan, p, stage))
}

func binding(flow, plan string, p purpose, stage int64) string {
	if p == anyOfFlow {
		stage = 0
	}
	return strings.Join([]string{"recovery", plan, string(p), strconv.FormatInt(stage, 10), flow}, "\x00")
}

// flowOf is the secret of the flow that a code names; false for what is no code.
func flowOf(code string) (secret.Text, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(code) != 2*secretLen || strings.Trim(code, alphabet) != "" {
		return "", false
	}
	return secret.Text(code[:secretLen]), true
}

// isFor reports whether a code is for that, at that stage of its flow.
func isFor(code, plan string, p purpose, stage int64) bool {
	flow, ok := flowOf(code)
	return ok && secret.Matches(code[secretLen:], binding(flow.Reveal(), plan, p, stage))
}
