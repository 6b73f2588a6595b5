package mfa_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/signet-idp/signet/mfa"
)

func ExampleTOTP() {
	totp := mfa.TOTP{Issuer: "Example"}
	secret, err := totp.Enroll("alice@example.com")
	if err != nil {
		log.Fatal(err)
	}
	image, err := totp.QR(secret.URI(), 256)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("an image to scan:", len(image) > 0)

	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	code, err := totp.Code(secret.Bytes(), now) // the user's app does this
	if err != nil {
		log.Fatal(err)
	}
	step, err := totp.Verify(secret.Bytes(), code, 0, now)
	fmt.Println("first use:", err)
	_, err = totp.Verify(secret.Bytes(), code, step, now)
	fmt.Println("second use:", err, errors.Is(err, mfa.ErrReplayed))
	fmt.Println("in a log:", secret)
	// Output:
	// an image to scan: true
	// first use: <nil>
	// second use: mfa: code was used before true
	// in a log: REDACTED
}
