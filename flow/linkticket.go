package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store/directory"
)

// linkExecutor asks for what is in the link of a message: a program, which reads it there, or a page that waits for the link to be opened.
// It is no short code: nobody guesses it.
type linkExecutor struct {
	mailing
	step     string
	purposes []directory.TicketPurpose
	// again sends another message; nil cannot.
	again func(ctx context.Context, s *State) (Verdict, error)
}

var _ Executor = linkExecutor{}

func (linkExecutor) Prepare(context.Context, *State) error { return nil }

func (l linkExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	if l.again == nil && s.Request.Purpose != directory.ManageAccount { // a browser comes by the link, or not at all
		return deadEnd("invite"), nil
	}
	prompt := Prompt{
		Step: l.step, Title: Message{ID: "invite.title"},
		Fields:  []Field{{Name: ticketField, Type: HiddenField, Label: "invite.title", Required: true}},
		Actions: []Action{{Name: continueAction, Label: "action.continue"}},
	}
	if l.again != nil {
		prompt.Title = Message{ID: l.step + ".title"}
		prompt.Intro = Message{ID: l.step + ".intro", Params: map[string]string{"address": s.Facts[askedFact]}}
		prompt.Actions = append(prompt.Actions, Action{Name: resendAction, Label: "code.resend", Kind: Quiet})
	}
	return prompt, nil
}

func (l linkExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if in.Action == resendAction {
		v, err := l.again(ctx, s)
		if v.Outcome == Proceed { // asked on the same page
			v.Outcome, v.Messages = Again, []Message{{ID: "code.resent", Level: Success}}
		}
		return v, err
	}
	ticket, err := l.dir.Tickets.Open(ctx, in.Value(ticketField), l.purposes...)
	if errors.Is(err, directory.ErrTicket) || err == nil && ticket.Organization != s.Request.Organization {
		return Verdict{Outcome: Again, Messages: []Message{{ID: "ticket.void-for-good", Level: Error}}}, nil
	}
	return Verdict{Outcome: Proceed, Facts: brought(linkFact, in.Value(ticketField), s.Now)}, err
}
