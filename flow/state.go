package flow

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// State is what Executors and Plans see of a flow. It is a copy: only Data is taken back, from Prepare, and Memory, from Next.
// It serves one request and is not safe for concurrent use.
type State struct {
	// Flow is the id of the flow.
	Flow string
	// Request is what the protocol asked for.
	Request directory.Interaction
	// Subject is who it is about; zero until somebody has proven to be it.
	Subject store.Ref
	// Person is the identifier that was typed, or the username of a person who was signed in before; "" until known.
	Person string
	// Evidence is what was proven and counts for this request, with what the session brought along.
	Evidence []directory.Evidence
	// Asked says that consent was asked in this flow, and Approved what was allowed.
	Asked    bool
	Approved []string
	// Plan is the name of the plan that the flow is in, and Last how its last step ended.
	Plan string
	Last Last
	// Params are what the plan has said about the step.
	Params map[string]string
	// Facts are what was learned on the way and is needed later: what a person typed who registers, the hash of a new
	// password. Sealed in the store; at most 32 KiB.
	Facts map[string]string
	// Data is what the step keeps between its calls, and Memory what the plan does; sealed in the store, at most 64 KiB each.
	Data   []byte
	Memory []byte
	// Keep and Problems are what the last Verdict left for the fields.
	Keep     map[string]string
	Problems map[string]Message
	// Now is the time of this request.
	Now time.Time

	revived     bool      // the person is merely remembered
	baseSubject store.Ref // whose session the browser had when the flow began
	// baseSession is that session if it is of the person; zero is none.
	baseSession store.Ref
	epoch       int64                // of the Subject, when it was written
	proven      []directory.Evidence // in this flow

	// begun is the session that the flow begins, if it has.
	begun func(ctx context.Context) (*directory.Session, error)
	// crowded is Engine.crowded.
	crowded func(ctx context.Context, limit int) (*directory.SessionLimitError, error)
	// opens reports whether a sign-in can begin with an Executor.
	opens  func(ctx context.Context, option string) (bool, error)
	client func() Client
	from   *visit
	// unbidden says that the browser is just being sent here by another site, and nobody has clicked for it.
	unbidden bool
	ours     func(cookie string) bool
	options  []string // the names of the executors that may do the step
	steps    []Step   // of the plan
	fresh    int      // how many at the end of Evidence were proven by the answer that is being settled
	writes   []func(b *store.Batch) error
	dir      *directory.Directory
	// trust is what the browser shows of a device that is trusted.
	trust func() string
	// executors are those of the Engine.
	executors map[string]Executor
	app       *directory.Application
	user      *directory.User
	creds     map[store.Ref]*directory.Credential
}

// Session is the session of the person that the browser had when the flow began; zero is none. What an Executor writes on the strength of
// it should be held to it (directory.Sessions.Check): the session may have ended since.
func (s *State) Session() store.Ref { return s.baseSession }

// SubjectEpoch is the epoch of the Subject when it proved itself, or when its session did. What an Executor writes about the person by itself,
// and not in its Verdict, is nobody's when the person's has moved since: everything that was issued to them has ended.
func (s *State) SubjectEpoch() int64 { return s.epoch }

// Client is who sends the request.
func (s *State) Client() Client { return s.client() }

// Application returns whom the person signs in to; one without a record, for a flow that is for nobody in particular.
func (s *State) Application(ctx context.Context) (*directory.Application, error) {
	if s.app != nil {
		return s.app, nil
	}
	s.app = &directory.Application{Status: directory.Active}
	if s.Request.Application.IsZero() {
		return s.app, nil
	}
	app, err := s.dir.Applications.Get(ctx, s.Request.Application)
	if errors.Is(err, store.ErrNotFound) { // the protocol's Check will refuse it; nothing to ask for
		return s.app, nil
	}
	if err != nil {
		s.app = nil
		return nil, err
	}
	s.app = app
	return app, nil
}

// User returns the person whom the flow is about, or store.ErrNotFound.
func (s *State) User(ctx context.Context) (*directory.User, error) {
	if s.user != nil {
		return s.user, nil
	}
	if s.Subject.IsZero() {
		return nil, store.ErrNotFound
	}
	subject, err := s.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return nil, err
	}
	if s.user, err = s.dir.UserOf(ctx, subject); err != nil {
		return nil, err
	}
	return s.user, nil
}

// Enrolled reports whether the subject has a credential of the type.
func (s *State) Enrolled(ctx context.Context, kind directory.CredentialType) (bool, error) {
	creds, err := s.credentials(ctx)
	if err != nil {
		return false, err
	}
	for _, c := range creds {
		if c.Type == kind {
			return true, nil
		}
	}
	return false, nil
}

// Trusted reports whether the person has asked not to be asked for a second factor on this device, and neither their password nor their
// factors have changed since.
func (s *State) Trusted(ctx context.Context) (bool, error) {
	cookie := s.trust()
	if cookie == "" || s.Subject.IsZero() {
		return false, nil
	}
	subject, err := s.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return false, err
	}
	return s.dir.Devices.Trusted(ctx, cookie, subject)
}

