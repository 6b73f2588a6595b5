package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of Services.
type Config struct {
	// DB is that of the flows. Required.
	DB *store.DB
	// Directory knows the people. Required; over the same DB.
	Directory *directory.Directory
	// Issuer is our own issuer's URL, below which people come back. Required.
	Issuer string
	// Services are what people may prove themselves at. Required.
	Services []Service
	// Logger takes the causes of steps that came to nothing. Nil discards them.
	Logger *slog.Logger
}

// Kind is what a service's word is about.
type Kind string

// The kinds.
const (
	// Identifies says which person of the directory somebody is.
	Identifies Kind = "identifies"
	// Verifies confirms the person whom the flow is about, as a second factor.
	Verifies Kind = "verifies"
)

// Service is a service, and what its word is good for.
type Service struct {
	// Name is that of the Executor and the Method of its evidence, and part of the URL at which people come back: 1 to 32 lower-case letters,
	// digits and hyphens, with a letter in front, and none of the built-in steps (flow.CheckStepName). Required.
	Name string
	// Title is how pages call the service; "" is Name.
	Title string
	// Kind says what it is asked. Required.
	Kind Kind
	// Endpoint is where it is, and how it is called.
	Endpoint Endpoint
	// AMR are the references of RFC 8176 §2 for what the service has people do, "face" or "hwk" say. For Verifies they must name something
	// that a person has or is, or the step would prove nothing that a password does not. For Identifies nil counts as something known.
	AMR []string
	// For says who is asked, for Verifies in the default login: those who are known to the service. Nil is everybody.
	For func(*directory.User) bool
}

// Services are the services. They are safe for concurrent use.
type Services struct {
	dir   *directory.Directory
	steps map[string]*Step
	all   map[string]Service
}

// New checks the configuration and returns the Services, or an error that names every problem. It does no I/O.
func New(config Config) (*Services, error) {
	var problems []error
	if config.DB == nil || config.Directory == nil {
		problems = append(problems, errors.New("service: Config.DB and Config.Directory are required"))
	}
	if len(config.Services) == 0 {
		problems = append(problems, errors.New("service: Config.Services are required"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	all := &Services{dir: config.Directory, steps: map[string]*Step{}, all: map[string]Service{}}
	for i, made := range config.Services {
		if err := all.add(config, made); err != nil {
			problems = append(problems, fmt.Errorf("service: Config.Services[%d]: %w", i, err))
		}
	}
	return all, errors.Join(problems...)
}

func (all *Services) add(config Config, made Service) error {
	made.Title, made.AMR = cmp.Or(made.Title, made.Name), slices.Clone(made.AMR)
	problems := []error{flow.CheckStepName(made.Name)}
	if all.steps[made.Name] != nil {
		problems = append(problems, fmt.Errorf("the name %q stands twice", made.Name))
	}
	confirmed := all.verified
	switch made.Kind {
	case Identifies:
		confirmed = all.identified
	case Verifies:
		beside := []directory.Evidence{{Method: "password", AMR: []string{"pwd"}}, {Method: made.Name, AMR: made.AMR}}
		if directory.Assess(beside).ACR != directory.ACR2 {
			problems = append(problems, errors.New("AMR must name something that a person has or is (RFC 8176 §2)"))
		}
	default:
		problems = append(problems, fmt.Errorf("the kind %q is none", made.Kind))
	}
	step, err := NewStep(StepConfig{
		Name: made.Name, Title: made.Title, Issuer: config.Issuer, Endpoint: made.Endpoint, Now: config.DB.Now, Logger: config.Logger,
		Confirmed: func(ctx context.Context, s *flow.State, u *User) (flow.Verdict, error) {
			return confirmed(ctx, s, made, u)
		},
	})
	if err = errors.Join(append(problems, err)...); err != nil {
		return err
	}
	all.steps[made.Name], all.all[made.Name] = step, made
	return nil
}

// Executors are for flow.Config.Executors, by the names of the services.
func (all *Services) Executors() map[string]flow.Executor {
	executors := map[string]flow.Executor{}
	for name, step := range all.steps {
		if executors[name] = step; all.all[name].Kind == Verifies {
			executors[name] = verifier{step, all.all[name]}
		}
	}
	return executors
}

// RedirectURL is where a service sends people back; "" when there is none of that name.
func (all *Services) RedirectURL(name string) string {
	if step := all.steps[name]; step != nil {
		return step.back
	}
	return ""
}

// verifier is the step of a service that confirms somebody who is known.
type verifier struct {
	*Step
	service Service
}

var (
	_ flow.Leaving   = verifier{}
	_ flow.Selective = verifier{}
	_ flow.Verifying = verifier{}
	_ flow.Prover    = verifier{}
)

// Verifying implements flow.Verifying.
func (verifier) Verifying() {}

// Proves implements flow.Prover.
func (v verifier) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: v.service.Name, AMR: v.service.AMR}}
}

// Usable implements flow.Selective.
func (v verifier) Usable(ctx context.Context, s *flow.State) (bool, error) {
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && (v.service.For == nil || v.service.For(user)), err
}

// identified is the verdict on a person of the directory whom a service has named.
func (all *Services) identified(ctx context.Context, s *flow.State, made Service, u *User) (flow.Verdict, error) {
	subject, user, err := all.find(ctx, s, u)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return all.steps[made.Name].again("federated.unknown"), nil
	case err != nil:
		return flow.Verdict{}, err
	case !s.Subject.IsZero() && subject.Ref() != s.Subject:
		return all.steps[made.Name].again("service.other"), nil
	case user.Disabled || subject.Status != directory.Active:
		return all.steps[made.Name].again("federated.disabled"), nil
	}
	return flow.Verdict{
		Outcome: flow.Proceed, Subject: subject, Person: user.Username,
		Evidence: []directory.Evidence{{
			Method: directory.Federated, AMR: append([]string{}, made.AMR...), Subject: subject.ID, Time: s.Now, Issuer: made.Endpoint.URL,
		}},
	}, nil
}

// find returns the person of an id, in the organization of the request and in the user store that the service has named, if it has. The
// error is store.ErrNotFound for nobody.
func (all *Services) find(ctx context.Context, s *flow.State, u *User) (*directory.Subject, *directory.User, error) {
	if u == nil || u.ID == "" {
		return nil, nil, store.ErrNotFound
	}
	subject, err := all.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: u.ID})
	if err != nil {
		return nil, nil, err
	}
	user, err := all.dir.UserOf(ctx, subject)
	if err != nil {
		return nil, nil, err
	}
	if where := u.UserStore; where != nil && cmp.Or(where.Name, where.ID) != cmp.Or(user.Store, directory.DefaultStore) {
		return nil, nil, store.ErrNotFound
	}
	return subject, user, nil
}

// verified is the verdict on the person of the flow whom a service has confirmed. It need not name them, and names nobody else.
func (all *Services) verified(ctx context.Context, s *flow.State, made Service, u *User) (flow.Verdict, error) {
	if s.Subject.IsZero() {
		return all.steps[made.Name].again("federated.unknown"), nil
	}
	if u != nil && u.ID != s.Subject.ID {
		return all.steps[made.Name].again("service.other"), nil
	}
	subject, err := all.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return flow.Verdict{}, err
	}
	return flow.Verdict{
		Outcome: flow.Proceed, Subject: subject,
		Evidence: []directory.Evidence{{Method: made.Name, AMR: slices.Clone(made.AMR), Subject: subject.ID, Time: s.Now}},
	}, nil
}
