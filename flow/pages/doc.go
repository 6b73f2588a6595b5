// Package pages shows what the flow engine asks as HTML: sign-in, second factor, enrolment, consent, signing out, and dead
// ends; and the pages of accounts (flow/account). It is the flow.Transport for browsers. Its pages work without JavaScript and without a request to anybody else,
// from 320 CSS pixels on, in light and dark, from left to right and from right to left; they aim at WCAG 2.2 level AA.
//
// The engine shows them by itself: flow.Config.Transport is all that is to be said. This program shows one without an engine, for
// who works on its look:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"github.com/signet-idp/signet/flow"
//		"github.com/signet-idp/signet/flow/pages"
//		"github.com/signet-idp/signet/store/directory"
//	)
//
//	func main() {
//		look, err := pages.New(pages.Config{
//			Issuer: "http://localhost:8080",
//			CSS:    "h1 { text-align: center }",
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		mux := http.NewServeMux()
//		mux.Handle("GET "+pages.Assets, look)
//		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
//			look.Show(w, r, flow.View{
//				Submit: "/", ApplicationName: "Web shop",
//				Prompt: flow.Prompt{
//					Step:  "password",
//					Title: flow.Message{ID: "password.title"},
//					Fields: []flow.Field{
//						{Name: "username", Type: flow.TextField, Label: "password.username", Required: true, Focus: true},
//						{Name: "password", Type: flow.PasswordField, Label: "password.password", Required: true},
//					},
//					Actions: []flow.Action{{Name: "login", Label: "password.login"}},
//				},
//				Branding: directory.Branding{Name: "Example", Light: map[string]string{"accent": "#0b5cad"}},
//			})
//		})
//		log.Fatal(http.ListenAndServe("localhost:8080", mux))
//	}
//
// # What stays
//
// Who automates the pages may rely on the ids of elements. A [flow.Field] has its Name as id and name; a [flow.Action] has
// its Name as id, and is submitted under the name "action". So the built-in steps have the inputs username, password and
// otp, and the buttons login, cancel, consent_allow, consent_deny, logout_confirm and logout_cancel. The page that
// takes the code of a device has user_code and login, the page that ends what was begun elsewhere has done, the page of a person
// who is signed out has logged_out, and every failure has error, which holds the machine-readable code and the id under
// which the log knows the cause. The further inputs flow, seq and restart are hidden.
//
// # Languages
//
// A page is in the language that the person has chosen at its foot, which a cookie keeps; else in one of those that the application asks for
// (ui_locales), that the browser accepts, or Config.DefaultLocale. Whoever mounts Pages themselves sends it the posts to [Language].
//
// # What a host changes
//
// Colours, names and logos are settings (directory.Branding), read for each page. Texts are JSON files by language
// (Config.Locales, over those in English, French, Spanish, German and Arabic; "time.moment" and "time.months" are how a language writes a time), and the HTML is made of blocks that can be replaced one by one (Config.Templates). A block
// gets a [Page], or the part of it that the comment above the block names.
//
// # Specifications
//
// Web Content Accessibility Guidelines 2.2, level AA, as far as axe-core, other tests and browsers judge it (contrast §1.4.3 and §1.4.11, reflow §1.4.10, target size
// §2.5.8); Content Security Policy Level 3; RFC 4647 §3.4 (which language fits); RFC 9110 §12.5.4 (Accept-Language).
//
// # Not implemented
//
// Texts and layouts as settings of an organization, where those of the host hold for all; links of
// Branding that differ by language; scripts of the host, which the
// Content-Security-Policy refuses; audits of accessibility by people.
package pages
