package oidc_test

import (
	"net/http"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
)

// decoupledDoors are the requests of device grant and CIBA.
func decoupledDoors() []door { return append(deviceDoors(), cibaDoors()...) }

func refusedAs(codes ...string) func(*answer) bool {
	return func(a *answer) bool {
		return a.Status == http.StatusBadRequest && slices.Contains(codes, a.errorCode())
	}
}

// decidedOr is an answer to a person whose decision may have been written before.
func decidedOr(a *answer) bool { return allowed(a) || denied(a) || refusedAs("request_finished")(a) }

func deviceDoors() []door {
	allowedDevice := func(h *harness) deviceRequest {
		h.registerDevices()
		d := h.device(printer)
		h.allow(d)
		return d
	}
	visit := func(h *harness, b *browser) string {
		h.registerDevices()
		return b.do(http.MethodPost, pathDevice, values("user_code", h.device(tv).userCode)).Header.Get("Location")
	}
	return []door{
		{name: "device authorization", config: withDevices, done: gotOK, open: func(h *harness) attempt {
			h.registerDevices()
			return attempt{send: func() *answer { return h.askAs(pathDeviceAuthorization, tv, "scope", "openid") }}
		}},
		{name: "user code", config: withDevices, done: goesTo("/oauth2/device/resume"), open: func(h *harness) attempt {
			h.registerDevices()
			d, b := h.device(tv), h.newBrowser()
			return attempt{send: func() *answer { return b.do(http.MethodPost, pathDevice, values("user_code", d.userCode)) }}
		}},
		{name: "device allowed", config: withDevices, done: allowed, lost: decidedOr, open: func(h *harness) attempt {
			b := h.newBrowser()
			next := visit(h, b)
			return attempt{send: func() *answer { return b.get(next) }}
		}},
		{name: "device refused", config: withDevices, done: denied, lost: decidedOr, open: func(h *harness) attempt {
			h.persona.acts(script{RefuseConsent: "denied"})
			b := h.newBrowser()
			next := visit(h, b)
			return attempt{send: func() *answer { return b.get(next) }}
		}},
		{name: "poll", config: withDevices, done: refusedAs("authorization_pending"), lost: refusedAs("slow_down"), open: func(h *harness) attempt {
			h.registerDevices()
			d := h.device(tv)
			h.clock.advance(5 * time.Second)
			return attempt{send: func() *answer { return h.poll(tv, d.deviceCode) }}
		}},
		{name: "device code", config: withDevices, done: gotTokens, lost: refusedAs("invalid_grant"), open: func(h *harness) attempt {
			d := allowedDevice(h)
			return attempt{send: func() *answer { return h.poll(printer, d.deviceCode) }}
		}},
		{name: "device code a second time", config: withDevices, done: refusedAs("invalid_grant"), open: func(h *harness) attempt {
			d := allowedDevice(h)
			token := h.issued(h.poll(printer, d.deviceCode)).AccessToken
			return attempt{func() *answer { return h.poll(printer, d.deviceCode) }, h.dead(printer, token)}
		}},
		{name: "device code a second time and late", config: withDevices, done: refusedAs("invalid_grant"), open: func(h *harness) attempt {
			d := allowedDevice(h)
			token := h.issued(h.poll(printer, d.deviceCode)).AccessToken
			h.clock.advance(30 * time.Minute)
			return attempt{func() *answer { return h.poll(printer, d.deviceCode) }, h.dead(printer, token)}
		}},
	}
}

func cibaDoors() []door {
	with := withCIBA(&people{})
	visit := func(h *harness, b *browser) string {
		h.registerCIBA("")
		return b.get("/oauth2/ciba?id=" + requestID(h.ciba(till))).Header.Get("Location")
	}
	return []door{
		{name: "backchannel authentication", config: with, done: gotOK, open: func(h *harness) attempt {
			h.registerCIBA("")
			return attempt{send: func() *answer { return h.askFor(till, "login_hint", ann) }}
		}},
		{name: "backchannel authentication with a user code", config: with, done: gotOK, open: func(h *harness) attempt {
			h.registerCIBA("")
			return attempt{send: func() *answer { return h.askFor(kiosk, "login_hint", ann, "user_code", "4711") }}
		}},
		{name: "wrong user code", config: with, done: refusedAs("invalid_user_code"), open: func(h *harness) attempt {
			h.registerCIBA("")
			return attempt{send: func() *answer { return h.askFor(kiosk, "login_hint", ann, "user_code", "1234") }}
		}},
		{name: "signed backchannel authentication", config: with, done: gotOK, open: func(h *harness) attempt {
			h.registerVendor()
			return attempt{send: func() *answer { // a jti that was written before something else failed is used up: the client signs anew
				return h.post(pathCIBA, vendor, values("request", h.signObject(h.object(nil), jose.Header{Alg: jose.PS256, Kid: "ps"})))
			}}
		}},
		{name: "page of a backchannel request", config: with, done: goesTo("/oauth2/ciba/resume"), open: func(h *harness) attempt {
			h.registerCIBA("")
			id, b := requestID(h.ciba(till)), h.newBrowser()
			return attempt{send: func() *answer { return b.get("/oauth2/ciba?id=" + id) }}
		}},
		{name: "backchannel request allowed", config: with, done: allowed, lost: decidedOr, open: func(h *harness) attempt {
			b := h.newBrowser()
			next := visit(h, b)
			return attempt{send: func() *answer { return b.get(next) }}
		}},
		{name: "poll of a backchannel request", config: with, done: refusedAs("authorization_pending"), lost: refusedAs("slow_down"), open: func(h *harness) attempt {
			h.registerCIBA("")
			id := h.ciba(till)
			h.clock.advance(5 * time.Second)
			return attempt{send: func() *answer { return h.pollFor(till, id) }}
		}},
		{name: "auth_req_id", config: with, done: gotTokens, lost: refusedAs("invalid_grant"), open: func(h *harness) attempt {
			h.registerCIBA("")
			id := h.ciba(till)
			h.must(h.ApproveCIBA(h.tb.Context(), id, h.proofOf(ann), nil))
			return attempt{send: func() *answer { return h.pollFor(till, id) }}
		}},
	}
}
