package federated

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// LinkProven links the account upstream with which somebody has come back last in the flow of s (State.Upstream) with the person whom the flow
// is about, and reports whether it is linked with them now. It may be repeated. There is no page on which the person would agree, so it takes
// more than that both were proven in one browser, in which somebody else may have begun: the person has shown in this flow all that they have
// here (State.MayAddWayIn), and the provider and we have verified the same e-mail address, which nobody else here has. An account that is
// somebody else's stays theirs. For an account with another address there are the Executors whose names end in "-link".
func (c *Connections) LinkProven(ctx context.Context, s *flow.State) (bool, error) {
	from, err := s.Upstream()
	if err != nil || from == nil || !from.EmailVerified || s.Subject.IsZero() || c.all[from.Connection] == nil {
		return false, err
	}
	if may, err := s.MayAddWayIn(ctx); err != nil || !may {
		return false, err
	}
	e := executor{connection: c.all[from.Connection], links: true}
	user, shared, err := e.withAddress(ctx, s.Subject.Org, from.Email)
	if err != nil || shared || user == nil || !user.EmailVerified || c.dir.SubjectRef(user) != s.Subject {
		return false, err
	}
	subject, problem, err := e.recognize(ctx, s, &rp.Identity{Issuer: from.Issuer, Subject: from.ExternalID, Email: from.Email})
	return subject != nil && problem == "", err
}

// UnlinkProven removes the link of the account upstream with which somebody has come back last in the flow of s, if it is the link of the
// person whom the flow is about. It reports whether that account is linked with nobody now, and may be repeated. The last way in stays.
func (c *Connections) UnlinkProven(ctx context.Context, s *flow.State) (bool, error) {
	from, err := s.Upstream()
	if err != nil || from == nil || s.Subject.IsZero() {
		return false, err
	}
	for range maxTries {
		l, err := c.links.Get(ctx, linkRef(from.Issuer, from.ExternalID))
		if errors.Is(err, store.ErrNotFound) {
			return true, nil
		}
		if err != nil || l.Subject != s.Subject {
			return false, err
		}
		err = c.unlink(ctx, c.db.Batch(), l)
		if _, moved := errors.AsType[*store.Conflict](err); moved {
			continue
		}
		if errors.Is(err, directory.ErrLastWayIn) {
			return false, nil
		}
		return err == nil, err
	}
	return false, nil
}
