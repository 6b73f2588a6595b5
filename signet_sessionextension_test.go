package signet_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/storetest"
)

const extendSession = "/identity/extend-session"

func withExtension(c *signet.Config) {
	withAccount(c)
	c.SessionExtension, c.Session.Idle, c.Session.Max = true, 15*time.Minute, time.Hour
}

// extend asks for the extension of the browser's session, and returns the status and the code of the error.
func (v *visitor) extend(query string, header map[string]string) (status int, code string) {
	v.t.Helper()
	got := v.send(http.MethodGet, extendSession+query, nil, header)
	var said struct{ Code, Message, Description, TraceID string }
	if got.status != http.StatusOK {
		if err := json.Unmarshal([]byte(got.body), &said); err != nil || said.Message == "" || said.Description == "" || said.TraceID == "" {
			v.t.Errorf("%d %s", got.status, got.body)
		}
	}
	return got.status, said.Code
}

// A session that is extended does not go idle, and ends when it would have ended anyway.
func TestSessionExtension(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		idp := idptest.New(t, placed(p), withExtension)
		v, idle := newVisitor(t, idp, idp.User("ann")), newVisitor(t, idp, idp.User("bob"))
		for range 5 {
			idp.Advance(10 * time.Minute)
			if status, code := v.extend("", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}); status != http.StatusOK {
				t.Fatalf("%d %s", status, code)
			}
		}
		if got := v.get("/account"); got.status != http.StatusOK {
			t.Errorf("extended: %d", got.status)
		}
		if status, code := idle.extend("", nil); status != http.StatusBadRequest || code != "ISE-60004" {
			t.Errorf("a session that had gone idle: %d %s", status, code)
		}
		idp.Advance(10*time.Minute + time.Second)
		if status, code := v.extend("", nil); status != http.StatusBadRequest || code != "ISE-60004" {
			t.Errorf("beyond its end: %d %s", status, code)
		}
		if got := v.get("/account"); got.status == http.StatusOK {
			t.Error("signed in beyond the end of the session")
		}
	})
}

// Nobody extends a session but its own browser from a page of its site: not another site, not a link, not a key, nor after it was ended.
func TestAttackExtendedSession(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withExtension)
	v := newVisitor(t, idp, idp.User("ann"))
	idp.Advance(10 * time.Minute)
	for name, attack := range map[string]struct {
		query  string
		header map[string]string
		code   string
	}{
		"a page of another site": {"", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "ISE-60001"},
		"a link":                 {"", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, "ISE-60001"},
		"a key":                  {"?idpSessionKey=d400af94", nil, "ISE-60002"},
		"an empty key":           {"?idpSessionKey=", nil, "ISE-60002"},
	} {
		if status, code := v.extend(attack.query, attack.header); status != http.StatusBadRequest || code != attack.code {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	u, err := url.Parse(idp.URL)
	if err != nil {
		t.Fatal(err)
	}
	forged := &visitor{idp.Client(), t, idp}
	if status, code := forged.extend("", nil); status != http.StatusBadRequest || code != "ISE-60001" {
		t.Errorf("without a cookie: %d %s", status, code)
	}
	for _, c := range v.Jar.Cookies(u) {
		if id, _, ok := strings.Cut(c.Value, "."); ok {
			if status, code := forged.extend("", map[string]string{"Cookie": c.Name + "=" + id + ".c29tZXRoaW5nIGVsc2UgYWx0b2dldGhlciBoZXJl"}); status != http.StatusBadRequest || code == "" {
				t.Errorf("another secret: %d %s", status, code)
			}
		}
	}
	idp.Advance(5*time.Minute + time.Second)
	if got := v.get("/account"); got.status == http.StatusOK {
		t.Error("one of them has extended the session")
	}
}

// A store that fails is 503, and the provider without the setting has no such endpoint.
func TestSessionExtensionFaults(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withExtension)
	v := newVisitor(t, idp, idp.User("ann"))
	for calls := 1; ; calls++ { // each call fails in turn, until none is left
		idp.Advance(2 * time.Minute)
		idp.Faults.FailCall(calls, nil)
		status, code := v.extend("", nil)
		over := idp.Faults.Waits()
		idp.Heal()
		if over {
			if status != http.StatusOK || calls < 2 {
				t.Errorf("%d calls could fail, then %d %s", calls-1, status, code)
			}
			break
		}
		if status != http.StatusServiceUnavailable || code != "ISE-65001" || calls > 20 {
			t.Fatalf("call %d: %d %s", calls, status, code)
		}
		v.get("/account") // which extends it as well
	}
	without := idptest.New(t)
	if got := (&visitor{without.Client(), t, without}).get(extendSession); got.status != http.StatusNotFound {
		t.Errorf("without the setting: %d", got.status)
	}
}
