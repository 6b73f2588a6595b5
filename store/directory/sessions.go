package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

var (
	sessionKind = store.Kind{Name: "directory.session"}
	sessionType = store.Type[Session]{
		Kind: sessionKind,
		Index: func(s *Session) []store.Entry {
			entries := []store.Entry{
				{Field: "subject", Value: pointer(s.Subject)},
				{Field: "status", Value: store.Text(string(s.Status))},
				{Field: "created", Value: store.Time(s.Created)},
			}
			for _, e := range s.Evidence {
				if e.IssuerSession != "" {
					entries = append(entries, store.Entry{Field: "upstream", Value: upstreamSession(e.Issuer, e.IssuerSession)})
				}
			}
			return entries
		},
	}
)

// SessionActivity is when a Session was last used. It changes often and so is a record of its own; when it is lost, the
// session counts as idle since the last proof.
type SessionActivity struct {
	store.Meta
	Seen time.Time `json:"seen"`
	// Since is when it was taken up again after it had last been idle; what was proven shortly before the last proof belongs to
	// that.
	Since time.Time `json:"since,omitzero"`
}

var activityType = store.Type[SessionActivity]{Kind: store.Kind{Name: "directory.activity", Ephemeral: true}}

// touchInterval is the shortest time between two writes of a session's activity.
const touchInterval = time.Minute

// Sessions keeps who is signed in on which device.
type Sessions struct {
	db       *store.DB
	all      *store.Collection[Session]
	activity *store.Collection[SessionActivity]
	presence *store.Collection[Presence]
	subjects *Subjects
	settings *Settings
	logger   *slog.Logger
}

func newSessions(db *store.DB, subjects *Subjects, settings *Settings, logger *slog.Logger) *Sessions {
	return &Sessions{
		db: db, all: store.NewCollection(db, sessionType), activity: store.NewCollection(db, activityType),
		presence: store.NewCollection(db, presenceType),
		subjects: subjects, settings: settings, logger: logger,
	}
}

// sessionUse is what Open found out about a session's use.
type sessionUse struct {
	seen     time.Time
	since    time.Time // since when it has not been idle
	idle     time.Duration
	activity *SessionActivity
}

// NewSession is what Begin makes a Session of.
type NewSession struct {
	// ID names the session beforehand; "" makes one. Of several Begins with one ID one is applied: the others get a
	// *store.Conflict on Kind.
	ID string
	// Subject is the person, as read for this sign-in. Required.
	Subject *Subject
	// Evidence is what was proven, all of it of the Subject. Required.
	Evidence []Evidence
	// Remember makes the session outlive the browser and idleness.
	Remember bool
	// UserAgent and Address describe the device to its owner.
	UserAgent string
	Address   string
	// End are ids of sessions of the person that are ended in the same step, as they chose when there were too many, by
	// SessionLimitPolicy or by whoever asked them. Those of others are left alone.
	End []string
}

// Kind is the kind of the records, for a Check on one and for telling what a Conflict is about.
func (s *Sessions) Kind() store.Kind { return sessionKind }

// Begin adds to the batch that a person is signed in, with a Check on the Subject and the event "session.started", and
// returns the session and the value of its cookie. The error is a *SessionLimitError when there are too many already
// (SessionLimitPolicy): of several who sign in at once, no more than fit are written, and the others get a *store.Conflict.
func (s *Sessions) Begin(ctx context.Context, b *store.Batch, n NewSession) (*Session, secret.Text, error) {
	if n.Subject == nil || len(n.Evidence) == 0 || (n.ID != "" && (!validID(n.ID) || strings.Contains(n.ID, "."))) {
		return nil, "", errors.New("directory: NewSession needs a Subject, Evidence, and an ID that fits a cookie or none")
	}
	if err := ofSubject(n.Evidence, n.Subject.Ref()); err != nil {
		return nil, "", err
	}
	policy, err := Resolve(ctx, s.settings, s.settings.Session, n.Subject.Org, "")
	if err != nil {
		return nil, "", err
	}
	if n.ID == "" {
		n.ID = store.NewID()
	}
	now, key := b.Now(), secret.New()
	session := &Session{
		// Sessions live in the root, where the cookie's id finds them.
		Meta:       store.Meta{ID: n.ID, Expires: now.Add(policy.Max)},
		SecretHash: key.Hash(), Subject: n.Subject.Ref(), SubjectEpoch: n.Subject.Epoch, Status: Active,
		Evidence: slices.Clone(n.Evidence), Created: now, Ends: now.Add(policy.Max), Remembered: n.Remember,
		UserAgent: printable(n.UserAgent), Address: printable(n.Address),
	}
	if err := s.admit(ctx, b, n, session); err != nil {
		return nil, "", err
	}
	s.subjects.all.Check(b, n.Subject)
	s.all.Insert(b, session)
	b.Event(session.event("session.started", "address", session.Address, "store", n.Subject.storeName()))
	return session, cookieValue(session.ID, key), nil
}

