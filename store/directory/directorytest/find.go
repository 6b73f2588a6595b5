package directorytest

import (
	"context"
	"errors"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func absent(p *proof) {
	for _, value := range []string{"nobody", "", "0", "nobody@example.com", "a'; DROP TABLE users; --", "*", "\x00", strings.Repeat("x", 10_000)} {
		for _, name := range []directory.IdentifierName{directory.ByID, directory.ByUsername, directory.ByEmail, "shoe-size"} {
			p.wantAbsent(name, value)
		}
	}
}

func find(p *proof) {
	u, _ := p.person()
	if u.ID == "" {
		p.Fatal("the user has no ID")
	}
	for _, got := range []*directory.User{
		p.present(directory.ByID, u.ID),
		p.present(directory.ByUsername, u.Username),
		p.present(directory.ByUsername, strings.ToUpper(u.Username)),
		p.present(directory.ByUsername, strings.ToLower(u.Username)),
	} {
		if got.ID != u.ID || got.Username != u.Username {
			p.Errorf("found %q %q, want %q %q", got.ID, got.Username, u.ID, u.Username)
		}
	}
	p.wantAbsent(directory.ByUsername, u.Username+"x")
	p.wantAbsent(directory.ByUsername, u.Username[:len(u.Username)-1])
	p.wantAbsent(directory.ByID, u.ID+"x")
}

func findByEmail(p *proof) {
	ann := p.made("ann")
	got, err := p.find(directory.ByEmail, "ANN@Example.com")
	if errors.Is(err, store.ErrNotFound) {
		p.Skip("the store has no e-mail index")
	}
	if err != nil || got.ID != ann.ID {
		p.Fatalf("Find = %v, %v", got, err)
	}
	if err := p.create(&directory.User{Username: "bob", Email: "Ann@example.com"}); err != nil {
		p.Skipf("the store keeps e-mail addresses unique: %v", err)
	}
	p.wantAbsent(directory.ByEmail, "ann@example.com")
}

// findByPhone: a number that nobody has verified is no name.
func findByPhone(p *proof) {
	bob := &directory.User{Username: "bob", Phone: "+49 (30) 123-456", PhoneVerified: true}
	if err := p.create(bob); err != nil {
		p.Skipf("the store keeps no telephone numbers: %v", err)
	}
	got, err := p.find(directory.ByPhone, "+4930123456")
	if errors.Is(err, store.ErrNotFound) {
		p.Skip("the store has no index of telephone numbers")
	}
	if err != nil || got.ID != bob.ID {
		p.Fatalf("Find = %v, %v", got, err)
	}
	if err := p.create(&directory.User{Username: "cid", Phone: "+4940123456"}); err != nil {
		p.Fatalf("Create: %v", err)
	}
	p.wantAbsent(directory.ByPhone, "+4940123456")
}

func copies(p *proof) {
	u, _ := p.person()
	p.present(directory.ByID, u.ID).Username = "changed"
	if got := p.present(directory.ByID, u.ID); got.Username == "changed" {
		p.Error("a change to a found value changed the store")
	}
}

func disabled(p *proof) {
	u := p.made("ann")
	u.Disabled = true
	if err := p.apply(func(b *store.Batch) error { return p.Users.Replace(p.Context(), b, u) }); err != nil {
		p.Fatalf("Replace: %v", err)
	}
	if !p.present(directory.ByUsername, "ann").Disabled {
		p.Error("Disabled was not kept")
	}
}

// cancelled holds that a call that was given up does not claim that somebody is absent.
func cancelled(p *proof) {
	u, _ := p.person()
	ctx, cancel := context.WithCancel(p.Context())
	cancel()
	if _, err := p.Users.Find(ctx, "", directory.Identifier{Name: directory.ByID, Value: u.ID}); errors.Is(err, store.ErrNotFound) {
		p.Error("Find says store.ErrNotFound of somebody who exists")
	}
}
