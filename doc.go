// Package signet makes a Go program an identity provider: OpenID Connect and OAuth 2 with sign-in pages, a second factor,
// consent, sessions and logout, mounted in the program's own HTTP server, over its own database.
//
// This is a whole one:
//
//	func run(ctx context.Context) error {
//		keys, err := store.OpenKeyFile("signet.keys") // made when missing; keep it, and keep it secret
//		if err != nil {
//			return err
//		}
//		driver, err := sqlite.Open(ctx, "signet.db", sqlite.Config{})
//		if err != nil {
//			return err
//		}
//		idp, err := signet.New(signet.Config{Issuer: "http://127.0.0.1:8080", Store: driver, Keys: keys})
//		if err != nil {
//			return err
//		}
//		defer idp.Close()
//		go idp.Run(ctx) // purges, and rotates signing keys
//		server := &http.Server{Addr: "127.0.0.1:8080", Handler: idp, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
//		return server.ListenAndServe()
//	}
//
// People and applications are added through the same object:
//
//	err = idp.Directory.CreateUser(ctx, &directory.User{Username: "ann", Email: "ann@example.com"}, "correct horse battery")
//	secret, err := idp.Clients.Create(ctx, "Web shop", &oidc.Client{
//		ClientID:     "shop",
//		RedirectURIs: []string{"https://shop.example.com/callback"},
//	})
//
// # Map
//
//	signet           this package: wires, mounts, maintains
//	oidc             OAuth 2 and OpenID Connect
//	flow             the engine of sign-in; flow/pages its HTML
//	mfa              second factors
//	store/directory  people, groups, roles, applications, sessions, settings
//	store            what a database must promise; store/memory, store/sqlstore/sqlite
//	idptest          an identity provider for the tests of other programs
//	examples         programs to copy
//
// # Not implemented
//
// SAML 2.0, WS-Federation, SCIM 2.0, organizations below the root, registration and recovery flows, passkeys and the other
// factors, upstream login, webhooks, an administration API. Each package lists what it lacks.
package signet
