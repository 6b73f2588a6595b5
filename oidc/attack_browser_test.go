package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// XSS in form_post (GHSA-27gc-wj6x-9w55, GHSA-xwmw-prc4-v3cr; OAuth 2.0 Form Post Response Mode §4): whatever state holds
// comes back byte for byte as a field's value and never as markup; the page has one script, which the policy names by its
// digest, and may post to one place.
func TestAttackFormPostMarkup(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, state := range []string{
			`"><script>alert(1)</script>`, `</script><script>alert(1)</script>`, `'"><img src=x onerror=alert(1)>`, `javascript:alert(1)`,
			`&quot;><svg/onload=alert(1)>`, "{{.Action}}", "</form><form action=https://evil.example>", "\u2028<b>", "<!--", "]]>", "a\nb", "\x01\x7f",
			"+ADw-script+AD4-", strings.Repeat("<", 4096),
		} {
			for _, pairs := range [][]string{nil, {"prompt", "x"}} {
				a := h.newBrowser().authorize(authorization(web, append([]string{"response_mode", "form_post", "state", state}, pairs...)...))
				fields := postedFields(a.Body)
				if a.Status != http.StatusOK || strings.Count(a.Body, "<script>") != 1 || strings.Count(a.Body, "<form") != 1 ||
					strings.Contains(a.Body, "<img") || strings.Contains(a.Body, "<svg") || strings.Contains(a.Body, "<b>") || strings.Contains(a.Body, "<!--") {
					t.Errorf("state %.40q: %.2000s", state, a)
				}
				if got := fields.Get("state"); got != state && !strings.ContainsAny(state, "\n\x01") {
					t.Errorf("state %.40q came back as %.40q", state, got)
				}
				if !strings.Contains(a.Body, `<form method="post" action="`+callback+`">`) {
					t.Errorf("state %.40q: %.2000s", state, a)
				}
				policy := a.Header.Get("Content-Security-Policy")
				for _, want := range []string{
					"default-src 'none'", "script-src 'sha256-", "form-action 'self' https://app.example", "frame-ancestors 'none'", "base-uri 'none'",
				} {
					if !strings.Contains(policy, want) {
						t.Errorf("policy %q lacks %q", policy, want)
					}
				}
				if strings.Contains(policy, "unsafe") || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Frame-Options") != "DENY" ||
					a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
					t.Errorf("headers: %v", a.Header)
				}
			}
		}
	})
}

// Response splitting and leaks by headers (RFC 9700 §4.2.4, §4.12): a code travels by 303, uncached, without a referrer, and
// no value of the request breaks out of a header.
func TestAttackRedirectResponse(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, state := range []string{"x", "a\r\nSet-Cookie: evil=1", "a&code=evil", "#evil", "ü\u202e"} {
			a := h.newBrowser().authorize(authorization(web, "state", state))
			if a.Status != http.StatusSeeOther || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%q: %s", state, a)
			}
			if got := a.returned(); got.Get("state") != state || len(got["code"]) != 1 || strings.ContainsAny(a.Header.Get("Location"), "\r\n#") {
				t.Errorf("%q: %s", state, a)
			}
		}
	})
}

// Cross-site POST to the authorization endpoint (OpenID Connect Core §3.1.2.1): it comes without the Lax cookie, so nothing
// is decided before the browser has come back by a GET of its own; after that the request is that browser's alone.
func TestAttackCrossSitePost(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		b := h.newBrowser()
		crossSite := func(r *http.Request) {
			r.Header.Del("Cookie")
			r.Header.Set("Origin", "https://app.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		a := b.do(http.MethodPost, pathAuthorize, authorization(web), crossSite)
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), pathResume+"?id=") || a.Header.Get("Set-Cookie") != "" {
			t.Fatalf("POST: %s", a)
		}
		if len(h.persona.interactions()) != 0 {
			t.Fatal("somebody was asked before the browser came back")
		}
		resume := a.Header.Get("Location")
		if done := b.follow(a); !done.returned().Has("code") {
			t.Errorf("coming back: %s", done)
		}
		if other := h.newBrowser().get(resume); other.Status != http.StatusForbidden || other.errorCode() != "request_foreign" {
			t.Errorf("another browser: %s", other)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			if bad := b.do(method, resume, url.Values{}, crossSite); bad.Status != http.StatusForbidden && bad.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s to the resume path: %s", method, bad)
			}
		}
	})
}

