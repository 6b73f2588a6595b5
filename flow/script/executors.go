package script

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
)

// Executors are what Plans need in the Executors of the flow's Config, besides those of their steps: the pages of prompt and
// sendError, and calls elsewhere, which exchange makes; nil refuses them.
func Executors(exchange *Exchanger) map[string]flow.Executor {
	return map[string]flow.Executor{
		promptExecutor:   prompter{},
		redirectExecutor: redirecter{},
		errorExecutor:    errorPage{},
		exchangeExecutor: flow.Act(exchange.act),
	}
}

// nodeOf is the node that a flow is at.
func nodeOf(s *flow.State) (Node, error) {
	var k held
	if err := json.Unmarshal(s.Memory, &k); err != nil {
		return Node{}, fmt.Errorf("script: the flow is at no node: %w", err)
	}
	return k.Node, nil
}

// literal is a text of a script as the id of a message: no catalogue has it, so that it is shown as it is.
func literal(text string) string {
	if text == "" {
		return ""
	}
	return "script|" + strings.ReplaceAll(clip(text, 500), "|", "/")
}

// prompter shows genericForm and internalWait.
type prompter struct{}

// Prepare notes when a wait began.
func (prompter) Prepare(_ context.Context, s *flow.State) error {
	s.Data = []byte(s.Now.UTC().Format(time.RFC3339Nano))
	return nil
}

// engineFields are names that fields of a form cannot have.
var engineFields = []string{"flow", "seq", "action", "restart", "consent", "draft"}

// inputs are the names of the fields of a genericForm.
func inputs(n Node) (names []string) {
	list, _ := n.Data["inputs"].([]any)
	for _, item := range list {
		fields, _ := item.(map[string]any)
		if id := spelt(fields["id"]); id != "" && !slices.Contains(engineFields, id) && !slices.Contains(names, id) {
			names = append(names, id)
		}
	}
	return names
}

// Prompt implements flow.Executor.
func (prompter) Prompt(_ context.Context, s *flow.State) (flow.Prompt, error) {
	n, err := nodeOf(s)
	if err != nil {
		return flow.Prompt{}, err
	}
	next := []flow.Action{{Name: "continue", Label: "action.continue"}}
	if n.Template == "internalWait" {
		waiting, _ := n.Data["waitingConfigs"].(map[string]any)
		return flow.Prompt{
			Step: "script-wait", Title: flow.Message{ID: orLiteral(waiting["greeting"], "script.wait.title")},
			Intro: flow.Message{ID: orLiteral(waiting["message"], "script.wait.intro")}, Actions: next,
		}, nil
	}
	p := flow.Prompt{Step: "script-form", Title: flow.Message{ID: "script.form.title"}, Actions: next}
	labels := map[string]string{}
	list, _ := n.Data["inputs"].([]any)
	for _, item := range list {
		if fields, ok := item.(map[string]any); ok {
			labels[spelt(fields["id"])] = spelt(fields["label"])
		}
	}
	for i, name := range inputs(n) {
		p.Fields = append(p.Fields, flow.Field{
			Name: name, Type: flow.TextField, Label: orLiteral(labels[name], "script.form.input"), Required: true, Focus: i == 0,
		})
	}
	return p, nil
}

func orLiteral(text any, otherwise string) string {
	if s := spelt(text); s != "" {
		return literal(s)
	}
	return otherwise
}

// Judge implements flow.Executor.
func (prompter) Judge(_ context.Context, s *flow.State, in flow.Input) (flow.Verdict, error) {
	n, err := nodeOf(s)
	if err != nil {
		return flow.Verdict{}, err
	}
	if n.Template == "internalWait" {
		began, err := time.Parse(time.RFC3339Nano, string(s.Data))
		if err == nil && s.Now.Sub(began) < waitOf(n) {
			return flow.Verdict{Outcome: flow.Again, Messages: []flow.Message{{ID: "script.wait.early", Level: flow.Info}}}, nil
		}
		return flow.Verdict{Outcome: flow.Proceed}, nil
	}
	v := flow.Verdict{Outcome: flow.Proceed, Problems: map[string]flow.Message{}, Keep: map[string]string{}}
	for _, name := range inputs(n) {
		value := in.Value(name)
		switch {
		case value == "":
			v.Problems[name] = flow.Message{ID: "script.form.required"}
		case len(value) > 1000:
			v.Problems[name] = flow.Message{ID: "script.form.long"}
		}
		v.Keep[name] = clip(value, 1000)
	}
	if len(v.Problems) > 0 {
		v.Outcome = flow.Again
		return v, nil
	}
	return flow.Verdict{Outcome: flow.Proceed}, nil
}

