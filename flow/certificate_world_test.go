package flow_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// authority issues certificates in a test.
type authority struct {
	*testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes a root that is in force in the world's year, and the next.
func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{T: t}
	a.cert, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	return a
}

// sign issues a certificate; without a parent it signs itself.
func (a *authority) sign(template *x509.Certificate, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		a.Fatal(err)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2033, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		a.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return cert, key
}

// issue is a person's certificate.
func (a *authority) issue(name string, edit ...func(*x509.Certificate)) *x509.Certificate {
	a.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, e := range edit {
		e(template)
	}
	cert, _ := a.sign(template, a)
	return cert
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// upn adds user principal names.
func upn(t *testing.T, names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		var all []asn1.RawValue
		for _, name := range names {
			text, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(name)})
			if err != nil {
				t.Fatal(err)
			}
			id, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3})
			if err != nil {
				t.Fatal(err)
			}
			tagged, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(id, tagged...)})
		}
		value, err := asn1.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
	}
}

// certified is a world in which people have certificates of an authority.
func certified(t *testing.T, p storetest.Placement, edit ...func(*flow.Certificates)) (*world, *authority) {
	t.Helper()
	ca := newAuthority(t, "Root")
	settings := &flow.Certificates{Roots: ca.pool(), InsecureIgnoreRevocation: true}
	for _, e := range edit {
		e(settings)
	}
	w := newWorld(t, p, func(c *flow.Config, _ *directory.Config) {
		c.Certificates = settings
		c.Plans = map[string]flow.Plan{"login": flow.LoginSteps{
			First: []string{"password", "x509"}, Second: []string{"totp", "x509"}, Enroll: []string{"x509-enroll", "totp-enroll"},
		}.Plan()}
	})
	return w, ca
}

// bind enrols a certificate beforehand, as who hands them out does.
func (w *world) bind(u *directory.User, cert *x509.Certificate) *directory.Credential {
	w.Helper()
	c := w.Credentials.NewCertificate(w.SubjectRef(u), "card", flow.CertificateOf(cert))
	b := w.db.Batch()
	w.must(w.Credentials.AddCertificate(w.Context(), b, c))
	w.must(b.Apply(w.Context()))
	return c
}

// present has a request come with a certificate, of the connection or in a header that a proxy has written.
func present(chain ...*x509.Certificate) func(*http.Request) {
	return func(r *http.Request) {
		if len(chain) > 0 {
			r.TLS = &tls.ConnectionState{PeerCertificates: chain}
		}
	}
}

// out is where a page that was left leads.
func (b *browser) out(p page) string {
	b.Helper()
	if p.View == nil || p.View.Prompt.Link == "" {
		b.Fatalf("no way out: %v", p)
	}
	return p.View.Prompt.Link
}

// local is a URL of the world's as a path.
func local(b *browser, to string) string {
	b.Helper()
	for _, origin := range []string{"https://id.example.com", "https://cards.example.com"} {
		if path, ok := strings.CutPrefix(to, origin); ok {
			return path
		}
	}
	b.Fatalf("led elsewhere: %q", to)
	return ""
}

// carry shows a certificate where the page has led, and returns the way back.
func (b *browser) carry(p page, edit ...func(*http.Request)) string {
	b.Helper()
	shown := b.do(http.MethodGet, local(b, b.out(p)), nil, edit...)
	if shown.Status != http.StatusSeeOther {
		b.Fatalf("nothing was shown: %v", shown)
	}
	return local(b, shown.Location)
}

// certify shows a certificate by the way of a page.
func (b *browser) certify(p page, action string, chain ...*x509.Certificate) page {
	b.Helper()
	return b.get(b.carry(b.submit(p, "action", action), present(chain...)))
}
