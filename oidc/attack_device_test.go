package oidc_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	pathDevice              = "/oauth2/device"
	pathDeviceAuthorization = "/oauth2/device_authorization"

	tv      = "tv"      // a public client of the device grant
	printer = "printer" // a confidential one
)

// withDevices is a harness with the device grant.
func withDevices(c *oidc.Config) { c.Features.Device = &oidc.Device{} }

// devices runs test over both placements, with the clients tv and printer.
func devices(t *testing.T, test func(t *testing.T, h *harness), edit ...func(*oidc.Config)) {
	t.Helper()
	placements(t, func(t *testing.T, h *harness) {
		h.registerDevices()
		test(t, h)
	}, append([]func(*oidc.Config){withDevices}, edit...)...)
}

func (h *harness) registerDevices() {
	h.tb.Helper()
	grants := []oidc.GrantType{oidc.DeviceCode, oidc.RefreshToken}
	h.register(&oidc.Client{ClientID: tv, AuthMethod: oidc.NoAuth, GrantTypes: grants})
	h.register(&oidc.Client{ClientID: printer, GrantTypes: grants})
}

// deviceRequest is the answer to a device.
type deviceRequest struct{ deviceCode, userCode, complete string }

func (h *harness) device(clientID string, pairs ...string) deviceRequest {
	h.tb.Helper()
	a := h.askAs(pathDeviceAuthorization, clientID, append([]string{"scope", "openid profile"}, pairs...)...)
	d := deviceRequest{a.member("device_code"), a.member("user_code"), a.member("verification_uri_complete")}
	if a.Status != http.StatusOK || d.deviceCode == "" {
		h.tb.Fatalf("no device code: %s", a)
	}
	h.noteSecret("device code", d.deviceCode)
	return d
}

// askAs posts as a client that may be public.
func (h *harness) askAs(path, clientID string, pairs ...string) *answer {
	form := values()
	override(form, pairs)
	if clientID == tv {
		form.Set("client_id", tv)
		return h.post(path, "", form)
	}
	return h.post(path, clientID, form)
}

func (h *harness) poll(clientID, deviceCode string) *answer {
	return h.askAs(pathToken, clientID, "grant_type", string(oidc.DeviceCode), "device_code", deviceCode)
}

// enter posts a user code and goes on as far as it goes.
func (b *browser) enter(userCode string) *answer {
	return b.follow(b.do(http.MethodPost, pathDevice, values("user_code", userCode)))
}

func allowed(a *answer) bool {
	return a.Status == http.StatusOK && strings.Contains(a.Body, "You have allowed it")
}

func denied(a *answer) bool {
	return a.Status == http.StatusOK && strings.Contains(a.Body, "You did not allow it")
}

// allow lets the person at a new browser allow a device.
func (h *harness) allow(d deviceRequest) {
	h.tb.Helper()
	if a := h.newBrowser().enter(d.userCode); !allowed(a) {
		h.tb.Fatalf("the device was not allowed: %s", a)
	}
}

// User codes are short, so guessing them is bounded by browser and by address, in the very budget of passwords, and a right code is
// no longer taken when it is used up (RFC 8628 §5.1).
func TestAttackUserCodeGuessed(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(tv)
		b := h.newBrowser()
		for range 10 {
			if a := b.enter("BCDF-GHJK"); a.Status != http.StatusUnprocessableEntity {
				t.Fatalf("a wrong code: %s", a)
			}
		}
		if a := b.enter(d.userCode); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("the eleventh code of a browser: %s", a)
		}
		for range 49 { // 60 a minute with the eleven before
			h.newBrowser().enter("BCDF-GHJK")
		}
		if a := h.newBrowser().enter(d.userCode); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("the sixty-first code of an address: %s", a)
		}
		pass, err := h.people.Throttle.Look(t.Context(), "", directory.ThrottlePassword, "192.0.2.1")
		if err != nil || pass.Admitted() {
			t.Errorf("an address that has guessed codes may go on with passwords: %v", err)
		}
		h.clock.advance(time.Minute)
		if a := h.newBrowser().enter(d.userCode); !allowed(a) {
			t.Errorf("a minute later: %s", a)
		}
	})
}

