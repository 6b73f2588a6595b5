// Package directorytest proves an implementation of directory.Users, such as a host's own table of people. Whoever
// passes is understood by every door of Signet:
//
//	func TestUsers(t *testing.T) {
//		directorytest.Run(t, func(t *testing.T) directorytest.Target {
//			table := openEmptyTable(t)
//			return directorytest.Target{Users: table, DB: openDB(t)}
//		})
//	}
//
// What a store says it cannot do (directory.Capabilities) is proven to be refused instead.
//
// # Not covered
//
// Which fields besides Username and Email a store keeps, and what it does when it cannot be reached: it must return an
// error that is not store.ErrNotFound, and only its owner can make it unreachable.
package directorytest

import (
	"errors"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Target is what Run puts to the proof.
type Target struct {
	// Users is the implementation, without people but for Person.
	Users directory.Users
	// DB makes the batches that the writing methods get. For a store that is InBatch it is where people live.
	DB *store.DB
	// Person is somebody who exists and Password is theirs: for a store that does not write. Zero otherwise.
	Person   *directory.User
	Password string
}

// Run proves Users in subtests, each over a fresh Target. Open may use t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Target) {
	for _, c := range []struct {
		name string
		need need
		test func(*proof)
	}{
		{"absent", nothing, absent},
		{"find", people, find},
		{"find by e-mail", write, findByEmail},
		{"find by telephone number", write, findByPhone},
		{"found values are copies", people, copies},
		{"disabled people are found", write, disabled},
		{"cancelled", people, cancelled},
		{"read-only", readOnly, refuses},
		{"create", write, create},
		{"create taken", write, createTaken},
		{"create race", write, createRace},
		{"replace", write, replace},
		{"replace stale", write, replaceStale},
		{"replace taken", write, replaceTaken},
		{"delete", write, remove},
		{"discarded batch", inBatch, discarded},
		{"password", people | passwords, verifyPassword},
		{"password of nobody", nothing, passwordOfNobody},
		{"password takes its time", people | passwords, passwordTime},
		{"set password", passwords, setPassword},
		{"no password", write, noPassword},
		{"list", write, list},
		{"list filtered", write, listFiltered},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &proof{T: t, Target: open(t)}
			if why := c.need.missing(p); why != "" {
				t.Skip(why)
			}
			c.test(p)
		})
	}
}

// need is what a case needs of the store.
type need uint8

const (
	people need = 1 << iota // somebody who exists
	write
	readOnly
	inBatch
	passwords
	nothing need = 0
)

// missing says why a case does not apply, or "".
func (n need) missing(p *proof) string {
	c := p.Users.Capabilities()
	switch {
	case n&people != 0 && !c.Write && p.Person == nil:
		return "the store does not write and Target.Person is nil"
	case n&write != 0 && !c.Write:
		return "the store does not write"
	case n&readOnly != 0 && c.Write && c.SetPassword:
		return "the store writes"
	case n&inBatch != 0 && !c.InBatch:
		return "the store is not in the DB"
	case n&passwords != 0 && !c.SetPassword && p.Person == nil:
		return "the store does not set passwords"
	}
	return ""
}

// proof is one case at work.
type proof struct {
	*testing.T
	Target
}

// password is the password of those whom person makes.
const password = "correct horse battery"

// apply does a write with a batch of its own, as the directory does.
func (p *proof) apply(step func(b *store.Batch) error) error {
	b := p.DB.Batch()
	if err := step(b); err != nil {
		return err
	}
	return b.Apply(p.Context())
}

func (p *proof) create(u *directory.User) error {
	return p.apply(func(b *store.Batch) error { return p.Users.Create(p.Context(), b, u) })
}

// made creates a user or ends the case.
func (p *proof) made(username string) *directory.User {
	p.Helper()
	u := &directory.User{Username: username, Email: username + "@example.com"}
	if err := p.create(u); err != nil {
		p.Fatalf("Create(%q): %v", username, err)
	}
	return u
}

// person returns somebody who exists, with their password where the store has passwords.
func (p *proof) person() (*directory.User, string) {
	p.Helper()
	if p.Person != nil {
		return p.Person, p.Password
	}
	u := p.made("ann")
	if p.Users.Capabilities().SetPassword {
		err := p.apply(func(b *store.Batch) error { return p.Users.SetPassword(p.Context(), b, u, password) })
		if err != nil {
			p.Fatalf("SetPassword: %v", err)
		}
	}
	return u, password
}

func (p *proof) find(name directory.IdentifierName, value string) (*directory.User, error) {
	return p.Users.Find(p.Context(), "", directory.Identifier{Name: name, Value: value})
}

// present finds a user or ends the case.
func (p *proof) present(name directory.IdentifierName, value string) *directory.User {
	p.Helper()
	u, err := p.find(name, value)
	if err != nil {
		p.Fatalf("Find(%s %q): %v", name, value, err)
	}
	return u
}

func (p *proof) wantAbsent(name directory.IdentifierName, value string) {
	p.Helper()
	if u, err := p.find(name, value); !errors.Is(err, store.ErrNotFound) || u != nil {
		p.Errorf("Find(%s %q) = %v, %v; want nil, store.ErrNotFound", name, value, u, err)
	}
}

func (p *proof) verifies(u *directory.User, pass string) bool {
	p.Helper()
	ok, err := p.Users.VerifyPassword(p.Context(), u, pass)
	if err != nil {
		p.Errorf("VerifyPassword: %v", err)
	}
	return ok
}

// isTaken reports whether err says that a name belongs to somebody else. A store in the DB may learn it only when the
// batch is applied.
func isTaken(err error) bool {
	if _, ok := errors.AsType[*directory.TakenError](err); ok {
		return true
	}
	c, ok := errors.AsType[*store.Conflict](err)
	return ok && c.Reason == store.Exists
}
