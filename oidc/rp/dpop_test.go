package rp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
	"golang.org/x/oauth2"
)

// proving has the upstream demand proofs, with a nonce of its own at each endpoint, and returns the proofs that it found good, by path.
func (u *upstream) proving() *[]string {
	var good []string
	used := map[string]bool{}
	check := func(w http.ResponseWriter, r *http.Request, token string) *dpop.Proof {
		proof, err := dpop.Verifier{}.Verify(r.Header.Values("DPoP"), dpop.Request{Method: r.Method, URL: u.URL + r.URL.Path, Token: token}, u.Now())
		if err != nil || used[proof.ID] {
			u.Errorf("%s: proof %v, %v", r.URL.Path, proof, err)
			w.WriteHeader(http.StatusBadRequest)
			return nil
		}
		used[proof.ID] = true
		w.Header().Set("DPoP-Nonce", "nonce-of-"+u.URL)
		if proof.Nonce != "nonce-of-"+u.URL {
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", error_description="again"`)
			status := http.StatusBadRequest
			if token != "" {
				status = http.StatusUnauthorized
			}
			w.WriteHeader(status)
			writeJSON(w, map[string]string{"error": "use_dpop_nonce"})
			return nil
		}
		good = append(good, r.URL.Path+" "+proof.JKT)
		return proof
	}
	u.answer(func(w http.ResponseWriter, r *http.Request) {
		if check(w, r, "") != nil {
			writeJSON(w, map[string]any{"access_token": "the access token", "token_type": "DPoP", "expires_in": "60", "id_token": u.idToken(), "refresh_token": "r1"})
		}
	}, nil)
	u.routes["/userinfo"] = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "DPoP the access token" {
			u.Errorf("UserInfo with %q", r.Header.Get("Authorization"))
		}
		if check(w, r, "the access token") != nil {
			writeJSON(w, u.userInfo)
		}
	}
	return &good
}

