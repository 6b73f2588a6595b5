// Package execute speaks with programs through which people make accounts and recover them: flow execution, in the JSON of WSO2
// Identity Server. It is a [flow.Program]: it decides nothing, and every rule of package flow holds.
//
//	transport := execute.New(execute.Config{Text: look.Text})
//	engine, err := flow.New(flow.Config{…, Execution: transport})
//	…
//	mux.Handle("POST "+execute.Path, transport.Handler("", engine.Interact))
//
// A program says which flow it wants, and is told what to ask; docs/flow-execution.md shows a whole registration:
//
//	{"flowType":"PASSWORD_RECOVERY"}
//
//	{"flowId":"i7…","flowType":"PASSWORD_RECOVERY","flowStatus":"INCOMPLETE","type":"VIEW","data":{"components":[
//	 {"id":"title","type":"TYPOGRAPHY","variant":"H3","config":{"text":"Reset your password"}}, …
//	 {"id":"form","type":"FORM","config":{},"components":[
//	  {"id":"username","type":"INPUT","variant":"TEXT","config":{"identifier":"http://wso2.org/claims/username","required":true, …}},
//	  {"id":"continue","type":"BUTTON","variant":"PRIMARY","actionId":"continue","config":{"type":"submit", …}}]}],
//	 "requiredParams":["http://wso2.org/claims/username"]}}
//
//	{"flowId":"i7…","actionId":"continue","inputs":{"http://wso2.org/claims/username":"ann"}}
//
// and at the end {"flowStatus":"COMPLETE","data":{}}. The flows are REGISTRATION, PASSWORD_RECOVERY and INVITED_USER_REGISTRATION, which is
// ASK_PASSWORD as well: the plans "register", "recover" and "invite" of the Engine, with the policies of the organization. Who has come by the
// link of a message begins with what is in it: "inputs":{"confirmationCode":"…"}.
//
// # Answers
//
// VIEW asks the person, by the form that "components" draw. REDIRECTION has the person go to a provider, see below. INTERNAL_PROMPT asks the program for what is in "requiredParams". WEBAUTHN asks the
// platform: "webAuthnData" is base64url of JSON, and what answers it goes back as "tokenResponse". What was wrong or right with the answer before is
// in "messages"; the step is asked again then, with status 200. A COMPLETE has signed nobody in.
//
// Where the policy signs people in at the end (directory.RegistrationPolicy.SignIn, directory.RecoveryPolicy.SignIn; an invitation does), and
// the flow was begun for an application ("applicationId"), "data" of the COMPLETE has a "userAssertion": a JWT (RFC 7519) of this issuer, for
// it, that the application trades by an authorization request with the parameter userAssertion, in a browser or with response_mode=direct, within
// two seconds and once. It stands for what the flow has proven, a read message for the most part, and what the request or the application
// demand besides is asked. It answers that request alone, and signs in no browser. One that is good for nothing has the person asked to sign in.
//
// # Upstream providers
//
// A step that is a sign-in at a provider (federated.Connection with a ProgramURL; any flow.Relayed) is a REDIRECTION:
//
//	{"flowId":"i7…","flowType":"REGISTRATION","flowStatus":"INCOMPLETE","type":"REDIRECTION","data":{
//	 "requiredParams":["code","state"],"redirectURL":"https://accounts.google.com/o/oauth2/auth?…"}}
//
// The program opens the URL in a browser, and the person comes back to it, at the ProgramURL. It brings what they come back with into the flow
// whose URL had the "state", and into no other: "code" and "state", and "iss", "error" and "error_description" where they are there.
//
//	{"flowId":"i7…","inputs":{"code":"…","state":"…","iss":"https://accounts.google.com"}}
//
// An answer is good once, in the flow that has asked for it: its state has 256 random bits that are kept in that flow, and the code is redeemed with
// the verifier (RFC 7636) and nonce of it. So a program has to keep the flowId where the browser in which the person comes back finds it and nobody
// else does, as in the session storage of its page: who is sent a URL with somebody else's answer has no flow that takes it. Without inputs the
// person is sent anew, and an answer that is still to come is good no more.
//
// # Safety
//
// There is no authorization: whoever may open the pages may use this; scripts in browsers, from the origins that may call the token endpoint
// (oidc.CORS). A flowId is a secret of 256 bits that names one flow in one
// organization, is stored hashed, and is good for nothing once the flow is over. No cookie is read or set. Guesses are counted and lead to a
// lock as on pages; a flow takes as many wrong answers as lead to one, and 100 answers in all; what an address may begin and send is bounded
// (directory.ThrottleFlow, directory.ThrottleRequest). No answer tells who has an account.
//
// # Errors
//
// {"code","message","description"}, and "traceId" where the log has more:
//
//	FE-60001 400  the flow is not known, of another organization, or over
//	FE-60002 400  the username is missing
//	FE-60003 400  the username is taken, where RegistrationPolicy.ShowTaken is on; the step waits for another
//	FE-60004 400  an answer without flowId
//	FE-60005 400  the username must be an email address, by UsernamePolicy; the step waits for another
//	FE-60006 400  the flow has failed, was refused, or is not open here; 501 when it has a step that no program can do
//	FE-60007 400  the request is malformed; 413, 415; 429 with Retry-After when there are too many from one address
//	FE-60008 400  an input is missing, or is none that the step asks for
//	FE-60009 400  actionId is none of this step
//	FE-60010 400  the captcha that the step asks for was not solved
//	FE-60011 400  a beginning without flowType
//	FE-65001 503  not now
//
// Whatever else is wrong with a value, as an address that is none, is a message of the step.
//
// # Not implemented
//
// Services of the host's own (federated.Connection.Service) and client certificates as a step. CORS by application: an origin that may call
// for one may call for all.
package execute