// Open returns the session that a cookie opens, or ErrNoSession when it signs nobody in: it is unknown or forged, has
// ended, went idle, passed a limit, or its Subject is not the one it was. Any other error is the store's.
func (s *Sessions) Open(ctx context.Context, cookie string) (*Session, error) {
	id, presented, ok := splitCookie(cookie)
	if !ok {
		return nil, ErrNoSession
	}
	session, err := s.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if !secret.Matches(session.SecretHash, presented) {
		return nil, ErrNoSession
	}
	if ok, err := s.SignsIn(ctx, session); err != nil {
		return nil, err
	} else if !ok {
		return nil, ErrNoSession
	}
	return session, nil
}

// SignsIn reports whether a session signs its person in, whoever holds its cookie: it has not ended, gone idle or passed a
// limit, and its Subject is the one it was.
func (s *Sessions) SignsIn(ctx context.Context, session *Session) (bool, error) {
	if session.Status != Active {
		return false, nil
	}
	policy, err := Resolve(ctx, s.settings, s.settings.Session, session.Subject.Org, "")
	if err != nil {
		return false, err
	}
	if session.use, err = s.readUse(ctx, session, policy); err != nil {
		return false, err
	}
	if now := s.db.Now(); now.Sub(session.use.seen) >= policy.Idle {
		session.use.since = now
	}
	if !s.db.Now().Before(session.signsInUntil(policy)) {
		return false, nil
	}
	if _, err := s.subjects.check(ctx, session.Subject, session.SubjectEpoch); !errors.Is(err, ErrChainBroken) {
		return err == nil, err
	}
	return false, nil
}

func (s *Sessions) readUse(ctx context.Context, session *Session, policy SessionPolicy) (sessionUse, error) {
	last := session.lastProof()
	use := sessionUse{seen: last, since: last.Add(-policy.Idle), idle: policy.Idle}
	activity, err := s.activity.Get(ctx, session.Ref())
	if errors.Is(err, store.ErrNotFound) {
		return use, nil
	}
	if err != nil {
		return use, err
	}
	use.activity, use.since = activity, activity.Since
	if activity.Seen.After(use.seen) {
		use.seen = activity.Seen
	}
	return use, nil
}

// signsInUntil is when a session stops signing in, if nothing happens until then.
func (s *Session) signsInUntil(policy SessionPolicy) time.Time {
	until := s.use.seen.Add(policy.Idle)
	if s.Remembered {
		until = s.lastProof().Add(policy.Remember)
	}
	if s.Ends.Before(until) {
		return s.Ends
	}
	return until
}

// Standing is what of the evidence of a session that Open returned still counts. A remembered session outlives idleness, and then
// says that somebody has the browser in which the person signed in: no more than one factor, until another is shown again.
func (s *Session) Standing() []Evidence {
	if !s.Remembered {
		return slices.Clone(s.Evidence)
	}
	first := firstFactor(s.Evidence)
	standing := slices.DeleteFunc(slices.Clone(s.Evidence), func(e Evidence) bool {
		return e.factor() != first && e.Time.Before(s.use.since)
	})
	for i, e := range standing { // a passkey may have been two by itself
		standing[i].Remembered = e.Time.Before(s.use.since)
	}
	return standing
}

// lastProof is when the person last proved something in the session.
func (s *Session) lastProof() time.Time {
	last := s.Created
	for _, e := range s.Evidence {
		if e.Time.After(last) {
			last = e.Time
		}
	}
	return last
}

