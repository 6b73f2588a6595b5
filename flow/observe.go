package flow

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// observe tells the Observer, unless there is a flood.
func (e *Engine) observe(ctx context.Context, o directory.Observation) {
	missed, ok := e.seen.Admit(e.db.Now())
	if !ok {
		return
	}
	o.Missed = missed
	e.observer(ctx, o)
}

// planGone tells the log and the Observer that a plan is closed because it needs what is there no more, which an administrator has to mend.
func (e *Engine) planGone(ctx context.Context, name string, cause error) {
	o := directory.Observation{Type: "plan.unavailable", Code: name, Correlation: web.NewCorrelationID()}
	e.log.WarnContext(ctx, "a plan is not offered", "correlation", o.Correlation, "plan", name, "error", cause)
	e.observe(ctx, o)
}

// blame tells the log and the Observer of an attempt that came to nothing. Neither learns the name that was typed, which may be a
// password in the wrong field. Whoever waits for the answer learns nothing either: for nobody's account the same is done.
func (e *Engine) blame(r *visit, g *guess, v Verdict) {
	if g == nil || v.Outcome != Again || v.paused() && g.attempt.Admitted() {
		return
	}
	o := directory.Observation{
		Type: "attempt.failed", Code: g.account.Factor, Address: e.site.AddressGroup(r.Request), Correlation: web.NewCorrelationID(),
	}
	if !g.attempt.Admitted() {
		o.Type = "attempt.locked"
	}
	if g.account.Subject != nil {
		o.Subject = g.account.Subject.ID
	}
	if len(v.Messages) > 0 {
		o.Code = cmp.Or(v.Messages[0].ID, o.Code)
	}
	e.log.LogAttrs(r.Context(), slog.LevelInfo, "sign-in refused", slog.String("correlation", o.Correlation), slog.String("type", o.Type),
		slog.String("code", o.Code), slog.String("subject", o.Subject), slog.String("path", r.URL.Path))
	e.observe(r.Context(), o)
}

// paused reports whether a verdict asks for more without finding anything wrong: a code is on its way.
func (v Verdict) paused() bool {
	return v.Blameless && len(v.Problems) == 0 && !slices.ContainsFunc(v.Messages, func(m Message) bool { return m.Level == Error })
}
