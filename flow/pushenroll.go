package flow

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// pushEnrolExecutor has a person register a device on which they will confirm sign-ins: they scan a QR code with its app, and the
// device registers by a request of its own, signed with the key that it has made.
type pushEnrolExecutor struct {
	dir  *directory.Directory
	site *web.Site
}

var _ Executor = pushEnrolExecutor{}

// invitation is what the step keeps.
type invitation struct {
	Device    string `json:"device"`
	Challenge string `json:"challenge"`
}

// Proves implements Prover.
func (pushEnrolExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: pushFactor, AMR: []string{"swk"}}}
}

func (p pushEnrolExecutor) Prepare(ctx context.Context, s *State) error {
	data, write, err := p.invite(ctx, s)
	s.Data = data
	s.Write(write)
	return err
}

func (p pushEnrolExecutor) invite(ctx context.Context, s *State) ([]byte, func(*store.Batch) error, error) {
	i := p.dir.Pushes.NewInvitation(s.Subject, s.epoch)
	if !s.baseSession.IsZero() {
		session, err := p.dir.Sessions.Get(ctx, s.baseSession)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, nil, err
		}
		i = i.Within(session)
	}
	data, err := json.Marshal(invitation{i.Device, i.Challenge.Reveal()})
	return data, func(b *store.Batch) error {
		p.dir.Pushes.Invite(b, i)
		return nil
	}, err
}

func (p pushEnrolExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	var i invitation
	if err := json.Unmarshal(s.Data, &i); err != nil {
		return Prompt{}, err
	}
	user, err := s.User(ctx)
	if err != nil {
		return Prompt{}, err
	}
	text, err := json.Marshal(mfa.PushDiscovery{
		DeviceID: i.Device, Username: user.Username, Host: p.site.Issuer(), OrganizationID: s.Request.Organization, Challenge: i.Challenge,
	})
	if err != nil {
		return Prompt{}, err
	}
	return Prompt{
		Step:  "push-enroll",
		Title: Message{ID: "push-enroll.title"},
		Intro: Message{ID: "push-enroll.intro"},
		QR:    string(text),
		Poll:  &Poll{URL: p.site.Path(pushStatusPath) + "?" + url.Values{"pushAuthId": {i.Device}}.Encode(), Action: loginAction},
		Actions: []Action{
			{Name: loginAction, Label: "push-enroll.login"}, {Name: resendAction, Label: "push-enroll.again", Kind: Quiet},
		},
	}, nil
}

func (p pushEnrolExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	var i invitation
	if err := json.Unmarshal(s.Data, &i); err != nil {
		return Verdict{}, err
	}
	if in.Action == resendAction {
		data, write, err := p.invite(ctx, s)
		return Verdict{Outcome: Again, Data: data, Write: write}, err
	}
	device, err := p.dir.Pushes.Device(ctx, s.Subject, i.Device)
	if errors.Is(err, store.ErrNotFound) {
		return pushAgain("push-enroll.waiting", Info), nil
	}
	if err != nil {
		return Verdict{}, err
	}
	subject, err := p.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Evidence: []directory.Evidence{credentialEvidence(pushFactor, "swk", device, s)},
	}, nil
}
