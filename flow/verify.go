package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Verification is the plan "verify": somebody who came by the link that was sent to a new address confirms that it is theirs. It signs
// nobody in.
func Verification() Plan {
	return sequence{{Name: "verify", Options: []string{"verify"}, When: lacksEnd}}
}

// VerificationLink is the URL of the page at which somebody confirms an address, by the token of a ticket.
func (e *Engine) VerificationLink(token secret.Text) string {
	return e.site.URL("/verify") + "?" + ticketField + "=" + token.Reveal()
}

// verifyExecutor asks whether an address is to be confirmed: what merely opens links confirms none.
type verifyExecutor struct{ mailing }

var _ Executor = verifyExecutor{}

func (verifyExecutor) Prepare(context.Context, *State) error { return nil }

func (v verifyExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	prompt := Prompt{
		Step: "verify", Title: Message{ID: "verify.title"}, Actions: []Action{{Name: continueAction, Label: "verify.confirm"}},
	}
	ticket, err := held(ctx, v.dir, s, directory.VerifyEmail, directory.VerifyPhone)
	if errors.Is(err, directory.ErrTicket) {
		return deadEnd("verify"), nil
	}
	if err != nil {
		return Prompt{}, err
	}
	prompt.Intro = Message{ID: "verify.intro", Params: map[string]string{"address": ticket.Address}}
	return prompt, nil
}

func (v verifyExecutor) Judge(ctx context.Context, s *State, _ Input) (Verdict, error) {
	ticket, err := held(ctx, v.dir, s, directory.VerifyEmail, directory.VerifyPhone)
	if err == nil {
		err = v.dir.AwaitsConfirmation(ctx, ticket)
	}
	if errors.Is(err, directory.ErrTicket) { // the address was given up meanwhile
		return Verdict{Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "ticket.void-for-good", Level: Error}}}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "verify.done", Level: Success}},
		Write: func(b *store.Batch) error {
			_, err := v.dir.ConfirmAddress(ctx, b, ticket)
			return err
		},
	}, nil
}
