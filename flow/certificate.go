package flow

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Certificates are the settings of X.509 certificates that people have, on a card or in their browser: Config.Certificates. With it there
// are the Executors "x509", to begin with or as a second factor, and "x509-enroll".
//
// A certificate is somebody's because it was enrolled (directory.Credentials.AddCertificate, or "x509-enroll"), or because its Name says so.
// It must be one of Roots, in force, for the authentication of clients (the extended key usage must say so), and not revoked, whenever it is
// shown.
//
// The page sends the browser to /login/certificate, where it shows its certificate. The server must ask for certificates there and let the
// handshake succeed with any or none (tls.Config.ClientAuth: tls.RequestClientCert); who issued one is judged here. A browser
// that was asked once shows the same certificate again, so ask on a host of its own (URL).
type Certificates struct {
	// Roots issue the certificates of people, through Intermediates and those that come with a certificate. Required: a
	// certificate of anybody is nobody's.
	Roots, Intermediates *x509.CertPool
	// Policies are certificate policies (RFC 5280 §4.2.1.4), one of which a certificate must be issued under. Nil asks for none.
	Policies []x509.OID
	// CardPolicies are those under which keys are kept in hardware that asks for a PIN before each use. A certificate of one of them is two
	// factors. Nil counts every certificate as one.
	CardPolicies []x509.OID
	// Revoked judges a chain, from the certificate to the root, by a list or a responder of its issuer: nil for one that stands,
	// ErrCertificateRevoked for one that does not. Any other error says that this could not be found out, and refuses as well. It is called
	// for chains to Roots alone, on the request's path, with a context that ends with it, by many goroutines at once. Required,
	// unless InsecureIgnoreRevocation is set.
	Revoked func(ctx context.Context, chain []*x509.Certificate) error
	// InsecureIgnoreRevocation lets certificates in that were revoked, until they expire.
	InsecureIgnoreRevocation bool
	// Name is where a certificate says whose it is that was not enrolled: the user name of somebody, or for CertificateEmail the address, which
	// must have been verified. "" lets in only what was enrolled. A certificate without the name, or with several, is nobody's. Set it
	// only where all of Roots issue names of this directory.
	Name CertificateName
	// Proxies end TLS in front of the provider, and send the certificate in Header: nobody else is believed, and the certificate of the
	// connection is not looked at when it is a proxy's. They must remove Header from what they receive. Whether a request comes from one
	// is judged by http.Request.RemoteAddr, which must be the connection's.
	Proxies []netip.Prefix
	// Header is what the Proxies write; "" is Client-Cert (RFC 9440). See oidc.MutualTLS for the others.
	Header string
	// URL is the issuer as browsers reach it that are asked for a certificate, where that is another host or port: https, without a
	// slash at the end. The same handler serves it. "" is the issuer's.
	URL string
}

// CertificateName is a part of a certificate.
type CertificateName = clientcert.Name

// The names: attributes of the subject, and entries of the subjectAltName.
const (
	CertificateCommonName   = clientcert.CommonName
	CertificateUserID       = clientcert.UserID
	CertificateSerialNumber = clientcert.SerialNumber
	CertificateEmail        = clientcert.Email
	// CertificateUPN is the user principal name of smart cards (otherName 1.3.6.1.4.1.311.20.2.3).
	CertificateUPN = clientcert.UPN
)

// ErrCertificateRevoked is the answer of Certificates.Revoked for a chain of which a part was revoked.
var ErrCertificateRevoked = errors.New("flow: the certificate was revoked")

// CertificateOf is what directory.Credentials.NewCertificate takes of a certificate, for whoever hands certificates out.
func CertificateOf(c *x509.Certificate) directory.Certificate {
	return directory.Certificate{Thumbprint: clientcert.Thumbprint(c), Expires: c.NotAfter}
}

const (
	certificateOption = directory.ByCertificate
	certificateEnroll = "x509-enroll"

	// certificatePath is where certificates are shown.
	certificatePath = "/login/certificate"
	// certificateField is what was seen there, sealed.
	certificateField = "certificate"
)

