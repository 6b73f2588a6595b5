package flow

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// nameRecovery is the plan "recover-username", into which that of Recovery leads: somebody gives an address, and the user name of the one account
// of which it is the confirmed one goes there. It is shown nowhere, and proves nothing. The plan is closed in organizations whose
// directory.RecoveryPolicy has no way to the name.
func nameRecovery() Plan {
	return gated{sequence{{Name: namePlan, Options: []string{namePlan}, When: lacksEnd}}, func(ctx context.Context, dir *directory.Directory, org string) (bool, error) {
		policy, err := directory.Resolve(ctx, dir.Settings, dir.Settings.Recovery, org, "")
		return policy.UsernameEmail || policy.UsernameSMS, err
	}}
}

// nameWays are the ways to a user name that are open and lead to somebody.
func nameWays(m mailing, policy directory.RecoveryPolicy) (ways []notify.Channel) {
	if policy.UsernameEmail && m.reaches(notify.Email) {
		ways = append(ways, notify.Email)
	}
	if policy.UsernameSMS && m.reaches(notify.SMS) {
		ways = append(ways, notify.SMS)
	}
	return ways
}

// nameExecutor asks for an address and sends the user name there. It says the same of every address.
type nameExecutor struct{ mailing }

var _ Executor = nameExecutor{}

func (nameExecutor) checks(*State, string) Checked { return CheckedRecovery }

func (nameExecutor) Prepare(context.Context, *State) error { return nil }

func (n nameExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	ways, err := n.ways(ctx, s)
	field := Field{Name: emailField, Type: TextField, Label: "recover-username.any", Value: s.Request.Hint, Required: true, Focus: true}
	if len(ways) == 1 {
		field.Label = "recover-username." + string(ways[0])
		field.Autocomplete = map[notify.Channel]string{notify.Email: "email", notify.SMS: "tel"}[ways[0]]
	}
	return Prompt{
		Step: namePlan, Title: Message{ID: "recover-username.title"}, Intro: Message{ID: "recover-username.intro"}, Fields: []Field{field},
		Channels: ways,
		Actions:  []Action{{Name: continueAction, Label: "recover-username.send"}},
	}, err
}

func (n nameExecutor) ways(ctx context.Context, s *State) ([]notify.Channel, error) {
	policy, err := directory.Resolve(ctx, n.dir.Settings, n.dir.Settings.Recovery, s.Request.Organization, "")
	return nameWays(n.mailing, policy), err
}

// spaces are what people put into a telephone number.
var spaces = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "")

func (n nameExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	ways, err := n.ways(ctx, s)
	if err != nil {
		return Verdict{}, err
	}
	address := strings.TrimSpace(sayable(in.Value(emailField)))
	n.channel = notify.Email
	if number := spaces.Replace(address); directory.IsPhone(number) {
		n.channel, address = notify.SMS, number
	}
	if !slices.Contains(ways, n.channel) || n.channel == notify.Email && !strings.Contains(address, "@") { // whoever has it
		return Verdict{
			Outcome: Again, Keep: map[string]string{emailField: address},
			Problems: map[string]Message{emailField: {ID: "recover-username.form", Level: Error}},
		}, nil
	}
	to, err := n.owner(ctx, s, address)
	if err != nil {
		return Verdict{}, err
	}
	count, silent, wait, err := n.room(ctx, s, to, address)
	if err != nil {
		return Verdict{}, err
	}
	if wait > 0 {
		return Verdict{Outcome: Again, Messages: []Message{waitMessage(wait)}, Keep: map[string]string{emailField: address}}, nil
	}
	letter := notify.Message{
		Template: n.template, Channel: n.channel, To: to.address, Organization: s.Request.Organization, Application: s.Request.Application,
		Locales: s.Request.Locales, Decoy: to.decoy || silent,
	}
	if to.subject != nil {
		letter.Subject = to.subject.Ref()
	}
	return Verdict{
		Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "recover-username.sent", Level: Success, Params: map[string]string{"address": address}}},
		Write: func(b *store.Batch) error {
			count(b)
			return n.out.Send(b, letter)
		},
	}, nil
}

// owner is whose confirmed address it is. Nobody's costs the same.
func (n nameExecutor) owner(ctx context.Context, s *State, address string) (addressee, error) {
	org := s.Request.Organization
	to := addressee{whose: n.dir.Locks.Account(nil, org, address), address: address, decoy: true}
	ref := store.Ref{Org: org, ID: to.whose}
	user, err := n.dir.FindByAddress(ctx, org, address)
	switch {
	case err == nil:
		ref = n.dir.SubjectRef(user)
	case !errors.Is(err, store.ErrNotFound):
		return to, err
	}
	subject, err := n.dir.Subjects.Get(ctx, ref)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return to, err
	}
	confirmed := verifiedEmail(user)
	if n.channel == notify.SMS {
		confirmed = verifiedPhone(user)
	}
	if subject.State() == "" && !user.Disabled && confirmed != "" {
		to.subject, to.whose, to.address, to.decoy = subject, subject.ID, confirmed, false
	}
	return to, nil
}
