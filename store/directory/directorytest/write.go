package directorytest

import (
	"errors"
	"sync"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// refuses holds what Capabilities says cannot be done.
func refuses(p *proof) {
	c, u := p.Users.Capabilities(), &directory.User{Username: "new"}
	if p.Person != nil {
		u = p.Person
	}
	writes := map[string]func(b *store.Batch) error{}
	if !c.Write {
		writes["Create"] = func(b *store.Batch) error { return p.Users.Create(p.Context(), b, &directory.User{Username: "new"}) }
		writes["Replace"] = func(b *store.Batch) error { return p.Users.Replace(p.Context(), b, u) }
		writes["Delete"] = func(b *store.Batch) error { return p.Users.Delete(p.Context(), b, u) }
	}
	if !c.SetPassword {
		writes["SetPassword"] = func(b *store.Batch) error { return p.Users.SetPassword(p.Context(), b, u, password) }
	}
	for name, do := range writes {
		b := p.DB.Batch()
		if err := do(b); !errors.Is(err, directory.ErrReadOnly) || b.Len() != 0 {
			p.Errorf("%s returned %v and left %d operations; want directory.ErrReadOnly", name, err, b.Len())
		}
	}
}

func create(p *proof) {
	u := p.made("ann")
	got := p.present(directory.ByID, u.ID)
	if got.Username != "ann" || got.Email != "ann@example.com" {
		p.Errorf("created %q %q", got.Username, got.Email)
	}
	if other := p.made("bob"); other.ID == u.ID {
		p.Error("two users have one ID")
	}
}

func createTaken(p *proof) {
	// The address is in ASCII, as some stores demand.
	if err := p.create(&directory.User{Username: "zo\u00eb", Email: "zoe@example.com"}); err != nil {
		p.Fatalf("Create: %v", err)
	}
	for _, name := range []string{"zo\u00eb", "ZO\u00cb", "zoe\u0308"} {
		if err := p.create(&directory.User{Username: name, Email: "other@example.com"}); !isTaken(err) {
			p.Errorf("Create(%+q) beside one who has the name: %v; want a *directory.TakenError", name, err)
		}
	}
}

func createRace(p *proof) {
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { errs[i] = p.create(&directory.User{Username: "ann", Email: "ann@example.com"}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !isTaken(err):
			p.Errorf("a loser got %v; want a *directory.TakenError", err)
		}
	}
	if won != 1 {
		p.Errorf("%d of %d took one name", won, len(errs))
	}
	p.present(directory.ByUsername, "ann")
}

func replace(p *proof) {
	u := p.made("ann")
	u.Username, u.Email = "anna", "anna@example.com"
	write := func(b *store.Batch) error { return p.Users.Replace(p.Context(), b, u) }
	if err := p.apply(write); err != nil {
		p.Fatalf("Replace: %v", err)
	}
	if got := p.present(directory.ByID, u.ID); got.Username != "anna" || got.Email != "anna@example.com" {
		p.Errorf("replaced by %q %q", got.Username, got.Email)
	}
	p.present(directory.ByUsername, "anna")
	p.wantAbsent(directory.ByUsername, "ann")
	p.wantAbsent(directory.ByEmail, "ann@example.com")
	u.Username = "ANNA"
	if err := p.apply(write); err != nil {
		p.Errorf("writing again what was written, under the same name in other letters: %v", err)
	}
	p.made("ann") // the name is free
}

func replaceStale(p *proof) {
	u := p.made("ann")
	first, second := p.present(directory.ByID, u.ID), p.present(directory.ByID, u.ID)
	first.Email, second.Email = "first@example.com", "second@example.com"
	if err := p.apply(func(b *store.Batch) error { return p.Users.Replace(p.Context(), b, first) }); err != nil {
		p.Fatalf("Replace: %v", err)
	}
	err := p.apply(func(b *store.Batch) error { return p.Users.Replace(p.Context(), b, second) })
	if _, ok := errors.AsType[*store.Conflict](err); !ok {
		p.Errorf("Replace of a stale version: %v; want a *store.Conflict", err)
	}
	if got := p.present(directory.ByID, u.ID); got.Email != "first@example.com" {
		p.Errorf("the stale write won: %q", got.Email)
	}
}

func replaceTaken(p *proof) {
	p.made("ann")
	bob := p.made("bob")
	bob.Username = "Ann"
	if err := p.apply(func(b *store.Batch) error { return p.Users.Replace(p.Context(), b, bob) }); !isTaken(err) {
		p.Errorf("Replace under another's name: %v; want a *directory.TakenError", err)
	}
}

func remove(p *proof) {
	u, pass := p.person()
	fresh := p.present(directory.ByID, u.ID)
	if err := p.apply(func(b *store.Batch) error { return p.Users.Delete(p.Context(), b, fresh) }); err != nil {
		p.Fatalf("Delete: %v", err)
	}
	p.wantAbsent(directory.ByID, u.ID)
	p.wantAbsent(directory.ByUsername, u.Username)
	p.wantAbsent(directory.ByEmail, u.Email)
	if ok, _ := p.Users.VerifyPassword(p.Context(), u, pass); ok {
		p.Error("the password of a deleted user is right")
	}
	again := p.made("ann")
	if p.Users.Capabilities().SetPassword && p.verifies(again, pass) {
		p.Error("a new user of the name has the password of the old one")
	}
}

// discarded holds that a store in the DB writes nothing by itself.
func discarded(p *proof) {
	u := p.made("ann")
	b := p.DB.Batch()
	changed := p.present(directory.ByID, u.ID)
	changed.Email = "changed@example.com"
	for name, err := range map[string]error{
		"Create":  p.Users.Create(p.Context(), b, &directory.User{Username: "bob"}),
		"Replace": p.Users.Replace(p.Context(), b, changed),
	} {
		if err != nil {
			p.Errorf("%s: %v", name, err)
		}
	}
	p.wantAbsent(directory.ByUsername, "bob")
	if got := p.present(directory.ByID, u.ID); got.Email != "ann@example.com" {
		p.Errorf("a batch that was never applied changed the e-mail address to %q", got.Email)
	}
}