// Touch notes that a session that Open returned is in use, at most once a minute. It does its best: what goes wrong is
// logged, since it harms no request. It never revives a session that has gone idle meanwhile.
func (s *Sessions) Touch(ctx context.Context, session *Session) {
	if err := s.KeepAlive(ctx, session); err != nil {
		s.logger.WarnContext(ctx, "a session's activity was not written", "session", session.ID, "error", err)
	}
}

// KeepAlive is Touch for whoever must know that it was noted. It moves when the session goes idle and nothing else: Ends stands, and so does
// when what was proven in it.
func (s *Sessions) KeepAlive(ctx context.Context, session *Session) error {
	now, use := s.db.Now(), &session.use
	if use.idle == 0 || now.Sub(use.seen) < touchInterval || (!session.Remembered && now.Sub(use.seen) >= use.idle) {
		return nil
	}
	activity := &SessionActivity{Meta: store.Meta{Org: session.Org, ID: session.ID}}
	write := s.activity.Insert
	if use.activity != nil {
		activity, write = use.activity, s.activity.Replace
	}
	activity.Seen, activity.Since, activity.Expires = now, use.since, now.Add(use.idle)
	b := s.db.Batch()
	write(b, activity)
	if err := b.Apply(ctx); err != nil {
		if store.ConflictOn(err, activityType.Kind) != nil { // another tab was faster
			return nil
		}
		return err
	}
	use.seen, use.activity = now, activity
	return nil
}

// StepUp adds to the batch that more was proven in a session, and returns the new value of its cookie; the old one is
// dead once the batch is applied. New evidence takes the place of what the same method proved before.
func (s *Sessions) StepUp(b *store.Batch, session *Session, evidence ...Evidence) (secret.Text, error) {
	if session.Status != Active {
		return "", ErrEnded
	}
	if err := ofSubject(evidence, session.Subject); err != nil {
		return "", err
	}
	for _, fresh := range evidence {
		session.Evidence = slices.DeleteFunc(session.Evidence, func(old Evidence) bool { return old.Method == fresh.Method })
		session.Evidence = append(session.Evidence, fresh)
	}
	return s.rotate(b, session), nil
}

// rotate adds to the batch that a session stands as it does under a new secret, and returns the value of its cookie.
func (s *Sessions) rotate(b *store.Batch, session *Session) secret.Text {
	key := secret.New()
	session.SecretHash = key.Hash()
	s.all.Replace(b, session)
	return cookieValue(session.ID, key)
}

// stillOf reads a session anew, and returns ErrChainBroken for one that has ended or was begun before everything else of the Subject's was
// revoked.
func (s *Sessions) stillOf(ctx context.Context, session *Session, subject *Subject) error {
	current, err := s.Get(ctx, session.Ref())
	if err != nil {
		return broken("session", err)
	}
	if current.Status != Active || current.SubjectEpoch != subject.Epoch {
		return broken("session", nil)
	}
	current.use = session.use
	*session = *current
	return nil
}

// keep adds to the batch that a session outlives the revocation of all else that its Subject has, under a new secret, and returns
// the value of its cookie.
func (s *Sessions) keep(b *store.Batch, session *Session, epoch int64) secret.Text {
	session.SubjectEpoch = epoch
	return s.rotate(b, session)
}

// Extend adds to the batch that a session stands at the version it was read at and that its record lives at least until
// a time, because something that lives so long hangs on it. It is the Check on the session; do not add another.
func (s *Sessions) Extend(b *store.Batch, session *Session, until time.Time) {
	if !until.After(session.Expires) {
		s.all.Check(b, session)
		return
	}
	session.Expires = until.Add(24 * time.Hour) // further than asked, so that not every refresh writes
	s.all.Replace(b, session)
}

// Get returns the record of a session, whatever became of it, or store.ErrNotFound.
func (s *Sessions) Get(ctx context.Context, ref store.Ref) (*Session, error) {
	return s.all.Get(ctx, ref)
}

// ListBySubject returns the sessions of a subject that have not ended nor passed their absolute limit, the oldest first.
func (s *Sessions) ListBySubject(ctx context.Context, subject *Subject) ([]*Session, error) {
	var list []*Session
	for session, err := range s.of(ctx, subject.Ref()) {
		if err != nil {
			return nil, err
		}
		if session.SubjectEpoch == subject.Epoch && s.db.Now().Before(session.Ends) {
			list = append(list, session)
		}
	}
	return list, nil
}

