package directory

import (
	"context"
	"time"

	"github.com/signet-idp/signet/store"
)

// PersonalData is everything that a Directory knows of one person, as they may ask for it (GDPR articles 15 and 20). It holds no
// secrets, and encodes as JSON. What protocols know besides, as consents, goes into Further.
type PersonalData struct {
	Exported    time.Time            `json:"exported"`
	ID          string               `json:"id"`
	Store       string               `json:"userStore"`
	State       AccountState         `json:"accountState,omitempty"`
	Profile     *User                `json:"profile,omitempty"`
	Groups      []string             `json:"groups,omitempty"`
	Roles       []string             `json:"roles,omitempty"`
	Credentials []PersonalCredential `json:"credentials,omitempty"`
	Sessions    []PersonalSession    `json:"sessions,omitempty"`
	LastSignIn  time.Time            `json:"lastSignIn,omitzero"`
	Locks       []AccountLocks       `json:"locks,omitempty"`
	Events      []PersonalEvent      `json:"events,omitempty"`
	Further     map[string]any       `json:"further,omitempty"`
}

// PersonalCredential is a Credential without what proves it.
type PersonalCredential struct {
	Type    CredentialType `json:"type"`
	Label   string         `json:"label,omitempty"`
	Created time.Time      `json:"created"`
}

// PersonalSession is a Session without its secret.
type PersonalSession struct {
	Created   time.Time `json:"created"`
	Ends      time.Time `json:"ends"`
	Status    Status    `json:"status"`
	UserAgent string    `json:"userAgent,omitempty"`
	Address   string    `json:"address,omitempty"`
	Methods   []string  `json:"methods,omitempty"`
}

// PersonalEvent is an Event about the person.
type PersonalEvent struct {
	Time time.Time `json:"time"`
	Type string    `json:"type"`
}

// maxPersonalEvents bounds how many events are exported, the last ones first.
const maxPersonalEvents = 1000

// PersonalData collects what is known of a subject.
func (d *Directory) PersonalData(ctx context.Context, s *Subject) (*PersonalData, error) {
	data := &PersonalData{Exported: d.db.Now(), ID: s.ID, Store: s.storeName(), State: s.State()}
	for _, collect := range []func(context.Context, *Subject, *PersonalData) error{
		d.ownProfile, d.ownGroups, d.ownCredentials, d.ownSessions, d.ownEvents,
	} {
		if err := collect(ctx, s, data); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (d *Directory) ownProfile(ctx context.Context, s *Subject, data *PersonalData) (err error) {
	if s.Kind == Person {
		if data.Profile, err = d.UserOf(ctx, s); err != nil {
			return err
		}
	}
	if data.LastSignIn, err = d.Sessions.LastSignIn(ctx, s.Ref()); err != nil {
		return err
	}
	data.Locks, err = d.Locks.Guesses(ctx, s, "password", "totp")
	return err
}

func (d *Directory) ownGroups(ctx context.Context, s *Subject, data *PersonalData) error {
	for group, err := range d.Groups.GroupsOf(ctx, s.Ref()) {
		if err != nil {
			return err
		}
		data.Groups = append(data.Groups, group.Name)
	}
	roles, err := d.Roles.RolesOf(ctx, s.Ref())
	for _, role := range roles {
		data.Roles = append(data.Roles, role.Name)
	}
	return err
}

func (d *Directory) ownCredentials(ctx context.Context, s *Subject, data *PersonalData) error {
	credentials, err := d.Credentials.List(ctx, s.Ref())
	for _, c := range credentials {
		data.Credentials = append(data.Credentials, PersonalCredential{Type: c.Type, Label: c.Label, Created: c.Created})
	}
	return err
}

func (d *Directory) ownSessions(ctx context.Context, s *Subject, data *PersonalData) error {
	query := store.Query{Filter: store.Equals("subject", pointer(s.Ref())), Sort: "created"}
	for session, err := range d.Sessions.all.All(ctx, query) {
		if err != nil {
			return err
		}
		own := PersonalSession{
			Created: session.Created, Ends: session.Ends, Status: session.Status, UserAgent: session.UserAgent, Address: session.Address,
		}
		for _, e := range session.Evidence {
			own.Methods = append(own.Methods, e.Method)
		}
		data.Sessions = append(data.Sessions, own)
	}
	return nil
}

func (d *Directory) ownEvents(ctx context.Context, s *Subject, data *PersonalData) error {
	page, err := d.db.Events(ctx, store.Query{
		Org: s.Org, Filter: store.Equals("subject", store.Text(s.ID)), Sort: "time", Descending: true, Limit: maxPersonalEvents,
	})
	for _, e := range page.Items {
		data.Events = append(data.Events, PersonalEvent{Time: e.Time, Type: e.Type})
	}
	return err
}
