// Package service has people prove themselves at a service of the host's own, over HTTP, as a step of a flow. It speaks the contract of
// custom authentication of WSO2 Identity Server 7.1, so that a service that was written for that is one for this.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/flow/notify"
//		"github.com/signet-idp/signet/flow/service"
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
//			Services: []service.Service{{
//				Name: "face", Title: "Face check", Kind: service.Verifies, AMR: []string{"face"},
//				Endpoint: service.Endpoint{
//					URL:  "https://face.example.com/api/authenticate",
//					Auth: notify.HTTPAuth{Type: notify.Bearer, Token: notify.Secret(os.Getenv("FACE_TOKEN"))},
//				},
//			}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(http.ListenAndServe("localhost:8080", idp))
//	}
//
// # Kinds
//
// A service of the kind Identifies says which person of the directory somebody is, and can begin a sign-in. One of the kind Verifies confirms
// that somebody is who they were said to be, as a second factor, and a plan that begins with it is refused. A service that has people
// of its own is a connection (federated.Connection.Service): they are linked, or get accounts, as those of any provider.
//
// # The contract
//
// The service is asked by POST, once for each time that the person comes by:
//
//	{"actionType": "AUTHENTICATION", "flowId": "…", "requestId": "…",
//	 "event": {"tenant": {"id", "name"}, "application": {"id", "name"}, "currentStepIndex": 2,
//	   "authenticatedSteps": [{"index": 1, "name": "password"}], "user": {"id", "sub", "userIdentitySource": "LOCAL"},
//	   "userStore": {"id", "name"}, "organization": {"id", "name"}, "request": {"additionalParameters": [{"name", "value": []}]}},
//	 "allowedOperations": [{"op": "redirect"}]}
//
// and answers with status 200 and one of
//
//	{"actionStatus": "SUCCESS", "data": {"user": {"id": "…", "claims": [{"uri", "value"}]}}}
//	{"actionStatus": "INCOMPLETE", "operations": [{"op": "redirect", "url": "https://…"}]}
//	{"actionStatus": "FAILED", "failureReason": "…", "failureDescription": "…"}
//
// or with 400 or 500 and {"actionStatus": "ERROR", …}. With INCOMPLETE the person goes to the URL, which has to be at the endpoint's own origin or a listed one;
// from there the service sends them to Services.RedirectURL with the flowId that it was told as the parameter "flowId", and is asked
// again. The id is bound to the browser that began: with another it is worth nothing.
//
// That does not say that the same browser has been at the service. Whoever begins a sign-in knows the id, can have somebody else open the URL
// and prove themselves there, and come back in their place. So the service gives a value, good once, to the browser in which that was done, as a
// parameter of the way back that Endpoint.Parameters names, and answers SUCCESS to nobody who comes without it; and it shows to what application
// people are about to be signed in.
//
// Whatever is none of these, is late, or is about somebody else proves nothing: the person is told, and may try again or choose another
// way. Reasons go to the log.
//
// # Not implemented
//
// Programs without a browser (app-native) are not offered the step; headers of the person's request are not passed on; groups in an
// answer are ignored; tokens of the client credentials grant do not authenticate to a service.
package service
