package signet_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/storetest"
)

// The pages take posts from the provider's own pages alone, also when the browser and every hidden field are right.
func TestPostsFromElsewhere(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	idp.User("ann")
	address := idp.App(callback).Request().URL
	var cookies []*http.Cookie
	for { // to the sign-in page, as a browser goes
		answer := request(t, idp.Provider, http.MethodGet, address, func(r *http.Request) { carry(r, cookies) })
		cookies = append(cookies, answer.Cookies()...)
		if answer.StatusCode != http.StatusSeeOther {
			break
		}
		address = idp.URL + answer.Header.Get("Location")
	}
	page, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"flow": {page.Query().Get("flow")}, "seq": {"1"}, "action": {"login"}, "username": {"ann"}, "password": {idptest.Password},
	}
	post := func(path string, header http.Header) *http.Response {
		return request(t, idp.Provider, http.MethodPost, idp.URL+path, func(r *http.Request) {
			r.Header = header
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader(form.Encode()))
			carry(r, cookies)
		})
	}
	for name, header := range map[string]http.Header{
		"another site":          {"Sec-Fetch-Site": {"cross-site"}},
		"a sibling":             {"Sec-Fetch-Site": {"same-site"}},
		"another origin":        {"Origin": {"https://evil.example"}},
		"an opaque origin":      {"Origin": {"null"}},
		"another origin, proxy": {"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"evil.example"}},
	} {
		for _, path := range []string{"/login", "/flow/consent", "/flow/logout"} {
			idp.Faults.Forget()
			answer := post(path, header.Clone())
			if answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
				t.Errorf("%s to %s: %d, cookies %v", name, path, answer.StatusCode, answer.Cookies())
			}
			for _, call := range idp.Faults.Calls() {
				if call.Method == storetest.MethodApply {
					t.Errorf("%s to %s writes %v", name, path, call.Kind)
				}
			}
		}
	}
	if answer := post("/login", http.Header{"Origin": {idp.URL}}); answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) == 0 {
		t.Errorf("its own page: %d, cookies %v", answer.StatusCode, answer.Cookies())
	}
}

func carry(r *http.Request, cookies []*http.Cookie) {
	for _, c := range cookies {
		r.AddCookie(c)
	}
}

// Where the provider lives comes from its configuration: what a request says of it shows nowhere.
func TestHostHeader(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	app := idp.App(callback)
	spoof := func(r *http.Request) {
		r.Host = "evil.example"
		for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server"} {
			r.Header.Set(name, "evil.example")
		}
		r.Header.Set("Forwarded", "host=evil.example;proto=https")
		r.Header.Set("X-Forwarded-Proto", "gopher")
	}
	for _, target := range []string{
		"/.well-known/openid-configuration", app.Request().URL, "/login?flow=x", "/oauth2/authorize?client_id=nobody",
		"/oidc/logout", userInfo, app.Request(prompt("none")).URL,
	} {
		answer := request(t, idp.Provider, http.MethodGet, target, spoof)
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range answer.Header {
			for _, value := range values {
				if strings.Contains(value, "evil.example") || strings.Contains(value, "gopher") {
					t.Errorf("%s: %s: %s", target, name, value)
				}
			}
		}
		if strings.Contains(string(body), "evil.example") || strings.Contains(string(body), "gopher:") {
			t.Errorf("%s shows it:\n%s", target, body)
		}
	}
	honest, spoofed := metadata(t, idp.Provider, idp.URL+"/.well-known/openid-configuration"), map[string]any{}
	for name, value := range metadata(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spoof(r)
		idp.Provider.ServeHTTP(w, r)
	}), "/.well-known/openid-configuration") {
		spoofed[name] = value
	}
	if honest["issuer"] != idp.URL || spoofed["issuer"] != idp.URL || len(honest) != len(spoofed) {
		t.Errorf("issuer %v, spoofed %v", honest["issuer"], spoofed["issuer"])
	}
}
