// Package flow is the engine of everything that people do with pages: signing in, second factors, consent, signing out. A
// protocol asks it to find out who somebody is (Engine.Interact), and it answers with what was proven.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet/flow"
//		"github.com/signet-idp/signet/flow/pages"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/directory"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	func main() {
//		const issuer = "http://localhost:8080"
//		ring, err := store.OpenKeyFile("keyring")
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
//		if err != nil {
//			log.Fatal(err)
//		}
//		dir, err := directory.New(directory.Config{DB: db})
//		if err != nil {
//			log.Fatal(err)
//		}
//		look, err := pages.New(pages.Config{Issuer: issuer})
//		if err != nil {
//			log.Fatal(err)
//		}
//		engine, err := flow.New(flow.Config{DB: db, Directory: dir, Issuer: issuer, Transport: look})
//		if err != nil {
//			log.Fatal(err)
//		}
//
//		mux := http.NewServeMux()
//		mux.Handle("GET "+pages.Assets, look)
//		for _, route := range engine.Routes() {
//			mux.Handle(route.Path, route.Handler)
//		}
//		mux.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
//			request := r.FormValue("request")
//			if request == "" { // a protocol stores a request under an id that is bound to the browser
//				http.Redirect(w, r, "/private?request="+store.NewID(), http.StatusSeeOther)
//				return
//			}
//			result, err := engine.Interact(w, r, directory.Interaction{
//				ID: request, Resume: r.URL.RequestURI(), Purpose: directory.SignIn,
//			})
//			switch {
//			case err != nil:
//				http.Error(w, "try again", http.StatusServiceUnavailable)
//			case result == nil: // the browser is on its way to a page
//			case result.Refusal != "":
//				http.Error(w, string(result.Refusal), http.StatusForbidden)
//			default:
//				_, _ = w.Write([]byte("hello " + result.Subject.ID))
//			}
//		})
//		log.Fatal(http.ListenAndServe("localhost:8080", mux))
//	}
//
// # Plan, Executor, Transport
//
// A Plan says what comes next. The plain one (Compile) is a list of steps, each with a condition under which it is still missing; what
// comes next is the first one that is. So signing in, stepping up and asking whether a session will do are one thing. An action of a
// page may lead into another plan of the same flow, as to recover an account, and back. An Executor performs one kind of step: it
// says as data what to ask (Prompt) and judges what came back (Verdict); an Act asks nothing. A Transport shows Prompts. A host
// brings its own of each.
//
// When the plan of a sign-in finds nothing missing, whatever plan it is, the engine asks for what it must not go on without: another
// password, where the one that was typed has expired or the person's store wants it changed; which sessions are to end, where there are
// as many as the person may have.
//
// # What holds whatever an Executor does
//
//   - A flow belongs to one browser, by a cookie of its own. The session cookie is set by the post, or the answer from elsewhere,
//     that completes a login, or its duplicate, and by nothing else; its secret changes with every login and step-up.
//   - Who the flow is about is written once. Evidence about anybody else ends it.
//   - Who changes a password in a flow ends everything that was issued to them, but for that flow.
//   - A browser has so many unfinished flows and no more (Config.MaxFlows): with another one, the oldest that nobody has answered is
//     forgotten, and begins anew when somebody comes back to its page. A page elsewhere that keeps sending the browser here without a
//     click (Sec-Fetch-User) has its own flows forgotten for that: one at most that somebody has set out for, and none that was answered.
//   - There is no success without the assurance that the request and the application insist on.
//   - A guess is counted in a durable kind before it is judged, or, where judging takes no time, in the very step that writes
//     what it was; so no crash and no number of guesses at once makes one free, and only wrong ones lead to a lock. A duplicate
//     is neither counted nor judged: it gets the page as it stands. So does whoever goes back.
//   - Somebody who clicks twice is signed in once: the second answer has the cookie of the first. Two tabs in which somebody signs in
//     at the same instant are two flows, and may begin two sessions: the browser keeps the cookie of the later answer, each
//     application the session that its own tab has led to, and the other one ends as an idle one does.
//   - The challenge for a passkey is good for one answer. A passkey alone has checked the person; what is added to an account is added by
//     somebody who has just shown all that they have.
//   - GET changes nothing, but for one: a browser that comes back from elsewhere (Leaving) brings what only this flow can take, once.
//   - What fails is 503, with its cause in the log; never somebody signed in, and never "no such page".
//
// # Programs in masses
//
// With Config.BotCheck, whoever signs in after failures, makes an account or has a message sent shows that they are a person: before anything is
// done with their answer, and by what was counted for the name that was typed and for the address.
//
// # Specifications
//
// Covered: prompt (with a page for select_account), max_age, acr_values, login_hint and id_token_hint of OpenID Connect Core §3.1.2.1 as conditions of an
// Interaction; throttling and locks after NIST SP 800-63B-4 §3.2.2; one-time use of codes (RFC 6238 §5.2);
// passkeys (WebAuthn Level 3 §5.1, §7) with conditional mediation for signing in and for making one in passing.
//
// # Accounts
//
// Recovery, Registration, Invitation and Verification are plans for people without a session: each rests on a directory.Ticket that was
// mailed, shows, asks of the store and sends the same for people who exist as for people who do not, and follows the policies of the
// organization (directory.AccountPolicies). Registration asks for what directory.AttributePolicy says, and leads to a password, or to another way in. Where RecoveryPolicy
// says so, accounts are recovered by text message, and user names sent to a confirmed address or number. They are called from a login, or begun at /recover, /register, /invite and /verify.
//
// # Not implemented
//
//   - Recovery of user names by attributes other than a confirmed address or number.
//   - In registrations, attributes that have several values, and telephone numbers as the address.
//   - SAML upstream.
//   - Push as the way to begin.
package flow