// Interaction not bound to the browser, fixation, login CSRF (CVE-2025-68158, CVE-2026-7507, CVE-2022-39222; RFC 9700 §4.7): a
// request can be resumed by the browser that began it, once, and by nobody who has guessed or seen its id.
func TestAttackRequestOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Page: true})
		victim, attacker := h.newBrowser(), h.newBrowser()
		resume := victim.get(pathAuthorize + "?" + authorization(web).Encode()).Header.Get("Location")
		if !strings.HasPrefix(resume, pathResume) {
			t.Fatalf("no page was shown: %q", resume)
		}
		refused := func(what string, a *answer) {
			t.Helper()
			if a.Status != http.StatusForbidden || a.errorCode() != "request_foreign" || a.Header.Get("Location") != "" {
				t.Errorf("%s: %s", what, a)
			}
		}
		refused("a browser without cookies", attacker.get(resume))
		attacker.get(pathAuthorize + "?" + authorization(web).Encode()) // now it has a binding of its own
		asked := len(h.persona.interactions())
		refused("a browser with a cookie of its own", attacker.get(resume))
		planted := victim.jar.Cookies(h.request(http.MethodGet, resume, nil).URL)[0]
		refused("a browser with two such cookies", attacker.do(http.MethodGet, resume, nil, func(r *http.Request) {
			r.AddCookie(planted)
			r.AddCookie(&http.Cookie{Name: planted.Name, Value: "planted"})
		}))
		refused("the name without its prefix", attacker.do(http.MethodGet, resume, nil, func(r *http.Request) {
			r.Header.Del("Cookie")
			r.AddCookie(&http.Cookie{Name: strings.TrimPrefix(planted.Name, "__Host-"), Value: planted.Value})
		}))
		refused("the digest that the store has", attacker.do(http.MethodGet, resume, nil, func(r *http.Request) {
			r.Header.Del("Cookie")
			r.AddCookie(&http.Cookie{Name: planted.Name, Value: digestOf(planted.Value)})
		}))
		if len(h.persona.interactions()) != asked {
			t.Error("the flow was asked for a foreign browser")
		}
		if a := victim.follow(victim.get(resume)); !a.returned().Has("code") {
			t.Fatalf("the browser itself: %s", a)
		}
		if a := victim.get(resume); a.Status != http.StatusBadRequest || a.errorCode() != "request_finished" || a.Header.Get("Location") != "" {
			t.Errorf("a finished request: %s", a)
		}
		refused("a finished request elsewhere", attacker.get(resume))
		for _, id := range []string{"", "x", "~", "..", strings.Repeat("a", 5000), "%00", resume[len(pathResume)+4:] + "~acme", resume[len(pathResume)+4:] + "~"} {
			if a := victim.get(pathResume + "?id=" + id); a.Status != http.StatusBadRequest || a.errorCode() != "request_expired" {
				t.Errorf("id %.40q: %s", id, a)
			}
		}
	})
}

// The binding cookie is what __Host- cookies are: Secure, HttpOnly, Lax, for this host alone (RFC 6265bis §4.1.3).
func TestAttackBindingCookie(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Page: true})
		a := h.newBrowser().get(pathAuthorize + "?" + authorization(web).Encode())
		cookies := (&http.Response{Header: a.Header}).Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies: %v", cookies)
		}
		c := cookies[0]
		if !strings.HasPrefix(c.Name, "__Host-signet-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" ||
			len(c.Value) < 43 {
			t.Errorf("%+v", c)
		}
	})
}

