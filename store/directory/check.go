package directory

import "github.com/signet-idp/signet/store"

// Check adds to a minting batch that the Subject stands as it was read.
func (s *Subjects) Check(b *store.Batch, subject *Subject) { s.all.Check(b, subject) }

// Check adds to a minting batch that the Session stands as it was read.
func (s *Sessions) Check(b *store.Batch, session *Session) { s.all.Check(b, session) }

// Check adds to a minting batch that the Application stands as it was read.
func (a *Applications) Check(b *store.Batch, app *Application) { a.all.Check(b, app) }