// waitOf is how long an internalWait lasts: 10 seconds, at most 20.
func waitOf(n Node) time.Duration {
	waiting, _ := n.Data["waitingConfigs"].(map[string]any)
	if seconds, err := strconv.ParseFloat(spelt(waiting["timeout"]), 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 20) * float64(time.Second))
	}
	return 10 * time.Second
}

// redirecter sends the browser elsewhere and takes it back.
type redirecter struct{}

var _ flow.Leaving = redirecter{}

func (redirecter) Label() flow.Message { return flow.Message{ID: "script.redirect"} }

// Callback implements flow.Leaving.
func (redirecter) Callback() string { return "script" }

// Prepare implements flow.Executor.
func (redirecter) Prepare(context.Context, *flow.State) error { return nil }

// Prompt implements flow.Executor.
func (r redirecter) Prompt(context.Context, *flow.State) (flow.Prompt, error) {
	return flow.Prompt{
		Step: "script-redirect", Title: flow.Message{ID: "script.redirect.title"}, Intro: flow.Message{ID: "script.redirect.intro"},
		Actions: []flow.Action{{Name: "continue", Label: "action.continue"}},
	}, nil
}

// Judge sends the browser to the script's redirectURL, with the state that brings it back to flow.CallbackPath + "script".
func (redirecter) Judge(_ context.Context, s *flow.State, _ flow.Input) (flow.Verdict, error) {
	n, err := nodeOf(s)
	if err != nil {
		return flow.Verdict{}, err
	}
	to, err := url.Parse(spelt(n.Data["redirectURL"]))
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" {
		return flow.Verdict{Outcome: flow.Refuse}, nil
	}
	state := s.Flow + "." + secret.Short().Reveal()
	query := to.Query()
	query.Set("state", state)
	to.RawQuery = query.Encode()
	return flow.Verdict{Outcome: flow.Leave, To: to.String(), Data: []byte(state)}, nil
}

// Return implements flow.Leaving.
func (redirecter) Return(_ context.Context, s *flow.State, answer url.Values) (flow.Verdict, error) {
	if !secret.Equal(answer.Get("state"), string(s.Data)) {
		return flow.Verdict{Outcome: flow.Again, Messages: []flow.Message{{ID: "script.redirect.stale", Level: flow.Error}}}, nil
	}
	return flow.Verdict{Outcome: flow.Proceed}, nil
}

// errorPage is the end that sendError shows. From there the person goes to the script's page, or back to the application.
type errorPage struct{}

// Prepare implements flow.Executor.
func (errorPage) Prepare(context.Context, *flow.State) error { return nil }

// Prompt implements flow.Executor.
func (errorPage) Prompt(_ context.Context, s *flow.State) (flow.Prompt, error) {
	n, err := nodeOf(s)
	if err != nil {
		return flow.Prompt{}, err
	}
	p := flow.Prompt{
		Step: "script-error", Title: flow.Message{ID: orLiteral(n.Query["status"], "script.error.title")},
		Messages: []flow.Message{{ID: orLiteral(n.Query["statusMsg"], "script.error.intro"), Level: flow.Error}},
		Actions:  []flow.Action{{Name: "close", Label: "action.cancel", Kind: flow.Secondary}},
	}
	if n.URL != "" {
		to, err := url.Parse(n.URL)
		if err != nil || to.Scheme != "" && to.Scheme != "https" && to.Scheme != "http" || strings.HasPrefix(n.URL, "//") {
			return p, nil
		}
		query := to.Query()
		for name, value := range n.Query {
			query.Set(name, value)
		}
		to.RawQuery = query.Encode()
		p.Link = to.String()
	}
	return p, nil
}

// Judge implements flow.Executor: there is nothing but to give up.
func (errorPage) Judge(context.Context, *flow.State, flow.Input) (flow.Verdict, error) {
	return flow.Verdict{Outcome: flow.Refuse}, nil
}