// Seen returns when a session was last used, to the minute.
func (s *Sessions) Seen(ctx context.Context, session *Session) (time.Time, error) {
	use, err := s.readUse(ctx, session, SessionPolicy{})
	return use.seen, err
}

// End ends a session and everything that hangs on it. The event is "session.ended" with the reason, which is a word such
// as "logout"; who took part in the session is found through Participants. A session that has ended, or is no more, is
// no error.
func (s *Sessions) End(ctx context.Context, ref store.Ref, reason string) error {
	err := change(ctx, s.db, s.all, ref, func(b *store.Batch, session *Session) (bool, error) {
		if session.Status == Ended {
			return false, nil
		}
		session.end(b, reason)
		return true, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// end makes a session one that has ended; the caller writes it.
func (s *Session) end(b *store.Batch, reason string) {
	s.Status, s.SecretHash = Ended, ""
	b.Event(s.event("session.ended", "reason", reason))
}

// EndAllOf ends every session of a subject but the one whose id is except.
func (s *Sessions) EndAllOf(ctx context.Context, subject store.Ref, except, reason string) error {
	return s.endThose(ctx, reason, func(session *Session) bool { return session.ID != except }, s.of(ctx, subject))
}

// EndUpstream ends the sessions that rest on the word of an upstream provider and on its session, when that has ended there.
func (s *Sessions) EndUpstream(ctx context.Context, issuer, session, reason string) error {
	return s.endThose(ctx, reason, func(*Session) bool { return true }, s.all.All(ctx, store.Query{
		Filter: store.Equals("upstream", upstreamSession(issuer, session)),
	}))
}

// EndUpstreamOf ends the sessions of a subject that rest on the word of an upstream provider.
func (s *Sessions) EndUpstreamOf(ctx context.Context, subject store.Ref, issuer, reason string) error {
	return s.endThose(ctx, reason, func(session *Session) bool {
		return slices.ContainsFunc(session.Evidence, func(e Evidence) bool { return e.Issuer == issuer })
	}, s.of(ctx, subject))
}

// EndRevoked ends the sessions of a subject that sign nobody in any more because everything of theirs was revoked, or because they may
// not sign in.
func (s *Sessions) EndRevoked(ctx context.Context, subject *Subject, reason string) error {
	return s.endThose(ctx, reason, func(session *Session) bool {
		return subject.Status != Active || session.SubjectEpoch != subject.Epoch
	}, s.of(ctx, subject.Ref()))
}

// endThose ends the sessions of a walk that are meant.
func (s *Sessions) endThose(ctx context.Context, reason string, meant func(*Session) bool, walk iter.Seq2[*Session, error]) error {
	var refs []store.Ref
	for session, err := range walk {
		if err != nil {
			return err
		}
		if meant(session) {
			refs = append(refs, session.Ref())
		}
	}
	for _, ref := range refs {
		if err := s.End(ctx, ref, reason); err != nil {
			return err
		}
	}
	return nil
}

// upstreamSession is the index value of a provider's session.
func upstreamSession(issuer, session string) store.Value {
	return store.Text(secret.Hash(issuer + "\x00" + session))
}

// of walks through the sessions of a subject that have not ended.
func (s *Sessions) of(ctx context.Context, subject store.Ref) iter.Seq2[*Session, error] {
	return s.all.All(ctx, store.Query{
		Sort: "created",
		Filter: store.And{
			store.Equals("subject", pointer(subject)),
			store.Equals("status", store.Text(string(Active))),
		},
	})
}

func (s *Session) event(kind string, pairs ...string) store.Event {
	return store.Event{
		Meta: store.Meta{Org: s.Subject.Org}, Type: kind, Subject: s.Subject.ID,
		Data: details(append([]string{"session", s.ID}, pairs...)...),
	}
}

// ofSubject refuses evidence of anybody else.
func ofSubject(evidence []Evidence, subject store.Ref) error {
	for _, e := range evidence {
		if e.Subject != subject.ID {
			return fmt.Errorf("directory: the evidence of %s is of another subject", e.Method)
		}
	}
	return nil
}

// printable shortens what a browser said about itself to something that can be shown and stored.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
