package flow

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// passkeyEnroller has a person make a passkey: because a second factor is demanded, or because they are offered one; in passing,
// the browser makes it without asking.
type passkeyEnroller struct {
	passkeys
	skippable bool
	passing   bool
}

var _ Executor = passkeyEnroller{}

// freshness is how long ago somebody may have proven who they are who is to get a further way to sign in.
const freshness = 10 * time.Minute

// Proves implements Prover.
func (p passkeyEnroller) Proves() []directory.Evidence {
	if p.skippable {
		return nil
	}
	return passkeyExecutor{}.Proves()
}

// Usable implements Selective. Nobody is offered a passkey in a flow that has asked nothing, twice in one flow, or who has one. One
// that is demanded is not offered, and so the plan says whether it is due.
func (p passkeyEnroller) Usable(ctx context.Context, s *State) (bool, error) {
	if s.Subject.IsZero() {
		return false, nil
	}
	if !p.skippable {
		return true, nil
	}
	if s.Facts[offered] != "" || s.Last.Step == "" || p.passing && s.Facts[canUpgrade] == "" {
		return false, nil
	}
	list, err := p.of(ctx, s)
	if err != nil || len(list) > 0 {
		return false, err
	}
	return s.mayEnroll(ctx)
}

// mayEnroll reports whether the person has shown just now all that they have, so that whoever knows but a password cannot add to it.
func (s *State) mayEnroll(ctx context.Context) (bool, error) {
	reached, err := s.Assurance(ctx)
	if err != nil || s.revived || reached.ACR == "" || s.Now.Sub(reached.AuthTime) > freshness {
		return false, err
	}
	if reached.Satisfies(directory.ACR2) { // by more than the second factor of hours ago
		live, err := s.live(ctx)
		return s.Now.Sub(directory.ReachedSince(live, directory.ACR2)) <= freshness, err
	}
	creds, err := s.credentials(ctx)
	if err != nil {
		return false, err
	}
	for _, c := range creds {
		if c.Type != directory.PasswordCredential {
			return false, nil
		}
	}
	withheld, err := s.Usable(ctx, s.furtherFactors())
	return len(withheld) == 0, err
}

// furtherFactors are the options of the plan's steps after the first that prove something people have, or not: a code that is sent to
// their telephone is no credential of theirs, and yet more than their password.
func (s *State) furtherFactors() (names []string) {
	for _, step := range s.steps {
		for _, name := range step.Options {
			executor := s.executors[name]
			_, proves := executor.(Prover)
			_, chosen := executor.(Selective)
			_, enrolls := executor.(passkeyEnroller)
			if step.Passive != directory.LoginRequired && proves && chosen && !enrolls {
				names = append(names, name)
			}
		}
	}
	return names
}

func (p passkeyEnroller) Prepare(ctx context.Context, s *State) (err error) {
	s.Data, err = p.begin(ctx, s)
	return err
}

func (p passkeyEnroller) begin(ctx context.Context, s *State) ([]byte, error) {
	user, err := s.User(ctx)
	if err != nil {
		return nil, err
	}
	list, err := p.of(ctx, s)
	if err != nil {
		return nil, err
	}
	c, err := p.enrolment().begin(ctx, s.Subject, user, list, mfa.Registration{Conditional: p.passing, Lifetime: p.lifetime}, s.Now)
	if err != nil {
		return nil, err
	}
	return ceremony{Options: c.Options, Session: c.Session}.keep()
}

func (p passkeyEnroller) Prompt(_ context.Context, s *State) (Prompt, error) {
	c, err := kept(s)
	if err != nil {
		return Prompt{}, err
	}
	step := enrollOption
	if p.skippable {
		step = offerOption
	}
	if p.passing {
		step = upgradeOption
	}
	prompt := Prompt{
		Step: step, Title: Message{ID: step + ".title"}, Intro: Message{ID: step + ".intro"},
		Actions:  []Action{{Name: createAction, Label: "passkey.create"}},
		WebAuthn: &WebAuthn{Ceremony: WebAuthnCreate, Options: c.Options, Conditional: p.passing, Button: createAction, Action: createAction},
	}
	if p.skippable {
		prompt.Actions = append(prompt.Actions, Action{Name: skipAction, Label: "passkey.skip", Kind: Secondary})
	}
	if p.passing { // nobody is asked, so there is no button to make one
		prompt.Actions = []Action{{Name: skipAction, Label: "action.continue"}}
		prompt.WebAuthn.Button, prompt.WebAuthn.Decline = "", skipAction
	}
	return prompt, nil
}

func (p passkeyEnroller) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	done := map[string]string{offered: "true", canUpgrade: ""}
	if in.Action == skipAction {
		return Verdict{Outcome: Proceed, Facts: done}, nil
	}
	answer := []byte(in.Value(credentialField))
	if len(answer) == 0 {
		return Verdict{Outcome: Again, Messages: []Message{{ID: "passkey.script", Level: Error}}}, nil
	}
	c, err := kept(s)
	if err != nil {
		return Verdict{}, err
	}
	subject, err := p.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return Verdict{}, err
	}
	key, err := p.rp.FinishRegistration(c.Session, answer, s.Now)
	if err != nil {
		return p.again(ctx, s, err)
	}
	name, credential, err := p.enrolment().credential(ctx, s.Subject, key, !p.skippable)
	if err != nil {
		return p.again(ctx, s, err)
	}
	v := Verdict{Outcome: Proceed, Subject: subject, Facts: done, Messages: []Message{{ID: "passkey.created", Level: Success}}}
	v.Write = func(b *store.Batch) error { return p.dir.Credentials.AddPasskey(ctx, b, name, credential) }
	if !p.passing { // made by somebody who was there
		v.Evidence = []directory.Evidence{passkeyEvidence(credential, key, key.UserVerified, s)}
	}
	return v, nil
}

// again is the verdict on an answer that came to nothing, with a new challenge. In passing, it is no matter: the person goes on.
func (p passkeyEnroller) again(ctx context.Context, s *State, cause error) (Verdict, error) {
	message := Message{ID: "passkey.many", Level: Error}
	if !errors.Is(cause, directory.ErrTooManyPasskeys) {
		var err error
		if message, err = passkeyProblem(cause); err != nil {
			return Verdict{}, err
		}
	}
	if p.passing {
		return Verdict{Outcome: Proceed, Facts: map[string]string{offered: "true", canUpgrade: ""}}, nil
	}
	data, err := p.begin(ctx, s)
	return Verdict{Outcome: Again, Messages: []Message{message}, Data: data}, err
}