// A GET looks nothing up, so that a code can be guessed by posts alone, which are counted (RFC 8628 §3.3.1, §5.1).
func TestAttackUserCodeByGet(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(tv)
		right, wrong := h.newBrowser().get(pathDevice+"?user_code="+d.userCode), h.newBrowser().get(pathDevice+"?user_code=BCDF-GHJK")
		if right.Status != wrong.Status || strings.ReplaceAll(right.Body, d.userCode, "BCDF-GHJK") != wrong.Body {
			t.Errorf("a GET tells codes apart:\n%s\n%s", right, wrong)
		}
		if n := len(h.persona.interactions()); n != 0 {
			t.Errorf("a GET has asked the person %d times", n)
		}
	})
}

// Codes are typed by people: case, dashes and spaces do not matter; what is not a code is none (RFC 8628 §6.1).
func TestUserCodeAsTyped(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		for _, change := range []func(string) string{
			strings.ToLower,
			func(s string) string { return strings.ReplaceAll(s, "-", "") },
			func(s string) string { return " " + strings.ReplaceAll(s, "-", " – ") + "." },
		} {
			d := h.device(tv)
			if typed := change(d.userCode); strings.Contains(typed, "–") {
				typed = strings.ReplaceAll(typed, "–", "-")
				if a := h.newBrowser().enter(typed); !allowed(a) {
					t.Errorf("%q: %s", typed, a)
				}
			} else if a := h.newBrowser().enter(typed); !allowed(a) {
				t.Errorf("%q: %s", typed, a)
			}
		}
	})
}

// Device code phishing: a person who was sent a code, or the complete URL, sees which client asks from where, and must allow it,
// also where they have given the consent before and where nobody is asked for it (RFC 8628 §3.3.1, §5.4).
func TestAttackDevicePhishing(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		for _, before := range []string{"nothing", "consent given", "consent skipped"} {
			if before == "consent skipped" {
				h.skipConsent(tv)
			}
			d := h.device(tv)
			b := h.newBrowser()
			if a := b.get(strings.TrimPrefix(d.complete, h.issuer)); allowed(a) {
				t.Fatalf("%s: the complete URL alone has allowed it", before)
			}
			if a := b.enter(d.userCode); !allowed(a) {
				t.Fatalf("%s: %s", before, a)
			}
			in := h.persona.lastInteraction()
			if in.Purpose != directory.ApproveConsent || len(in.Consent) == 0 || in.ApplicationName != "App tv" {
				t.Fatalf("%s: nobody was asked: %+v", before, in)
			}
			item := in.Consent[0]
			if !item.Mandatory || item.Params["place"] != "192.0.2.1" || item.Params["code"] != d.userCode || !strings.HasPrefix(item.Title, "approval.device|") {
				t.Errorf("%s: asked %+v", before, item)
			}
		}
		// A flow that leaves the question out has not asked it.
		h.persona.acts(script{Allow: []string{"profile"}})
		d := h.device(tv)
		if a := h.newBrowser().enter(d.userCode); !denied(a) {
			t.Errorf("without the device: %s", a)
		}
		if a := h.poll(tv, d.deviceCode); a.errorCode() != "access_denied" {
			t.Errorf("without the device: %s", a)
		}
	})
}