// Completion happens once: of parallel resumes one gets a code.
func TestAttackRequestFinishedInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Page: true})
		b := h.newBrowser()
		resume := b.get(pathAuthorize + "?" + authorization(web).Encode()).Header.Get("Location")
		cookie := b.jar.Cookies(h.request(http.MethodGet, resume, nil).URL)[0]
		b.get(resume) // the page for consent
		codes := 0
		for _, a := range atOnce(16, func(int) *answer {
			r := h.request(http.MethodGet, resume, nil)
			r.AddCookie(cookie)
			return h.send(r)
		}) {
			switch {
			case a.returned().Has("code"):
				codes++
			case a.errorCode() != "request_finished":
				t.Errorf("%s", a)
			}
		}
		if codes != 1 {
			t.Errorf("%d codes of one request", codes)
		}
	})
}

// Two tabs that ask for consent at the same moment both end well, and neither decision is lost.
func TestAttackConsentInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		scopes := []string{"openid profile", "openid email", "openid address", "openid phone"}
		for _, a := range atOnce(len(scopes), func(i int) *answer {
			return h.newBrowser().authorize(authorization(web, "scope", scopes[i]))
		}) {
			if !a.returned().Has("code") {
				t.Errorf("%s", a)
			}
		}
		all, err := h.Consents(t.Context(), h.subject(ann).Ref())
		if err != nil || len(all) != 1 || len(all[0].Granted) != 4 {
			t.Errorf("consents: %v %v", all, err)
		}
	})
}

// prompt and max_age (OpenID Connect Core §3.1.2.1): values that overflow, contradict each other or mean nothing.
func TestAttackPromptAndMaxAge(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, pairs := range [][]string{
			{"prompt", "none login"},
			{"prompt", "none none"},
			{"prompt", "none consent"},
			{"prompt", "NONE"},
			{"prompt", "create"},
			{"prompt", "login evil"},
			{"max_age", "-1"},
			{"max_age", "+1"},
			{"max_age", "1.5"},
			{"max_age", "1e3"},
			{"max_age", "0x10"},
			{"max_age", " 1"},
			{"max_age", "١"},
			{"max_age", "one"},
		} {
			asked := len(h.persona.interactions())
			a := h.newBrowser().authorize(authorization(web, pairs...))
			if a.errorCode() != "invalid_request" || len(h.persona.interactions()) != asked {
				t.Errorf("%v: %s", pairs, a)
			}
		}
		for text, want := range map[string]time.Duration{
			"0": 0, "00": 0, "1": time.Second, "86400": 24 * time.Hour, "9223372036": 100 * 365 * 24 * time.Hour, "9223372037": 100 * 365 * 24 * time.Hour,
			"18446744073709551615": 100 * 365 * 24 * time.Hour, "18446744073709551616": 100 * 365 * 24 * time.Hour, strings.Repeat("9", 400): 100 * 365 * 24 * time.Hour,
		} {
			h.newBrowser().authorize(authorization(web, "max_age", text))
			if age := h.signIn().MaxAge; age == nil || *age != want {
				t.Errorf("max_age %.30s is %v", text, age)
			}
		}
		h.newBrowser().authorize(authorization(web, "prompt", "login select_account consent"))
		if in := h.signIn(); !in.Reauthenticate || !in.SelectAccount || in.Passive || in.MaxAge != nil {
			t.Errorf("%+v", in)
		}
		h.persona.acts(script{Refusal: directory.LoginRequired})
		a := h.newBrowser().authorize(authorization(web, "prompt", "none"))
		if !h.signIn().Passive || a.errorCode() != "login_required" || a.returned().Get("state") != "xyz" {
			t.Errorf("prompt=none: %s", a)
		}
	})
}

// signIn is the last interaction that was a sign-in.
func (h *harness) signIn() directory.Interaction {
	h.tb.Helper()
	for _, in := range slices.Backward(h.persona.interactions()) {
		if in.Purpose == directory.SignIn {
			return in
		}
	}
	h.tb.Fatal("nobody was asked to sign in")
	return directory.Interaction{}
}

