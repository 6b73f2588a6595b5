package directory

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// CertificateCredential is an X.509 certificate of the person's own. A person may have several, up to MaxCertificates.
const CertificateCredential CredentialType = "x509"

// MaxCertificates is how many certificates a person may have.
const MaxCertificates = 10

// Certificate is what is known of an X.509 certificate that somebody shows. Its key is nowhere but with them.
type Certificate struct {
	// Thumbprint is "x5t#S256" of the certificate (RFC 8705 §3.1), by which it is known again. A renewed certificate is another.
	Thumbprint string `json:"thumbprint"`
	// Expires is when it will not do any more.
	Expires time.Time `json:"expires"`
}

// certificateKey is the unique key of a certificate: in an organization it is one person's.
func certificateKey(thumbprint string) store.Key {
	return store.Key{Name: "certificate", Value: secret.Hash(thumbprint)}
}

// Certificate returns the credential of the certificate with a thumbprint, in an organization, or store.ErrNotFound.
func (c *Credentials) Certificate(ctx context.Context, org, thumbprint string) (*Credential, error) {
	return c.all.Lookup(ctx, org, certificateKey(thumbprint))
}

// NewCertificate prepares a certificate of a subject for AddCertificate.
func (c *Credentials) NewCertificate(subject store.Ref, label string, certificate Certificate) *Credential {
	id := subject.ID + "/" + string(CertificateCredential) + "/" + secret.Hash(certificate.Thumbprint)
	return &Credential{
		Meta: store.Meta{Org: subject.Org, ID: id}, Subject: subject, Type: CertificateCredential, Label: label,
		Epoch: firstEpoch(), Created: c.db.Now(), Certificate: &certificate,
	}
}

// AddCertificate adds to the batch that the person has the certificate that NewCertificate prepared. Whoever hands certificates out may call
// it beforehand; whether it is one of a trusted issuer is judged whenever it is shown. The event is "credential.added". Errors:
// *InvalidError, also for more than MaxCertificates; from the batch a *store.Conflict on Kind when somebody has that certificate already, and on
// another kind when the person was given another certificate meanwhile.
func (c *Credentials) AddCertificate(ctx context.Context, b *store.Batch, credential *Credential) error {
	if credential.Certificate == nil || credential.Certificate.Thumbprint == "" {
		return &InvalidError{Field: "certificate", Problem: "has no thumbprint"}
	}
	if err := checkLabel(credential.Label); err != nil {
		return err
	}
	have, err := c.List(ctx, credential.Subject)
	if err != nil {
		return err
	}
	count := 0
	for _, other := range have {
		if other.Certificate != nil {
			count++
		}
	}
	if count >= MaxCertificates {
		return &InvalidError{Field: "certificate", Problem: "is one too many"}
	}
	if err := c.countCertificate(ctx, b, credential.Subject); err != nil {
		return err
	}
	c.all.Insert(b, credential)
	b.Event(credential.event("credential.added"))
	return nil
}

// cardholder is written by whoever gives a person a certificate, so that two at once cannot both be the last that there is room for.
type cardholder struct{ store.Meta }

var cardholderType = store.Type[cardholder]{Kind: store.Kind{Name: "directory.cardholder"}}

func (c *Credentials) countCertificate(ctx context.Context, b *store.Batch, subject store.Ref) error {
	holder, err := c.cardholders.Get(ctx, subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		c.cardholders.Insert(b, &cardholder{store.Meta{Org: subject.Org, ID: subject.ID}})
	case err != nil:
		return err
	default:
		c.cardholders.Replace(b, holder)
	}
	return nil
}

// forgetCardholder removes that somebody who goes had certificates.
func (c *Credentials) forgetCardholder(ctx context.Context, b *store.Batch, subject store.Ref) error {
	holder, err := c.cardholders.Get(ctx, subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		c.cardholders.Delete(b, holder)
	}
	return err
}
