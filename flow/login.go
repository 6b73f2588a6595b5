package flow

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// LoginSteps is what a login asks for, by the names of Executors. The zero value is the login that people know: name and password on
// one page, then a second factor if they have one or the application or the request demands one, which is enrolled on the spot where it
// is missing; then consent.
type LoginSteps struct {
	// First are ways to begin, any one of which does; the first is offered first. Empty is "password".
	First []string
	// Second are second factors. A person is asked for any one of those that they can use (Selective), at first for the one that they
	// prefer (PreferredFactor). "backup-code" is offered beside others and never alone. With "email-code" and "sms-code" everybody is asked
	// who has an address that was verified. Nil is "totp", "hotp", "push" and "backup-code"; empty but not nil is none.
	// Where accounts are recovered by mail, who reads the mail can have a new password and the code of "email-code" one after the other, and so
	// who holds the telephone the code of "sms-code" where they are recovered by text message: leave it out there for whoever has to show two
	// factors.
	Second []string
	// TrustDevices offers not to ask for a second factor again on the device for 30 days, until the password or a factor changes. Where
	// the request or the application demands one it is asked for all the same.
	TrustDevices bool
	// Enroll are ways to get a second factor for who has none where one is demanded. Nil is "totp-enroll"; empty but not nil is none, and
	// who has no factor then gets no further.
	Enroll []string
	// Offer are things that a person may do once they have signed in, before they go on: the first of those that they can use
	// (Selective), which says itself when that is. Empty is none.
	Offer []string
}

// Login is a LoginSteps that begins with the options.
func Login(options ...string) Plan { return LoginSteps{First: options}.Plan() }

// Plan returns the Plan of the steps.
func (l LoginSteps) Plan() Plan {
	second, enroll := l.second(), l.enroll()
	plan := sequence{{Name: "password", Options: l.first(), When: missesFresh(second), Passive: directory.LoginRequired}}
	if len(second) > 0 {
		plan = append(plan, Step{Name: "second-factor", Options: second, Offer: preferred, Trust: l.TrustDevices, When: func(ctx context.Context, s *State) (bool, error) {
			missing, err := s.missesFactor(ctx, second, true)
			if err != nil || !missing || !l.TrustDevices {
				return missing, err
			}
			return s.distrusted(ctx)
		}})
	}
	if len(enroll) > 0 {
		plan = append(plan, Step{Name: "enroll", Options: enroll, When: func(ctx context.Context, s *State) (bool, error) {
			return s.missesFactor(ctx, second, false)
		}})
	}
	if len(l.Offer) > 0 {
		plan = append(plan, offerStep(slices.Clone(l.Offer)))
	}
	return append(plan, Step{Name: "consent", Options: []string{"consent"}, When: missesConsent, Passive: directory.ConsentRequired})
}

// offerStep is one that is done by whatever of the options the person can use, and not at all when there is none.
func offerStep(options []string) Step {
	return Step{
		Name: "offer", Options: options,
		When: func(ctx context.Context, s *State) (bool, error) {
			if s.Request.Native != nil { // which shows what it knows, and not what is new to it
				return false, nil
			}
			usable, err := s.Usable(ctx, options)
			return len(usable) > 0, err
		},
		Offer: func(ctx context.Context, s *State, options []string) ([]string, error) {
			usable, err := s.Usable(ctx, options)
			return usable[:min(len(usable), 1)], err
		},
	}
}

// first, second and enroll are the options of each step, with the defaults in place.
func (l LoginSteps) first() []string {
	if len(l.First) == 0 {
		return []string{"password"}
	}
	return slices.Clone(l.First)
}

func (l LoginSteps) second() []string {
	if l.Second == nil {
		return []string{totpFactor, hotpFactor, pushFactor, backupFactor}
	}
	return slices.Clone(l.Second)
}

