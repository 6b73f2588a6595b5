package flow

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// MaxSessions is the parameter (State.Params) of the step "session-limit" that says how many sessions the person may have. Without one
// it is directory.SessionLimitPolicy.
const MaxSessions = "MaxSessionCount"

// mustMakeRoom: the person has as many sessions as they may have, and is to choose which of them end.
func mustMakeRoom(ctx context.Context, s *State) (bool, error) {
	crowd, err := s.crowded(ctx, 0)
	return crowd != nil, err
}

// crowded finds out whether the session that a sign-in is about to begin would be one too many, and its person may choose what to do about
// it; nil when there is room, or nothing to ask. A limit of 0 is that of the policy.
func (e *Engine) crowded(ctx context.Context, x *execution, limit int) (*directory.SessionLimitError, error) {
	policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.SessionLimit, x.Subject.Org, "")
	asks := policy.Max > 0 && policy.Over == directory.AskSession
	if err != nil || limit == 0 && !asks || x.from == nil || x.Request.Purpose != directory.SignIn || len(x.Proven) == 0 {
		return nil, err
	}
	subject, err := e.dir.Subjects.Get(ctx, x.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && subject.Epoch != x.SubjectEpoch { // the sign-in will be refused
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if begins, err := e.beginsSession(ctx, x); err != nil || !begins {
		return nil, err
	}
	if limit > 0 {
		return e.overLimit(ctx, x, subject, limit)
	}
	_, _, err = e.dir.Sessions.Begin(ctx, e.db.Batch(), directory.NewSession{Subject: subject, Evidence: x.evidence(), End: x.End})
	crowd, full := errors.AsType[*directory.SessionLimitError](err)
	if !full {
		return nil, err
	}
	return crowd, nil
}

// beginsSession reports whether the flow would begin a session, and not go on in one that the browser has.
func (e *Engine) beginsSession(ctx context.Context, x *execution) (bool, error) {
	current, err := e.signedIn(x.from)
	if err != nil {
		return false, err
	}
	if current != nil && current.Subject != x.Subject {
		current = nil
	}
	as := *x // which may be refused by what is found, in its time
	as.again = true
	own, err := e.ownSession(ctx, &as, current)
	return own == nil && as.Refusal == "", err
}

// overLimit compares the sessions of a subject with a limit that the plan has set.
func (e *Engine) overLimit(ctx context.Context, x *execution, subject *directory.Subject, limit int) (*directory.SessionLimitError, error) {
	crowd := &directory.SessionLimitError{Ask: true, Excess: 1 - limit}
	active, err := e.dir.ActiveSessions(ctx, subject)
	for _, session := range active {
		crowd.Sessions = append(crowd.Sessions, session.Session)
	}
	crowd.Excess += len(active)
	if err != nil || crowd.Excess <= 0 {
		return nil, err
	}
	return crowd, nil
}

// limitExecutor asks which sessions are to end so that another can begin. They end when it does.
type limitExecutor struct{ dir *directory.Directory }

var _ Executor = limitExecutor{}

func (limitExecutor) Prepare(context.Context, *State) error { return nil }

func (l limitExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	crowd, err := s.crowded(ctx, maxSessions(s))
	if err != nil {
		return Prompt{}, err
	}
	p := Prompt{Step: limitPlan, Title: Message{ID: "session-limit.title"}, Actions: []Action{{Name: continueAction, Label: "session-limit.end"}}}
	if !s.Request.Cancelable {
		p.Actions = append(p.Actions, Action{Name: leaveAction, Label: "session-limit.leave", Kind: Secondary})
	}
	if crowd == nil { // by now
		p.Intro, p.Actions[0].Label = Message{ID: "session-limit.room"}, "action.continue"
		return p, nil
	}
	p.Intro = Message{ID: "session-limit.intro", Params: map[string]string{"count": strconv.Itoa(crowd.Excess)}}
	place := time.UTC
	if user, err := s.User(ctx); err == nil {
		place = user.Location()
	} else if !errors.Is(err, store.ErrNotFound) {
		return Prompt{}, err
	}
	for _, session := range crowd.Sessions {
		seen, err := l.dir.Sessions.Seen(ctx, session)
		if err != nil {
			return Prompt{}, err
		}
		device := directory.DeviceName(session.UserAgent)
		f := Field{
			Name: sessionField(s, session), Type: CheckboxField, Label: "session-limit.session", Params: map[string]string{"device": device},
			Hint: Message{
				ID: "session-limit.detail", Params: map[string]string{"address": cmp.Or(session.Address, "–")},
				Times: map[string]time.Time{"seen": seen.In(place)},
			},
		}
		if device == "" {
			f.Label = "session-limit.unknown"
		}
		p.Fields = append(p.Fields, f)
	}
	return p, nil
}

// leaveAction gives the sign-in up.
const leaveAction = "leave"

// sessionField is the name under which a flow shows a session. Its id stays inside: applications know it by that.
func sessionField(s *State, session *directory.Session) string {
	return "session_" + secret.Hash("session\x00" + s.Flow + "\x00" + session.ID)[:16]
}

// maxSessions is the limit that the plan has set, 0 when it has set none.
func maxSessions(s *State) int {
	limit, err := strconv.Atoi(s.Params[MaxSessions])
	if err != nil {
		return 0
	}
	return max(limit, 1)
}

func (l limitExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if in.Action == leaveAction {
		return Verdict{Outcome: Refuse}, nil
	}
	crowd, err := s.crowded(ctx, maxSessions(s))
	if err != nil {
		return Verdict{}, err
	}
	if crowd == nil {
		return Verdict{Outcome: Proceed}, nil
	}
	end, keep := []string{}, map[string]string{}
	for _, session := range crowd.Sessions {
		if name := sessionField(s, session); in.Value(name) == "true" {
			end, keep[name] = append(end, session.ID), "true"
		}
	}
	if len(end) < crowd.Excess {
		few := Message{ID: "session-limit.few", Level: Error, Params: map[string]string{"count": strconv.Itoa(crowd.Excess)}}
		return Verdict{Outcome: Again, Messages: []Message{few}, Keep: keep}, nil
	}
	return Verdict{Outcome: Proceed, end: end}, nil
}
