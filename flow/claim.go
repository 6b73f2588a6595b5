package flow

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// lease is how long a post that is being judged keeps its duplicates out. When a crash leaves it behind, the person may try
// again after this time.
const lease = 10 * time.Second

// claim says that a post to one state of a flow is being judged. It is durable so that it stands or falls with the count of
// the attempt, wherever flows are kept: of posts that race, one is counted.
type claim struct{ store.Meta }

var (
	claimKind = store.Kind{Name: "flow.claim"}
	claimType = store.Type[claim]{Kind: claimKind}
)

// errClaimed says that another post to the same state of the flow is being judged.
var errClaimed = errors.New("flow: being judged")

// guess is one counted attempt.
type guess struct {
	claim   *claim
	account Account
	attempt *directory.Attempt
}

// claim counts an attempt, before it is judged, in one step. It returns errClaimed for a duplicate and a problem when the
// address has used up what it may try.
func (e *Engine) claim(r *http.Request, x *execution, s *State, g Guarded, in Input) (*guess, error) {
	ctx, org := r.Context(), x.Request.Organization
	account, err := g.Account(ctx, s, in)
	if err != nil {
		return nil, err
	}
	var ref store.Ref
	if account.Subject != nil {
		ref = account.Subject.Ref()
	}
	device, err := e.dir.Devices.Known(ctx, e.site.Cookie(r, deviceCookie), ref)
	if err != nil {
		return nil, err
	}
	b := e.db.Batch()
	made := &guess{account: account, claim: &claim{store.Meta{
		ID: x.ID + "." + strconv.FormatInt(x.Sequence, 10), Expires: b.Now().Add(lease),
	}}}
	e.claims.Insert(b, made.claim)
	made.attempt, err = e.dir.Locks.Begin(ctx, b, directory.AttemptKey{
		Org: org, Account: e.dir.Locks.Account(account.Subject, org, account.Person), Factor: account.Factor, Device: device,
	})
	if err != nil {
		return nil, err
	}
	pass, err := e.dir.Throttle.Begin(ctx, b, org, directory.ThrottlePassword, e.site.Address(r).String())
	if err != nil {
		return nil, err
	}
	if err := b.Apply(ctx); store.ConflictOn(err, claimKind) != nil {
		return nil, errClaimed
	} else if err != nil {
		return nil, err
	}
	if !pass.Admitted() {
		return nil, errors.Join(throttled(pass.RetryAfter()), e.release(r, made))
	}
	return made, nil
}

// release takes back an attempt that was not judged.
func (e *Engine) release(r *http.Request, g *guess) error {
	b := e.db.Batch()
	e.claims.Delete(b, g.claim)
	return errors.Join(b.Apply(r.Context()), e.dir.Locks.Abort(r.Context(), g.attempt))
}

func throttled(wait time.Duration) problem {
	return problem{status: http.StatusTooManyRequests, code: "slow_down", message: "throttle.wait", retryAfter: wait}
}
