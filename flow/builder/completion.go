package builder

import (
	"slices"

	"github.com/signet-idp/signet/flow"
)

const (
	// notification is whether somebody is told of the end of the flow by mail.
	notification = "isFlowCompletionNotificationEnabled"
	// autoLogin is whether somebody is signed in at the end, if the policy lets them.
	autoLogin = "isAutoLoginEnabled"
)

// Completions are the names of the settings about the end of a flow that can be set. Their values are "true" and "false".
func Completions() []string { return []string{notification, autoLogin} }

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
	var params map[string]string
	for name, param := range map[string]string{notification: flow.ParamNotify, autoLogin: flow.ParamSignIn} {
		if said := map[string]string{"true": "yes", "false": "no"}[completion[name]]; said != "" {
			if params == nil {
				params = map[string]string{}
			}
			params[param] = said
		}
	}
	return params
}
