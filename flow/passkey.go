package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// passkeyExecutor asks for a passkey: of anybody, where nobody is known yet, and then it says by itself who the person is; else one of
// the person's. There is nothing to guess, so nothing is counted. A challenge is used up by the answer to it, whatever that is
// worth.
type passkeyExecutor struct{ passkeys }

var _ Executor = passkeyExecutor{}

// Proves implements Prover.
func (passkeyExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: directory.ByPasskey, AMR: []string{"swk"}, PhishingResistant: true}}
}

// Usable implements Selective.
func (p passkeyExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	if s.Subject.IsZero() {
		return true, nil
	}
	list, err := p.of(ctx, s)
	return len(list) > 0, err
}

func (p passkeyExecutor) Prepare(ctx context.Context, s *State) (err error) {
	s.Data, err = p.begin(ctx, s, nil)
	return err
}

// begin makes a ceremony. A passkey that stands alone has to check the person, and one that comes after something else that people
// have; one that comes after a password is wanted to.
func (p passkeyExecutor) begin(ctx context.Context, s *State, unknown []byte) ([]byte, error) {
	list, err := p.of(ctx, s)
	if err != nil {
		return nil, err
	}
	live, err := s.live(ctx)
	if err != nil {
		return nil, err
	}
	touched := directory.Evidence{Method: directory.ByPasskey, AMR: []string{"hwk"}}
	asked := mfa.Authentication{Allow: records(list), UserVerification: mfa.VerificationPreferred, Lifetime: p.lifetime}
	if !directory.Assess(append(live, touched)).Satisfies(directory.ACR2) {
		asked.UserVerification = mfa.VerificationRequired
	}
	c, err := p.rp.BeginAuthentication(asked, s.Now)
	if err != nil {
		return nil, err
	}
	return ceremony{Options: c.Options, Session: c.Session, Unknown: unknown}.keep()
}

func (p passkeyExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	part, err := p.part(s, passkeyAction, false)
	return Prompt{
		Step:     "passkey",
		Title:    Message{ID: "passkey.title"},
		Intro:    Message{ID: "passkey.intro"},
		Actions:  []Action{{Name: passkeyAction, Label: "passkey.use"}},
		WebAuthn: part,
	}, err
}

// part is what the browser's authenticators are asked, behind a button, and by itself where there is a field to fill.
func (passkeyExecutor) part(s *State, button string, conditional bool) (*WebAuthn, error) {
	c, err := kept(s)
	if err != nil || c.Options == nil {
		return nil, err
	}
	return &WebAuthn{
		Ceremony: WebAuthnGet, Options: c.Options, Conditional: conditional, Button: button, Action: passkeyAction, Unknown: c.Unknown,
	}, nil
}

func (p passkeyExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	answer := []byte(in.Value(credentialField))
	if len(answer) == 0 { // sent without the script: the challenge is as it was
		return Verdict{Outcome: Again, Messages: []Message{{ID: "passkey.script", Level: Error}}}, nil
	}
	c, err := kept(s)
	if err != nil {
		return Verdict{}, err
	}
	credential, err := p.find(ctx, s, answer)
	if err != nil {
		return p.refuse(ctx, s, answer, nil, err)
	}
	key := fromDirectory(*credential.Passkey)
	proven, err := p.rp.FinishAuthentication(c.Session, answer, key, s.Now)
	if proven.CounterRegressed || errors.Is(err, &mfa.PasskeyError{Reason: mfa.PasskeyCloned}) {
		// The very answer that this flow has taken already, before a crash kept it from getting on, has the counter that it has left.
		taken, failed := s.begunBy(ctx, credential)
		if failed != nil {
			return Verdict{}, failed
		}
		if taken && key.Counter > 0 {
			key.Counter--
			proven, err = p.rp.FinishAuthentication(c.Session, answer, key, s.Now)
		}
	}
	if err != nil {
		return p.refuse(ctx, s, answer, credential, err)
	}
	subject, user, err := p.person(ctx, credential)
	if err != nil {
		return p.refuse(ctx, s, answer, nil, err)
	}
	v := p.accept(subject, user, credential, proven, s)
	v.Remember = in.Value(rememberField) != ""
	return v, nil
}

