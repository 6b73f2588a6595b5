package directory

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// deviceLife is how long a device is known after a sign-in.
const deviceLife = 180 * 24 * time.Hour

// device is a browser on which a subject has signed in before.
type device struct {
	store.Meta
	SecretHash string    `json:"secretHash"`
	Subject    store.Ref `json:"subject"`
	// SubjectEpoch is the Subject's when it signed in: whatever ends what a person has, as a new password, makes strangers of
	// their devices.
	SubjectEpoch int64 `json:"subjectEpoch,omitempty"`
}

var deviceType = store.Type[device]{Kind: store.Kind{Name: "directory.device"}}

// Devices knows again the browsers on which people have signed in, so that the guesses of others do not lock them out:
// see AttemptKey.Device. Knowing a device proves nothing else.
type Devices struct {
	all         *store.Collection[device]
	trusted     *store.Collection[trustedDevice]
	credentials *Credentials
	// user is Directory.UserOf.
	user func(ctx context.Context, s *Subject) (*User, error)
}

func newDevices(db *store.DB, credentials *Credentials, user func(context.Context, *Subject) (*User, error)) *Devices {
	return &Devices{
		all: store.NewCollection(db, deviceType), trusted: store.NewCollection(db, trustedType), credentials: credentials, user: user,
	}
}

// Remember adds to the batch that a subject has signed in on a device, and returns the value of the cookie by which it
// will be known for 180 days, or until the subject's epoch moves, as with a new password.
func (d *Devices) Remember(b *store.Batch, subject *Subject) secret.Text {
	key := secret.New()
	known := &device{
		Meta:       store.Meta{ID: store.NewID(), Expires: b.Now().Add(deviceLife)},
		SecretHash: key.Hash(), Subject: subject.Ref(), SubjectEpoch: subject.Epoch,
	}
	d.all.Insert(b, known)
	return cookieValue(known.ID, key)
}

// Known returns the id of the device that a cookie names if the subject has signed in on it, and "" otherwise. Nobody, nil, has
// signed in nowhere, and costs the same. An error is the store's.
func (d *Devices) Known(ctx context.Context, cookie string, subject *Subject) (string, error) {
	id, presented, ok := splitCookie(cookie)
	if !ok {
		return "", nil
	}
	known, err := d.all.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !secret.Matches(known.SecretHash, presented) || subject == nil ||
		known.Subject != subject.Ref() || known.SubjectEpoch != subject.Epoch {
		return "", nil
	}
	return known.ID, nil
}
