package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// PushDevice is what a Credential knows of a device that confirms sign-ins. Where messages to it go is sealed.
type PushDevice struct {
	Model string `json:"model,omitempty"`
	// PublicKey is the base64 of the SubjectPublicKeyInfo by which the device signs.
	PublicKey string `json:"publicKey"`
	// Provider delivers messages to the device, "" for the one there is, and Metadata is what it needs.
	Provider string            `json:"provider,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// pushInvitation is the short time in which a device may be registered.
type pushInvitation struct {
	store.Meta
	Subject store.Ref `json:"subject"`
	Epoch   int64     `json:"subjectEpoch"`
	// Session is the one in which it was asked for; zero is none.
	Session      store.Ref    `json:"session,omitzero"`
	SessionEpoch int64        `json:"sessionEpoch,omitempty"`
	Challenge    store.Sealed `json:"challenge"`
}

var (
	invitationKind = store.Kind{Name: "directory.pushinvitation"}
	invitationType = store.Type[pushInvitation]{Kind: invitationKind}
)

// invitationLife is how long a QR code may be scanned.
const invitationLife = 180 * time.Second

var (
	// ErrTooManyDevices says that a person has as many devices as PushPolicy allows.
	ErrTooManyDevices = errors.New("directory: as many devices as are allowed")
	// ErrNotInvited says that no device of this id may be registered, or not any more.
	ErrNotInvited = errors.New("directory: not invited to register a device, or not any more")
)

// PushInvitation is what the QR code says by which a device is registered.
type PushInvitation struct {
	// Device is the id that it will have, and Challenge what its signature has to cover.
	Device    string
	Challenge secret.Text
	subject   store.Ref
	epoch     int64
	session   *Session
}

// NewInvitation makes an invitation to register a device for the subject, as long as it is at an epoch.
func (p *Pushes) NewInvitation(subject store.Ref, epoch int64) PushInvitation {
	return PushInvitation{Device: store.NewID(), Challenge: secret.Text(secret.UUID()), subject: subject, epoch: epoch}
}

// Within binds the invitation to the session in which it was asked for: when that has ended, so has the invitation. Nil is none.
func (i PushInvitation) Within(session *Session) PushInvitation {
	i.session = session
	return i
}

// Invite adds to the batch that an invitation is good for three minutes, once, for whoever has its challenge.
func (p *Pushes) Invite(b *store.Batch, i PushInvitation) {
	invitation := &pushInvitation{Meta: store.Meta{ID: i.Device, Expires: b.Now().Add(invitationLife)}, Subject: i.subject, Epoch: i.epoch}
	if i.session != nil {
		invitation.Session, invitation.SessionEpoch = i.session.Ref(), i.session.Epoch
	}
	invitation.Challenge = p.db.Seal(invitationKind, invitation.Ref(), "challenge", []byte(i.Challenge.Reveal()))
	p.invitations.Insert(b, invitation)
}

// Invitation returns whom a device of the id may be registered for, and the challenge, which its signature has to cover. The error is
// ErrNotInvited, or the store's.
func (p *Pushes) Invitation(ctx context.Context, device string) (subject store.Ref, challenge secret.Text, err error) {
	invitation, err := p.invitation(ctx, device)
	if err != nil {
		return store.Ref{}, "", err
	}
	text, err := p.db.Unseal(invitationKind, invitation.Ref(), "challenge", invitation.Challenge)
	return invitation.Subject, secret.Text(text), err
}

func (p *Pushes) invitation(ctx context.Context, device string) (*pushInvitation, error) {
	if !validID(device) {
		return nil, ErrNotInvited
	}
	invitation, err := p.invitations.Get(ctx, store.Ref{ID: device})
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotInvited
	}
	return invitation, err
}

// Register adds to the batch that the device to which an invitation was given is the person's, and uses the invitation up. Token is
// where messages to it are sent. The event is "credential.added". Errors are ErrNotInvited and ErrTooManyDevices; of several who
// register at once one is applied, and the others get a *store.Conflict and begin anew.
func (p *Pushes) Register(ctx context.Context, b *store.Batch, device, label string, about PushDevice, token secret.Text) (*Credential, error) {
	invitation, err := p.invitation(ctx, device)
	if err != nil {
		return nil, err
	}
	subject := invitation.Subject
	owner, err := p.subjects.check(ctx, subject, invitation.Epoch)
	if errors.Is(err, ErrChainBroken) {
		return nil, ErrNotInvited
	}
	if err != nil {
		return nil, err
	}
	if err := p.checkSession(ctx, b, invitation); err != nil {
		return nil, err
	}
	policy, err := Resolve(ctx, p.settings, p.settings.Push, subject.Org, "")
	if err != nil {
		return nil, err
	}
	record, err := p.of(ctx, subject) // written as well: two devices at once are counted one after the other
	if err != nil {
		return nil, err
	}
	owned, err := p.Devices(ctx, subject)
	if err != nil {
		return nil, err
	}
	if len(owned) >= policy.Devices {
		return nil, ErrTooManyDevices
	}
	credential := &Credential{
		Meta: store.Meta{Org: subject.Org, ID: device}, Subject: subject, Type: PushCredential, Label: cmp.Or(label, about.Model),
		Push: &about, Epoch: firstEpoch(), Created: b.Now(),
	}
	p.credentials.seal(credential, token)
	p.subjects.Check(b, owner)
	p.put(b, record)
	p.invitations.Delete(b, invitation)
	p.credentials.all.Insert(b, credential)
	b.Event(credential.event("credential.added"))
	return credential, nil
}

// checkSession adds to the batch that the session in which an invitation was asked for has not ended.
func (p *Pushes) checkSession(ctx context.Context, b *store.Batch, invitation *pushInvitation) error {
	if invitation.Session.IsZero() {
		return nil
	}
	session, err := p.sessions.Get(ctx, invitation.Session)
	if errors.Is(err, store.ErrNotFound) || err == nil && (session.Status != Active || session.Epoch != invitation.SessionEpoch) {
		return ErrNotInvited
	}
	if err == nil {
		p.sessions.Check(b, session)
	}
	return err
}

// Devices returns the devices of a subject, oldest first.
func (p *Pushes) Devices(ctx context.Context, subject store.Ref) ([]*Credential, error) {
	list, err := p.credentials.List(ctx, subject)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c *Credential) bool { return c.Type != PushCredential || c.Push == nil })
	slices.SortFunc(list, func(a, b *Credential) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Device returns the subject's device of an id, or store.ErrNotFound.
func (p *Pushes) Device(ctx context.Context, subject store.Ref, id string) (*Credential, error) {
	if !validID(id) {
		return nil, store.ErrNotFound
	}
	credential, err := p.credentials.Get(ctx, store.Ref{Org: subject.Org, ID: id})
	if err == nil && (credential.Type != PushCredential || credential.Push == nil || credential.Subject != subject) {
		return nil, store.ErrNotFound
	}
	return credential, err
}

// Named returns the device of an id, whoever's it is, or store.ErrNotFound: for a device that speaks for itself, and has yet to prove that.
func (p *Pushes) Named(ctx context.Context, id string) (*Credential, error) {
	if !validID(id) {
		return nil, store.ErrNotFound
	}
	credential, err := p.credentials.Get(ctx, store.Ref{ID: id})
	if err == nil && (credential.Type != PushCredential || credential.Push == nil) {
		return nil, store.ErrNotFound
	}
	return credential, err
}

// Token is where messages to the device are sent.
func (p *Pushes) Token(device *Credential) (secret.Text, error) { return p.credentials.open(device) }
