package flow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// draft is a flow that nobody has answered yet and that is not written before somebody does: what was asked lies, sealed, in the URL
// of its page. So a page of consent costs one step of the store, and one that is only looked at costs none. It holds nothing that
// was proven: that is read anew each time. Answering it is an Insert under the id of the request, so it is answered once.
type draft struct {
	Request directory.Interaction `json:"request"`
	Browser string                `json:"browser"`
	Began   time.Time             `json:"began"`
	Expires time.Time             `json:"expires"`
}

const (
	// draftField is the parameter of a page's URL that holds the draft.
	draftField = "draft"
	// maxDraft is how long a draft may be: proxies cut URLs off at 8 KiB or so. What is longer is written.
	maxDraft = 4 << 10
)

// maybeDraft reports whether a flow need not be written before it is answered: one whose only step asks somebody who is known to
// agree to something, and keeps nothing.
func (e *Engine) maybeDraft(x *execution) bool {
	_, guarded := e.executor(x).(Guarded)
	return x.Request.Purpose == directory.ApproveConsent && !guarded && x.Data == "" && len(x.writes)+len(x.deeds) == 0
}

// draftOf seals a flow into what its page's URL can hold; "" when it has to be written.
func (e *Engine) draftOf(x *execution) string {
	if !e.maybeDraft(x) {
		return ""
	}
	d := draft{Request: x.Request, Browser: x.Browser, Began: x.Began, Expires: x.Expires}
	text, err := json.Marshal(d)
	if err != nil {
		return ""
	}
	sealed := string(e.db.Seal(executionKind, x.Ref(), "draft", text))
	if len(sealed) > maxDraft {
		return ""
	}
	return sealed
}

// drafted lays out the flow of a draft as it stands now: done when nothing has to be asked any more.
func (e *Engine) drafted(r *visit, id, browser, sealed string) (*execution, error) {
	text, err := e.db.Unseal(executionKind, store.Ref{ID: id}, "draft", store.Sealed(sealed))
	if err != nil {
		return nil, errUnknownFlow
	}
	var d draft
	if err := json.Unmarshal(text, &d); err != nil || !e.db.Now().Before(d.Expires) {
		return nil, errUnknownFlow
	}
	if !secret.Matches(d.Browser, browser) {
		return nil, errForeign
	}
	x, move, err := e.plot(r, d.Request)
	if err != nil {
		return nil, err
	}
	x.Browser, x.Began, x.Expires, x.draft = d.Browser, d.Began, d.Expires, sealed
	if x.Done {
		return x, nil
	}
	return x, e.introduce(r.Context(), x, move)
}

// opened returns the flow that a page's request is about.
func (e *Engine) opened(r *visit, id string) (*execution, error) {
	browser := e.browser(r)
	x, err := e.find(r, id)
	if sealed := r.URL.Query().Get(draftField); errors.Is(err, errUnknownFlow) && isHash(id) && sealed != "" {
		return e.drafted(r, id, browser, sealed)
	}
	return x, err
}

// current reads a flow again: as a draft, as long as nobody has written it.
func (e *Engine) current(r *visit, x *execution) (*execution, error) {
	found, err := e.find(r, x.ID)
	if errors.Is(err, errUnknownFlow) && x.draft != "" {
		return e.drafted(r, x.ID, e.browser(r), x.draft)
	}
	return found, err
}

// introduce brings a flow that begins to its first step.
func (e *Engine) introduce(ctx context.Context, x *execution, move Move) error {
	if err := e.name(ctx, x); err != nil {
		return err
	}
	return e.follow(ctx, x, move)
}

// write adds to the batch that the flow stands as it does: over what was read, or as the first that is written of it.
func (e *Engine) write(b *store.Batch, x *execution) error {
	adds := x.deeds
	if x.Refusal == "" { // who is refused has changed nothing
		adds = slices.Concat(x.deeds, x.writes)
	}
	for _, add := range adds {
		if err := add(b); err != nil {
			return err
		}
	}
	if x.Version == 0 {
		e.executions.Insert(b, x)
	} else {
		e.executions.Replace(b, x)
	}
	return nil
}
