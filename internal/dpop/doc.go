// Package dpop checks proofs of possession (RFC 9449): that whoever sends a request holds the private key that an access token
// is bound to. Authorization servers and protected resources share it.
//
//	proof, err := dpop.Verifier{}.Verify(r.Header.Values("DPoP"), dpop.Request{Method: "GET", URL: target, Token: token}, now)
//	// proof.JKT is what cnf.jkt of the token must be
//	first, err := replays.Use(ctx, proof.ID, proof.Until) // a proof counts once
//
// Verify holds all of RFC 9449 §4.3 but three: the nonce (Nonces), the binding of the token, which is the caller's to compare
// with Proof.JKT, and replay (§11.1; Replays).
package dpop