func (c *Certificates) check() error {
	if c == nil {
		return nil
	}
	var problems []error
	if c.Roots == nil {
		problems = append(problems, errors.New("flow: Config.Certificates.Roots is required: a certificate of anybody is nobody's"))
	}
	if (c.Revoked == nil) != c.InsecureIgnoreRevocation {
		problems = append(problems, errors.New("flow: Config.Certificates needs either Revoked or InsecureIgnoreRevocation"))
	}
	if c.Header != "" && len(c.Proxies) == 0 {
		problems = append(problems, errors.New("flow: Config.Certificates.Header needs Proxies: a header from anybody is a forgery"))
	}
	names := []CertificateName{"", CertificateCommonName, CertificateUserID, CertificateSerialNumber, CertificateEmail, CertificateUPN}
	if !slices.Contains(names, c.Name) {
		problems = append(problems, fmt.Errorf("flow: Config.Certificates.Name %q is none", c.Name))
	}
	if c.URL != "" {
		if _, err := web.NewSite(c.URL, nil); err != nil {
			problems = append(problems, fmt.Errorf("flow: Config.Certificates.URL: %w", err))
		}
	}
	return errors.Join(problems...)
}

// certificates is Certificates in use.
type certificates struct {
	Certificates
	source    clientcert.Source
	authority clientcert.Authority
	db        *store.DB
	dir       *directory.Directory
	log       *slog.Logger
	// at is the URL of certificatePath.
	at string
}

// open makes what the settings say for an issuer; nil for nil.
func (c *Certificates) open(config *Config, site *web.Site) *certificates {
	if c == nil || site == nil {
		return nil
	}
	at := site.URL(certificatePath)
	if c.URL != "" {
		if other, err := web.NewSite(c.URL, nil); err == nil { // else check has said so
			if other, err = moved(other, config.Paths); err == nil {
				at = other.URL(certificatePath)
			}
		}
	}
	return &certificates{
		Certificates: *c, source: clientcert.Source{Proxies: c.Proxies, Header: c.Header},
		authority: clientcert.Authority{Roots: c.Roots, Intermediates: c.Intermediates},
		db:        config.DB, dir: config.Directory, log: config.Logger, at: at,
	}
}

// executors are those of certificates, by name.
func (c *certificates) executors() map[string]Executor {
	if c == nil {
		return nil
	}
	return map[string]Executor{
		certificateOption: certificateExecutor{c}, certificateEnroll: certificateEnroller{c},
	}
}

// certificateExecutor asks for a certificate. It may be the first thing that is asked: then it says who somebody is.
type certificateExecutor struct{ *certificates }

var (
	_ Leaving   = certificateExecutor{}
	_ Selective = certificateExecutor{}
	_ Leaving   = certificateEnroller{}
)

// Proves implements Prover.
func (certificateExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: certificateOption, AMR: []string{"swk"}}}
}

// Usable implements Selective: who has enrolled a certificate, and has not shown it yet. That others may have one that was not enrolled
// is for a plan to know.
func (certificateExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	if s.Subject.IsZero() {
		return true, nil
	}
	if s.shown(certificateOption) {
		return false, nil
	}
	return s.Enrolled(ctx, directory.CertificateCredential)
}

// Label implements Leaving.
func (certificateExecutor) Label() Message { return Message{ID: "method.x509"} }

// Callback implements Leaving.
func (*certificates) Callback() string { return certificateOption }

// Prepare implements Executor.
func (*certificates) Prepare(context.Context, *State) error { return nil }

// Prompt implements Executor.
func (certificateExecutor) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{
		Step: certificateOption, Title: Message{ID: "x509.title"}, Intro: Message{ID: "x509.intro"},
		Actions: []Action{{Name: certificateOption, Label: "x509.continue"}},
	}, nil
}

// Judge sends the browser to where certificates are asked for. What it brings back is for this flow, and for this once.
func (c *certificates) Judge(_ context.Context, s *State, _ Input) (Verdict, error) {
	state := s.Flow + "." + secret.Short().Reveal()
	return Verdict{Outcome: Leave, To: c.at + "?" + url.Values{"state": {state}}.Encode(), Data: []byte(state)}, nil
}

// Return implements Leaving: it finds out whose certificate was shown.
func (c certificateExecutor) Return(ctx context.Context, s *State, answer url.Values) (Verdict, error) {
	seen, problem, err := c.seen(s, answer)
	if err != nil || problem != "" {
		return refusedCertificate(problem), err
	}
	credential, user, err := c.owner(ctx, s, seen)
	if errors.Is(err, store.ErrNotFound) {
		return refusedCertificate("x509.unknown"), nil
	}
	if err != nil {
		return Verdict{}, err
	}
	subject, err := c.dir.SubjectOf(ctx, user)
	switch {
	case err != nil:
		return Verdict{}, err
	case !s.Subject.IsZero() && subject.Ref() != s.Subject:
		return refusedCertificate("x509.other"), nil
	case user.Disabled || subject.Status != directory.Active:
		return refusedCertificate("x509.disabled"), nil
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Person: user.Username, Evidence: []directory.Evidence{seen.evidence(subject, credential)},
	}, nil
}

