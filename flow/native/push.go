package native

import (
	"net/url"
	"slices"

	"github.com/signet-idp/signet/flow"
)

// scenarioParam is what a program sends once the status of a push is COMPLETED, or to ask whether it is.
var scenarioParam = Param{Name: "scenario", Field: "scenario"}

const (
	proceedScenario = "PROCEED_PUSH_AUTHENTICATION"
	proceedAction   = "login"
)

// proceeds reports whether a prompt goes on with the answer of a device: not while nobody may be asked.
func proceeds(prompt flow.Prompt) bool {
	return slices.ContainsFunc(prompt.Actions, func(a flow.Action) bool { return a.Name == proceedAction })
}

// statusEndpoint is where the program asks whether there is an answer. The id in it is of this flow's question, and tells that alone.
func statusEndpoint(v flow.View, poll flow.Poll) string {
	base, err := url.Parse(v.Submit)
	if err != nil {
		return poll.URL
	}
	at, err := base.Parse(poll.URL)
	if err != nil {
		return poll.URL
	}
	return at.String()
}
