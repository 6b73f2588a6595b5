package federated

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// maxTries bounds how often somebody is looked for again because another tab of theirs was faster.
const maxTries = 4

// recognize returns who somebody is here, or the message that says why nobody.
func (e executor) recognize(ctx context.Context, s *flow.State, id *rp.Identity) (*directory.Subject, string, error) {
	for range maxTries {
		subject, problem, err := e.try(ctx, s, id)
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			return subject, problem, err
		}
	}
	return nil, "federated.failed", nil
}

func (e executor) try(ctx context.Context, s *flow.State, id *rp.Identity) (*directory.Subject, string, error) {
	old, err := e.Connections.links.Get(ctx, linkRef(id.Issuer, id.Subject))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, "", err
	}
	if old != nil {
		subject, problem, err := e.linked(ctx, s, old)
		if err == nil && subject != nil {
			problem, err = e.sync(ctx, old, subject, id)
		}
		if err != nil || problem != "" || subject != nil {
			return subject, problem, err
		}
	}
	switch {
	case e.links && s.Subject.IsZero():
		return nil, "federated.unknown", nil
	case e.links:
		return e.linkOwn(ctx, s, old, id)
	case !s.Subject.IsZero():
		return nil, "federated.unknown", nil // who is known from the start does not become somebody who comes for the first time
	}
	return e.firstContact(ctx, s, old, id)
}

// linked returns the person of a link: neither a person nor a problem when they are gone for good, and the link is dead.
func (e executor) linked(ctx context.Context, s *flow.State, l *Link) (*directory.Subject, string, error) {
	subject, err := e.dir.Subjects.Get(ctx, l.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && subject.Status == directory.Ended:
		return nil, "", nil
	case err != nil:
		return nil, "", err
	case e.links && l.Subject != s.Subject:
		return nil, "federated.taken", nil
	}
	user, err := e.dir.UserOf(ctx, subject)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, "", err
	case err != nil, user.Disabled, subject.Status != directory.Active:
		return nil, "federated.disabled", nil
	}
	return subject, "", nil
}

// firstContact is for somebody whom nobody here is linked with. What counts is what both sides have verified: an address that either
// has not is nobody's, so neither does an account here fall to whoever writes its address into theirs there, nor does somebody's
// account there lead into one that a stranger has prepared here under their address.
func (e executor) firstContact(ctx context.Context, s *flow.State, old *Link, id *rp.Identity) (*directory.Subject, string, error) {
	if id.EmailVerified {
		user, shared, err := e.withAddress(ctx, s.Request.Organization, id.Email)
		switch {
		case err != nil:
			return nil, "", err
		case user != nil && e.LinkByEmail && user.EmailVerified && !user.Disabled:
			subject, err := e.dir.SubjectOf(ctx, user)
			return e.link(ctx, old, subject, nil, id, err)
		case user != nil, shared:
			return nil, "federated.conflict", nil
		}
	}
	if !e.Create {
		return nil, "federated.unknown", nil
	}
	return e.create(ctx, s.Request.Organization, old, id)
}

// withAddress returns who has an address here, and whether several do.
func (e executor) withAddress(ctx context.Context, org, email string) (user *directory.User, shared bool, err error) {
	page, err := e.dir.Users.List(ctx, store.Query{Org: org, Filter: store.Equals("email", store.Text(email)), Limit: 2})
	if errors.Is(err, store.ErrUnindexed) {
		user, err = e.dir.Users.Find(ctx, org, directory.Identifier{Name: directory.ByEmail, Value: email})
		if errors.Is(err, store.ErrNotFound) {
			return nil, false, nil
		}
		return user, false, err
	}
	if err != nil || len(page.Items) == 0 {
		return nil, false, err
	}
	if len(page.Items) > 1 {
		return nil, true, nil
	}
	return page.Items[0], false, nil
}

// linkOwn connects an account there with whom the flow is about, within the session that the flow began in: it says in whose name the
// browser went, so a link that comes back after its end is nobody's, whoever sits there by now. A session whose subject was revoked has ended
// although nothing is written in it yet (directory.Sessions.SignsIn), and so has the proof of a flow without one.
func (e executor) linkOwn(ctx context.Context, s *flow.State, old *Link, id *rp.Identity) (*directory.Subject, string, error) {
	var session *directory.Session
	if ref := s.Session(); !ref.IsZero() {
		var (
			signsIn bool
			err     error
		)
		if session, err = e.dir.Sessions.Get(ctx, ref); err == nil {
			signsIn, err = e.dir.Sessions.SignsIn(ctx, session)
		}
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && !signsIn:
			return nil, "federated.failed", nil
		case err != nil:
			return nil, "", err
		}
	}
	subject, err := e.dir.Subjects.Get(ctx, s.Subject)
	if err == nil && subject.Epoch != s.SubjectEpoch() {
		return nil, "federated.failed", nil
	}
	return e.link(ctx, old, subject, session, id, err)
}

