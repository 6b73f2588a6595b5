package flow

import (
	"context"
	"slices"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// The Executors by which somebody shows that they were invited.
const (
	inviteLink = "invite-ticket"
	inviteCode = "invite-code"
)

// inviteWays are those that are open to whoever is there: a browser comes by a link, or types a code where there are such; a program may bring
// either.
func inviteWays(ctx context.Context, s *State, _ []string) ([]string, error) {
	var ways []string
	if s.Request.Purpose == directory.ManageAccount {
		ways = append(ways, inviteLink)
	}
	codes, err := inviteByCodes(ctx, s)
	if codes {
		ways = append(ways, inviteCode)
	}
	return ways, err
}

// inviteByCodes reports whether the policies have people invited, or told to choose another password, by a code alone.
func inviteByCodes(ctx context.Context, s *State) (bool, error) {
	invitation, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.Invitation, s.Request.Organization, "")
	if err != nil {
		return false, err
	}
	reset, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.AdminReset, s.Request.Organization, "")
	return invitation.EmailCode || invitation.SMSCode || reset.EmailCode || reset.SMSCode, err
}

// lacksInvitation: nothing was brought along that shows it, and there is a way to.
func lacksInvitation(ctx context.Context, s *State) (bool, error) {
	if s.Facts[linkFact] != "" || s.Facts[codeFact] != "" || s.Facts[endFact] != "" {
		return false, nil
	}
	ways, err := inviteWays(ctx, s, nil)
	return len(ways) > 0, err
}

// inviteCodeExecutor takes the user name and the code of an invitation, or of a reset by an administrator. Guesses are counted at the account that is
// named, and nowhere else: so nobody uses up somebody else's invitation by being wrong, and a name without one costs the same.
type inviteCodeExecutor struct {
	dir      *directory.Directory
	purposes []directory.TicketPurpose
}

var _ Guarded = inviteCodeExecutor{}

func (inviteCodeExecutor) Prepare(context.Context, *State) error { return nil }

func (i inviteCodeExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	code := codeField("invite-code.otp")
	code.Type, code.Focus = LettersField, false
	return Prompt{
		Step: inviteCode, Title: Message{ID: "invite-code.title"}, Intro: Message{ID: "invite-code.intro"},
		Fields: []Field{{
			Name: usernameField, Type: TextField, Label: "password.username", Value: s.Request.Hint, Autocomplete: "username", Required: true, Focus: true,
		}, code},
		Actions: []Action{{Name: continueAction, Label: "action.continue"}},
	}, nil
}

// Account implements Guarded.
func (i inviteCodeExecutor) Account(ctx context.Context, s *State, in Input) (Account, error) {
	account, err := accountNamed(ctx, i.dir, s, string(directory.AcceptInvitation), sayable(in.Value(usernameField)))
	account.Quick = true
	return account, err
}

func (i inviteCodeExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if open, err := inviteByCodes(ctx, s); err != nil || !open {
		return Verdict{Outcome: Refuse}, err
	}
	holder := i.dir.Locks.Account(nil, s.Request.Organization, in.Account.Person) // nobody's, at which the same is read
	if in.Account.Subject != nil {
		holder = in.Account.Subject.ID
	}
	var found *directory.Ticket
	for _, purpose := range i.purposes {
		try, err := i.dir.Tickets.Try(ctx, directory.TicketSlot{Purpose: purpose, Org: s.Request.Organization, Holder: holder, Context: s.Flow}, in.Value(otpField))
		if err != nil {
			return Verdict{}, err
		}
		if t := try.Ticket(); t != nil && found == nil {
			found = t
		}
	}
	if in.Locked || found == nil {
		return Verdict{
			Outcome: Again, Messages: []Message{{ID: "invite-code.wrong", Level: Error}}, Keep: map[string]string{usernameField: in.Account.Person},
		}, nil
	}
	channel := notify.Email
	if user := in.Account.User; user != nil && found.Address == user.Phone && found.Address != user.Email {
		channel = notify.SMS
	}
	facts := brought(codeFact, in.Value(otpField), s.Now)
	facts[holderFact], facts[whoseFact] = holder, found.Subject.ID
	facts[purposeFact], facts[channelFact] = string(found.Purpose), string(channel)
	return Verdict{Outcome: Proceed, Facts: facts}, nil
}

// purposeOf is what the flow's ticket is for: one of those that a step takes.
func purposeOf(s *State, purposes []directory.TicketPurpose) directory.TicketPurpose {
	if p := directory.TicketPurpose(s.Facts[purposeFact]); slices.Contains(purposes, p) {
		return p
	}
	return purposes[0]
}
