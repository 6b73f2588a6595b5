// Package oidc is an OAuth 2 authorization server and OpenID provider. It owns clients, authorization requests, consent,
// grants and tokens; who is at the browser it asks of a flow engine through one hook, and who people are of a
// directory.Directory.
//
//	provider, err := oidc.New(oidc.Config{
//		Issuer:    "https://id.example.com",
//		DB:        db,          // store.Open
//		Directory: people,      // directory.New
//		Keys:      keys,        // signing keys: a key ring, a KMS
//		Interact:  flow.Interact,
//	})
//	secret, err := provider.Clients.Create(ctx, "Web shop", &oidc.Client{
//		ClientID:     "shop",
//		RedirectURIs: []string{"https://shop.example.com/callback"},
//	})
//	provider.Mount(mux)
//
// The facade, package signet, wires all of this by itself.
//
// # How it is built
//
// Each endpoint is parse, decide, write: a form is read once and strictly, functions without net/http decide, and one
// encoder writes. Files that speak HTTP end in _http.go. What is consumed is consumed in the one Apply that also
// writes what comes of it: the Insert of the Grant is what redeems a code, so a code is redeemed once by whatever number of
// nodes, and a second attempt revokes the Grant whether or not the first has finished.
//
// A refresh token rotates with every use. For 30 seconds and five times the old token still yields the same successor, so a
// lost answer costs nothing; anything else that presents an old token revokes the Grant.
//
// Every use of a token reads its chain: Grant, Session, Subject, Application. A revoked one works nowhere from that moment
// at our own endpoints; an API that verifies JWTs by itself sees it when they expire.
//
// # Specifications
//
// RFC 6749 (authorization code, refresh token, client credentials), 6750, 7009, 7636 (S256), 7662, 8252, 8414, 9068, 9207, 9700;
// OpenID Connect Core 1.0 (code flow, userinfo, claims parameter), Discovery 1.0, RP-Initiated Logout 1.0, Form Post
// Response Mode.
//
// # Not implemented
//
// Answered with the specification's error: implicit and hybrid response types, request objects (RFC 9101), PAR (9126),
// client assertions (7523), mutual TLS (8705). Absent: DPoP (9449), device grant (8628), CIBA, token exchange (8693),
// dynamic registration (7591), resource indicators (8707), rich authorization requests (9396), pairwise subjects,
// encrypted tokens, front-channel and back-channel logout, session management, per-client CORS.
package oidc
