// Package me is the API by which people look after their own account from applications: password, passkeys, authenticator app, backup
// codes, devices, sessions, linked accounts, consents, what applications they may use, and a copy of everything that is known of them. Paths and
// JSON are those of the Me APIs of WSO2 Identity Server. The pages for the same are flow/account.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/flow/me"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	func main() {
//		keys, err := store.OpenKeyFile("keyring")
//		if err != nil {
//			log.Fatal(err)
//		}
//		idp, err := signet.New(signet.Config{
//			Issuer: "http://localhost:8080", Store: memory.New(), Keys: keys, Me: &me.Settings{},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(http.ListenAndServe("localhost:8080", idp)) // GET /api/users/v1/me/sessions, …
//	}
//
// docs/me.md has the table of paths.
//
// # Who calls
//
// Every call has an access token of the person with the scope internal_login (Scope), for the issuer, in the header. The package knows no
// protocol: a Guard judges the token, in the facade that of package oidc, which reads every link of its chain, so that the token of a session
// that was ended opens nothing, and wants the proof of what the token is bound to. Tokens of clients that act for themselves, and such by which
// somebody acts for another, are refused. No cookie is read.
//
// Whatever shows or changes how a person signs in, or shows all that is kept of them, wants them to have signed in within Settings.MaxAge,
// and with two factors if they have enrolled a second one; otherwise the answer is the challenge of RFC 9470, with which the application
// sends them to sign in again.
//
// # What it promises
//
//   - What is not the person's is answered as what is not there.
//   - A wrong current password, or a wrong first code, counts as one at sign-in: a token buys no guesses.
//   - An authenticator app that is being set up changes nothing until its first code was right, belongs to the session that began, and is
//     the only one whose secret is ever shown.
//   - A passkey is not removed, nor a linked account, by which alone the person can sign in.
//   - A new password ends everything that was issued to the person, the token of the call too.
//   - A failing store is 503 with Retry-After, never an answer.
//
// Errors of this package are {"code","message","description","traceId"}; those about the token are the protocol's, with WWW-Authenticate.
//
// # Specifications
//
// RFC 6750 §2.1 and §3, RFC 9449 §7, RFC 9470.
//
// # Not implemented
//
// Local accounts linked with one another (associations, 501: the directory links accounts with those upstream only), consents that no
// application has asked for (POST consents, 501), approval tasks, identity verification, the person's organizations, challenge questions,
// renaming passkeys and devices (the pages do), pages of sessions.
// The profile is SCIM's (/scim2/Me), which is not here yet; directory.BlockedClaim says what a person may never write about themselves.
// Verification codes of addresses are the pages'. Applications that were granted tokens without asking the person
// (directory.Application.SkipConsent) are not among the authorized ones; ending sessions ends these.
package me
