package flow

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// DefaultMaxFlows is how many unfinished flows one browser may have.
const DefaultMaxFlows = 20

// liveFlow is an unfinished flow of a browser.
type liveFlow struct {
	id   string
	ends time.Time
}

// liveFlows reads from the browser which flows it has under way, the oldest first. Its word is good enough: whoever leaves one out could as
// well have come as a new browser, for which there is the limit of its address; and nothing is forgotten that is not bound to the browser.
func (e *Engine) liveFlows(r *visit) (list []liveFlow) {
	now := e.db.Now()
	for entry := range strings.SplitSeq(e.site.Cookie(r.Request, flowsCookie), ":") {
		id, ends, _ := strings.Cut(entry, ".")
		seconds, err := strconv.ParseInt(ends, 36, 64)
		flow := liveFlow{id, time.Unix(seconds, 0)}
		if err != nil || !isHash(id) || !flow.ends.After(now) || slices.ContainsFunc(list, func(f liveFlow) bool { return f.id == id }) {
			continue
		}
		list = append(list, flow)
	}
	return list[max(0, len(list)-e.maxFlows):]
}

// keepFlows tells the browser which flows it has under way.
func (e *Engine) keepFlows(r *visit, list []liveFlow) {
	if len(list) == 0 {
		e.site.ClearCookie(r.w, flowsCookie)
		return
	}
	var entries []string
	for _, f := range list {
		entries = append(entries, f.id+"."+strconv.FormatInt(f.ends.Unix(), 36))
	}
	e.site.SetCookie(r.w, flowsCookie, strings.Join(entries, ":"), 0)
}

// makeRoom has the browser keep a flow that is about to be written. Where it has as many as it may, one is forgotten: the oldest that nobody has
// answered, before all those to which a page elsewhere has sent the browser by itself, and only where all were answered the oldest. Its page
// begins anew when somebody comes back to it. A person who opens many tabs loses nothing by it that they have done. A page that keeps calling
// costs the store no more than so many flows; of those that somebody has set out for it takes one at most, and none that was answered as
// long as there are others.
func (e *Engine) makeRoom(r *visit, x *execution) error {
	if r.program != nil { // which has no cookies, and a limit by its address
		return nil
	}
	list := slices.DeleteFunc(e.liveFlows(r), func(f liveFlow) bool { return f.id == x.ID })
	if len(list) >= e.maxFlows {
		forgotten, err := e.forgetOne(r, list)
		if err != nil {
			return err
		}
		list = slices.Delete(list, forgotten, forgotten+1)
	}
	e.keepFlows(r, append(list, liveFlow{x.ID, x.Expires}))
	return nil
}

// forgetOne forgets one of a browser's flows, and returns which of the list it was.
func (e *Engine) forgetOne(r *visit, list []liveFlow) (int, error) {
	ctx, browser := r.Context(), e.browser(r)
	var least *execution
	index := 0
	for i, f := range list {
		x, err := e.executions.Get(ctx, store.Ref{ID: f.id})
		switch {
		case errors.Is(err, store.ErrNotFound):
			return i, nil
		case err != nil:
			return 0, err
		case x.Done, !secret.Matches(x.Browser, browser):
			return i, nil
		case x.worth() == 0:
			return i, e.forgetFlow(ctx, x)
		case least == nil || x.worth() < least.worth():
			least, index = x, i
		}
	}
	return index, e.forgetFlow(ctx, least)
}

// worth is what somebody would lose with a flow: nothing but a page that came by itself, or one that they have come for, or what they have answered.
func (x *execution) worth() int {
	switch {
	case !x.untouched():
		return 2
	case !x.Unbidden:
		return 1
	}
	return 0
}

// forgetFlow deletes a flow. One that was answered a moment ago stays.
func (e *Engine) forgetFlow(ctx context.Context, x *execution) error {
	b := e.db.Batch()
	e.executions.Delete(b, x)
	err := b.Apply(ctx)
	if store.ConflictOn(err, executionKind) != nil {
		return nil
	}
	return err
}

// finished takes a flow that is done from those of the browser.
func (e *Engine) finished(r *visit, x *execution) {
	list := e.liveFlows(r)
	if i := slices.IndexFunc(list, func(f liveFlow) bool { return f.id == x.ID }); i >= 0 {
		e.keepFlows(r, slices.Delete(list, i, i+1))
	}
}
