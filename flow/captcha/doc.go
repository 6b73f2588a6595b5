// Package captcha verifies solutions of puzzles that only people solve, at the services that make them: Cloudflare Turnstile, hCaptcha,
// reCAPTCHA, and others that are asked in the same way. It is what flow.BotCheck asks for.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/flow"
//		"github.com/signet-idp/signet/flow/captcha"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	func main() {
//		verifier, err := captcha.New(captcha.Config{
//			Service: captcha.Turnstile(), SiteKey: os.Getenv("CAPTCHA_SITE_KEY"), Secret: os.Getenv("CAPTCHA_SECRET"),
//			Hostnames: []string{"id.example.com"},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		ring, err := store.OpenKeyFile("keyring")
//		if err != nil {
//			log.Fatal(err)
//		}
//		provider, err := signet.New(signet.Config{
//			Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
//			BotCheck: &flow.BotCheck{Captcha: verifier},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(http.ListenAndServe("localhost:8080", provider))
//	}
//
// The page with the puzzle runs a script of the service, which learns from where it is opened. Pages without a puzzle have no part of it.
//
// # Specifications
//
// The three services describe one interface, which has no specification: a POST of secret, response and remoteip as a form, and
// a JSON object with success, and sometimes hostname, action and score, as the answer.
//
// # Not implemented
//
// Puzzles that have no element on the page but are asked for by a script of the host's (reCAPTCHA v3): a template of the host's own may
// have one, and MinScore judges it. The assessments of reCAPTCHA Enterprise by their own API.
package captcha