// prompt=none asks nothing: consent that is due is an error and not a page (OpenID Connect Core §3.1.2.6).
func TestAttackPassiveConsent(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{RefuseConsent: directory.ConsentRequired})
		a := h.newBrowser().authorize(authorization(web, "prompt", "none"))
		if last := h.persona.lastInteraction(); a.errorCode() != "consent_required" || !last.Passive || last.Purpose != directory.ApproveConsent {
			t.Errorf("%s", a)
		}
	})
}

// Consent is re-evaluated for the subject that the request ends on: what ann has allowed counts nothing for bob, and bob's
// refusal is his.
func TestAttackConsentOfAnother(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		b := h.newBrowser()
		b.authorize(authorization(web))
		asked := len(h.persona.interactions())
		if b.authorize(authorization(web)); len(h.persona.interactions()) != asked+1 {
			t.Error("ann was asked again")
		}
		h.persona.acts(script{User: bob, Allow: []string{}})
		got := h.issued(h.redeem(web, b.authorize(authorization(web, "prompt", "login")).returned().Get("code")))
		last := h.persona.lastInteraction()
		if last.Purpose != directory.ApproveConsent || last.Subject != h.subject(bob).Ref() || len(last.Consent) != 2 {
			t.Errorf("bob was asked %+v", last)
		}
		if got.Scope != "openid" || got.RefreshToken == "" || claims(t, got.IDToken)["sub"] != h.subject(bob).ID {
			t.Errorf("bob gave %q", got.Scope)
		}
	})
}

// A person who is switched while the consent page is open (another tab signs in as somebody else): what the one has allowed
// is not recorded for, or used by, the other.
func TestAttackPersonSwitchedDuringConsent(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		var h *harness
		h = newHarness(t, p, func(c *oidc.Config) {
			persona := c.Interact
			c.Interact = func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error) {
				result, err := persona(w, r, in)
				if in.Purpose == directory.ApproveConsent && err == nil && result != nil {
					switched := *result
					switched.Subject = h.subject(bob).Ref() // it was bob who answered
					return &switched, nil
				}
				return result, err
			}
		})
		a := h.newBrowser().authorize(authorization(web))
		if a.errorCode() != "login_required" || a.returned().Has("code") {
			t.Errorf("%s", a)
		}
		for _, name := range []string{ann, bob} {
			if all, err := h.Consents(t.Context(), h.subject(name).Ref()); err != nil || len(all) != 0 {
				t.Errorf("consents of %s: %v %v", name, all, err)
			}
		}
	})
}

// A person who refuses everything has not consented to a token without scope: the client is told (RFC 6749 §4.1.2.1).
func TestAttackEverythingRefused(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Allow: []string{}})
		if a := h.newBrowser().authorize(authorization(web, "scope", "profile email")); a.errorCode() != "access_denied" {
			t.Errorf("%s", a)
		}
		h.persona.acts(script{Allow: []string{"admin", "openid", "address", "claim:sub"}}) // more than was asked
		got := h.tokens(web, "scope", "openid profile", "prompt", "consent")
		if got.Scope != "openid" {
			t.Errorf("scope is %q", got.Scope)
		}
	})
}

// auth_time, acr and amr are those of the real authentication, also when all that happened was a consent, and after every
// refresh (OpenID Connect Core §2, §12.2).
func TestAttackAuthTimeOfTheRealAuthentication(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		proven := h.clock.Now().Truncate(time.Second)
		h.tokens(web, "scope", "openid")
		session := h.persona.lastSession()
		h.clock.advance(2 * time.Hour)
		h.persona.acts(script{Session: session, Evidence: session.Evidence})
		got := h.tokens(web, "scope", "openid profile offline_access", "prompt", "consent")
		h.clock.advance(time.Hour)
		again := h.issued(h.refresh(web, got.RefreshToken))
		for name, token := range map[string]string{"ID token": got.IDToken, "access token": got.AccessToken, "refreshed ID token": again.IDToken} {
			c := claims(t, token)
			if c["auth_time"] != float64(proven.Unix()) || c["acr"] != "aal1" {
				t.Errorf("%s: auth_time %v, acr %v", name, c["auth_time"], c["acr"])
			}
		}
		if _, has := claims(t, again.IDToken)["nonce"]; has {
			t.Error("a refreshed ID token has a nonce")
		}
		for name, token := range map[string]string{"iss": got.IDToken, "sub": got.IDToken, "aud": got.IDToken, "sid": got.IDToken, "azp": got.IDToken} {
			if claims(t, token)[name] != claims(t, again.IDToken)[name] {
				t.Errorf("%s changed on refresh", name) // OpenID Connect Core §12.2
			}
		}
	})
}

