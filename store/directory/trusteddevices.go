package directory

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// TrustLife is how long a device is trusted.
const TrustLife = 30 * 24 * time.Hour

// trustedDevice is a browser on which a person has asked not to be asked for a second factor.
type trustedDevice struct {
	store.Meta
	SecretHash string    `json:"secretHash"`
	Subject    store.Ref `json:"subject"`
	// SubjectEpoch and Factors are the Subject's epoch and their factors as they were: a new password, a factor more or less, and
	// another address or number that codes go to, make a stranger of the device.
	SubjectEpoch int64  `json:"subjectEpoch"`
	Factors      string `json:"factors"`
}

var trustedType = store.Type[trustedDevice]{Kind: store.Kind{Name: "directory.trusteddevice"}}

// Trust adds to the batch that a subject, who has just shown a second factor, is not asked for one on a device, and returns the value
// of the cookie by which it will be known: for TrustLife, or until their password or their factors change.
func (d *Devices) Trust(ctx context.Context, b *store.Batch, subject *Subject) (secret.Text, error) {
	factors, err := d.factors(ctx, subject)
	if err != nil {
		return "", err
	}
	key := secret.New()
	device := &trustedDevice{
		Meta: store.Meta{ID: store.NewID(), Expires: b.Now().Add(TrustLife)}, SecretHash: key.Hash(),
		Subject: subject.Ref(), SubjectEpoch: subject.Epoch, Factors: factors,
	}
	d.trusted.Insert(b, device)
	return cookieValue(device.ID, key), nil
}

// Trusted reports whether the cookie is that of a device which the subject trusts. An error is the store's.
func (d *Devices) Trusted(ctx context.Context, cookie string, subject *Subject) (bool, error) {
	id, presented, ok := splitCookie(cookie)
	if !ok {
		return false, nil
	}
	device, err := d.trusted.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !secret.Matches(device.SecretHash, presented) || device.Subject != subject.Ref() || device.SubjectEpoch != subject.Epoch {
		return false, nil
	}
	factors, err := d.factors(ctx, subject)
	return err == nil && factors == device.Factors, err
}

// factors stands for what a subject proves themselves with, all but the password, which moves the epoch: their credentials, and where
// codes are sent to.
func (d *Devices) factors(ctx context.Context, subject *Subject) (string, error) {
	list, err := d.credentials.List(ctx, subject.Ref())
	if err != nil {
		return "", err
	}
	user, err := d.user(ctx, subject)
	if err != nil {
		return "", err
	}
	all := []string{"mailto:" + verified(user.Email, user.EmailVerified), "tel:" + verified(user.Phone, user.PhoneVerified)}
	for _, c := range list {
		if c.Type != PasswordCredential {
			all = append(all, c.ID+"@"+strconv.FormatInt(c.Epoch, 10))
		}
	}
	slices.Sort(all)
	return secret.Hash(strings.Join(all, "\x00")), nil
}

// verified is an address that counts.
func verified(address string, is bool) string {
	if !is {
		return ""
	}
	return address
}
