// Package oidc is an OAuth 2 authorization server and OpenID provider. It owns clients, authorization requests, consent,
// grants and tokens; who is at the browser it asks of a flow engine through one hook, and who people are of a
// directory.Directory.
//
// This is one with a login of its own:
//
//	package main
//
//	import (
//		"context"
//		"crypto"
//		"crypto/ecdsa"
//		"crypto/elliptic"
//		"crypto/rand"
//		"crypto/rsa"
//		"fmt"
//		"log"
//		"net/http"
//		"time"
//
//		"github.com/signet-idp/signet/oidc"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/directory"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	// keys is one key for each algorithm; they would come from a file or a key service.
//	type keys map[string]crypto.Signer
//
//	func (k keys) Signer(_ context.Context, algorithm string) (string, crypto.Signer, error) {
//		return "key-" + algorithm, k[algorithm], nil
//	}
//
//	func (k keys) Public(_ context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
//		return map[string]crypto.PublicKey{"key-" + algorithm: k[algorithm].Public()}, nil
//	}
//
//	func main() {
//		ctx := context.Background()
//		ring, err := store.OpenKeyFile("signet.keys")
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
//		if err != nil {
//			log.Fatal(err)
//		}
//		people, err := directory.New(directory.Config{DB: db})
//		if err != nil {
//			log.Fatal(err)
//		}
//		rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
//		if err != nil {
//			log.Fatal(err)
//		}
//		ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
//		if err != nil {
//			log.Fatal(err)
//		}
//		ann := &directory.User{Username: "ann"}
//		if err := people.CreateUser(ctx, ann, ""); err != nil {
//			log.Fatal(err)
//		}
//
//		// interact is the login of the host: here ann, whoever asks. It would look at a cookie of its own and otherwise send
//		// the browser to its own page, return nil, and bring it back to in.Resume.
//		interact := func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error) {
//			subject, err := people.SubjectOf(r.Context(), ann)
//			if err != nil {
//				return nil, err
//			}
//			result := &directory.Result{
//				Subject: subject.Ref(), SubjectVersion: subject.Version, SubjectEpoch: subject.Epoch,
//				Evidence: []directory.Evidence{{Method: "password", AMR: []string{"pwd"}, Subject: subject.ID, Time: time.Now()}},
//			}
//			for _, item := range in.Consent { // asked when in.Purpose is directory.ApproveConsent
//				result.Approved = append(result.Approved, item.ID)
//			}
//			return result, nil
//		}
//
//		provider, err := oidc.New(oidc.Config{
//			Issuer: "http://127.0.0.1:8080", DB: db, Directory: people, Interact: interact,
//			Keys: keys{"RS256": rsaKey, "PS256": rsaKey, "ES256": ecKey},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		secret, err := provider.Clients.Create(ctx, "Web shop", &oidc.Client{
//			ClientID:     "shop",
//			RedirectURIs: []string{"https://shop.example.com/callback"},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		fmt.Println("client secret:", secret)
//		log.Fatal(http.ListenAndServe("127.0.0.1:8080", provider))
//	}
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
// # Events and observations
//
// Written in the step that makes them true (store.Batch.Event): oidc.client.created, oidc.client.updated, oidc.client.deleted,
// oidc.consent.decided, oidc.consent.revoked, oidc.device.decided,
// oidc.ciba.decided, oidc.grant.revoked. What only a security team counts goes to Config.Observer: refusals, and
// reuse of codes, refresh tokens, client assertions and signed CIBA requests (directory.Observation); of at most 100 a second, the next of which says how many were left out.
//
// # Limits
//
//   - An authorization request has at most 16 KiB, its state 4,096 bytes and its nonce 512; bodies and queries at all have 64 KiB.
//     One address begins 60 sign-ins a minute on each node (directory.ThrottlePolicy).
//
//   - What is signed lives for at most LongestToken, 30 days: no key is published for longer after its last use.
//
//   - A code lives for at most ten minutes, a refresh token for ten years unused.
//
//   - The id of a deleted client is never used again, for whatever it had still names it.
//
//   - At most four act for somebody one after the other (RFC 8693 §4.1). JWTs of trusted issuers may have 16 KiB and be 30 seconds off.
//
//   - A user code is one of 25,600,000,000; see Device. A person is asked ten times in five minutes by CIBA.
//
//   - A client assertion expires within an hour (ClientAssertions.MaxLifetime) and may be 30 seconds off. A key set of a client has at most
//     256 KiB and 256 keys; one at jwks_uri is believed for an hour at most, and fetched again for a key that is missing at most every
//     30 seconds.
//
//   - The claims parameter releases what the scopes of the client would, and what Client.Claims names; nothing else.
//
//   - A registration has at most 64 KiB, a metadata document 8 KiB; lists in either 100 members, values 2,048 bytes, names 120 characters.
//
// # Specifications
//
// Always on: the authorization code flow with PKCE (RFC 6749, 6750, 7636 by S256, 8252, 9207, 9700; OpenID Connect Core 1.0 with the claims
// parameter, claims_locales, aggregated and distributed claims), refresh and client credentials; discovery (RFC 8414, OpenID Connect
// Discovery 1.0), userinfo, introspection (RFC 7662), revocation (RFC 7009), JWT access tokens (RFC 9068), Form Post Response Mode, and
// RP-Initiated Logout 1.0. Third-party-initiated login (OpenID Connect Core 1.0 §4) is Provider.InitiateLogin.
//
// By Config.Features:
//
//   - PAR: RFC 9126. JAR: RFC 9101 and OpenID Connect Core 1.0 §6, by value and by reference. JARM: JWT Secured Authorization Response Mode.
//   - WebMessage: draft-sakimura-oauth-wmrm, without the relay mode. CreateAccount: Initiating User Registration, the asking for it.
//   - ClientAssertions: RFC 7521 and RFC 7523 §2.2, private_key_jwt and client_secret_jwt. MutualTLS: RFC 8705, and RFC 9440 behind a proxy.
//     DPoP: RFC 9449. TokenBinding and TokenReuse: WSO2's cookie, sso-session, client-request and device-flow, and its one live token for each client.
//   - TokenExchange: RFC 8693, without SAML tokens. JWTBearer: RFC 7523 §2.1. SAMLBearer: RFC 7522, by a SAMLVerifier of the host's.
//     Impersonation, and CustomGrants by RFC 6749 §4.5.
//   - Agents: WSO2's, by themselves and for people (draft-oauth-ai-agents-on-behalf-of-user-02, with the actor_token in the form).
//   - Device: RFC 8628. CIBA: CIBA Core 1.0 by poll, ping and push.
//   - Registration: RFC 7591, RFC 7592 and OpenID Connect Dynamic Client Registration 1.0, with WSO2's members on demand. MetadataDocuments:
//     draft-ietf-oauth-client-id-metadata-document. WebFinger: RFC 7033. CORS.
//     SignedMetadata: RFC 8414 §2.1.
//   - Direct: the app-native authentication of WSO2 Identity Server 7.1, with what flow/native lacks.
//   - ResourceIndicators: RFC 8707. RAR: RFC 9396, at every grant that a person or a client asks by.
//   - PairwiseSubjects: OpenID Connect Core 1.0 §8. SignedUserInfo: §5.3.2. SignedIntrospection: RFC 9701. Encryption: §10.2.
//     SecretSignatures: §10.1, by HS256.
//   - WSO2Claims: aut, and scope as an array, in access tokens of WSO2's manner.
//   - BackChannelLogout, FrontChannelLogout and SessionManagement: the specifications of these names, 1.0. A session that merely went idle,
//     or passed its limit, has not ended: no client is told.
//   - Legacy: patterns of redirect URIs, the response types of OpenID Connect Core 1.0 §3.2 and §3.3 and of OAuth 2.0 Multiple Response Type Encoding Practices, and
//     the password grant.
//   - Experimental: draft-ietf-oauth-identity-assertion-authz-grant-02 (ID-JAG).
//
// Config.Profile and Client.Profile hold a provider, or a client, to FAPI 1.0 Advanced, the FAPI 2.0 Security Profile, FAPI 2.0 Message Signing,
// FAPI-CIBA, or the authorization of the Model Context Protocol. Which test proves which clause stands in docs/conformance.md.
//
// # Not implemented
//
// What is refused with an error that says so:
//
//   - PKCE by "plain", and the parameter registration (OpenID Connect Core 1.0 §7.2.1): there are no self-issued providers.
//   - ID tokens, userinfo and other answers that are not signed at all ("none"), or with a client secret otherwise than by HS256.
//   - Encryption by RSA1_5, PBES2, AES-GCM key wrapping, or to a client secret, over X25519, and under the misspelt name A128CBC+HS256.
//
// What there is nothing of:
//
//   - Cookies that an API on another host could demand. Handing out a token of a person's again that still lives: it would outlive the
//     sign-in that it is given for, or end by another; Client.EndPreviousTokens is what there is. Encrypted access tokens.
//     WSO2's org_id, org_name and isk (see WSO2Claims).
//   - Attestation-based client authentication, Native SSO, Transaction Tokens, Shared Signals (SSF, CAEP), OpenID4VCI and OpenID4VP.
//   - Grant Management for OAuth 2.0, OpenID Federation, OpenID Connect for Identity Assurance, HTTP Message Signatures.
package oidc