// acr requested but not reached (CVE-2026-97176; OpenID Connect Core §5.5.1.1): an essential class that was not reached, or
// that we do not know, is an error; a voluntary one is answered with what was reached.
func TestAttackACRNotReached(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		password := []directory.Evidence{{Method: "password", AMR: []string{"pwd"}}}
		both := append(slices.Clone(password), directory.Evidence{Method: "totp", AMR: []string{"otp"}})
		essential := func(values string) []string {
			return []string{"claims", `{"id_token":{"acr":{"essential":true,"values":[` + values + `]}}}`}
		}
		for name, test := range map[string]struct {
			proof []directory.Evidence
			pairs []string
			acr   string // "" is an error
		}{
			"essential and not reached":           {password, essential(`"aal2"`), ""},
			"essential and unknown":               {both, essential(`"urn:mace:incommon:iap:gold"`), ""},
			"essential and in capitals":           {both, essential(`"AAL2"`), ""},
			"essential by value, not reached":     {password, []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"aal2"}}}`}, ""},
			"essential and reached":               {both, essential(`"aal2"`), "aal2"},
			"essential, one of two reached":       {password, essential(`"aal2","aal1"`), "aal1"},
			"essential, more than asked":          {both, essential(`"aal1"`), "aal1"},
			"essential wins over acr_values":      {password, append(essential(`"aal2"`), "acr_values", "aal1"), ""},
			"voluntary and not reached":           {password, []string{"acr_values", "aal2"}, "aal1"},
			"voluntary and unknown":               {both, []string{"acr_values", "gold"}, "aal2"},
			"voluntary by claims and not reached": {password, []string{"claims", `{"id_token":{"acr":{"values":["aal2"]}}}`}, "aal1"},
			"essential without a value":           {password, []string{"claims", `{"id_token":{"acr":{"essential":true}}}`}, "aal1"},
		} {
			h.persona.acts(script{Evidence: test.proof})
			a := h.newBrowser().authorize(authorization(web, test.pairs...))
			if test.acr == "" {
				if a.errorCode() != "unmet_authentication_requirements" || a.returned().Has("code") {
					t.Errorf("%s: %s", name, a)
				}
				continue
			}
			got := h.issued(h.redeem(web, a.returned().Get("code")))
			if acr := claims(t, got.IDToken)["acr"]; acr != test.acr {
				t.Errorf("%s: acr is %v", name, acr)
			}
		}
	})
}

// A class that the flow has selected is reported where it was asked for and reached; it raises nothing, whatever the flow says.
func TestAttackACRSelected(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		password := []directory.Evidence{{Method: "password", AMR: []string{"pwd"}}}
		both := append(slices.Clone(password), directory.Evidence{Method: "totp", AMR: []string{"otp"}})
		essential := func(values string) []string {
			return []string{"claims", `{"id_token":{"acr":{"essential":true,"values":[` + values + `]}}}`}
		}
		for name, test := range map[string]struct {
			proof    []directory.Evidence
			selected string
			pairs    []string
			acr      string // "" is an error
		}{
			"raised":                        {password, "aal2", []string{"acr_values", "aal2 aal1"}, "aal1"},
			"raised where it is essential":  {password, "aal2", essential(`"aal2"`), ""},
			"essential, two asked, raised":  {password, "aal2", essential(`"aal2","aal1"`), "aal1"},
			"unknown and asked for":         {both, "gold", []string{"acr_values", "gold aal1"}, "aal2"},
			"unknown where it is essential": {both, "gold", essential(`"gold"`), ""},
			"not asked for":                 {both, "aal1", []string{"acr_values", "aal2"}, "aal2"},
			"nothing asked for":             {both, "aal1", nil, "aal2"},
			"in capitals":                   {both, "AAL1", []string{"acr_values", "AAL1 aal1"}, "aal2"},
			"two at once":                   {both, "aal2 aal1", []string{"acr_values", "aal2 aal1"}, "aal2"},
			"the weaker of two":             {both, "aal1", []string{"acr_values", "aal2 aal1"}, "aal1"},
			"the one reached":               {both, "aal2", []string{"acr_values", "aal1 aal2"}, "aal2"},
			"essential, the weaker of two":  {both, "aal1", essential(`"aal2","aal1"`), "aal1"},
		} {
			h.persona.acts(script{Evidence: test.proof, ACR: test.selected})
			a := h.newBrowser().authorize(authorization(web, test.pairs...))
			if test.acr == "" {
				if a.errorCode() != "unmet_authentication_requirements" || a.returned().Has("code") {
					t.Errorf("%s: %s", name, a)
				}
				continue
			}
			got := h.issued(h.redeem(web, a.returned().Get("code")))
			if id, access := claims(t, got.IDToken)["acr"], claims(t, got.AccessToken)["acr"]; id != test.acr || access != test.acr {
				t.Errorf("%s: acr is %v and %v", name, id, access)
			}
		}
	})
}

// A flow that answers with somebody else than the request names, or with proofs of two people, or with none, gets no code
// (OpenID Connect Core §3.1.2.1, §5.5.1).
func TestAttackFlowAnswersForAnother(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		hint := h.tokens(web).IDToken
		h.persona.acts(script{User: bob})
		for name, pairs := range map[string][]string{
			"id_token_hint":   {"id_token_hint", hint},
			"sub by value":    {"claims", `{"id_token":{"sub":{"value":"` + h.subject(ann).ID + `"}}}`},
			"sub at userinfo": {"claims", `{"userinfo":{"sub":{"value":"` + h.subject(ann).ID + `"}}}`},
		} {
			a := h.newBrowser().authorize(authorization(web, pairs...))
			if a.errorCode() != "login_required" || a.returned().Has("code") || h.signIn().HintSubject != h.subject(ann).ID {
				t.Errorf("%s: %s", name, a)
			}
		}
		for name, pairs := range map[string][]string{
			"two subjects":           {"claims", `{"id_token":{"sub":{"values":["a","b"]}}}`},
			"hint and claims differ": {"id_token_hint", hint, "claims", `{"id_token":{"sub":{"value":"somebody"}}}`},
		} {
			if a := h.newBrowser().authorize(authorization(web, pairs...)); a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", name, a)
			}
		}
		for name, proof := range map[string][]directory.Evidence{
			"proof of another": {{Method: "password", AMR: []string{"pwd"}, Subject: h.subject(ann).ID}},
			"proof of two":     {{Method: "password", AMR: []string{"pwd"}}, {Method: "totp", AMR: []string{"otp"}, Subject: h.subject(ann).ID}},
			"no proof":         {},
		} {
			h.persona.acts(script{User: bob, NoSession: true, Evidence: proof})
			if a := h.newBrowser().authorize(authorization(web)); a.Status != http.StatusServiceUnavailable || a.Header.Get("Location") != "" {
				t.Errorf("%s: %s", name, a)
			}
		}
	})
}

// Tampered id_token_hint (OpenID Connect Core §3.1.2.1): only what we signed as an ID token is one, expired or not.
func TestAttackTamperedHint(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.tokens(web)
		head, payload, signature := cutJWT(got.IDToken)
		_, other, otherSignature := cutJWT(h.tokens(mail).IDToken)
		for name, hint := range map[string]string{
			"another payload": head + "." + other + "." + signature, "another signature": head + "." + payload + "." + otherSignature,
			"no signature": head + "." + payload + ".", "an access token": got.AccessToken, "text": "hint", "alg none": "eyJhbGciOiJub25lIn0." + payload + ".",
		} {
			if a := h.newBrowser().authorize(authorization(web, "id_token_hint", hint)); a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", name, a)
			}
			for _, more := range []string{"", bye} {
				a := h.newBrowser().get(pathLogout + "?" + values("id_token_hint", hint, "post_logout_redirect_uri", more, "client_id", web).Encode())
				h.demandStays(a, name)
			}
		}
		h.clock.advance(30 * 24 * time.Hour)
		if a := h.newBrowser().authorize(authorization(web, "id_token_hint", got.IDToken)); !a.returned().Has("code") {
			t.Errorf("an expired ID token is a hint: %s", a)
		}
	})
}

// A client or redirect URI that is withdrawn while somebody is signing in gets no code.
func TestAttackClientChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*harness, *oidc.Client) error{
		"URI withdrawn": func(h *harness, c *oidc.Client) error {
			c.RedirectURIs = []string{"https://app.example/new"}
			return h.Clients.Replace(h.tb.Context(), c)
		},
		"client deleted": func(h *harness, c *oidc.Client) error { return h.Clients.Delete(h.tb.Context(), c) },
		"application disabled": func(h *harness, c *oidc.Client) error {
			return h.people.Applications.Disable(h.tb.Context(), c.Application)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				h.persona.acts(script{Page: true})
				b := h.newBrowser()
				page := b.get(pathAuthorize + "?" + authorization(web).Encode())
				h.must(change(h, h.client(web)))
				a := b.follow(page)
				if a.returned().Has("code") || a.errorCode() != "invalid_client" && a.errorCode() != "unauthorized_client" {
					t.Errorf("%s", a)
				}
				if name != "application disabled" {
					h.demandStays(a, name)
				}
			})
		})
	}
}

// Host, Forwarded and X-Forwarded-* from whoever sends them (RFC 9700 §4.14's proxies; Keycloak's class): the issuer, every
// URL and every cookie come from configuration.
func TestAttackHostHeader(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		evil := func(r *http.Request) {
			r.Host = "evil.example"
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "X-Forwarded-Prefix", "X-Original-URL", "X-Rewrite-URL"} {
				r.Header.Set(name, "evil.example")
			}
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Header.Set("X-Forwarded-For", "203.0.113.66")
			r.Header.Set("Forwarded", "host=evil.example;proto=http;for=203.0.113.66")
			r.Header.Set("Origin", "https://evil.example")
		}
		check := func(what string, a *answer) {
			t.Helper()
			if strings.Contains(a.String(), "evil.example") {
				t.Errorf("%s: %s", what, a)
			}
			if a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s allows credentials: %s", what, a)
			}
		}
		b := h.newBrowser()
		for _, path := range []string{
			"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", pathJWKS, pathAuthorize + "?" + authorization(web).Encode(),
			pathAuthorize, pathLogout, pathResume + "?id=x", pathUserInfo,
		} {
			a := b.do(http.MethodGet, path, nil, evil)
			check(path, a)
			if origin := a.Header.Get("Access-Control-Allow-Origin"); origin != "" && origin != "*" {
				t.Errorf("%s reflects an origin: %q", path, origin)
			}
		}
		check("POST", b.do(http.MethodPost, pathAuthorize, authorization(web), evil))
		r := h.request(http.MethodPost, pathToken, values("grant_type", "client_credentials"))
		r.SetBasicAuth(robot, clientSecret(robot))
		evil(r)
		a := h.send(r)
		if origin := a.Header.Get("Access-Control-Allow-Origin"); origin != "" {
			t.Errorf("the token endpoint answers other sites: %q", origin)
		}
		if got := claims(t, h.issued(a).AccessToken)["iss"]; got != issuer {
			t.Errorf("iss is %v", got)
		}
		for _, o := range h.observedSoFar() {
			if strings.HasPrefix(o.Address, "203.0.113.") {
				t.Errorf("an untrusted peer chose its address: %+v", o)
			}
		}
	})
}

func (h *harness) observedSoFar() []directory.Observation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.observed)
}

// CORS with credentials, or with the asker's own origin (the class of "null" origins reflected): documents are for everybody
// and without credentials, everything else is for nobody's script.
func TestAttackCORS(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		token := h.tokens(web).AccessToken
		for _, origin := range []string{"https://evil.example", "null", "https://app.example", issuer + ".evil.example"} {
			for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
				for _, path := range []string{
					pathToken, pathUserInfo, pathIntrospect, pathRevoke, pathAuthorize, pathResume, pathLogout, pathJWKS, "/.well-known/openid-configuration",
				} {
					r := h.request(method, path, nil)
					r.Header.Set("Origin", origin)
					r.Header.Set("Access-Control-Request-Method", http.MethodPost)
					r.Header.Set("Access-Control-Request-Headers", "authorization")
					r.Header.Set("Authorization", "Bearer "+token)
					a := h.send(r)
					public := path == pathJWKS || strings.HasPrefix(path, "/.well-known/")
					allowed := a.Header.Get("Access-Control-Allow-Origin")
					if allowed != "" && (allowed != "*" || !public) || a.Header.Get("Access-Control-Allow-Credentials")+a.Header.Get("Access-Control-Allow-Headers") != "" {
						t.Errorf("%s %s from %s: %v", method, path, origin, a.Header)
					}
				}
			}
		}
	})
}

// The error page is no oracle and no canvas: what the request says is shown as text or not at all, and nothing may frame it.
func TestAttackErrorPage(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, name := range []string{"client_id", "redirect_uri", "state", "scope", "id", "error", "error_description"} {
			for _, path := range []string{pathAuthorize, pathResume, pathLogout} {
				a := h.newBrowser().get(path + "?post_logout_redirect_uri=x&" + values(name, `"><script>alert(1)</script>`).Encode())
				if a.Status == http.StatusSeeOther {
					continue
				}
				if strings.Contains(a.Body, "alert(1)") || a.errorCode() == "" || a.Header.Get("X-Frame-Options") != "DENY" ||
					!strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || a.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s?%s: %s", path, name, a)
				}
			}
		}
	})
}

