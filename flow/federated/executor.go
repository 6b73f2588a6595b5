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

var (
	_ flow.Relayed  = executor{}
	_ flow.Locating = executor{}
)

const goAction = "federated"

// Label implements flow.Leaving.
func (e executor) Label() flow.Message { return e.message("federated.continue", "") }

// Callback implements flow.Leaving.
func (e executor) Callback() string { return e.Name }

// Locate implements flow.Locating, for responses that the provider has signed.
func (e executor) Locate(answer url.Values) string { return e.provider.StateOf(answer) }

// Relayed implements flow.Relayed. Who links an account is signed in, in a browser.
func (e executor) Relayed(purpose directory.Purpose) bool {
	return !e.links && (e.ProgramURL != "" || e.native(purpose))
}

// native reports whether programs get ID tokens by themselves: those that sign people in.
func (e executor) native(purpose directory.Purpose) bool {
	return purpose == directory.SignIn && len(e.NativeClients) > 0 && !e.links
}

func (e executor) message(id string, level flow.Level) flow.Message {
	return flow.Message{ID: id, Level: level, Params: map[string]string{"provider": e.Title}}
}

// Prepare implements flow.Executor.
func (e executor) Prepare(context.Context, *flow.State) error { return nil }

// departure is what the step keeps of somebody who has left.
type departure struct {
	rp.Pending
	// To is where a program has sent them; "" for a browser, which is there by then.
	To string `json:"to,omitempty"`
	// Native says that the program gets an ID token by itself.
	Native bool `json:"native,omitempty"`
}

// Prompt implements flow.Executor.
func (e executor) Prompt(_ context.Context, s *flow.State) (flow.Prompt, error) {
	label := e.Label()
	p := flow.Prompt{
		Step: "federated", Title: e.message("federated.title", ""), Intro: e.message("federated.intro", ""),
		Actions: []flow.Action{{Name: goAction, Label: label.ID, Params: label.Params}},
	}
	if s.Request.Native == nil || len(s.Data) == 0 {
		return p, nil
	}
	var left departure
	if err := json.Unmarshal(s.Data, &left); err != nil {
		return flow.Prompt{}, err
	}
	if left.Native {
		p.Away = &flow.Away{ClientID: e.NativeClients[0], Nonce: left.Nonce, Scope: e.provider.Scopes()}
		return p, nil
	}
	p.Link, p.Away = left.To, &flow.Away{State: left.State}
	return p, nil
}

// Judge sends the person to the provider.
func (e executor) Judge(ctx context.Context, s *flow.State, _ flow.Input) (flow.Verdict, error) {
	request, ok := e.request(s)
	if !ok {
		return e.again("federated.stale"), nil
	}
	if s.Request.Native != nil && e.native(s.Request.Purpose) {
		data, err := json.Marshal(departure{Pending: e.provider.BeginNative(request), Native: true})
		return flow.Verdict{Outcome: flow.Leave, Data: data}, err
	}
	to, pending, err := e.provider.Begin(ctx, request)
	if _, refused := errors.AsType[*rp.ResponseError](err); refused || errors.Is(err, rp.ErrUnavailable) { // refused: a request that was pushed
		e.warn(ctx, err)
		return e.again("federated.failed"), nil
	}
	if err != nil {
		return flow.Verdict{}, err
	}
	left := departure{Pending: pending}
	if s.Request.Native != nil {
		left.To = to
	}
	data, err := json.Marshal(left)
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
	if in.Native != nil { // a program: it finds its flow by itself, and nothing of ours stands in the state
		r.State, r.RedirectURL = secret.New().Reveal(), e.ProgramURL
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

// identified is who has signed in there; nil with a verdict that says why nobody.
func (e executor) identified(ctx context.Context, s *flow.State, answer url.Values) (*rp.Identity, flow.Verdict, error) {
	var left departure
	if err := json.Unmarshal(s.Data, &left); err != nil {
		return nil, flow.Verdict{}, err
	}
	id, err := e.finish(ctx, left, answer)
	refusal, refused := errors.AsType[*rp.ResponseError](err)
	switch {
	case refused && refusal.Denied():
		return nil, e.again("federated.denied"), nil
	case refused, errors.Is(err, rp.ErrInvalid), errors.Is(err, rp.ErrUnavailable):
		e.warn(ctx, err)
		return nil, e.again("federated.failed"), nil
	case err != nil:
		return nil, flow.Verdict{}, err
	}
	return id, flow.Verdict{}, nil
}

// Return implements flow.Leaving: it finds out who has signed in there, and who that is here.
func (e executor) Return(ctx context.Context, s *flow.State, answer url.Values) (flow.Verdict, error) {
	id, v, err := e.identified(ctx, s, answer)
	if err != nil || id == nil {
		return v, err
	}
	return e.welcome(ctx, s, id)
}

// finish finds out who has signed in there. Connections may have lost their NativeClients meanwhile.
func (e executor) finish(ctx context.Context, left departure, answer url.Values) (*rp.Identity, error) {
	if left.Native {
		return e.provider.FinishNative(ctx, left.Pending, e.NativeClients, answer.Get("idToken"), answer.Get("accessToken"))
	}
	return e.provider.Finish(ctx, left.Pending, answer)
}

// welcome is the verdict on whoever has signed in there. The flow knows from here on who that is, also where it is nobody here.
func (e executor) welcome(ctx context.Context, s *flow.State, id *rp.Identity) (flow.Verdict, error) {
	subject, problem, err := e.recognize(ctx, s, id)
	if err != nil {
		return flow.Verdict{}, err
	}
	from := flow.Upstream{
		Connection: e.Name, Issuer: id.Issuer, ExternalID: id.Subject, Email: id.Email, EmailVerified: id.EmailVerified,
		Claims: flow.UpstreamClaims(id.Claims),
	}
	v := flow.Verdict{Outcome: flow.Proceed, Subject: subject}
	if problem != "" {
		v = e.again(problem)
	} else {
		v.Evidence = e.evidence(s, subject, id)
	}
	v.Facts, err = from.Facts()
	return v, err
}

// secondFactors are the references of RFC 8176 §2 that tell of something the person has or is.
var secondFactors = []string{"otp", "sms", "hwk", "swk", "fpt", "face"}

// knownFactors are those that tell of something the person knows.
var knownFactors = []string{"pwd", "pin", "kba"}

// shownAt is when somebody has shown who they are, to whom the provider's word has come now: as it says, and never later than now.
func shownAt(s *flow.State, id *rp.Identity) time.Time {
	if !id.AuthTime.IsZero() && id.AuthTime.Before(s.Now) {
		return id.AuthTime
	}
	return s.Now
}

// evidence is what the provider's word comes to. Two factors that it is trusted to have seen are two proofs.
func (e executor) evidence(s *flow.State, subject *directory.Subject, id *rp.Identity) []directory.Evidence {
	first := directory.Evidence{
		Method: directory.Federated, AMR: []string{}, Subject: subject.ID, Time: shownAt(s, id), Issuer: id.Issuer, IssuerSession: id.SessionID,
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