// Tokens are bound to a key: proofs at the token and UserInfo endpoints, each with the nonce that the server wants, the code bound in the
// request already, and each try authenticated anew (RFC 9449 §4.2, §5, §7.1, §8, §10, RFC 7523 §3).
func TestDPoP(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	good := u.proving()
	key := u.newKey(jose.ES256)
	jkt, err := jose.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	u.config.DPoP = &rp.ProofKey{Algorithm: "ES256", Signer: key}
	u.config.ClientSecret, u.config.Key = "", &rp.ClientKey{Algorithm: "ES256", Signer: u.newKey(jose.ES256)}
	id, err := u.login(rp.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if u.asked.Get("dpop_jkt") != jkt {
		t.Errorf("the code is not bound: %v", u.asked)
	}
	if want := fmt.Sprintf("[/token %s /userinfo %s]", jkt, jkt); fmt.Sprint(*good) != want {
		t.Errorf("proofs %v", *good)
	}
	if len(u.redeemed) != 2 || u.redeemed[0].FormValue("client_assertion") == u.redeemed[1].FormValue("client_assertion") {
		t.Errorf("%d requests for tokens, with an assertion that was used", len(u.redeemed))
	}
	if id.Token.TokenType != "DPoP" || id.Token.ExpiresIn != 60 {
		t.Errorf("token %+v", id.Token)
	}
}

// The host's own requests with a token that is bound: a nonce is learned by server, and a body is sent again (RFC 9449 §7.1, §8.2, §9).
func TestDPoPAtAnAPI(t *testing.T) {
	t.Parallel()
	u, other := newUpstream(t), newUpstream(t)
	u.proving()
	u.config.DPoP = &rp.ProofKey{Algorithm: "ES256", Signer: u.newKey(jose.ES256)}
	p := u.provider()
	id, err := p.Finish(t.Context(), u.begin(p, rp.Request{}), u.response())
	if err != nil {
		t.Fatal(err)
	}
	var bodies, nonces []string
	other.routes["/orders"] = func(w http.ResponseWriter, r *http.Request) {
		proof, err := dpop.Verifier{}.Verify(r.Header.Values("DPoP"), dpop.Request{Method: "POST", URL: other.URL + "/orders", Token: "the access token"}, u.Now())
		if err != nil {
			t.Error(err)
			return
		}
		body, _ := io.ReadAll(r.Body)
		bodies, nonces = append(bodies, string(body)), append(nonces, proof.Nonce)
		if proof.Nonce != "theirs" {
			w.Header().Set("DPoP-Nonce", "theirs")
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	post := func(body io.Reader) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, other.URL+"/orders?page=2#x", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := p.API(id.Token).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if status := post(strings.NewReader("tea")); status != http.StatusOK || fmt.Sprint(bodies, nonces) != "[tea tea] [ theirs]" {
		t.Errorf("%d, %v, %q", status, bodies, nonces)
	}
	if status := post(io.MultiReader(strings.NewReader("milk"))); status != http.StatusOK || len(bodies) != 3 {
		t.Errorf("%d, %v", status, bodies)
	}
	var asked []string
	for name, answer := range map[string][3]string{ // status, nonce, challenge
		"another error": {"401", "n", `DPoP error="invalid_token"`}, "no nonce": {"401", "", `DPoP error="use_dpop_nonce"`}, "forbidden": {"403", "n", `DPoP error="use_dpop_nonce"`},
	} {
		asked = nil
		other.routes["/orders"] = func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, strings.Fields(r.Header.Get("Authorization"))[0])
			if answer[1] != "" {
				w.Header().Set("DPoP-Nonce", answer[1])
			}
			w.Header().Set("WWW-Authenticate", answer[2])
			status, _ := strconv.Atoi(answer[0])
			w.WriteHeader(status)
		}
		if status := post(nil); strconv.Itoa(status) != answer[0] || fmt.Sprint(asked) != "[DPoP]" {
			t.Errorf("%s: %d, asked %v", name, status, asked)
		}
	}
	tries := 0
	other.routes["/orders"] = func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization")+r.Header.Get("DPoP"))
		if tries++; tries == 1 {
			w.Header().Set("DPoP-Nonce", "n")
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	if status := post(nil); status != http.StatusOK || tries != 2 {
		t.Errorf("without a body: %d after %d tries", status, tries)
	}
	asked = nil
	id.Token = &oauth2.Token{AccessToken: "an unbound one", TokenType: "Bearer"}
	if status := post(nil); status != http.StatusOK || fmt.Sprint(asked) != "[Bearer an unbound one]" {
		t.Errorf("an unbound token: %d, asked %v", status, asked)
	}
	id.Token = &oauth2.Token{AccessToken: "a bound one", TokenType: "DPoP"}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example/orders", nil)
	if _, err := p.API(id.Token).Do(r); err == nil {
		t.Error("a token in clear text")
	}
}

// A provider that does not bind is no provider for a client that demands it, and one that asks for nonce after nonce ends (RFC 9449 §5, §8).
func TestAttackUnboundToken(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.DPoP = &rp.ProofKey{Algorithm: "ES256", Signer: u.newKey(jose.ES256)}
	u.refused(u.login(rp.Request{})) // token_type Bearer
	if u.fetched("/userinfo") > 0 {
		t.Error("a token that is not bound was used")
	}
	u.redeemed = nil
	u.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("DPoP-Nonce", fmt.Sprint("n", len(u.redeemed)))
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "use_dpop_nonce"})
	}, nil)
	_, err := u.login(rp.Request{})
	if refused, ok := errors.AsType[*rp.ResponseError](err); !ok || refused.Code != "use_dpop_nonce" || len(u.redeemed) != 2 {
		t.Errorf("%v after %d tries", err, len(u.redeemed))
	}
	u.redeemed = nil
	u.answer(func(w http.ResponseWriter, _ *http.Request) { // a nonce for the next time, and another refusal
		w.Header().Set("DPoP-Nonce", "n")
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "invalid_grant"})
	}, nil)
	_, err = u.login(rp.Request{})
	if refused, ok := errors.AsType[*rp.ResponseError](err); !ok || refused.Code != "invalid_grant" || len(u.redeemed) != 1 {
		t.Errorf("%v after %d tries", err, len(u.redeemed))
	}
	u.config.DPoP = nil
	u.answer(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"access_token": "x", "token_type": "DPoP", "id_token": u.idToken()})
	}, nil)
	u.refused(u.login(rp.Request{})) // bound to a key that we do not have
}

// What no nonce can be is not sent back (RFC 9449 §8.1).
func TestAttackNonceThatIsNone(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.DPoP = &rp.ProofKey{Algorithm: "ES256", Signer: u.newKey(jose.ES256)}
	for _, nonce := range []string{strings.Repeat("n", 4096), "a b", "a\"b", "a\\b", "a\u00e9", "a\u00a0b"} {
		u.redeemed = nil
		u.answer(func(w http.ResponseWriter, r *http.Request) {
			proof, err := dpop.Verifier{}.Verify(r.Header.Values("DPoP"), dpop.Request{Method: "POST", URL: u.URL + "/token"}, u.Now())
			if err != nil || proof.Nonce != "" {
				t.Errorf("%.10q: %+v, %v", nonce, proof, err)
			}
			w.Header().Set("DPoP-Nonce", nonce)
			w.WriteHeader(http.StatusBadRequest)
			writeJSON(w, map[string]string{"error": "use_dpop_nonce"})
		}, nil)
		if _, err := u.login(rp.Request{}); err == nil {
			t.Error("signed in")
		}
	}
}
