package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// freshness is how long ago somebody may have proven who they are who changes what opens their account.
const freshness = 10 * time.Minute

// standing is how a visitor has proven who they are.
type standing uint8

const (
	nobody standing = iota
	// stale visitors are signed in, and have not proven lately all that they are asked for.
	stale
	fresh
)

// identify finds out who is there, by the session cookie.
func (p *Portal) identify(v *visit) (standing, error) {
	session, err := p.Engine.CurrentSession(v.Request)
	if errors.Is(err, directory.ErrNoSession) {
		return nobody, nil
	}
	if err != nil {
		return nobody, err
	}
	if v.subject, err = p.Directory.Subjects.Get(v.Context(), session.Subject); errors.Is(err, store.ErrNotFound) { // deleted just now
		return nobody, nil
	} else if err != nil {
		return nobody, err
	}
	v.session = session
	v.user, err = p.Directory.UserOf(v.Context(), v.subject)
	if errors.Is(err, store.ErrNotFound) { // an agent, or somebody whose store has deleted them
		return nobody, errNobody
	}
	if err != nil {
		return nobody, err
	}
	demanded, err := p.demanded(v)
	if err != nil || !proves(session, demanded, p.DB.Now()) {
		return stale, err
	}
	return fresh, nil
}

// demanded is the class that a visitor has to show: no less than the host's (Settings.ACR), than what they can with all they have enrolled, and
// than what they have shown in the session by what is no credential, as a code that was sent to them. Credentials may be gone by now.
func (p *Portal) demanded(v *visit) (string, error) {
	if p.ACR == directory.ACR2 {
		return p.ACR, nil
	}
	shown := slices.DeleteFunc(v.session.Standing(), func(e directory.Evidence) bool { return e.Credential != "" && e.Method != "password" })
	if directory.Assess(shown).Satisfies(directory.ACR2) {
		return directory.ACR2, nil
	}
	return p.Directory.BestACR(v.Context(), v.subject)
}

// proves reports whether what was shown in a session lately is of a class.
func proves(session *directory.Session, class string, now time.Time) bool {
	lately := slices.DeleteFunc(session.Standing(), func(e directory.Evidence) bool {
		return e.Remembered || now.Sub(e.Time) > freshness
	})
	begun := slices.ContainsFunc(lately, directory.Evidence.Begins) || !slices.ContainsFunc(session.Evidence, directory.Evidence.Begins)
	return begun && directory.Assess(lately).Satisfies(class)
}

// proofField is the parameter with which a browser comes back from the engine.
const proofField = "proof"

// maxProof bounds what is looked for.
const maxProof = 64

// prove sends somebody to the engine, to prove who they are, and back to the page.
func (p *Portal) prove(v *visit) error {
	in := p.interaction(v, store.NewID())
	if v.session != nil {
		in.Reauthenticate, in.Cancelable, in.Subject, in.Hint = true, true, v.session.Subject, v.user.Username
		class, err := p.demanded(v)
		if err != nil {
			return err
		}
		if class == directory.ACR2 {
			in.ACR, in.EssentialACR = []string{directory.ACR2}, true
		}
	}
	return p.interact(v, in)
}

func (p *Portal) interaction(v *visit, id string) directory.Interaction {
	return directory.Interaction{
		ID: id, Resume: p.site.Path(v.page.path) + "?" + proofField + "=" + id, Purpose: directory.SignIn,
	}
}

// comeBack takes up what came of prove or add. Somebody who would not is told so; the page itself decides whether they have.
func (p *Portal) comeBack(v *visit, id string) error {
	if len(id) > maxProof {
		return errMalformed
	}
	return p.interact(v, p.interaction(v, id))
}

// interact asks the engine. An answer that is there already leads to the page.
func (p *Portal) interact(v *visit, in directory.Interaction) error {
	result, err := p.Engine.Interact(v.w, v.Request, in)
	switch {
	case err != nil:
		return err
	case result == nil: // the browser is on its way
		return nil
	case result.Refusal == directory.Denied && v.page.path != profilePath: // they would rather not
		web.SeeOther(v.w, p.site.Path(profilePath))
		return nil
	case result.Refusal != "":
		return errUnproven
	}
	web.SeeOther(v.w, p.site.Path(v.page.path))
	return nil
}

// The plans by which something is added to an account.
const (
	addTOTP    = "account-totp"
	addPasskey = "account-passkey"
	addPush    = "account-push"
	// addLink has the name of a connection behind it.
	addLink = "account-link-"
)

// Plans are what the Engine needs of a Portal, for its Config.Plans: one for each thing that is added to an account by a flow. They add
// something for nobody but whom the flow is about from the start, who has proven it within ten minutes. Connections are the names of those
// (federated.Config) at which people can link accounts.
func Plans(totp, passkeys, push bool, connections ...string) map[string]flow.Plan {
	plans := map[string]flow.Plan{}
	if totp {
		plans[addTOTP] = adding("totp-enroll")
	}
	if passkeys {
		plans[addPasskey] = adding("passkey-offer")
	}
	if push {
		plans[addPush] = adding("push-enroll")
	}
	for _, name := range connections {
		plans[addLink+name] = adding(federated.LinkExecutor(name))
	}
	return plans
}

func adding(option string) flow.Plan {
	plan, _ := flow.Compile(flow.Step{ // which has a name, an option and a condition
		Name: "add", Options: []string{option},
		When: func(_ context.Context, s *flow.State) (bool, error) {
			proven := directory.Assess(s.Evidence).AuthTime
			return !s.Subject.IsZero() && s.Last.Step != "add" && s.Now.Sub(proven) <= freshness, nil
		},
	})
	return plan
}

// add sends somebody to the engine, to add something to their account by a plan.
func (p *Portal) add(v *visit, plan string) (outcome, error) {
	in := p.interaction(v, store.NewID())
	age := freshness
	in.Plan, in.Subject, in.MaxAge = plan, v.session.Subject, &age
	return answered, p.interact(v, in)
}