func (l LoginSteps) enroll() []string {
	if l.Enroll == nil {
		return []string{"totp-enroll"}
	}
	return slices.Clone(l.Enroll)
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

// missesFresh: nothing was proven that can begin a sign-in; or not lately, by somebody who is about to get a second factor. A session is
// no way to an authenticator of one's own for whoever has come by it.
func missesFresh(second []string) func(context.Context, *State) (bool, error) {
	return func(ctx context.Context, s *State) (bool, error) {
		if missing, err := missesPrimary(ctx, s); err != nil || missing {
			return missing, err
		}
		if s.Now.Sub(directory.Assess(s.Evidence).AuthTime) <= freshness {
			return false, nil
		}
		return s.missesFactor(ctx, second, false)
	}
}

func missesConsent(_ context.Context, s *State) (bool, error) {
	return len(s.Request.Consent) > 0 && !s.Asked, nil
}

// missesFactor reports whether a second factor is due of a person who has one of the options; or, where one is demanded, of one who
// has none.
func (s *State) missesFactor(ctx context.Context, options []string, has bool) (bool, error) {
	need, err := s.secondFactor(ctx)
	if err != nil || need == notNeeded {
		return false, err
	}
	live, err := s.live(ctx)
	if err != nil || directory.Assess(live).Satisfies(directory.ACR2) {
		return false, err
	}
	if slices.ContainsFunc(live, func(e directory.Evidence) bool {
		return slices.Contains(options, e.Method) && e.Method != directory.ByCertificate // with which the sign-in may have begun
	}) {
		return false, nil // shown, and of the kind of the first: asking again would not help
	}
	usable, err := s.secondFactors(ctx, options)
	if err != nil || need == ifEnrolled && !s.asksFor(usable) {
		return false, err
	}
	return len(usable) > 0 == has && (has || need == required), nil
}

// distrusted reports whether a second factor that is missing is to be asked for on this device.
func (s *State) distrusted(ctx context.Context) (bool, error) {
	need, err := s.secondFactor(ctx)
	if err != nil || need == required {
		return true, err
	}
	trusted, err := s.Trusted(ctx)
	return !trusted, err
}

// secondFactors are the options that the person can use; none when it is but a backup code.
func (s *State) secondFactors(ctx context.Context, options []string) ([]string, error) {
	usable, err := s.Usable(ctx, options)
	if len(usable) == 1 && usable[0] == backupFactor {
		return nil, err
	}
	return usable, err
}

// PreferredFactor is the attribute of a User that names the second factor to be asked for first. Its value is the JSON text
// {"authenticationOption":"totp"}, by the name of an Executor or of an authenticator of the product that importers come from. What is
// not understood prefers nothing.
const PreferredFactor = "preferredMFAOption"

// preferred are the options that the person can use, with the one they prefer in front.
func preferred(ctx context.Context, s *State, options []string) ([]string, error) {
	usable, err := s.secondFactors(ctx, options)
	if err != nil || len(usable) < 2 {
		return usable, err
	}
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return usable, nil
	}
	if err != nil {
		return nil, err
	}
	if i := slices.Index(usable, preference(user)); i > 0 {
		usable = slices.Concat(usable[i:i+1], usable[:i], usable[i+1:])
	}
	return usable, nil
}

// preference is the Executor that somebody prefers, "" when they have not said.
func preference(user *directory.User) string {
	text, _ := user.Attributes[PreferredFactor].(string)
	var chosen struct {
		Option string `json:"authenticationOption"`
	}
	if strictjson.Unmarshal([]byte(text), &chosen) != nil {
		return ""
	}
	known := map[string]string{
		"email-otp-authenticator": emailFactor, "sms-otp-authenticator": smsFactor, "push-notification-authenticator": pushFactor,
		"backup-code-authenticator": backupFactor, "FIDOAuthenticator": "passkey",
	}
	return cmp.Or(known[chosen.Option], chosen.Option)
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
func isPrimary(e directory.Evidence) bool { return e.Begins() }
