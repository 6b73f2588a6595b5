// Package builder lets administrators draw what people are asked who register, recover an account or accept an invitation, in the JSON of
// the flow builder of WSO2 Identity Server.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	func main() {
//		keys, err := store.OpenKeyFile("keyring")
//		if err != nil {
//			log.Fatal(err)
//		}
//		idp, err := signet.New(signet.Config{
//			Issuer: "http://localhost:8080", Store: memory.New(), Keys: keys,
//			FlowBuilder:   true, // flows are drawn at /api/server/v1/flow
//			FlowExecution: true, // and used there, below /execute, and by the pages
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(http.ListenAndServe("localhost:8080", idp))
//	}
//
// # What is drawn
//
// A Flow is a graph of steps without circles. A VIEW is a form: inputs in a FORM, by the identifiers of what they ask for, and a BUTTON that sends
// it and leads on, by NEXT or by an EXECUTOR: the first, those in the FORM before others. Further buttons lead elsewhere and leave the form
// unanswered; a view without inputs has these alone, and is a choice. One of the type RESEND has a message sent again. An EXECUTION does something
// without a form. The last step leads to COMPLETE.
//
//	REGISTRATION               views with emailaddress, username, givenname, lastname, mobile, password and the attributes that the organization asks people
//	                           for who register (directory.AttributePolicy); one with otp and EmailOTPExecutor; behind it, for a number that was
//	                           asked for, one with otp and SMSOTPExecutor (Config.SMS); in the place of a password
//	                           FIDO2Executor; at the end UserProvisioningExecutor, at a button or by itself; in the place of address and
//	                           password GoogleExecutor, AppleExecutor, FacebookExecutor, GithubExecutor, Office365Executor or OIDCExecutor,
//	                           of the connection that meta.idpName names (Config.Connections)
//	PASSWORD_RECOVERY          who it is (username or emailaddress; UserResolveExecutor or NEXT); EmailOTPExecutor, MagicLinkExecutor, or where
//	                           text messages can be sent (Config.SMS) SMSOTPExecutor; a password (PasswordProvisioningExecutor)
//	INVITED_USER_REGISTRATION  ConfirmationCodeValidationExecutor, or nothing; one with otp and EmailOTPExecutor, one with otp and
//	                           SMSOTPExecutor (Config.SMS), both or neither; a password (PasswordProvisioningExecutor)
//
// Everything else in the JSON, as sizes and positions, is kept and given back. How a form looks is for those who show it: flow/execute hands
// out what was drawn, flow/pages asks for the same fields in its own look.
//
// # What holds whatever is drawn
//
// Every rule holds on every way through a flow. A flow is compiled into a flow.Graph over the engine's own Executors, and cannot take away
// what these do: an address is verified, here or by a provider, before an account is made of it, nobody learns who has an account, guesses are
// counted, a proof is good once, and a flow ends well only when what it is for was done. Put refuses what breaks a rule, with a *RuleError for each, and whatever the engine cannot do. What the policies of the
// organization have closed (directory.RegistrationPolicy, directory.RecoveryPolicy) stays closed; while one way by mail is open, what is drawn says
// which it is, a code or a link. A drawn recovery by a way that is closed, mail or text messages, is not used until it is open. A passkey takes the place of a password where the policy is Lite, and somebody who registers is signed in at
// the end where it says SignIn, unless isAutoLoginEnabled is "false". A password that is asked for before the address is verified waits in
// the flow as a hash, sealed. A username that is asked for keeps to directory.UsernamePolicy, and is no address or number but the person's own. That it is
// taken is said at once where RegistrationPolicy.ShowTaken is on, and elsewhere to whoever has proven their address, each time anew.
//
// A flow that is enabled takes the place of the engine's plan, on pages as well; one that is disabled gives it back. Who has begun with a flow
// ends with it: each version is a record of its own, by its hash, for at least Config.Retain.
//
// # Management
//
// Builder.Routes are the calls of the API, behind a Guard: GET, PUT and DELETE /api/server/v1/flow, GET …/meta, GET …/configs, GET and PATCH
// …/config, with the scopes internal_flow_mgt_view and internal_flow_mgt_update. Errors are {"code","message","description","traceId"}:
//
//	FM-60001 400  flowType is missing, or none that there is
//	FM-60002 400  the body is malformed or too large; 415
//	FM-60003 404  no flow of this type was drawn
//	FM-60004 400  the flow breaks rules, which the description names
//	FM-65001 503  not now
//
// # Not implemented
//
// A username beside a sign-up upstream: the account has the name that the connection chooses for it, before anything is asked.
//
// A registration without an address, with a username alone or with a telephone number: an account is made of a proof that was mailed, and
// that a name, a number or an attribute is taken is told to whoever has brought it, and to nobody else. Without such a proof anybody would learn
// it by asking, and whoever is told at the number needs a message for it, and a recovery without mail.
//
// A view for the code of an invitation in the place of its link (InvitationPolicy, AdminResetPolicy): where these have any, the engine's plan is used.
//
// Completions but isFlowCompletionNotificationEnabled and isAutoLoginEnabled, as a verification mail and an account that is locked when it is made:
// the first is what a registration always does, and nothing would unlock the second. PATCH refuses them with FM-60004.
//
// The extension over HTTP, and flows that are made of words.
package builder