// One of many polls at once redeems an allowed code, on however many nodes; of the others one takes its tokens down, since of two who
// hold a code one is not its owner (RFC 8628 §3.5, RFC 9700 §4.2.4).
func TestAttackDeviceCodeRedeemedInParallel(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		for _, other := range []*harness{h, h.secondNode(withDevices)} {
			d := h.device(printer)
			h.allow(d)
			nodes := []*harness{h, other}
			answers := atOnce(64, func(i int) *answer { return nodes[i%2].poll(printer, d.deviceCode) })
			var won []issued
			for _, a := range answers {
				switch {
				case a.Status == http.StatusOK:
					won = append(won, h.issued(a))
				case a.errorCode() != "invalid_grant":
					t.Errorf("a loser got %s", a)
				}
			}
			if len(won) != 1 {
				t.Fatalf("%d of 64 redeemed the code", len(won))
			}
			h.demandDead(printer, won[0])
		}
	})
}

// A code that is used later again takes the first use's tokens down, also when its request is forgotten.
func TestAttackDeviceCodeReused(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{time.Second, time.Hour} {
		t.Run(later.String(), func(t *testing.T) {
			t.Parallel()
			devices(t, func(t *testing.T, h *harness) {
				d := h.device(printer)
				h.allow(d)
				got := h.issued(h.poll(printer, d.deviceCode))
				h.clock.advance(later)
				if a := h.poll(printer, d.deviceCode); a.Status != http.StatusBadRequest || !slices.Contains([]string{"invalid_grant", "expired_token"}, a.errorCode()) {
					t.Errorf("used again: %s", a)
				}
				h.demandDead(printer, got)
			})
		})
	}
}

// A code of another client, damaged, or with parts of another is refused, and is as good as before (RFC 8628 §3.4).
func TestAttackDeviceCodeInOtherHands(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d, other := h.device(printer), h.device(printer)
		h.allow(d)
		parts, others := strings.Split(d.deviceCode, "."), strings.Split(other.deviceCode, ".")
		for what, code := range map[string]string{
			"another's grant": others[0] + "." + parts[1] + "." + parts[2], "another's request": parts[0] + "." + others[1] + "." + parts[2],
			"another's secret": parts[0] + "." + parts[1] + "." + others[2], "cut": d.deviceCode[:len(d.deviceCode)-1],
			"longer": d.deviceCode + "A", "without a secret": parts[0] + "." + parts[1], "the user code": d.userCode, "in lower case": strings.ToLower(d.deviceCode),
			"as a code": strings.Replace(d.deviceCode, "sgdc_", "sgac_", 1),
		} {
			if a := h.poll(printer, code); a.errorCode() != "invalid_grant" {
				t.Errorf("%s: %s", what, a)
			}
		}
		if a := h.poll(tv, d.deviceCode); a.errorCode() != "invalid_grant" {
			t.Errorf("another client: %s", a)
		}
		if a := h.post(pathToken, "", values("client_id", printer, "grant_type", string(oidc.DeviceCode), "device_code", d.deviceCode)); a.errorCode() != "invalid_client" {
			t.Errorf("without authentication: %s", a)
		}
		h.issued(h.poll(printer, d.deviceCode))
	})
}

// A code that has expired is not redeemed, although it was allowed in time, and nothing is consumed by the attempt (RFC 8628 §3.5).
func TestAttackDeviceCodeExpired(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(printer)
		h.allow(d)
		h.clock.advance(10 * time.Minute)
		events := h.events()
		for range 2 {
			if a := h.poll(printer, d.deviceCode); a.errorCode() != "expired_token" {
				t.Errorf("an expired code: %s", a)
			}
		}
		if after := h.events(); !slices.Equal(events, after) {
			t.Errorf("an expired code has led to %v", after)
		}
	})
}

