package builder

import (
	"slices"

	"github.com/signet-idp/signet/flow"
)

// notification is whether somebody is told of the end of the flow by mail.
const notification = "isFlowCompletionNotificationEnabled"

// Completions are the names of the settings about the end of a flow that can be set. Their values are "true" and "false".
func Completions() []string { return []string{notification} }

func checkCompletion(completion map[string]string) error {
	for name, value := range completion {
		switch {
		case len(name) > maxID || !slices.Contains(Completions(), name):
			return broken("a completion setting is none that there is")
		case value != "true" && value != "false":
			return &RuleError{Where: name, Problem: `must be "true" or "false"`}
		}
	}
	return nil
}

// told is what a completion says to the step that ends the flow; nil leaves it to the policies.
func told(completion map[string]string) map[string]string {
	switch completion[notification] {
	case "true":
		return map[string]string{flow.ParamNotify: "yes"}
	case "false":
		return map[string]string{flow.ParamNotify: "no"}
	}
	return nil
}