// owner returns whose certificate it is: who has enrolled it, with the credential, or else whom its name says. The error is
// store.ErrNotFound for nobody's.
func (c *certificates) owner(ctx context.Context, s *State, seen *sighting) (*directory.Credential, *directory.User, error) {
	org := s.Request.Organization
	if !s.Subject.IsZero() {
		org = s.Subject.Org
	}
	credential, err := c.dir.Credentials.Certificate(ctx, org, seen.Thumbprint)
	if err == nil {
		subject, err := c.dir.Subjects.Get(ctx, credential.Subject)
		if err != nil {
			return nil, nil, err
		}
		user, err := c.dir.UserOf(ctx, subject)
		return credential, user, err
	}
	if !errors.Is(err, store.ErrNotFound) || seen.Name == "" {
		return nil, nil, err
	}
	by := directory.Identifier{Name: directory.ByUsername, Value: seen.Name}
	if c.Name == CertificateEmail {
		by.Name = directory.ByEmail
	}
	user, err := c.dir.Users.Find(ctx, org, by)
	if err == nil && c.Name == CertificateEmail && !user.EmailVerified { // which anybody may write into their account
		return nil, nil, store.ErrNotFound
	}
	return nil, user, err
}

// refusedCertificate asks again, for another way or another certificate.
func refusedCertificate(id string) Verdict {
	return Verdict{Outcome: Again, Messages: []Message{{ID: id, Level: Error}}}
}

// certificateEnroller makes a certificate that somebody shows theirs.
type certificateEnroller struct{ *certificates }

// Proves implements Prover.
func (certificateEnroller) Proves() []directory.Evidence { return certificateExecutor{}.Proves() }

// Label implements Leaving.
func (certificateEnroller) Label() Message { return Message{ID: "method.x509-enroll"} }

// Prompt implements Executor.
func (certificateEnroller) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{
		Step: certificateEnroll, Title: Message{ID: "x509-enroll.title"}, Intro: Message{ID: "x509-enroll.intro"},
		Actions: []Action{{Name: certificateEnroll, Label: "x509-enroll.continue"}},
	}, nil
}

// rejudges implements rejudging: a certificate may be somebody's by now, or one too many.
func (certificateEnroller) rejudges() {}

// Return implements Leaving. A certificate whose name is somebody else's is theirs, whoever holds it.
func (c certificateEnroller) Return(ctx context.Context, s *State, answer url.Values) (Verdict, error) {
	seen, problem, err := c.seen(s, answer)
	if err != nil || problem != "" {
		return refusedCertificate(problem), err
	}
	subject, err := c.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return Verdict{}, err
	}
	credential, owner, err := c.owner(ctx, s, seen)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return Verdict{}, err
	case err == nil && c.dir.SubjectRef(owner) != s.Subject:
		return refusedCertificate("x509.other"), nil
	case credential != nil:
		return Verdict{Outcome: Proceed, Subject: subject, Evidence: []directory.Evidence{seen.evidence(subject, credential)}}, nil
	}
	return c.add(ctx, subject, seen)
}

// add is the verdict by which a certificate becomes the subject's.
func (c certificateEnroller) add(ctx context.Context, subject *directory.Subject, seen *sighting) (Verdict, error) {
	made := c.dir.Credentials.NewCertificate(subject.Ref(), seen.Label, directory.Certificate{Thumbprint: seen.Thumbprint, Expires: seen.Expires})
	err := c.dir.Credentials.AddCertificate(ctx, c.db.Batch(), made) // whether there is room; that of the verdict says so for certain
	if len(directory.Problems(err)) > 0 {
		return refusedCertificate("x509-enroll.full"), nil
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Evidence: []directory.Evidence{seen.evidence(subject, made)},
		Write: func(b *store.Batch) error {
			err := c.dir.Credentials.AddCertificate(ctx, b, made)
			if len(directory.Problems(err)) > 0 { // the last that there was room for is another
				return errOvertaken
			}
			return err
		},
	}, err
}
