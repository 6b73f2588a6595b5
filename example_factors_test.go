package signet_test

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/oidc/rp"
)

// list is a list of revoked certificates that somebody keeps up to date.
type list struct {
	current atomic.Pointer[x509.RevocationList]
	now     func() time.Time
}

func (l *list) revoked(_ context.Context, chain []*x509.Certificate) error {
	crl := l.current.Load() // its signature was checked (CheckSignatureFrom) when it was fetched
	if crl == nil || l.now().After(crl.NextUpdate) {
		return errors.New("the list is out of date")
	}
	for _, entry := range crl.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(chain[0].SerialNumber) == 0 {
			return flow.ErrCertificateRevoked
		}
	}
	return nil
}

// surroundings is a configuration with what docs/factors.md shows.
func surroundings(roots *x509.CertPool, revoked func(context.Context, []*x509.Certificate) error) signet.Config {
	return signet.Config{
		Factors: signet.Factors{
			TOTP: &mfa.TOTP{},
			Certificates: &flow.Certificates{
				Roots:   roots,                       // who issues certificates of your people; required
				Revoked: revoked,                     // required, or InsecureIgnoreRevocation
				Name:    flow.CertificateUPN,         // "" admits only what was enrolled
				URL:     "https://cards.example.com", // where the server asks for certificates
			},
		},
		Connections: []federated.Connection{
			{
				Name: "ethereum", Title: "Ethereum", Create: true,
				Provider: rp.Config{
					Issuer: "https://oidc.signinwithethereum.org", ClientID: os.Getenv("SIWE_ID"), ClientSecret: os.Getenv("SIWE_SECRET"),
					Scopes: []string{"openid", "profile"},
				},
			},
			{
				Name: "duo-sso", Title: "Duo", LinkByEmail: true, TrustAMR: true,
				Provider: rp.Config{Issuer: os.Getenv("DUO_ISSUER"), ClientID: os.Getenv("DUO_ID"), ClientSecret: os.Getenv("DUO_SECRET")},
			},
		},
		Services: []service.Service{
			{
				Name: "duo", Title: "Duo", Kind: service.Verifies, AMR: []string{"hwk"},
				Endpoint: service.Endpoint{
					URL: "https://bridge.example.com/ask", Redirects: []string{"https://api-1234.duosecurity.com"},
					Auth: notify.HTTPAuth{Type: notify.Bearer, Token: notify.Secret(os.Getenv("BRIDGE_TOKEN"))}, Parameters: []string{"proof"},
				},
			},
			{
				Name: "iproov", Title: "iProov", Kind: service.Verifies, AMR: []string{"face"},
				Endpoint: service.Endpoint{URL: "https://iproov-bridge.example.com/ask", Parameters: []string{"proof"}},
			},
			{
				Name: "hypr", Title: "HYPR", Kind: service.Identifies, AMR: []string{"hwk"},
				Endpoint: service.Endpoint{URL: "https://hypr-bridge.example.com/ask", Parameters: []string{"proof"}},
			},
		},
	}
}

// vendor takes people to a page, and knows afterwards how it went.
type vendor interface {
	// Begin returns where somebody goes, who comes to back from there with the state.
	Begin(ctx context.Context, person, state, back string) (string, error)
	// Passed reports whether this very person has passed, by what they came back with.
	Passed(ctx context.Context, person string, answer url.Values) (bool, error)
}

// guest is somebody whom the bridge has sent to the vendor. The browser that comes back from there gets a proof: the flowId says nothing, as whoever
// has begun knows it, and may have sent somebody else.
type guest struct{ person, status, proof string }

