// Package idptest is an identity provider for tests: the real one, over memory, on a loopback port, with a clock that the
// test moves. What net/http/httptest is to a program that speaks HTTP, this is to one that signs people in or checks their
// tokens.
//
// This is a whole test of an API that takes access tokens:
//
//	func TestOrders(t *testing.T) {
//		idp := idptest.New(t)
//		tokens := idp.SignIn(idp.User("ann"), idp.App("http://127.0.0.1/callback"))
//
//		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders", nil)
//		tokens.SetAuthHeader(r)
//		newShop(idp.URL, idp.Now).ServeHTTP(w, r)
//		if w.Code != http.StatusOK {
//			t.Errorf("ann is refused: %d %s", w.Code, w.Body)
//		}
//	}
//
// Nothing in it is pretended. SignIn opens the sign-in page in a browser without a screen, fills in name and password,
// allows what is asked for, follows the redirects and redeems the code, with PKCE, state and nonce, through x/oauth2; the
// ID token is verified by go-oidc. An application with a sign-in of its own is tested from its own front door:
//
//	page := idp.Browser().Open(shop.URL + "/login").SignIn(ann)
//	if page.Text("greeting") != "Hello, ann" { … }
//
// # What a test can do
//
//	User, EnrollTOTP              people; the password of all is Password
//	EnrollPasskey, SecurityKey    passkeys, by an authenticator in software; Page.UsePasskey answers with them
//	EnrollPush, Phone             a phone that confirms sign-ins; Phone.Approve and Phone.Deny answer
//	App                           applications; App.OAuth2Config is for x/oauth2
//	SignIn, Deny, SignOut         whole journeys, each in a browser of its own
//	Browser, Page                 the same step by step: Open, Fill, Submit, Text
//	App.Request, Request.Redeem   the application's half of a sign-in
//	Mailbox                       what was sent to people; Mailbox.Code and Mailbox.Link read the newest message
//	Advance, Now                  the clock, which stands still by itself
//	Fail, Heal, Faults            a store that is down, wholly or call by call
//	Log                           what the provider logged; shown when the test fails
//	Provider                      the provider itself, for all else
//
// What goes wrong in preparing or walking ends the test with testing.TB.Fatal, so those methods belong into the goroutine
// of the test. Servers know nothing of one another: make one for every test, in parallel; it takes milliseconds.
//
// # Specifications
//
// Those of package oidc; the scripted client follows RFC 6749 §4.1, RFC 7636, RFC 9207, OpenID Connect Core §3.1 and
// RP-Initiated Logout 1.0.
//
// # Not implemented
//
// Tokens that are wrong on purpose, answers by form_post, SAML and SCIM.
package idptest
