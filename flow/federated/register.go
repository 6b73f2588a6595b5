package federated

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// registering is a login at a provider as a step of a registration. It finds out who somebody is, and leaves the account to the plan: what the provider
// has verified counts, as with whoever signs in there for the first time. Somebody who has an account here is told so, and not signed in.
type registering struct{ executor }

var (
	_ flow.Relayed    = registering{}
	_ flow.Introducer = registering{}
)

// known is what is kept of somebody until their account is made.
type known struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Label   string `json:"label,omitempty"`
	Session string `json:"session,omitempty"`
	// AuthTime is when they have shown who they are, whatever time the forms take that follow.
	AuthTime time.Time `json:"authTime,omitzero"`
	AMR      []string  `json:"amr,omitempty"`
}

func (k known) identity() *rp.Identity {
	return &rp.Identity{Issuer: k.Issuer, Subject: k.Subject, Email: k.Label, SessionID: k.Session, AuthTime: k.AuthTime, AMR: k.AMR}
}

// Prompt implements flow.Executor.
func (r registering) Prompt(ctx context.Context, s *flow.State) (flow.Prompt, error) {
	p, err := r.executor.Prompt(ctx, s)
	p.Title = flow.Message{ID: "register.title"}
	return p, err
}

// Return implements flow.Leaving.
func (r registering) Return(ctx context.Context, s *flow.State, answer url.Values) (flow.Verdict, error) {
	id, v, err := r.identified(ctx, s, answer)
	if err != nil || id == nil {
		return v, err
	}
	problem, err := r.stranger(ctx, s, id)
	if err != nil {
		return flow.Verdict{}, err
	}
	if problem != "" {
		return r.again(problem), nil
	}
	data, err := json.Marshal(known{id.Issuer, id.Subject, cmp.Or(id.Email, id.Username, id.Name), id.SessionID, shownAt(s, id), id.AMR})
	if err != nil {
		return flow.Verdict{}, err
	}
	names := r.usernames(id)
	facts, err := flow.Introduction{
		By: RegisterExecutor(r.Name), User: *r.newUser(s.Request.Organization, names[0], id), Store: r.Store, Usernames: names, Data: data,
	}.Facts()
	return flow.Verdict{Outcome: flow.Proceed, Facts: facts}, err
}

// stranger is the message that says why somebody is not new here; "" for who is.
func (r registering) stranger(ctx context.Context, s *flow.State, id *rp.Identity) (string, error) {
	here, err := r.living(ctx, s, id.Issuer, id.Subject)
	switch {
	case err != nil:
		return "", err
	case here:
		return "federated.registered", nil
	case !id.EmailVerified:
		return "", nil
	}
	user, shared, err := r.withAddress(ctx, s.Request.Organization, id.Email)
	if err == nil && (user != nil || shared) {
		return "federated.conflict", nil
	}
	return "", err
}

// living reports whether an account at the provider is that of somebody who is here.
func (r registering) living(ctx context.Context, s *flow.State, issuer, subject string) (bool, error) {
	old, err := r.Connections.links.Get(ctx, linkRef(issuer, subject))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	who, problem, err := r.linked(ctx, s, old)
	return who != nil || problem != "", err
}

// Introduced implements flow.Introducer: it adds the link.
func (r registering) Introduced(ctx context.Context, b *store.Batch, s *flow.State, i flow.Introduction, subject *directory.Subject) error {
	var k known
	if err := json.Unmarshal(i.Data, &k); err != nil {
		return err
	}
	old, err := r.Connections.links.Get(ctx, linkRef(k.Issuer, k.Subject))
	switch {
	case errors.Is(err, store.ErrNotFound):
		old = nil
	case err != nil:
		return err
	default:
		if here, err := r.living(ctx, s, k.Issuer, k.Subject); err != nil || here {
			return errors.Join(err, &directory.TakenError{Name: "account upstream"})
		}
	}
	r.write(b, old, r.newLink(subject.Ref(), k.identity()))
	return nil
}

// Proven implements flow.Introducer.
func (r registering) Proven(s *flow.State, i flow.Introduction, subject *directory.Subject) ([]directory.Evidence, error) {
	var k known
	if err := json.Unmarshal(i.Data, &k); err != nil {
		return nil, err
	}
	return r.evidence(s, subject, k.identity()), nil
}
