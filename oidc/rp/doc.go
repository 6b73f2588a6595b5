// Package rp signs people in at somebody else's identity provider: Google, a company's own, or any that speaks OpenID Connect, and
// those that speak OAuth 2 alone. It links no provider and no store of ours.
//
//	package main
//
//	import (
//		"fmt"
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/signet-idp/signet/oidc/rp"
//	)
//
//	func main() {
//		google, err := rp.New(rp.Google(os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET"), "http://localhost:8080/callback"))
//		if err != nil {
//			log.Fatal(err)
//		}
//		http.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
//			if err := google.Start(w, r, rp.Request{}); err != nil {
//				http.Error(w, "try again later", http.StatusServiceUnavailable)
//			}
//		})
//		http.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
//			who, err := google.Callback(w, r)
//			if err != nil {
//				http.Error(w, "that did not work: begin again", http.StatusForbidden)
//				return
//			}
//			fmt.Fprintf(w, "hello %s, who are %s of %s", who.Name, who.Subject, who.Issuer)
//		})
//		log.Fatal(http.ListenAndServe("localhost:8080", nil))
//	}
//
// Begin and Finish are the same without cookies, for who keeps a Pending elsewhere; BeginNative and FinishNative are for an app that gets
// the ID token by the sign-in of its platform. ReceiveLogout takes the logout tokens of a
// provider, BeginLogout signs people out there, Refresh renews a login, API makes requests with its token, and a Verifier judges the JWTs
// of an issuer, as an API does.
//
// # At a provider of banks
//
// With these a login is what FAPI 2.0 Security Profile §5.3.3 demands of a client. The profile's demands on ciphers of TLS 1.2 are
// Config.Client's.
//
//	config.Key = &rp.ClientKey{ID: "a", Algorithm: "ES256", Signer: key} // or Certificate
//	config.Algorithms = []string{"PS256", "ES256", "EdDSA"}
//	config.PAR = true
//	config.DPoP = &rp.ProofKey{Algorithm: "ES256", Signer: another} // or Certificate, beside the Key
//
// Config.RequestKey signs the requests too, and with Config.SignedResponse the provider signs what it answers them with (FAPI 2.0 Message
// Signing §5.3.2, §5.4.2).
//
// # What holds
//
//   - A response is to a login that this browser has begun at this very provider: state, the issuer in the response, a nonce in the ID
//     token, and a code verifier of which only S256 leaves us.
//   - An ID token is taken whole or not at all. Algorithms are listed beforehand, "none" is not among them, keys come from the issuer's
//     jwks_uri and nowhere else, and one that is unknown has that asked again once a minute at most.
//   - Somebody is their issuer and subject. An e-mail address is verified only where the provider says so, and then as far as you
//     believe it.
//   - What the host has asked for is not done without: a provider that takes no pushed request, does not bind a token to the key of DPoP
//     or does not encrypt is refused, and one that demands what is not configured is unavailable.
//   - A provider that is slow, endless, or redirects is unavailable; it is never somebody signed in.
//
// # Specifications
//
// OpenID Connect Core 1.0 §3.1 (code flow), §5.3 (UserInfo, plain, signed and encrypted), §6.1 (signed requests), §9 (client_secret_basic,
// client_secret_post, client_secret_jwt, private_key_jwt), §10.2 (encrypted ID tokens) and §12; Discovery 1.0 §4; Back-Channel Logout 1.0
// §2.4 to §2.6 on the receiving side; RP-Initiated Logout 1.0 §2; RFC 6749 §4.1 and §6; RFC 7636; RFC 8705 §2, §3 and §5 (certificates);
// RFC 9101 §4 to §5 (request objects by value); RFC 9126; RFC 9207; RFC 9449 §4 to §10 (DPoP); RFC 9700 as far as it is about
// clients; Form Post Response Mode; JWT Secured Authorization Response Mode §2.4.
//
// # Not implemented
//
// Implicit and hybrid flows, encryption with the client secret, request objects that are encrypted or fetched, distributed
// claims, front-channel logout, session management, and the OAuth 1.0a of X.
package rp
