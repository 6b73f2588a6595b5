package idptest

import (
	"testing"

	"github.com/signet-idp/signet/store/directory"
)

// TB is the test that the server belongs to.
func (s *Server) TB() testing.TB { return s.t }

// Lose takes a person's authenticator app and phone away, which the provider does not know.
func (s *Server) Lose(u *directory.User) {
	delete(s.authenticators, s.Provider.Directory.SubjectRef(u))
	delete(s.phones, s.Provider.Directory.SubjectRef(u))
}
