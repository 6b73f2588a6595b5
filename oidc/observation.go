package oidc

import (
	"context"

	"github.com/signet-idp/signet/store/directory"
)

// observe tells the Observer, unless there is a flood.
func (p *Provider) observe(ctx context.Context, o directory.Observation) {
	missed, ok := p.seen.Admit(p.db.Now())
	if !ok {
		return
	}
	o.Missed = missed
	p.config.Observer(ctx, o)
}