// One person decides, once, whatever others do at the same time: what the device is given is that person's.
func TestAttackDeviceDecidedTwice(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(printer)
		var visits []string
		var browsers []*browser
		for range 16 {
			b := h.newBrowser()
			visits = append(visits, b.do(http.MethodPost, pathDevice, values("user_code", d.userCode)).Header.Get("Location"))
			browsers = append(browsers, b)
			h.clock.advance(10 * time.Second)
		}
		answers := atOnce(len(visits), func(i int) *answer { return browsers[i].get(visits[i]) })
		done := 0
		for _, a := range answers {
			if allowed(a) {
				done++
			} else if a.errorCode() != "request_finished" {
				t.Errorf("a browser that came second: %s", a)
			}
		}
		if done != 1 {
			t.Errorf("%d browsers have decided", done)
		}
		h.persona.acts(script{User: bob})
		if a := h.newBrowser().get(visits[0]); a.Status != http.StatusForbidden {
			t.Errorf("another browser: %s", a)
		}
		got := h.issued(h.poll(printer, d.deviceCode))
		if claims(t, got.IDToken)["sub"] != h.subject(ann).ID {
			t.Error("the device was given to somebody else")
		}
	})
}

// A visit belongs to one browser, to one request and to the device grant; a forged one is nobody's (GHSA-vh7g-p26c-j2cw).
func TestAttackDeviceVisitOfAnother(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(tv)
		b := h.newBrowser()
		visit := b.do(http.MethodPost, pathDevice, values("user_code", d.userCode)).Header.Get("Location")
		for what, a := range map[string]*answer{
			"another browser":      h.newBrowser().get(visit),
			"another with cookies": func() *answer { o := h.newBrowser(); o.get(pathDevice); return o.get(visit) }(),
		} {
			if a.Status != http.StatusForbidden || a.errorCode() != "request_foreign" {
				t.Errorf("%s: %s", what, a)
			}
		}
		for _, id := range []string{"", "x", visit[len(visit)-40:], strings.Split(visit, "id=")[1] + "A"} {
			if a := b.get("/oauth2/device/resume?id=" + id); a.errorCode() != "request_expired" {
				t.Errorf("%q: %s", id, a)
			}
		}
		if a := h.send(crossSite(h.request(http.MethodPost, pathDevice, values("user_code", d.userCode)))); a.Status != http.StatusForbidden {
			t.Errorf("a post from another site: %s", a)
		}
		if !allowed(b.get(visit)) {
			t.Error("the browser itself cannot go on")
		}
	})
}

func crossSite(r *http.Request) *http.Request {
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.example")
	return r
}

// Too many polls make the interval longer, and polls at once are told to slow down; the person's decision is not lost by them (RFC
// 8628 §3.5).
func TestAttackDevicePolledTooFast(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(tv)
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{time.Second, "slow_down"},
			{5 * time.Second, "slow_down"},              // it is 10 by now
			{15 * time.Second, "authorization_pending"}, // and 15
			{15 * time.Second, "authorization_pending"},
		} {
			h.clock.advance(step.after)
			if a := h.poll(tv, d.deviceCode); a.errorCode() != step.want || a.Status != http.StatusBadRequest {
				t.Errorf("after %v: %s, want %s", step.after, a, step.want)
			}
		}
		h.clock.advance(time.Minute)
		b := h.newBrowser()
		visit := b.do(http.MethodPost, pathDevice, values("user_code", d.userCode)).Header.Get("Location")
		var decided *answer
		var person sync.WaitGroup
		person.Go(func() { decided = b.get(visit) })
		pending := 0
		for _, a := range atOnce(16, func(int) *answer { return h.poll(tv, d.deviceCode) }) {
			if a.errorCode() == "authorization_pending" {
				pending++
			}
		}
		person.Wait()
		if pending > 1 || !allowed(decided) {
			t.Errorf("%d of 16 polls at once were in time, and the person got %s", pending, decided)
		}
	})
}

