package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Introduction is what a step has found out about somebody who registers, as at a provider upstream. The account is made of it at the end of the plan
// ("register-account"), with what forms have asked for besides.
type Introduction struct {
	// By is the name of the Executor, which is an Introducer.
	By string `json:"by"`
	// User is the person as they are to be, but for the ID, the organization and the Username, in the user store Store. An address that nobody has
	// verified has no place in it.
	User  directory.User `json:"user"`
	Store string         `json:"store,omitempty"`
	// Usernames are those to try, in this order. Required.
	Usernames []string `json:"usernames"`
	// Data is what the Introducer needs afterwards.
	Data json.RawMessage `json:"data,omitempty"`
}

// Introducer is an Executor whose Verdict has the Facts of an Introduction. Methods are safe for concurrent use.
type Introducer interface {
	Executor
	// Introduced adds to the batch that makes the account what goes with it, as a link. Its error is a *directory.TakenError when that is
	// somebody else's by now.
	Introduced(ctx context.Context, b *store.Batch, s *State, i Introduction, subject *directory.Subject) error
	// Proven is what the person has proven by it, for whoever is signed in at the end.
	Proven(s *State, i Introduction, subject *directory.Subject) ([]directory.Evidence, error)
}

// introducedFact is the Introduction of a flow.
const introducedFact = registerFacts + "introduced"

// Facts are those by which a Verdict hands on an Introduction.
func (i Introduction) Facts() (map[string]string, error) {
	text, err := json.Marshal(i)
	return map[string]string{introducedFact: string(text)}, err
}

// introduction is that of a flow, nil when there is none.
func introduction(s *State) (*Introduction, Introducer, error) {
	text := s.Facts[introducedFact]
	if text == "" {
		return nil, nil, nil
	}
	i := &Introduction{}
	if err := json.Unmarshal([]byte(text), i); err != nil {
		return nil, nil, fmt.Errorf("flow: an introduction: %w", err)
	}
	by, ok := s.executors[i.By].(Introducer)
	if !ok {
		return nil, nil, fmt.Errorf("flow: the executor %q has introduced somebody and is none that does", i.By)
	}
	return i, by, nil
}

// makeIntroduced makes the account of an Introduction, under the first name that nobody has.
func (e entering) makeIntroduced(ctx context.Context, s *State, i *Introduction, by Introducer) (Verdict, error) {
	policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil {
		return Verdict{}, err
	}
	a, err := e.standing(ctx, s, admission{policy: policy})
	if err != nil {
		return Verdict{}, err
	}
	for _, name := range i.Usernames {
		if a.subject != nil {
			break
		}
		if a, err = e.introduce(ctx, s, i, by, name, a); err != nil {
			return Verdict{}, err
		}
	}
	if a.subject == nil { // the address, or the account elsewhere, is somebody's by now
		facts := void().Facts
		facts[introducedFact] = ""
		return Verdict{Outcome: Again, Facts: facts, Messages: []Message{{ID: "federated.conflict", Level: Error}}}, nil
	}
	a.verdict = nil
	v := Verdict{Outcome: Proceed, Facts: done(), Messages: []Message{{ID: "register-password.done", Level: Success}}}
	v.Facts[introducedFact] = ""
	if !policy.SignIn || !s.said(ParamSignIn, true) {
		return v, nil
	}
	if v.Subject, err = e.dir.Subjects.Get(ctx, a.subject.Ref()); err != nil {
		return Verdict{}, err
	}
	v.Messages = nil
	v.Evidence, err = by.Proven(s, *i, v.Subject)
	return v, err
}

// introduce makes the account under a name. Without a subject somebody has the name, or something else that was to be theirs.
func (e entering) introduce(ctx context.Context, s *State, i *Introduction, by Introducer, name string, a admission) (admission, error) {
	typed, err := e.registered(ctx, s, name)
	if err != nil {
		return a, err
	}
	user := i.User
	user.Meta, user.Store, user.Username = typed.Meta, i.Store, name
	user.GivenName, user.FamilyName = cmp.Or(typed.GivenName, user.GivenName), cmp.Or(typed.FamilyName, user.FamilyName)
	if typed.Phone != "" {
		user.Phone, user.PhoneVerified = typed.Phone, typed.PhoneVerified
	}
	if len(typed.Attributes) > 0 {
		attributes := maps.Clone(typed.Attributes)
		for attribute, value := range user.Attributes {
			if _, asked := attributes[attribute]; !asked {
				attributes[attribute] = value
			}
		}
		user.Attributes = attributes
	}
	var subject *directory.Subject
	err = e.apart(ctx, func(b *store.Batch) (err error) {
		fresh := user
		if subject, err = e.dir.AddUser(ctx, b, &fresh); err != nil {
			return err
		}
		if err = by.Introduced(ctx, b, s, *i, subject); err != nil || !user.EmailVerified || !e.reaches(notify.Email) {
			return err
		}
		return e.out.Send(b, notify.Message{
			Template: notify.SelfSignUpSuccess, Channel: notify.Email, To: user.Email, Subject: subject.Ref(), Organization: s.Request.Organization,
			Application: s.Request.Application, Locales: s.Request.Locales, Decoy: !s.said(ParamNotify, a.policy.Welcome),
		})
	})
	_, taken := errors.AsType[*directory.TakenError](err)
	_, invalid := errors.AsType[*directory.InvalidError](err)
	_, conflict := errors.AsType[*store.Conflict](err)
	switch {
	case err == nil:
		a.subject = subject
		return a, nil
	case taken, invalid, conflict: // or a duplicate of this answer was faster
		return e.standing(ctx, s, a)
	}
	return a, err
}
