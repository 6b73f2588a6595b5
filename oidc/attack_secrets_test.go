package oidc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// everyFlow goes through everything that makes, takes or refuses a secret.
func (h *harness) everyFlow() {
	h.tb.Helper()
	for _, clientID := range []string{web, mail, spa, vault} {
		first := h.tokens(clientID, "response_mode", "query", "login_hint", ann, "claims", `{"id_token":{"email":null},"userinfo":{"team":null}}`)
		second := h.issued(h.refresh(clientID, first.RefreshToken))
		h.issued(h.refresh(clientID, first.RefreshToken)) // a replay in the grace
		h.userInfo(second.AccessToken)
		h.userInfo(second.AccessToken + "x")
		h.introspect(clientID, second.AccessToken)
		h.introspect(clientID, second.RefreshToken)
		h.refresh(clientID, second.RefreshToken, "scope", "admin")
		h.newBrowser().authorize(authorization(clientID, "id_token_hint", second.IDToken))
		h.newBrowser().authorize(authorization(clientID, "response_mode", "form_post"))
		h.persona.acts(script{Page: true})
		b := h.newBrowser()
		b.follow(b.do(http.MethodPost, pathAuthorize, authorization(clientID, "id_token_hint", second.IDToken)))
		h.persona.acts(script{})
		code := h.code(clientID)
		h.redeem(clientID, code, "code_verifier", verifier+"x")
		h.redeem(mail, code)
		h.redeem(clientID, code)
		h.redeem(clientID, code) // reuse
		revoked := h.tokens(clientID)
		h.revoke(robot, revoked.RefreshToken)
		h.revoke(clientID, revoked.RefreshToken)
		stolen := h.tokens(clientID)
		child := h.issued(h.refresh(clientID, stolen.RefreshToken))
		h.refresh(clientID, child.RefreshToken)
		h.refresh(clientID, stolen.RefreshToken) // reuse
		h.send(h.basicRequest(clientID, clientSecret(robot)))
		h.post(pathToken+"?client_secret="+clientSecret(mail)+"&code="+code, clientID, nil)
		b = h.newBrowser()
		b.follow(b.get(pathLogout + "?" + values("id_token_hint", second.IDToken, "post_logout_redirect_uri", bye).Encode()))
		h.faults.FailNext("apply", nil)
		h.refresh(clientID, second.RefreshToken) // a failure, whose cause is logged
		h.faults.Heal()
	}
	for _, clientID := range []string{robot, safe} {
		token := h.machineToken(clientID)
		h.introspect(server, token)
		h.revoke(clientID, token)
	}
	fresh, err := h.Clients.RotateSecret(h.tb.Context(), h.client(server))
	h.must(err)
	h.noteSecret("rotated client secret", fresh)
}

// Codes and tokens in logs, events, errors, observations and records (CVE-2026-55221): every secret that was handed out or
// sent is looked for in all of them, whole, and in its secret half alone.
func TestAttackSecretsInLogs(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.everyFlow()
		var said bytes.Buffer
		said.WriteString(h.logs.String())
		for _, o := range h.observedSoFar() {
			fmt.Fprintf(&said, "%+v\n", o)
		}
		for _, call := range h.faults.Calls() {
			for _, op := range call.Ops {
				fmt.Fprintf(&said, "%s %s %s %v %v %s\n", op.Record.Kind, op.Record.Org, op.Record.ID, op.Record.Keys, op.Record.Index, op.Record.Body)
			}
		}
		text := said.String()
		for _, proof := range []string{"request refused", "storetest: injected", "refresh_token.reused", "oidc.grant.revoked"} {
			if !strings.Contains(text, proof) {
				t.Errorf("nothing was captured of %q", proof)
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.secrets) < 50 {
			t.Errorf("only %d secrets", len(h.secrets))
		}
		for value, what := range h.secrets {
			if strings.Contains(text, value) {
				t.Errorf("%s was found", what)
			}
			if half := value[strings.LastIndexByte(value, '.')+1:]; len(half) >= 22 && strings.Contains(text, half) {
				t.Errorf("the secret half of %s was found", what)
			}
		}
	})
}

// A dump lets nobody in: no text in any record that was ever written serves as a token, a code or a client's secret, alone
// or put together as ours are, although a code, a family and its sealed successor are waiting.
func TestAttackStoreDump(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		code, living := h.code(web), h.tokens(vault)
		h.issued(h.refresh(vault, living.RefreshToken))
		machine := h.machineToken(safe)
		texts, records := map[string]bool{}, map[string]store.Record{}
		for _, call := range h.faults.Calls() {
			for _, op := range call.Ops {
				if r := op.Record; len(r.Body) > 0 {
					texts[r.ID], records[r.Kind.Name+"|"+r.ID] = true, r
					maps.Copy(texts, leaves(h, r))
				}
			}
		}
		if len(texts) < 80 || len(records) < 20 {
			t.Fatalf("the dump has %d texts in %d records", len(texts), len(records))
		}
		for text := range texts {
			if a := h.introspect(safe, "sgat_"+text); a.active() {
				t.Errorf("%q is an access token", text)
			}
			if a := h.userInfo(text); a.Status == http.StatusOK {
				t.Errorf("%q is an access token", text)
			}
			if a := h.send(h.basicRequest(safe, text)); a.Status == http.StatusOK {
				t.Errorf("%q is a client secret", text)
			}
		}
		for _, r := range records {
			own := leaves(h, r)
			for one := range own {
				switch r.Kind.Name {
				case "oidc.request", "oidc.grant":
					if a := h.redeem(web, "sgac_"+r.ID+"."+one); a.Status == http.StatusOK {
						t.Errorf("%s yields a code", r.Kind)
					}
				case "oidc.refresh":
					for other := range own {
						if a := h.refresh(vault, "sgrt_"+r.ID+"."+one+"."+other); a.Status == http.StatusOK {
							t.Errorf("%s yields a refresh token", r.Kind)
						}
					}
				}
			}
		}
		h.issued(h.redeem(web, code)) // the doors themselves do open
		h.issued(h.refresh(vault, living.RefreshToken))
		if a := h.introspect(safe, machine); !a.active() {
			t.Errorf("%s", a)
		}
	})
}

// leaves are the strings in the body of a record.
func leaves(h *harness, r store.Record) map[string]bool {
	h.tb.Helper()
	var body any
	h.must(json.Unmarshal(r.Body, &body))
	all := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all[v] = true
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(body)
	return all
}

// The successor that a family keeps for a lost answer is sealed under the old token: the record, and even the family's
// secret with it, opens nothing.
func TestAttackSealedSuccessor(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		old := h.tokens(web)
		next := h.issued(h.refresh(web, old.RefreshToken))
		member := next.RefreshToken[strings.LastIndexByte(next.RefreshToken, '.')+1:]
		found := false
		for _, call := range h.faults.Calls() {
			for _, op := range call.Ops {
				if op.Record.Kind.Name != "oidc.refresh" || !bytes.Contains(op.Record.Body, []byte(`"successor"`)) {
					continue
				}
				found = true
				if bytes.Contains(op.Record.Body, []byte(member)) || !bytes.Contains(op.Record.Body, []byte(secret.Hash(member))) {
					t.Errorf("%s", op.Record.Body)
				}
			}
		}
		if !found {
			t.Error("no successor was kept")
		}
	})
}
