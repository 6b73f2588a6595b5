package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store/directory"
)

// inviteTicket asks a program for what is in the link of an invitation. It is no short code: nobody guesses it.
type inviteTicket struct {
	mailing
	purposes []directory.TicketPurpose
}

var _ Executor = inviteTicket{}

func (inviteTicket) Prepare(context.Context, *State) error { return nil }

func (inviteTicket) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{
		Step: "invite-ticket", Title: Message{ID: "invite.title"},
		Fields:  []Field{{Name: ticketField, Type: HiddenField, Label: "invite.title", Required: true}},
		Actions: []Action{{Name: continueAction, Label: "action.continue"}},
	}, nil
}

func (i inviteTicket) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	ticket, err := i.dir.Tickets.Open(ctx, in.Value(ticketField), i.purposes...)
	if errors.Is(err, directory.ErrTicket) || err == nil && ticket.Organization != s.Request.Organization {
		return Verdict{Outcome: Again, Messages: []Message{{ID: "ticket.void-for-good", Level: Error}}}, nil
	}
	return Verdict{Outcome: Proceed, Facts: map[string]string{linkFact: in.Value(ticketField)}}, err
}
