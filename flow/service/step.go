package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
)

// StepConfig is the wiring of a Step.
type StepConfig struct {
	// Name is part of the URL at which people come back, and Title how pages call the service. Required.
	Name, Title string
	// Issuer is our own issuer's URL. Required.
	Issuer string
	// Endpoint is where the service is.
	Endpoint Endpoint
	// Confirmed says what it is worth that the service has answered SUCCESS; the user is nil when it has named none. Required. It is
	// called once for each answer, by many goroutines at once.
	Confirmed func(ctx context.Context, s *flow.State, u *User) (flow.Verdict, error)
	// Now is the clock. Required.
	Now func() time.Time
	// Logger takes the causes of steps that came to nothing. Nil discards them.
	Logger *slog.Logger
}

// Step is a service as a step of a flow: what all kinds have in common. It is safe for concurrent use.
type Step struct {
	name, title string
	tenant      named
	back        string
	endpoint    *endpoint
	parameters  []string
	confirmed   func(ctx context.Context, s *flow.State, u *User) (flow.Verdict, error)
	log         *slog.Logger
}

var _ flow.Leaving = (*Step)(nil)

// maxRounds bounds how often one step asks its service.
const maxRounds = 10

const goAction = "federated"

// NewStep checks the configuration and returns a Step, or an error that names every problem. It does no I/O.
func NewStep(config StepConfig) (*Step, error) {
	site, errSite := web.NewSite(config.Issuer, nil)
	if errSite != nil {
		errSite = fmt.Errorf("Issuer: %w", errSite)
	}
	if config.Now == nil || config.Confirmed == nil {
		return nil, errors.New("Now and Confirmed are required")
	}
	end, err := config.Endpoint.open(config.Now)
	if err = errors.Join(errSite, err); err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	host, err := url.Parse(config.Issuer)
	if err != nil {
		return nil, err
	}
	return &Step{
		name: config.Name, title: cmp.Or(config.Title, config.Name), tenant: named{site.Issuer(), host.Hostname()},
		back: site.URL(flow.CallbackPath + config.Name), endpoint: end, parameters: slices.Clone(config.Endpoint.Parameters),
		confirmed: config.Confirmed, log: config.Logger,
	}, nil
}

// RedirectURL is where the service sends people back.
func (p *Step) RedirectURL() string { return p.back }

func (p *Step) message(id string, level flow.Level) flow.Message {
	return flow.Message{ID: id, Level: level, Params: map[string]string{"provider": p.title}}
}

func (p *Step) again(id string) flow.Verdict {
	return flow.Verdict{Outcome: flow.Again, Messages: []flow.Message{p.message(id, flow.Error)}}
}

// Label implements flow.Leaving.
func (p *Step) Label() flow.Message { return p.message("federated.continue", "") }

// Callback implements flow.Leaving.
func (p *Step) Callback() string { return p.name }

// Prepare implements flow.Executor.
func (*Step) Prepare(context.Context, *flow.State) error { return nil }

// Prompt implements flow.Executor.
func (p *Step) Prompt(context.Context, *flow.State) (flow.Prompt, error) {
	label := p.Label()
	return flow.Prompt{
		Step: "federated", Title: p.message("federated.title", ""), Intro: p.message("federated.intro", ""),
		Actions: []flow.Action{{Name: goAction, Label: label.ID, Params: label.Params}},
	}, nil
}

// pending is what a step keeps while the person is away.
type pending struct {
	FlowID string `json:"flowId"`
	Rounds int    `json:"rounds"`
}

// leave sends the person to a URL.
func (k pending) leave(to string) (flow.Verdict, error) {
	data, err := json.Marshal(k)
	return flow.Verdict{Outcome: flow.Leave, To: to, Data: data}, err
}

// Judge sends the person to where they come back: the service is asked there, as an answer that comes back is taken once, and one that is
// posted may be judged several times.
func (p *Step) Judge(_ context.Context, s *flow.State, _ flow.Input) (flow.Verdict, error) {
	k := pending{FlowID: s.Flow + "." + secret.Short().Reveal()}
	return k.leave(p.back + "?" + url.Values{"flowId": {k.FlowID}}.Encode())
}

// Return implements flow.Leaving: it asks the service what has become of the person.
func (p *Step) Return(ctx context.Context, s *flow.State, answer url.Values) (flow.Verdict, error) {
	var k pending
	if err := json.Unmarshal(s.Data, &k); err != nil {
		return flow.Verdict{}, err
	}
	if k.Rounds++; !secret.Equal(answer.Get("flowId"), k.FlowID) || k.Rounds > maxRounds {
		return p.again("federated.failed"), nil
	}
	question, err := p.question(ctx, s, k.FlowID, answer)
	if err != nil {
		return flow.Verdict{}, err
	}
	said, err := p.endpoint.ask(ctx, question)
	if err != nil && ctx.Err() != nil {
		return flow.Verdict{}, err // the person has gone
	}
	problem := ""
	switch {
	case errors.Is(err, errAnswer):
		problem = "federated.failed"
	case err != nil:
		problem = "service.down"
	case said.ActionStatus == failed:
		problem, err = "federated.denied", fmt.Errorf("%q: %q", clip(said.FailureReason), clip(said.FailureDescription))
	}
	if problem != "" {
		p.log.WarnContext(ctx, "an authentication service did not confirm somebody", "service", p.name, "message", problem, "error", err)
		return p.again(problem), nil
	}
	if said.ActionStatus == incomplete {
		return k.leave(said.Operations[0].URL)
	}
	return p.confirmed(ctx, s, said.user())
}

// clip shortens text of a service for the log.
func clip(text string) string { return text[:min(len(text), 256)] }
