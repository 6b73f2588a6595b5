package oidc

import (
	"context"
	"time"

	"github.com/signet-idp/signet/store"
)

// replayKind holds the marks of proofs that count once, for as long as they would be accepted. Losing them lets nothing be used
// twice: a proof that could have been accepted before the loss is refused.
var replayKind = store.Kind{Name: "oidc.replay", Ephemeral: true}

var replayType = store.Type[replayMark]{Kind: replayKind}

// replayMark says by its id that a proof was used.
type replayMark struct{ store.Meta }

// spend uses a proof up, by one write. It reports false for one that was used before, or may have been: issued is when it was
// made, at most skew in the future, and until when it stops being acceptable.
func (p *Provider) spend(ctx context.Context, id string, issued, until time.Time, skew time.Duration) (bool, error) {
	mark := &replayMark{store.Meta{ID: id, Expires: until}}
	b := p.db.Batch()
	p.marks.Insert(b, mark)
	err := b.Apply(ctx)
	if store.ConflictOn(err, replayKind) != nil {
		return false, nil
	}
	if err != nil {
		return false, unavailable(err)
	}
	since, err := p.db.Since(ctx, replayKind, mark.Ref()) // after the write: see store.DB.Since
	if err != nil {
		return false, unavailable(err)
	}
	return issued.Add(-skew).After(since), nil
}
