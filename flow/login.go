package flow

import (
	"context"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// Login is the login that people know: name and password on one page, then a second factor if they have one or the
// application or the request demands one, which is enrolled on the spot where it is missing; then consent. The options are
// other ways to begin, any one of which does, by the names of Executors; the first is offered first, and none is "password".
func Login(options ...string) Plan {
	if len(options) == 0 {
		options = []string{"password"}
	}
	return sequence{
		{Name: "password", Options: slices.Clone(options), When: missesPrimary, Passive: directory.LoginRequired},
		{Name: "totp", Options: []string{"totp"}, When: missesSecond},
		{Name: "totp-enroll", Options: []string{"totp-enroll"}, When: missesEnrolment},
		{Name: "consent", Options: []string{"consent"}, When: missesConsent, Passive: directory.ConsentRequired},
	}
}

// approval and leaveTaking serve the other purposes.
func approval() Plan {
	return sequence{
		{Name: "consent", Options: []string{"consent"}, When: missesConsent, Passive: directory.ConsentRequired},
	}
}

func leaveTaking() Plan {
	return sequence{
		{Name: "logout", Options: []string{"logout"}, When: func(_ context.Context, s *State) (bool, error) { return !s.Asked, nil }},
	}
}

// missesPrimary: nothing was proven that can begin a sign-in.
func missesPrimary(_ context.Context, s *State) (bool, error) {
	return s.Subject.IsZero() || !slices.ContainsFunc(s.Evidence, isPrimary), nil
}

// missesSecond: a second factor is due, and the person has one to show.
func missesSecond(ctx context.Context, s *State) (bool, error) {
	return s.missesFactor(ctx, true)
}

// missesEnrolment: a second factor is demanded of a person who has none.
func missesEnrolment(ctx context.Context, s *State) (bool, error) {
	return s.missesFactor(ctx, false)
}

func missesConsent(_ context.Context, s *State) (bool, error) {
	return len(s.Request.Consent) > 0 && !s.Asked, nil
}

func (s *State) missesFactor(ctx context.Context, enrolled bool) (bool, error) {
	need, err := s.secondFactor(ctx)
	if err != nil || need == notNeeded {
		return false, err
	}
	reached, err := s.Assurance(ctx)
	if err != nil || reached.Satisfies(directory.ACR2) {
		return false, err
	}
	has, err := s.Enrolled(ctx, directory.TOTPCredential)
	if err != nil {
		return false, err
	}
	return has == enrolled && (has || need == required), nil
}

// need is how much a second factor is wanted.
type need uint8

const (
	notNeeded need = iota
	ifEnrolled
	required
)

// secondFactor says whether this sign-in wants a second factor: what the request accepts, and what the application says.
func (s *State) secondFactor(ctx context.Context) (need, error) {
	app, err := s.Application(ctx)
	if err != nil {
		return notNeeded, err
	}
	switch {
	case app.SecondFactor == directory.SecondFactorRequired, demandsSecondFactor(s.Request):
		return required, nil
	case (app.SecondFactor == directory.SecondFactorNever || s.revived) && !slices.Contains(s.Request.ACR, directory.ACR2):
		return notNeeded, nil // whom we merely remember gets no further than one factor does
	}
	return ifEnrolled, nil
}

// demandsSecondFactor reports whether every class that the request accepts, and that we know, needs two factors.
func demandsSecondFactor(in directory.Interaction) bool {
	return slices.Contains(in.ACR, directory.ACR2) && !slices.Contains(in.ACR, directory.ACR1)
}

// unreachable reports whether the request insists on classes of which we know none.
func unreachable(in directory.Interaction) bool {
	return in.EssentialACR && len(in.ACR) > 0 && !slices.ContainsFunc(in.ACR, func(acr string) bool {
		return slices.Contains(directory.ACRs(), acr)
	})
}

// isPrimary reports whether the evidence can begin a sign-in.
func isPrimary(e directory.Evidence) bool {
	return e.Method == "password" || e.Method == directory.Federated
}
