// Package script is conditional authentication in JavaScript: an administrator's script says which steps a login takes. Its
// contract (onLoginRequest, executeStep, the functions, objects and prompts) is that of WSO2 Identity Server and Asgardeo, so that
// scripts written for those run unchanged as far as their functions exist here.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//		"time"
//
//		"github.com/signet-idp/signet/flow/script"
//	)
//
//	const policy = `
//	var groups = ['admin'];
//	var onLoginRequest = function (context) {
//	    executeStep(1, {
//	        onSuccess: function (context) {
//	            if (isMemberOfAnyOfGroups(context.currentKnownSubject, groups)) {
//	                executeStep(2);
//	            }
//	        }
//	    });
//	};`
//
//	func main() {
//		engine, err := script.New(script.Config{Functions: map[string]script.Function{
//			"isMemberOfAnyOfGroups": func(ctx context.Context, c *script.Call) (any, error) {
//				person, err := c.Person(0)
//				if err != nil {
//					return nil, err
//				}
//				return person.Username == "ann", nil
//			},
//		}})
//		if err != nil {
//			log.Fatal(err)
//		}
//		program, err := engine.Compile(policy, nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		login := script.Login{Now: time.Now(), Steps: [][]script.Option{
//			{{Authenticator: "BasicAuthenticator"}}, {{Authenticator: "totp"}},
//		}}
//		var memory script.Memory
//		for {
//			out, err := engine.Run(context.Background(), program, memory, login)
//			if err != nil {
//				log.Fatal(err) // the login ends
//			}
//			memory = out.Memory
//			if out.Next.Kind != script.Step {
//				fmt.Println(out.Next.Kind)
//				return
//			}
//			fmt.Println("step", out.Next.Step) // a person does it
//			memory.Add(script.Outcome{
//				Node: out.Next.ID, Result: script.Succeeded, Person: &script.Person{Username: "ann"}, Time: login.Now,
//			})
//		}
//	}
//
// # How a script runs
//
// executeStep does not wait: it asks for a step, and the statements after it run at once. On each round trip the script runs from
// its beginning: onLoginRequest to its end, then for each step that was done its callback; what a callback asks for comes before what
// remains. So variables live on from one page to the next without being kept anywhere. Whatever crosses into Go is journaled: the
// next run gets the value from the journal, and does nothing twice. Calls are known by their place, name and arguments; a run that goes
// another way than the one before ends the login. Time stands still within a callback, at when its step was done, and Math.random gives the same
// numbers again. A function of the host that is given handlers ({onSuccess, onFail}) is called when its turn comes.
//
// # Whom a script is written by
//
// Authors are administrators of the provider. An embedded interpreter is no sandbox for enemies: this one neither bounds its
// memory nor lets go of its built-in functions. What stands against mistakes, and against much more, is this:
//
//   - Admission: at most 64 KiB, and no syntax but what policies need. No regular expressions (re2(pattern, text) is there instead),
//     classes, generators, async functions, labels, with, getters, BigInt. Names that nobody declared are refused, with where they stand.
//   - Whatever makes large things of small ones is counted: + and template strings, computed keys and ... are replaced by guards
//     when the script is admitted, and methods of strings and arrays when they are named. 64 Ki characters in a string, 10,000
//     elements in an array, 4 MiB made in a run; deeper calls than 128, more calls into Go than 100 in a run, or a decision of more than
//     16 KiB are overruns as well.
//   - Methods and globals that are on no list do not exist.
//   - 100,000 turns of loops and calls of functions in a run. That is counted, and no matter of how busy the machine is.
//   - For what no count bounds, 25 ms until a script is stopped, which it cannot catch, and once more ten times as long: a machine that is busy
//     or stood still ends nobody's login by that alone. A second after it was stopped a script is given up; while three such runs
//     last, it runs no more in this process. As many scripts run at once as there are CPUs.
//   - An error, an overrun, a replay that goes another way: the login ends, and nobody is signed in.
//
// For authors who are not trusted as administrators are, run scripts in a process of their own, with limits of the operating system,
// or do not offer them.
//
// # In a flow
//
// Policies are the scripts that administrators have set, for an organization or an application, and the Source of a flow's Config:
//
//	functions, err := script.DirectoryFunctions(script.DirectoryConfig{DB: db, Directory: dir, Secrets: script.NewSecrets(db), Links: connections})
//	engine, err := script.New(script.Config{Functions: functions, Log: log})
//	policies, err := script.NewPolicies(script.PoliciesConfig{DB: db, Directory: dir, Engine: engine, Libraries: script.NewLibraries(db, engine)})
//	calls, err := script.NewExchanger(script.ExchangerConfig{DB: db, Domains: []string{"risk.example.com"}})
//	// flow.Config{Source: policies, Executors: script.Executors(calls), …}; with the facade, signet.Config.Source returns both
//	err = policies.Set(ctx, "", "", script.Policy{Source: script.Templates()["group-mfa"], Steps: [][]script.Way{
//		{{Option: script.Option{Authenticator: "BasicAuthenticator"}}},
//		{{Option: script.Option{Authenticator: "totp"}}},
//	}})
//
// A step that the session has done before the login began is skipped unless the script forces it. Without an onFail a step is asked
// again until it is right; with one the script decides. The flow's own rules stay: there is no success without the assurance that the
// request and the application insist on, whatever a script says. context.selectedAcr becomes the acr of the login's tokens where the request
// has named it and the proofs have reached it: it may be weaker than what was reached, never stronger. Anything else, a class that is not among
// directory.ACRs included, is left out and logged, and the acr is the one reached. user.claims of the person who signs in go over what their account
// says, in the tokens of this sign-in and their refreshes: those that the application gets anyway, by scope, request and consent, and none that
// directory.MaySayOf refuses, which throws (docs/decisions/017). user.remoteClaims are what the provider has said with which somebody has come in this
// flow; somebody who is nobody here has failed at the step, and is context.lastLoginFailedUser. doAssociationWithLocalUser links such a person's
// account there with whom a later step proves, by the rules of federated.Connections.LinkProven; for accounts with different addresses a step has the
// Executor of the provider whose name ends in "-link". A login keeps the script with which it began. A call elsewhere is written down before it is made. What a script writes of people, roles and sessions is written at once and may be repeated; mails and
// cookies go with the flow.
//
// # Not implemented
//
// A password given to a step (silent authentication) is left out: its page is shown. What is written to user.remoteClaims holds in the run alone.
// Authenticators for which the flow has no Executor. internalWait does not poll by itself: the person goes on when the time is over.
// response.headers. The management API of secrets has one type, and that of libraries no versions but those that logins keep. Local time is that of the machine: nodes must share it. Intl, Map, Set,
// Symbol, Promise, Proxy; this of a function that is called through a computed name is as in the interpreter. callElastic, callAnalytics,
// publishToAnalytics, verifyUserWithTypingDNA and the functions of Sift exist when the host brings them (Config.Functions).
package script
