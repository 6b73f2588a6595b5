package idptest

import (
	"strings"

	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// SecurityKey is somebody's authenticator for passkeys, in software, with the part that a browser plays: Page.UsePasskey signs with it and
// makes passkeys. Its fields may be changed between pages.
type SecurityKey struct {
	// Verifies says that it checks the person, as by a fingerprint; without, it merely wants to be touched, and what it has is a second
	// factor alone.
	Verifies bool

	key *authenticator.Authenticator
}

// SecurityKey returns a device without passkeys, which checks the person.
func (s *Server) SecurityKey() *SecurityKey {
	s.t.Helper()
	if s.rp == nil {
		s.t.Fatal("idptest: there are no passkeys; an edit has to set Config.Passkeys")
	}
	return &SecurityKey{Verifies: true, key: authenticator.New(s.origin)}
}

// EnrollPasskey gives a person a device with a passkey. SignIn uses it from now on wherever a passkey will do.
func (s *Server) EnrollPasskey(u *directory.User) *SecurityKey {
	s.t.Helper()
	device, dir := s.SecurityKey(), s.Provider.Directory
	subject := dir.SubjectRef(u)
	user, err := dir.Credentials.PasskeyUser(s.t.Context(), subject, s.rp.RPID())
	s.must("make a passkey", err)
	begun, err := s.rp.BeginRegistration(mfa.Registration{UserHandle: user.Handle, Username: u.Username}, s.Now())
	s.must("make a passkey", err)
	answer, err := device.key.Create(begun.Options)
	s.must("make a passkey", err)
	made, err := s.rp.FinishRegistration(begun.Session, answer, s.Now())
	s.must("make a passkey", err)
	b := s.Provider.DB.Batch()
	s.must("keep a passkey", dir.Credentials.AddPasskey(s.t.Context(), b, user, dir.Credentials.NewPasskey(subject, "idptest", directory.Passkey{
		ID: made.ID, RPID: made.RPID, UserHandle: made.UserHandle, PublicKey: made.PublicKey, Algorithm: made.Algorithm, Counter: made.Counter,
		BackupEligible: made.BackupEligible, BackedUp: made.BackedUp, UserVerified: made.UserVerified, Discoverable: made.Discoverable,
		Transports: made.Transports, AAGUID: made.AAGUID,
	})))
	s.must("keep a passkey", b.Apply(s.t.Context()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.securityKeys[subject] = device
	return device
}

// securityKey returns the person's device, nil when there is none.
func (s *Server) securityKey(u *directory.User) *SecurityKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.securityKeys[s.Provider.Directory.SubjectRef(u)]
}

// relyingParty is what the provider is to passkeys, as flow makes it of its settings, and the origin at which its pages are.
func (s *Server) relyingParty(settings mfa.Passkeys) {
	s.t.Helper()
	scheme, rest, _ := strings.Cut(s.URL, "://")
	host, _, _ := strings.Cut(rest, "/")
	s.origin = scheme + "://" + host
	if settings.RPID == "" {
		settings.RPID, _, _ = strings.Cut(host, ":")
	}
	if len(settings.Origins) == 0 {
		settings.Origins = []string{s.origin}
	}
	var err error
	s.rp, err = mfa.NewRelyingParty(settings)
	s.must("prepare passkeys", err)
}

// UsePasskey answers what the page asks of authenticators, as its script does: it signs with a passkey of the device, or makes one, and
// returns the page that follows. A page that asks for nothing, or for what the device does not have, ends the test.
func (p *Page) UsePasskey(device *SecurityKey) *Page {
	s := p.browser.server
	s.t.Helper()
	part := p.byID["webauthn"]
	if part == nil {
		s.t.Fatalf("idptest: no passkey is asked for on %v", p)
	}
	device.key.Verifies = device.Verifies
	var answer []byte
	var err error
	if options := []byte(part.attrs["data-options"]); part.attrs["data-ceremony"] == "create" {
		answer, err = device.key.Create(options)
	} else {
		answer, err = device.key.Get(options)
	}
	s.must("answer "+p.String(), err)
	for _, f := range p.forms {
		if !f.fill("credential", []string{string(answer)}) {
			continue
		}
		target, err := p.URL.Parse(f.action)
		s.must("submit to "+f.action, err)
		values := f.values()
		values.Del("password") // the script leaves it at home
		values.Set("action", part.attrs["data-action"])
		return p.browser.send(p.submission(f, target, values), p.stop)
	}
	s.t.Fatalf("idptest: no form takes a passkey on %v", p)
	return nil
}
