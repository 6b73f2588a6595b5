package directory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// A person joins a group, signs in on a device, and is disabled.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ann is in admins
	// ann is signed in
	// nobody is signed in: true
}

func example(ctx context.Context) error {
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return err
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
	if err != nil {
		return err
	}
	dir, err := directory.New(directory.Config{DB: db})
	if err != nil {
		return err
	}

	ann := &directory.User{Username: "ann", Email: "ann@example.com"}
	if err := dir.CreateUser(ctx, ann, "correct horse battery staple"); err != nil {
		return err
	}
	admins := &directory.Group{Name: "admins"}
	if err := dir.Groups.Create(ctx, admins); err != nil {
		return err
	}
	if err := dir.Groups.AddMember(ctx, admins.Ref(), ann.Ref()); err != nil {
		return err
	}
	for group, err := range dir.Groups.GroupsOf(ctx, ann.Ref()) {
		if err != nil {
			return err
		}
		fmt.Println(ann.Username, "is in", group.Name)
	}

	subject, err := dir.SubjectOf(ctx, ann)
	if err != nil {
		return err
	}
	proof := directory.Evidence{Method: "password", AMR: []string{"pwd"}, Subject: subject.ID, Time: db.Now()}
	batch := db.Batch()
	_, cookie, err := dir.Sessions.Begin(ctx, batch, directory.NewSession{Subject: subject, Evidence: []directory.Evidence{proof}})
	if err != nil {
		return err
	}
	if err := batch.Apply(ctx); err != nil {
		return err
	}
	if _, err := dir.Sessions.Open(ctx, cookie.Reveal()); err != nil {
		return err
	}
	fmt.Println(ann.Username, "is signed in")

	if err := dir.Subjects.Disable(ctx, subject.Ref()); err != nil {
		return err
	}
	_, err = dir.Sessions.Open(ctx, cookie.Reveal())
	fmt.Println("nobody is signed in:", errors.Is(err, directory.ErrNoSession))
	return nil
}