// What a device is given ends with the consent and the account, and not with the session of the browser in which it was allowed.
func TestAttackDeviceAfterTheEnd(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(printer)
		h.allow(d)
		h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "logout"))
		got := h.issued(h.poll(printer, d.deviceCode))
		if _, ok := claims(t, got.IDToken)["sid"]; ok {
			t.Error("the device is in the session of the browser")
		}
		h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), printer))
		h.demandDead(printer, got)

		d = h.device(printer)
		h.allow(d)
		h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), printer))
		if a := h.poll(printer, d.deviceCode); a.errorCode() != "invalid_grant" {
			t.Errorf("after the consent was revoked: %s", a)
		}
		d = h.device(printer)
		h.allow(d)
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(ann).Ref()))
		if a := h.poll(printer, d.deviceCode); a.errorCode() != "invalid_grant" {
			t.Errorf("after the account was disabled: %s", a)
		}
	})
}

// User codes found in a dump open nothing: they lie keyed (RFC 8628 §5.2).
func TestAttackUserCodeInTheStore(t *testing.T) {
	t.Parallel()
	devices(t, func(t *testing.T, h *harness) {
		d := h.device(tv)
		for _, call := range h.faults.Calls() {
			for _, op := range call.Ops {
				if op.Record.ID == d.userCode || op.Record.ID == strings.ReplaceAll(d.userCode, "-", "") {
					t.Errorf("a record of %s is found by a user code", op.Record.Kind)
				}
			}
		}
		if log := h.logs.String(); strings.Contains(log, d.userCode) {
			t.Error("a user code is in the log")
		}
	})
}

// Contradictions in the settings are errors of New, all at once and by name.
func TestDeviceSettings(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		h := newHarness(t, p)
		_, err := oidc.New(oidc.Config{
			Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
			Features: oidc.Features{Device: &oidc.Device{Lifetime: 2 * time.Hour, Interval: 1500 * time.Millisecond}},
		})
		for _, field := range []string{"Features.Device.Lifetime", "Features.Device.Interval"} {
			if err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("%s is not in %v", field, err)
			}
		}
	})
}

// FuzzUserCode reads what people type: what is read is a code, and is read the same again.
func FuzzUserCode(f *testing.F) {
	for _, seed := range []string{"BCDF-GHJK", "bcdfghjk", " b c d f – g h j k ", "BCDF-GHJ", "BCDFGHJKL", "AEIOUYAE", "", "ſBCDFGHJ", "ＢＣＤＦＧＨＪＫ", strings.Repeat("-", 70)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := oidc.ParseUserCode(typed)
		if !ok {
			return
		}
		if again, ok := oidc.ParseUserCode(code); len(code) != 8 || strings.Trim(code, "BCDFGHJKLMNPQRSTVWXZ") != "" || !ok || again != code {
			t.Errorf("%q is read as %q, and that as %q", typed, code, again)
		}
	})
}

// FuzzDeviceCode reads device codes: a code has one spelling.
func FuzzDeviceCode(f *testing.F) {
	own := strings.Repeat("A", 43)
	for _, seed := range []string{"sgdc_id." + own + "." + own, "sgdc_id~a/b." + own + "." + own, "sgdc_id~." + own + "." + own, "sgdc_." + own + "." + own, "sgdc_id." + own, "", "sgdc_id." + own + "." + own + ".x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if rewritten, grant, ok := oidc.RewriteDeviceCode(text); ok && (rewritten != text || grant == (store.Ref{})) {
			t.Errorf("%q is read as %q of %v", text, rewritten, grant)
		}
	})
}

// Every letter of a user code is as likely as any other (RFC 8628 §6.1).
func TestUserCodeIsFair(t *testing.T) {
	t.Parallel()
	const codes = 4000
	counts := map[rune]int{}
	for range codes {
		code := oidc.NewUserCode()
		if len(code) != 8 {
			t.Fatalf("a code of %d letters", len(code))
		}
		for _, r := range code {
			counts[r]++
		}
	}
	for _, r := range "BCDFGHJKLMNPQRSTVWXZ" {
		if n, want := counts[r], codes*8/20; n < want*8/10 || n > want*12/10 {
			t.Errorf("%c stands %d times, want about %d", r, n, want)
		}
	}
	if len(counts) != 20 {
		t.Error(fmt.Sprint(counts))
	}
}
