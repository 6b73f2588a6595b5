// Package resource protects an API with access tokens: one call makes a handler that is reached with a good token alone, and a
// client that has none learns where to get one (RFC 9728).
//
//	package main
//
//	import (
//		"fmt"
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet/oidc/resource"
//	)
//
//	func main() {
//		guard, err := resource.New(resource.Config{
//			Resource: "https://api.example.com",
//			Issuers:  []string{"https://id.example.com"},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		mux := http.NewServeMux()
//		guard.Mount(mux)
//		mux.Handle("GET /orders", guard.Protect("orders:read")(http.HandlerFunc(orders)))
//		log.Fatal(http.ListenAndServe(":8080", mux))
//	}
//
//	func orders(w http.ResponseWriter, r *http.Request) {
//		token := resource.FromContext(r.Context())
//		fmt.Fprintln(w, "orders of", token.Subject)
//	}
//
// # What a token must be
//
// A JWT is verified with the keys that its issuer publishes (RFC 9068): type at+jwt, issuer, audience, times, and an algorithm of a
// key pair. Any other token, and with Config.Introspection alone every token, is put to the introspection endpoint (RFC 7662). With
// Config.Verifier, as a *oidc.Provider in the same program is one, no network is asked, and a token dies with the session behind it
// at once. Whatever the way, the token must be for this Resource.
//
// A token that is bound (cnf) counts with the proof that it demands, with every one if it demands several, and never as a plain
// bearer token: a DPoP proof (RFC 9449), which counts once, or the client's certificate (RFC 8705). One that is bound to something
// else is refused. One that WSO2's cookie binds to a browser is held to it by a Verifier that is a Holder, where the Resource is on its issuer's host.
//
// # What the handler may demand further
//
// Protect names scopes. With takes a Requirement: scopes, classes of authentication and the age of the sign-in, for which the
// client is sent back to ask for more (RFC 9470); a class stands for those below it where the issuer orders them. Require does the same inside of a handler, which knows best what one call needs:
//
//	if !guard.Require(w, r, resource.Requirement{Scopes: []string{"orders:cancel"}, MaxAge: 5 * time.Minute}) {
//		return // the client was told
//	}
//
// # Specifications
//
// RFC 6750 §2.1 and §3 (the token in the header alone), RFC 7662, RFC 8705 §3, RFC 9068 §4, RFC 9449 §7 to §9 and §11.1, RFC 9470, RFC 9701, RFC 9728.
//
// # Not implemented
//
// Tokens in the body or the query (RFC 6750 §2.2, §2.3; RFC 9700 §4.3.2 says why), encrypted access tokens, encrypted answers of the
// introspection endpoint (RFC 9701 §5), and JWTs of issuers that do not give them the type at+jwt.
package resource
