package directory_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// A certificate is one thing had, and with the PIN that its issuer vouches for two factors; remembered, the PIN counts no more.
func TestAssessCertificates(t *testing.T) {
	t.Parallel()
	password := directory.Evidence{Method: "password", AMR: []string{"pwd"}}
	totp := directory.Evidence{Method: "totp", AMR: []string{"otp"}}
	key := directory.Evidence{Method: directory.ByCertificate, AMR: []string{"swk"}}
	card := directory.Evidence{Method: directory.ByCertificate, AMR: []string{"hwk", "sc", "pin"}, UserVerified: true}
	old := card
	old.Remembered = true
	for name, test := range map[string]struct {
		evidence []directory.Evidence
		want     string
	}{
		"a key": {[]directory.Evidence{key}, directory.ACR1}, "a card": {[]directory.Evidence{card}, directory.ACR2},
		"a card remembered": {[]directory.Evidence{old}, directory.ACR1}, "two keys": {[]directory.Evidence{key, key}, directory.ACR1},
		"a key beside an app": {[]directory.Evidence{key, totp}, directory.ACR1}, "beside a password": {[]directory.Evidence{password, key}, directory.ACR2},
	} {
		if got := directory.Assess(test.evidence).ACR; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Of those who give a person the last certificate that there is room for at once, one does.
func TestAttackCertificateLimitRaced(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := &directory.User{Username: "ann"}
		is(t, "create", w.CreateUser(t.Context(), ann, "correct horse battery"), nil)
		prepared := func(thumbprint string) (*store.Batch, error) {
			b := w.db.Batch()
			return b, w.Credentials.AddCertificate(t.Context(), b, w.Credentials.NewCertificate(ann.Ref(), "", directory.Certificate{Thumbprint: thumbprint}))
		}
		for i := range directory.MaxCertificates - 1 {
			b, err := prepared(strconv.Itoa(i))
			is(t, "add", errors.Join(err, b.Apply(t.Context())), nil)
		}
		one, err := prepared("one")
		is(t, "prepare", err, nil)
		other, err := prepared("other")
		is(t, "prepare", err, nil)
		is(t, "the first", one.Apply(t.Context()), nil)
		if _, overtaken := errors.AsType[*store.Conflict](other.Apply(t.Context())); !overtaken {
			t.Error("one more than there may be")
		}
		if _, err = prepared("other"); len(directory.Problems(err)) != 1 {
			t.Errorf("once more: %v", err)
		}
		is(t, "delete", w.DeleteUser(t.Context(), ann), nil)
	})
}

// A certificate is one person's, is found by its thumbprint alone, and is gone with its person.
func TestCertificateCredentials(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, bob := &directory.User{Username: "ann"}, &directory.User{Username: "bob"}
		is(t, "create", errors.Join(w.CreateUser(t.Context(), ann, "correct horse battery"), w.CreateUser(t.Context(), bob, "correct horse battery")), nil)
		add := func(u *directory.User, thumbprint string) error {
			b := w.db.Batch()
			c := w.Credentials.NewCertificate(u.Ref(), "card", directory.Certificate{Thumbprint: thumbprint, Expires: time.Now().Add(time.Hour)})
			if err := w.Credentials.AddCertificate(t.Context(), b, c); err != nil {
				return err
			}
			return b.Apply(t.Context())
		}
		is(t, "add", add(ann, "one"), nil)
		if err := add(bob, "one"); store.ConflictOn(err, w.Credentials.Kind()) == nil {
			t.Errorf("somebody else's: %v", err)
		}
		if err := add(bob, ""); len(directory.Problems(err)) != 1 {
			t.Errorf("without a thumbprint: %v", err)
		}
		got, err := w.Credentials.Certificate(t.Context(), "", "one")
		is(t, "find", err, nil)
		if got.Subject != ann.Ref() {
			t.Errorf("it is %v's", got.Subject)
		}
		is(t, "delete", w.DeleteUser(t.Context(), ann), nil)
		if _, err = w.Credentials.Certificate(t.Context(), "", "one"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of somebody who was deleted: %v", err)
		}
	})
}