// accept is the verdict on a passkey that was right. One whose counter went back proves less: the person is asked for another
// factor, and told.
func (p passkeyExecutor) accept(subject *directory.Subject, user *directory.User, credential *directory.Credential, proven mfa.Assertion, s *State) Verdict {
	verified := proven.UserVerified && !proven.CounterRegressed
	v := Verdict{
		Outcome: Proceed, Subject: subject, Person: user.Username,
		Evidence: []directory.Evidence{passkeyEvidence(credential, proven.Passkey, verified, s)},
		Write: func(b *store.Batch) error {
			if proven.CounterRegressed {
				p.dir.Credentials.SuspectPasskey(b, credential, false)
			}
			p.dir.Credentials.UsePasskey(b, credential, toDirectory(proven.Passkey))
			return nil
		},
	}
	if proven.CounterRegressed {
		v.Messages = []Message{{ID: "passkey.suspected", Level: Warning}}
	}
	return v
}

// errUnknownPasskey says that there is certainly no passkey of that id.
var errUnknownPasskey = errors.New("flow: unknown passkey")

// find returns the passkey that an answer says it is from. The error is a *mfa.PasskeyError, errUnknownPasskey, or a failure.
func (p passkeyExecutor) find(ctx context.Context, s *State, answer []byte) (*directory.Credential, error) {
	claim, err := p.rp.Claim(answer)
	if err != nil {
		return nil, err
	}
	org := s.Request.Organization
	if !s.Subject.IsZero() {
		org = s.Subject.Org
	}
	credential, err := p.dir.Credentials.Passkey(ctx, org, p.rp.RPID(), claim.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errUnknownPasskey
	case err != nil:
		return nil, err
	case !s.Subject.IsZero() && credential.Subject != s.Subject:
		return nil, &mfa.PasskeyError{Reason: mfa.PasskeyForeign}
	case !credential.Passkey.Suspended.IsZero():
		return nil, &mfa.PasskeyError{Reason: mfa.PasskeyCloned}
	}
	return credential, nil
}

// person returns whose passkey it is, if they may sign in.
func (p passkeyExecutor) person(ctx context.Context, credential *directory.Credential) (*directory.Subject, *directory.User, error) {
	subject, err := p.dir.Subjects.Get(ctx, credential.Subject)
	if err != nil {
		return nil, nil, err
	}
	user, err := p.dir.UserOf(ctx, subject)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (subject.Status != directory.Active || user.Disabled):
		return nil, nil, &mfa.PasskeyError{Reason: mfa.PasskeyForeign}
	case err != nil:
		return nil, nil, err
	}
	return subject, user, nil
}

// refuse is the verdict on an answer that came to nothing, with a new challenge. A passkey whose counter went back, where that is
// not borne, is taken out of use.
func (p passkeyExecutor) refuse(ctx context.Context, s *State, answer []byte, credential *directory.Credential, cause error) (Verdict, error) {
	v := Verdict{Outcome: Again, Messages: []Message{{ID: "passkey.unknown", Level: Error}}}
	var unknown []byte
	if errors.Is(cause, errUnknownPasskey) {
		if claim, err := p.rp.Claim(answer); err == nil {
			unknown = p.rp.UnknownPasskey(claim.ID)
		}
	} else {
		message, err := passkeyProblem(cause)
		if err != nil {
			return Verdict{}, err
		}
		v.Messages = []Message{message}
	}
	if credential != nil && errors.Is(cause, &mfa.PasskeyError{Reason: mfa.PasskeyCloned}) {
		v.Write = func(b *store.Batch) error {
			p.dir.Credentials.SuspectPasskey(b, credential, true)
			return nil
		}
	}
	var err error
	v.Data, err = p.begin(ctx, s, unknown)
	return v, err
}