// link connects an account there with somebody who is here already, within a session if there is one.
func (e executor) link(
	ctx context.Context, old *Link, subject *directory.Subject, session *directory.Session, id *rp.Identity, err error,
) (*directory.Subject, string, error) {
	if err != nil {
		return nil, "", err
	}
	if subject.Status != directory.Active {
		return nil, "federated.disabled", nil
	}
	b := e.db.Batch()
	b.Check(e.dir.Subjects.Kind(), subject.Ref(), subject.Version)
	if session != nil {
		e.dir.Sessions.Check(b, session)
	}
	e.write(b, old, e.newLink(subject.Ref(), id))
	return subject, "", b.Apply(ctx)
}

// newLink is the link of an account there with somebody here.
func (e executor) newLink(subject store.Ref, id *rp.Identity) *Link {
	return &Link{
		Meta: store.Meta{ID: linkRef(id.Issuer, id.Subject).ID}, Connection: e.Name, Issuer: id.Issuer, ExternalID: id.Subject, Subject: subject,
		Label: cmp.Or(id.Email, id.Username, id.Name),
	}
}

// write adds the link to the batch, in the place of a dead one.
func (e executor) write(b *store.Batch, old, l *Link) {
	l.Created = b.Now()
	if old == nil {
		e.Connections.links.Insert(b, l)
	} else {
		l.Meta = old.Meta
		e.Connections.links.Replace(b, l)
	}
	b.Event(l.event("user.linked"))
}

// create makes an account, with the first name that nobody has.
func (e executor) create(ctx context.Context, org string, old *Link, id *rp.Identity) (*directory.Subject, string, error) {
	for _, name := range e.usernames(id) {
		u := e.newUser(org, name, id)
		b := e.db.Batch()
		subject, err := e.dir.AddUser(ctx, b, u)
		if err == nil {
			l := e.newLink(subject.Ref(), id)
			l.Made = true
			e.write(b, old, l)
			err = b.Apply(ctx)
		}
		taken, isTaken := errors.AsType[*directory.TakenError](err)
		_, isInvalid := errors.AsType[*directory.InvalidError](err)
		conflict, isConflict := errors.AsType[*store.Conflict](err)
		switch {
		case err == nil:
			subject, err = e.dir.Subjects.Get(ctx, subject.Ref())
			return subject, "", err
		case isTaken && taken.Name == "email":
			return nil, "federated.conflict", nil
		case isTaken, isInvalid, isConflict && conflict.Key.Name == "username": // the next name
		default:
			return nil, "", err
		}
	}
	return nil, "federated.conflict", nil
}

// usernames are those to try. One that looks like an address is only taken when it is the verified one: it would keep whoever owns it
// from signing in.
func (e executor) usernames(id *rp.Identity) []string {
	var names []string
	if id.Username != "" && !strings.Contains(id.Username, "@") {
		names = append(names, id.Username)
	}
	if id.EmailVerified {
		names = append(names, id.Email)
	}
	return append(names, e.Name+"-"+strings.ToLower(strings.Trim(secret.Hash(id.Issuer + "\x00" + id.Subject)[:16], "-_")))
}

// newUser is an account as the provider describes the person. What does not fit here is left out.
func (e executor) newUser(org, username string, id *rp.Identity) *directory.User {
	u := &directory.User{
		Meta: store.Meta{Org: org}, Store: e.Store, Username: username, Name: id.Name, GivenName: id.GivenName, FamilyName: id.FamilyName,
		Picture: id.Picture, Locale: id.Locale,
	}
	if id.EmailVerified {
		u.Email, u.EmailVerified = id.Email, true
	}
	if e.Map != nil {
		e.Map(u, id)
	}
	drop(u, u.Validate())
	return u
}

// drop empties the fields that break their rules.
func drop(u *directory.User, err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			drop(u, one)
		}
		return
	}
	broken, ok := errors.AsType[*directory.InvalidError](err)
	if !ok {
		return
	}
	switch field, _, _ := strings.Cut(broken.Field, "."); field {
	case "name":
		u.Name = ""
	case "givenName":
		u.GivenName = ""
	case "familyName":
		u.FamilyName = ""
	case "picture":
		u.Picture = ""
	case "locale":
		u.Locale = ""
	case "email":
		u.Email, u.EmailVerified = "", false
	case "attributes":
		u.Attributes = nil
	}
}
