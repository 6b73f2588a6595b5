// Package native speaks with programs of one's own that sign people in without a browser: app-native authentication, in the JSON of
// WSO2 Identity Server, so that the programs and libraries written for that work unchanged. It is a [flow.Program]: it decides
// nothing, and every rule of package flow holds.
//
//	look, err := pages.New(pages.Config{Issuer: issuer})
//	…
//	engine, err := flow.New(flow.Config{
//		DB: db, Directory: dir, Issuer: issuer, Transport: look,
//		Native: native.New(native.Config{Text: look.Text}),
//	})
//
// A program begins at the authorization endpoint with response_mode=direct, as package oidc has it (oidc.Direct), and is told what to
// ask; docs/app-native.md shows a whole sign-in. This is one answer:
//
//	{"flowId":"0b7f…","flowStatus":"INCOMPLETE","flowType":"AUTHENTICATION","nextStep":{"stepType":"AUTHENTICATOR_PROMPT",
//	 "acceptErrorParams":false,"authenticators":[{"authenticatorId":"dG90cDpMT0NBTA","authenticator":"TOTP","idp":"LOCAL",
//	 "metadata":{"i18nKey":"authenticator.totp","promptType":"USER_PROMPT","params":[{"param":"token", …}]},
//	 "requiredParams":["token"]}]},"links":[{"name":"authentication","href":"https://id.example.com/oauth2/authn","method":"POST"}]}
//
// and what the program sends to that: {"flowId":"0b7f…","selectedAuthenticator":{"authenticatorId":"dG90cDpMT0NBTA",
// "params":{"token":"123456"}}}.
//
// # Authenticators
//
// Each Executor is an authenticator with parameters. Those of the engine have the product's names:
//
//	password     BasicAuthenticator         username, password
//	identifier   IdentifierExecutor         username
//	totp         totp                       token
//	email-code   email-otp-authenticator    OTPCode, resendCode
//	sms-code     sms-otp-authenticator      OTPcode, resendCode
//	magic-link   MagicLinkAuthenticator     mlt
//	backup-code  backup-code-authenticator  BackupCode
//	passkey      FIDOAuthenticator          tokenResponse
//	push         push-notification-authenticator  scenario, resendCode
//	session-limit  SessionExecutor          promptResp, promptId, ActiveSessionsLimitAction, sessionsToTerminate
//
// and those of a host the ones that Config says, or the fields of their Prompts. Where a step has several, what can be answered at
// once is shown whole; the others begin when a program sends their id without parameters.
//
// # Upstream providers
//
// A step that is done at a provider (federated.Connection with a ProgramURL; any flow.Relayed) begins when it is chosen, with the parameters
// code and state, and "additionalData":{"redirectUrl":"https://accounts.google.com/…","state":"…"}. The program opens the URL in a browser,
// where the person comes back to it at the ProgramURL, and brings "code" and "state", and "iss", "error" and "error_description" where they are
// there, into the flow that had the state. An answer is good once, in the flow that has asked for it; one that is none has the step begin
// anew, and so has the id without parameters. The product sends people back to the redirect_uri that the program itself has begun with; here
// it is what the connection says, so that no request names where codes of providers go.
//
// With federated.Connection.NativeClients the program gets an ID token by itself, as by the sign-in of its platform: the parameters are
// accessToken and idToken, and "additionalData":{"clientId":"…","nonce":"…","scope":"openid profile email"} is what to ask for. The token has to
// be signed by a key of the provider, for one of these clients and issued to one, and for that nonce, which this flow has made and takes once. The
// access token may be left out: it has to be the one of at_hash, where the ID token has that, and is used for nothing.
//
// # Push and sessions
//
// While a device is asked, the program shows "numberChallenge" of additionalData, for the person to type there, and asks at "statusEndpoint" every
// few seconds until that says {"status":"COMPLETED"}; it knows the id of this flow's question, and tells nothing else. Then the program sends the
// scenario PROCEED_PUSH_AUTHENTICATION. Without a numberChallenge nobody is asked now: resendCode asks later.
//
// Somebody with too many sessions is shown them: "sessions" is a list in JSON of {"sessionId","description"}, of which "minimumToTerminate" have
// to end. promptResp is "true", promptId that of additionalData, and the action denyLimitActiveSessionsAction, which ends the sign-in,
// refreshActiveSessionsAction, which shows them anew, or terminateActiveSessionsAction with sessionsToTerminate, a list of texts
// (MULTI_VALUED). The ids are good in this flow alone, and sessions end when the new one begins.
//
// # Errors
//
// A wrong answer is status 200 with "flowStatus":"FAIL_INCOMPLETE" and a message, whose "reason" is a stable id of ours. All else is
// {"code","message","description","traceId"}:
//
//	ABA-60001 400  the request is malformed, or a browser's
//	ABA-60002 400  the sign-in has ended without success
//	ABA-60004 400  authenticatorId is none of this step
//	ABA-60005 400  the client is not known
//	ABA-60006 501  the login has a step that no program can do
//	ABA-60007 400  the client may not
//	ABA-60008 400  the flow has timed out
//	ABA-60009 400  flowId is wrong, or its sign-in is over
//	ABA-60013 400  too many wrong answers: the sign-in is over; 429 with Retry-After when too many come from one address
//	ABA-60014 400  a code was sent too often: of a host's own; the built-in steps say code.resends in a message, and take the last one
//	ABA-65001 503  not now
//
// # Not implemented
//
// Services of the host's own as a step (package service, federated.Connection.Service): nothing that the person brings back binds a verdict of the
// service to the program that has asked, so whoever sends somebody else the link of their own flow would be signed in as them.
// Enrolment of a device for pushes; client certificates. They are left out
// where a step can be done in other ways; a login that has a step of these kinds alone is refused when it begins (ABA-60006): give
// programs a plan of their own by flow.Config.Source. The product refuses a login in which they stand at all.
package native
