// Package federated makes a login at somebody else's provider a step of a flow: the browser leaves, comes back, and the person is one of
// ours.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/flow/federated"
//		"github.com/signet-idp/signet/oidc/rp"
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
//			Issuer: "http://localhost:8080", Store: memory.New(), Keys: keys,
//			Connections: []federated.Connection{{
//				Name: "google", Title: "Google", Create: true,
//				Provider: rp.Google(os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET"), ""),
//			}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Print("register with Google: ", idp.Connections.RedirectURL("google"))
//		log.Fatal(http.ListenAndServe("localhost:8080", idp))
//	}
//
// Without the facade, New makes Connections, whose Executors go into flow.Config, and a plan offers them as options of its first step:
// flow.Login("password", "google").
//
// # Who somebody is
//
// An account at a provider is its issuer and subject, and is linked with one person here by a durable record. Without one:
//
//   - The account is linked with whoever here has its e-mail address, if the connection allows it (LinkByEmail) and both sides have
//     verified the address. Where either has not, neither is linked, and the person is told to sign in as before.
//   - Or an account is made (Create), in one step with its link, of which two tabs make one. An address that the provider has not
//     verified is not taken over, and a user name that looks like an address only if it is the verified one.
//   - Or the person, signed in by other means in the same flow, links it (the Executor whose name ends in "-link").
//
// The profile and the attributes of an account that was made so follow the provider at every login (Sync). What a person signs in with or is
// reached by never does, nor does an account that was here before, or was made by a form: what is written there is not the provider's.
//
// A registration has a step of its own (RegisterExecutor): it finds out who comes for the first time, whose account is made with its link at the
// end, under the same rules. Who has one already is told so, also where LinkByEmail would link them: they sign in.
//
// A person who was disabled here is not let in by anybody's word; one who was deleted comes for the first time.
//
// # What it is worth
//
// The proof is Evidence with the method "federated", at the time that the provider names, of one factor: TrustAMR takes over what the
// provider says. Where an application demands a fresh proof, the provider must show one.
//
// # Services
//
// A connection may be to a service of the host's own in the place of a provider (Connection.Service), which is asked in the contract of
// package service. The rules are the same; it signs nobody out.
//
// # Logout
//
// Connections takes the logout tokens of the providers (OpenID Connect Back-Channel Logout 1.0), ends the sessions that rest on them, and
// with these everything that a logout here ends.
//
// Who signs out here is signed out at the provider as well if the connection says so (RPInitiatedLogout, with SignOut and FinishSignOut as
// the wiring): after the end of the session here, by way of the browser, which comes back.
//
// # Not implemented
//
// SAML providers; an id_token_hint at the sign-out (ID tokens are not kept, so that a provider may ask whether to sign out); groups and
// roles of the provider; organizations below the root.
package federated
