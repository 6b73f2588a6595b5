package signet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// execution is a provider with flow execution, and a program without a browser that speaks with it.
type execution struct {
	*testing.T
	idp    *idptest.Server
	values map[string]string
}

func newExecution(t *testing.T, p storetest.Placement, edit ...func(*signet.Config)) *execution {
	t.Helper()
	x := &execution{T: t, values: map[string]string{}}
	x.idp = idptest.New(t, append([]func(*signet.Config){placed(p), func(c *signet.Config) {
		c.Now = func() time.Time { return time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC) }
		c.FlowExecution = true
		c.Accounts = directory.AccountPolicies{
			Registration: directory.RegistrationPolicy{Enabled: true, SignIn: true},
			Recovery:     directory.RecoveryPolicy{EmailLink: true},
		}
	}}, edit...)...)
	x.values["app"] = x.idp.App(callback).Application.ID
	return x
}

// post sends a body, and returns the answer with names for what differs each time.
func (x *execution) post(body string) (status int, text string) {
	x.Helper()
	r := httptest.NewRequest(http.MethodPost, x.idp.URL+"/api/server/v1/flow/execute", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	x.idp.Provider.ServeHTTP(rec, r)
	var sent struct {
		Flow  string `json:"flowId"`
		Trace string `json:"traceId"`
		Data  struct {
			Assertion string `json:"userAssertion"`
			Redirect  string `json:"redirectURL"`
		} `json:"data"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &sent); err != nil {
		x.Fatalf("%s: %d %q", body, rec.Code, rec.Body)
	}
	text = rec.Body.String()
	for name, value := range map[string]string{"flow": sent.Flow, "trace": sent.Trace, "assertion": sent.Data.Assertion} {
		if value != "" {
			x.values[name] = value
			text = strings.ReplaceAll(text, `"`+value+`"`, `"<`+name+`>"`)
		}
	}
	if to, err := url.Parse(sent.Data.Redirect); err == nil && sent.Data.Redirect != "" {
		query := to.Query()
		x.values["state"] = query.Get("state")
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			text = strings.ReplaceAll(text, name+"="+query.Get(name), name+"=<"+name+">")
		}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(text), "", "  "); err != nil {
		x.Fatal(err)
	}
	return rec.Code, indented.String()
}

// exchange sends a request of a transcript, after what its directive says: "!mail ADDRESS" reads the code that was sent there,
// "!invite NAME" has somebody invited.
func (x *execution) exchange(text string) string {
	x.Helper()
	if line, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(line, "!mail ") {
		x.values["otp"] = x.idp.Mailbox().Code(strings.TrimPrefix(line, "!mail "))
		text = rest
	}
	if line, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(line, "!invite ") {
		x.values["ticket"] = x.invite(strings.TrimPrefix(line, "!invite "))
		text = rest
	}
	for name, value := range x.values {
		text = strings.ReplaceAll(text, "<"+name+">", value)
	}
	status, answer := x.post(strings.TrimSpace(text))
	return fmt.Sprintf("%d\n\n%s\n", status, answer)
}

// invite has somebody invited, and returns what is in the link.
func (x *execution) invite(name string) string {
	x.Helper()
	b := x.idp.Provider.DB.Batch()
	_, issued, err := x.idp.Provider.Directory.Invite(
		x.Context(), b, &directory.User{Username: name, Email: name + "@example.com"}, directory.LinkByHand,
	)
	if err == nil {
		err = b.Apply(x.Context())
	}
	if err != nil {
		x.Fatal(err)
	}
	return issued.Token.Reveal()
}

// draw enables a flow of the testdata of flow/builder.
func (x *execution) draw(name string) {
	x.Helper()
	text, err := os.ReadFile("flow/builder/testdata/" + name + ".json")
	if err != nil {
		x.Fatal(err)
	}
	drawn, err := builder.Parse(text)
	if err != nil {
		x.Fatal(err)
	}
	b, err := builder.New(builder.Config{DB: x.idp.Provider.DB, Directory: x.idp.Provider.Directory, SMS: true})
	if err == nil {
		err = b.Put(x.Context(), "", text)
	}
	if err == nil {
		err = b.Configure(x.Context(), "", drawn.FlowType, true, nil)
	}
	if err != nil {
		x.Fatal(err)
	}
}

// signUp has people make an account at a provider upstream.
func signUp(t *testing.T) func(*signet.Config) {
	t.Helper()
	plan, err := flow.Graph{Start: "who", Nodes: []flow.Node{
		{Name: "who", Options: []string{"up-register"}, On: map[string]string{"ok": "account"}},
		{Name: "account", Options: []string{"register-account"}, On: map[string]string{"ok": "end", "failed": "who"}},
		{Name: "end", End: flow.Succeeded},
	}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return func(c *signet.Config) {
		const upstream = "https://up.example.com"
		c.Plans = map[string]flow.Plan{"register": plan}
		c.Connections = []federated.Connection{{
			Name: "up", Title: "Upstream Inc.", Create: true, ProgramURL: "https://app.example.com/accounts/register",
			Provider: rp.Config{Issuer: upstream, ClientID: "client", ClientSecret: "secret", Endpoints: &rp.Endpoints{
				Authorization: upstream + "/authorize", Token: upstream + "/token", JWKS: upstream + "/jwks",
			}},
		}}
	}
}

// TestFlowExecutionTranscripts plays the conversations of testdata/flowexecution, pairs of "NAME request" and "NAME answer", to a whole
// provider.
func TestFlowExecutionTranscripts(t *testing.T) {
	t.Parallel()
	transcripts(t, "flowexecution", func(t *testing.T, p storetest.Placement, a *txtar.Archive) func(string) string {
		var edit []func(*signet.Config)
		if strings.Contains(string(a.Comment), "upstream") {
			edit = append(edit, signUp(t))
		}
		if strings.Contains(string(a.Comment), "Drawn: ") {
			edit = append(edit, func(c *signet.Config) { c.FlowBuilder, c.Accounts.Recovery.SMSCode = true, true })
		}
		x := newExecution(t, p, edit...)
		x.idp.User("ann", func(u *directory.User) { u.Phone, u.PhoneVerified = "+4930123456", true })
		for line := range strings.Lines(string(a.Comment)) {
			if name, ok := strings.CutPrefix(line, "Drawn: "); ok {
				x.draw(strings.TrimSuffix(strings.TrimSpace(name), "."))
			}
		}
		return x.exchange
	})
}

// Scripts of the origins of applications may make accounts, and no others: they are not let send the JSON, nor read what comes back.
func TestAttackFlowExecutionFromAnotherOrigin(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) {
		c.FlowExecution = true
		c.OIDC.CORS = &oidc.CORS{Origins: []string{"https://portal.example"}}
		c.Accounts = directory.AccountPolicies{Registration: directory.RegistrationPolicy{Enabled: true}}
	})
	idp.App(callback, func(a *idptest.App) { a.Client.AllowedOrigins = []string{"https://app.example"} })
	for origin, want := range map[string]string{
		"https://portal.example": "https://portal.example", "https://app.example": "https://app.example",
		"https://evil.example": "", "null": "", "https://app.example.evil.example": "", "http://app.example": "",
	} {
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			r := httptest.NewRequest(method, idp.URL+"/api/server/v1/flow/execute", strings.NewReader(`{"flowType":"REGISTRATION"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Origin", origin)
			rec := httptest.NewRecorder()
			idp.Provider.ServeHTTP(rec, r)
			h := rec.Header()
			if got := h.Get("Access-Control-Allow-Origin"); got != want || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Vary") == "" {
				t.Errorf("%s from %s: %d %v", method, origin, rec.Code, h)
			}
			if may := h.Get("Access-Control-Allow-Methods"); method == http.MethodOptions && want != "" && may != "POST" {
				t.Errorf("from %s: %q", origin, may)
			}
		}
	}
}
