package native

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/signet-idp/signet/flow"
)

// sessionLimit is the step in which somebody with too many sessions chooses those that end.
const sessionLimit = "session-limit"

// What a program sends for that.
const (
	promptRespParam = "promptResp" // "true"
	promptIDParam   = "promptId"
	limitParam      = "ActiveSessionsLimitAction"
	endParam        = "sessionsToTerminate"

	denyLimit      = "denyLimitActiveSessionsAction"
	refreshLimit   = "refreshActiveSessionsAction"
	terminateLimit = "terminateActiveSessionsAction"
)

func limitParams() []Param {
	return []Param{
		{Name: promptRespParam, Key: "prompt.resp.param", DisplayName: "Response"},
		{Name: promptIDParam, Key: "prompt.id.param", DisplayName: "Prompt"},
		{Name: limitParam, Key: "active.sessions.limit.action.param", DisplayName: "Action"},
		{Name: endParam, Key: "sessions.to.terminate.param", DisplayName: "Sessions", Optional: true, Multiple: true},
	}
}

// kind is the type of a parameter.
func (p Param) kind() string {
	if p.Multiple {
		return "MULTI_VALUED"
	}
	return "STRING"
}

// session is one that may end, as a program shows it. Its id is good in this flow alone.
type session struct {
	ID          string `json:"sessionId"`
	Description string `json:"description"`
}

// sessions tells which sessions there are, and how many have to end at least.
func (t *Transport) sessions(r *http.Request, v flow.View, prompt flow.Prompt, data map[string]string) {
	list := []session{}
	for _, f := range prompt.Fields {
		list = append(list, session{f.Name, t.label(r, v, prompt.Fields, Param{Field: f.Name, Key: f.Label})})
	}
	text, err := json.Marshal(list)
	if err != nil { // texts always encode
		return
	}
	data["promptId"], data["sessions"], data["minimumToTerminate"] = promptID(v), string(text), prompt.Intro.Params["count"]
}

// promptID is that of the prompt as it stands: what was chosen from an older list is chosen anew.
func promptID(v flow.View) string { return strconv.FormatInt(v.Sequence, 10) }

// limit reads what somebody has chosen.
func limit(reply *flow.Reply, v flow.View, sent map[string]any) error {
	values := map[string][]string{}
	for name, value := range sent {
		texts, ok := textsOf(value)
		if !ok || name != endParam && len(texts) != 1 {
			return bad("a parameter is not one text, or is no list of texts")
		}
		if !slices.Contains([]string{promptRespParam, promptIDParam, limitParam, endParam}, name) {
			return bad("there is a parameter that the authenticator does not have")
		}
		values[name] = texts
	}
	only := func(name string) string {
		if len(values[name]) == 0 {
			return ""
		}
		return values[name][0]
	}
	switch {
	case only(promptRespParam) != "true":
		return bad("the parameter " + promptRespParam + " is not true")
	case only(promptIDParam) != promptID(v):
		return bad("the parameter " + promptIDParam + " is that of another prompt")
	}
	switch only(limitParam) {
	case denyLimit:
		reply.Action = "leave"
		return nil
	case refreshLimit:
		reply.Bare = true
		return nil
	case terminateLimit:
	default:
		return bad("the parameter " + limitParam + " is missing, or none of the actions")
	}
	for _, id := range values[endParam] {
		if !slices.ContainsFunc(v.Prompt.Fields, func(f flow.Field) bool { return f.Name == id }) || reply.Fields.Has(id) {
			return bad("the parameter " + endParam + " has a session that is none of the prompt's, or stands there twice")
		}
		reply.Fields.Set(id, "true")
	}
	return nil
}
