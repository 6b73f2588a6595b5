// Package mfa holds authentication factors as pure ceremonies: functions from secrets,
// answers and the time to a judgement. It knows no HTTP and keeps nothing; it imports no
// other package of this module and works without them.
//
// # TOTP
//
// Time-based one-time passwords are the six digits an authenticator app shows. [TOTP] is
// the configuration; its zero value, with an Issuer, is what every app understands.
//
//	package main
//
//	import (
//		"errors"
//		"fmt"
//		"log"
//		"os"
//		"time"
//
//		"github.com/signet-idp/signet/mfa"
//	)
//
//	func main() {
//		totp := mfa.TOTP{Issuer: "Example"}
//
//		// Enrolment: the user scans the image and types the code that the app shows.
//		secret, err := totp.Enroll("alice@example.com")
//		if err != nil {
//			log.Fatal(err)
//		}
//		image, err := totp.QR(secret.URI(), 256)
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := os.WriteFile("enrol.png", image, 0o600); err != nil {
//			log.Fatal(err)
//		}
//
//		// What a store would keep, sealed, for each credential.
//		key, lastStep := secret.Bytes(), int64(0)
//
//		for {
//			var code string
//			fmt.Print("Code: ")
//			if _, err := fmt.Scanln(&code); err != nil {
//				log.Fatal(err)
//			}
//			step, err := totp.Verify(key, code, lastStep, time.Now())
//			switch {
//			case errors.Is(err, mfa.ErrReplayed):
//				fmt.Println("That code was used already; wait for the next one.")
//			case errors.Is(err, mfa.ErrWrongCode):
//				fmt.Println("Wrong code.")
//			case err != nil:
//				log.Fatal(err)
//			default:
//				lastStep = step // in a store: by compare-and-swap, before anyone is let in
//				fmt.Println("Welcome.")
//			}
//		}
//	}
//
// # What the caller owes
//
// A ceremony cannot see other requests. Who calls it has to
//   - keep the secret sealed, and beside it the last step that was accepted;
//   - advance that step by compare-and-swap and let the user in only if the swap was
//     won, for the code that completes the enrolment too: two requests with the same code
//     are otherwise both right;
//   - count failures for each credential and stop in time: a code has a million values and
//     a window of three steps.
//
// # Specifications
//
// Covered: RFC 6238 (TOTP) with the HOTP computation of RFC 4226 §5, and the otpauth URI
// that authenticator apps scan.
//
// Not covered yet: HOTP as a factor of its own (RFC 4226 §7: look-ahead and
// resynchronisation), one-time codes by mail and SMS, passkeys (WebAuthn), push
// notifications, backup codes.
package mfa
