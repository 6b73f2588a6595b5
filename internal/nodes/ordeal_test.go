package nodes_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signet-idp/signet/idptest"
)

// stake is one thing that can be used once: a code, or a refresh token.
type stake struct {
	form url.Values
	// first is what the node that was struck answered; nil when no answer came.
	first *answer
	// second is what another node answered to the same request afterwards.
	second *answer
}

// gamble prepares so many codes and as many refresh tokens at a provider.
func gamble(t *testing.T, here *idptest.Server, app *idptest.App, many int) (codes, refreshes []*stake) {
	t.Helper()
	ann, browser := here.User("ann"), here.Browser()
	for i := range 2 * many {
		request := app.Request()
		page := browser.Open(request.URL)
		if !strings.HasPrefix(page.URL.String(), app.RedirectURL) {
			page = page.SignIn(ann)
		}
		s := &stake{form: url.Values{
			"grant_type": {"authorization_code"}, "code": {page.URL.Query().Get("code")},
			"redirect_uri": {app.RedirectURL}, "code_verifier": {request.Verifier},
		}}
		if i < many {
			codes = append(codes, s)
			continue
		}
		a, err := try(t, here.URL, app, s.form)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("preparing: %+v, %v", a, err)
		}
		refreshes = append(refreshes, &stake{form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken}}})
	}
	return codes, refreshes
}

// try asks the token endpoint of a node, which may be gone.
func try(t *testing.T, node string, app *idptest.App, form url.Values) (*answer, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret))
	response, err := new(http.Client).Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After")}
	return a, json.NewDecoder(response.Body).Decode(a)
}

// storm uses all stakes at a node: most at once, in the middle of which it strikes, and the rest afterwards.
func storm(t *testing.T, node string, app *idptest.App, stakes []*stake, strike func()) {
	t.Helper()
	var answered atomic.Int32
	var once sync.Once
	var asking sync.WaitGroup
	struck := make(chan struct{})
	for i, s := range stakes {
		asking.Go(func() {
			if i%4 == 3 {
				<-struck
			}
			if a, err := try(t, node, app, s.form); err == nil {
				s.first = a
			}
			if int(answered.Add(1)) >= len(stakes)/4 {
				once.Do(func() {
					strike()
					close(struck)
				})
			}
		})
	}
	asking.Wait()
}

// settle uses every stake once more, at a node that is well.
func settle(t *testing.T, node string, app *idptest.App, stakes []*stake) {
	t.Helper()
	for _, s := range stakes {
		a, err := try(t, node, app, s.form)
		if err != nil {
			t.Fatal(err)
		}
		s.second = a
	}
}

// judgeRefreshes: whoever asks again gets the same successor, whether the first answer came or was lost (RFC 9700 §4.14.2).
func judgeRefreshes(t *testing.T, stakes []*stake) (answered, lost int) {
	t.Helper()
	successors := map[string]bool{}
	for i, s := range stakes {
		if s.second.status != http.StatusOK {
			t.Errorf("refresh token %d, asked again: %+v, after %+v", i, s.second, s.first)
			continue
		}
		if successors[s.second.RefreshToken] {
			t.Errorf("refresh token %d has the successor of another", i)
		}
		successors[s.second.RefreshToken] = true
		if s.first == nil || s.first.status != http.StatusOK {
			lost++
			continue
		}
		if answered++; s.first.RefreshToken != s.second.RefreshToken {
			t.Errorf("refresh token %d has two successors", i)
		}
	}
	return answered, lost
}

// judgeCodes: no code is redeemed twice, and what was answered is there.
func judgeCodes(t *testing.T, node string, app *idptest.App, stakes []*stake) (answered, lost, unused int) {
	t.Helper()
	for i, s := range stakes {
		first, second := s.first != nil && s.first.status == http.StatusOK, s.second != nil && s.second.status == http.StatusOK
		switch {
		case first && second:
			t.Errorf("code %d was redeemed twice", i)
		case first:
			answered++
		case second:
			unused++
		default:
			lost++ // redeemed, but the answer never came: the code is spent
		}
		if second && !active(t, node, app, s.second.AccessToken) {
			t.Errorf("code %d: what the second node issued is not there", i)
		}
	}
	return answered, lost, unused
}

func active(t *testing.T, node string, app *idptest.App, token string) bool {
	t.Helper()
	return post(t, node, "/oauth2/introspect", app, url.Values{"token": {token}}).Active
}

// kill -9 of a node in the middle of many redemptions and refreshes: nothing is used twice, nothing that was acknowledged is
// lost, and the other node goes on at once.
func TestNodeIsKilled(t *testing.T) { everyPlace(t, nodeIsKilled) }

func nodeIsKilled(t *testing.T, p place) {
	h := p.furnish(t)
	here := h.serveHere(t)
	victim := h.startNode(t, here.URL)
	app := here.App("http://127.0.0.1/callback")
	codes, refreshes := gamble(t, here, app, 100)
	storm(t, victim.url, app, append(append([]*stake(nil), codes...), refreshes...), func() { victim.kill(t) })

	for i, s := range codes { // before they are used again, which is meant to revoke
		if s.first != nil && s.first.status == http.StatusOK && !active(t, here.URL, app, s.first.AccessToken) {
			t.Errorf("code %d: what the killed node has answered is lost", i)
		}
	}
	settle(t, here.URL, app, refreshes)
	settle(t, here.URL, app, codes)
	answered, lost, unused := judgeCodes(t, here.URL, app, codes)
	renewed, asked := judgeRefreshes(t, refreshes)
	t.Logf("%s: of %d codes %d were answered, %d spent without an answer, %d redeemed elsewhere; of %d refresh tokens %d were answered and %d again elsewhere; used twice 0, lost 0",
		p.name, len(codes), answered, lost, unused, len(refreshes), renewed, asked)
	if answered+renewed == len(codes)+len(refreshes) {
		t.Error("the node was killed too late to matter")
	}
}
