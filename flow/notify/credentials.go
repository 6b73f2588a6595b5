package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// credentialConsumer is the name under which wait what people are to be told about their credentials. It hears of them by the events of the
// directory: so they are told whoever adds or removes one, and wherever.
const credentialConsumer = "notify.credentials"

// linked is the event of an account at a provider that somebody can sign in by from then on.
const linked = "user.linked"

// credentialTemplates are what is said of an event.
var credentialTemplates = map[string]Template{
	"credential.added": CredentialAdded, "credential.removed": CredentialRemoved, linked: CredentialAdded, "user.unlinked": CredentialRemoved,
}

// credentialNames are those that are understood in all languages. What people call their credentials themselves is not said: whoever has
// added one to the account of somebody else chose that.
var credentialNames = map[directory.CredentialType]string{
	directory.TOTPCredential: "TOTP", directory.HOTPCredential: "HOTP", directory.PasskeyCredential: "Passkey", directory.PushCredential: "Push",
	directory.CertificateCredential: "X.509",
}

// watchCredentials tells people until ctx is done.
func (m *Messages) watchCredentials(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for ctx.Err() == nil {
		if err := m.tellOfCredentials(ctx); err != nil && ctx.Err() == nil {
			m.config.Logger.ErrorContext(ctx, "notify: people are not told of their credentials yet: the store failed", slog.String("cause", err.Error()))
		}
		select {
		case <-ctx.Done():
		case <-sweep.C:
		}
	}
}

// tellOfCredentials sends what is due.
func (m *Messages) tellOfCredentials(ctx context.Context) error {
	for range maintainRounds {
		claimed, err := m.db.Claim(ctx, credentialConsumer, claimLease, atOnce)
		problems := []error{err}
		for _, c := range claimed {
			problems = append(problems, m.tell(ctx, c))
		}
		if err := errors.Join(problems...); err != nil || len(claimed) == 0 {
			return err
		}
	}
	return nil
}

// tell sends the message of an event in the step that settles it, so that there is one however many nodes there are. What fails is due again
// when the lease ends.
func (m *Messages) tell(ctx context.Context, c *store.Claimed) error {
	b := m.db.Batch()
	message, err := m.notice(ctx, c.Event)
	if err == nil && message != nil {
		err = m.Send(b, *message)
	}
	if err != nil {
		return err
	}
	m.db.Finish(b, c)
	err = b.Apply(ctx)
	if _, faster := errors.AsType[*store.Conflict](err); faster {
		return nil
	}
	return err
}

// notice is what an event is to a person; nil when it is none of theirs: passwords have messages of their own, and who is gone, has no
// confirmed address, or has come to be with that link, is told nothing.
func (m *Messages) notice(ctx context.Context, event store.Event) (*Message, error) {
	var about struct {
		Type       directory.CredentialType `json:"type"`
		Connection string                   `json:"connection"`
	}
	if err := json.Unmarshal(event.Data, &about); err != nil || about.Type == directory.PasswordCredential || !m.Reaches(Email) {
		return nil, nil
	}
	subject, err := m.config.Directory.Subjects.Get(ctx, store.Ref{Org: event.Org, ID: event.Subject})
	var user *directory.User
	if err == nil {
		user, err = m.config.Directory.UserOf(ctx, subject)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case user.Email == "" || !user.EmailVerified, event.Type == linked && !event.Time.After(user.Created):
		return nil, nil
	}
	message := &Message{
		Template: credentialTemplates[event.Type], Channel: Email, To: user.Email, Subject: subject.Ref(), Organization: event.Org,
	}
	if name := cmp.Or(credentialNames[about.Type], about.Connection); name != "" {
		message.Params = map[string]string{"credential": name}
	}
	return message, nil
}
