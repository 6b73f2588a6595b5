package flow

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// executionKind holds flows under way. Its loss costs people the pages they have open: they sign in anew. Nothing can be
// gained by it, as failures are counted in durable kinds and a session is begun by a durable insert.
var executionKind = store.Kind{Name: "flow.execution", Ephemeral: true}

// execution is one flow: what was asked, what was proven, and where it stands. It lies in the root organization whatever
// the request's, so that the id in a page's URL is enough to find it.
type execution struct {
	store.Meta
	Request directory.Interaction `json:"request"`
	// Browser is the hash of the binding cookie of the one browser that may see the flow.
	Browser string    `json:"browser"`
	Began   time.Time `json:"began"`
	// Unbidden says that another site has sent the browser here, and nobody has clicked there.
	Unbidden bool `json:"unbidden,omitempty"`
	// Sequence moves with every answer. Stage is that of the last one, in a flow by a program, of which something came: View.Stage.
	Sequence int64 `json:"sequence"`
	Stage    int64 `json:"stage,omitempty"`

	// Plan is the plan that an action has led into, at a PlanVersion if it is a Source's, and Calls those that it goes back to; ""
	// is that of the request's purpose.
	Plan        string       `json:"plan,omitempty"`
	PlanVersion string       `json:"planVersion,omitempty"`
	Calls       []call       `json:"calls,omitempty"`
	Memory      store.Sealed `json:"memory,omitempty"`
	Facts       store.Sealed `json:"facts,omitempty"`
	Last        Last         `json:"last,omitzero"`

	// Options, if any, are those of the Step's that the plan has left, and Option the one that does it.
	Step    string            `json:"step,omitempty"`
	Options []string          `json:"options,omitempty"`
	Option  string            `json:"option,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	Data    store.Sealed      `json:"data,omitempty"`

	// Subject is write-once, and its epoch what it was when that was written.
	Subject      store.Ref `json:"subject,omitzero"`
	SubjectEpoch int64     `json:"subjectEpoch,omitempty"`
	// Person is how the pages call the person.
	Person string `json:"person,omitempty"`
	// Proven is what was proven in this flow, append-only; Carried is what the session Base had proven before and this
	// request accepts. Carried counts for Base's subject alone. What was proven first counts only if it came after Lapsed:
	// the rest has become too old for the request while the pages lay open.
	Proven      []directory.Evidence `json:"proven,omitempty"`
	Lapsed      time.Time            `json:"lapsed,omitzero"`
	Base        store.Ref            `json:"base,omitzero"`
	BaseSubject store.Ref            `json:"baseSubject,omitzero"`
	Carried     []directory.Evidence `json:"carried,omitempty"`
	// Revived says that Base was idle and is only remembered: a second factor that was shown before counts no more.
	Revived bool `json:"revived,omitempty"`
	// Chosen says that the person has chosen, where that was asked, to go on as whoever Base is of.
	Chosen   bool     `json:"chosen,omitempty"`
	Approved []string `json:"approved"`
	Asked    bool     `json:"asked,omitempty"`
	Remember bool     `json:"remember,omitempty"`
	// Challenged says that a Captcha is to be solved, until one was with an answer that led on.
	Challenged bool `json:"challenged,omitempty"`
	// Trust says that the device is to be trusted once the sign-in succeeds.
	Trust bool `json:"trust,omitempty"`
	// Rehash waits for the sign-in to succeed as a whole.
	Rehash *directory.Rehash `json:"rehash,omitempty"`

	Messages []Message          `json:"messages,omitempty"`
	Problems map[string]Message `json:"problems,omitempty"`
	Keep     map[string]string  `json:"keep,omitempty"`

	// Asserted says that the flow rests on a user assertion, and signs in no browser.
	Asserted bool `json:"asserted,omitempty"`

	// Wrong is how many wrong answers a program has had.
	Wrong int64 `json:"wrong,omitempty"`

	// NewSession is the id of the session that the flow begins if it begins one: the gate of completion.
	NewSession string `json:"newSession"`
	Done       bool   `json:"done,omitempty"`
	// ACR is what the plan has selected (Move.ACR), judged when the flow is done.
	ACR string `json:"acr,omitempty"`
	// Claims are what the plan has said of the person (Move.Claims), for the answer of a flow that is done.
	Claims directory.SignInClaims `json:"claims,omitempty"`
	// Session, Refusal, Proof and ACR are the answer of a flow that is done.
	Session store.Ref            `json:"session,omitzero"`
	Refusal directory.Refusal    `json:"refusal,omitempty"`
	Failure directory.Failure    `json:"failure,omitzero"`
	Proof   []directory.Evidence `json:"proof,omitempty"`

	// End are the sessions that the person wants to end when theirs begins, as there are too many.
	End []string `json:"end,omitempty"`

	// Echo is for a duplicate of the post that completed the flow.
	Echo      store.Sealed `json:"echo,omitempty"`
	EchoUntil time.Time    `json:"echoUntil,omitzero"`

	// from is the request that the flow is being moved by.
	from *visit
	// arriving says that the flow is being begun by a request that is Unbidden.
	arriving bool
	// plan is what the flow goes by, and writes what the batch that moves it is to hold besides.
	plan   Plan
	writes []func(b *store.Batch) error
	// deeds are what its plans write, whatever becomes of it.
	deeds []func(b *store.Batch) error
	// fresh is how many at the end of Proven are proven by the answer that is being settled.
	fresh int
	// again says that the flow was read anew because an earlier try to move it met a conflict.
	again bool
	// draft is the flow in its page's URL, while it is not written.
	draft string
	// assertion is what the program of a flow about an account may trade for a sign-in, for the answer that ends the flow.
	assertion secret.Text
	// current is the browser's session as it was read for a flow that has not been written.
	current *directory.Session
}

// executionID is where the flow of a request is found. The request's id cannot be read from it, as it stands in URLs.
func executionID(in directory.Interaction) string {
	return secret.Hash("flow\x00" + string(in.Purpose) + "\x00" + in.ID)
}

// isHash reports whether a text from outside can be what secret.Hash returned: 43 characters of base64url.
func isHash(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(s) == 43 && strings.Trim(s, alphabet) == ""
}

// evidence is what counts for the answer: never that of two people, nor what is too old.
func (x *execution) evidence() []directory.Evidence {
	evidence := x.shown()
	if x.Lapsed.IsZero() {
		return evidence
	}
	return withoutPrimary(evidence, func(e directory.Evidence) bool { return !e.Time.After(x.Lapsed) })
}

// shown is evidence, whatever its age.
func (x *execution) shown() []directory.Evidence {
	if x.Subject.IsZero() || x.BaseSubject != x.Subject {
		return x.Proven
	}
	return merge(x.Carried, x.Proven)
}

// revived reports whether it is a remembered session alone that says who the person is.
func (x *execution) revived() bool {
	return x.Revived && len(x.Carried) > 0 && len(x.Proven) == 0 && x.BaseSubject == x.Subject
}

// merge adds proofs to older ones; a newer proof of the same method takes the place of the older.
func merge(older, newer []directory.Evidence) []directory.Evidence {
	merged := slices.DeleteFunc(slices.Clone(older), func(e directory.Evidence) bool {
		return slices.ContainsFunc(newer, func(n directory.Evidence) bool { return n.Method == e.Method })
	})
	return append(merged, newer...)
}

// writeLater has what the verdict wants to write written with the flow.
func (x *execution) writeLater(v Verdict) {
	if v.Write != nil {
		x.writes = append(x.writes, v.Write)
	}
}

// turn leaves behind what the last answer has left, and takes over what the verdict leaves for the next page.
func (x *execution) turn(v Verdict) {
	x.Sequence++
	if x.Request.Native != nil && (v.Outcome != Again || v.sent) {
		x.Stage = x.Sequence
	}
	x.Messages, x.Problems, x.Keep = v.Messages, v.Problems, v.Keep
	x.Remember = x.Remember || v.Remember
	x.Challenged = v.challenge || x.Challenged && (v.Outcome == Again || v.lead)
	if v.Approved != nil {
		x.Asked, x.Approved = true, v.Approved
	}
}

// prove records a verdict's evidence. It reports false when that is about somebody other than the flow is, or about the same
// person before everything of theirs was revoked.
func (x *execution) prove(v Verdict) bool {
	if len(v.Evidence) == 0 {
		return true
	}
	if v.Subject == nil {
		return false
	}
	if x.Subject.IsZero() {
		if wanted := wanted(x.Request); wanted != "" && wanted != v.Subject.ID {
			return false
		}
		x.Subject, x.SubjectEpoch = v.Subject.Ref(), v.Subject.Epoch
	}
	if v.Subject.Ref() != x.Subject || v.Subject.Epoch != x.SubjectEpoch {
		return false
	}
	for _, e := range v.Evidence {
		if e.Subject != x.Subject.ID {
			return false
		}
	}
	x.Proven = append(x.Proven, v.Evidence...)
	x.fresh += len(v.Evidence)
	if v.Rehash != nil {
		x.Rehash = v.Rehash
	}
	return true
}

// baseSession is the session of the person that the flow builds on; zero is none.
func (x *execution) baseSession() store.Ref {
	if x.Subject.IsZero() || x.BaseSubject != x.Subject {
		return store.Ref{}
	}
	return x.Base
}

// outlive has the flow go on over a revocation that is its own doing, as when a password was changed in it; over any other it does not.
// A session on which it was built has ended by that, and what was carried over from there: it reports whether there was any.
func (x *execution) outlive(e *epochs) (lost, ok bool) {
	if e == nil {
		return false, true
	}
	if e.from != x.SubjectEpoch {
		return false, false
	}
	lost = len(x.Carried) > 0
	x.SubjectEpoch, x.Rehash = e.to, nil
	x.Session, x.Base, x.BaseSubject, x.Carried, x.Revived = store.Ref{}, store.Ref{}, store.Ref{}, nil, false
	return lost, true
}

// age leaves behind what has become too old for the request while its pages lay open. What the answer proves that is being settled
// comes after it.
func (x *execution) age(now time.Time) {
	if first := directory.Assess(x.shown()).AuthTime; tooOld(x.Request, first, now) {
		x.Lapsed = first
	}
}

// wanted is the id of the one subject that may answer the request; "" when anybody may.
func wanted(in directory.Interaction) string { return cmp.Or(in.HintSubject, in.Subject.ID) }

// refuse ends the flow without an answer.
func (x *execution) refuse(why directory.Refusal) {
	x.Done, x.Refusal = true, why
	x.forget()
}

// forget leaves behind what only a flow under way needs.
func (x *execution) forget() {
	x.Data, x.Memory, x.Facts, x.Calls = "", "", "", nil
	x.Keep, x.Problems, x.Messages = nil, nil, nil
}

// untouched reports whether nobody has answered anything yet.
func (x *execution) untouched() bool { return x.Sequence == 1 && !x.Done && !x.Asserted }

// find returns the flow of an id for the browser that it is bound to: errUnknownFlow, errForeign, or a failure.
func (e *Engine) find(r *visit, id string) (*execution, error) {
	ctx := r.Context()
	if !isHash(id) {
		return nil, errUnknownFlow
	}
	x, err := e.executions.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return nil, errUnknownFlow
	}
	if err != nil {
		return nil, err
	}
	if !secret.Matches(x.Browser, e.browser(r)) {
		return nil, errForeign
	}
	x.from = r
	if x.Done {
		return x, nil
	}
	if known, err := e.rejoin(ctx, x); err != nil {
		return nil, err
	} else if !known || x.step() == nil || e.executor(x) == nil {
		return nil, errUnknownFlow // it began under another plan
	}
	return x, nil
}
