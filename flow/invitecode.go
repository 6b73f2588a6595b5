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
// named, and not at the invitation: so nobody uses up somebody else's invitation by being wrong, and a name without one costs the same. They are
// counted for each network address first, so that a stranger elsewhere, who needs only a name for it, keeps nobody from typing their code.
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
	if err != nil {
		return Account{}, err
	}
	account.Quick = true
	account.Together, err = inviteGuesses(ctx, s)
	return account, err
}

const (
	// mostInviteGuesses is how many wrong guesses from everywhere lead to a lock where codes are long: NIST SP 800-63B-4 §3.2.2 allows 100.
	mostInviteGuesses = 100
	// codesPerGuess is how many codes there must be for each of them.
	codesPerGuess = 10_000_000
)

// inviteGuesses is how many wrong guesses from all addresses together lead to a lock (Account.Together).
//
// With locks of 5 minutes, each twice as long as the one before (the defaults of directory.LockPolicy), a day has room for 9 at the most: 5 minutes times
// 2^0 to 2^7 are 21 hours. So whoever guesses from everywhere at once hits one code in a day with a chance of
//
//	9 · 100 / 32^6 < 1 in 1,000,000 for six letters and digits, the default
//	9 · 100 / 32^8 < 1 in 1,000,000,000 for eight of them
//	9 · 10 / 10^8 < 1 in 1,000,000 for eight digits
//
// and in a week with at most seven times that, and has to guess from 20 addresses, or 2 for eight digits, to lock anybody else out. Of fewer
// than 10^8 codes, as six digits are, there are too few for that: guesses at them are counted together alone, by LockPolicy.Failures
// (9 · 5 / 10^6, 1 in 22,000), and a stranger may have the page wait.
func inviteGuesses(ctx context.Context, s *State) (int64, error) {
	invitation, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.Invitation, s.Request.Organization, "")
	if err != nil {
		return 0, err
	}
	reset, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.AdminReset, s.Request.Organization, "")
	return min(mostInviteGuesses, min(invitation.Code.Count(), reset.Code.Count())/codesPerGuess), err
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
