// Package signet makes a Go program an identity provider: OpenID Connect and OAuth 2 with sign-in pages, a second factor,
// consent, sessions and logout, mounted in the program's own HTTP server, over its own database.
//
// This is a whole one:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"net/http"
//		"time"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/sqlstore/sqlite"
//	)
//
//	func main() { log.Fatal(run(context.Background())) }
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
// Config.Factors and Config.Passkeys are further ways to show who one is, Config.Connections providers upstream, Config.Messages what carries
// mail, and Config.Accounts how people register and get back in.
//
// # Map
//
//	signet           this package: wires, mounts, maintains
//	oidc             OAuth 2 and OpenID Connect; oidc/rp signs people in upstream, oidc/resource protects APIs
//	flow             the engine of sign-in; flow/pages its HTML, flow/native its JSON for apps
//	mfa              second factors
//	store/directory  people, groups, roles, applications, sessions, settings
//	store/ldap       people who live in LDAP or Active Directory
//	store            what a database must promise; DB, batches, sealing, events
//	store/sqlstore   sqlite, postgres, mysql (MariaDB too); store/memory for tests
//	store/redis      what may be lost, beside the database
//	store/storetest  proves a database, store/directory/directorytest a place where people live
//	idptest          an identity provider for the tests of other programs
//	examples         programs to copy
//
// # Running it
//
// A Provider does nothing by itself: Run (or Maintain, from a scheduler) rotates signing keys and removes what has expired, and
// Ready is for a readiness probe. Any number of nodes serve one issuer when they have the same Config, key ring and store.
// Whatever depends on a store that fails is answered 503 with Retry-After. docs/operations.md has the rest: databases, backup,
// rotation of keys, upgrades.
//
// # Specifications
//
// This package holds none of them; it has what its parts have:
//
//   - oidc: OAuth 2 (RFC 6749, 6750, 7009, 7591, 7592, 7636, 7662, 8252, 8414, 8628, 8693, 8705, 8707, 9068, 9101, 9126, 9207, 9396, 9449, 9470,
//     9700, 9701, 9728) and OpenID Connect (Core, Discovery, Registration, CIBA, JARM, logout and session management); each feature is off
//     until Config.OIDC turns it on, and Config.Profile turns on those of FAPI or MCP.
//   - mfa: RFC 4226, RFC 6238, WebAuthn Level 3; Config.Factors and Config.Passkeys turn them on.
//   - flow: NIST SP 800-63B-4 §3.2.2 (throttling).
//   - passwords: argon2id as in RFC 9106 §4, with less memory; Unicode's NFC.
//   - store/ldap: RFC 4510 to 4519 and the controls that it lists.
//
// # Not implemented
//
// SAML 2.0, WS-Federation, SCIM 2.0, organizations below the root, webhooks (Config.Consumers is
// where a host's own would take events), an administration API. Each package lists what it lacks.
package signet
