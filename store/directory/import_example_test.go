package directory_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// People come from a file with a JSON object a line, as docs/migration.md describes it.
func ExampleDirectory_Import() {
	if err := importExample(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// row 2: hash is of a kind that is not read
	// created 1, present 0, rejected 1
	// ann's password is right: true
}

func importExample(ctx context.Context) error {
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

	file := strings.NewReader(`
{"externalId":"17","username":"ann","email":"ann@example.com","emailVerified":true,"hash":"{SSHA}pKqkNr1tq3wtQqk+UcPyA3HnA2NsU5NJ","groups":["staff"]}
{"externalId":"18","username":"bob","hash":"{MD5}X03MO1qnZdYdgyfeuILPmQ=="}`[1:])

	count, err := dir.Import(ctx, directory.Import{
		Source: "crm", Rows: directory.JSONLines(file), CreateGroups: true,
		Rejected: func(r directory.Rejection) error {
			_, err := fmt.Printf("row %d: %s %s\n", r.Row, r.Field, r.Reason)
			return err
		},
	})
	if err != nil {
		return err // the same once more goes on where it was
	}
	fmt.Printf("created %d, present %d, rejected %d\n", count.Created, count.Present, count.Rejected)

	ann, err := dir.FindUser(ctx, "", "ann")
	if err != nil {
		return err
	}
	right, err := dir.Users.VerifyPassword(ctx, ann, "password")
	fmt.Println("ann's password is right:", right)
	return err
}

// The other system has a sign-in of its own, which is asked until everybody has come over.
func ExampleVerifierFunc() {
	old := directory.VerifierFunc(func(ctx context.Context, username, password string) (directory.Verification, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://old.example.com/session", http.NoBody)
		if err != nil {
			return directory.Verification{}, err
		}
		r.SetBasicAuth(username, password)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return directory.Verification{}, err
		}
		defer answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusOK:
			return directory.Verification{OK: true, Profile: &directory.User{Username: username}}, nil
		case http.StatusUnauthorized:
			return directory.Verification{}, nil
		}
		return directory.Verification{}, fmt.Errorf("the old system answers %s", answer.Status) // 503 here, not a wrong password
	})

	config := directory.Config{Verifier: old} // or signet.Config
	fmt.Println(config.Verifier != nil)
	// Output: true
}
