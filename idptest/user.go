package idptest

import (
	"sync"
	"time"

	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// Password is the password of everybody whom User adds.
const Password = "correct horse battery staple"

// User adds a person with that user name, the Password, and the verified address <username>@example.com. Each edit may
// change what is not written yet.
func (s *Server) User(username string, edits ...func(*directory.User)) *directory.User {
	s.t.Helper()
	u := &directory.User{Username: username, Name: username, Email: username + "@example.com", EmailVerified: true}
	for _, edit := range edits {
		edit(u)
	}
	s.must("add a person", s.Provider.Directory.CreateUser(s.t.Context(), u, Password))
	return u
}

// SignOut ends all sessions of a person, as an administrator does: what hangs on them is refused from now on.
func (s *Server) SignOut(u *directory.User) {
	s.t.Helper()
	dir := s.Provider.Directory
	s.must("end the sessions", dir.Sessions.EndAllOf(s.t.Context(), dir.SubjectRef(u), "", "idptest"))
}

// EnrollTOTP gives a person an authenticator app as second factor. SignIn uses it where a code is asked for.
func (s *Server) EnrollTOTP(u *directory.User) *Authenticator {
	s.t.Helper()
	secret, err := mfa.TOTP{Issuer: "idptest"}.Enroll(u.Username)
	s.must("make a TOTP secret", err)
	dir, b := s.Provider.Directory, s.Provider.DB.Batch()
	s.must("enroll", dir.Credentials.EnrollTOTP(s.t.Context(), b, dir.SubjectRef(u), "idptest", secret.Bytes(), 0))
	s.must("enroll", b.Apply(s.t.Context()))
	return s.hand(u, secret.Bytes())
}

// hand gives a person an authenticator app with a seed.
func (s *Server) hand(u *directory.User, seed []byte) *Authenticator {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &Authenticator{server: s, seed: seed}
	s.authenticators[s.Provider.Directory.SubjectRef(u)] = a
	return a
}

// authenticator returns the person's authenticator app, nil when there is none.
func (s *Server) authenticator(u *directory.User) *Authenticator {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.authenticators[s.Provider.Directory.SubjectRef(u)]
}

// Authenticator is somebody's authenticator app (RFC 6238).
type Authenticator struct {
	server *Server
	seed   []byte

	mu   sync.Mutex
	last time.Time // when the step of the last code began
}

// totpStep is how long an app shows a code.
const totpStep = 30 * time.Second

// Code returns a code that it has not returned before. Where a person would wait for the app to show the next one, the
// provider's clock moves to that moment.
func (a *Authenticator) Code() string {
	t := a.server.t
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if next := a.last.Add(totpStep); !a.last.IsZero() && a.server.Now().Before(next) {
		a.server.Advance(next.Sub(a.server.Now()))
	}
	a.last = a.server.Now().Truncate(totpStep)
	code, err := mfa.TOTP{}.Code(a.seed, a.last)
	a.server.must("make a code", err)
	return code
}
