// Package mfa holds authentication factors as pure ceremonies: functions from secrets,
// answers and the time to a judgement. It knows no HTTP and keeps nothing, and works without
// the other packages of this module.
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
// # Passkeys
//
// A passkey is a key pair whose private half never leaves an authenticator, and which browsers use for one domain alone, so that
// nobody can be talked into showing it elsewhere. [Passkeys] is the configuration and [RelyingParty] performs the two ceremonies of
// WebAuthn. Each has two halves: the first makes what the page hands to the browser and what the server keeps, the second judges
// what came back.
//
//	rp, err := mfa.NewRelyingParty(mfa.Passkeys{RPID: "example.com", Origins: []string{"https://id.example.com"}})
//	…
//	ceremony, err := rp.BeginRegistration(mfa.Registration{UserHandle: handle, Username: "ann"}, time.Now())
//	// ceremony.Session stays, ceremony.Options goes: navigator.credentials.create({publicKey:
//	// PublicKeyCredential.parseCreationOptionsFromJSON(options)}), and what it resolves to comes back as JSON.
//	passkey, err := rp.FinishRegistration(session, answer, time.Now())
//	…
//	ceremony, err = rp.BeginAuthentication(mfa.Authentication{}, time.Now())
//	…
//	claim, err := rp.Claim(answer)                             // whose it says it is: find that Passkey by claim.ID
//	proven, err := rp.FinishAuthentication(session, answer, passkey, time.Now())
//
// # The other factors
//
// [HOTP] is the token with a button. [OneTimeCode] and [MagicLink] are sent to people, by mail
// or SMS; [BackupCodes] lie in a drawer; with [Push] a person confirms on their own device
// by typing a number that the page shows. Each makes something to hand out and something to
// keep, from which nobody without the keys learns the former:
//
//	code, sent, err := mfa.OneTimeCode{}.Issue(keys, binding, now) // mail the code, keep sent
//	sent, err = sent.Judge(keys, binding, typed, now)              // keep what is left of it
//
//	prompt, err := mfa.Push{}.New(now) // show prompt.Number, send prompt.ID and prompt.Challenge
//	answer, err := mfa.VerifyPushAnswer(token, key, now)
//	ok := err == nil && answer.Approves() && answer.Repeats(hash) // and the number is the one shown
//
// # What the caller owes
//
// A ceremony cannot see other requests. Who calls it has to
//   - keep the secret sealed, and beside it the last step that was accepted, or the counter
//     that is expected next;
//   - advance that by compare-and-swap and let the user in only if the swap was won, for the
//     code that completes the enrolment too: two requests with the same code are otherwise
//     both right. Likewise a code that was sent, a link, a backup code and a prompt are used
//     up by the step that lets the user in;
//   - count failures for each account and factor and stop in time: a code has a million
//     values, and one that was sent anew as many chances as the one before;
//   - bound what is sent to one address, and how often somebody is asked to confirm.
//
// For passkeys, who calls it has to
//   - keep each session where the browser neither sees nor chooses it, and take it out for good before it acts on the outcome:
//     the challenge in it is good once;
//   - keep one user handle for each person, and ids unique among all people;
//   - write what [Assertion] has as the Passkey over the version that was read, by compare-and-swap, before it lets anyone in:
//     the counter is worth something only then.
//
// # Specifications
//
// Covered: RFC 6238 (TOTP); RFC 4226 (HOTP) with look-ahead and resynchronisation (§7.4); the
// otpauth URIs that authenticator apps scan; codes and prompts after NIST SP 800-63B-4 §3.1.3
// (a secret crosses from one device to the other, is used once and dies in ten minutes).
// RFC 7515 and RFC 7519 for the answers of devices, of one algorithm for each key.
// Web Authentication Level 3 §5 to §8 as a relying party, with related origins (§5.11) and signals (§5.1.11); FIDO Metadata Service 3
// without looking up revoked certificates.
//
// Not covered yet: extensions of WebAuthn beyond credProps, and keys of other algorithms than ES256, EdDSA and RS256.
package mfa
