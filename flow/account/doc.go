// Package account is the pages on which people look after their own account: who they are, how they sign in, where they are signed in, which
// applications act for them, and what is kept of them. They work without JavaScript, but for passkeys.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/flow/account"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/sqlstore/sqlite"
//	)
//
//	func main() {
//		ring, err := store.OpenKeyFile("keyring")
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := sqlite.Open(context.Background(), "signet.db", sqlite.Config{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		idp, err := signet.New(signet.Config{
//			Issuer:  "http://localhost:8080",
//			Store:   db,
//			Keys:    ring,
//			Account: &account.Settings{}, // http://localhost:8080/account
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer idp.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", idp))
//	}
//
// # Who is there
//
// The session cookie says who is there, as flow.Engine reads it; whoever is not signed in signs in first, and comes back to the page. The pages
// of what opens an account to others, which are those of addresses, of ways to sign in, of what is kept and of the end of it all, are for
// people who have proven within ten minutes who they are, by all that they are asked for when they sign in: a session, or a browser that
// was left open, is not enough. Others are asked once more, and come back.
//
// # What holds on every page
//
//   - A GET changes nothing. A post comes from a page of the same origin (http.CrossOriginProtection), or is refused.
//   - Nothing of a request says where a browser is sent: it goes from page to page of the account, and to the pages of the engine.
//   - What is not the person's is not there: the id of somebody else's session, passkey or link is that of nothing.
//   - What people may not say of themselves, as that an address is verified, cannot be said (directory.BlockedClaim).
//   - Of the attributes of a host's own, people see and write what directory.AttributePolicy lets them, and no others.
//   - Nobody removes their last way in (directory.ErrLastWayIn).
//   - A new password ends all other sessions, and keeps this one under a new secret.
//   - What is added to an account is added in a flow of the engine, which counts guesses and uses up codes and challenges.
//   - An account at a provider upstream is linked within the session in which that was asked for, and never if it is linked with somebody
//     else, of whom nothing is told.
//   - A failing store is 503, never a list that is empty.
//
// # Not implemented
//
// Attributes with several values; further addresses; two accounts of one person; approvals; pages in the order, or with the parts, that a host would rather have.
package account
