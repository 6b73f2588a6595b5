package flow

import (
	"cmp"
	"context"
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

// guess is one attempt at an account.
type guess struct {
	account Account
	key     directory.AttemptKey
	org     string
	address string
	// addressGroup is the address as it is counted for the BotCheck, and signsIn says that the attempt is.
	addressGroup string
	signsIn      bool
	claim        *claim
	attempt      *directory.Attempt
	// together is the attempt as it is counted with those from everywhere (Account.Together), by its key; nil when it is not.
	togetherKey directory.AttemptKey
	together    *directory.Attempt
	pass        *directory.Pass
	// clashes is how often another attempt at the account was faster.
	clashes int
}

// yields reports whether an attempt that is not admitted, and would merely write that it was made, leaves that to the others.
func (g *guess) yields() bool { return g.clashes > patience && !g.attempt.Admitted() }

// guess finds out whose attempt an answer is. One whose judging is slow is counted here, before, in a step of its own: the error is
// then errClaimed for a duplicate and a problem when the address has used up what it may try.
func (e *Engine) guess(r *visit, x *execution, g Guarded, in Input) (*guess, error) {
	ctx, org := r.Context(), x.Request.Organization
	s, err := e.state(x)
	if err != nil {
		return nil, err
	}
	account, err := g.Account(ctx, s, in)
	if err != nil {
		return nil, err
	}
	device, err := e.knownDevice(ctx, r, account.Subject)
	if err != nil {
		return nil, err
	}
	made := &guess{
		account: account, org: org, address: e.site.Address(r.Request).String(),
		addressGroup: e.site.AddressGroup(r.Request), signsIn: s.Subject.IsZero() || e.deed(s, g, in.Action) == CheckedSignIn,
		key: directory.AttemptKey{
			Org: org, Account: e.dir.Locks.Account(account.Subject, org, account.Person), Factor: account.Factor, Device: device,
		},
		claim: &claim{store.Meta{ID: x.ID + "." + strconv.FormatInt(x.Sequence, 10), Expires: e.db.Now().Add(lease)}},
	}
	if !account.Quick {
		err = e.count(r, made)
	} else if account.Together > 0 {
		made.spread(e.dir.Locks.Address(org, made.addressGroup))
	}
	return made, err
}

// spread has the attempt counted by where it comes from, and with those from everywhere.
func (g *guess) spread(address string) {
	g.togetherKey = g.key
	g.togetherKey.Device, g.togetherKey.Failures = "", g.account.Together
	g.key.Device = cmp.Or(g.key.Device, address)
}

// insist does a step that rests on what is remembered of an account, and does it again as long as another attempt at it was faster.
func (e *Engine) insist(g *guess, step func(b *store.Batch) error) error {
	var err error
	for range maxClashes {
		b := e.db.Batch()
		if err = step(b); store.ConflictOn(err, e.dir.Locks.Kind()) == nil {
			return err
		}
		g.clashes++
	}
	return err
}

// try adds to the batch that the attempt is made.
func (e *Engine) try(ctx context.Context, b *store.Batch, g *guess) (err error) {
	if g.clashes > patience {
		if g.attempt, err = e.dir.Locks.Weigh(ctx, g.key); err != nil || g.yields() {
			return err
		}
	}
	g.attempt, err = e.dir.Locks.Begin(ctx, b, g.key)
	return err
}

// count counts an attempt before it is judged, in one step.
func (e *Engine) count(r *visit, g *guess) error {
	ctx := r.Context()
	err := e.insist(g, func(b *store.Batch) (err error) {
		e.claims.Insert(b, g.claim)
		if err = e.try(ctx, b, g); err != nil {
			return err
		}
		if g.pass, err = e.dir.Throttle.Begin(ctx, b, g.org, directory.ThrottlePassword, g.address); err != nil {
			return err
		}
		return b.Apply(ctx)
	})
	switch {
	case store.ConflictOn(err, claimKind) != nil:
		return errClaimed
	case err != nil:
		return err
	case !g.pass.Admitted():
		return errors.Join(throttled(g.pass.RetryAfter()), e.release(ctx, g))
	}
	return nil
}

// again counts an attempt that found no room beside others once more, now that they may have been judged.
func (e *Engine) again(ctx context.Context, g *guess) error {
	return e.insist(g, func(b *store.Batch) (err error) {
		if err = e.try(ctx, b, g); err != nil {
			return err
		}
		return b.Apply(ctx)
	})
}

// weigh reads what an attempt that is judged in an instant finds. It is counted with its verdict.
func (e *Engine) weigh(ctx context.Context, g *guess) (err error) {
	if g.attempt, err = e.dir.Locks.Weigh(ctx, g.key); err != nil {
		return err
	}
	if g.togetherKey.Failures > 0 {
		if g.together, err = e.dir.Locks.Weigh(ctx, g.togetherKey); err != nil {
			return err
		}
		if !g.together.Admitted() {
			g.attempt.Waive()
		} else if !g.attempt.Admitted() {
			g.together.Waive()
		}
	}
	pass, err := e.dir.Throttle.Look(ctx, g.org, directory.ThrottlePassword, g.address)
	if err == nil && !pass.Admitted() {
		err = throttled(pass.RetryAfter())
	}
	return err
}

// settleGuess adds to the batch what an attempt turned out to be; with one that was only weighed, that it was made.
func (e *Engine) settleGuess(ctx context.Context, b *store.Batch, g *guess, v Verdict) (err error) {
	if g.account.Quick {
		g.claim.Version = 0
		e.claims.Insert(b, g.claim) // before all else, so that a duplicate is known by its conflict
		if g.pass, err = e.dir.Throttle.Begin(ctx, b, g.org, directory.ThrottlePassword, g.address); err != nil {
			return err
		}
	}
	e.tally(b, g, v)
	if g.yields() {
		return nil
	}
	settle := e.dir.Locks.Fail
	switch {
	case v.right():
		settle = e.dir.Locks.Succeed
	case v.Blameless || v.Outcome != Again:
		settle = e.dir.Locks.Abort
	}
	if err = settle(ctx, b, g.attempt); err == nil && g.together != nil {
		err = settle(ctx, b, g.together)
	}
	return err
}

// release takes back an attempt that was not judged.
func (e *Engine) release(ctx context.Context, g *guess) error {
	b := e.db.Batch()
	e.claims.Delete(b, g.claim)
	return errors.Join(b.Apply(ctx), e.insist(g, func(b *store.Batch) error {
		if err := e.dir.Locks.Abort(ctx, b, g.attempt); err != nil {
			return err
		}
		return b.Apply(ctx)
	}))
}

func throttled(wait time.Duration) *Failure {
	return &Failure{Status: http.StatusTooManyRequests, Code: "slow_down", Message: Message{ID: "throttle.wait", Level: Error}, RetryAfter: wait}
}
