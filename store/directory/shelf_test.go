package directory_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// shelf is a user store apart from the DB, which notes what it is asked and fails, hangs or panics when it is told to.
type shelf struct {
	can directory.Capabilities

	mu        sync.Mutex
	people    []*directory.User // by id, which counts from 1
	passwords map[string]string
	trouble   func(ctx context.Context, method string) error
	asked     []string
}

func newShelf(name string, people ...string) *shelf {
	s := &shelf{can: directory.Capabilities{Name: name, Write: true, SetPassword: true}, passwords: map[string]string{}}
	for _, name := range people {
		s.add(name)
	}
	return s
}

// add puts somebody on the shelf, as the host does, with goodPassword.
func (s *shelf) add(name string) *directory.User {
	u := &directory.User{Username: name, Email: name + "@" + s.can.Name + ".example"}
	_ = s.Create(context.Background(), nil, u)
	s.passwords[u.ID] = s.password()
	return u
}

// password is what everybody of the shelf has.
func (s *shelf) password() string { return goodPassword + " of " + s.can.Name }

// readOnly makes the shelf refuse to write.
func (s *shelf) readOnly() *shelf {
	s.can.Write, s.can.SetPassword = false, false
	return s
}

// does sets what happens whenever the shelf is asked; nil is nothing.
func (s *shelf) does(trouble func(ctx context.Context, method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = trouble
}

// fails makes every method return err.
func (s *shelf) fails(err error) {
	s.does(func(context.Context, string) error { return err })
}

// hang waits until nobody waits for the answer any more.
func hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// told returns what the shelf was asked since the last time.
func (s *shelf) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *shelf) ask(ctx context.Context, method, about string) error {
	s.mu.Lock()
	trouble := s.trouble
	s.asked = append(s.asked, method+" "+about)
	s.mu.Unlock()
	if trouble != nil {
		return trouble(ctx, method)
	}
	return ctx.Err()
}

func (s *shelf) Capabilities() directory.Capabilities { return s.can }

func (s *shelf) Find(ctx context.Context, org string, by directory.Identifier) (*directory.User, error) {
	if err := s.ask(ctx, "find", string(by.Name)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.people {
		have := map[directory.IdentifierName]string{directory.ByID: u.ID, directory.ByUsername: u.Username, directory.ByEmail: u.Email}[by.Name]
		if org == "" && have != "" && (have == by.Value || (by.Name != directory.ByID && directory.Fold(have) == directory.Fold(by.Value))) {
			c := *u
			return &c, nil
		}
	}
	return nil, store.ErrNotFound
}

func (s *shelf) List(ctx context.Context, q store.Query) (store.Listing[directory.User], error) {
	var page store.Listing[directory.User]
	if err := s.ask(ctx, "list", q.After); err != nil {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.people {
		entries := []store.Entry{{Field: "id", Value: store.Text(u.ID)}, {Field: "username", Value: store.Text(u.Username)}}
		if q.Filter != nil && !q.Filter.Match(entries) {
			continue
		}
		page.Count = min(q.Count, page.Count+1)
		switch {
		case u.ID <= q.After || page.Next != "":
		case len(page.Items) == q.Limit:
			page.Next = page.Items[q.Limit-1].ID
		default:
			c := *u
			page.Items = append(page.Items, &c)
		}
	}
	return page, nil
}

func (s *shelf) Create(ctx context.Context, _ *store.Batch, u *directory.User) error {
	if err := s.ask(ctx, "create", u.Username); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.ID, u.Version = fmt.Sprint(len(s.people)+1), 1
	c := *u
	s.people = append(s.people, &c)
	return nil
}

// at returns where somebody stands, at the version that was read.
func (s *shelf) at(u *directory.User) (int, error) {
	i := slices.IndexFunc(s.people, func(p *directory.User) bool { return p.ID == u.ID })
	if i < 0 {
		return 0, &store.Conflict{Reason: store.Absent, Ref: u.Ref()}
	}
	if s.people[i].Version != u.Version {
		return 0, &store.Conflict{Reason: store.Version, Ref: u.Ref()}
	}
	return i, nil
}

func (s *shelf) Replace(ctx context.Context, _ *store.Batch, u *directory.User) error {
	if err := s.ask(ctx, "replace", u.ID); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.at(u)
	if err == nil {
		u.Version++
		c := *u
		s.people[i] = &c
	}
	return err
}

func (s *shelf) Delete(ctx context.Context, _ *store.Batch, u *directory.User) error {
	if err := s.ask(ctx, "delete", u.ID); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.at(u)
	if err == nil {
		s.people = slices.Delete(s.people, i, i+1)
		delete(s.passwords, u.ID)
	}
	return err
}

func (s *shelf) SetPassword(ctx context.Context, _ *store.Batch, u *directory.User, pass string) error {
	if err := s.ask(ctx, "set password", u.ID); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passwords[u.ID] = pass
	return nil
}

func (s *shelf) VerifyPassword(ctx context.Context, u *directory.User, pass string) (bool, error) {
	about := "nobody " + strings.Trim(pass, "*")
	if u != nil {
		about = u.ID + " " + pass
	}
	if err := s.ask(ctx, "verify", about); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return u != nil && pass != "" && s.passwords[u.ID] == pass, nil
}

// sideBySide is a world with shelves in order and the default store where a nil is.
func sideBySide(t *testing.T, shelves ...*shelf) *world {
	t.Helper()
	return together(t, func(c *directory.Config) { c.UserStores = stand(shelves...) })
}

func stand(shelves ...*shelf) (stores []directory.UserStore) {
	for _, s := range shelves {
		if s == nil {
			stores = append(stores, directory.UserStore{})
		} else {
			stores = append(stores, directory.UserStore{Users: s})
		}
	}
	return stores
}
