package federated

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
)

// executor is a login at a provider as a step of a flow.
type executor struct {
	*connection
	links bool // the person of the flow is linked
}

var _ flow.Leaving = executor{}

const goAction = "federated"

// Label implements flow.Leaving.
func (e executor) Label() flow.Message { return e.message("federated.continue", "") }

// Callback implements flow.Leaving.
func (e executor) Callback() string { return e.Name }

func (e executor) message(id string, level flow.Level) flow.Message {
	return flow.Message{ID: id, Level: level, Params: map[string]string{"provider": e.Title}}
}

// Prepare implements flow.Executor.
func (e executor) Prepare(context.Context, *flow.State) error { return nil }

// Prompt implements flow.Executor.
func (e executor) Prompt(context.Context, *flow.State) (flow.Prompt, error) {
	label := e.Label()
	return flow.Prompt{
		Step: "federated", Title: e.message("federated.title", ""), Intro: e.message("federated.intro", ""),
		Actions: []flow.Action{{Name: goAction, Label: label.ID, Params: label.Params}},
	}, nil
}

// Judge sends the person to the provider.
func (e executor) Judge(ctx context.Context, s *flow.State, _ flow.Input) (flow.Verdict, error) {
	request, ok := e.request(s)
	if !ok {
		return e.again("federated.stale"), nil
	}
	to, pending, err := e.provider.Begin(ctx, request)
	if errors.Is(err, rp.ErrUnavailable) {
		e.warn(ctx, err)
		return e.again("federated.failed"), nil
	}
	if err != nil {
		return flow.Verdict{}, err
	}
	data, err := json.Marshal(pending)
	return flow.Verdict{Outcome: flow.Leave, To: to, Data: data}, err
}

func (e executor) again(id string) flow.Verdict {
	return flow.Verdict{Outcome: flow.Again, Messages: []flow.Message{e.message(id, flow.Error)}}
}

// request hands on what the application asks for. It reports false when that is a fresh proof, and the provider cannot tell.
func (e executor) request(s *flow.State) (rp.Request, bool) {
	in := s.Request
	r := rp.Request{
		State:   s.Flow + "." + secret.Short().Reveal(), // by which the browser is taken back into this flow
		Locales: in.Locales, LoginHint: in.Hint, MaxAge: in.MaxAge,
	}
	if e.links { // what has to be fresh is the proof of who they are here; which account there, they say there
		r.LoginHint, r.MaxAge, r.Prompt = "", nil, []string{"select_account"}
		return r, true
	}
	if in.Reauthenticate {
		r.Prompt, r.MaxAge = append(r.Prompt, "login"), new(time.Duration)
	}
	if in.SelectAccount {
		r.Prompt = append(r.Prompt, "select_account")
	}
	if r.MaxAge == nil {
		return r, true
	}
	if e.InsecureAssumeFresh {
		r.MaxAge = nil
		return r, true
	}
	return r, e.Connection.Provider.Profile == nil
}

// Return implements flow.Leaving: it finds out who has signed in there, and who that is here.
func (e executor) Return(ctx context.Context, s *flow.State, answer url.Values) (flow.Verdict, error) {
	var pending rp.Pending
	if err := json.Unmarshal(s.Data, &pending); err != nil {
		return flow.Verdict{}, err
	}
	id, err := e.provider.Finish(ctx, pending, answer)
	refusal, refused := errors.AsType[*rp.ResponseError](err)
	switch {
	case refused && refusal.Denied():
		return e.again("federated.denied"), nil
	case refused, errors.Is(err, rp.ErrInvalid), errors.Is(err, rp.ErrUnavailable):
		e.warn(ctx, err)
		return e.again("federated.failed"), nil
	case err != nil:
		return flow.Verdict{}, err
	}
	subject, problem, err := e.recognize(ctx, s, id)
	if err != nil {
		return flow.Verdict{}, err
	}
	if problem != "" {
		return e.again(problem), nil
	}
	return flow.Verdict{Outcome: flow.Proceed, Subject: subject, Evidence: e.evidence(s, subject, id)}, nil
}

// secondFactors are the references of RFC 8176 §2 that tell of something the person has or is.
var secondFactors = []string{"otp", "sms", "hwk", "swk", "fpt", "face"}

// knownFactors are those that tell of something the person knows.
var knownFactors = []string{"pwd", "pin", "kba"}

// evidence is what the provider's word comes to. Two factors that it is trusted to have seen are two proofs.
func (e executor) evidence(s *flow.State, subject *directory.Subject, id *rp.Identity) []directory.Evidence {
	when := s.Now
	if !id.AuthTime.IsZero() && id.AuthTime.Before(when) {
		when = id.AuthTime
	}
	first := directory.Evidence{
		Method: directory.Federated, AMR: []string{}, Subject: subject.ID, Time: when, Issuer: id.Issuer, IssuerSession: id.SessionID,
	}
	if !e.TrustAMR {
		return []directory.Evidence{first}
	}
	second := first
	second.Method, second.AMR = directory.Federated+".second", []string{}
	for _, ref := range id.AMR {
		switch {
		case slices.Contains(knownFactors, ref):
			first.AMR = append(first.AMR, ref)
		case slices.Contains(secondFactors, ref):
			second.AMR = append(second.AMR, ref)
		}
	}
	switch {
	case len(second.AMR) == 0:
		return []directory.Evidence{first}
	case len(first.AMR) == 0:
		first.AMR = second.AMR
		return []directory.Evidence{first}
	}
	return []directory.Evidence{first, second}
}
