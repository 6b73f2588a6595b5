package flow

import (
	"context"
	"slices"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Executor performs one kind of step: it prepares the step, says as data what to ask, and judges what came back. It knows
// no HTTP and writes nothing itself: what must be written is in its Verdict, and the engine does it in the very step that
// moves the flow. Methods are safe for concurrent use; errors are failures of the machinery, never of the person.
type Executor interface {
	// Prepare runs when the flow comes to the step, once, and sets State.Data if the step has something to keep, as a
	// challenge. It may run again when two posts race; only one of them counts.
	Prepare(ctx context.Context, s *State) error
	// Prompt says what to ask. It changes nothing, as it also runs for a page that is merely refreshed.
	Prompt(ctx context.Context, s *State) (Prompt, error)
	// Judge decides what an answer is worth. It runs again, from fresh state, when what its Verdict wanted to write
	// stood no longer as it was read.
	Judge(ctx context.Context, s *State, in Input) (Verdict, error)
}

// Guarded is an Executor whose right answer can be guessed. Before Judge, the engine counts the attempt against the
// account and takes the flow for itself, so that Judge may be slow and no crash makes a guess free; see Account.Quick for
// what takes no time.
type Guarded interface {
	Executor
	// Account says whose attempt this is. An account that does not exist is one as well: what is asked of the store,
	// and what is counted, must be the same.
	Account(ctx context.Context, s *State, in Input) (Account, error)
}

// Immediate is an Executor that can be asked for its Prompt, and answered, without having been prepared. A program shows it beside
// others; what must be prepared begins when the person has chosen it.
type Immediate interface {
	Executor
	Immediate()
}

// Selective is an Executor that not everybody can use, as somebody without an authenticator app has no code of one. A Plan that
// asks for a second factor leaves out what the person has not.
type Selective interface {
	Executor
	// Usable reports whether the person whom the flow is about has what the step takes. It changes nothing.
	Usable(ctx context.Context, s *State) (bool, error)
}

// Verifying is an Executor that confirms somebody who was named before, and cannot find out who it is: a second factor and nothing else. A
// Plan of which a sign-in begins with one is refused.
type Verifying interface {
	Executor
	Verifying()
}

// Account is what an attempt is counted against.
type Account struct {
	// Factor is the method that is being guessed at: "password", "totp".
	Factor string
	// Subject is whose account it is; nil when there is nobody.
	Subject *directory.Subject
	// Person is the identifier that was typed, if any.
	Person string
	// User is the person as found, nil when there is none or it was not looked for.
	User *directory.User
	// Quick says that Judge reads and reckons, and does nothing that anybody could learn of before its Verdict is written. The
	// attempt is then counted in the very step that writes the Verdict, which saves one. Of attempts at once one is written,
	// and the others are judged anew.
	Quick bool
	// Together, if it is not zero and Quick is set, has guesses counted for each network address by itself, so that strangers elsewhere lock nobody out,
	// and all of them together besides, of which this many wrong ones lead to a lock (or directory.LockPolicy.Failures, if that is more).
	Together int64
}

// Input is an answer that fits the Prompt: an action that it offers, and no fields but its own.
type Input struct {
	// Action is the name of the Action; the Prompt's first when the form was sent without a button.
	Action string
	// Account is what Guarded.Account returned.
	Account Account
	// Locked says that the account takes no more attempts, or none now. The work is to be done all the same, and the answer to be that
	// of a wrong guess.
	Locked bool

	form web.Form
	plan string // the Action's
	lead bool   // the Action is one of a DrawnPlan's, and nothing is judged
	free bool   // of guessing: what the prompt's WebAuthn has brought
}

// Value returns the value of a field, "" when there is none.
func (in Input) Value(field string) string { return in.form.Value(field) }

// Chosen reports whether the consent item was ticked.
func (in Input) Chosen(item string) bool { return slices.Contains(in.form.Values(consentField), item) }

// Verdict is what an answer came to.
type Verdict struct {
	Outcome Outcome
	// Evidence is what was proven, and Subject whom it proves, as read for this answer: that is who the flow is about
	// from here on. When it was about somebody else, it ends.
	Evidence []directory.Evidence
	Subject  *directory.Subject
	// Messages and Problems (by field) are shown with the next page.
	Messages []Message
	Problems map[string]Message
	// Keep are values that stand in the fields again; never a secret.
	Keep map[string]string
	// Facts are added to State.Facts; "" removes one.
	Facts map[string]string
	// Person is what pages call the person from here on; "" changes nothing.
	Person string
	// Approved are the consent items that were allowed; the consent counts as asked when it is not nil.
	Approved []string
	// Rehash is written when the flow ends in a sign-in, and not before. Nil is nothing.
	Rehash *directory.Rehash
	// Remember asks for a session that outlives the browser.
	Remember bool
	// Blameless says that a wrong answer is not to be counted, as a code that was right but used.
	Blameless bool
	// To is the URL to Leave to, and Data what the step keeps until the browser comes back; a secret may be in it. With Again,
	// Data takes the place of State.Data unless it is nil.
	To   string
	Data []byte
	// Write adds to the batch that moves the flow; nil adds nothing. It may be called again, for another batch, when the first
	// was not applied.
	Write func(b *store.Batch) error

	// revoked says that the answer has ended everything that was issued to the subject; the flow goes on over that.
	revoked *epochs
	// takesUp says that the person goes on in the session that the browser had when the flow began.
	takesUp bool
	// lead says that nothing was judged: the person has chosen another way.
	lead bool
	// sent says that something was sent once more, though the step is the same: View.Stage.
	sent bool
	// challenge says that a Captcha has to be solved.
	challenge bool
	// end are ids of sessions of the subject that end when theirs begins; nil leaves those that were named before.
	end []string
}

// epochs are those of a subject before and after something was revoked.
type epochs struct{ from, to int64 }

// right reports whether something was proven.
func (v Verdict) right() bool { return v.Outcome == Proceed && len(v.Evidence) > 0 }

// Outcome is where a Verdict leads.
type Outcome uint8

// The outcomes.
const (
	// Again asks the same step once more.
	Again Outcome = iota
	// Proceed goes on to whatever the plan finds missing now.
	Proceed
	// Refuse ends the flow: the person said no.
	Refuse
	// Leave sends the browser to Verdict.To; see Leaving.
	Leave
)

// Names of form parameters that are not fields of a Prompt.
const (
	flowField    = "flow"
	seqField     = "seq"
	actionField  = "action"
	restartField = "restart"
	trustField   = "trust"
	// consentField is repeatable: one value for each consent item that is ticked.
	consentField = "consent"
)