// bridge speaks the contract on one side and with the vendor on the other.
type bridge struct {
	vendor           vendor
	token, own, back string // own is the bridge's URL, and back is Provider.Services.RedirectURL

	mu     sync.Mutex
	guests map[string]guest // by flowId; forget those of an hour ago
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.URL.Path == "/done" { // the person, back from the vendor
		id := r.URL.Query().Get("state")
		v, known := b.guests[id]
		if !known || v.status != "INCOMPLETE" {
			http.NotFound(w, r)
			return
		}
		v.status, v.proof = "FAILED", rand.Text()
		if passed, err := b.vendor.Passed(r.Context(), v.person, r.URL.Query()); err == nil && passed {
			v.status = "SUCCESS"
		}
		b.guests[id] = v
		http.Redirect(w, r, b.back+"?"+url.Values{"flowId": {id}, "proof": {v.proof}}.Encode(), http.StatusSeeOther)
		return
	}
	var asked struct {
		FlowID string
		Event  struct {
			User    struct{ ID string }
			Request struct{ AdditionalParameters []struct{ Value []string } } // Endpoint.Parameters has the proof alone
		}
	}
	err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&asked)
	if err != nil || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+b.token)) == 0 {
		http.Error(w, `{"actionStatus":"ERROR"}`, http.StatusBadRequest)
		return
	}
	v, known := b.guests[asked.FlowID]
	if known && v.status != "INCOMPLETE" {
		delete(b.guests, asked.FlowID)
		if given := asked.Event.Request.AdditionalParameters; len(given) != 1 || !slices.Equal(given[0].Value, []string{v.proof}) {
			v.status = "FAILED"
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"actionStatus": v.status})
		return
	}
	to, err := b.vendor.Begin(r.Context(), asked.Event.User.ID, asked.FlowID, b.own+"/done")
	if err != nil {
		http.Error(w, `{"actionStatus":"ERROR"}`, http.StatusInternalServerError)
		return
	}
	b.guests[asked.FlowID] = guest{person: asked.Event.User.ID, status: "INCOMPLETE"}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"actionStatus": "INCOMPLETE", "operations": []map[string]string{{"op": "redirect", "url": to}},
	})
}

// approving is a vendor in a test: who comes back with "ok" has passed.
type approving struct{}

func (approving) Begin(_ context.Context, person, state, back string) (string, error) {
	return "https://vendor.example/?" + url.Values{"for": {person}, "state": {state}, "back": {back}}.Encode(), nil
}

func (approving) Passed(_ context.Context, person string, answer url.Values) (bool, error) {
	return answer.Get("ok") == person, nil
}

// The bridge of docs/factors.md says of people what the vendor does, and nothing to anybody else.
func TestBridge(t *testing.T) {
	t.Parallel()
	b := &bridge{vendor: approving{}, token: "t", own: "https://bridge.example", back: "https://id.example/back", guests: map[string]guest{}}
	ask := func(id, token, proof string) string {
		text := `{"flowId":"` + id + `","event":{"user":{"id":"ann"}}}`
		if proof != "" {
			text = `{"flowId":"` + id + `","event":{"user":{"id":"ann"},"request":{"additionalParameters":[{"name":"proof","value":["` + proof + `"]}]}}}`
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/ask", strings.NewReader(text))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		return w.Body.String()
	}
	done := func(query string) (id, proof string) {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/done?"+query, nil))
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return to.Query().Get("flowId"), to.Query().Get("proof")
	}
	for _, test := range []struct{ id, came, want string }{{"one", "ann", "SUCCESS"}, {"two", "bob", "FAILED"}} {
		if got := ask(test.id, "t", ""); !strings.Contains(got, "INCOMPLETE") || !strings.Contains(got, "https://vendor.example/?") {
			t.Errorf("got %s", got)
		}
		id, proof := done("state=" + test.id + "&ok=" + test.came)
		if id != test.id || proof == "" {
			t.Errorf("sent back with %q and %q", id, proof)
		}
		if got := ask(test.id, "t", proof); !strings.Contains(got, test.want) {
			t.Errorf("got %s", got)
		}
	}
	if got := ask("three", "x", ""); !strings.Contains(got, "ERROR") {
		t.Errorf("somebody else asks: %s", got)
	}
	if id, _ := done("state=unknown&ok=ann"); id != "" {
		t.Errorf("sent back with %q", id)
	}
	// Whoever has begun has had somebody else go to the vendor, and comes back in their place.
	for _, proof := range []string{"", "guessed"} {
		ask("four", "t", "")
		done("state=four&ok=ann")
		if got := ask("four", "t", proof); !strings.Contains(got, "FAILED") {
			t.Errorf("in the place of who was there: %s", got)
		}
	}
}

// What docs/factors.md shows is what is compiled here.
func TestFactorsDocument(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	source, blocks := flat(read("example_factors_test.go")), goBlock.FindAllStringSubmatch(read("docs/factors.md"), -1)
	if len(blocks) < 5 {
		t.Errorf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(source, flat(block[1])) {
			t.Errorf("not compiled:\n%s", block[1])
		}
	}
	_ = surroundings(x509.NewCertPool(), (&list{now: time.Now}).revoked)
}
