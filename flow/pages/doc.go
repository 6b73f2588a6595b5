// Package pages shows what the flow engine asks as HTML: sign-in, second factor, enrolment, consent, signing out, and dead
// ends. It is the flow.Transport for browsers. Its pages work without JavaScript and without a request to anybody else,
// from 320 CSS pixels on, in light and dark, from left to right and from right to left; they aim at WCAG 2.2 level AA.
//
//	look, err := pages.New(pages.Config{Issuer: "https://login.example.com"})
//	if err != nil {
//		return err
//	}
//	mux.Handle("GET "+pages.Assets, look)
//
// # What stays
//
// Who automates the pages may rely on the ids of elements. A [flow.Field] has its Name as id and name; a [flow.Action] has
// its Name as id, and is submitted under the name "action". So the built-in steps have the inputs username, password and
// otp, and the buttons login, cancel, consent_allow, consent_deny, logout_confirm and logout_cancel. The page of a person
// who is signed out has logged_out, and every failure has error, which holds the machine-readable code and the id under
// which the log knows the cause. The further inputs flow, seq and restart are hidden.
//
// # What a host changes
//
// Colours, names and logos are settings (directory.Branding), read for each page. Texts are JSON files by language
// (Config.Locales), and the HTML is made of blocks that can be replaced one by one (Config.Templates). A block
// gets a [Page], or the part of it that the comment above the block names.
//
// Not here: passkeys and push, which need a script of their own; a switch of language on the page.
package pages