// Who asks without end is told to wait, and fills no store with requests that nobody will answer; neither with sign-ins nor with
// logouts.
func TestAttackRequestsWithoutEnd(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.must(directory.Set(t.Context(), h.people.Settings, h.people.Settings.Throttle, "", "", directory.ThrottlePolicy{}))
		admitted := 0
		for i := range 80 {
			ask := func() *answer { return h.newBrowser().authorize(authorization(web)) }
			if i%2 == 1 {
				ask = func() *answer { return h.newBrowser().get(pathLogout) }
			}
			switch a := ask(); {
			case a.Status == http.StatusTooManyRequests:
				if a.Header.Get("Retry-After") != "1" || a.Header.Get("Location") != "" {
					t.Fatalf("%s, Retry-After %q", a, a.Header.Get("Retry-After"))
				}
			case a.Status == http.StatusSeeOther || a.Status == http.StatusOK:
				admitted++
			default:
				t.Fatalf("%s", a)
			}
		}
		if admitted != 60 {
			t.Errorf("%d requests were kept, want 60", admitted)
		}
	})
}

// A page that has a browser ask for sign-ins without end, in frames and images, does not keep the person from one of their own.
func TestAttackRequestsInsideAPage(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.must(directory.Set(t.Context(), h.people.Settings, h.people.Settings.Throttle, "", "", directory.ThrottlePolicy{}))
		b, admitted := h.newBrowser(), 0
		for i := range 80 {
			destination := []string{"image", "iframe"}[i%2]
			a := b.do(http.MethodGet, pathAuthorize+"?"+authorization(web).Encode(), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", destination) })
			if a.Status != http.StatusTooManyRequests {
				admitted++
			}
		}
		if admitted != 60 {
			t.Errorf("%d requests from inside a page were kept, want 60", admitted)
		}
		if a := b.authorize(authorization(web)); a.Status == http.StatusTooManyRequests {
			t.Errorf("the person's own: %s", a)
		}
	})
}
