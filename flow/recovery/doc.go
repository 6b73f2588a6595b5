// Package recovery speaks with programs through which people recover their account, an application's own pages say: the Account Recovery API v2, in the
// JSON of WSO2 Identity Server. It is a [flow.Program] over the plans "recover" and "recover-username": it decides nothing, and every rule of package
// flow holds.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/flow/notify"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	// terminal is an EmailSender of the host's own.
//	type terminal struct{}
//
//	func (terminal) SendEmail(_ context.Context, m notify.Mail) error {
//		log.Printf("to %s: %s\n%s", m.To, m.Subject, m.Text)
//		return nil
//	}
//
//	func main() {
//		keys, err := store.OpenKeyFile("keyring")
//		if err != nil {
//			log.Fatal(err)
//		}
//		idp, err := signet.New(signet.Config{
//			Issuer: "http://localhost:8080", Store: memory.New(), Keys: keys, RecoveryAPI: true,
//			Messages: &notify.Senders{Email: terminal{}, From: "Example <no-reply@example.com>"},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(http.ListenAndServe("localhost:8080", idp)) // POST /api/users/v2/recovery/password/init, …
//	}
//
// docs/recovery-api.md has the calls with their bodies. Without the facade, the Transport is Config.Recovery of a flow.Engine, and its Routes are for
// the host's mux.
//
// # Codes
//
// The codes of the contract are opaque: the secret of the flow (256 bits, stored hashed) and a digest that binds it to a call and to a point of the flow.
// A code is good for its call, until that has succeeded: a wrong code from a message, or a password that the policy refuses, uses up none; sending
// again uses up the resendCode, and hands out another. flowConfirmationCode names the flow at each point of it. What is sent to a flow that is
// over, unknown, or of another organization gets the answer of a code that is no code.
//
// # Safety
//
// There is no authorization: whoever may open the pages may use this; scripts in browsers, from the origins that may call the token endpoint
// (oidc.CORS). No cookie is read or set. init looks for nobody: the channels are those that directory.RecoveryPolicy opens, and of an address it
// shows what was typed. Nothing after it tells who has an account. Codes are sent and guessed within the bounds of the pages: those of a ticket
// (RecoveryPolicy.Tries, Resends), of the account (directory.LockPolicy), of the flow, and of the address (directory.ThrottlePolicy). A password that was set ends
// everything that was issued to the person, and signs in nobody. Of several that are set at once with one code, one is.
//
// # Errors
//
// {"code","message","description","traceId"}:
//
//	UAR-10001 400  the request is malformed (413, 415); 406 for a recoveryCode that is not good
//	UAR-10004 400  there is no such channel, or it was closed
//	UAR-10009 404  no channel is open for the claim
//	UAR-10012 406  the resendCode is not good
//	UAR-10013 406  the code from the message is wrong, or the resetCode is not good
//	UAR-10014 429  there were too many requests or messages; Retry-After
//	UAR-10015 406  the confirmationCode or flowConfirmationCode is not good
//	UAR-10016 406  there were too many wrong codes: the flow is over
//	UAR-10017 501  the plan has a step for which there is no call
//	UAR-15004 503  not now
//	PWR-10003 400  there is no password
//	PWR-10004 403  passwords are not recovered in this organization
//	PWR-10005 412  the password was used before; with the resetCode, which is good still
//	PWR-10006 412  the password does not keep to the policy; with the resetCode
//	UNR-10001 403  user names are not recovered in this organization
//
// # Not implemented
//
// Claims other than those of the user name, the mail address and the telephone number, and several at once; recovery by challenge questions; the channel
// EXTERNAL, which hands codes to the caller; callbacks (the properties are read for "captchaResponse" alone). Versions 0.9 and 1 of the API.
// That somebody does not exist is never said (UAR-10002, UAR-10007).
package recovery
