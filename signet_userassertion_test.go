package signet_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// withAssertions lets programs make accounts and sign people in by that.
func withAssertions(c *signet.Config) {
	c.FlowExecution, c.OIDC.PAR = true, &oidc.PAR{}
	c.Accounts = directory.AccountPolicies{Registration: directory.RegistrationPolicy{Enabled: true, SignIn: true}}
}

// assertion makes an account in the app, and returns what it gets for it.
func (n *native) assertion(address string) string {
	n.Helper()
	var told struct {
		Flow string `json:"flowId"`
		Data struct {
			Assertion string `json:"userAssertion"`
		} `json:"data"`
	}
	execute := func(body map[string]any) {
		n.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			n.Fatal(err)
		}
		s := n.send(n.request("/api/server/v1/flow/execute", "application/json", string(text)))
		if err := json.Unmarshal([]byte(s.Text), &told); err != nil {
			n.Fatal(err)
		}
	}
	step := func(action, field, value string) {
		n.Helper()
		execute(map[string]any{"flowId": told.Flow, "actionId": action, "inputs": map[string]string{field: value}})
	}
	execute(map[string]any{"flowType": "REGISTRATION", "applicationId": n.app.Application.ID})
	step("continue", "http://wso2.org/claims/emailaddress", address)
	step("login", "otp", n.idp.Mailbox().Code(address))
	step("continue", "password", "a much better horse")
	if told.Data.Assertion == "" {
		n.Fatal("no user assertion")
	}
	return told.Data.Assertion
}

// A user assertion answers an authorization request of its application, however that comes: a browser shows no page, and a program is asked nothing.
func TestUserAssertionAtAuthorize(t *testing.T) {
	everyPlacement(t, func(n *native) {
		s := n.begin(with("userAssertion", n.assertion("direct@example.com")))
		if s.FlowStatus != "SUCCESS_COMPLETED" {
			n.Fatalf("without a browser: %s", s.Text)
		}
		if token, err := n.redeem(s.AuthData.Code); err != nil || token.Extra("id_token") == nil {
			n.Errorf("its code: %v", err)
		}
		brings := func(address string) oauth2.AuthCodeOption {
			return oauth2.SetAuthURLParam("userAssertion", n.assertion(address))
		}
		b := n.idp.Browser()
		q := n.app.Request(brings("browser@example.com"))
		tokens, err := q.Redeem(b.Open(q.URL))
		if err != nil || tokens.Claims["amr"] == nil {
			n.Fatalf("by a browser: %v", err)
		}
		if p := b.Open(n.app.Request().URL); !p.Has("username") {
			n.Errorf("the browser is signed in: %v", p)
		}
		q = n.app.Request(brings("pushed@example.com"))
		pushed := n.push(q.URL)
		if _, err := q.Redeem(b.Open(pushed)); err != nil {
			n.Errorf("pushed: %v", err)
		}
		again := n.app.Request(oauth2.SetAuthURLParam("userAssertion", "x"))
		if p := b.Open(again.URL); !p.Has("username") {
			n.Errorf("nonsense: %v", p)
		}
		if p := b.Open(n.app.Request(oauth2.SetAuthURLParam("userAssertion", strings.Repeat("x", 3000))).URL); !strings.Contains(p.URL.RawQuery, "error=invalid_request") {
			n.Errorf("a long one: %v", p)
		}
	}, withAssertions)
}

// push pushes the authorization request of a URL and returns the one to open instead.
func (n *native) push(address string) string {
	n.Helper()
	u, err := url.Parse(address)
	if err != nil {
		n.Fatal(err)
	}
	r := n.request("/oauth2/par", "application/x-www-form-urlencoded", u.RawQuery)
	r.SetBasicAuth(n.app.ClientID, n.app.ClientSecret)
	s := n.send(r)
	var told struct {
		URI string `json:"request_uri"`
	}
	if err := json.Unmarshal([]byte(s.Text), &told); err != nil || s.Status != http.StatusCreated {
		n.Fatalf("%d %s", s.Status, s.Text)
	}
	u.RawQuery = url.Values{"client_id": {n.app.ClientID}, "request_uri": {told.URI}}.Encode()
	return u.String()
}