// trustOf is the cookie of a device that is trusted; a program has none.
func (e *Engine) trustOf(r *visit) string {
	if r == nil || r.program != nil {
		return ""
	}
	return e.site.Cookie(r.Request, trustCookie)
}

// Usable returns those of the Executors that the person can use; see Selective.
func (s *State) Usable(ctx context.Context, options []string) ([]string, error) {
	var usable []string
	for _, name := range options {
		if selective, ok := s.executors[name].(Selective); ok {
			if can, err := selective.Usable(ctx, s); err != nil {
				return nil, err
			} else if !can {
				continue
			}
		}
		usable = append(usable, name)
	}
	return usable, nil
}

// begunBy reports whether the flow has begun its session already, by a proof with the credential, although it has not got on since.
func (s *State) begunBy(ctx context.Context, credential *directory.Credential) (bool, error) {
	session, err := s.begun(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && session.Subject == credential.Subject && slices.ContainsFunc(session.Evidence, func(e directory.Evidence) bool {
		return e.Credential == credential.ID
	}), err
}

// credentials returns the live credentials of the subject.
func (s *State) credentials(ctx context.Context) (map[store.Ref]*directory.Credential, error) {
	if s.creds != nil || s.Subject.IsZero() {
		return s.creds, nil
	}
	list, err := s.dir.Credentials.List(ctx, s.Subject)
	if err != nil {
		return nil, err
	}
	s.creds = make(map[store.Ref]*directory.Credential, len(list))
	for _, c := range list {
		s.creds[c.Ref()] = c
	}
	return s.creds, nil
}

// Assurance is what the evidence is worth: proofs by a credential that was removed or replaced since count for nothing.
func (s *State) Assurance(ctx context.Context) (directory.Assurance, error) {
	live, err := s.live(ctx)
	return directory.Assess(live), err
}

// live returns the evidence whose credentials stand as they did.
func (s *State) live(ctx context.Context) ([]directory.Evidence, error) {
	creds, err := s.credentials(ctx)
	if err != nil {
		return nil, err
	}
	var live []directory.Evidence
	for i, e := range s.Evidence {
		if i >= len(s.Evidence)-s.fresh {
			live = append(live, e) // its credential may be written in the same step
			continue
		}
		c := creds[store.Ref{Org: s.Subject.Org, ID: e.Credential}]
		if e.Credential == "" || c != nil && c.Epoch == e.CredentialEpoch {
			live = append(live, e)
		}
	}
	return live, nil
}

// Write adds to the batch that brings the flow to the step, in Prepare, or that moves it, in Plan.Next: a message to be sent, say.
// What it adds may be thrown away with that batch, and added to another. What a plan writes is written also when it ends the flow.
func (s *State) Write(add func(b *store.Batch) error) { s.writes = append(s.writes, add) }

// SetCookie sets a cookie of the host's with the answer to the browser, in Plan.Next, when what goes with it is written. A cookie with
// the name of one of the engine's is left out.
func (s *State) SetCookie(cookie *http.Cookie) {
	if s.from != nil && !s.ours(cookie.Name) {
		s.from.cookies = append(s.from.cookies, cookie)
	}
}

// Sent returns what the answer that is being settled has in a field; nil when it has none, and for steps that are not. A password may
// be in it.
func (s *State) Sent(field string) []string {
	if s.from == nil {
		return nil
	}
	return s.from.form.Values(field)
}

// state returns what executors and the plan see of x.
func (e *Engine) state(x *execution) (*State, error) {
	data, err := e.unseal(x, "data", x.Data)
	if err != nil {
		return nil, err
	}
	memory, err := e.unseal(x, "memory", x.Memory)
	if err != nil {
		return nil, err
	}
	facts, err := e.facts(x)
	if err != nil {
		return nil, err
	}
	var steps []Step
	if x.plan != nil {
		steps = x.plan.Steps()
	}
	return &State{
		begun: func(ctx context.Context) (*directory.Session, error) {
			return e.dir.Sessions.Get(ctx, store.Ref{ID: x.NewSession})
		},
		crowded: func(ctx context.Context, limit int) (*directory.SessionLimitError, error) {
			return e.crowded(ctx, x, limit)
		},
		opens:  func(ctx context.Context, option string) (bool, error) { return e.opens(ctx, x, option) },
		client: func() Client { return e.client(x.from) }, from: x.from, ours: e.ownCookie,
		unbidden: x.arriving, Flow: x.ID, Request: x.Request, Subject: x.Subject, Person: x.Person, Evidence: x.evidence(),
		Asked: x.Asked, Approved: x.Approved, Plan: x.planName(), Last: x.Last, Params: x.Params, Facts: facts, Data: data, Memory: memory,
		Keep: x.Keep, Problems: x.Problems, Now: e.db.Now(), dir: e.dir, revived: x.revived(), fresh: x.fresh,
		baseSubject: x.BaseSubject, baseSession: x.baseSession(), epoch: x.SubjectEpoch, proven: x.Proven, executors: e.executors, trust: func() string { return e.trustOf(x.from) }, options: x.options(), steps: steps,
	}, nil
}
